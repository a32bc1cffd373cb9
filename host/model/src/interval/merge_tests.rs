#![allow(clippy::unwrap_used, clippy::expect_used)]

use proptest::collection::{btree_map, vec};
use proptest::prelude::*;

use super::super::{ErrorKey, Origin, SeriesCap};
use super::*;
use crate::histogram::Histogram;
use crate::metric::{Kind, OTHER, SeriesKey};

fn text() -> impl Strategy<Value = Arc<str>> {
    prop_oneof![Just("a"), Just("b"), Just("/item/{id}")].prop_map(Arc::from)
}

fn histogram() -> impl Strategy<Value = Histogram> {
    vec((0..Histogram::MAX, 1_u64..100_000), 0..5).prop_map(|values| {
        let mut histogram = Histogram::new();
        values.iter().for_each(|(value, n)| histogram.record_n(*value, *n));
        histogram
    })
}

fn http() -> impl Strategy<Value = (SeriesKey, SeriesStats)> {
    let stats = (histogram(), histogram(), btree_map(0_u16..600, 1_u64..9, 0..3), 0_u64..1000);
    (text(), text(), stats).prop_map(|(name, group, (response_time, service_time, statuses, n))| {
        let steps = StepTimes { dns: n, waiting: 2 * n, connections: 1, ..StepTimes::default() };
        let stats = HttpStats {
            requests: response_time.count(),
            failures: n,
            response_time,
            service_time,
            bytes_sent: n,
            bytes_received: 7 * n,
            body_bytes: 5 * n,
            statuses,
            steps,
        };
        let key = SeriesKey::Http { method: "GET".into(), name, tags: Arc::default(), group };
        (key, SeriesStats::Http(Box::new(stats)))
    })
}

fn custom() -> impl Strategy<Value = (SeriesKey, SeriesStats)> {
    let key = |name, kind| SeriesKey::Custom { name, kind, unit: "".into(), tags: Arc::default() };
    let counter = (text(), -1e6..1e6_f64)
        .prop_map(move |(name, sum)| (key(name, Kind::Counter), SeriesStats::Counter(sum)));
    let gauge = (text(), 0_u64..3, -1e3..1e3_f64).prop_map(move |(name, at, last)| {
        let stats = GaugeStats { last, at, min: last - 1.0, max: last + 1.0 };
        (key(name, Kind::Gauge), SeriesStats::Gauge(stats))
    });
    let rate = (text(), 0_u64..9, 0_u64..9).prop_map(move |(name, passes, failures)| {
        (key(name, Kind::Rate), SeriesStats::Pass(PassStats { passes, failures }))
    });
    let trend = (text(), histogram()).prop_map(move |(name, trend)| {
        (key(name, Kind::Trend), SeriesStats::Trend(Box::new(trend)))
    });
    let task = (text(), histogram(), 0_u64..9).prop_map(|(task, duration, failures)| {
        let stats = TaskStats { iterations: duration.count(), failures, duration };
        (SeriesKey::Task { user_type: "U".into(), task }, SeriesStats::Task(Box::new(stats)))
    });
    prop_oneof![counter, gauge, rate, trend, task]
}

fn error() -> impl Strategy<Value = (ErrorKey, ErrorStats)> {
    let stats = (1_u64..9, 0_u64..9, 0_u64..9, text());
    (text(), text(), stats).prop_map(|(name, code, (count, first, last, detail))| {
        let origin = Origin::Request { method: "GET".into(), name };
        (ErrorKey { origin, code, message: "m".into() }, ErrorStats { count, first, last, detail })
    })
}

pub(crate) fn statistics() -> impl Strategy<Value = Statistics> {
    let series = vec(prop_oneof![http(), custom()], 0..6);
    let health = (0.0..1.0, histogram());
    let counters = (0_u64..99, btree_map(text(), 0_u64..9, 0..3));
    (series, vec(error(), 0..4), health, counters).prop_map(
        |(series, errors, (cpu, lag), (n, capped))| Statistics {
            series: series.into_iter().collect(),
            errors: errors.into_iter().collect(),
            health: Health { cpu, loop_lag: lag.clone(), start_lag: lag },
            counters: Counters { arrivals: n, crashed_users: n / 2, capped, ..Counters::default() },
        },
    )
}

fn sum<'a>(parts: impl IntoIterator<Item = &'a Statistics>) -> Statistics {
    parts.into_iter().fold(Statistics::default(), |mut sum, part| {
        sum.merge_ref(part);
        sum
    })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(300))]

    #[test]
    fn the_order_of_workers_does_not_matter(a in statistics(), b in statistics()) {
        prop_assert_eq!(sum([&a, &b]), sum([&b, &a]));
    }

    #[test]
    fn the_grouping_of_workers_does_not_matter(a in statistics(), b in statistics(), c in statistics()) {
        let (left, right) = (sum([&a, &b]), sum([&b, &c]));
        prop_assert_eq!(sum([&left, &c]), sum([&a, &right]));
    }

    #[test]
    fn both_ways_to_merge_agree(a in statistics(), b in statistics()) {
        let mut moved = a.clone();
        moved.merge(b.clone());
        prop_assert_eq!(&moved, &sum([&a, &b]));
        let mut capped = a.clone();
        capped.merge_within(&b, SeriesCap { series: 1000, errors: 1000 });
        prop_assert_eq!(&capped, &moved);
    }

    #[test]
    fn no_request_is_lost_beyond_the_cap(parts in vec(statistics(), 1..6), series in 0_usize..8) {
        let mut capped = Statistics::default();
        parts.iter().for_each(|part| capped.merge_within(part, SeriesCap { series, errors: series }));
        let whole = sum(&parts);
        prop_assert_eq!(capped.total(), whole.total());
        let errors = |statistics: &Statistics| statistics.errors.values().map(|e| e.count).sum::<u64>();
        prop_assert_eq!(errors(&capped), errors(&whole));
        // One `other` for each kind of series and origin.
        prop_assert!(capped.series.len() <= series + 8, "{} series", capped.series.len());
        prop_assert!(capped.errors.len() <= series + 2);
        let refused = whole.series.len() > capped.series.len();
        prop_assert!(!refused || capped.counters.capped.contains_key("series"));
    }
}

fn http_key(name: &str, tags: &[(&str, &str)]) -> SeriesKey {
    let tags = tags.iter().map(|(key, value)| (Arc::from(*key), Arc::from(*value))).collect();
    SeriesKey::Http { method: "GET".into(), name: name.into(), tags, group: "shop".into() }
}

#[test]
fn series_beyond_the_cap_go_to_other() {
    let requests = |n| {
        let stats = HttpStats { requests: n, ..HttpStats::default() };
        SeriesStats::Http(Box::new(stats))
    };
    let mut part = Statistics::default();
    for (name, n) in [("/a", 1), ("/b", 2), ("/c", 4)] {
        part.series.insert(http_key(name, &[]), requests(n));
    }
    let mut total = Statistics::default();
    total.merge_within(&part, SeriesCap { series: 1, errors: 1 });
    total.merge_within(&part, SeriesCap { series: 1, errors: 1 });
    let named: Vec<_> =
        total.http().map(|(key, stats)| (key.tag("name").unwrap(), stats.requests)).collect();
    assert_eq!(named, [(OTHER, 12), ("/a", 2)]);
    assert_eq!(total.counters.capped["series"], 4);
}

#[test]
fn series_are_found_by_their_tags() {
    let mut statistics = Statistics::default();
    for (name, tags, requests) in [("/a", &[("kind", "x")][..], 1), ("/b", &[("kind", "y")], 2)] {
        let stats = HttpStats { requests, ..HttpStats::default() };
        statistics.series.insert(http_key(name, tags), SeriesStats::Http(Box::new(stats)));
    }
    let found = |tags: &[(&str, &str)]| {
        let tags: Vec<_> = tags.iter().map(|(k, v)| (k.to_string(), v.to_string())).collect();
        statistics.total_with(&tags).requests
    };
    assert_eq!(found(&[("kind", "y")]), 2);
    assert_eq!(found(&[("method", "GET"), ("group", "shop")]), 3);
    assert_eq!(found(&[("name", "/a"), ("kind", "y")]), 0);
    assert_eq!(found(&[]), 3);
}

#[test]
fn the_latest_gauge_counts() {
    let gauge = |at, last| GaugeStats { last, at, min: last, max: last };
    let mut merged = gauge(5, 1.0);
    merged.merge(gauge(3, 9.0));
    assert_eq!(merged, GaugeStats { last: 1.0, at: 5, min: 1.0, max: 9.0 });
}
