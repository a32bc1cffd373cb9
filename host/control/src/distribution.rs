//! Merged times in few buckets that never change: what monitoring keeps over months.
//!
//! They are counted when somebody asks, from the same merged histograms as everything else.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use loadhost_model::histogram::Histogram;
use loadhost_model::id::RunId;
use loadhost_model::interval::{SeriesStats, Statistics};
use loadhost_model::metric::{OTHER, SeriesKey};

use crate::view::MAX_ROWS;

/// Upper ends of the buckets in microseconds, 1 ms to 60 s; what is greater is in none of them.
pub const BOUNDS: [u64; 15] = [
    1_000, 2_500, 5_000, 10_000, 25_000, 50_000, 100_000, 250_000, 500_000, 1_000_000, 2_500_000,
    5_000_000, 10_000_000, 30_000_000, 60_000_000,
];

/// A distribution.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Buckets {
    /// How many values do not exceed each of [`BOUNDS`], to 0.1 % of the bound.
    pub at_most: [u64; BOUNDS.len()],
    /// How many values there are.
    pub count: u64,
    /// All of them together, in microseconds.
    pub sum: u128,
}

impl Buckets {
    /// What there is beyond an earlier count of the same. None: no more values.
    pub fn beyond(&self, before: &Self) -> Option<Self> {
        let mut more = *self;
        more.count = self.count.checked_sub(before.count).filter(|count| *count > 0)?;
        more.sum = self.sum.saturating_sub(before.sum);
        let pairs = more.at_most.iter_mut().zip(before.at_most);
        pairs.for_each(|(at_most, before)| *at_most = at_most.saturating_sub(before));
        Some(more)
    }

    /// Adds those of others.
    pub fn add(&mut self, other: &Self) {
        self.at_most.iter_mut().zip(other.at_most).for_each(|(to, from)| *to += from);
        self.count += other.count;
        self.sum += other.sum;
    }

    fn count(&mut self, histogram: &Histogram) {
        let mut values = histogram.iter().peekable(); // ascending
        let mut below = 0;
        for (bound, at_most) in BOUNDS.iter().zip(&mut self.at_most) {
            // A bucket of the histogram stands for its greatest value; the one that a bound lies in is
            // at most a thousandth above it.
            let end = bound + bound / 1_000;
            while let Some((_, count)) = values.next_if(|(value, _)| *value <= end) {
                below += count;
            }
            *at_most += below;
        }
        self.count += histogram.count();
        self.sum += histogram.sum();
    }
}

/// Times of the requests of one name and method, since the totals of the run began.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Distribution {
    /// Upper case; empty in the sum of those beyond the cap.
    pub method: Arc<str>,
    /// Of the series; `other` in the sum of those beyond the cap.
    pub name: Arc<str>,
    /// From the intended start.
    pub response_time: Buckets,
    /// From the sending.
    pub service_time: Buckets,
}

/// Times of one run.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RunTimes {
    /// Which.
    pub run: RunId,
    /// Microseconds since the Unix epoch.
    pub started: Option<u64>,
    /// Since when they count: they begin anew with a reset.
    pub counted_from: Duration,
    /// Nothing will be added.
    pub is_over: bool,
    /// By name and method.
    pub times: Vec<Distribution>,
}

/// One for each name and method, by name; those beyond the [`MAX_ROWS`] most used are summed in the last.
pub(crate) fn distributions(totals: &Statistics) -> Vec<Distribution> {
    let mut names: BTreeMap<(&Arc<str>, &Arc<str>), Distribution> = BTreeMap::new();
    for (key, stats) in &totals.series {
        if let (SeriesKey::Http { method, name, .. }, SeriesStats::Http(stats)) = (key, stats) {
            let one = names.entry((name, method)).or_default();
            one.response_time.count(&stats.response_time);
            one.service_time.count(&stats.service_time);
        }
    }
    let mut all: Vec<_> = names
        .into_iter()
        .map(|((name, method), times)| Distribution {
            method: method.clone(),
            name: name.clone(),
            ..times
        })
        .collect();
    if all.len() > MAX_ROWS {
        all.sort_by_key(|one| std::cmp::Reverse(one.response_time.count));
        let rest = all.split_off(MAX_ROWS);
        all.sort_by(|a, b| (&a.name, &a.method).cmp(&(&b.name, &b.method)));
        all.push(sum(&rest));
    }
    all
}

fn sum(rest: &[Distribution]) -> Distribution {
    let mut sum = Distribution { name: OTHER.into(), ..Distribution::default() };
    for one in rest {
        sum.response_time.add(&one.response_time);
        sum.service_time.add(&one.service_time);
    }
    sum
}

#[cfg(test)]
mod tests {
    use super::*;
    use loadhost_model::interval::HttpStats;

    fn statistics(names: usize) -> Statistics {
        let mut statistics = Statistics::default();
        for number in 0..names {
            let mut stats = HttpStats::default();
            for _ in 0..=number {
                stats.response_time.record(20_000);
                stats.service_time.record(1);
            }
            let name = format!("/{number}").into();
            let key =
                SeriesKey::Http { method: "GET".into(), name, tags: [].into(), group: "".into() };
            statistics.series.insert(key, SeriesStats::Http(Box::new(stats)));
        }
        statistics
    }

    #[test]
    fn a_value_at_a_bound_is_within_it_and_a_greater_one_is_not() {
        for (index, bound) in BOUNDS.into_iter().enumerate() {
            let mut histogram = Histogram::new();
            histogram.record(bound);
            histogram.record(bound + bound / 100);
            let mut buckets = Buckets::default();
            buckets.count(&histogram);
            let below = index.checked_sub(1).map_or(0, |below| buckets.at_most[below]);
            assert_eq!((below, buckets.at_most[index]), (0, 1), "{bound}");
            assert_eq!(buckets.at_most.get(index + 1).copied().unwrap_or(2), 2);
            assert_eq!((buckets.count, buckets.sum), (2, u128::from(bound * 2 + bound / 100)));
        }
    }

    #[test]
    fn what_is_within_a_bound_is_within_all_greater_ones_and_adds_up() {
        let mut histogram = Histogram::new();
        for value in [500, 1_500, 1_500, 70_000, 59_000_000, 70_000_000] {
            histogram.record(value);
        }
        let mut buckets = Buckets::default();
        buckets.count(&histogram);
        buckets.count(&histogram);
        assert_eq!(buckets.at_most, [2, 6, 6, 6, 6, 6, 8, 8, 8, 8, 8, 8, 8, 8, 10]);
        assert_eq!(buckets.count, 12, "one is greater than all bounds");
    }

    #[test]
    fn names_beyond_the_cap_are_summed() {
        let all = distributions(&statistics(MAX_ROWS + 2));
        let rest = &all[MAX_ROWS];
        assert_eq!((all.len(), &*rest.name), (MAX_ROWS + 1, OTHER));
        // The two least used were asked for once and twice.
        assert_eq!((rest.response_time.count, rest.response_time.at_most[4]), (3, 3));
        assert_eq!(rest.service_time.at_most, [3; BOUNDS.len()]);
    }
}
