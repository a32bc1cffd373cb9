//! Why the coordinator refuses.

use std::time::Duration;

use loadhost_model::id::{RunId, WorkerId};
use loadhost_model::profile::ChangeError;
use loadhost_model::text::format_duration;

/// Why a run did not start.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
pub enum StartError {
    /// The fleet is too small.
    #[error(
        "{present} of {expected} expected workers can take part after {waited}: {who}; start more workers, or lower \
         `expect_workers`",
        waited = format_duration(whole_millis(*waited))
    )]
    TooFewWorkers {
        /// Asked for.
        expected: u32,
        /// Able to take part.
        present: u32,
        /// How long was waited for them.
        waited: Duration,
        /// Each worker, and what keeps it from taking part.
        who: String,
    },
    /// This id was used before.
    #[error("run `{0}` exists already; give the new run another id")]
    Duplicate(RunId),
    /// It was stopped before it began.
    #[error("the run was stopped before it began")]
    Stopped,
    /// Another coordinator leads.
    #[error("another master leads this fleet now; start the run there")]
    Deposed,
    /// The coordinator has ended.
    #[error("the coordinator has ended")]
    Closed,
}

/// Why a running run was not changed, stopped or reported.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
pub enum ControlError {
    /// Never was, or is over for long.
    #[error("there is no run `{0}`")]
    UnknownRun(RunId),
    /// It makes no load.
    #[error("run `{0}` is not running; wait until it has started, or start a new one")]
    NotRunning(RunId),
    /// The profile does not allow it.
    #[error("the change is refused: {0}")]
    Refused(#[from] ChangeError),
    /// More users than the workers of the run have room for.
    #[error(
        "the change is refused: of {wanted} users worker `{worker}` would run {share} and has room for {room}; ask for \
         at most {most}, or start a new run with more workers or larger ones"
    )]
    NoRoom {
        /// Users of the whole run at its peak, after the change.
        wanted: u32,
        /// The first worker that has too little room.
        worker: WorkerId,
        /// Its share of them.
        share: u64,
        /// Users that fit on it in this run.
        room: u32,
        /// Users of the whole run that fit.
        most: u32,
    },
    /// The scenario's load shape decides.
    #[error(
        "the load shape of the scenario decides about the load of run `{0}`; it cannot be changed by hand"
    )]
    Shaped(RunId),
    /// The coordinator has ended.
    #[error("the coordinator has ended")]
    Closed,
}

/// Without digits that nobody reads.
fn whole_millis(time: Duration) -> Duration {
    Duration::from_millis(u64::try_from(time.as_millis()).unwrap_or(u64::MAX))
}
