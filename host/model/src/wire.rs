//! What coordinator and workers say to each other, over channels and over the broker alike.
//!
//! The coordinator never sends orders; it states what it wants of a worker in an
//! [`Assignment`], and the worker goes there. An assignment is applied only if its
//! `(term, generation)` is greater than the last, so repeated, late and stale
//! ones do no harm. Workers say where they are in [`WorkerStatus`] (lossy) and what they
//! measured in [`Interval`]s (lossless).

mod codec;

pub use codec::{MAX_INTERVAL_BYTES, WireError, decode_interval, encode_interval};

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::id::{Incarnation, RunId, Term, WorkerId};
use crate::interval::Interval;
use crate::plan::{Edition, RunPlan};
use crate::share::Share;
use crate::shared::{SharedState, SharedUse};

/// Of all messages; a different one is refused by name.
pub const VERSION: u16 = 1;

/// What the coordinator wants of one worker.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Assignment {
    /// [`VERSION`].
    pub version: u16,
    /// Leadership that it comes from.
    pub term: Term,
    /// Grows with each assignment within a term.
    pub generation: u64,
    /// The process that it is for; another one under the same name is to be idle. None: whoever has the name.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub to: Option<Incarnation>,
    /// The run, its plan and this worker's share; None: be idle.
    pub work: Option<Work>,
}

/// A worker's part in a run.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Work {
    /// The whole run's plan.
    pub plan: Arc<RunPlan>,
    /// This worker's share from [`Self::share_from`] on; before, the one it had before holds.
    pub share: Share,
    /// In microseconds since the Unix epoch by the coordinator's clock. 0: from the start.
    pub share_from: u64,
    /// How far to go. Each step implies the ones before.
    pub step: Step,
    /// A version of the scenario to be made ready beside the plan's, whose users go on meanwhile. They go over once it
    /// is the plan's.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub next: Option<Box<Edition>>,
    /// What its users may take of what the users of the whole run share.
    #[serde(default, skip_serializing_if = "SharedState::is_empty")]
    pub shared: Box<SharedState>,
}

/// How far a worker is to go in a run.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Step {
    /// Fetch, verify and compile the module, make users that are wanted at the start.
    Prepare,
    /// Also call the scenario's `setup`. One worker of the fleet is asked.
    Setup,
    /// Make load.
    Run {
        /// When, in microseconds since the Unix epoch by the coordinator's clock.
        start: u64,
        /// What `setup` returned.
        setup_data: Arc<str>,
    },
    /// Make no more load; report the last interval.
    Stop {
        /// How.
        mode: StopMode,
    },
    /// After the stop, call `teardown`. One worker of the fleet is asked.
    Teardown {
        /// What `setup` returned.
        setup_data: Arc<str>,
    },
}

/// How a run stops.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum StopMode {
    /// Iterations end by themselves within the plan's `graceful_stop`, then `on-stop` runs.
    Graceful,
    /// At once.
    Now,
}

/// Where a worker is.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", tag = "state")]
pub enum WorkerState {
    /// No work.
    Idle,
    /// Fetching, compiling, making users.
    Preparing,
    /// [`Step::Prepare`] is done.
    Ready,
    /// [`Step::Setup`] is done.
    SetUp {
        /// What `setup` returned.
        data: Arc<str>,
    },
    /// Making load.
    Running,
    /// No new iterations; old ones end.
    Stopping,
    /// The last interval is out: its number.
    Stopped {
        /// [`Interval::seq`] of the last interval; 0: none was made.
        last_seq: u64,
    },
    /// [`Step::Teardown`] is done.
    TornDown,
    /// Cannot do the work.
    Failed {
        /// A stable code, such as `digest`, `compile`, `capacity`, `setup`, `abort-run`.
        code: Arc<str>,
        /// What and why, with the remedy.
        message: Arc<str>,
    },
}

/// What a worker says of itself, each heartbeat and on each change.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct WorkerStatus {
    /// [`VERSION`].
    pub version: u16,
    /// Who.
    pub worker: WorkerId,
    /// This process.
    pub incarnation: Incarnation,
    /// Of the program.
    pub release: String,
    /// `region` → `eu`, …
    pub tags: BTreeMap<String, String>,
    /// Users that fit; while it works for a run, those that fit in that run.
    pub capacity: u32,
    /// How much of the load it is to have beside others, if shares go by weight; at least 1.
    pub weight: u32,
    /// Shards, each with one core.
    pub shards: u32,
    /// Users running.
    pub users: u32,
    /// 0 to 1 over all shards.
    pub cpu: f64,
    /// Resident, in bytes.
    pub memory: u64,
    /// How late a timer of its shards fired at worst in the last second, in microseconds.
    #[serde(default)]
    pub lag: u64,
    /// The last assignment that was applied.
    pub applied: (Term, u64),
    /// Since when the share of that assignment holds, in microseconds since the Unix epoch by
    /// the coordinator's clock: [`Work::share_from`], or the moment that it was applied if that
    /// was later. 0: from the start, or there is no share.
    pub share_from: u64,
    /// The run it is working for.
    pub run: Option<RunId>,
    /// Where it is in that run.
    pub state: WorkerState,
    /// It is going away: no new work.
    pub draining: bool,
    /// How it stands with versions of the scenario that come after the one it began with.
    #[serde(default, skip_serializing_if = "EditionStatus::is_empty")]
    pub edition: Box<EditionStatus>,
    /// What its users did in that run with what the users of the whole run share.
    #[serde(default, skip_serializing_if = "SharedUse::is_empty")]
    pub shared: Box<SharedUse>,
}

/// How a worker stands with newer versions of a scenario.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct EditionStatus {
    /// [`Edition::number`] of the newest that is ready; 0: none was asked for.
    pub ready: u32,
    /// The newest that cannot be made ready.
    pub refused: Option<EditionRefusal>,
    /// Users that run an older version than the plan's.
    pub behind: u32,
}

impl EditionStatus {
    /// Whether there is nothing to say.
    pub fn is_empty(&self) -> bool {
        *self == Self::default()
    }
}

/// Why a worker cannot use a version of a scenario.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct EditionRefusal {
    /// [`Edition::number`].
    pub number: u32,
    /// A stable code, as of [`WorkerState::Failed`].
    pub code: Arc<str>,
    /// What and why, with the remedy.
    pub message: Arc<str>,
}

/// A line of a guest's log.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct LogLine {
    /// Of this run.
    pub run: RunId,
    /// Since the start of the run.
    pub at: Duration,
    /// On this worker.
    pub worker: WorkerId,
    /// Which user.
    pub user: u64,
    /// `trace`, `debug`, `info`, `warn`, `error`, or `stdout`, `stderr`.
    pub level: Arc<str>,
    /// Control characters are escaped.
    pub message: Arc<str>,
}

/// What a worker tells the coordinator.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Report {
    /// Lossy; the newest counts.
    Status(WorkerStatus),
    /// Lossless, in order of `seq`; merged once.
    Interval(Box<Interval>),
    /// Lossy, bounded.
    Log(LogLine),
    /// Of the transport, not of a worker: all intervals up to this message of their stream have been
    /// handed over before. Without a stream it is never said.
    Position(u64),
}
