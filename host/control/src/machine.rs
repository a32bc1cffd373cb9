//! What the coordinator decides: inputs and the time go in, effects come out.
//!
//! Nothing here waits, sends or reads a clock, so a test can play any history to it.
//!
//! ```text
//! Waiting ─> Preparing ─> SettingUp ─> Running ─> Stopping ─> Collecting ─> TearingDown ─> Finished
//!    └───────────┴────────────┴────────────┴── fails, is stopped ──^
//! ```

mod balance;
mod change;
mod distribute;
mod drain;
mod fair;
mod finish;
mod loss;
mod measure;
mod registry;
mod run;
mod shape;
mod shared;
mod show;
mod slots;
pub(crate) mod snapshot;
mod split;
mod steps;
mod versions;

use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;
use std::time::Duration;

use loadhost_model::description::Description;
use loadhost_model::id::{RunId, WorkerId};
use loadhost_model::interval::Interval;
use loadhost_model::plan::RunPlan;
use loadhost_model::wire::{Assignment, Report, StopMode, VERSION, WorkerStatus};
use serde::{Deserialize, Serialize};

use crate::config::CoordinatorConfig;
use crate::error::{ControlError, StartError};
use crate::ports::{ShapeNow, ShapeTarget};
use crate::report::{EndReason, RunReport};
use crate::view::NoteKind;

use registry::{Heard, Registry};
use run::{Run, Stage};

/// The time of an input.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Now {
    /// Since the first coordinator of this fleet began; all decisions are made by it.
    pub(crate) mono: Duration,
    /// Microseconds since the Unix epoch; a label, and the workers' common instant.
    pub(crate) wall: u64,
}

impl Now {
    /// What the wall clock shows after a while, in microseconds since the Unix epoch.
    pub(crate) fn wall_after(self, delay: Duration) -> u64 {
        self.wall.saturating_add(u64::try_from(delay.as_micros()).unwrap_or(u64::MAX))
    }
}

/// A run to be started.
#[derive(Debug)]
pub(crate) struct NewRun {
    pub(crate) plan: Arc<RunPlan>,
    pub(crate) description: Arc<Description>,
    pub(crate) expect_workers: u32,
    pub(crate) max_wait: Duration,
    pub(crate) shaped: bool,
}

/// What happens to the coordinator.
#[derive(Debug)]
pub(crate) enum Input {
    /// A worker said something.
    Report(Report),
    /// A load shape answered.
    Shape(RunId, Result<Option<ShapeTarget>, String>),
    /// Time went on.
    Tick,
    /// Another coordinator leads.
    Deposed,
    /// This process did not run for a while, so it has heard nobody.
    Slept,
}

/// What the coordinator does.
#[derive(Debug)]
pub(crate) enum Effect {
    /// State what is wanted of a worker.
    Assign(WorkerId, Assignment),
    /// Answer who started the run.
    Started(RunId, Result<(), StartError>),
    /// Ask the load shape.
    AskShape(RunId, ShapeNow),
    /// Hand out the report.
    Finished(RunId, Arc<RunReport>),
}

/// The whole state of a coordinator. What is skipped is saved apart, or is of no use to a successor.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct Machine {
    #[serde(skip)]
    config: CoordinatorConfig,
    #[serde(skip)]
    deposed: bool,
    generation: u64,
    registry: Registry,
    runs: BTreeMap<RunId, Run>,
    #[serde(skip)]
    finished: VecDeque<(RunId, Arc<crate::view::RunView>, Arc<RunReport>)>,
    ignored: BTreeMap<String, u64>,
    /// Something was learnt that a view should show at once.
    #[serde(skip)]
    news: bool,
    #[serde(skip)]
    effects: Vec<Effect>,
    /// Grows with each decision that a successor must know before its effects are seen.
    #[serde(skip)]
    version: u64,
}

impl Machine {
    pub(crate) fn new(config: CoordinatorConfig) -> Self {
        Self {
            config,
            deposed: false,
            generation: 0,
            registry: Registry::default(),
            runs: BTreeMap::new(),
            finished: VecDeque::new(),
            ignored: BTreeMap::new(),
            news: true,
            effects: Vec::new(),
            version: 0,
        }
    }

    /// Whether another coordinator leads now.
    pub(crate) fn is_deposed(&self) -> bool {
        self.deposed
    }

    /// Grows with each decision that must be saved before its effects go out.
    pub(crate) fn version(&self) -> u64 {
        self.version
    }

    /// Nothing of it has been saved yet.
    pub(crate) fn begin_saving(&mut self) {
        self.version += 1;
    }

    /// What is to be done since the last time. Questions to a load shape are asked anew by a successor;
    /// everything else it must know of.
    fn take_effects(&mut self) -> Vec<Effect> {
        let effects = std::mem::take(&mut self.effects);
        let is_decision = |effect: &Effect| !matches!(effect, Effect::AskShape(..));
        self.version += u64::from(effects.iter().any(is_decision));
        effects
    }

    /// Takes in what happened and moves all runs as far as they can go.
    pub(crate) fn handle(&mut self, now: Now, input: Input) -> Vec<Effect> {
        // Looking at all parts of all runs after each word of a thousand workers would cost
        // more than everything else, so that is done when something moved, and with each tick.
        let moved = match input {
            Input::Report(Report::Status(status)) => self.hear(now, status),
            Input::Report(Report::Interval(interval)) => self.merge(now, *interval),
            // Logs are for watchers, positions for checkpoints; the actor knows what to do.
            Input::Report(Report::Log(_) | Report::Position(_)) => false,
            Input::Shape(run, answer) => self.shape_answered(now, &run, answer),
            Input::Tick => self.tick(now),
            Input::Deposed => self.depose(),
            Input::Slept => {
                self.registry.listen_anew(now.mono);
                false
            }
        };
        if moved && !self.deposed {
            self.advance_all(now);
        }
        self.take_effects()
    }

    /// Takes in a run. What becomes of it is told by [`Effect::Started`].
    pub(crate) fn start(&mut self, now: Now, new: NewRun) -> Result<Vec<Effect>, StartError> {
        let id = new.plan.run.clone();
        if self.deposed {
            return Err(StartError::Deposed);
        }
        if self.runs.contains_key(&id) || self.finished.iter().any(|(run, ..)| *run == id) {
            return Err(StartError::Duplicate(id));
        }
        if self.runs.len() >= self.config.max_runs {
            self.ignore("max_runs");
            return Err(StartError::TooManyRuns(self.config.max_runs));
        }
        let run = Run {
            aggregate: crate::aggregate::Aggregate::new(&new.plan, &new.description),
            reset: None,
            shared: shared::Shared::new(&new.plan),
            versions: versions::Versions::new(new.plan.module, &new.description),
            plan: new.plan,
            description: new.description,
            expect_workers: new.expect_workers.max(1),
            stage: Stage::Waiting {
                since: now.mono,
                deadline: now.mono.saturating_add(new.max_wait),
            },
            parts: Vec::new(),
            slots: slots::Slots::default(),
            next_seat: 0,
            balance: balance::Balance::default(),
            unconfirmed: 0,
            losses: Vec::new(),
            setup_data: None,
            started: None,
            stood_still: None,
            ended: None,
            notes: Vec::new(),
            notes_omitted: 0,
            shape: new.shaped.then(shape::Shape::default),
        };
        self.runs.insert(id, run);
        self.news = true;
        self.advance_all(now);
        Ok(self.take_effects())
    }

    /// Stops a run. Asking twice does no harm; `Now` hastens a graceful stop.
    pub(crate) fn stop(
        &mut self,
        now: Now,
        id: &RunId,
        mode: StopMode,
    ) -> Result<Vec<Effect>, ControlError> {
        if self.finished.iter().any(|(run, ..)| run == id) {
            return Ok(Vec::new());
        }
        let mut run = self.runs.remove(id).ok_or_else(|| ControlError::UnknownRun(id.clone()))?;
        self.end(now, &mut run, EndReason::StoppedByUser, mode);
        self.runs.insert(id.clone(), run);
        self.advance_all(now);
        Ok(self.take_effects())
    }

    /// Lets the statistics of a run begin anew.
    pub(crate) fn reset(&mut self, now: Now, id: &RunId) -> Result<(), ControlError> {
        let run = self.runs.get_mut(id).ok_or_else(|| ControlError::UnknownRun(id.clone()))?;
        if run.stage != Stage::Running {
            return Err(ControlError::NotRunning(id.clone()));
        }
        let elapsed = run.elapsed(now.mono);
        run.aggregate.reset(elapsed);
        run.reset = Some(elapsed);
        self.version += 1;
        run.note(
            now.mono,
            NoteKind::Info,
            format!("statistics were reset at {} s", elapsed.as_secs()),
        );
        self.news = true;
        Ok(())
    }

    /// The report of a run that is over.
    pub(crate) fn report(&self, id: &RunId) -> Option<Arc<RunReport>> {
        self.finished.iter().find(|(run, ..)| run == id).map(|(_, _, report)| report.clone())
    }

    pub(crate) fn knows(&self, id: &RunId) -> bool {
        self.runs.contains_key(id) || self.report(id).is_some()
    }

    /// Whether a new view would show something that should not wait; asking clears it.
    pub(crate) fn has_news(&mut self) -> bool {
        std::mem::take(&mut self.news)
    }

    fn hear(&mut self, now: Now, mut status: WorkerStatus) -> bool {
        if status.version != VERSION {
            return self.ignore("version");
        }
        if status.applied.0 > self.config.term {
            return self.depose();
        }
        let shared = std::mem::take(&mut status.shared); // kept by the run
        let heard = self.registry.hear(now.mono, status.clone(), self.config.max_workers);
        let mut moved = match heard {
            Heard::Former => {
                self.tell_of_a_clash(now, &status.worker);
                return self.ignore("former_process");
            }
            Heard::Full => return self.ignore("max_workers"),
            Heard::News | Heard::Restarted => true,
            Heard::Same => false,
        };
        let has_it = |(_, run): &(&RunId, &Run)| run.part(&status.worker).is_some();
        let ids: Vec<RunId> = self.runs.iter().filter(has_it).map(|(id, _)| id.clone()).collect();
        for id in ids {
            let Some(mut run) = self.runs.remove(&id) else { continue };
            moved |= self.follow(now, &mut run, &status);
            self.hear_shared(now, &mut run, &status, &shared);
            self.runs.insert(id, run);
        }
        if self.is_astray(&status) {
            self.state(status.worker, None);
        }
        self.news |= moved;
        moved
    }

    /// Runs with a worker of this name say that another process has it too, if that is so.
    fn tell_of_a_clash(&mut self, now: Now, worker: &WorkerId) {
        if !self.registry.get(worker).is_some_and(|worker| worker.name_clash) {
            return;
        }
        for run in self.runs.values_mut().filter(|run| run.part(worker).is_some()) {
            let message = format!(
                "two processes are called worker `{worker}`: the newer one has its share, the other one is idle; give each an --id of its own"
            );
            run.note(now.mono, NoteKind::Warning, message);
        }
    }

    /// A run learns from a worker's word. True if that moved something.
    fn follow(&mut self, now: Now, run: &mut Run, status: &WorkerStatus) -> bool {
        let (worker, incarnation) = (&status.worker, status.incarnation);
        let Some(at) = run.position(worker) else { return false };
        let mut moved = false;
        if run.parts[at].standing == run::Standing::Out {
            return false;
        }
        if run.parts[at].incarnation != incarnation {
            self.restart(now, run, at, incarnation);
            moved = true;
        }
        // The last words of a process that has left do not mean that it is back.
        if run.parts[at].lost && !run.parts[at].has_ended() {
            self.welcome(now, run, at);
            moved = true;
        }
        if status.run.as_ref() != Some(&run.plan.run) {
            return moved;
        }
        let mut setup = run.setup_data.take();
        let part = &mut run.parts[at];
        let was_running = part.is_running();
        moved |= part.follow(self.config.term, status, &mut setup);
        let begins = !was_running && part.is_running();
        if let Some(last) = part.last_seq {
            run.aggregate.ledger.expect(worker, incarnation, last);
        }
        run.setup_data = setup;
        if begins {
            // It was missing while it was tried again.
            let elapsed = run.elapsed(now.mono);
            let kept = run.open_losses(worker).filter(|loss| !loss.moved);
            kept.for_each(|loss| loss.returned = Some(elapsed));
        }
        moved
    }

    /// Whether a former leader gave the worker something to do that nobody knows of any more.
    fn is_astray(&self, status: &WorkerStatus) -> bool {
        status.run.is_some()
            && status.applied.0 < self.config.term
            && !self.runs.values().any(|run| run.part(&status.worker).is_some())
    }

    fn merge(&mut self, now: Now, interval: Interval) -> bool {
        if interval.term > self.config.term {
            // Sent under a newer leadership: that one merges it.
            return self.ignore("newer_term");
        }
        self.registry.lives(now.mono, &interval.worker, interval.incarnation);
        let Some(run) = self.runs.get_mut(&interval.run) else {
            return self.ignore("late_interval");
        };
        if run.part(&interval.worker).is_none() {
            return self.ignore("foreign_interval");
        }
        run.note_pause(now.mono, &interval);
        let plan = run.plan.clone();
        run.aggregate.take(interval, &plan);
        matches!(run.stage, Stage::Collecting { .. })
    }

    /// Counts what nobody could use.
    pub(crate) fn ignore(&mut self, reason: &str) -> bool {
        *self.ignored.entry(reason.to_string()).or_default() += 1;
        false
    }

    fn tick(&mut self, now: Now) -> bool {
        self.news |= self.registry.sweep(now.mono, &self.config);
        true
    }

    /// A newer leadership exists: this one says nothing more, and its runs go on without it.
    fn depose(&mut self) -> bool {
        self.news |= !self.deposed;
        self.deposed = true;
        false
    }
}

#[cfg(test)]
mod tests;
