//! One worker-second of measurements, and how they add up.
//!
//! An [`Interval`] is a delta. [`Statistics`] is what deltas are merged into; the
//! same type serves a shard's second, a worker's and the whole run's.

mod merge;
mod select;

pub use select::SeriesCap;

#[cfg(test)]
pub(crate) use merge::tests::statistics as any_statistics;

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::histogram::Histogram;
use crate::id::{Incarnation, RunId, Term, WorkerId};
use crate::metric::SeriesKey;

/// Measurements of one HTTP series.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct HttpStats {
    /// Finished requests, failed ones included.
    pub requests: u64,
    /// Failed among them.
    pub failures: u64,
    /// Intended start to the end of the body, in microseconds.
    pub response_time: Histogram,
    /// Sending to the end of the body, in microseconds.
    pub service_time: Histogram,
    /// Sent, with headers.
    pub bytes_sent: u64,
    /// Received, with headers.
    pub bytes_received: u64,
    /// Of bodies alone.
    pub body_bytes: u64,
    /// Answers by status; 0: no answer.
    pub statuses: BTreeMap<u16, u64>,
    /// Time in each step.
    pub steps: StepTimes,
}

/// Microseconds spent in each step of requests, summed, and how many had the step.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct StepTimes {
    /// Name resolution, of `connections` that needed it.
    pub dns: u64,
    /// TCP handshake.
    pub connect: u64,
    /// TLS handshake.
    pub tls: u64,
    /// Writing the request.
    pub sending: u64,
    /// End of the request to the first byte of the answer.
    pub waiting: u64,
    /// First to last byte of the answer.
    pub receiving: u64,
    /// Connections opened.
    pub connections: u64,
}

/// Iterations of one task.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct TaskStats {
    /// Finished, failed ones included.
    pub iterations: u64,
    /// Ended with a failure, a trap or a timeout.
    pub failures: u64,
    /// From the actual start, in microseconds.
    pub duration: Histogram,
}

/// A check, or a metric of kind rate.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct PassStats {
    /// Held.
    pub passes: u64,
    /// Did not.
    pub failures: u64,
}

/// The least, greatest and last value of a gauge.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct GaugeStats {
    /// Set most recently.
    pub last: f64,
    /// When that was, in microseconds since the start of the run.
    pub at: u64,
    /// Least.
    pub min: f64,
    /// Greatest.
    pub max: f64,
}

/// Measurements of one series.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum SeriesStats {
    /// Of [`SeriesKey::Http`].
    Http(Box<HttpStats>),
    /// Of [`SeriesKey::Task`].
    Task(Box<TaskStats>),
    /// Of [`SeriesKey::Check`] and custom rates.
    Pass(PassStats),
    /// Of [`SeriesKey::Group`] (microseconds) and custom trends (thousandths).
    Trend(Box<Histogram>),
    /// A custom counter.
    Counter(f64),
    /// A custom gauge.
    Gauge(GaugeStats),
}

/// What went wrong, where.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
pub struct ErrorKey {
    /// A request's method and name, or a user type and task.
    pub origin: Origin,
    /// A stable code, such as `http-status`, `timeout`, `trap`, `guest-failed`.
    pub code: Arc<str>,
    /// For people; without numbers that differ from case to case.
    pub message: Arc<str>,
}

/// Where an error came from.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Origin {
    /// A failed request.
    Request {
        /// Upper case.
        method: Arc<str>,
        /// Of the series.
        name: Arc<str>,
    },
    /// A failed iteration: what Locust calls an exception.
    Task {
        /// Name of the user type.
        user_type: Arc<str>,
        /// Name of the task or hook.
        task: Arc<str>,
    },
}

/// How often, and when.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ErrorStats {
    /// Occurrences.
    pub count: u64,
    /// Since the start of the run, in microseconds.
    pub first: u64,
    /// Since the start of the run, in microseconds.
    pub last: u64,
    /// The guest's frames and last standard error lines of one case; empty for requests.
    pub detail: Arc<str>,
}

/// How well the generator itself does.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct Health {
    /// CPU seconds used by shards over the interval, divided by its length and
    /// the number of shards: 1.0 is saturated. Merged: of the busiest.
    pub cpu: f64,
    /// How late timers of the shards fired, in microseconds.
    pub loop_lag: Histogram,
    /// How late iterations started, in microseconds.
    pub start_lag: Histogram,
}

/// Counters of what the caps and the sandbox did, each named as its flag.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Counters {
    /// Arrivals that were due.
    pub arrivals: u64,
    /// Arrivals dropped because no user was free within the maximum lag.
    pub dropped_arrivals: u64,
    /// Iterations cut short by the end of the run.
    pub interrupted: u64,
    /// Users that ended with a trap, a timeout or a panic.
    pub crashed_users: u64,
    /// Refused by a cap, by the cap's name.
    pub capped: BTreeMap<Arc<str>, u64>,
}

/// Everything measured over some time, by some part of the fleet.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct Statistics {
    /// By series. As pairs on the wire, because keys are no text.
    #[serde(with = "pairs")]
    pub series: BTreeMap<SeriesKey, SeriesStats>,
    /// By place and kind.
    #[serde(with = "pairs")]
    pub errors: BTreeMap<ErrorKey, ErrorStats>,
    /// Of the generator.
    pub health: Health,
    /// Of caps and sandbox.
    pub counters: Counters,
}

/// What one worker measured in one second.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Interval {
    /// Of this run.
    pub run: RunId,
    /// By this worker.
    pub worker: WorkerId,
    /// In this process.
    pub incarnation: Incarnation,
    /// From 1, without gaps, per run and incarnation: what makes merging idempotent.
    pub seq: u64,
    /// Under this leadership.
    pub term: Term,
    /// Begin, since the start of the run.
    pub begin: Duration,
    /// End, since the start of the run.
    pub end: Duration,
    /// Users running at the end, by user type.
    pub users: BTreeMap<Arc<str>, u32>,
    /// What happened in between.
    pub statistics: Statistics,
    /// The last one of this worker in this run.
    pub last: bool,
}

/// Maps with structured keys as lists of pairs, since JSON and others want text for keys.
mod pairs {
    use std::collections::BTreeMap;

    use serde::de::DeserializeOwned;
    use serde::{Deserialize, Deserializer, Serialize, Serializer};

    pub(super) fn serialize<K: Serialize, V: Serialize, S: Serializer>(
        map: &BTreeMap<K, V>,
        serializer: S,
    ) -> Result<S::Ok, S::Error> {
        serializer.collect_seq(map)
    }

    pub(super) fn deserialize<'de, K, V, D>(deserializer: D) -> Result<BTreeMap<K, V>, D::Error>
    where
        K: DeserializeOwned + Ord,
        V: DeserializeOwned,
        D: Deserializer<'de>,
    {
        Ok(Vec::<(K, V)>::deserialize(deserializer)?.into_iter().collect())
    }
}
