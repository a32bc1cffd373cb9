//! Differences to an earlier run, and which of them are larger than noise.
//!
//! A percentile counts as changed if three things hold. The two runs' confidence intervals for it are
//! apart: of `n` samples, the quantile `q` lies between the ranks `n·q ± 4·√(n·q·(1−q))`, read from the
//! whole distributions; four standard deviations instead of two, because samples of one run resemble each
//! other more than the formula supposes. The change is at least 5 %. And it is at least 0.1 ms.
//! The share of failures counts as changed if a two-proportion test gives more than four standard
//! deviations and the change is at least 0.1 percentage points. Nothing is said of fewer than 100 requests.

use std::collections::BTreeMap;

use loadhost_model::histogram::Histogram;
use serde::Serialize;
use utoipa::ToSchema;

use super::results::{Distribution, Results, Series, decode};

const DEVIATIONS: f64 = 4.0;
const LEAST_SHARE: f64 = 0.05;
const LEAST_MICROS: f64 = 100.0;
const LEAST_FAILURES: f64 = 0.001;
const LEAST_SAMPLES: u64 = 100;

/// A run beside its baseline.
#[derive(Debug, Clone, PartialEq, Serialize, ToSchema)]
pub struct Comparison {
    /// The earlier run.
    pub baseline: Side,
    /// The later one.
    pub run: Side,
    /// By name and method, all together last. First those of the later run, then those that only the baseline has.
    pub rows: Vec<ComparedRow>,
    /// A generator was saturated in one of them: the comparison says little about the target.
    pub saturated: bool,
}

/// One of the two runs.
#[derive(Debug, Clone, PartialEq, Serialize, ToSchema)]
pub struct Side {
    /// Its id.
    pub run: String,
    /// Name of its scenario.
    pub scenario: String,
    /// Of the scenario.
    pub scenario_version: Option<String>,
    /// SHA-256 of the component.
    pub module: String,
    /// Base URL.
    pub target: Option<String>,
    /// When it began, RFC 3339.
    pub started: Option<String>,
    /// What rates are over.
    pub load_seconds: f64,
    /// Requests per second of load.
    pub rps: f64,
    /// Whether all thresholds hold.
    pub passed: bool,
}

/// One name in both runs.
#[derive(Debug, Clone, PartialEq, Serialize, ToSchema)]
pub struct ComparedRow {
    /// Upper case; empty for all together.
    pub method: String,
    /// Of the series; `Aggregated` for all together.
    pub name: String,
    /// Which of the two runs have it.
    pub standing: Standing,
    /// Each number that both runs have.
    pub differences: Vec<Difference>,
    /// Something of [`Difference::judged`] became worse.
    pub regressed: bool,
}

/// Which of the two runs have a name.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, ToSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Standing {
    /// Both.
    Both,
    /// Only the later one.
    New,
    /// Only the baseline.
    Gone,
}

/// One number in both runs.
#[derive(Debug, Clone, PartialEq, Serialize, ToSchema)]
pub struct Difference {
    /// `response_p50`, `response_p95`, `response_p99`, the same with `service_`, `failure_ratio`, `rps`.
    pub metric: &'static str,
    /// Of the three numbers.
    pub unit: Unit,
    /// In the baseline.
    pub before: f64,
    /// In the later run.
    pub after: f64,
    /// `after - before`.
    pub difference: f64,
    /// Whether it is larger than noise, and which way it went.
    pub change: Change,
    /// Counts as a regression if it is worse: response times and failures. Service times are shown beside them; a rate
    /// is what was asked of the target, so it is neither better nor worse.
    pub judged: bool,
}

/// What a number counts.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, ToSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Unit {
    /// Milliseconds.
    Ms,
    /// 0 to 1.
    Ratio,
    /// Per second.
    PerSecond,
}

/// Which way a number went.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, ToSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Change {
    /// Within noise, or nothing can be said.
    None,
    /// Larger than noise.
    Better,
    /// Larger than noise.
    Worse,
}

impl ComparedRow {
    /// The number of this name.
    pub fn difference(&self, metric: &str) -> Option<&Difference> {
        self.differences.iter().find(|difference| difference.metric == metric)
    }
}

impl Comparison {
    /// Names that became slower or fail more.
    pub fn regressions(&self) -> impl Iterator<Item = &ComparedRow> {
        self.rows.iter().filter(|row| row.regressed)
    }
}

/// `run` beside `baseline`, which is usually the earlier one.
pub fn compare(baseline: &Results, run: &Results) -> Comparison {
    let key = |series: &Series| (series.name.clone(), series.method.clone());
    let before: BTreeMap<_, _> =
        baseline.series.iter().map(|series| (key(series), series)).collect();
    let after: BTreeMap<_, _> = run.series.iter().map(|series| (key(series), series)).collect();
    let rows = run.series.iter().map(|series| match before.get(&key(series)) {
        Some(before) => row(before, series),
        None => alone(series, Standing::New),
    });
    let gone = baseline.series.iter().filter(|series| !after.contains_key(&key(series)));
    let gone = gone.map(|series| alone(series, Standing::Gone));
    Comparison {
        baseline: Side::of(baseline),
        run: Side::of(run),
        rows: rows.chain(gone).chain([row(&baseline.total, &run.total)]).collect(),
        saturated: baseline.saturated || run.saturated,
    }
}

impl Side {
    fn of(results: &Results) -> Self {
        Self {
            run: results.run.clone(),
            scenario: results.scenario.clone(),
            scenario_version: results.scenario_version.clone(),
            module: results.module.clone(),
            target: results.target.clone(),
            started: results.started.clone(),
            load_seconds: results.load_seconds,
            rps: results.rps,
            passed: results.passed,
        }
    }
}

fn alone(series: &Series, standing: Standing) -> ComparedRow {
    let (method, name) = (series.method.clone(), series.name.clone());
    ComparedRow { method, name, standing, differences: Vec::new(), regressed: false }
}

fn row(before: &Series, after: &Series) -> ComparedRow {
    let response = times(&before.response_time, &after.response_time, &RESPONSE, Judged::Yes);
    let service = times(&before.service_time, &after.service_time, &SERVICE, Judged::No);
    let change =
        failure_change((before.failures, before.requests), (after.failures, after.requests));
    let failures = (before.failure_ratio(), after.failure_ratio());
    let failures = difference("failure_ratio", Unit::Ratio, failures, change, Judged::Yes);
    let rates = (before.rps, after.rps);
    let rates = difference("rps", Unit::PerSecond, rates, Change::None, Judged::No);
    let differences: Vec<_> =
        response.into_iter().chain([failures]).chain(service).chain([rates]).collect();
    let regressed =
        differences.iter().any(|number| number.judged && number.change == Change::Worse);
    ComparedRow { differences, regressed, ..alone(after, Standing::Both) }
}

/// Whether a number can be a regression.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Judged {
    Yes,
    No,
}

/// Name, quantile and number of a distribution.
type Metric = (&'static str, f64, fn(&Distribution) -> f64);

const RESPONSE: [Metric; 3] = [
    ("response_p50", 0.5, |times| times.p50),
    ("response_p95", 0.95, |times| times.p95),
    ("response_p99", 0.99, |times| times.p99),
];
const SERVICE: [Metric; 3] = [
    ("service_p50", 0.5, |times| times.p50),
    ("service_p95", 0.95, |times| times.p95),
    ("service_p99", 0.99, |times| times.p99),
];

/// Nothing if one of them has no sample.
fn times(
    before: &Option<Distribution>,
    after: &Option<Distribution>,
    metrics: &[Metric],
    judged: Judged,
) -> Vec<Difference> {
    let (Some(before), Some(after)) = (before, after) else { return Vec::new() };
    let histograms = [before, after].map(|times| decode(&times.histogram));
    let compared = metrics.iter().map(|(metric, q, pick)| {
        let change = match &histograms {
            [Some(old), Some(new)] => quantile_change(old, new, *q),
            _ => Change::None,
        };
        difference(metric, Unit::Ms, (pick(before), pick(after)), change, judged)
    });
    compared.collect()
}

fn difference(
    metric: &'static str,
    unit: Unit,
    (before, after): (f64, f64),
    change: Change,
    judged: Judged,
) -> Difference {
    let judged = judged == Judged::Yes;
    Difference { metric, unit, before, after, difference: after - before, change, judged }
}

fn quantile_change(old: &Histogram, new: &Histogram, q: f64) -> Change {
    let (Some((old_low, old_high)), Some((new_low, new_high))) =
        (interval(old, q), interval(new, q))
    else {
        return Change::None;
    };
    let (Some(a), Some(b)) = (old.quantile(q), new.quantile(q)) else { return Change::None };
    let (a, b) = (a as f64, b as f64);
    if (b - a).abs() < (a * LEAST_SHARE).max(LEAST_MICROS) {
        return Change::None;
    }
    if new_low > old_high {
        Change::Worse
    } else if new_high < old_low {
        Change::Better
    } else {
        Change::None
    }
}

/// Where the quantile of what was sampled may lie. None: too few samples.
fn interval(histogram: &Histogram, q: f64) -> Option<(u64, u64)> {
    let n = histogram.count();
    if n < LEAST_SAMPLES {
        return None;
    }
    let spread = DEVIATIONS * (q * (1.0 - q) / n as f64).sqrt();
    Some((histogram.quantile((q - spread).max(0.0))?, histogram.quantile((q + spread).min(1.0))?))
}

fn failure_change(old: (u64, u64), new: (u64, u64)) -> Change {
    if old.1.min(new.1) < LEAST_SAMPLES {
        return Change::None;
    }
    let [(f1, n1), (f2, n2)] =
        [old, new].map(|(failures, requests)| (failures as f64, requests as f64));
    let (p1, p2, pooled) = (f1 / n1, f2 / n2, (f1 + f2) / (n1 + n2));
    let deviation = (pooled * (1.0 - pooled) * (1.0 / n1 + 1.0 / n2)).sqrt();
    if (p2 - p1).abs() < LEAST_FAILURES || (p2 - p1).abs() <= DEVIATIONS * deviation {
        Change::None
    } else if p2 > p1 {
        Change::Worse
    } else {
        Change::Better
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use crate::export::fixture;

    fn around(centre: u64, n: u64) -> Histogram {
        let mut histogram = Histogram::new();
        // A spread of ±50 %, the same for each seed.
        (0..n).for_each(|i| histogram.record(centre / 2 + (i * 7_919 % 1_000) * centre / 1_000));
        histogram
    }

    #[test]
    fn a_change_within_noise_is_none() {
        assert_eq!(
            quantile_change(&around(10_000, 1_000), &around(10_300, 1_000), 0.95),
            Change::None
        );
        assert_eq!(
            quantile_change(&around(10_000, 50), &around(20_000, 50), 0.5),
            Change::None,
            "too few"
        );
        assert_eq!(
            quantile_change(&around(500, 100_000), &around(560, 100_000), 0.5),
            Change::None,
            "60 µs"
        );
    }

    #[test]
    fn a_change_beyond_noise_has_a_direction() {
        assert_eq!(
            quantile_change(&around(10_000, 10_000), &around(13_000, 10_000), 0.95),
            Change::Worse
        );
        assert_eq!(
            quantile_change(&around(13_000, 10_000), &around(10_000, 10_000), 0.95),
            Change::Better
        );
    }

    #[test]
    fn failures_are_compared_as_shares() {
        assert_eq!(failure_change((0, 1_000), (100, 1_000)), Change::Worse);
        assert_eq!(failure_change((100, 1_000), (0, 1_000)), Change::Better);
        assert_eq!(failure_change((10, 1_000), (14, 1_000)), Change::None);
        assert_eq!(failure_change((0, 10), (10, 10)), Change::None, "too few");
    }

    #[test]
    fn a_run_is_no_regression_of_itself() {
        let results = fixture::results();
        let comparison = compare(&results, &results);
        assert_eq!(comparison.regressions().count(), 0);
        let changed = comparison.rows.iter().flat_map(|row| &row.differences);
        assert!(changed.clone().count() > 0 && changed.clone().all(|one| one.difference == 0.0));
    }

    #[test]
    fn what_became_slower_is_named_with_both_numbers() {
        let before = fixture::results();
        let comparison = compare(&before, &fixture::slower());
        let names: Vec<_> = comparison.regressions().map(|row| row.name.as_str()).collect();
        assert_eq!(names, ["/a/rather/long/path/that/does/not/fit/{id}", "Aggregated"]);
        let slower = comparison.regressions().next().unwrap();
        let p95 = slower.difference("response_p95").unwrap();
        assert_eq!((p95.change, p95.unit), (Change::Worse, Unit::Ms));
        assert!((p95.after - p95.before - p95.difference).abs() < 1e-9 && p95.difference > 200.0);
        let service = slower.difference("service_p95").unwrap();
        assert_eq!((service.change, service.judged), (Change::None, false));
        assert!(comparison.saturated);
    }

    #[test]
    fn names_of_one_run_only_are_said_to_be_so() {
        let (mut before, mut after) = (fixture::results(), fixture::results());
        before.series.remove(2);
        after.series.remove(0);
        let standing: Vec<_> = compare(&before, &after)
            .rows
            .iter()
            .map(|row| (row.name.clone(), row.standing))
            .collect();
        assert_eq!(
            standing,
            [
                ("/item/{id}".to_string(), Standing::Both),
                ("/login".to_string(), Standing::New),
                ("/a/rather/long/path/that/does/not/fit/{id}".to_string(), Standing::Gone),
                ("Aggregated".to_string(), Standing::Both),
            ]
        );
    }
}
