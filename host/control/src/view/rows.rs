//! Lines of tables: requests, tasks, checks, groups, metrics, errors.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use loadhost_model::histogram::Histogram;
use loadhost_model::interval::{ErrorKey, ErrorStats, Origin, StepTimes};
use loadhost_model::metric::Kind;
use serde::{Deserialize, Serialize};

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
    /// Per second of the load time: those that ended within it.
    pub rps: f64,
    /// Failed per second of the load time.
    pub fps: f64,
    /// Per second, over the window.
    pub current_rps: f64,
    /// Failed per second, over the window.
    pub current_fps: f64,
    /// From the intended start. None: no sample, or a sum of rows beyond the cap.
    pub response_time: Option<Times>,
    /// From the sending. None: no sample, or a sum of rows beyond the cap.
    pub service_time: Option<Times>,
    /// As `response_time`, over the window. None also beyond as many names as have lines of their own.
    pub current_response_time: Option<Times>,
    /// As `service_time`, over the window. None also beyond as many names as have lines of their own.
    pub current_service_time: Option<Times>,
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
    /// Per second of the load time.
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
    pub fn new(key: &ErrorKey, stats: &ErrorStats) -> Self {
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
