//! Why the coordinator refuses.

use std::collections::BTreeSet;
use std::time::Duration;

use loadhost_model::id::{RunId, WorkerId};
use loadhost_model::plan::Unfit;
use loadhost_model::profile::ChangeError;
use loadhost_model::text::format_duration;
use serde::{Deserialize, Serialize};

/// Runs that an error names; those beyond are counted.
const MOST_NAMED: usize = 5;

/// Why bytes that a master saved cannot be read.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Unreadable {
    /// Saved by another release.
    #[error(
        "{what} was saved in version {theirs}, this loadhost reads version {ours}; run the same release on all \
         masters"
    )]
    Version {
        /// What the bytes are.
        what: &'static str,
        /// As found.
        theirs: u16,
        /// As this program writes it.
        ours: u16,
    },
    /// Cut off, altered, or something else altogether.
    #[error("{what} cannot be read: {reason}")]
    Malformed {
        /// What the bytes are.
        what: &'static str,
        /// What is wrong with them.
        reason: String,
    },
}

impl Unreadable {
    pub(crate) fn version(
        what: &'static str,
        theirs: impl Into<u16>,
        ours: impl Into<u16>,
    ) -> Self {
        Self::Version { what, theirs: theirs.into(), ours: ours.into() }
    }

    pub(crate) fn malformed(what: &'static str, reason: impl std::fmt::Display) -> Self {
        Self::Malformed { what, reason: reason.to_string() }
    }
}

/// Why a run did not start.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
pub enum StartError {
    /// The fleet is too small.
    #[error(
        "{present} of {expected} expected workers can take part after {waited}: {who}; {remedy}",
        waited = format_duration(readable(*waited)),
        remedy = more_workers(*present, busy_with)
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
        /// Other runs that have workers which could take part.
        busy_with: BTreeSet<RunId>,
    },
    /// This id was used before.
    #[error("run `{0}` exists already; give the new run another id")]
    Duplicate(RunId),
    /// So many wait or go on.
    #[error("{0} runs wait or go on, which is the most; stop one of them, or wait for its end")]
    TooManyRuns(usize),
    /// The leader's own limits; the text says which.
    #[error("the master that leads takes no new run: {0}; try again later, or raise the limit")]
    NoRoomHere(String),
    /// It was stopped before it began.
    #[error("the run was stopped before it began")]
    Stopped,
    /// Another coordinator leads.
    #[error("another master leads this fleet now; start the run there")]
    Deposed,
    /// Nobody who could start it.
    #[error("no master leads this fleet: {0}; it is tried again when one does")]
    NoLeader(String),
    /// The leader said no.
    #[error("{}", .0.message)]
    Told(Refusal),
    /// The coordinator has ended.
    #[error("the coordinator has ended")]
    Closed,
}

impl StartError {
    /// Of which kind it is, whoever refused.
    pub fn kind(&self) -> RefusalKind {
        match self {
            Self::TooFewWorkers { .. } => RefusalKind::TooFewWorkers,
            Self::Duplicate(_) => RefusalKind::Duplicate,
            Self::TooManyRuns(_) => RefusalKind::Refused,
            Self::NoRoomHere(_) => RefusalKind::MasterFull,
            Self::Stopped => RefusalKind::Stopped,
            Self::Deposed | Self::NoLeader(_) => RefusalKind::NoLeader,
            Self::Told(refusal) => refusal.kind,
            Self::Closed => RefusalKind::Closed,
        }
    }
}

/// A refusal on its way from the leader to another master.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Refusal {
    /// Which.
    pub kind: RefusalKind,
    /// For people, with the remedy.
    pub message: String,
}

/// Kinds of refusals, told apart by programs.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum RefusalKind {
    /// No such run.
    UnknownRun,
    /// It makes no load.
    NotRunning,
    /// The profile does not allow it.
    Refused,
    /// More users than the workers have room for.
    NoRoom,
    /// The scenario's load shape decides.
    Shaped,
    /// The fleet is too small.
    TooFewWorkers,
    /// The run exists already.
    Duplicate,
    /// It was stopped before it began.
    Stopped,
    /// Nobody leads the fleet.
    NoLeader,
    /// The leader is at its own limits.
    MasterFull,
    /// Users of the run cannot go over to this version of its scenario.
    Unfit,
    /// Users of the run go over to another version.
    OtherVersion,
    /// No such worker.
    UnknownWorker,
    /// A run would have no worker left.
    LastWorker,
    /// Whoever was asked is going away.
    Closed,
}

/// Why a running run was not changed, stopped or reported, or a worker not drained.
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
    /// Users of the run cannot be users of this version of its scenario.
    #[error("the version is refused: {0}")]
    Unfit(#[from] Unfit),
    /// One after the other.
    #[error(
        "users of run `{0}` are about to go over to another version already; wait until they have, as `loadhost status` \
         shows"
    )]
    OtherVersion(RunId),
    /// Each has its place in the report.
    #[error("run `{run}` has had {most} versions of its scenario; start a new run")]
    TooManyVersions {
        /// Of this run.
        run: RunId,
        /// That a run can have.
        most: u32,
    },
    /// Never was, or is gone for long.
    #[error("there is no worker `{0}`; `loadhost status` shows those there are")]
    UnknownWorker(WorkerId),
    /// Somebody must make its load.
    #[error(
        "worker `{worker}` cannot be drained: it is the only one that can go on with run `{run}`; let another worker \
         join, or stop the run"
    )]
    LastWorker {
        /// Which was to be drained.
        worker: WorkerId,
        /// The run that it works for.
        run: RunId,
    },
    /// Nobody who could do it.
    #[error("no master leads this fleet: {0}; try again when one does")]
    NoLeader(String),
    /// The leader said no.
    #[error("{}", .0.message)]
    Told(Refusal),
    /// The coordinator has ended.
    #[error("the coordinator has ended")]
    Closed,
}

impl ControlError {
    /// Of which kind it is, whoever refused.
    pub fn kind(&self) -> RefusalKind {
        match self {
            Self::UnknownRun(_) => RefusalKind::UnknownRun,
            Self::NotRunning(_) => RefusalKind::NotRunning,
            Self::Refused(_) => RefusalKind::Refused,
            Self::Unfit(_) | Self::TooManyVersions { .. } => RefusalKind::Unfit,
            Self::OtherVersion(_) => RefusalKind::OtherVersion,
            Self::NoRoom { .. } => RefusalKind::NoRoom,
            Self::Shaped(_) => RefusalKind::Shaped,
            Self::UnknownWorker(_) => RefusalKind::UnknownWorker,
            Self::LastWorker { .. } => RefusalKind::LastWorker,
            Self::NoLeader(_) => RefusalKind::NoLeader,
            Self::Told(refusal) => refusal.kind,
            Self::Closed => RefusalKind::Closed,
        }
    }
}

/// What a run that lacks workers can do. `present`: how many it could have had.
fn more_workers(present: u32, busy_with: &BTreeSet<RunId>) -> String {
    let fewer = if present > 0 { ", or lower `--expect-workers`" } else { "" };
    if busy_with.is_empty() {
        return format!("start more workers{fewer}");
    }
    let mut ends: Vec<_> =
        busy_with.iter().take(MOST_NAMED).map(|run| format!("`{run}`")).collect();
    let more = busy_with.len().saturating_sub(MOST_NAMED);
    if more > 0 {
        ends.push(format!("one of {more} more"));
    }
    format!(
        "start this run again after the end of run {}, or with a longer `--max-wait`; or choose other workers by \
         their tags (`--placement`); or start more workers{fewer}",
        ends.join(" or ")
    )
}

/// Without digits that nobody reads.
fn readable(time: Duration) -> Duration {
    match time.as_secs() {
        0 => Duration::from_millis(u64::from(time.subsec_millis())),
        _ => Duration::from_secs(time.as_secs_f64().round() as u64),
    }
}
