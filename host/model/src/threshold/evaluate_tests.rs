#![allow(clippy::unwrap_used, clippy::expect_used)]

use std::sync::Arc;

use super::*;
use crate::interval::{HttpStats, StepTimes};
use crate::metric::{Kind, Tags};

/// A run of 10 s: 90 quick and 10 slow requests of /a, 100 of /b with a pause.
fn run() -> Statistics {
    let mut statistics = Statistics::default();
    let mut http = |name: &str, times: &[(u64, u64)], failures: u64| {
        let mut stats = HttpStats { failures, bytes_received: 5_000, ..HttpStats::default() };
        for (millis, n) in times {
            stats.requests += n;
            stats.response_time.record_n(millis * 1000, *n);
            stats.service_time.record_n(millis * 500, *n);
        }
        let answered = stats.requests - failures;
        stats.statuses = [(200, answered - 4), (500, 1), (503, 3), (0, failures)].into();
        stats.steps = StepTimes {
            waiting: answered * 2_000,
            dns: 3_000,
            connections: 3,
            ..Default::default()
        };
        let key = SeriesKey::Http {
            method: "GET".into(),
            name: name.into(),
            tags: tags(&[("kind", "page")]),
            group: "".into(),
        };
        statistics.series.insert(key, SeriesStats::Http(Box::new(stats)));
    };
    http("/a", &[(10, 90), (900, 10)], 4);
    http("/b", &[(20, 100)], 0);

    let mut insert = |key, stats| statistics.series.insert(key, stats);
    let check = SeriesKey::Check { name: "has price".into(), group: "".into() };
    insert(check, SeriesStats::Pass(PassStats { passes: 99, failures: 1 }));
    let mut trend = Histogram::new();
    trend.record_n(2_500, 4);
    insert(SeriesKey::Group { path: "buy".into() }, SeriesStats::Trend(Box::new(trend.clone())));
    for (task, iterations) in [("browse", 40), ("on_start", 5)] {
        let mut duration = Histogram::new();
        duration.record_n(30_000, iterations);
        let stats = TaskStats { iterations, failures: 2, duration };
        let key = SeriesKey::Task { user_type: "Shopper".into(), task: task.into() };
        insert(key, SeriesStats::Task(Box::new(stats)));
    }
    let custom = |name: &str, kind, tags| SeriesKey::Custom {
        name: name.into(),
        kind,
        unit: "".into(),
        tags,
    };
    insert(custom("price", Kind::Trend, tags(&[])), SeriesStats::Trend(Box::new(trend)));
    insert(custom("sold", Kind::Counter, tags(&[("shop", "x")])), SeriesStats::Counter(30.0));
    insert(custom("sold", Kind::Counter, tags(&[("shop", "y")])), SeriesStats::Counter(20.0));
    let pass = PassStats { passes: 1, failures: 3 };
    insert(custom("won", Kind::Rate, tags(&[])), SeriesStats::Pass(pass));
    let gauge = GaugeStats { last: 3.0, at: 1, min: 1.0, max: 9.0 };
    insert(custom("depth", Kind::Gauge, tags(&[])), SeriesStats::Gauge(gauge));
    insert(custom("vus", Kind::Gauge, tags(&[])), SeriesStats::Gauge(gauge));
    statistics.counters.dropped_arrivals = 7;
    statistics
}

fn tags(tags: &[(&str, &str)]) -> Tags {
    tags.iter().map(|(key, value)| (Arc::from(*key), Arc::from(*value))).collect()
}

fn check(text: &str, value: f64, passed: bool) {
    let threshold: Threshold = text.parse().unwrap();
    let verdict = threshold.evaluate(&run(), Duration::from_secs(10));
    let got = verdict.value.unwrap_or_else(|| panic!("{text}: no data"));
    assert!((got - value).abs() <= value.abs() * 0.001, "{text}: {got} instead of {value}");
    assert_eq!(verdict.passed, passed, "{text}");
}

#[test]
fn each_metric_has_its_number() {
    check("http_req_duration p(90) < 30", 20.0, true);
    check("http_req_duration p(99) < 500ms", 900.0, false);
    check("http_req_duration{name=/b} p(99) < 500ms", 20.0, true);
    check("http_req_duration{kind=page,name=/a} avg < 100", 99.0, true);
    check("http_req_duration max <= 900", 900.0, true);
    check("http_req_duration min > 10", 10.0, false);
    check("http_req_duration count == 200", 200.0, true);
    check("http_service_time max < 451", 450.0, true);
    check("http_req_waiting avg < 3", 2.0, true);
    check("http_req_dns avg < 1", 1.0, false);
    check("http_req_failed rate < 1%", 0.02, false);
    check("http_req_failed{name=/a} count < 5", 4.0, true);
    check("http_reqs rate > 19/s", 20.0, true);
    check("http_reqs{status=503} count > 5", 6.0, true);
    check("http_reqs{status=5xx,name=/a} count == 4", 4.0, true);
    check("http_reqs{status=404} count == 0", 0.0, true);
    check("data_received rate < 900", 1000.0, false);
    check("checks > 98%", 0.99, true);
    check("checks count >= 99", 99.0, true);
    check("group_duration{group=buy} med < 3ms", 2.5, true);
    check("iterations count > 39", 40.0, true);
    check("iterations{task=on_start} count == 5", 5.0, true);
    check("iteration_duration p(50) < 31", 30.0, true);
    check("iteration_failed < 5%", 0.05, false);
    check("dropped_iterations count == 0", 7.0, false);
    check("vus max < 10", 9.0, true);
}

#[test]
fn metrics_of_the_guest_have_theirs() {
    check("price p(95) < 3", 2.5, true);
    check("price avg > 2.4", 2.5, true);
    check("sold count == 50", 50.0, true);
    check("sold{shop=y} rate < 2/s", 2.0, false);
    check("won > 20%", 0.25, true);
    check("depth value >= 3", 3.0, true);
    check("depth min < 1", 1.0, false);
}

#[test]
fn no_data_never_passes() {
    for text in [
        "http_req_duration p(95) < 500ms",
        "http_req_failed rate < 1%",
        "http_reqs count == 0",
        "http_reqs{status=500} count == 0",
        "checks > 0",
        "iterations count < 5",
        "dropped_iterations count == 0",
        "data_sent count < 5",
        "http_req_waiting avg < 5",
        "group_duration max < 1",
        "vus value < 5",
        "mine avg < 5",
        "mine count != 5",
    ] {
        let threshold: Threshold = text.parse().unwrap();
        let verdict = threshold.evaluate(&Statistics::default(), Duration::from_secs(10));
        assert_eq!(verdict, Verdict { value: None, passed: false }, "{text}");
    }
}

#[test]
fn an_aggregate_that_the_kind_has_not_has_no_data() {
    for text in [
        "price rate < 5",
        "sold p(95) < 100",
        "won avg < 5",
        "depth count > 0",
        "http_req_duration{name=/c} avg < 1",
    ] {
        let threshold: Threshold = text.parse().unwrap();
        let verdict = threshold.evaluate(&run(), Duration::from_secs(10));
        assert_eq!((verdict.value, verdict.passed), (None, false), "{text}");
    }
}
