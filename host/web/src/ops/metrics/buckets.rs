//! Histograms in the forms of Prometheus and of OTLP, from the merged ones of the coordinator, which OpenTelemetry's observed
//! instruments do not have.

use std::time::{SystemTime, UNIX_EPOCH};

use loadhost_control::distribution::{BOUNDS, Buckets, Distribution};
use opentelemetry::KeyValue;
use opentelemetry_proto::tonic::metrics::v1 as otlp;
use prometheus::proto::{Bucket, Histogram, LabelPair, Metric, MetricFamily, MetricType};

/// Response and service times by method and name.
pub(super) fn families(distributions: &[Distribution]) -> Vec<MetricFamily> {
    if distributions.is_empty() {
        return Vec::new();
    }
    let of = |kind: &Kind| {
        family(kind.name, kind.help, distributions.iter().map(|one| metric(one, (kind.of)(one))))
    };
    KINDS.iter().map(of).collect()
}

/// The same for OTLP: cumulative, since `began`.
pub(super) fn pushed(
    distributions: &[Distribution],
    (began, now): (SystemTime, SystemTime),
) -> Vec<otlp::Metric> {
    if distributions.is_empty() {
        return Vec::new();
    }
    let of = |kind: &Kind| otlp::Metric {
        name: kind.name.to_string(),
        description: kind.help.to_string(),
        unit: "s".to_string(),
        metadata: Vec::new(),
        data: Some(otlp::metric::Data::Histogram(otlp::Histogram {
            data_points: distributions
                .iter()
                .map(|one| point(one, (kind.of)(one), (nanos(began), nanos(now))))
                .collect(),
            aggregation_temporality: otlp::AggregationTemporality::Cumulative.into(),
        })),
    };
    KINDS.iter().map(of).collect()
}

/// One of the histograms.
struct Kind {
    name: &'static str,
    help: &'static str,
    of: fn(&Distribution) -> &Buckets,
}

const KINDS: [Kind; 2] = [
    Kind {
        name: "loadhost_response_time_seconds",
        help: "Times of requests from their intended start, of all runs",
        of: |one| &one.response_time,
    },
    Kind {
        name: "loadhost_service_time_seconds",
        help: "Times of requests from their sending, of all runs",
        of: |one| &one.service_time,
    },
];

fn point(
    one: &Distribution,
    times: &Buckets,
    (began, now): (u64, u64),
) -> otlp::HistogramDataPoint {
    // OTLP counts each bucket by itself, and one more for what is beyond the last bound.
    let ends = times.at_most.into_iter().chain([times.count]);
    let bucket_counts = ends
        .scan(0, |before, at_most| Some(at_most - std::mem::replace(before, at_most)))
        .collect();
    let attributes = [("method", &one.method), ("name", &one.name)];
    otlp::HistogramDataPoint {
        attributes: attributes
            .map(|(key, value)| (&KeyValue::new(key, value.to_string())).into())
            .to_vec(),
        start_time_unix_nano: began,
        time_unix_nano: now,
        count: times.count,
        sum: Some(seconds(times.sum)),
        bucket_counts,
        explicit_bounds: BOUNDS.map(|bound| seconds(u128::from(bound))).to_vec(),
        ..otlp::HistogramDataPoint::default()
    }
}

fn nanos(time: SystemTime) -> u64 {
    let since = time.duration_since(UNIX_EPOCH).unwrap_or_default();
    u64::try_from(since.as_nanos()).unwrap_or(u64::MAX)
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
