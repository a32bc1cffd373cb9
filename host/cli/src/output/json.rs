//! All results as JSON: what `--json` writes and `--compare` reads. `docs/output-json.md` describes it.
//!
//! Times are milliseconds. The distributions are there whole, so that what reads them can
//! merge and compare without loss.

mod histogram;

use std::collections::BTreeMap;

use loadhost_control::report::RunReport;
use loadhost_control::view::{
    CheckRow, ErrorRow, MetricRow, Note, Point, SharedView, TaskRow, ThresholdView, Times,
    WorkerView,
};
use loadhost_model::histogram::Histogram;
use loadhost_model::interval::{Counters, HttpStats, Statistics, StepTimes};
use loadhost_model::metric::SeriesKey;
use serde::{Deserialize, Serialize};

pub(crate) use self::histogram::{decode, encode};

/// Of this layout; grows when a field changes its meaning or goes away.
pub(crate) const VERSION: u32 = 1;

/// All results of a run.
#[derive(Debug, Serialize)]
pub(crate) struct Results<'a> {
    pub(crate) format: &'static str,
    pub(crate) version: u32,
    loadhost: &'static str,
    run: &'a str,
    scenario: &'a str,
    scenario_version: Option<&'a str>,
    module: String,
    target: Option<&'a str>,
    seed: u64,
    params: &'a BTreeMap<String, String>,
    started: Option<String>,
    duration_seconds: f64,
    counted_seconds: f64,
    load_seconds: f64,
    ended: &'a loadhost_control::EndReason,
    passed: bool,
    exit_code: u8,
    requests: u64,
    failures: u64,
    rps: f64,
    saturated: bool,
    saturated_seconds: f64,
    saturated_reason: Option<&'a str>,
    workers: &'a [WorkerView],
    total: Series,
    series: Vec<Series>,
    tasks: &'a [TaskRow],
    checks: &'a [CheckRow],
    metrics: &'a [MetricRow],
    shared: &'a SharedView,
    errors: &'a [ErrorRow],
    thresholds: &'a [ThresholdView],
    counters: &'a Counters,
    notes: &'a [Note],
    history: Vec<Second>,
}

/// Requests of one method and name, or all of them.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct Series {
    pub(crate) method: String,
    pub(crate) name: String,
    pub(crate) requests: u64,
    pub(crate) failures: u64,
    pub(crate) rps: f64,
    pub(crate) response_time: Option<Distribution>,
    pub(crate) service_time: Option<Distribution>,
    bytes_sent: u64,
    bytes_received: u64,
    body_bytes: u64,
    statuses: BTreeMap<u16, u64>,
    /// Summed microseconds.
    steps: StepTimes,
}

/// Milliseconds, and the whole distribution in microseconds.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct Distribution {
    count: u64,
    min: f64,
    mean: f64,
    p50: f64,
    p66: f64,
    p75: f64,
    p80: f64,
    p90: f64,
    p95: f64,
    p98: f64,
    p99: f64,
    #[serde(rename = "p99.9")]
    p99_9: f64,
    #[serde(rename = "p99.99")]
    p99_99: f64,
    max: f64,
    /// HdrHistogram V2 as base64.
    pub(crate) histogram: String,
}

/// One second of the run.
#[derive(Debug, Clone, Copy, Serialize)]
struct Second {
    at: f64,
    users: u32,
    rps: f64,
    fps: f64,
    response_p50: Option<f64>,
    response_p95: Option<f64>,
    response_p99: Option<f64>,
    service_p99: Option<f64>,
    dropped: u64,
    cpu: f64,
    counted: bool,
    saturated: bool,
}

impl<'a> Results<'a> {
    /// Of a run that is over. `workers` took part in it.
    pub(crate) fn new(report: &'a RunReport, workers: &'a [WorkerView], exit_code: u8) -> Self {
        let view = &report.view;
        Self {
            format: "loadhost-results",
            version: VERSION,
            loadhost: env!("CARGO_PKG_VERSION"),
            run: view.run.as_str(),
            scenario: &view.scenario,
            scenario_version: view.scenario_version.as_deref(),
            module: view.module.to_string(),
            target: view.target.as_deref(),
            seed: view.seed,
            params: &view.params,
            started: view.started.map(super::csv::timestamp),
            duration_seconds: view.elapsed.as_secs_f64(),
            counted_seconds: view.counted.as_secs_f64(),
            load_seconds: view.load_time.as_secs_f64(),
            ended: &report.ended,
            passed: report.verdict.passed,
            exit_code,
            requests: view.total.requests,
            failures: view.total.failures,
            rps: view.total.rps,
            saturated: !view.generator.saturated_for.is_zero(),
            saturated_seconds: view.generator.saturated_for.as_secs_f64(),
            saturated_reason: view.generator.first_reason.as_deref(),
            workers,
            total: Series::new("", "Aggregated", &report.statistics.total(), view.total.rps),
            series: series(report),
            tasks: &view.tasks,
            checks: &view.checks,
            metrics: &view.metrics,
            shared: &view.shared,
            errors: &view.errors,
            thresholds: &report.verdict.thresholds,
            counters: &view.counters,
            notes: &view.notes,
            history: report.history.iter().map(Second::new).collect(),
        }
    }

    /// With a line end.
    pub(crate) fn to_json(&self) -> Result<String, serde_json::Error> {
        serde_json::to_string_pretty(self).map(|text| text + "\n")
    }
}

fn series(report: &RunReport) -> Vec<Series> {
    let (all, after) = (by_name(&report.statistics), by_name(&report.after_load));
    let seconds = report.view.load_time.as_secs_f64();
    let series = all.iter().map(|(key, stats)| {
        let after = after.get(key).map_or(0, |after| after.requests);
        let requests = stats.requests.saturating_sub(after) as f64;
        let (name, method) = key;
        Series::new(method, name, stats, if seconds > 0.0 { requests / seconds } else { 0.0 })
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

impl Series {
    fn new(method: &str, name: &str, stats: &HttpStats, rps: f64) -> Self {
        Self {
            method: method.to_string(),
            name: name.to_string(),
            requests: stats.requests,
            failures: stats.failures,
            rps,
            response_time: Distribution::new(&stats.response_time),
            service_time: Distribution::new(&stats.service_time),
            bytes_sent: stats.bytes_sent,
            bytes_received: stats.bytes_received,
            body_bytes: stats.body_bytes,
            statuses: stats.statuses.clone(),
            steps: stats.steps,
        }
    }
}

impl Distribution {
    pub(crate) fn p50(&self) -> f64 {
        self.p50
    }

    pub(crate) fn p95(&self) -> f64 {
        self.p95
    }

    pub(crate) fn p99(&self) -> f64 {
        self.p99
    }

    fn new(histogram: &Histogram) -> Option<Self> {
        let times = Times::of(histogram)?;
        Some(Self {
            count: times.count,
            min: ms(times.min),
            mean: times.mean / 1e3,
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
            histogram: encode(histogram),
        })
    }
}

impl Second {
    fn new(point: &Point) -> Self {
        let response = point.response_time;
        Self {
            at: point.at.as_secs_f64(),
            users: point.users,
            rps: point.rps,
            fps: point.fps,
            response_p50: response.map(|times| ms(times.p50)),
            response_p95: response.map(|times| ms(times.p95)),
            response_p99: response.map(|times| ms(times.p99)),
            service_p99: point.service_time.map(|times| ms(times.p99)),
            dropped: point.dropped,
            cpu: point.cpu,
            counted: point.counted,
            saturated: point.saturated,
        }
    }
}

fn ms(micros: u64) -> f64 {
    micros as f64 / 1e3
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use crate::fixture;
    use serde_json::Value;

    fn results() -> Value {
        let report = fixture::report();
        serde_json::from_str(&Results::new(&report, &[], 99).to_json().unwrap()).unwrap()
    }

    #[test]
    fn totals_and_series_are_there_with_exact_distributions() {
        let json = results();
        assert_eq!(
            (json["requests"].as_u64(), json["failures"].as_u64()),
            (Some(55_800), Some(12))
        );
        assert_eq!(json["module"].as_str().map(str::len), Some(64));
        assert_eq!(json["saturated"], true);
        let login = &json["series"][2];
        assert_eq!(
            (login["method"].as_str(), login["name"].as_str()),
            (Some("POST"), Some("/login"))
        );
        let histogram = decode(login["response_time"]["histogram"].as_str().unwrap()).unwrap();
        let p95 = histogram.quantile(0.95).unwrap() as f64 / 1e3;
        assert_eq!(login["response_time"]["p95"].as_f64(), Some(p95));
        assert_eq!(json["params"]["password"], "***");
    }

    /// Each field at the top and of a series is explained.
    #[test]
    fn the_page_explains_each_field() {
        let page = std::fs::read_to_string("../../docs/output-json.md").unwrap();
        let json = results();
        let series = &json["series"][0];
        let objects = [&json, series, &series["response_time"], &json["history"][0]];
        for name in objects.iter().flat_map(|object| object.as_object().unwrap().keys()) {
            assert!(page.contains(&format!("`{name}`")), "{name} is missing");
        }
    }
}
