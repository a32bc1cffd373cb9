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

/// Its value at rank `⌈q n⌉`, from the samples themselves.
fn exact(sorted: &[u64], q: f64) -> u64 {
    let rank = (q * sorted.len() as f64).ceil() as usize;
    sorted[rank.clamp(1, sorted.len()) - 1]
}

#[test]
fn percentiles_of_ten_million_samples_are_within_a_thousandth() {
    let n = 2_500_000;
    let mut rng = fastrand::Rng::with_seed(5);
    let distributions: [(&str, Vec<u64>); 4] = [
        ("log-normal", log_normal(n, 5_000.0, 0.6, 1)),
        ("long tail", log_normal(n, 20_000.0, 1.8, 2)),
        ("uniform", (0..n).map(|_| rng.u64(1..3_600_000_000)).collect()),
        (
            "two peaks",
            (0..n)
                .map(|i| if i % 50 == 0 { rng.u64(900_000..1_100_000) } else { rng.u64(80..120) })
                .collect(),
        ),
    ];
    for (name, mut values) in distributions {
        let histogram = of(&values);
        values.sort_unstable();
        for q in [0.0, 0.001, 0.25, 0.5, 0.75, 0.9, 0.95, 0.99, 0.999, 0.9999, 1.0] {
            let (exact, got) = (exact(&values, q), histogram.quantile(q).unwrap());
            let error = got.abs_diff(exact) as f64 / exact.max(1) as f64;
            assert!(error <= 0.001, "{name}: quantile {q} is {got} instead of {exact}");
        }
        let sum: u128 = values.iter().map(|value| u128::from(*value)).sum();
        assert_eq!((histogram.sum(), histogram.count()), (sum, n as u64), "{name}");
        assert_eq!(
            (histogram.min(), histogram.max()),
            (values.first().copied(), values.last().copied())
        );
    }
}

#[test]
fn a_list_becomes_pages_without_losing_a_count() {
    let values: Vec<u64> = (0..200).map(|i| i * i * i).collect();
    for n in 0..values.len() {
        let (few, many) = (of(&values[..n]), of(&values[n..]));
        for (mut into, from) in [(few.clone(), &many), (many.clone(), &few)] {
            into.merge(from);
            assert_eq!(into, of(&values), "{n} and the rest");
        }
        assert_eq!(few.iter().map(|(_, count)| count).sum::<u64>(), n as u64);
    }
    let mut one = of(&[7]);
    one.record_n(7, u64::from(u32::MAX));
    assert_eq!(one.iter().collect::<Vec<_>>(), [(7, 1 << 32)]);
}

#[test]
fn a_rare_series_takes_a_few_hundred_bytes() {
    let bytes = of(&log_normal(30, 5_000.0, 0.5, 1)).heap_bytes();
    assert!(bytes <= 256, "{bytes} bytes");
}

#[test]
fn merged_histograms_equal_that_of_all_samples() {
    let values = log_normal(100_000, 5_000.0, 1.0, 3);
    let merged = values.chunks(777).fold(Histogram::new(), |mut sum, part| {
        sum.merge(&of(part));
        sum
    });
    assert_eq!(merged, of(&values));
}

#[test]
fn a_hdr_histogram_of_the_same_samples_agrees() {
    let values = log_normal(50_000, 300_000.0, 2.0, 4);
    let histogram = of(&values);
    let mut hdr = hdrhistogram::Histogram::<u64>::new_with_bounds(1, Histogram::MAX, 3).unwrap();
    values.iter().for_each(|value| hdr.record(*value).unwrap());
    // Binary fractions: where `q n` is whole, that crate rounds up if the product is a hair above.
    for i in 0..=1024 {
        let q = f64::from(i) / 1024.0;
        let theirs =
            hdr.value_at_quantile(q).clamp(histogram.min().unwrap(), histogram.max().unwrap());
        assert_eq!(histogram.quantile(q), Some(theirs), "quantile {q}");
    }
    let buckets =
        hdr.iter_recorded().map(|bucket| (bucket.value_iterated_to(), bucket.count_at_value()));
    assert!(histogram.iter().eq(buckets));
    assert_eq!(histogram.to_hdr(), hdr);
    let back = Histogram::from_hdr(&hdr);
    assert!(back.iter().eq(histogram.iter()));
}

#[test]
fn several_quantiles_in_one_pass_agree_with_each_alone() {
    let histogram = of(&log_normal(1_000, 5_000.0, 1.0, 6));
    let qs = [0.5, 0.9, 0.95, 0.99, 1.0];
    assert_eq!(histogram.quantiles(qs).map(Some), qs.map(|q| histogram.quantile(q)));
    assert_eq!(Histogram::new().quantiles(qs), [0; 5]);
}

#[test]
fn a_percentile_that_falls_on_a_sample_is_that_sample() {
    let histogram = of(&(1..=100).collect::<Vec<_>>());
    for percent in 1..=100 {
        assert_eq!(
            histogram.quantile(f64::from(percent as u32) / 100.0),
            Some(percent),
            "p{percent}"
        );
    }
}

#[test]
fn counts_between_two_values_include_both() {
    let histogram = of(&[1, 5, 5, 9, 2_000_000]);
    assert_eq!(histogram.count_between(5, 9), 3);
    assert_eq!(histogram.count_between(0, u64::MAX), 5);
    assert_eq!(histogram.count_between(10, 1_000), 0);
}

#[test]
fn the_spread_is_that_of_the_samples() {
    let histogram = of(&[2, 4, 4, 4, 5, 5, 7, 9]);
    assert_eq!(histogram.standard_deviation(), Some(2.0));
}

#[test]
fn samples_take_few_bytes_on_the_wire() {
    let bytes = |values: &[u64]| postcard::to_stdvec(&of(values)).unwrap().len();
    assert_eq!(bytes(&[]), 1);
    assert!(bytes(&[5_000]) <= 11, "{}", bytes(&[5_000]));
    let ten = bytes(&log_normal(10, 5_000.0, 0.5, 1));
    assert!(ten <= 45, "{ten}");
}
