//! What terminal, API and page read: plain data, made anew at least once a second.
//!
//! Times of requests are whole microseconds. Everything here is bounded: a view of ten
//! thousand names holds the [`MAX_ROWS`] most used of them and one line for the rest.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use loadhost_model::histogram::Histogram;
use loadhost_model::id::{Digest, Incarnation, RunId, Term, WorkerId};
use loadhost_model::interval::Counters;
use loadhost_model::share::Share;
use loadhost_model::wire::WorkerState;
use serde::{Deserialize, Serialize};

mod masters;
mod rows;
mod shared;
mod versions;

pub(crate) use rows::ratio;
pub use rows::{
    CheckRow, ErrorRow, GroupRow, HttpRow, MetricRow, MetricValue, TaskRow, Times, Window,
};

pub use masters::{MasterView, MastersView};
pub use shared::{LeasedView, MeetingView, SharedView};
pub use versions::{NextVersion, RefusedVersion, VersionView, VersionsView};

use crate::report::EndReason;

/// Rows of requests, tasks, checks, groups and metrics that a view holds, of each.
pub const MAX_ROWS: usize = 1_000;
/// Errors that a view holds.
pub const MAX_ERRORS: usize = 200;
/// Seconds of history that a view holds.
pub const TAIL: usize = 120;

/// Fleet and runs at one moment.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct FleetView {
    /// Leadership under which the coordinator acts.
    pub term: Term,
    /// A newer leadership was seen, so this coordinator no longer acts.
    pub deposed: bool,
    /// When the view was made, in microseconds since the Unix epoch.
    pub at: u64,
    /// By name.
    pub workers: Vec<WorkerView>,
    /// Oldest first; the last few that are over are still here.
    pub runs: Vec<Arc<RunView>>,
    /// Workers that there should be, lost ones included, for all runs that go on or wait: a run that waits can get workers
    /// of others.
    #[serde(default)]
    pub workers_expected: u32,
    /// Reports that no run could use, by reason.
    pub ignored: BTreeMap<String, u64>,
    /// What merging workers' reports took since the coordinator began.
    #[serde(default)]
    pub aggregation: Duration,
}

impl FleetView {
    /// The run of this name.
    pub fn run(&self, run: &RunId) -> Option<&RunView> {
        self.runs.iter().map(Arc::as_ref).find(|view| view.run == *run)
    }
}

/// Whether a worker is heard of.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Liveness {
    /// Heard of lately.
    Alive,
    /// Silent for longer than `suspect`.
    Suspect,
    /// Silent for longer than `lost`: counted out until it speaks again.
    Lost,
}

/// One worker.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct WorkerView {
    /// Its name.
    pub worker: WorkerId,
    /// Its process.
    pub incarnation: Incarnation,
    /// Of its program.
    pub release: String,
    /// Its labels.
    pub tags: BTreeMap<String, String>,
    /// Users that fit.
    pub capacity: u32,
    /// Threads that make load.
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
    /// Whether it is heard of.
    pub liveness: Liveness,
    /// Since its last word.
    pub silent_for: Duration,
    /// What it said of itself.
    pub state: WorkerState,
    /// The run that it is working for.
    pub run: Option<RunId>,
    /// Its share of that run.
    pub share: Option<Share>,
    /// Takes no new work.
    pub draining: bool,
    /// Two processes use this name at once.
    pub name_clash: bool,
}

/// Where a run is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum RunState {
    /// For workers.
    Waiting,
    /// Workers fetch and compile.
    Preparing,
    /// One worker calls `setup`.
    SettingUp,
    /// All is ready; the common instant is ahead.
    Starting,
    /// Load is made.
    Running,
    /// Iterations end, the last intervals come in.
    Stopping,
    /// One worker calls `teardown`.
    TearingDown,
    /// Over.
    Finished,
}

/// One run.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct RunView {
    /// Its id.
    pub run: RunId,
    /// Name of the scenario.
    pub scenario: String,
    /// Of the scenario, as its author counts.
    pub scenario_version: Option<String>,
    /// The scenario's bytes.
    pub module: Digest,
    /// Base URL.
    pub target: Option<String>,
    /// Parameters; the values of secret ones are replaced by `***`.
    pub params: BTreeMap<String, String>,
    /// Of all random choices.
    pub seed: u64,
    /// Where it is.
    pub state: RunState,
    /// Names of the phases that make load at the moment, joined with `, `.
    pub phase: String,
    /// The common instant, in microseconds since the Unix epoch.
    pub started: Option<u64>,
    /// Since the start; stands still once no more load is made.
    pub elapsed: Duration,
    /// How long the run is; None: until it is stopped, or until its iterations are done.
    pub length: Option<Duration>,
    /// How much of it is left.
    pub remaining: Option<Duration>,
    /// Workers that share it, lost ones included.
    pub workers: u32,
    /// Lost ones among them.
    pub workers_lost: u32,
    /// Workers that it waits for, or that share it and are not lost for good.
    #[serde(default)]
    pub workers_expected: u32,
    /// While load is made: how long ago the last second ended that all workers have told of.
    #[serde(default)]
    pub statistics_age: Duration,
    /// Workers that were lost, failed or left while load was made, oldest first.
    #[serde(default)]
    pub losses: Vec<Loss>,
    /// 0 to 1 of the load that nobody makes at the moment, or made at the end.
    #[serde(default)]
    pub unserved: f64,
    /// How often a worker that was heard of did not confirm its share of the load for 10 s.
    #[serde(default)]
    pub unconfirmed_shares: u64,
    /// Users running.
    pub users: u32,
    /// The same by user type.
    pub users_by_type: BTreeMap<Arc<str>, u32>,
    /// Users that the profile asks for at this moment; None: it does not count users.
    pub users_wanted: Option<u32>,
    /// Arrivals per second that the profile asks for at this moment; None: it has none.
    pub rate_wanted: Option<f64>,
    /// Totals count from here, since the start of the run (warm-up, reset).
    pub counted_from: Duration,
    /// Time over which totals were measured.
    pub counted: Duration,
    /// Time that total rates are over: `counted`, but once load that outlasts its end has ended, only
    /// the whole seconds in which load was made.
    pub load_time: Duration,
    /// All requests together.
    pub total: HttpRow,
    /// The last ten whole seconds.
    pub window: Window,
    /// By name and method; the rows beyond [`MAX_ROWS`] are summed in the last, named `other`.
    pub rows: Vec<HttpRow>,
    /// How many names are in that last row.
    pub rows_omitted: u32,
    /// By user type and task.
    pub tasks: Vec<TaskRow>,
    /// By group and name.
    pub checks: Vec<CheckRow>,
    /// By path.
    pub groups: Vec<GroupRow>,
    /// The guest's own metrics.
    pub metrics: Vec<MetricRow>,
    /// Most frequent first.
    pub errors: Vec<ErrorRow>,
    /// How many kinds of errors are not in `errors`.
    pub errors_omitted: u32,
    /// In the order of the plan.
    pub thresholds: Vec<ThresholdView>,
    /// Of caps and sandbox.
    pub counters: Counters,
    /// How the intervals came in.
    pub collection: Collection,
    /// How well the generators do.
    pub generator: GeneratorView,
    /// What users of all workers share: rows, numbers, counters, rendezvous.
    #[serde(default)]
    pub shared: SharedView,
    /// Versions of the scenario that its users run.
    #[serde(default)]
    pub versions: VersionsView,
    /// The last [`TAIL`] seconds, oldest first.
    pub history: Vec<Point>,
    /// What happened and bears on how far the numbers can be trusted.
    pub notes: Vec<Note>,
    /// Why it is over.
    pub ended: Option<EndReason>,
}

/// Where a threshold stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum ThresholdState {
    /// Holds.
    Ok,
    /// Does not hold.
    Broken,
    /// Nothing was measured that it speaks of. At the end this counts as broken.
    NoData,
}

/// One threshold.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct ThresholdView {
    /// As people write it.
    pub text: String,
    /// Where it stands.
    pub state: ThresholdState,
    /// What was compared with the bound, in the bound's unit.
    pub value: Option<f64>,
    /// Broken without interruption since this moment of the run.
    pub broken_since: Option<Duration>,
    /// Stops the run when broken, not before this much time.
    pub abort_after: Option<Duration>,
}

/// How the workers' intervals came in.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Collection {
    /// Merged.
    pub merged: u64,
    /// Came again and were ignored.
    pub duplicates: u64,
    /// Known to have been made, but not here.
    pub missing: u64,
    /// Merged after the second that they tell of had been shown without them.
    #[serde(default)]
    pub late: u64,
}

/// How well the generators do.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct GeneratorView {
    /// CPU of the busiest worker in the last second: 1.0 is saturated.
    pub cpu: f64,
    /// CPU of the busiest worker in its busiest second so far.
    pub cpu_peak: f64,
    /// How late timers fired, 99 %, over the window, in microseconds.
    pub loop_lag_p99: Option<u64>,
    /// How late iterations started, 99 %, over the window, in microseconds.
    pub start_lag_p99: Option<u64>,
    /// Why the generator is too busy to be trusted at the moment.
    pub saturated: Option<String>,
    /// For how long it was so in the whole run. Not zero: the run is marked.
    pub saturated_for: Duration,
    /// Why it was so, the first time.
    pub first_reason: Option<String>,
}

/// Percentiles of one second, in microseconds.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct PointTimes {
    /// Half are at or below.
    pub p50: u64,
    /// 95 %.
    pub p95: u64,
    /// 99 %.
    pub p99: u64,
}

impl PointTimes {
    /// None if nothing was recorded.
    pub fn of(histogram: &Histogram) -> Option<Self> {
        if histogram.is_empty() {
            return None;
        }
        let [p50, p95, p99] = histogram.quantiles([0.5, 0.95, 0.99]);
        Some(Self { p50, p95, p99 })
    }
}

/// One second of a run, over all workers.
#[derive(Debug, Clone, Copy, Default, PartialEq, Serialize, Deserialize)]
pub struct Point {
    /// Its begin, since the start of the run.
    pub at: Duration,
    /// How long it is: one second, or more in very long runs.
    pub span: Duration,
    /// Users at its end.
    pub users: u32,
    /// Users that the profile asked for.
    pub users_wanted: Option<u32>,
    /// Arrivals per second that the profile asked for.
    pub rate_wanted: Option<f64>,
    /// Requests that ended in it.
    pub requests: u64,
    /// Failed ones among them.
    pub failures: u64,
    /// Requests per second.
    pub rps: f64,
    /// Failed requests per second.
    pub fps: f64,
    /// From the intended start. In points longer than a second: those of its worst second.
    pub response_time: Option<PointTimes>,
    /// From the sending.
    pub service_time: Option<PointTimes>,
    /// Dropped arrivals.
    pub dropped: u64,
    /// How late iterations started, 99 %, in microseconds.
    pub start_lag_p99: Option<u64>,
    /// CPU of the busiest worker.
    pub cpu: f64,
    /// In the totals: not in a warm-up, not before a reset.
    pub counted: bool,
    /// The generator was saturated.
    pub saturated: bool,
}

/// A worker that went out of a run while load was made.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Loss {
    /// Its name.
    pub worker: WorkerId,
    /// When it was noticed, since the start of the run.
    pub at: Duration,
    /// 0 to 1 of the load that it had.
    pub share: f64,
    /// For how long at most it had worked without its measurements having come in. They are lost if it
    /// does not come back.
    pub unmeasured: Duration,
    /// Its share was given to others; otherwise it is missing until the worker is back.
    pub moved: bool,
    /// When others had taken over all of it.
    pub served: Option<Duration>,
    /// When it was heard of again.
    pub returned: Option<Duration>,
}

/// What a note is about.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum NoteKind {
    /// Good to know.
    Info,
    /// The numbers can be trusted less.
    Warning,
}

/// Something that happened.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Note {
    /// Since the start of the run; None: before it.
    pub at: Option<Duration>,
    /// What it is about.
    pub kind: NoteKind,
    /// For people.
    pub message: String,
}
