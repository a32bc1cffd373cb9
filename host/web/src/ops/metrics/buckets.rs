//! Histograms in Prometheus' own form, which OpenTelemetry's observed instruments do not have.

use loadhost_control::distribution::{BOUNDS, Buckets, Distribution};
use prometheus::proto::{Bucket, Histogram, LabelPair, Metric, MetricFamily, MetricType};

/// Response and service times by method and name.
pub(super) fn families(distributions: &[Distribution]) -> Vec<MetricFamily> {
    if distributions.is_empty() {
        return Vec::new();
    }
    vec![
        family(
            "loadhost_response_time_seconds",
            "Times of requests from their intended start, since the start of the run",
            distributions.iter().map(|one| metric(one, &one.response_time)),
        ),
        family(
            "loadhost_service_time_seconds",
            "Times of requests from their sending, since the start of the run",
            distributions.iter().map(|one| metric(one, &one.service_time)),
        ),
    ]
}

fn family(name: &str, help: &str, metrics: impl Iterator<Item = Metric>) -> MetricFamily {
    let mut family = MetricFamily::default();
    family.set_name(name.to_string());
    family.set_help(help.to_string());
    family.set_field_type(MetricType::HISTOGRAM);
    family.set_metric(metrics.collect());
    family
}

fn metric(one: &Distribution, times: &Buckets) -> Metric {
    let buckets = BOUNDS.iter().zip(times.at_most).map(|(bound, at_most)| {
        let mut bucket = Bucket::default();
        bucket.set_upper_bound(seconds(u128::from(*bound)));
        bucket.set_cumulative_count(at_most);
        bucket
    });
    let mut histogram = Histogram::default();
    histogram.set_bucket(buckets.collect());
    histogram.set_sample_count(times.count);
    histogram.set_sample_sum(seconds(times.sum));
    let mut metric = Metric::default();
    metric.set_label(vec![label("method", &one.method), label("name", &one.name)]);
    metric.set_histogram(histogram);
    metric
}

fn label(name: &str, value: &str) -> LabelPair {
    let mut label = LabelPair::default();
    label.set_name(name.to_string());
    label.set_value(value.to_string());
    label
}

fn seconds(micros: u128) -> f64 {
    micros as f64 / 1e6
}
