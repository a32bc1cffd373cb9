//! How measurements add up.
//!
//! Merging is exact, and neither order nor grouping matters: a fleet's totals are the same
//! whichever worker's interval comes first. So each value that cannot be summed is
//! chosen by a total order: the latest gauge, the busiest shard, the longest detail.

use std::collections::BTreeMap;
use std::collections::btree_map::Entry;
use std::sync::Arc;

use super::{
    Counters, ErrorStats, GaugeStats, Health, HttpStats, PassStats, SeriesStats, Statistics,
    StepTimes, TaskStats,
};

impl Statistics {
    /// Adds another part of the fleet, or another stretch of time.
    pub fn merge(&mut self, other: Statistics) {
        for (key, stats) in other.series {
            match self.series.entry(key) {
                Entry::Vacant(place) => drop(place.insert(stats)),
                Entry::Occupied(mut place) => place.get_mut().merge(&stats),
            }
        }
        for (key, stats) in other.errors {
            match self.errors.entry(key) {
                Entry::Vacant(place) => drop(place.insert(stats)),
                Entry::Occupied(mut place) => place.get_mut().merge(&stats),
            }
        }
        self.health.merge(&other.health);
        self.counters.merge(&other.counters);
    }

    /// As [`Statistics::merge`], for one that is needed again.
    pub fn merge_ref(&mut self, other: &Statistics) {
        for (key, stats) in &other.series {
            match self.series.get_mut(key) {
                Some(mine) => mine.merge(stats),
                None => drop(self.series.insert(key.clone(), stats.clone())),
            }
        }
        for (key, stats) in &other.errors {
            match self.errors.get_mut(key) {
                Some(mine) => mine.merge(stats),
                None => drop(self.errors.insert(key.clone(), stats.clone())),
            }
        }
        self.health.merge(&other.health);
        self.counters.merge(&other.counters);
    }
}

impl SeriesStats {
    /// Adds measurements of the same series. Those of another kind cannot belong to it and
    /// are left out; decoding refuses such intervals.
    pub fn merge(&mut self, other: &SeriesStats) {
        match (self, other) {
            (Self::Http(mine), Self::Http(other)) => mine.merge(other),
            (Self::Task(mine), Self::Task(other)) => mine.merge(other),
            (Self::Pass(mine), Self::Pass(other)) => mine.merge(*other),
            (Self::Trend(mine), Self::Trend(other)) => mine.merge(other),
            (Self::Counter(mine), Self::Counter(other)) => *mine = sum(*mine, *other),
            (Self::Gauge(mine), Self::Gauge(other)) => mine.merge(*other),
            _ => debug_assert!(false, "two kinds of statistics under one key"),
        }
    }
}

/// The sum of two counters to a millionth, on a grid of 2⁻²⁰.
///
/// Sums of arbitrary fractions depend on their order in the last digit; on a binary grid
/// they are exact up to 2³³, and for whole numbers up to 2⁵³.
fn sum(a: f64, b: f64) -> f64 {
    const GRID: f64 = (1 << 20) as f64;
    let on_grid = |value: f64| {
        if value.abs() < GRID * GRID { (value * GRID).round() / GRID } else { value }
    };
    on_grid(a) + on_grid(b)
}

impl HttpStats {
    /// Adds other requests.
    pub fn merge(&mut self, other: &HttpStats) {
        add(&mut self.requests, other.requests);
        add(&mut self.failures, other.failures);
        self.response_time.merge(&other.response_time);
        self.service_time.merge(&other.service_time);
        add(&mut self.bytes_sent, other.bytes_sent);
        add(&mut self.bytes_received, other.bytes_received);
        add(&mut self.body_bytes, other.body_bytes);
        for (status, count) in &other.statuses {
            add(self.statuses.entry(*status).or_default(), *count);
        }
        self.steps.merge(&other.steps);
    }
}

impl StepTimes {
    /// Adds the times of other requests.
    pub fn merge(&mut self, other: &StepTimes) {
        add(&mut self.dns, other.dns);
        add(&mut self.connect, other.connect);
        add(&mut self.tls, other.tls);
        add(&mut self.sending, other.sending);
        add(&mut self.waiting, other.waiting);
        add(&mut self.receiving, other.receiving);
        add(&mut self.connections, other.connections);
    }
}

impl TaskStats {
    /// Adds other iterations.
    pub fn merge(&mut self, other: &TaskStats) {
        add(&mut self.iterations, other.iterations);
        add(&mut self.failures, other.failures);
        self.duration.merge(&other.duration);
    }
}

impl PassStats {
    /// Adds other passes and failures.
    pub fn merge(&mut self, other: PassStats) {
        add(&mut self.passes, other.passes);
        add(&mut self.failures, other.failures);
    }

    /// The share that passed, 0 to 1. None: none was counted.
    pub fn rate(&self) -> Option<f64> {
        let all = self.passes + self.failures;
        (all > 0).then(|| self.passes as f64 / all as f64)
    }
}

impl GaugeStats {
    /// Adds other settings: the latest counts as last, the greater of two at one moment.
    pub fn merge(&mut self, other: GaugeStats) {
        let later = self.at.cmp(&other.at).then(self.last.total_cmp(&other.last)).is_lt();
        if later {
            (self.at, self.last) = (other.at, other.last);
        }
        self.min = least(self.min, other.min);
        self.max = -least(-self.max, -other.max);
    }
}

fn least(a: f64, b: f64) -> f64 {
    if b.total_cmp(&a).is_lt() { b } else { a }
}

impl ErrorStats {
    /// Adds other occurrences. Of two details the longer is kept.
    pub fn merge(&mut self, other: &ErrorStats) {
        add(&mut self.count, other.count);
        self.first = self.first.min(other.first);
        self.last = self.last.max(other.last);
        let rank = |detail: &Arc<str>| (detail.len(), detail.clone());
        if rank(&self.detail) < rank(&other.detail) {
            self.detail = other.detail.clone();
        }
    }
}

impl Health {
    /// Adds another part: the busiest counts for the CPU.
    pub fn merge(&mut self, other: &Health) {
        if self.cpu.total_cmp(&other.cpu).is_lt() {
            self.cpu = other.cpu;
        }
        self.loop_lag.merge(&other.loop_lag);
        self.start_lag.merge(&other.start_lag);
    }
}

impl Counters {
    /// Adds other counters.
    pub fn merge(&mut self, other: &Counters) {
        add(&mut self.arrivals, other.arrivals);
        add(&mut self.dropped_arrivals, other.dropped_arrivals);
        add(&mut self.interrupted, other.interrupted);
        add(&mut self.crashed_users, other.crashed_users);
        add_counts(&mut self.capped, &other.capped);
    }
}

/// Counts stay at the greatest number rather than starting anew: an interval may claim any.
fn add(mine: &mut u64, other: u64) {
    *mine = mine.saturating_add(other);
}

fn add_counts(mine: &mut BTreeMap<Arc<str>, u64>, other: &BTreeMap<Arc<str>, u64>) {
    for (name, count) in other {
        match mine.get_mut(name) {
            Some(mine) => add(mine, *count),
            None => drop(mine.insert(name.clone(), *count)),
        }
    }
}

#[cfg(test)]
#[path = "merge_tests.rs"]
pub(super) mod tests;
