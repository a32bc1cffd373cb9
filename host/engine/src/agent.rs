//! Follows the coordinator's assignments and reports.
//!
//! ```text
//! assignments ──> Agent ── one Job per run ── Workshop: prepare ── Loader: shards
//!                   │            └── status, intervals ──┐
//!                heartbeat ──────────────────────────────┴──> reports
//! ```
//!
//! The coordinator states how far a worker is to go in a run; the job goes there, however
//! many steps that takes, and says where it is. Repeated, late and stale assignments are refused by
//! the `Ledger`, so they do no harm. The heartbeat has a task of its own and never waits
//! for a command.

mod activity;
mod heartbeat;
mod intervals;
mod job;
mod ledger;
mod once;
pub mod workshop;

use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;
use std::sync::atomic::AtomicU64;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use loadhost_model::id::{Incarnation, RunId, Term, WorkerId};
use loadhost_model::plan::RunPlan;
use loadhost_model::wire::{self, Assignment, Report, StopMode, Work, WorkerState, WorkerStatus};
use tokio::sync::{Notify, mpsc, watch};
use tokio::task::{JoinHandle, JoinSet};
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;
use tracing::Instrument as _;

pub use activity::{Activity, Counts};
use job::{Job, Ties, Wanted};
use ledger::Ledger;
use workshop::Workshop;

use crate::capacity::resident_bytes;
use crate::load::governor::Ceilings;
use crate::shared::{Commons, announce};

/// How often a worker that is to stop looks whether it still has a share.
const DRAIN_LOOK: Duration = Duration::from_millis(100);

/// Runs that are gone on with if they come back to this process.
const KNOWN_RUNS: usize = 64;

/// How a worker behaves.
#[derive(Debug, Clone)]
pub struct AgentConfig {
    /// This worker.
    pub worker: WorkerId,
    /// This process.
    pub incarnation: Incarnation,
    /// Threads with users; usually one per core.
    pub shards: u32,
    /// `region` → `eu`, …
    pub tags: BTreeMap<String, String>,
    /// Users at most, below what fits.
    pub max_users: Option<u32>,
    /// What it may take of the machine before it sheds load.
    pub ceilings: Ceilings,
    /// How much of the load it is to have beside others, if shares go by weight; at least 1.
    pub weight: u32,
    /// How often it says that it is there.
    pub heartbeat: Duration,
    /// Once it is to stop: how long it goes on with its share until the coordinator has given all of
    /// it to others.
    pub drain: Duration,
    /// From the same moment on: iterations that go on longer are cut off.
    pub leave: Duration,
    /// Where it counts what it does.
    pub activity: Arc<Activity>,
}

impl AgentConfig {
    /// Users that this worker takes, of those that fit.
    fn capacity(&self, room: u32) -> u32 {
        self.max_users.map_or(room, |most| most.min(room))
    }
}

/// How a worker and its coordinator reach each other.
#[derive(Debug)]
pub struct Channels {
    /// What the coordinator wants, the newest only. None, after there was one: nobody is there
    /// to want anything, and the load ends.
    pub assignments: watch::Receiver<Option<Assignment>>,
    /// What the worker has to say. A status or a log line that finds no room is dropped; an interval
    /// waits, and those that follow become part of it.
    pub reports: mpsc::Sender<Report>,
    /// The coordinator's clock minus this machine's, in microseconds.
    pub clock_offset: watch::Receiver<i64>,
    /// How to have the assignment read anew. None: it cannot be outdated.
    pub reading: Option<Reading>,
}

/// Has the assignment read anew, for a process that stood still and may have missed one.
#[derive(Debug, Clone)]
pub struct Reading {
    /// Asks for it; again, if it could not be read.
    pub ask: Arc<Notify>,
    /// When the last reading that was asked for began; what it found was given out before.
    pub began: watch::Receiver<Option<Instant>>,
}

/// Why a worker cannot go on.
#[derive(Debug, thiserror::Error)]
pub enum AgentError {
    /// The other end is gone.
    #[error("nobody gives assignments any more: the connection to the coordinator has ended")]
    Disconnected,
}

/// Follows assignments until `stop` is cancelled; then ends the load gracefully and returns.
///
/// # Errors
/// If nobody can give assignments any more.
pub async fn run<W: Workshop>(
    config: AgentConfig,
    workshop: W,
    channels: Channels,
    stop: CancellationToken,
) -> Result<(), AgentError> {
    let status = watch::Sender::new(first_status(&config, workshop.capacity()));
    let beat = heartbeat::run(status.subscribe(), channels.reports.clone(), config.heartbeat);
    let mut tasks = JoinSet::new();
    tasks.spawn(beat);
    let agent = Agent {
        config: Arc::new(config),
        workshop: Arc::new(workshop),
        reports: channels.reports,
        clock_offset: channels.clock_offset,
        reading: channels.reading,
        status,
        ledger: Ledger::default(),
        job: None,
        leave_by: None,
        known: VecDeque::new(),
    };
    let result = agent.follow(channels.assignments, stop).await;
    // The agent's end of the status is closed, so the heartbeat sends it a last time and ends.
    tasks.join_next().await;
    result
}

fn first_status(config: &AgentConfig, capacity: u32) -> WorkerStatus {
    WorkerStatus {
        version: wire::VERSION,
        worker: config.worker.clone(),
        incarnation: config.incarnation,
        release: env!("CARGO_PKG_VERSION").to_string(),
        tags: config.tags.clone(),
        capacity: config.capacity(capacity),
        weight: config.weight.max(1),
        shards: config.shards,
        users: 0,
        cpu: 0.0,
        memory: resident_bytes(),
        lag: 0,
        applied: (Term::default(), 0),
        share_from: 0,
        run: None,
        state: WorkerState::Idle,
        draining: false,
        edition: Default::default(),
        shared: Default::default(),
    }
}

/// Microseconds since the Unix epoch, by this machine's clock.
fn wall_micros() -> u64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    u64::try_from(since.as_micros()).unwrap_or(u64::MAX)
}

/// The same by the coordinator's clock, which may be before the epoch.
fn coordinator_micros(clock_offset: &watch::Receiver<i64>) -> i128 {
    i128::from(wall_micros()) + i128::from(*clock_offset.borrow())
}

/// The moment of the coordinator's time, by this machine's clock.
fn instant_of(micros: u64, clock_offset: &watch::Receiver<i64>) -> Instant {
    let ahead = i128::from(micros) - coordinator_micros(clock_offset);
    let span = Duration::from_micros(u64::try_from(ahead.unsigned_abs()).unwrap_or(u64::MAX));
    let now = Instant::now();
    let moment = if ahead >= 0 { now.checked_add(span) } else { now.checked_sub(span) };
    moment.unwrap_or(now)
}

struct Agent<W: Workshop> {
    config: Arc<AgentConfig>,
    workshop: Arc<W>,
    reports: mpsc::Sender<Report>,
    clock_offset: watch::Receiver<i64>,
    reading: Option<Reading>,
    status: watch::Sender<WorkerStatus>,
    ledger: Ledger,
    job: Option<Current>,
    /// It was told to stop: when what goes on is cut off.
    leave_by: Option<Instant>,
    /// The last runs: what goes on when one of them comes back.
    known: VecDeque<(RunId, Kept)>,
}

/// What outlives the jobs of a run.
#[derive(Clone)]
struct Kept {
    /// How many intervals were made.
    made: Arc<AtomicU64>,
    /// What its users share with those of other workers.
    shared: Arc<Commons>,
}

/// The run that is being worked for.
struct Current {
    run: String,
    shared: Arc<Commons>,
    wanted: watch::Sender<Wanted>,
    end: watch::Sender<Option<StopMode>>,
    task: JoinHandle<()>,
}

impl<W: Workshop> Agent<W> {
    async fn follow(
        mut self,
        mut assignments: watch::Receiver<Option<Assignment>>,
        stop: CancellationToken,
    ) -> Result<(), AgentError> {
        let mut drain = None;
        loop {
            // First, so that the assignment is at least as new.
            let read = self.reading.as_mut().and_then(|reading| *reading.began.borrow_and_update());
            let assignment = assignments.borrow_and_update().clone();
            match assignment {
                Some(assignment) => self.apply(assignment, &assignments).await,
                None => self.end(StopMode::Graceful, Some(&assignments)).await,
            }
            self.pass_on(read);
            if drain.is_some_and(|end| Instant::now() >= end || !self.has_share()) {
                self.end(StopMode::Graceful, None).await;
                return Ok(());
            }
            tokio::select! {
                biased;
                () = stop.cancelled(), if drain.is_none() => {
                    self.status.send_modify(|status| status.draining = true);
                    drain = Some(Instant::now() + self.config.drain);
                    self.leave_by = Some(Instant::now() + self.config.leave);
                }
                () = tokio::time::sleep(DRAIN_LOOK), if drain.is_some() => {}
                changed = assignments.changed() => if changed.is_err() {
                    self.end(StopMode::Graceful, None).await;
                    return Err(AgentError::Disconnected);
                },
                () = read_anew(&mut self.reading) => {}
                fault = fault_of(&mut self.job) => self.give_up(&fault),
            }
        }
    }

    /// Tells the job, after the assignment itself, when the last reading of it began.
    fn pass_on(&self, read: Option<Instant>) {
        let Some(job) = self.job.as_ref().filter(|_| read.is_some()) else { return };
        job.wanted.send_if_modified(|wanted| {
            let before = std::mem::replace(&mut wanted.read, read);
            before != read
        });
    }

    /// Whether it makes load that somebody else could take over.
    fn has_share(&self) -> bool {
        let Some(job) = &self.job else { return false };
        let (wanted, status) = (job.wanted.borrow(), self.status.borrow());
        let there = coordinator_micros(&self.clock_offset);
        let is_given_away = wanted.work.share.is_empty() && i128::from(status.share_from) <= there;
        status.state == WorkerState::Running && !is_given_away
    }

    async fn apply(
        &mut self,
        assignment: Assignment,
        assignments: &watch::Receiver<Option<Assignment>>,
    ) {
        if let Err(refusal) = self.ledger.admit(&assignment) {
            tracing::debug!(%refusal, "assignment refused");
            return;
        }
        let applied = (assignment.term, assignment.generation);
        let is_mine = assignment.to.is_none_or(|to| to == self.config.incarnation);
        if !is_mine && self.job.is_some() {
            let name = &self.config.worker;
            tracing::warn!(%name, "another process has this worker's name and its share now");
        }
        let Some(work) = assignment.work.filter(|_| is_mine) else {
            self.end(StopMode::Graceful, Some(assignments)).await;
            self.status.send_modify(|status| status.applied = applied);
            return;
        };
        let run = work.plan.run.clone();
        let wanted = Wanted { applied, work, read: None };
        match &self.job {
            Some(job) if job.run == run.as_str() => {
                self.hear(&job.shared, &wanted.work);
                drop(job.wanted.send_replace(wanted));
            }
            _ => {
                // The coordinator has moved on to another run, so nobody waits for the old one.
                self.end(StopMode::Now, None).await;
                self.begin(wanted);
            }
        }
    }

    fn begin(&mut self, wanted: Wanted) {
        let run = wanted.work.plan.run.clone();
        let Kept { made, shared } = self.kept_of(&wanted.work.plan);
        shared.reopen();
        self.hear(&shared, &wanted.work);
        self.status.send_modify(|status| {
            status.run = Some(run.clone());
            *status.shared = shared.word(Instant::now());
            *status.edition = Default::default();
            status.applied = wanted.applied;
            status.share_from = 0;
            status.state = WorkerState::Preparing;
        });
        let (wanted, follow_wanted) = watch::channel(wanted);
        let (end, follow_end) = watch::channel(None);
        let ties = Ties {
            reports: self.reports.clone(),
            clock_offset: self.clock_offset.clone(),
            ask: self.reading.as_ref().map(|reading| Arc::clone(&reading.ask)),
            status: self.status.clone(),
            wanted: follow_wanted,
            end: follow_end,
            made,
            shared: Arc::clone(&shared),
        };
        let job = Job::new(Arc::clone(&self.config), Arc::clone(&self.workshop), ties);
        let (commons, status) = (Arc::clone(&shared), self.status.clone());
        // Of the highest level, so that lines below it are known to belong to the run.
        let span = tracing::error_span!("run", %run, worker = %self.config.worker);
        let work = async move {
            tokio::select! {
                () = job.run() => {}
                () = announce(&commons, &status) => {}
            }
        };
        let task = tokio::spawn(work.instrument(span));
        self.job = Some(Current { run: run.to_string(), shared, wanted, end, task });
    }

    /// Takes in what the users of a run may have of what all its users share.
    fn hear(&self, shared: &Commons, work: &Work) {
        // What was stated to a former process of this worker may have been used by it.
        if work.shared.to == Some(self.config.incarnation) {
            shared.hear(&work.shared, |micros| instant_of(micros, &self.clock_offset));
        }
    }

    fn kept_of(&mut self, plan: &RunPlan) -> Kept {
        if let Some((_, kept)) = self.known.iter().find(|(known, _)| *known == plan.run) {
            return kept.clone();
        }
        if self.known.len() >= KNOWN_RUNS {
            self.known.pop_front();
        }
        let shared = Commons::of_run(plan, self.config.shards);
        let kept = Kept { made: Arc::default(), shared };
        self.known.push_back((plan.run.clone(), kept.clone()));
        kept
    }

    /// Ends the job, if there is one, and waits for it. A new assignment in the meantime makes
    /// it hurry, as does the moment to leave.
    async fn end(&mut self, mode: StopMode, hurry: Option<&watch::Receiver<Option<Assignment>>>) {
        let Some(mut job) = self.job.take() else { return };
        job.end.send_replace(Some(mode));
        let is_hurried = async {
            match hurry {
                Some(assignments) => {
                    // Beside the agent's own receiver, to which it stays news.
                    let (mut assignments, ledger) = (assignments.clone(), self.ledger);
                    let new = |assignment: &Option<Assignment>| {
                        assignment
                            .as_ref()
                            .is_some_and(|new| new.work.is_some() && ledger.is_newer(new))
                    };
                    if assignments.wait_for(new).await.is_err() {
                        std::future::pending().await
                    }
                }
                None => std::future::pending().await,
            }
        };
        let leaves = async {
            match self.leave_by {
                Some(moment) => tokio::time::sleep_until(moment).await,
                None => std::future::pending().await,
            }
        };
        let hurries = async {
            tokio::select! {
                () = is_hurried => {}
                () = leaves => {}
            }
        };
        let ended = tokio::select! {
            ended = &mut job.task => ended,
            () = hurries => {
                job.end.send_replace(Some(StopMode::Now));
                job.task.await
            }
        };
        if let Err(error) = ended {
            tracing::error!(run = job.run, %error, "a job panicked");
        }
        self.status.send_modify(|status| {
            status.run = None;
            // Goes on to be said, so that others may have what is left.
            *status.shared = job.shared.word(Instant::now());
            status.capacity = self.config.capacity(self.workshop.capacity());
            status.users = 0;
            (status.cpu, status.lag) = (0.0, 0);
            status.state = WorkerState::Idle;
        });
    }

    /// After a panic of the job: its run has failed, the worker has not.
    fn give_up(&mut self, fault: &str) {
        self.job = None;
        self.status.send_modify(|status| {
            let message =
                format!("the work for the run ended by a fault of loadhost: {fault}; see the log");
            status.state = WorkerState::Failed { code: "fault".into(), message: message.into() };
        });
    }
}

/// Resolves when the assignment was read anew.
async fn read_anew(reading: &mut Option<Reading>) {
    if let Some(reading) = reading
        && reading.began.changed().await.is_ok()
    {
        return;
    }
    std::future::pending().await
}

/// Resolves if the job ends without having been told to.
async fn fault_of(job: &mut Option<Current>) -> String {
    match job {
        Some(job) => match (&mut job.task).await {
            Ok(()) => "it ended too early".to_string(),
            Err(error) => error.to_string(),
        },
        None => std::future::pending().await,
    }
}

#[cfg(test)]
mod tests;
