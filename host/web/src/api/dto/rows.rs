//! Lines of tables.

use std::collections::BTreeMap;

use loadhost_control::view::{CheckRow, ErrorRow, GroupRow, HttpRow, TaskRow, Times, Window};
use loadhost_model::interval::{Origin, StepTimes};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::{ms, rounded, seconds};

/// A distribution of times, in milliseconds.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct TimesMs {
    /// Samples.
    pub count: u64,
    /// Least.
    pub min: f64,
    /// Mean.
    pub mean: f64,
    /// Half are at or below.
    pub p50: f64,
    /// 66 %.
    pub p66: f64,
    /// 75 %.
    pub p75: f64,
    /// 80 %.
    pub p80: f64,
    /// 90 %.
    pub p90: f64,
    /// 95 %.
    pub p95: f64,
    /// 98 %.
    pub p98: f64,
    /// 99 %.
    pub p99: f64,
    /// 99.9 %.
    pub p99_9: f64,
    /// 99.99 %.
    pub p99_99: f64,
    /// Greatest.
    pub max: f64,
}

impl From<&Times> for TimesMs {
    fn from(times: &Times) -> Self {
        Self {
            count: times.count,
            min: ms(times.min),
            mean: rounded(times.mean / 1e3),
            p50: ms(times.p50),
            p66: ms(times.p66),
            p75: ms(times.p75),
            p80: ms(times.p80),
            p90: ms(times.p90),
            p95: ms(times.p95),
            p98: ms(times.p98),
            p99: ms(times.p99),
            p99_9: ms(times.p99_9),
            p99_99: ms(times.p99_99),
            max: ms(times.max),
        }
    }
}

pub(crate) fn times(times: &Option<Times>) -> Option<TimesMs> {
    times.as_ref().map(TimesMs::from)
}

/// Milliseconds spent in each step of requests, summed.
#[derive(Debug, Clone, Copy, Default, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct StepsMs {
    /// Name resolution.
    pub dns: f64,
    /// TCP handshake.
    pub connect: f64,
    /// TLS handshake.
    pub tls: f64,
    /// Writing requests.
    pub sending: f64,
    /// End of the request to the first byte of the answer.
    pub waiting: f64,
    /// First to last byte of the answer.
    pub receiving: f64,
    /// Connections opened.
    pub connections: u64,
}

impl From<&StepTimes> for StepsMs {
    fn from(steps: &StepTimes) -> Self {
        Self {
            dns: ms(steps.dns),
            connect: ms(steps.connect),
            tls: ms(steps.tls),
            sending: ms(steps.sending),
            waiting: ms(steps.waiting),
            receiving: ms(steps.receiving),
            connections: steps.connections,
        }
    }
}

/// Requests of one method and name, or all of them.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct HttpLine {
    /// Upper case; empty in sums.
    pub method: String,
    /// Of the series; `Aggregated` or `other` in sums.
    pub name: String,
    /// Finished, failed ones included.
    pub requests: u64,
    /// Failed among them.
    pub failures: u64,
    /// Per second of the load time.
    pub rps: f64,
    /// Failed per second of the load time.
    pub fps: f64,
    /// Per second, over the last ten seconds.
    pub current_rps: f64,
    /// Failed per second, over the last ten seconds.
    pub current_fps: f64,
    /// From the intended start.
    pub response_time_ms: Option<TimesMs>,
    /// From the sending.
    pub service_time_ms: Option<TimesMs>,
    /// As `response_time_ms`, over the last ten seconds.
    pub current_response_time_ms: Option<TimesMs>,
    /// As `service_time_ms`, over the last ten seconds.
    pub current_service_time_ms: Option<TimesMs>,
    /// Mean bytes of bodies.
    pub mean_body_bytes: f64,
    /// With headers.
    pub bytes_sent: u64,
    /// With headers.
    pub bytes_received: u64,
    /// Answers by status; 0: no answer.
    pub statuses: BTreeMap<String, u64>,
    /// Time in each step.
    pub steps_ms: StepsMs,
}

impl From<&HttpRow> for HttpLine {
    fn from(row: &HttpRow) -> Self {
        Self {
            method: row.method.to_string(),
            name: row.name.to_string(),
            requests: row.requests,
            failures: row.failures,
            rps: rounded(row.rps),
            fps: rounded(row.fps),
            current_rps: rounded(row.current_rps),
            current_fps: rounded(row.current_fps),
            response_time_ms: times(&row.response_time),
            service_time_ms: times(&row.service_time),
            current_response_time_ms: times(&row.current_response_time),
            current_service_time_ms: times(&row.current_service_time),
            mean_body_bytes: rounded(row.mean_body_bytes),
            bytes_sent: row.bytes_sent,
            bytes_received: row.bytes_received,
            statuses: row.statuses.iter().map(|(code, n)| (code.to_string(), *n)).collect(),
            steps_ms: StepsMs::from(&row.steps),
        }
    }
}

/// The last whole seconds.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct WindowOf {
    /// How many there are, ten at most.
    pub seconds: u32,
    /// Requests per second.
    pub rps: f64,
    /// Failed ones per second.
    pub fps: f64,
    /// Iterations per second.
    pub iterations_per_second: f64,
    /// Dropped arrivals per second.
    pub dropped_per_second: f64,
    /// From the intended start.
    pub response_time_ms: Option<TimesMs>,
    /// From the sending.
    pub service_time_ms: Option<TimesMs>,
}

impl From<&Window> for WindowOf {
    fn from(window: &Window) -> Self {
        Self {
            seconds: window.seconds,
            rps: rounded(window.rps),
            fps: rounded(window.fps),
            iterations_per_second: rounded(window.iterations),
            dropped_per_second: rounded(window.dropped),
            response_time_ms: times(&window.response_time),
            service_time_ms: times(&window.service_time),
        }
    }
}

/// Iterations of one task.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct Task {
    /// Name of the user type.
    pub user_type: String,
    /// Name of the task, or `on_start` and `on_stop`.
    pub task: String,
    /// Finished, failed ones included.
    pub iterations: u64,
    /// Failed among them.
    pub failures: u64,
    /// Per second of the load time.
    pub rate: f64,
    /// Its part of the iterations of its user type, 0 to 1.
    pub share: f64,
    /// The part that the scenario asks for, 0 to 1.
    pub share_wanted: Option<f64>,
    /// From the actual start, waits left out.
    pub duration_ms: Option<TimesMs>,
}

impl From<&TaskRow> for Task {
    fn from(row: &TaskRow) -> Self {
        Self {
            user_type: row.user_type.to_string(),
            task: row.task.to_string(),
            iterations: row.iterations,
            failures: row.failures,
            rate: rounded(row.rate),
            share: rounded(row.share),
            share_wanted: row.share_wanted.map(rounded),
            duration_ms: times(&row.duration),
        }
    }
}

/// One check.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct Check {
    /// As the scenario wrote it.
    pub name: String,
    /// Path of open groups.
    pub group: String,
    /// Held.
    pub passes: u64,
    /// Did not.
    pub failures: u64,
}

impl From<&CheckRow> for Check {
    fn from(row: &CheckRow) -> Self {
        let (name, group) = (row.name.to_string(), row.group.to_string());
        Self { name, group, passes: row.passes, failures: row.failures }
    }
}

/// How long a group was open.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct Group {
    /// Joined with `::`.
    pub path: String,
    /// From begin to end.
    pub duration_ms: Option<TimesMs>,
}

impl From<&GroupRow> for Group {
    fn from(row: &GroupRow) -> Self {
        Self { path: row.path.to_string(), duration_ms: times(&row.duration) }
    }
}

/// Where an error came from.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "kebab-case")]
pub enum FailureOrigin {
    /// A failed request.
    Request {
        /// Upper case.
        method: String,
        /// Of the series.
        name: String,
    },
    /// A failed iteration.
    Task {
        /// Name of the user type.
        user_type: String,
        /// Name of the task or hook.
        task: String,
    },
}

/// One kind of error.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct Failure {
    /// A request's method and name, or a user type and task.
    pub origin: FailureOrigin,
    /// Stable.
    pub code: String,
    /// For people.
    pub message: String,
    /// Occurrences.
    pub count: u64,
    /// Since the start of the run.
    pub first_seconds: f64,
    /// Since the start of the run.
    pub last_seconds: f64,
    /// Frames and last lines of one case.
    pub detail: String,
}

impl From<&ErrorRow> for Failure {
    fn from(row: &ErrorRow) -> Self {
        let origin = match &row.origin {
            Origin::Request { method, name } => {
                FailureOrigin::Request { method: method.to_string(), name: name.to_string() }
            }
            Origin::Task { user_type, task } => {
                FailureOrigin::Task { user_type: user_type.to_string(), task: task.to_string() }
            }
        };
        Self {
            origin,
            code: row.code.to_string(),
            message: row.message.to_string(),
            count: row.count,
            first_seconds: seconds(row.first),
            last_seconds: seconds(row.last),
            detail: row.detail.to_string(),
        }
    }
}
