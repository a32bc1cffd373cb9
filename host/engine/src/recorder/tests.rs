#![allow(clippy::unwrap_used)]
use loadhost_model::interval::{Origin, SeriesStats};
use loadhost_model::metric::{Kind, OTHER};
use loadhost_model::plan::Limits;
use tokio::time::Instant;

use super::*;

fn recorder(limits: &Limits) -> Recorder {
    Recorder::new(RunClock::starting_at(Instant::now()), Arc::new(Names::new(limits)))
}

fn http(name: &str) -> SeriesKey {
    SeriesKey::Http {
        method: "GET".into(),
        name: name.into(),
        tags: Arc::default(),
        group: "".into(),
    }
}

fn custom(name: &str, kind: Kind) -> SeriesKey {
    SeriesKey::Custom { name: name.into(), kind, unit: "".into(), tags: Arc::default() }
}

#[test]
fn a_drain_takes_everything_and_leaves_nothing() {
    let recorder = recorder(&Limits::default());
    let id = recorder.series(&http("/"));
    for status in [200, 200, 503] {
        recorder.http(
            id,
            &HttpSample {
                response_time_us: 500,
                service_time_us: 300,
                status,
                failed: status == 503,
                ..HttpSample::default()
            },
        );
    }
    let first = recorder.drain();
    let SeriesStats::Http(stats) = &first.series[&http("/")] else { panic!("{first:?}") };
    assert_eq!((stats.requests, stats.failures), (3, 1));
    assert_eq!(stats.statuses, BTreeMap::from([(200, 2), (503, 1)]));
    assert_eq!(stats.response_time.max(), Some(500));
    assert_eq!(stats.service_time.max(), Some(300));
    assert_eq!(recorder.drain(), Statistics::default());
}

#[test]
fn shards_share_numbers_but_not_samples() {
    let names = Arc::new(Names::new(&Limits::default()));
    let clock = RunClock::starting_at(Instant::now());
    let [one, two] = [(); 2].map(|()| Recorder::new(clock, Arc::clone(&names)));
    one.series(&http("/a"));
    assert_eq!(one.series(&http("/b")), two.series(&http("/b")));
    two.http(two.series(&http("/b")), &HttpSample::default());
    assert!(one.drain().series.is_empty());
    assert_eq!(two.drain().series.len(), 1);
}

#[test]
fn names_beyond_the_cap_count_as_other() {
    let recorder = recorder(&Limits { names: 2, ..Limits::default() });
    for n in 0..100_000 {
        recorder.http(recorder.series(&http(&format!("/item/{n}"))), &HttpSample::default());
    }
    let drained = recorder.drain();
    assert_eq!(drained.series.len(), 3);
    let other = drained.series.iter().find_map(|(key, stats)| match (key, stats) {
        (SeriesKey::Http { name, .. }, SeriesStats::Http(stats)) if &**name == OTHER => Some(stats),
        _ => None,
    });
    assert_eq!(other.unwrap().requests, 99_998);
    assert_eq!(drained.counters.capped["names"], 99_998);
}

#[test]
fn errors_beyond_the_cap_count_as_other() {
    let recorder = recorder(&Limits { errors: 3, ..Limits::default() });
    let origin = Origin::Task { user_type: "Shopper".into(), task: "buy".into() };
    for n in 0..10 {
        let message: Arc<str> = format!("order {n}").into();
        let key = ErrorKey { origin: origin.clone(), code: "guest-failed".into(), message };
        recorder.error(&key, || "detail".into());
        recorder.error(&key, || panic!("the first detail is enough"));
    }
    let drained = recorder.drain();
    assert_eq!(drained.errors.len(), 4);
    assert_eq!(drained.errors.values().map(|stats| stats.count).sum::<u64>(), 20);
    assert_eq!(drained.counters.capped["errors"], 14);
}

#[test]
fn checks_are_told_apart_by_name_and_group() {
    let recorder = recorder(&Limits::default());
    let [none, cart]: [Arc<str>; 2] = ["".into(), "cart".into()];
    for (group, passed) in [(&none, true), (&cart, true), (&cart, false)] {
        recorder.check("has price", group, passed);
    }
    let drained = recorder.drain();
    let in_cart = SeriesKey::Check { name: "has price".into(), group: cart };
    let SeriesStats::Pass(stats) = drained.series[&in_cart] else { panic!("{drained:?}") };
    assert_eq!((stats.passes, stats.failures), (1, 1));
    assert_eq!(drained.series.len(), 2);
}

#[test]
fn custom_metrics_do_what_their_kind_says() {
    let recorder = recorder(&Limits::default());
    let add = |kind, values: &[f64]| {
        let key = custom(&format!("{kind:?}"), kind);
        let id = recorder.series(&key);
        values.iter().for_each(|value| recorder.custom(id, *value));
        key
    };
    let counter = add(Kind::Counter, &[1.0, 2.5, f64::NAN]);
    let gauge = add(Kind::Gauge, &[3.0, 9.0, -1.0]);
    let rate = add(Kind::Rate, &[0.0, 1.0, 7.0]);
    let trend = add(Kind::Trend, &[0.5, -3.0, f64::INFINITY]);
    let drained = recorder.drain();
    assert_eq!(drained.series[&counter], SeriesStats::Counter(3.5));
    let SeriesStats::Gauge(seen) = drained.series[&gauge] else { panic!() };
    assert_eq!((seen.last, seen.min, seen.max), (-1.0, -1.0, 9.0));
    let SeriesStats::Pass(seen) = drained.series[&rate] else { panic!() };
    assert_eq!((seen.passes, seen.failures), (2, 1));
    let SeriesStats::Trend(seen) = &drained.series[&trend] else { panic!() };
    assert_eq!((seen.count(), seen.max()), (1, Some(500)));
    assert_eq!(drained.counters.capped["metric_value"], 3);
}
