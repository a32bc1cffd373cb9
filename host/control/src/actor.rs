//! The coordinator at work: it feeds the machine and does what the machine decides.
//!
//! One task owns everything. Assignments, load shapes and saving run beside it, so that a slow
//! transport, guest or store never delays a heartbeat. Over a fleet, what the machine decides is
//! saved before anybody hears of it, so a successor can go on from there.

mod checkpoints;
#[cfg(test)]
mod fake;
mod handle;
mod keeper;
#[cfg(test)]
mod memory;
mod outbox;
mod shapes;

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use loadhost_model::id::RunId;
use loadhost_model::wire::{LogLine, Report};
use tokio::sync::{broadcast, mpsc, oneshot, watch};
use tokio::task::JoinHandle;
use tokio::time::{Instant, MissedTickBehavior};
use tokio_util::sync::CancellationToken;

pub use handle::{Command, Desk, Handle, StartRequest};

use crate::config::{AtEnd, CoordinatorConfig};
use crate::error::{ControlError, StartError};
use crate::machine::{Effect, Input, Machine, NewRun, Now};
use crate::ports::{Clock, Fleet, Outside, Room, ShapeFactory, StoreError};
use crate::report::RunReport;
use crate::restored::Restored;
use crate::view::FleetView;
use checkpoints::{Checkpoints, Round};
use keeper::{Act, Keeper};
use outbox::Outbox;
use shapes::Shapes;

/// How often deadlines and silence are looked at.
const TICK: Duration = Duration::from_millis(100);
/// A view is never older than this.
const REFRESH: Duration = Duration::from_secs(1);
/// Reports taken in before anything else gets its turn.
const BATCH: usize = 64;
/// At the end, for telling workers to be idle.
const FAREWELL: Duration = Duration::from_secs(2);
/// At the end, for saving what a successor must know.
const LAST_SAVE: Duration = Duration::from_secs(10);
/// If this task itself did not run for so long, silence until then says nothing about workers.
const SLEPT: Duration = Duration::from_millis(1_500);

type Answer<T> = oneshot::Sender<T>;

/// Starts runs and sees them through. One serves a process or a whole fleet.
pub struct Coordinator {
    machine: Machine,
    /// When the machine's clock showed `base`.
    origin: Instant,
    base: Duration,
    awake: Instant,
    at_end: AtEnd,
    clock: Arc<dyn Clock>,
    room: Room,
    outbox: Outbox,
    shapes: Shapes,
    factory: Arc<dyn ShapeFactory>,
    keeper: Option<Keeper>,
    checkpoints: Option<Checkpoints>,
    /// All intervals up to this message of the stream have been merged.
    position: u64,
    views: watch::Sender<Arc<FleetView>>,
    logs: broadcast::Sender<Arc<LogLine>>,
    starting: HashMap<RunId, Answer<Result<(), StartError>>>,
    waiting: HashMap<RunId, Vec<Answer<Arc<RunReport>>>>,
    shown: Instant,
    /// What merging intervals took.
    aggregation: Duration,
}

impl Coordinator {
    /// Starts a coordinator for one process, which ends when `stop` is cancelled: runs that are
    /// still going are reported as interrupted then, and workers are told to be idle.
    pub fn spawn(
        config: CoordinatorConfig,
        fleet: Arc<dyn Fleet>,
        reports: mpsc::Receiver<Report>,
        stop: CancellationToken,
    ) -> (Handle, JoinHandle<()>) {
        Self::resume(config, Outside::of_one_process(fleet), reports, None, stop)
    }

    /// Starts a coordinator that goes on where a former leader was, or anew. It ends when `stop` is
    /// cancelled, as [`CoordinatorConfig::at_end`] says; and silently when another one leads: its
    /// runs go on there, and who waits for an answer here gets [`ControlError::Closed`].
    pub fn resume(
        config: CoordinatorConfig,
        outside: Outside,
        reports: mpsc::Receiver<Report>,
        restored: Option<Restored>,
        stop: CancellationToken,
    ) -> (Handle, JoinHandle<()>) {
        let (handle, Desk { commands: inbox, views, logs }) = Handle::pair();
        let Outside { fleet, store, shapes: factory, clock, room } = outside;
        let now = Instant::now();
        let (term, every, at_end) = (config.term, config.checkpoint, config.at_end);
        let (shapes, position) =
            (Shapes::new(config.shape_timeout), restored.as_ref().map_or(0, Restored::position));
        let wall = clock.wall_micros();
        let (mut machine, base, effects) = match restored {
            None => (Machine::new(config), Duration::ZERO, Vec::new()),
            Some(restored) => {
                let (mut machine, now, shift) = restored.into_machine(config, wall);
                let effects = machine.take_over(now, shift);
                (machine, now.mono, effects)
            }
        };
        machine.begin_saving();
        let mut coordinator = Self {
            machine,
            origin: now,
            base,
            awake: now,
            at_end,
            clock,
            room,
            outbox: Outbox::new(fleet),
            shapes,
            factory,
            keeper: store.clone().map(|store| Keeper::new(store, term)),
            checkpoints: store.map(|store| Checkpoints::new(store, term, every)),
            position,
            views,
            logs,
            starting: HashMap::new(),
            waiting: HashMap::new(),
            shown: now,
            aggregation: Duration::ZERO,
        };
        coordinator.make_shapes();
        coordinator.apply(effects);
        (handle, tokio::spawn(coordinator.run(inbox, reports, stop)))
    }

    async fn run(
        mut self,
        mut commands: mpsc::Receiver<Command>,
        mut reports: mpsc::Receiver<Report>,
        stop: CancellationToken,
    ) {
        let mut ticks = tokio::time::interval(TICK);
        ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let mut batch = Vec::with_capacity(BATCH);
        loop {
            // Workers have the most to say, so they come last: whoever wants to stop a run
            // gets a word in even when intervals come faster than they are merged.
            tokio::select! {
                biased;
                () = stop.cancelled() => break,
                _ = ticks.tick() => self.tick(),
                Some(command) = commands.recv(), if self.takes_commands() => self.obey(command),
                Some((run, answer)) = self.shapes.next() => self.feed(Input::Shape(run, answer)),
                Some(deposed) = self.outbox.next() => if deposed { self.feed(Input::Deposed) },
                Some(kept) = next_of(&mut self.keeper, Keeper::next) => self.kept(kept),
                Some(saved) = next_of(&mut self.checkpoints, Checkpoints::next) => {
                    self.note_failure("checkpoint", saved.err());
                }
                count = reports.recv_many(&mut batch, BATCH) => {
                    if count == 0 {
                        tracing::debug!("no worker can report any longer");
                        break;
                    }
                    batch.drain(..).for_each(|report| self.hear(report));
                }
            }
            self.keep();
            self.publish();
            self.awake = Instant::now();
            if self.machine.is_deposed() {
                break;
            }
        }
        // Who still asks is told that nobody answers here.
        drop(commands);
        self.wind_up().await;
    }

    fn now(&self) -> Now {
        let mono = self.base.saturating_add(self.origin.elapsed());
        Now { mono, wall: self.clock.wall_micros() }
    }

    fn tick(&mut self) {
        if self.awake.elapsed() >= SLEPT {
            tracing::warn!(for_ = ?self.awake.elapsed(), "the coordinator did not run");
            self.feed(Input::Slept);
        }
        self.feed(Input::Tick);
    }

    fn takes_commands(&self) -> bool {
        self.keeper.as_ref().is_none_or(|keeper| !keeper.is_full())
    }

    fn feed(&mut self, input: Input) {
        let effects = self.machine.handle(self.now(), input);
        self.apply(effects);
    }

    fn hear(&mut self, report: Report) {
        match report {
            // Nobody may be listening, and that is fine.
            Report::Log(line) => drop(self.logs.send(Arc::new(line))),
            Report::Position(position) => self.position = position,
            Report::Interval(interval) => {
                let began = Instant::now();
                self.feed(Input::Report(Report::Interval(interval)));
                self.aggregation += began.elapsed();
            }
            report => self.feed(Input::Report(report)),
        }
    }

    fn obey(&mut self, command: Command) {
        let now = self.now();
        match command {
            Command::Start(request, answer) => {
                let (new, shape) = request.into_parts();
                self.start(now, new, shape, answer);
            }
            Command::Change(run, phase, change, answer) => {
                let changed = self.machine.change(now, &run, phase.as_deref(), &change);
                self.answer(answer, changed);
            }
            Command::ChangeScenario(run, module, description, answer) => {
                let changed = self.machine.change_scenario(now, &run, module, description);
                self.answer(answer, changed);
            }
            Command::Stop(run, mode, answer) => {
                let stopped = self.machine.stop(now, &run, mode);
                self.answer(answer, stopped);
            }
            Command::Reset(run, answer) => {
                let reset = self.machine.reset(now, &run);
                self.answer(answer, reset.map(|()| Vec::new()));
            }
            Command::Drain(worker, drained, answer) => {
                let done = self.machine.drain(now, &worker, drained);
                self.answer(answer, done);
            }
            // Whoever asked may have gone away.
            Command::Times(known, answer) => drop(answer.send(self.machine.times(&known))),
            Command::Timeline(run, answer) => drop(answer.send(self.machine.timeline(&run))),
            Command::Finished(run, answer) => match self.machine.report(&run) {
                Some(report) if !self.holds_report(&run) => drop(answer.send(report)),
                Some(_) => self.waiting.entry(run).or_default().push(answer),
                None if self.machine.knows(&run) => {
                    self.waiting.entry(run).or_default().push(answer)
                }
                // Dropping the answer says that there is no such run.
                None => {}
            },
        }
    }

    fn start(
        &mut self,
        now: Now,
        new: NewRun,
        shape: Option<Box<dyn crate::ports::LoadShape>>,
        answer: Answer<Result<(), StartError>>,
    ) {
        if let Err(why) = (self.room)() {
            self.machine.ignore("master_limits");
            drop(answer.send(Err(StartError::NoRoomHere(why))));
            return;
        }
        let run = new.plan.run.clone();
        match self.machine.start(now, new) {
            Err(error) => drop(answer.send(Err(error))),
            Ok(effects) => {
                tracing::info!(%run, "run accepted");
                self.starting.insert(run.clone(), answer);
                match shape {
                    Some(shape) => self.shapes.add(run, shape),
                    None => self.make_shapes(),
                }
                self.apply(effects);
            }
        }
    }

    /// For runs that came without a shape of their own, or from another master.
    fn make_shapes(&mut self) {
        for (run, plan) in self.machine.shaped() {
            if !self.shapes.has(run) {
                let (factory, plan) = (self.factory.clone(), plan.clone());
                self.shapes.add_made(run.clone(), async move { factory.make(&plan).await });
            }
        }
    }

    fn holds_report(&self, run: &RunId) -> bool {
        self.keeper.as_ref().is_some_and(|keeper| keeper.holds_report(run))
    }

    fn answer(
        &mut self,
        answer: Answer<Result<(), ControlError>>,
        result: Result<Vec<Effect>, ControlError>,
    ) {
        match result {
            // Whoever asked may have gone away.
            Err(error) => drop(answer.send(Err(error))),
            Ok(effects) => {
                self.apply(effects);
                self.act(Act::Answer(Box::new(move || drop(answer.send(Ok(()))))));
            }
        }
    }

    fn apply(&mut self, effects: Vec<Effect>) {
        for effect in effects {
            self.act(Act::Do(effect));
        }
    }

    /// Does it now, or once what it follows from is saved.
    fn act(&mut self, act: Act) {
        let version = self.machine.version();
        let act = match &mut self.keeper {
            Some(keeper) => keeper.hold(version, act),
            None => Some(act),
        };
        match act {
            Some(Act::Do(effect)) => self.perform(effect),
            Some(Act::Answer(answer)) => answer(),
            None => {}
        }
    }

    fn perform(&mut self, effect: Effect) {
        match effect {
            Effect::Assign(worker, assignment) => self.outbox.put(worker, assignment),
            Effect::AskShape(run, now) => self.shapes.ask(&run, now),
            Effect::Started(run, result) => {
                if let Some(answer) = self.starting.remove(&run) {
                    drop(answer.send(result));
                }
            }
            Effect::Finished(run, report) => {
                tracing::info!(%run, ended = %report.ended, passed = report.verdict.passed, "run is over");
                self.shapes.remove(&run);
                for answer in self.waiting.remove(&run).unwrap_or_default() {
                    drop(answer.send(report.clone()));
                }
                if let Some(checkpoints) = &mut self.checkpoints {
                    checkpoints.forget(run);
                }
            }
        }
    }

    /// Begins to save what is not saved yet.
    fn keep(&mut self) {
        let (now, version) = (self.now(), self.machine.version());
        let due = self.checkpoints.as_ref().is_some_and(Checkpoints::is_due);
        if due {
            self.begin_round();
        }
        if let Some(keeper) = &mut self.keeper
            && keeper.is_free()
            && (keeper.is_behind(version) || due)
        {
            keeper.save(version, self.machine.snapshot(now));
        }
    }

    fn begin_round(&mut self) {
        let began = Instant::now();
        let runs = self.machine.numbers().map(|(run, numbers)| (run.clone(), numbers.clone()));
        let round = Round { position: self.position, runs: runs.collect(), began };
        if let Some(checkpoints) = &mut self.checkpoints {
            checkpoints.begin(round);
        }
    }

    fn kept(&mut self, kept: Result<Vec<Act>, StoreError>) {
        match kept {
            Ok(acts) => {
                for act in acts {
                    match act {
                        Act::Do(effect) => self.perform(effect),
                        Act::Answer(answer) => answer(),
                    }
                }
            }
            Err(error) => self.note_failure("decisions", Some(error)),
        }
    }

    fn note_failure(&mut self, what: &str, error: Option<StoreError>) {
        match error {
            Some(StoreError::Deposed(_)) => self.feed(Input::Deposed),
            Some(error) => tracing::warn!(what, %error, "not saved; trying again"),
            None => {}
        }
    }

    fn publish(&mut self) {
        if self.machine.has_news() || self.shown.elapsed() >= REFRESH {
            self.shown = Instant::now();
            let mut view = self.machine.show(self.now());
            view.aggregation = self.aggregation;
            self.views.send_replace(Arc::new(view));
        }
    }

    async fn wind_up(mut self) {
        if self.machine.is_deposed() {
            tracing::info!("another master leads; nothing more is said here");
        } else {
            match self.at_end {
                AtEnd::HandOver => {
                    if tokio::time::timeout(LAST_SAVE, self.hand_over()).await.is_err() {
                        tracing::warn!("not all was saved for the next master");
                    }
                }
                AtEnd::EndRuns => self.end_runs().await,
            }
        }
        self.publish();
        self.shapes.end().await;
        if let Some(checkpoints) = self.checkpoints {
            checkpoints.end().await;
        }
    }

    /// Saves all that a successor must know, and tells workers nothing.
    async fn hand_over(&mut self) {
        while let Some(saved) = next_of(&mut self.checkpoints, Checkpoints::next).await {
            self.note_failure("checkpoint", saved.err());
        }
        self.begin_round();
        while let Some(saved) = next_of(&mut self.checkpoints, Checkpoints::next).await {
            self.note_failure("checkpoint", saved.err());
        }
        self.settle().await;
    }

    /// Waits until all that was decided is saved, and what follows from it done.
    async fn settle(&mut self) {
        loop {
            self.keep();
            match next_of(&mut self.keeper, Keeper::next).await {
                Some(kept) => self.kept(kept),
                None => return,
            }
            let version = self.machine.version();
            let behind = self.keeper.as_ref().is_some_and(|keeper| keeper.is_behind(version));
            if self.machine.is_deposed() || !behind {
                return;
            }
        }
    }

    /// Reports runs as interrupted, and tells workers to be idle.
    async fn end_runs(&mut self) {
        let effects = self.machine.give_up(self.now());
        self.apply(effects);
        if tokio::time::timeout(LAST_SAVE, self.settle()).await.is_err() {
            tracing::warn!("the end of the runs was not saved");
        }
        self.publish();
        if tokio::time::timeout(FAREWELL, self.outbox.flush()).await.is_err() {
            tracing::warn!("some workers were not told that the coordinator ends");
        }
    }
}

/// What comes next of something that may not be there; then nothing.
async fn next_of<T, R>(
    maybe: &mut Option<T>,
    next: impl AsyncFnOnce(&mut T) -> Option<R>,
) -> Option<R> {
    match maybe {
        Some(there) => next(there).await,
        None => None,
    }
}

#[cfg(test)]
mod takeover_tests;
#[cfg(test)]
mod tests;
