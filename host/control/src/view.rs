//! What terminal, API and page read: plain data, made anew at least once a second.
//!
//! Times of requests are whole microseconds. Everything here is bounded: a view of ten
//! thousand names holds the [`MAX_ROWS`] most used of them and one line for the rest.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use loadhost_model::histogram::Histogram;
use loadhost_model::id::{Digest, Incarnation, RunId, Term, WorkerId};
use loadhost_model::interval::{Counters, ErrorKey, Origin, StepTimes};
use loadhost_model::metric::Kind;
use loadhost_model::segment::Segment;
use loadhost_model::wire::WorkerState;
use serde::{Deserialize, Serialize};

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
    /// Reports that no run could use, by reason.
    pub ignored: BTreeMap<String, u64>,
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
    /// Whether it is heard of.
    pub liveness: Liveness,
    /// Since its last word.
    pub silent_for: Duration,
    /// What it said of itself.
    pub state: WorkerState,
    /// The run that it is working for.
    pub run: Option<RunId>,
    /// Its share of that run.
    pub segment: Option<Segment>,
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
    /// The last [`TAIL`] seconds, oldest first.
    pub history: Vec<Point>,
    /// What happened and bears on how far the numbers can be trusted.
    pub notes: Vec<Note>,
    /// Why it is over.
    pub ended: Option<EndReason>,
}

/// A distribution of times, in microseconds.
#[derive(Debug, Clone, Copy, Default, PartialEq, Serialize, Deserialize)]
pub struct Times {
    /// Samples.
    pub count: u64,
    /// Least.
    pub min: u64,
    /// Mean.
    pub mean: f64,
    /// Half are at or below.
    pub p50: u64,
    /// 66 %.
    pub p66: u64,
    /// 75 %.
    pub p75: u64,
    /// 80 %.
    pub p80: u64,
    /// 90 %.
    pub p90: u64,
    /// 95 %.
    pub p95: u64,
    /// 98 %.
    pub p98: u64,
    /// 99 %.
    pub p99: u64,
    /// 99.9 %.
    pub p99_9: u64,
    /// 99.99 %.
    pub p99_99: u64,
    /// Greatest.
    pub max: u64,
}

impl Times {
    /// None if nothing was recorded.
    pub fn of(histogram: &Histogram) -> Option<Self> {
        let (min, max, mean) = (histogram.min()?, histogram.max()?, histogram.mean()?);
        let [p50, p66, p75, p80, p90, p95, p98, p99, p99_9, p99_99] =
            histogram.quantiles([0.5, 0.66, 0.75, 0.8, 0.9, 0.95, 0.98, 0.99, 0.999, 0.9999]);
        Some(Self {
            count: histogram.count(),
            min,
            mean,
            p50,
            p66,
            p75,
            p80,
            p90,
            p95,
            p98,
            p99,
            p99_9,
            p99_99,
            max,
        })
    }
}

/// Requests of one name and method, or all of them.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct HttpRow {
    /// Upper case; empty in sums.
    pub method: Arc<str>,
    /// Of the series; `Aggregated` or `other` in sums.
    pub name: Arc<str>,
    /// Finished, failed ones included.
    pub requests: u64,
    /// Failed among them.
    pub failures: u64,
    /// Per second, over the counted time.
    pub rps: f64,
    /// Failed per second, over the counted time.
    pub fps: f64,
    /// Per second, over the window.
    pub current_rps: f64,
    /// Failed per second, over the window.
    pub current_fps: f64,
    /// From the intended start. None: no sample, or a sum of rows beyond the cap.
    pub response_time: Option<Times>,
    /// From the sending. None: no sample, or a sum of rows beyond the cap.
    pub service_time: Option<Times>,
    /// Mean bytes of bodies.
    pub mean_body_bytes: f64,
    /// With headers.
    pub bytes_sent: u64,
    /// With headers.
    pub bytes_received: u64,
    /// Answers by status; 0: no answer.
    pub statuses: BTreeMap<u16, u64>,
    /// Time in each step.
    pub steps: StepTimes,
}

impl HttpRow {
    /// Failed requests among all, 0.0 to 1.0; 0.0 without requests.
    pub fn failure_ratio(&self) -> f64 {
        ratio(self.failures, self.requests)
    }
}

/// Part of whole; 0.0 of nothing.
pub(crate) fn ratio(part: u64, whole: u64) -> f64 {
    if whole == 0 { 0.0 } else { part as f64 / whole as f64 }
}

/// The last whole seconds.
#[derive(Debug, Clone, Copy, Default, PartialEq, Serialize, Deserialize)]
pub struct Window {
    /// How many there are, ten at most.
    pub seconds: u32,
    /// Requests per second.
    pub rps: f64,
    /// Failed ones per second.
    pub fps: f64,
    /// Iterations per second.
    pub iterations: f64,
    /// Dropped arrivals per second.
    pub dropped: f64,
    /// From the intended start.
    pub response_time: Option<Times>,
    /// From the sending.
    pub service_time: Option<Times>,
}

/// Iterations of one task.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct TaskRow {
    /// Name of the user type.
    pub user_type: Arc<str>,
    /// Name of the task, or `on_start` and `on_stop`.
    pub task: Arc<str>,
    /// Finished, failed ones included.
    pub iterations: u64,
    /// Failed among them.
    pub failures: u64,
    /// Per second, over the counted time.
    pub rate: f64,
    /// Its part of the iterations of its user type, 0.0 to 1.0.
    pub share: f64,
    /// The part that the description asks for; None: it does not say (hooks, Markov order).
    pub share_wanted: Option<f64>,
    /// From the actual start, waits left out.
    pub duration: Option<Times>,
}

/// One check.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct CheckRow {
    /// As the guest wrote it.
    pub name: Arc<str>,
    /// Path of open groups.
    pub group: Arc<str>,
    /// Held.
    pub passes: u64,
    /// Did not.
    pub failures: u64,
}

/// How long a group was open.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct GroupRow {
    /// Joined with `::`.
    pub path: Arc<str>,
    /// From begin to end.
    pub duration: Option<Times>,
}

/// A metric of the guest's.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct MetricRow {
    /// As the guest wrote it.
    pub name: Arc<str>,
    /// "", "ms", "bytes", …
    pub unit: Arc<str>,
    /// The guest's.
    pub tags: Vec<(Arc<str>, Arc<str>)>,
    /// What it does.
    pub kind: Kind,
    /// What came out.
    pub value: MetricValue,
}

/// What a custom metric came to, in its own unit.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum MetricValue {
    /// Of a counter.
    Counter {
        /// Sum.
        sum: f64,
        /// Per second, over the counted time.
        rate: f64,
    },
    /// Of a gauge.
    Gauge {
        /// Most recent.
        last: f64,
        /// Least.
        min: f64,
        /// Greatest.
        max: f64,
    },
    /// Of a rate.
    Rate {
        /// Values that were not zero.
        passes: u64,
        /// Values that were.
        failures: u64,
    },
    /// Of a trend.
    Trend {
        /// Values.
        count: u64,
        /// Least.
        min: f64,
        /// Mean.
        mean: f64,
        /// Half are at or below.
        p50: f64,
        /// 90 %.
        p90: f64,
        /// 95 %.
        p95: f64,
        /// 99 %.
        p99: f64,
        /// Greatest.
        max: f64,
    },
}

/// One kind of error.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct ErrorRow {
    /// A request's method and name, or a user type and task.
    pub origin: Origin,
    /// Stable.
    pub code: Arc<str>,
    /// For people.
    pub message: Arc<str>,
    /// Occurrences.
    pub count: u64,
    /// Since the start of the run.
    pub first: Duration,
    /// Since the start of the run.
    pub last: Duration,
    /// Frames and last lines of one case.
    pub detail: Arc<str>,
}

impl ErrorRow {
    /// From what was merged.
    pub fn new(key: &ErrorKey, stats: &loadhost_model::interval::ErrorStats) -> Self {
        Self {
            origin: key.origin.clone(),
            code: key.code.clone(),
            message: key.message.clone(),
            count: stats.count,
            first: Duration::from_micros(stats.first),
            last: Duration::from_micros(stats.last),
            detail: stats.detail.clone(),
        }
    }
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
}

/// How well the generators do.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct GeneratorView {
    /// CPU of the busiest worker in the last second: 1.0 is saturated.
    pub cpu: f64,
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
