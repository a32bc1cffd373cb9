//! Differences to an earlier run, and which of them are larger than noise.
//!
//! A percentile counts as changed if three things hold. The two runs' confidence intervals for it are
//! apart: of `n` samples, the quantile `q` lies between the ranks `n·q ± 4·√(n·q·(1−q))`, read from the
//! whole distributions; four standard deviations instead of two, because samples of one run resemble each
//! other more than the formula supposes. The change is at least 5 %. And it is at least 0.1 ms.
//! The share of failures counts as changed if a two-proportion test gives more than four standard
//! deviations and the change is at least 0.1 percentage points. Nothing is said of fewer than 100 requests.

use std::collections::BTreeMap;
use std::fmt::Write;
use std::path::Path;

use loadhost_model::histogram::Histogram;
use serde::Deserialize;

use super::format::{fit, millis, percent};
use super::json::{Distribution, Series, VERSION, decode};
use crate::exit_code::ExitCode;
use crate::failure::Failure;

const DEVIATIONS: f64 = 4.0;
const LEAST_SHARE: f64 = 0.05;
const LEAST_MICROS: f64 = 100.0;
const LEAST_FAILURES: f64 = 0.001;
const LEAST_SAMPLES: u64 = 100;

/// What is read of an earlier run's JSON.
#[derive(Debug, Deserialize)]
pub(crate) struct Baseline {
    version: u32,
    run: String,
    rps: f64,
    total: Series,
    series: Vec<Series>,
    #[serde(default)]
    saturated: bool,
}

/// A run beside its baseline.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Comparison {
    /// For people.
    pub(crate) text: String,
    /// Names that became slower or fail more.
    pub(crate) regressions: Vec<String>,
}

impl Baseline {
    /// Of a file that `--json` wrote.
    pub(crate) fn read(path: &Path) -> Result<Self, Failure> {
        let refuse = |error: &(dyn std::error::Error + 'static)| {
            Failure::new(
                ExitCode::Configuration,
                format!("the baseline `{}` cannot be used", path.display()),
            )
            .because(error)
            .hint("give a file that `--json` wrote")
        };
        let text = std::fs::read_to_string(path).map_err(|error| refuse(&error))?;
        let baseline: Self = serde_json::from_str(&text).map_err(|error| refuse(&error))?;
        if baseline.version != VERSION {
            let reason =
                format!("it has version {}, this loadhost reads {VERSION}", baseline.version);
            return Err(refuse(&std::io::Error::other(reason)));
        }
        Ok(baseline)
    }
}

/// One number of a distribution, in milliseconds.
type Pick = fn(&Distribution) -> f64;

/// Which way a number went.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Change {
    /// Within noise.
    None,
    Better,
    Worse,
}

impl Change {
    fn mark(self) -> char {
        match self {
            Self::None => ' ',
            Self::Better => '▼',
            Self::Worse => '▲',
        }
    }
}

/// `now` is the JSON of the run that is over.
pub(crate) fn compare(baseline: &Baseline, now: &Baseline) -> Comparison {
    let mut text = format!(
        "compared with run {} (response time, ms; ▲ worse, ▼ better than noise)\n",
        baseline.run
    );
    let mut regressions = Vec::new();
    let before: BTreeMap<_, _> =
        baseline.series.iter().map(|series| ((&series.name, &series.method), series)).collect();
    let pairs = now
        .series
        .iter()
        .map(|series| (before.get(&(&series.name, &series.method)).copied(), series));
    for (before, after) in pairs.chain([(Some(&baseline.total), &now.total)]) {
        let name = if after.method.is_empty() {
            "all together".to_string()
        } else {
            format!("{} {}", after.method, after.name)
        };
        match before {
            Some(before) => {
                let worse = row(&mut text, &name, before, after);
                if worse {
                    regressions.push(name);
                }
            }
            None => {
                let _ = writeln!(text, "  {:30} new", fit(&name, 30));
            }
        }
    }
    let _ = writeln!(text, "  requests per second: {:.1} → {:.1}", baseline.rps, now.rps);
    if baseline.saturated || now.saturated {
        text.push_str("! a generator was saturated: the comparison says little about the target\n");
    }
    Comparison { text, regressions }
}

fn row(text: &mut String, name: &str, before: &Series, after: &Series) -> bool {
    let mut worse = false;
    let mut cells = String::new();
    let quantiles = [
        ("p50", 0.5, Distribution::p50 as Pick),
        ("p95", 0.95, Distribution::p95),
        ("p99", 0.99, Distribution::p99),
    ];
    let histograms = [before, after]
        .map(|series| series.response_time.as_ref().and_then(|times| decode(&times.histogram)));
    for (label, q, pick) in quantiles {
        let (Some(old), Some(new)) = (&before.response_time, &after.response_time) else {
            continue;
        };
        let change = match &histograms {
            [Some(old), Some(new)] => quantile_change(old, new, q),
            _ => Change::None,
        };
        worse |= change == Change::Worse;
        let (old, new) = (micros(pick(old)), micros(pick(new)));
        let _ = write!(cells, "{label} {old:>6} → {new:<6} {} ", change.mark());
    }
    let failures =
        failure_change((before.failures, before.requests), (after.failures, after.requests));
    worse |= failures == Change::Worse;
    let share = |series: &Series| percent(series.failures as f64 / series.requests.max(1) as f64);
    let (old, new) = (share(before), share(after));
    if old != new {
        let _ = write!(cells, "failed {old} → {new} {}", failures.mark());
    }
    let _ = writeln!(text, "  {:26} {}", fit(name, 26), cells.trim_end());
    worse
}

/// Milliseconds in the form of the summary.
fn micros(ms: f64) -> String {
    millis((ms * 1e3).round() as u64)
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

    fn read(report: &loadhost_control::RunReport) -> Baseline {
        let json = crate::output::json::Results::new(report, &[], 0).to_json().unwrap();
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("baseline.json");
        std::fs::write(&file, json).unwrap();
        Baseline::read(&file).unwrap()
    }

    #[test]
    fn a_run_is_no_regression_of_itself() {
        let report = crate::fixture::report();
        assert_eq!(compare(&read(&report), &read(&report)).regressions, Vec::<String>::new());
    }

    #[test]
    fn what_became_slower_is_named() {
        use loadhost_model::interval::SeriesStats;
        let before = crate::fixture::report();
        let mut after = crate::fixture::report();
        after.view.generator.saturated_for = std::time::Duration::ZERO;
        let slowed = after.statistics.series.values_mut().next().unwrap();
        let SeriesStats::Http(stats) = slowed else { unreachable!() };
        stats.response_time = crate::fixture::histogram(900_000, stats.requests);
        let comparison = compare(&read(&before), &read(&after));
        assert_eq!(
            comparison.regressions,
            ["GET /a/rather/long/path/that/does/not/fit/{id}", "all together"]
        );
        insta::assert_snapshot!(comparison.text);
    }

    #[test]
    fn other_files_are_no_baselines() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("x.json");
        std::fs::write(&file, "{}").unwrap();
        assert!(Baseline::read(&file).unwrap_err().to_string().contains("x.json"));
    }
}
