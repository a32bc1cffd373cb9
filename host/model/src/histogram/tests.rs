#![allow(clippy::unwrap_used, clippy::expect_used)]

use super::*;

/// `n` samples around `median`, log-normal with this spread of the logarithm.
fn log_normal(n: usize, median: f64, spread: f64, seed: u64) -> Vec<u64> {
    let mut rng = fastrand::Rng::with_seed(seed);
    let normal = |rng: &mut fastrand::Rng| {
        let (u, v) = (1.0 - rng.f64(), rng.f64());
        (-2.0 * u.ln()).sqrt() * (std::f64::consts::TAU * v).cos()
    };
    (0..n).map(|_| (median * (spread * normal(&mut rng)).exp()) as u64).collect()
}

fn of(values: &[u64]) -> Histogram {
    let mut histogram = Histogram::new();
    values.iter().for_each(|value| histogram.record(*value));
    histogram
}

#[test]
fn nothing_recorded_has_no_numbers() {
    let empty = Histogram::new();
    assert_eq!(
        (empty.min(), empty.max(), empty.mean(), empty.quantile(0.5)),
        (None, None, None, None)
    );
    assert_eq!((empty.count(), empty.sum(), empty.heap_bytes()), (0, 0, 0));
}

#[test]
fn a_typical_series_takes_less_than_16_kb() {
    let histogram = of(&log_normal(10_000, 5_000.0, 0.5, 1));
    let bytes = histogram.heap_bytes();
    assert!(bytes <= 16 << 10, "{bytes} bytes");
}

#[test]
fn values_beyond_the_range_are_counted_as_such() {
    let histogram = of(&[7, Histogram::MAX, Histogram::MAX + 1, u64::MAX]);
    assert_eq!((histogram.count(), histogram.clamped()), (4, 2));
    assert_eq!(histogram.max(), Some(Histogram::MAX));
    assert_eq!(histogram.quantile(1.0), Some(Histogram::MAX));
}

#[test]
fn counters_widen_instead_of_overflowing() {
    let mut histogram = Histogram::new();
    histogram.record_n(5, u64::from(u16::MAX));
    histogram.record(5);
    assert_eq!(histogram.iter().collect::<Vec<_>>(), [(5, 1 << 16)]);
    histogram.record_n(5, 1 << 40);
    histogram.record_n(6, 3);
    assert_eq!(histogram.iter().collect::<Vec<_>>(), [(5, (1 << 40) + (1 << 16)), (6, 3)]);
}
