//! The coordinator at work: it feeds the machine and does what the machine decides.
//!
//! One task owns everything. Assignments and load shapes run beside it, so that a slow
//! transport or a slow guest never delays a heartbeat.

#[cfg(test)]
mod fake;
mod handle;
mod outbox;
mod shapes;

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use loadhost_model::id::RunId;
use loadhost_model::profile::Change;
use loadhost_model::wire::{LogLine, Report, StopMode};
use tokio::sync::{broadcast, mpsc, oneshot, watch};
use tokio::task::JoinHandle;
use tokio::time::{Instant, MissedTickBehavior};
use tokio_util::sync::CancellationToken;

pub use handle::{Handle, StartRequest};

use crate::config::CoordinatorConfig;
use crate::error::{ControlError, StartError};
use crate::machine::{Effect, Input, Machine, NewRun, Now};
use crate::ports::{Clock, Fleet, SystemClock};
use crate::report::RunReport;
use crate::view::FleetView;
use outbox::Outbox;
use shapes::Shapes;

/// How often deadlines and silence are looked at.
const TICK: Duration = Duration::from_millis(100);
/// A view is never older than this.
const REFRESH: Duration = Duration::from_secs(1);
/// Reports taken in before anything else gets its turn.
const BATCH: usize = 64;
/// Requests of handles that may wait.
const COMMANDS: usize = 64;
/// Log lines that a slow watcher may be behind; older ones are skipped for it.
const LOG_LINES: usize = 1_024;
/// At the end, for telling workers to be idle.
const FAREWELL: Duration = Duration::from_secs(2);

type Answer<T> = oneshot::Sender<T>;

/// What handles ask for.
pub(crate) enum Command {
    Start(Box<NewRun>, Option<Box<dyn crate::ports::LoadShape>>, Answer<Result<(), StartError>>),
    Change(RunId, Option<String>, Change, Answer<Result<(), ControlError>>),
    Stop(RunId, StopMode, Answer<Result<(), ControlError>>),
    Reset(RunId, Answer<Result<(), ControlError>>),
    Finished(RunId, Answer<Arc<RunReport>>),
}

/// Starts runs and sees them through. One serves a process or a whole fleet.
pub struct Coordinator {
    machine: Machine,
    origin: Instant,
    clock: Arc<dyn Clock>,
    outbox: Outbox,
    shapes: Shapes,
    views: watch::Sender<Arc<FleetView>>,
    logs: broadcast::Sender<Arc<LogLine>>,
    starting: HashMap<RunId, Answer<Result<(), StartError>>>,
    waiting: HashMap<RunId, Vec<Answer<Arc<RunReport>>>>,
    shown: Instant,
}

impl Coordinator {
    /// Starts a coordinator that ends when `stop` is cancelled: runs that are still going are
    /// reported as interrupted then, and workers are told to be idle.
    pub fn spawn(
        config: CoordinatorConfig,
        fleet: Arc<dyn Fleet>,
        reports: mpsc::Receiver<Report>,
        stop: CancellationToken,
    ) -> (Handle, JoinHandle<()>) {
        Self::spawn_with_clock(config, fleet, Arc::new(SystemClock), reports, stop)
    }

    /// The same with another wall clock.
    pub fn spawn_with_clock(
        config: CoordinatorConfig,
        fleet: Arc<dyn Fleet>,
        clock: Arc<dyn Clock>,
        reports: mpsc::Receiver<Report>,
        stop: CancellationToken,
    ) -> (Handle, JoinHandle<()>) {
        let (commands, inbox) = mpsc::channel(COMMANDS);
        let (views, view) = watch::channel(Arc::default());
        let (logs, _) = broadcast::channel(LOG_LINES);
        let handle = Handle::new(commands, view, logs.clone());
        let coordinator = Self {
            shapes: Shapes::new(config.shape_timeout),
            machine: Machine::new(config),
            origin: Instant::now(),
            clock,
            outbox: Outbox::new(fleet),
            views,
            logs,
            starting: HashMap::new(),
            waiting: HashMap::new(),
            shown: Instant::now(),
        };
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
                _ = ticks.tick() => self.feed(Input::Tick),
                Some(command) = commands.recv() => self.obey(command),
                Some((run, answer)) = self.shapes.next() => self.feed(Input::Shape(run, answer)),
                Some(deposed) = self.outbox.next() => if deposed { self.feed(Input::Deposed) },
                count = reports.recv_many(&mut batch, BATCH) => {
                    if count == 0 {
                        tracing::debug!("no worker can report any longer");
                        break;
                    }
                    batch.drain(..).for_each(|report| self.hear(report));
                }
            }
            self.publish();
        }
        self.wind_up().await;
    }

    fn now(&self) -> Now {
        Now { mono: self.origin.elapsed(), wall: self.clock.wall_micros() }
    }

    fn feed(&mut self, input: Input) {
        let effects = self.machine.handle(self.now(), input);
        self.apply(effects);
    }

    fn hear(&mut self, report: Report) {
        match report {
            // Nobody may be listening, and that is fine.
            Report::Log(line) => drop(self.logs.send(Arc::new(line))),
            report => self.feed(Input::Report(report)),
        }
    }

    fn obey(&mut self, command: Command) {
        let now = self.now();
        match command {
            Command::Start(new, shape, answer) => self.start(now, *new, shape, answer),
            Command::Change(run, phase, change, answer) => {
                let changed = self.machine.change(now, &run, phase.as_deref(), &change);
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
            Command::Finished(run, answer) => match self.machine.report(&run) {
                Some(report) => drop(answer.send(report)),
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
        let run = new.plan.run.clone();
        match self.machine.start(now, new) {
            Err(error) => drop(answer.send(Err(error))),
            Ok(effects) => {
                tracing::info!(%run, "run accepted");
                self.starting.insert(run.clone(), answer);
                if let Some(shape) = shape {
                    self.shapes.add(run, shape);
                }
                self.apply(effects);
            }
        }
    }

    fn answer(
        &mut self,
        answer: Answer<Result<(), ControlError>>,
        result: Result<Vec<Effect>, ControlError>,
    ) {
        // Whoever asked may have gone away.
        drop(answer.send(result.map(|effects| self.apply(effects))));
    }

    fn apply(&mut self, effects: Vec<Effect>) {
        for effect in effects {
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
                }
            }
        }
    }

    fn publish(&mut self) {
        if self.machine.has_news() || self.shown.elapsed() >= REFRESH {
            self.shown = Instant::now();
            self.views.send_replace(Arc::new(self.machine.show(self.now())));
        }
    }

    async fn wind_up(mut self) {
        let effects = self.machine.give_up(self.now());
        self.apply(effects);
        self.publish();
        if tokio::time::timeout(FAREWELL, self.outbox.flush()).await.is_err() {
            tracing::warn!("some workers were not told that the coordinator ends");
        }
        self.shapes.end().await;
    }
}

#[cfg(test)]
mod tests;
