//! Lines of results: series, seconds, groups, losses, generators.

use std::collections::BTreeMap;

use loadhost_control::report::RunReport;
use loadhost_control::view::{
    self, GeneratorView, GroupRow, HttpRow, Point, VersionView, WorkerView,
};
use loadhost_model::interval::{HttpStats, Statistics, StepTimes};
use loadhost_model::metric::SeriesKey;
use loadhost_model::wire::WorkerState;
use serde::{Deserialize, Serialize};

use super::Distribution;
use super::distribution::ms;

/// Requests of one method and name, or all of them.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct Series {
    /// Upper case; empty in sums.
    pub method: String,
    /// Of the series; `Aggregated` or `other` in sums.
    pub name: String,
    /// Finished, failed ones included.
    pub requests: u64,
    /// Failed among them.
    pub failures: u64,
    /// Per second of load.
    pub rps: f64,
    /// Failed ones per second of load.
    #[serde(default)]
    pub fps: f64,
    /// From the intended start. None: no sample.
    pub response_time: Option<Distribution>,
    /// From the sending. None: no sample.
    pub service_time: Option<Distribution>,
    /// With headers.
    pub bytes_sent: u64,
    /// With headers.
    pub bytes_received: u64,
    /// Of bodies.
    pub body_bytes: u64,
    /// Answers by status; 0: no answer.
    pub statuses: BTreeMap<u16, u64>,
    /// Summed microseconds.
    pub steps: StepTimes,
}

impl Series {
    /// `rates`: all and failed ones per second of load.
    pub(super) fn new(method: &str, name: &str, stats: &HttpStats, rates: (f64, f64)) -> Self {
        Self {
            method: method.to_string(),
            name: name.to_string(),
            requests: stats.requests,
            failures: stats.failures,
            rps: rates.0,
            fps: rates.1,
            response_time: Distribution::of(&stats.response_time),
            service_time: Distribution::of(&stats.service_time),
            bytes_sent: stats.bytes_sent,
            bytes_received: stats.bytes_received,
            body_bytes: stats.body_bytes,
            statuses: stats.statuses.clone(),
            steps: stats.steps,
        }
    }

    /// Without whole distributions.
    pub(crate) fn of_row(row: &HttpRow) -> Self {
        Self {
            method: row.method.to_string(),
            name: row.name.to_string(),
            requests: row.requests,
            failures: row.failures,
            rps: row.rps,
            fps: row.fps,
            response_time: row.response_time.as_ref().map(Distribution::of_times),
            service_time: row.service_time.as_ref().map(Distribution::of_times),
            bytes_sent: row.bytes_sent,
            bytes_received: row.bytes_received,
            body_bytes: (row.mean_body_bytes * row.requests as f64).round() as u64,
            statuses: row.statuses.clone(),
            steps: row.steps,
        }
    }

    /// Failed requests among all, 0.0 to 1.0; 0.0 without requests.
    pub fn failure_ratio(&self) -> f64 {
        if self.requests == 0 { 0.0 } else { self.failures as f64 / self.requests as f64 }
    }

    /// Of bodies; 0.0 without requests.
    pub fn mean_body_bytes(&self) -> f64 {
        if self.requests == 0 { 0.0 } else { self.body_bytes as f64 / self.requests as f64 }
    }
}

pub(super) fn series(report: &RunReport) -> Vec<Series> {
    let (all, after) = (by_name(&report.statistics), by_name(&report.after_load));
    let seconds = report.view.load_time.as_secs_f64();
    let per_second = |all: u64, after: u64| {
        if seconds > 0.0 { all.saturating_sub(after) as f64 / seconds } else { 0.0 }
    };
    let series = all.iter().map(|(key, stats)| {
        let late = after.get(key).map_or((0, 0), |after| (after.requests, after.failures));
        let rates = (per_second(stats.requests, late.0), per_second(stats.failures, late.1));
        let (name, method) = key;
        Series::new(method, name, stats, rates)
    });
    series.collect()
}

/// By name, then method; series that differ only in tags or group are merged.
fn by_name(statistics: &Statistics) -> BTreeMap<(&str, &str), HttpStats> {
    let mut merged: BTreeMap<(&str, &str), HttpStats> = BTreeMap::new();
    for (key, stats) in statistics.http() {
        if let SeriesKey::Http { method, name, .. } = key {
            merged.entry((name, method)).or_default().merge(stats);
        }
    }
    merged
}

/// Without what the scenario's setup gave it, which may be somebody's token.
pub(super) fn worker(view: &WorkerView) -> WorkerView {
    let state = match &view.state {
        WorkerState::SetUp { .. } => WorkerState::SetUp { data: "".into() },
        other => other.clone(),
    };
    WorkerView { state, ..view.clone() }
}

/// How long a group was open.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Group {
    /// Joined with `::`.
    pub path: String,
    /// From begin to end.
    pub duration: Option<Distribution>,
}

impl Group {
    pub(super) fn of(row: &GroupRow) -> Self {
        let duration = row.duration.as_ref().map(Distribution::of_times);
        Self { path: row.path.to_string(), duration }
    }
}

/// A worker that went out of the run while load was made.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Loss {
    /// Its name.
    pub worker: String,
    /// When it was noticed, since the start.
    pub at_seconds: f64,
    /// 0 to 1 of the load that it had.
    pub share: f64,
    /// For how long at most it had worked without its measurements having come in.
    pub unmeasured_seconds: f64,
    /// Its share was given to others.
    pub moved: bool,
    /// When others had taken over all of it, since the start.
    pub served_seconds: Option<f64>,
    /// When it was heard of again, since the start.
    pub returned_seconds: Option<f64>,
}

impl Loss {
    pub(super) fn of(loss: &view::Loss) -> Self {
        Self {
            worker: loss.worker.to_string(),
            at_seconds: loss.at.as_secs_f64(),
            share: loss.share,
            unmeasured_seconds: loss.unmeasured.as_secs_f64(),
            moved: loss.moved,
            served_seconds: loss.served.map(|at| at.as_secs_f64()),
            returned_seconds: loss.returned.map(|at| at.as_secs_f64()),
        }
    }
}

/// A version of the scenario that users ran.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Version {
    /// SHA-256 of the component.
    pub module: String,
    /// As its author counts.
    pub version: Option<String>,
    /// From then on users went over to it, since the start.
    pub from_seconds: f64,
    /// From then on all users ran it, since the start. None: not before the end.
    pub complete_seconds: Option<f64>,
}

impl Version {
    pub(super) fn of(view: &VersionView) -> Self {
        Self {
            module: view.module.to_string(),
            version: view.version.clone(),
            from_seconds: view.from.as_secs_f64(),
            complete_seconds: view.complete.map(|at| at.as_secs_f64()),
        }
    }
}

/// How busy and how late the generators were.
#[derive(Debug, Clone, Copy, Default, PartialEq, Serialize, Deserialize)]
pub struct Generator {
    /// CPU of the busiest worker in its busiest second: 1.0 is all of its cores.
    pub cpu_peak: f64,
    /// How late iterations started, 99 %, over the last ten seconds.
    pub start_lag_p99_ms: Option<f64>,
    /// How late timers fired, 99 %, over the last ten seconds.
    pub loop_lag_p99_ms: Option<f64>,
}

impl Generator {
    pub(super) fn of(view: &GeneratorView) -> Self {
        Self {
            cpu_peak: view.cpu_peak,
            start_lag_p99_ms: view.start_lag_p99.map(ms),
            loop_lag_p99_ms: view.loop_lag_p99.map(ms),
        }
    }
}

/// One second of the run, or more in very long runs.
#[derive(Debug, Clone, Copy, Default, PartialEq, Serialize, Deserialize)]
pub struct Second {
    /// Its begin in seconds since the start.
    pub at: f64,
    /// How many seconds it is.
    #[serde(default = "one_second")]
    pub span: f64,
    /// At its end.
    pub users: u32,
    /// That the profile asked for.
    #[serde(default)]
    pub users_wanted: Option<u32>,
    /// Arrivals per second that the profile asked for.
    #[serde(default)]
    pub rate_wanted: Option<f64>,
    /// That ended in it.
    #[serde(default)]
    pub requests: u64,
    /// Failed ones among them.
    #[serde(default)]
    pub failures: u64,
    /// Requests per second.
    pub rps: f64,
    /// Failed ones per second.
    pub fps: f64,
    /// Milliseconds from the intended start.
    pub response_p50: Option<f64>,
    /// Milliseconds from the intended start.
    pub response_p95: Option<f64>,
    /// Milliseconds from the intended start.
    pub response_p99: Option<f64>,
    /// Milliseconds from the sending.
    #[serde(default)]
    pub service_p50: Option<f64>,
    /// Milliseconds from the sending.
    #[serde(default)]
    pub service_p95: Option<f64>,
    /// Milliseconds from the sending.
    pub service_p99: Option<f64>,
    /// Arrivals dropped.
    pub dropped: u64,
    /// How late iterations started, 99 %, in milliseconds.
    #[serde(default)]
    pub start_lag_p99: Option<f64>,
    /// Of the busiest worker; 1.0 is all of its cores.
    pub cpu: f64,
    /// In the totals.
    pub counted: bool,
    /// The generator was saturated.
    pub saturated: bool,
}

fn one_second() -> f64 {
    1.0
}

impl Second {
    pub(super) fn of(point: &Point) -> Self {
        let (response, service) = (point.response_time, point.service_time);
        Self {
            at: point.at.as_secs_f64(),
            span: point.span.as_secs_f64(),
            users: point.users,
            users_wanted: point.users_wanted,
            rate_wanted: point.rate_wanted,
            requests: point.requests,
            failures: point.failures,
            rps: point.rps,
            fps: point.fps,
            response_p50: response.map(|times| ms(times.p50)),
            response_p95: response.map(|times| ms(times.p95)),
            response_p99: response.map(|times| ms(times.p99)),
            service_p50: service.map(|times| ms(times.p50)),
            service_p95: service.map(|times| ms(times.p95)),
            service_p99: service.map(|times| ms(times.p99)),
            dropped: point.dropped,
            start_lag_p99: point.start_lag_p99.map(ms),
            cpu: point.cpu,
            counted: point.counted,
            saturated: point.saturated,
        }
    }
}
