//! What the executors know of a virtual user.
//!
//! A [`Vu`] runs what it is told and says how that went. Which task runs when, how the
//! outcome is recorded, and when a crashed user is made anew is the caller's business.

use std::future::Future;
use std::sync::Arc;
use std::time::Duration;

use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use crate::load::clock::RunClock;
use crate::load::gate::Gate;
use crate::load::log::LogSink;
use crate::recorder::Recorder;
use crate::shared::Commons;

/// One virtual user. Futures need not be `Send`: a user lives and dies on its shard's thread.
///
/// Only one call is under way at a time. Dropping a call's future ends the user: it is
/// not called again.
pub trait Vu: Sized {
    /// Runs the guest's `on-start`.
    fn start(&mut self) -> impl Future<Output = CallOutcome>;

    /// Runs one iteration: the task with this index in its user type.
    ///
    /// The response time of the iteration's first request is its service time plus
    /// [`Due::lag`]; that of later requests is their service time.
    fn run_task(&mut self, task: u32, due: Due) -> impl Future<Output = CallOutcome>;

    /// Runs the guest's `on-stop`. [`UserIdentity::interrupt`] has no effect on it.
    fn stop(&mut self) -> impl Future<Output = CallOutcome>;
}

/// When an iteration was to start, and when it did.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Due {
    /// Where response time begins.
    pub intended: Instant,
    /// When the iteration started.
    pub actual: Instant,
}

impl Due {
    /// Intended and started now.
    pub fn now() -> Self {
        let now = Instant::now();
        Self { intended: now, actual: now }
    }

    /// How much later than intended the iteration started.
    pub fn lag(&self) -> Duration {
        self.actual.saturating_duration_since(self.intended)
    }
}

/// How a call into the guest ended. The caller records it as a sample, or as an error
/// under the user type and task: the user itself does not.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum CallOutcome {
    /// Without a failure.
    Done,
    /// The iteration counts as failed; the user carries on.
    Failed(Arc<str>),
    /// This user is done; `on-stop` still runs.
    StopUser(Arc<str>),
    /// This user has nothing left to do, which is no failure; `on-stop` still runs.
    Finished,
    /// The guest ends the whole run.
    AbortRun(Arc<str>),
    /// The user is unusable and must be made anew.
    Crashed(Crash),
    /// The call ended early because [`UserIdentity::interrupt`] was cancelled.
    Cancelled,
}

/// Why a user is unusable: a trap, a timeout, a panic, an exceeded quota.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Crash {
    /// Stable, such as `trap-unreachable` or `limit-task_cpu`.
    pub code: Arc<str>,
    /// For people, and the same for each occurrence: the top frame, the panic text.
    pub message: Arc<str>,
    /// The guest's frames and its last lines on standard error.
    pub detail: Arc<str>,
}

/// Who a new user is.
#[derive(Debug, Clone)]
pub struct UserIdentity {
    /// Unique among the users that run at the same time, over all workers; from 0.
    pub number: u64,
    /// Index into the description's user types.
    pub user_type: u32,
    /// Of the guest's random numbers; below 2^53.
    pub seed: u64,
    /// Cancelled once iterations must end: host calls of `start` and `run_task` then fail at
    /// once with `cancelled`, so that the guest can return and `on-stop` can still run.
    pub interrupt: CancellationToken,
}

/// Makes the users of one shard, on the shard's thread.
pub trait VuFactory: 'static {
    /// What it makes.
    type Vu: Vu + 'static;

    /// A new user, not yet started.
    fn make(&self, identity: UserIdentity) -> impl Future<Output = Result<Self::Vu, MakeError>>;
}

/// Why a user could not be made.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("cannot make a user: {message}")]
pub struct MakeError {
    /// Stable, such as `pool-exhausted`.
    pub code: Arc<str>,
    /// What, and the remedy.
    pub message: Arc<str>,
    /// The guest's frames, if it was the guest's constructor that failed; else empty.
    pub detail: Arc<str>,
}

/// What the users of one shard share, beside the plan. Cheap to clone.
#[derive(Debug, Clone)]
pub struct ShardContext {
    /// Of this shard, below the worker's number of shards.
    pub shard: u32,
    /// This worker, and of how many.
    pub worker: (u32, u32),
    /// What time it is in the run.
    pub clock: RunClock,
    /// What `setup` returned.
    pub setup_data: Arc<str>,
    /// Where samples go.
    pub recorder: Arc<Recorder>,
    /// To be passed before each request.
    pub gate: Arc<Gate>,
    /// Where lines of the guest's log go.
    pub logs: LogSink,
    /// What the users of the whole run share.
    pub shared: Arc<Commons>,
}
