//! Distributions of times, to three significant digits.
//!
//! [`Histogram`] counts in the buckets of an HDR histogram, but holds only the pages of
//! buckets that were hit, because ten thousand series of 136 KB each do not fit.
//! Percentiles over a fleet come from merged histograms only; merging is exact.

mod codec;
mod counts;
mod layout;
mod pages;

use counts::Counts;
use layout::{highest, index_of, lowest};

/// A distribution of whole numbers, usually microseconds.
///
/// Values up to 2047 are kept exactly, greater ones to within 0.1 %. Count, sum, least and
/// greatest are exact. Values above [`Histogram::MAX`] count as that and in
/// [`Histogram::clamped`].
#[derive(Debug, Clone)]
pub struct Histogram {
    counts: Counts,
    total: u64,
    sum: u128,
    /// `u64::MAX` while empty.
    min: u64,
    max: u64,
    clamped: u64,
}

impl Histogram {
    /// The greatest value that is told apart: 50 days in microseconds, and 4.3 thousand
    /// million in the thousandths of custom metrics. Pages are made as they are hit, so
    /// the range costs nothing.
    pub const MAX: u64 = layout::MAX;

    /// Nothing recorded; holds no memory yet.
    pub const fn new() -> Self {
        Self { counts: Counts::new(), total: 0, sum: 0, min: u64::MAX, max: 0, clamped: 0 }
    }

    /// Counts `value` once.
    #[inline]
    pub fn record(&mut self, value: u64) {
        self.record_n(value, 1);
    }

    /// Counts `value` `n` times.
    #[inline]
    pub fn record_n(&mut self, value: u64, n: u64) {
        if n == 0 {
            return;
        }
        let value = if value <= Self::MAX { value } else { self.clamp(n) };
        self.total = self.total.saturating_add(n);
        self.sum += u128::from(value) * u128::from(n);
        self.min = self.min.min(value);
        self.max = self.max.max(value);
        self.counts.add(index_of(value), n);
    }

    #[cold]
    fn clamp(&mut self, n: u64) -> u64 {
        self.clamped = self.clamped.saturating_add(n);
        Self::MAX
    }

    /// Adds all that `other` counted. Exact, and the order does not matter.
    pub fn merge(&mut self, other: &Histogram) {
        self.counts.merge(&other.counts);
        self.total = self.total.saturating_add(other.total);
        self.sum += other.sum;
        self.min = self.min.min(other.min);
        self.max = self.max.max(other.max);
        self.clamped = self.clamped.saturating_add(other.clamped);
    }

    /// Whether nothing was recorded.
    pub fn is_empty(&self) -> bool {
        self.total == 0
    }

    /// How many values were recorded.
    pub fn count(&self) -> u64 {
        self.total
    }

    /// All values added up, exactly.
    pub fn sum(&self) -> u128 {
        self.sum
    }

    /// The least value, exactly. None: nothing recorded.
    pub fn min(&self) -> Option<u64> {
        (!self.is_empty()).then_some(self.min)
    }

    /// The greatest value, exactly. None: nothing recorded.
    pub fn max(&self) -> Option<u64> {
        (!self.is_empty()).then_some(self.max)
    }

    /// The average, from the exact sum. None: nothing recorded.
    pub fn mean(&self) -> Option<f64> {
        (!self.is_empty()).then(|| self.sum as f64 / self.total as f64)
    }

    /// How far values spread around the mean, from the buckets' middles. None: nothing recorded.
    pub fn standard_deviation(&self) -> Option<f64> {
        let mean = self.mean()?;
        let squares: f64 = self
            .counts
            .iter()
            .map(|(index, count)| {
                let middle = (lowest(index) as f64 + highest(index) as f64) / 2.0;
                (middle - mean).powi(2) * count as f64
            })
            .sum();
        Some((squares / self.total as f64).sqrt())
    }

    /// The least value that at least `q` of all values do not exceed, with `q` from 0.0 to 1.0.
    ///
    /// As in HDR histograms the greatest value of its bucket stands for it, here kept
    /// within least and greatest. None: nothing recorded.
    pub fn quantile(&self, q: f64) -> Option<u64> {
        (!self.is_empty()).then(|| self.quantiles([q])[0])
    }

    /// Several quantiles in one pass. `qs` in ascending order; zeros if nothing was recorded.
    pub fn quantiles<const N: usize>(&self, qs: [f64; N]) -> [u64; N] {
        if self.is_empty() {
            return [0; N];
        }
        let buckets = self.counts.find(qs.map(|q| rank_of(q, self.total)));
        std::array::from_fn(|i| match qs[i] {
            q if q <= 0.0 => self.min,
            _ => highest(buckets[i]).clamp(self.min, self.max),
        })
    }

    /// Buckets that were hit, in ascending order: the greatest value of each, and its count.
    pub fn iter(&self) -> impl Iterator<Item = (u64, u64)> + '_ {
        self.counts.iter().map(|(index, count)| (highest(index), count))
    }

    /// How many values lie within `low..=high`, to the width of the buckets at both ends.
    pub fn count_between(&self, low: u64, high: u64) -> u64 {
        let (low, high) = (low.min(Self::MAX), high.min(Self::MAX));
        let range = index_of(low)..=index_of(high);
        self.counts.iter().filter(|(index, _)| range.contains(index)).map(|(_, n)| n).sum()
    }

    /// How many values were above [`Histogram::MAX`].
    pub fn clamped(&self) -> u64 {
        self.clamped
    }

    /// Memory held beside the struct itself, in bytes.
    pub fn heap_bytes(&self) -> usize {
        self.counts.heap_bytes()
    }

    /// The same buckets as an ordinary HDR histogram, for exports. Dense: 100 KB and more.
    pub fn to_hdr(&self) -> hdrhistogram::Histogram<u64> {
        let high = self.max.max(2);
        let Ok(mut hdr) = hdrhistogram::Histogram::new_with_bounds(1, high, layout::DIGITS) else {
            unreachable!("1 to {high} with 3 digits are bounds of an HDR histogram");
        };
        for (index, count) in self.counts.iter() {
            hdr.saturating_record_n(highest(index).clamp(self.min, self.max), count);
        }
        hdr
    }

    /// From an HDR histogram, each bucket by its greatest value. Sum and mean are as exact
    /// as the buckets.
    pub fn from_hdr(hdr: &hdrhistogram::Histogram<u64>) -> Self {
        let mut histogram = Self::new();
        for bucket in hdr.iter_recorded() {
            let value = bucket.value_iterated_to().clamp(hdr.min(), hdr.max());
            histogram.record_n(value, bucket.count_at_value());
        }
        histogram
    }
}

impl Default for Histogram {
    fn default() -> Self {
        Self::new()
    }
}

impl PartialEq for Histogram {
    fn eq(&self, other: &Self) -> bool {
        let scalars = |h: &Self| (h.total, h.sum, h.min, h.max, h.clamped);
        scalars(self) == scalars(other) && self.counts.iter().eq(other.counts.iter())
    }
}

impl Eq for Histogram {}

/// How many values lie at or below quantile `q` of `total`, at least one.
///
/// The product is nudged down by one step of floating point, so that 0.55 of 100, which
/// computes to a hair above 55, is 55 and not 56.
fn rank_of(q: f64, total: u64) -> u64 {
    let exact = q.clamp(0.0, 1.0) * total as f64;
    (exact.next_down().ceil() as u64).clamp(1, total.max(1))
}

#[cfg(test)]
#[path = "histogram/tests.rs"]
mod tests;
