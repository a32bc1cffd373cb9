//! Merged series as lines of a table.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;
use std::time::Duration;

use loadhost_model::interval::{
    ErrorKey, ErrorStats, HttpStats, SeriesStats, Statistics, TaskStats,
};
use loadhost_model::metric::{CUSTOM_SCALE, Kind, OTHER, SeriesKey};

use super::recent::{Name, Recent};
use super::shares::Shares;
use crate::view::{
    CheckRow, ErrorRow, GroupRow, HttpRow, MAX_ERRORS, MAX_ROWS, MetricRow, MetricValue, TaskRow,
    Times, ratio,
};

/// How counts become rates.
#[derive(Debug, Clone)]
pub(crate) struct Rates<'a> {
    load_time: Duration,
    /// What ended after the load time.
    after: Option<&'a Statistics>,
    /// Of that, requests and failures by name.
    after_by_name: HashMap<Name, (u64, u64)>,
    pub(crate) window: std::ops::Range<u64>,
}

/// Requests and failures of a row: in the window, and after the load time.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Counts {
    current: (u64, u64),
    after: (u64, u64),
}

impl<'a> Rates<'a> {
    pub(crate) fn new(
        load_time: Duration,
        after: Option<&'a Statistics>,
        window: std::ops::Range<u64>,
    ) -> Self {
        let mut after_by_name: HashMap<Name, (u64, u64)> = HashMap::new();
        for (key, stats) in after.iter().flat_map(|after| &after.series) {
            if let (SeriesKey::Http { method, name, .. }, SeriesStats::Http(stats)) = (key, stats) {
                let counts = after_by_name.entry((method.clone(), name.clone())).or_default();
                *counts = plus(*counts, (stats.requests, stats.failures));
            }
        }
        Self { load_time, after, after_by_name, window }
    }

    /// Of all requests together.
    pub(crate) fn of_all(&self, current: (u64, u64)) -> Counts {
        Counts { current, after: self.after_by_name.values().copied().fold((0, 0), plus) }
    }

    fn of_name(&self, name: &Name, current: (u64, u64)) -> Counts {
        Counts { current, after: self.after_by_name.get(name).copied().unwrap_or_default() }
    }

    fn total(&self, n: u64, after: u64) -> f64 {
        per_second(n.saturating_sub(after) as f64, self.load_time)
    }

    fn iterations(&self, key: &SeriesKey, stats: &TaskStats) -> f64 {
        let after = self.after.and_then(|after| match after.series.get(key)? {
            SeriesStats::Task(task) => Some(task.iterations),
            _ => None,
        });
        self.total(stats.iterations, after.unwrap_or(0))
    }

    fn counter(&self, key: &SeriesKey, sum: f64) -> f64 {
        let after = self.after.and_then(|after| match after.series.get(key)? {
            SeriesStats::Counter(sum) => Some(*sum),
            _ => None,
        });
        per_second(sum - after.unwrap_or(0.0), self.load_time)
    }

    fn current(&self, n: u64) -> f64 {
        per_second(n as f64, Duration::from_secs(self.window.end - self.window.start))
    }
}

fn plus(a: (u64, u64), b: (u64, u64)) -> (u64, u64) {
    (a.0 + b.0, a.1 + b.1)
}

fn per_second(n: f64, time: Duration) -> f64 {
    if time.is_zero() { 0.0 } else { n / time.as_secs_f64() }
}

/// Lines of requests: those of the most used names, and one for all others.
pub(crate) struct HttpRows {
    pub(crate) rows: Vec<HttpRow>,
    pub(crate) omitted: u32,
}

/// One line per name and method, over all tags and groups, sorted by name.
pub(crate) fn http(totals: &Statistics, recent: &Recent, rates: &Rates<'_>) -> HttpRows {
    let mut names: BTreeMap<(&Arc<str>, &Arc<str>), Vec<&HttpStats>> = BTreeMap::new();
    for (key, stats) in &totals.series {
        if let (SeriesKey::Http { method, name, .. }, SeriesStats::Http(stats)) = (key, stats) {
            names.entry((name, method)).or_default().push(stats);
        }
    }
    let least = threshold_of_top(names.values().map(|group| requests(group)), MAX_ROWS);
    let mut rest = Rest::default();
    let mut rows = Vec::with_capacity(names.len().min(MAX_ROWS) + 1);
    for ((name, method), group) in names {
        let key = (method.clone(), name.clone());
        let counts = rates.of_name(&key, recent.counts(&key, &rates.window));
        if requests(&group) >= least && rows.len() < MAX_ROWS {
            let current_times = recent.times(&key, &rates.window);
            rows.push(http_row(key, &merged(&group), counts, current_times, rates));
        } else {
            rest.add(&group, counts);
        }
    }
    let omitted = rest.names;
    if omitted > 0 {
        rows.push(rest.row(rates));
    }
    HttpRows { rows, omitted }
}

fn requests(group: &[&HttpStats]) -> u64 {
    group.iter().map(|stats| stats.requests).sum()
}

/// The least count that is among the greatest `top`.
fn threshold_of_top(counts: impl Iterator<Item = u64>, top: usize) -> u64 {
    let mut counts: Vec<u64> = counts.collect();
    if counts.len() <= top {
        return 0;
    }
    let (_, least, _) = counts.select_nth_unstable_by(top - 1, |a, b| b.cmp(a));
    *least
}

fn merged<'a>(group: &[&'a HttpStats]) -> std::borrow::Cow<'a, HttpStats> {
    match group {
        [one] => std::borrow::Cow::Borrowed(one),
        several => {
            let mut sum = HttpStats::default();
            several.iter().for_each(|stats| sum.merge(stats));
            std::borrow::Cow::Owned(sum)
        }
    }
}

/// A line of these measurements.
pub(crate) fn http_row(
    (method, name): Name,
    stats: &HttpStats,
    counts: Counts,
    [current_response_time, current_service_time]: [Option<Times>; 2],
    rates: &Rates<'_>,
) -> HttpRow {
    HttpRow {
        method,
        name,
        requests: stats.requests,
        failures: stats.failures,
        rps: rates.total(stats.requests, counts.after.0),
        fps: rates.total(stats.failures, counts.after.1),
        current_rps: rates.current(counts.current.0),
        current_fps: rates.current(counts.current.1),
        response_time: Times::of(&stats.response_time),
        service_time: Times::of(&stats.service_time),
        current_response_time,
        current_service_time,
        mean_body_bytes: ratio(stats.body_bytes, stats.requests),
        bytes_sent: stats.bytes_sent,
        bytes_received: stats.bytes_received,
        statuses: stats.statuses.clone(),
        steps: stats.steps,
    }
}

/// Names beyond the cap. Their distributions are not merged: that would cost more each
/// second than all other lines, and they stand in the report's statistics.
#[derive(Default)]
struct Rest {
    names: u32,
    sum: HttpStats,
    counts: Counts,
}

impl Rest {
    fn add(&mut self, group: &[&HttpStats], counts: Counts) {
        self.names += 1;
        self.counts = Counts {
            current: plus(self.counts.current, counts.current),
            after: plus(self.counts.after, counts.after),
        };
        for stats in group {
            self.sum.requests += stats.requests;
            self.sum.failures += stats.failures;
            self.sum.bytes_sent += stats.bytes_sent;
            self.sum.bytes_received += stats.bytes_received;
            self.sum.body_bytes += stats.body_bytes;
            for (status, count) in &stats.statuses {
                *self.sum.statuses.entry(*status).or_default() += count;
            }
        }
    }

    fn row(&self, rates: &Rates<'_>) -> HttpRow {
        http_row(("".into(), OTHER.into()), &self.sum, self.counts, [None; 2], rates)
    }
}

/// All that is no request.
#[derive(Default)]
pub(crate) struct OtherRows {
    pub(crate) tasks: Vec<TaskRow>,
    pub(crate) checks: Vec<CheckRow>,
    pub(crate) groups: Vec<GroupRow>,
    pub(crate) metrics: Vec<MetricRow>,
}

/// At most [`MAX_ROWS`] of each kind.
pub(crate) fn others(totals: &Statistics, shares: &Shares, rates: &Rates<'_>) -> OtherRows {
    let mut rows = OtherRows::default();
    let mut by_type: BTreeMap<Arc<str>, u64> = BTreeMap::new();
    for (key, stats) in &totals.series {
        match (key, stats) {
            (SeriesKey::Task { user_type, task }, SeriesStats::Task(stats))
                if rows.tasks.len() < MAX_ROWS =>
            {
                let share_wanted = shares.get(&(user_type.clone(), task.clone())).copied();
                if !is_hook(task) {
                    *by_type.entry(user_type.clone()).or_default() += stats.iterations;
                }
                let rate = rates.iterations(key, stats);
                rows.tasks.push(task_row(user_type, task, stats, share_wanted, rate));
            }
            (SeriesKey::Check { name, group }, SeriesStats::Pass(pass))
                if rows.checks.len() < MAX_ROWS =>
            {
                let (name, group) = (name.clone(), group.clone());
                rows.checks.push(CheckRow {
                    name,
                    group,
                    passes: pass.passes,
                    failures: pass.failures,
                });
            }
            (SeriesKey::Group { path }, SeriesStats::Trend(times))
                if rows.groups.len() < MAX_ROWS =>
            {
                rows.groups.push(GroupRow { path: path.clone(), duration: Times::of(times) });
            }
            (SeriesKey::Custom { name, kind, unit, tags }, stats)
                if rows.metrics.len() < MAX_ROWS =>
            {
                if let Some(value) = metric_value(key, *kind, stats, rates) {
                    let (name, unit, tags) = (name.clone(), unit.clone(), tags.to_vec());
                    rows.metrics.push(MetricRow { name, unit, tags, kind: *kind, value });
                }
            }
            _ => {}
        }
    }
    for row in rows.tasks.iter_mut().filter(|row| !is_hook(&row.task)) {
        row.share = ratio(row.iterations, by_type.get(&row.user_type).copied().unwrap_or_default());
    }
    rows
}

/// `on-start` and `on-stop` are measured like tasks, and are no iterations.
pub(super) fn is_hook(task: &str) -> bool {
    matches!(task, "on_start" | "on_stop")
}

fn task_row(
    user_type: &Arc<str>,
    task: &Arc<str>,
    stats: &TaskStats,
    share_wanted: Option<f64>,
    rate: f64,
) -> TaskRow {
    TaskRow {
        user_type: user_type.clone(),
        task: task.clone(),
        iterations: stats.iterations,
        failures: stats.failures,
        rate,
        share: 0.0,
        share_wanted,
        duration: Times::of(&stats.duration),
    }
}

fn metric_value(
    key: &SeriesKey,
    kind: Kind,
    stats: &SeriesStats,
    rates: &Rates<'_>,
) -> Option<MetricValue> {
    let scaled = |value: u64| value as f64 / CUSTOM_SCALE;
    match (kind, stats) {
        (Kind::Counter, SeriesStats::Counter(sum)) => {
            Some(MetricValue::Counter { sum: *sum, rate: rates.counter(key, *sum) })
        }
        (Kind::Gauge, SeriesStats::Gauge(gauge)) => {
            Some(MetricValue::Gauge { last: gauge.last, min: gauge.min, max: gauge.max })
        }
        (Kind::Rate, SeriesStats::Pass(pass)) => {
            Some(MetricValue::Rate { passes: pass.passes, failures: pass.failures })
        }
        (Kind::Trend, SeriesStats::Trend(values)) => {
            Times::of(values).map(|times| MetricValue::Trend {
                count: times.count,
                min: scaled(times.min),
                mean: times.mean / CUSTOM_SCALE,
                p50: scaled(times.p50),
                p90: scaled(times.p90),
                p95: scaled(times.p95),
                p99: scaled(times.p99),
                max: scaled(times.max),
            })
        }
        _ => None,
    }
}

/// The most frequent errors, and how many kinds were left out.
pub(crate) fn errors(totals: &Statistics) -> (Vec<ErrorRow>, u32) {
    let mut errors: Vec<(&ErrorKey, &ErrorStats)> = totals.errors.iter().collect();
    errors.sort_by(|(a_key, a), (b_key, b)| b.count.cmp(&a.count).then_with(|| a_key.cmp(b_key)));
    let omitted = u32::try_from(errors.len().saturating_sub(MAX_ERRORS)).unwrap_or(u32::MAX);
    (
        errors.into_iter().take(MAX_ERRORS).map(|(key, stats)| ErrorRow::new(key, stats)).collect(),
        omitted,
    )
}
