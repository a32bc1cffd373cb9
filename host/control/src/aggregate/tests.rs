#![allow(clippy::unwrap_used)]

use std::sync::Arc;

use loadhost_model::interval::{ErrorKey, ErrorStats, Origin, PassStats, TaskStats};
use loadhost_model::metric::CUSTOM_SCALE;
use proptest::prelude::*;

use super::*;
use crate::report::EndReason;
use crate::testing::{description, interval, plan, secs, worker};
use crate::view::{MAX_ROWS, MetricValue, RunState};

fn aggregate() -> Aggregate {
    Aggregate::new(&plan(60), &description())
}

/// The numbers as a view shows them.
fn shown(aggregate: &Aggregate) -> RunView {
    let mut view = blank();
    aggregate.show(&mut view);
    view
}

fn blank() -> RunView {
    serde_json::from_value(serde_json::json!({
        "run": "run-1", "scenario": "s", "scenario_version": null, "module": "07".repeat(32), "target": null,
        "params": {}, "seed": 1, "state": RunState::Running, "phase": "", "started": null,
        "elapsed": secs(0), "length": null, "remaining": null, "workers": 1, "workers_lost": 0, "users": 0,
        "users_by_type": {}, "users_wanted": null, "rate_wanted": null, "counted_from": secs(0),
        "counted": secs(0), "load_time": secs(0), "total": crate::view::HttpRow::default(), "window": crate::view::Window::default(),
        "rows": [], "rows_omitted": 0, "tasks": [], "checks": [], "groups": [], "metrics": [], "errors": [],
        "errors_omitted": 0, "thresholds": [], "counters": loadhost_model::interval::Counters::default(),
        "collection": crate::view::Collection::default(), "generator": crate::view::GeneratorView::default(),
        "history": [], "notes": [], "ended": Option::<EndReason>::None,
    }))
    .unwrap()
}

/// Intervals of three workers, five seconds each, over two names.
fn intervals() -> Vec<Interval> {
    let mut all = Vec::new();
    for (w, name) in ["a", "b", "c"].iter().enumerate() {
        for seq in 1..=5 {
            let base = 1000 * (w as u64 + 1) + 37 * seq;
            let mut interval =
                interval(&worker(name), seq, &[("/", &[base, base * 2]), ("/buy", &[base * 3; 5])]);
            let task =
                TaskStats { iterations: 2 + seq, failures: w as u64, ..TaskStats::default() };
            let key = SeriesKey::Task { user_type: "Shopper".into(), task: "browse".into() };
            interval.statistics.series.insert(key, SeriesStats::Task(Box::new(task)));
            interval.statistics.counters.dropped_arrivals = seq;
            all.push(interval);
        }
    }
    all
}

proptest! {
    #[test]
    fn any_order_and_any_repetition_gives_the_same_picture(
        order in Just((0..15usize).collect::<Vec<_>>()).prop_shuffle(),
        again in proptest::collection::vec(0..15usize, 0..30),
    ) {
        let all = intervals();
        let (mut plain, mut shuffled) = (aggregate(), aggregate());
        let plan = plan(60);
        for interval in &all {
            plain.take(interval.clone(), &plan);
        }
        for index in order.iter().chain(&again) {
            shuffled.take(all[*index].clone(), &plan);
        }
        for aggregate in [&mut plain, &mut shuffled] {
            aggregate.close();
        }
        let (mut expected, mut got) = (shown(&plain), shown(&shuffled));
        prop_assert_eq!(got.collection.duplicates, again.len() as u64);
        (expected.collection, got.collection) = (Collection::default(), Collection::default());
        prop_assert_eq!(expected, got);
        prop_assert_eq!(plain.take_totals(), shuffled.take_totals());
        prop_assert_eq!(plain.history(), shuffled.history());
    }
}

#[test]
fn rows_of_several_workers_are_merged_and_add_up() {
    let mut aggregate = aggregate();
    for interval in intervals() {
        aggregate.take(interval, &plan(60));
    }
    aggregate.close();
    let view = shown(&aggregate);
    let names: Vec<(&str, u64)> = view.rows.iter().map(|row| (&*row.name, row.requests)).collect();
    assert_eq!(names, [("/", 30), ("/buy", 75)]);
    assert_eq!((view.total.requests, view.total.rps), (105, 21.0));
    assert_eq!(view.total.response_time.unwrap().max, 3 * (3000 + 37 * 5));
    assert_eq!(view.rows[1].current_rps, 15.0);
    assert_eq!(view.users, 15);
    assert_eq!((view.tasks[0].iterations, view.tasks[0].share_wanted), (75, Some(0.75)));
    assert_eq!(view.window.dropped, 9.0);
}

#[test]
fn a_second_is_shown_when_all_have_spoken_or_one_is_too_far_behind() {
    let (a, b) = (worker("a"), worker("b"));
    let mut aggregate = aggregate();
    let plan = plan(60);
    let through = |aggregate: &mut Aggregate, live: &[&WorkerId]| {
        aggregate.complete(live.iter().copied(), Duration::ZERO, &plan);
        aggregate.history().len()
    };
    aggregate.take(interval(&a, 1, &[]), &plan);
    assert_eq!(through(&mut aggregate, &[&a, &b]), 0, "b has not spoken");
    aggregate.take(interval(&b, 1, &[]), &plan);
    assert_eq!(through(&mut aggregate, &[&a, &b]), 1);
    for seq in 2..=6 {
        aggregate.take(interval(&a, seq, &[]), &plan);
    }
    assert_eq!(through(&mut aggregate, &[&a, &b]), 3, "three seconds of patience");
    assert_eq!(through(&mut aggregate, &[&a]), 6, "b is lost");
}

#[test]
fn ten_thousand_names_are_a_thousand_rows_and_a_rest() {
    let mut aggregate = aggregate();
    let mut interval = interval(&worker("a"), 1, &[]);
    for n in 0..10_000u32 {
        let times: &[u64] = if n < 500 { &[1000, 2000, 3000] } else { &[1000] };
        interval.statistics.series.insert(
            crate::testing::http_key(&format!("/item/{n:05}")),
            crate::testing::http(times),
        );
    }
    aggregate.take(interval, &plan(60));
    aggregate.close();
    let view = shown(&aggregate);
    assert_eq!((view.rows.len(), view.rows_omitted), (MAX_ROWS + 1, 9_000));
    assert_eq!(view.rows[499].requests, 3, "the most used are there");
    let other = view.rows.last().unwrap();
    assert_eq!((&*other.name, other.requests, other.response_time), ("other", 9_000, None));
    assert_eq!(view.rows.iter().map(|row| row.requests).sum::<u64>(), view.total.requests);
}

#[test]
fn series_of_one_name_with_several_tags_are_one_row() {
    let mut aggregate = aggregate();
    let mut interval = interval(&worker("a"), 1, &[]);
    for (tag, times) in [("red", [1000, 1000]), ("blue", [4000, 4000])] {
        let key = SeriesKey::Http {
            method: "GET".into(),
            name: "/".into(),
            tags: Arc::from([("colour".into(), tag.into())]),
            group: "".into(),
        };
        interval.statistics.series.insert(key, crate::testing::http(&times));
    }
    aggregate.take(interval, &plan(60));
    let view = shown(&aggregate);
    assert_eq!(view.rows.len(), 1);
    let times = view.rows[0].response_time.unwrap();
    assert_eq!((times.count, times.min, times.max), (4, 1000, 4000));
}

#[test]
fn checks_metrics_groups_and_errors_have_their_rows() {
    let mut aggregate = aggregate();
    let mut interval = interval(&worker("a"), 1, &[]);
    let custom = |name: &str, kind| SeriesKey::Custom {
        name: name.into(),
        kind,
        unit: "".into(),
        tags: [].into(),
    };
    let mut trend = loadhost_model::histogram::Histogram::new();
    trend.record((0.5 * CUSTOM_SCALE) as u64);
    let series = &mut interval.statistics.series;
    series.insert(custom("cart", Kind::Trend), SeriesStats::Trend(Box::new(trend)));
    series.insert(custom("sold", Kind::Counter), SeriesStats::Counter(3.0));
    series.insert(
        SeriesKey::Check { name: "has total".into(), group: "".into() },
        SeriesStats::Pass(PassStats { passes: 9, failures: 1 }),
    );
    for (code, count) in [("timeout", 1), ("http-status", 5)] {
        let origin = Origin::Request { method: "GET".into(), name: "/".into() };
        let key = ErrorKey { origin, code: code.into(), message: "m".into() };
        let stats = ErrorStats { count, first: 1_000_000, last: 2_000_000, detail: "".into() };
        interval.statistics.errors.insert(key, stats);
    }
    aggregate.take(interval, &plan(60));
    let view = shown(&aggregate);
    assert_eq!((view.checks[0].passes, view.checks[0].failures), (9, 1));
    let values: Vec<MetricValue> = view.metrics.iter().map(|metric| metric.value).collect();
    assert!(values.contains(&MetricValue::Counter { sum: 3.0, rate: 3.0 }), "{values:?}");
    assert!(
        values.iter().any(|value| matches!(value, MetricValue::Trend { max: 0.5, .. })),
        "{values:?}"
    );
    let errors: Vec<(&str, u64)> =
        view.errors.iter().map(|error| (&*error.code, error.count)).collect();
    assert_eq!(errors, [("http-status", 5), ("timeout", 1)], "most frequent first");
    assert_eq!(view.errors[0].first, secs(1));
}

#[test]
fn a_threshold_over_all_requests_is_judged_by_their_sum() {
    let mut plan = plan(60);
    plan.thresholds = [
        "http_req_duration max < 5s",
        "http_req_duration{name=/buy} max < 5s",
        "http_reqs count > 104",
    ]
    .map(|text| text.parse().unwrap())
    .to_vec();
    let mut aggregate = Aggregate::new(&plan, &description());
    for interval in intervals() {
        aggregate.take(interval, &plan);
    }
    aggregate.judge(secs(5));
    let values: Vec<Option<f64>> =
        aggregate.thresholds().iter().map(|threshold| threshold.value).collect();
    assert_eq!(values, [Some(9.555), Some(9.555), Some(105.0)]);
}

#[test]
fn numbers_without_content_close_gaps_and_change_nothing_else() {
    let a = worker("a");
    let (mut aggregate, plan) = (aggregate(), plan(60));
    aggregate.take(interval(&a, 1, &[("/", &[1000])]), &plan);
    for seq in 2..=4 {
        let blank = Interval {
            begin: secs(1),
            end: secs(1),
            users: BTreeMap::new(),
            ..interval(&a, seq, &[])
        };
        aggregate.take(blank, &plan);
    }
    assert_eq!(aggregate.users(), 5, "its users are as they were");
    let joined = Interval { begin: secs(1), ..interval(&a, 5, &[("/", &[1000; 8])]) };
    aggregate.take(joined, &plan);
    aggregate.close();
    assert_eq!((shown(&aggregate).total.requests, aggregate.collection().missing), (9, 0));
    let requests: Vec<u64> = aggregate.history().iter().map(|point| point.requests).collect();
    assert_eq!(requests, [1, 2, 2, 2, 2]);
}

/// Ten requests and ten iterations in each of `seconds`, the last of which ends after `last`.
fn steady(aggregate: &mut Aggregate, plan: &RunPlan, seconds: u64, last: Duration) {
    for seq in 1..=seconds {
        let mut interval = interval(&worker("a"), seq, &[("/", &[1000; 10])]);
        let task = TaskStats { iterations: 10, ..TaskStats::default() };
        let key = SeriesKey::Task { user_type: "Shopper".into(), task: "browse".into() };
        interval.statistics.series.insert(key, SeriesStats::Task(Box::new(task)));
        let key = SeriesKey::Custom {
            name: "sold".into(),
            kind: Kind::Counter,
            unit: "".into(),
            tags: [].into(),
        };
        interval.statistics.series.insert(key, SeriesStats::Counter(10.0));
        if seq == seconds {
            (interval.end, interval.last) = (interval.begin + last, true);
        }
        aggregate.take(interval, plan);
    }
    aggregate.close();
}

/// All rates, which are ten per second.
fn assert_ten_per_second(aggregate: &Aggregate) {
    let view = shown(aggregate);
    let fps = (view.total.fps, view.rows[0].fps);
    assert_eq!((view.total.rps, view.rows[0].rps, fps), (10.0, 10.0, (2.0, 2.0)));
    assert_eq!(view.tasks[0].rate, 10.0);
    let MetricValue::Counter { rate, .. } = view.metrics[0].value else { panic!("{view:?}") };
    assert_eq!(rate, 10.0);
}

#[test]
fn a_long_graceful_tail_neither_lowers_nor_raises_rates() {
    let mut plan = plan(3);
    plan.thresholds =
        ["http_reqs rate > 1", "http_reqs count > 1", "sold rate > 1", "http_req_failed rate < 1"]
            .map(|text| text.parse().unwrap())
            .to_vec();
    let mut aggregate = Aggregate::new(&plan, &description());
    steady(&mut aggregate, &plan, 5, Duration::from_millis(500));
    aggregate.end_load(secs(3));
    let view = shown(&aggregate);
    assert_eq!((view.total.requests, view.counted), (50, Duration::from_millis(4_500)));
    assert_eq!(view.load_time, secs(3));
    assert_ten_per_second(&aggregate);
    aggregate.judge(secs(5));
    let values: Vec<Option<f64>> =
        aggregate.thresholds().iter().map(|threshold| threshold.value).collect();
    assert_eq!(values, [Some(10.0), Some(50.0), Some(10.0), Some(0.2)]);
    let (all, after) = aggregate.take_totals();
    assert_eq!((all.total().requests, after.total().requests), (50, 20));
}

#[test]
fn a_run_stopped_within_a_second_has_rates_over_the_whole_seconds_before() {
    let (mut aggregate, plan) = (aggregate(), plan(60));
    aggregate.end_load(Duration::from_millis(2_900)); // said while the third second is measured
    steady(&mut aggregate, &plan, 3, Duration::from_millis(950));
    assert_eq!(shown(&aggregate).load_time, secs(2));
    assert_ten_per_second(&aggregate);
}

#[test]
fn rates_of_a_run_that_nothing_outlasts_are_over_all_of_its_time() {
    let (mut aggregate, plan) = (aggregate(), plan(60));
    steady(&mut aggregate, &plan, 3, Duration::from_millis(500));
    aggregate.end_load(Duration::from_millis(2_600)); // seen a little later
    let view = shown(&aggregate);
    assert_eq!((view.load_time, view.total.rps), (Duration::from_millis(2_500), 12.0));
}

#[test]
fn a_run_of_less_than_a_second_has_a_rate_as_well() {
    let (mut aggregate, plan) = (aggregate(), plan(60));
    aggregate.end_load(Duration::from_millis(400));
    steady(&mut aggregate, &plan, 1, Duration::from_millis(500));
    assert_eq!(shown(&aggregate).total.rps, 20.0);
}

#[test]
fn the_first_second_has_a_current_rate() {
    let (mut aggregate, plan) = (aggregate(), plan(60));
    let a = worker("a");
    aggregate.take(interval(&a, 1, &[("/", &[1000; 8])]), &plan);
    aggregate.complete([&a].into_iter(), Duration::ZERO, &plan);
    let view = shown(&aggregate);
    assert_eq!((view.rows[0].current_rps, view.rows[0].current_fps), (8.0, 2.0));
    assert_eq!((view.total.current_rps, view.window.rps), (8.0, 8.0));
}

#[test]
fn current_times_of_a_name_are_those_of_the_window_and_not_of_the_run() {
    let (mut aggregate, plan) = (aggregate(), plan(60));
    let a = worker("a");
    for seq in 1..=30 {
        let time = if seq <= 20 { 900_000 } else { 1_000 };
        aggregate.take(interval(&a, seq, &[("/", &[time; 8]), ("/buy", &[time])]), &plan);
        aggregate.complete([&a].into_iter(), Duration::ZERO, &plan);
    }
    let view = shown(&aggregate);
    let max = |times: Option<crate::view::Times>| times.map(|times| (times.count, times.max));
    assert_eq!(max(view.rows[0].current_response_time), Some((80, 1_000)));
    assert_eq!(max(view.rows[0].current_service_time), Some((80, 500)));
    assert_eq!(max(view.rows[0].response_time), Some((240, 900_000)), "of the whole run");
    assert_eq!(max(view.total.current_response_time), Some((90, 1_000)), "all names");
    assert_eq!(view.total.current_response_time, view.window.response_time);
}
