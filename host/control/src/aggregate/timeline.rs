//! The run second by second.
//!
//! The last [`EXACT`] seconds keep their distributions, so an interval that comes late is
//! merged into its second and the percentiles of the chart stay exact. Older seconds are
//! [`Point`]s: a late interval still amends their counts. At [`MAX_POINTS`] neighbours are
//! joined, so that a run of days stays bounded; percentiles are never averaged, a joined
//! point shows those of its worse second.

use std::borrow::Cow;
use std::collections::{BTreeMap, BTreeSet};
use std::ops::Range;
use std::sync::Arc;
use std::time::Duration;

use loadhost_model::histogram::Histogram;
use loadhost_model::interval::{HttpStats, Interval};
use serde::{Deserialize, Serialize};

use super::sums::Sums;
use super::wanted::Wanted;
use crate::view::{Point, PointTimes, Times, Window};

/// Seconds that keep their distributions: the ten minutes for which workers keep seconds
/// apart when the broker is away, and one more.
const EXACT: usize = 660;
/// Points kept: four hours of seconds.
const MAX_POINTS: usize = 14_400;
/// Points that are saved together.
const BLOCK: usize = 600;
/// Seconds that are saved together.
const MINUTE: u64 = 60;
/// Seconds of the window.
pub(crate) const WINDOW: u64 = 10;

/// All that happened in one second of the run.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub(crate) struct Second {
    requests: u64,
    failures: u64,
    iterations: u64,
    dropped: u64,
    users: u32,
    wanted: Wanted,
    response_time: Histogram,
    service_time: Histogram,
    start_lag: Histogram,
    loop_lag: Histogram,
    cpu: f64,
    saturated: bool,
}

impl Second {
    fn point(&self, second: u64) -> Point {
        Point {
            at: Duration::from_secs(second),
            span: Duration::from_secs(1),
            users: self.users,
            users_wanted: self.wanted.users,
            rate_wanted: self.wanted.rate,
            requests: self.requests,
            failures: self.failures,
            rps: self.requests as f64,
            fps: self.failures as f64,
            response_time: PointTimes::of(&self.response_time),
            service_time: PointTimes::of(&self.service_time),
            dropped: self.dropped,
            start_lag_p99: self.start_lag.quantile(0.99),
            cpu: self.cpu,
            // Known to whoever asks: a reset is for seconds that are over as well.
            counted: false,
            saturated: self.saturated,
        }
    }
}

/// Seconds, newest with all details, oldest as points.
///
/// A copy costs little: it shares the seconds with the original until one of them is amended.
/// They are saved apart from the rest (see [`Timeline::parts`]), since most of them do not change
/// any more.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub(crate) struct Timeline {
    #[serde(skip)]
    recent: BTreeMap<u64, Arc<Second>>,
    #[serde(skip)]
    past: Vec<Point>,
    /// Seconds per point of `past`, a power of two; 0 stands for 1.
    span: u64,
}

impl Timeline {
    /// Merges an interval. `http` is the sum of its requests.
    ///
    /// An interval that spans several seconds (a worker that was cut off for long joins
    /// them) spreads its counts evenly; its distributions go to its first second.
    pub(crate) fn take(
        &mut self,
        interval: &Interval,
        sums: &Sums,
        wanted: impl Fn(Duration) -> Wanted,
    ) {
        let first = interval.begin.as_secs();
        let last = interval.end.saturating_sub(Duration::from_nanos(1)).as_secs().max(first);
        let count = last - first + 1;
        let users = interval.users.values().sum();
        for second in first..=last {
            // Shares of n over k: the sum of all shares is n.
            let share = |n: u64| n * (second - first + 1) / count - n * (second - first) / count;
            let part = Part {
                requests: share(sums.http.requests),
                failures: share(sums.http.failures),
                iterations: share(sums.iterations),
                dropped: share(interval.statistics.counters.dropped_arrivals),
                users,
            };
            let details = (second == first).then_some((&sums.http, &interval.statistics.health));
            self.add(second, part, details, &wanted);
        }
        self.settle();
    }

    fn add(
        &mut self,
        second: u64,
        part: Part,
        details: Option<(&HttpStats, &loadhost_model::interval::Health)>,
        wanted: impl Fn(Duration) -> Wanted,
    ) {
        if self.is_past(second) {
            return self.amend_past(second, part);
        }
        let entry = Arc::make_mut(self.second(second, wanted));
        entry.requests += part.requests;
        entry.failures += part.failures;
        entry.iterations += part.iterations;
        entry.dropped += part.dropped;
        entry.users += part.users;
        if let Some((http, health)) = details {
            entry.response_time.merge(&http.response_time);
            entry.service_time.merge(&http.service_time);
            entry.start_lag.merge(&health.start_lag);
            entry.loop_lag.merge(&health.loop_lag);
            entry.cpu = entry.cpu.max(health.cpu);
        }
    }

    fn second(&mut self, second: u64, wanted: impl Fn(Duration) -> Wanted) -> &mut Arc<Second> {
        self.recent.entry(second).or_insert_with(|| {
            let wanted = wanted(Duration::from_secs(second + 1));
            Arc::new(Second { wanted, ..Second::default() })
        })
    }

    /// Seconds that nobody worked in are there as well: charts would draw a line across them.
    pub(crate) fn fill(&mut self, seconds: Range<u64>, wanted: impl Fn(Duration) -> Wanted) {
        for second in seconds {
            if !self.is_past(second) {
                self.second(second, &wanted);
            }
        }
        self.settle();
    }

    /// Marks a second in which a generator was too busy. True the first time.
    pub(crate) fn saturate(&mut self, second: u64) -> bool {
        self.recent
            .get_mut(&second)
            .is_some_and(|entry| !std::mem::replace(&mut Arc::make_mut(entry).saturated, true))
    }

    fn span(&self) -> u64 {
        self.span.max(1)
    }

    /// Whether the second already became a point.
    fn is_past(&self, second: u64) -> bool {
        self.past.last().is_some_and(|point| second < (point.at + point.span).as_secs())
    }

    fn amend_past(&mut self, second: u64, part: Part) {
        let at = Duration::from_secs(second);
        let index = self.past.partition_point(|point| point.at <= at);
        let Some(point) = index.checked_sub(1).and_then(|index| self.past.get_mut(index)) else {
            return;
        };
        if at >= point.at + point.span {
            return;
        }
        point.requests += part.requests;
        point.failures += part.failures;
        point.dropped += part.dropped;
        point.users += part.users;
        rates(point);
    }

    /// Moves seconds that are old enough to the points.
    fn settle(&mut self) {
        while self.recent.len() > EXACT
            && let Some((second, entry)) = self.recent.pop_first()
        {
            self.push(entry.point(second));
        }
    }

    fn push(&mut self, point: Point) {
        let span = Duration::from_secs(self.span());
        match self.past.last_mut() {
            Some(last) if point.at < last.at + span => join(last, &point),
            _ => self.past.push(point),
        }
        if self.past.len() >= MAX_POINTS {
            self.halve();
        }
    }

    fn halve(&mut self) {
        self.span = self.span() * 2;
        let mut joined: Vec<Point> = Vec::with_capacity(self.past.len() / 2 + 1);
        for point in self.past.drain(..) {
            match joined.last_mut() {
                Some(last) if last.at.as_secs() / self.span == point.at.as_secs() / self.span => {
                    join(last, &point)
                }
                _ => joined.push(point),
            }
        }
        self.past = joined;
    }

    /// What is saved apart: points in blocks, and seconds by the minute.
    pub(crate) fn parts(&self) -> impl Iterator<Item = TimelinePart<'_>> {
        let minutes = self.recent.keys().map(|second| second / MINUTE).collect::<BTreeSet<u64>>();
        let minutes = minutes.into_iter().map(|minute| {
            let seconds = self.recent.range(minute * MINUTE..(minute + 1) * MINUTE);
            TimelinePart::Seconds(seconds.map(|(second, entry)| (*second, entry.clone())).collect())
        });
        self.past.chunks(BLOCK).map(|points| TimelinePart::Points(points.into())).chain(minutes)
    }

    /// Puts a part back, in the order in which they came.
    pub(crate) fn put_back(&mut self, part: TimelinePart<'_>) {
        match part {
            TimelinePart::Points(points) => self.past.extend_from_slice(&points),
            TimelinePart::Seconds(seconds) => self.recent.extend(seconds),
        }
    }

    /// All points whose seconds lie before `through`, oldest first. They count from `counted_from` on.
    pub(crate) fn history(&self, through: u64, counted_from: Duration) -> Vec<Point> {
        let mut points = self.past.clone();
        points.extend(self.recent.range(..through).map(|(second, entry)| entry.point(*second)));
        counted(points, counted_from)
    }

    /// The newest `count` points before `through`. They count from `counted_from` on.
    pub(crate) fn tail(&self, through: u64, count: usize, counted_from: Duration) -> Vec<Point> {
        let mut points: Vec<Point> = self
            .recent
            .range(..through)
            .rev()
            .take(count)
            .map(|(second, entry)| entry.point(*second))
            .collect();
        points.reverse();
        counted(points, counted_from)
    }

    /// Requests and failures of some recent seconds.
    pub(crate) fn counts_in(&self, seconds: Range<u64>) -> (u64, u64) {
        let inside = self.recent.range(seconds).map(|(_, entry)| (entry.requests, entry.failures));
        inside.fold((0, 0), |sum, counts| (sum.0 + counts.0, sum.1 + counts.1))
    }

    /// The last whole seconds before `through`, and the generators' p99 of loop and start lag
    /// and the greatest CPU of the last second.
    pub(crate) fn window(&self, through: u64) -> (Window, Lags) {
        let seconds = through.min(WINDOW);
        let mut sum = Second::default();
        for (_, entry) in self.recent.range(through - seconds..through) {
            sum.requests += entry.requests;
            sum.failures += entry.failures;
            sum.iterations += entry.iterations;
            sum.dropped += entry.dropped;
            sum.response_time.merge(&entry.response_time);
            sum.service_time.merge(&entry.service_time);
            sum.start_lag.merge(&entry.start_lag);
            sum.loop_lag.merge(&entry.loop_lag);
            sum.cpu = entry.cpu;
        }
        let per_second = |n: u64| if seconds == 0 { 0.0 } else { n as f64 / seconds as f64 };
        let window = Window {
            seconds: u32::try_from(seconds).unwrap_or_default(),
            rps: per_second(sum.requests),
            fps: per_second(sum.failures),
            iterations: per_second(sum.iterations),
            dropped: per_second(sum.dropped),
            response_time: Times::of(&sum.response_time),
            service_time: Times::of(&sum.service_time),
        };
        let lags = Lags {
            loop_p99: sum.loop_lag.quantile(0.99),
            start_p99: sum.start_lag.quantile(0.99),
            cpu: sum.cpu,
        };
        (window, lags)
    }
}

/// A piece of a timeline.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(crate) enum TimelinePart<'a> {
    Points(Cow<'a, [Point]>),
    Seconds(Vec<(u64, Arc<Second>)>),
}

/// How the generators did over the window.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Lags {
    pub(crate) loop_p99: Option<u64>,
    pub(crate) start_p99: Option<u64>,
    pub(crate) cpu: f64,
}

/// What one interval adds to one second.
#[derive(Debug, Clone, Copy)]
struct Part {
    requests: u64,
    failures: u64,
    iterations: u64,
    dropped: u64,
    users: u32,
}

/// Says which points are in the totals.
fn counted(mut points: Vec<Point>, from: Duration) -> Vec<Point> {
    for point in &mut points {
        point.counted = point.at + point.span > from;
    }
    points
}

fn rates(point: &mut Point) {
    let seconds = point.span.as_secs_f64();
    point.rps = point.requests as f64 / seconds;
    point.fps = point.failures as f64 / seconds;
}

/// Adds a later point to an earlier one.
fn join(into: &mut Point, point: &Point) {
    let p99 = |point: &Point| point.response_time.map_or(0, |times| times.p99);
    if p99(point) > p99(into) {
        into.response_time = point.response_time;
        into.service_time = point.service_time;
    }
    into.span = point.at + point.span - into.at;
    into.users = point.users;
    into.users_wanted = point.users_wanted;
    into.rate_wanted = point.rate_wanted;
    into.requests += point.requests;
    into.failures += point.failures;
    into.dropped += point.dropped;
    into.start_lag_p99 = into.start_lag_p99.max(point.start_lag_p99);
    into.cpu = into.cpu.max(point.cpu);
    into.saturated |= point.saturated;
    rates(into);
}

#[cfg(test)]
#[path = "timeline_tests.rs"]
mod tests;
