#![allow(clippy::unwrap_used, clippy::expect_used)]

use std::time::Duration;

use proptest::prelude::*;

use super::*;

fn parsed(text: &str) -> Threshold {
    text.parse().unwrap_or_else(|error| panic!("{error}"))
}

/// Reads as this aggregate and bound, and is written as `written`, which reads the same.
fn check(text: &str, aggregate: Aggregate, bound: f64, written: &str) {
    let threshold = parsed(text);
    assert_eq!((threshold.aggregate, threshold.bound), (aggregate, bound), "{text}");
    assert_eq!(threshold.to_string(), written);
    assert_eq!(parsed(written), threshold, "{written}");
}

#[test]
fn thresholds_mean_what_people_write() {
    use Aggregate::*;
    check(
        "http_req_duration{name=checkout,method=POST} p(95) < 500ms",
        Percentile(95.0),
        500.0,
        "http_req_duration{name=checkout,method=POST} p(95) < 500ms",
    );
    check("http_req_failed rate < 1%", Rate, 0.01, "http_req_failed rate < 1%");
    check("http_req_failed<0.07", Rate, 0.07, "http_req_failed rate < 7%");
    check("checks > 99%", Rate, 0.99, "checks rate > 99%");
    check("checks >= 0.9995", Rate, 0.9995, "checks rate >= 99.95%");
    check("http_reqs rate > 100/s", Rate, 100.0, "http_reqs rate > 100/s");
    check("iterations count > 10", Count, 10.0, "iterations count > 10");
    check("dropped_iterations count == 0", Count, 0.0, "dropped_iterations count == 0");
    check("my_metric avg < 3", Average, 3.0, "my_metric avg < 3");
    check("my_time p99.9 <= 1.5s", Percentile(99.9), 1500.0, "my_time p(99.9) <= 1500");
    check("http_req_waiting avg < 0.1ms", Average, 0.1, "http_req_waiting avg < 0.1ms");
    check("http_service_time med < 1m", Median, 60_000.0, "http_service_time med < 60000ms");
    check("iteration_duration max < 20", Max, 20.0, "iteration_duration max < 20ms");
    check("http_req_duration count > 5", Count, 5.0, "http_req_duration count > 5");
    check("vus value != 3", Value, 3.0, "vus value != 3");
    check("temperature value > -3.5", Value, -3.5, "temperature value > -3.5");
}

#[test]
fn tags_may_hold_any_text() {
    let threshold =
        parsed(r#"http_reqs{ name = /item/{id , group="a, \"b\" }\\" , x="" } count > 1"#);
    let tags: Vec<_> = threshold.tags.iter().map(|(k, v)| (k.as_str(), v.as_str())).collect();
    assert_eq!(tags, [("name", "/item/{id"), ("group", r#"a, "b" }\"#), ("x", "")]);
    assert_eq!(parsed(&threshold.to_string()), threshold);
}

#[test]
fn a_template_as_name_is_quoted() {
    let threshold = parsed(r#"http_req_duration{name="/item/{id}"} p(95) < 9ms"#);
    assert_eq!(threshold.tags[0].1, "/item/{id}");
    assert_eq!(threshold.to_string(), r#"http_req_duration{name="/item/{id}"} p(95) < 9ms"#);
}

#[test]
fn a_scenario_gives_its_thresholds_in_parts() {
    let parts = ThresholdText {
        metric: "http_req_duration".to_string(),
        tags: vec![("name".to_string(), "GET {x}, \"y\"".to_string())],
        condition: "p(95) < 500ms".to_string(),
        abort_after: Some(Duration::from_secs(10)),
    };
    let threshold = Threshold::try_from(&parts).unwrap();
    assert_eq!(threshold.tags, parts.tags);
    assert_eq!(threshold.abort_after, parts.abort_after);
    let parts = ThresholdText { condition: "p(95) 500ms".to_string(), ..parts };
    assert!(Threshold::try_from(&parts).unwrap_err().what.contains("a comparison is missing"));
}

#[test]
fn faults_say_where_and_what_to_do() {
    let check = |text: &str, column: usize, what: &str| {
        let error = text.parse::<Threshold>().expect_err(text);
        assert_eq!(error.column, column, "{error}");
        assert!(error.what.contains(what), "{error}");
    };
    check("", 1, "a metric is missing");
    check("http_req_duratoin p(95) < 1", 1, "did you mean `http_req_duration`?");
    check("http_foo avg < 1", 1, "there are http_req_duration, http_service_time");
    check("iteratons count > 1", 1, "did you mean `iterations`?");
    check("http_reqs{name=a count > 1", 27, "`,` or `}` is missing");
    check("http_reqs{", 10, "this `{` is not closed");
    check("http_reqs{name} count > 1", 15, "`=` is missing after tag `name`");
    check("http_reqs{name=\"a} count > 1", 16, "not closed");
    check("http_req_duration rate < 1", 19, "has no `rate`; use `p(95)`, `med`");
    check("http_req_waiting p(95) < 1", 18, "use `avg` only");
    check("http_req_duration p(101) < 1", 19, "no percentile 101");
    check("http_req_duration p(x) < 1", 21, "a number from 0 to 100");
    check("http_req_duration p(95 < 1", 24, "`)` is missing");
    check("http_req_duration average < 1", 19, "unknown aggregate `average`");
    check("http_req_duration avg 1", 23, "a comparison is missing");
    check("http_req_duration avg <", 24, "a bound is missing");
    check("http_req_duration avg < fast", 25, "`fast` is no bound");
    check("http_req_duration avg < 5%", 25, "`5%` is a share, but this is none");
    check("http_req_failed rate < 5ms", 24, "`5ms` is a time, but this is none");
    check("checks rate > 5/s", 15, "is a rate per second, but this is none");
    check("http_req_duration avg < 5 ms extra", 25, "is no bound");
    check("http_req_duration{status=500} avg < 5", 18, "`status` is for `http_reqs` only");
    check("größe avg ~ 5", 11, "a comparison is missing");
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2_000))]

    /// From pieces of thresholds, so that most get past the first few signs.
    #[test]
    fn whatever_is_read_is_written_and_read_alike(
        pieces in proptest::collection::vec(
            prop_oneof![
                Just("http_reqs"), Just("checks"), Just("mine"), Just("{"), Just("}"), Just("="),
                Just("status"), Just("\""), Just("\\"), Just(","), Just(" "), Just("\u{a0}"),
                Just("p("), Just("95"), Just(")"), Just("rate"), Just("<"), Just("=="), Just("5%"),
                Just("1e9"), Just("3ms"), Just("-"), Just("größe"),
            ],
            0..12,
        ),
    ) {
        if let Ok(threshold) = pieces.concat().parse::<Threshold>() {
            let written = threshold.to_string();
            prop_assert_eq!(written.parse::<Threshold>(), Ok(threshold), "{}", written);
        }
    }

    #[test]
    fn noise_is_refused_without_a_panic(text in any::<String>()) {
        let _ = text.parse::<Threshold>();
        let _ = crate::text::parse_duration(&text);
        let _ = crate::text::parse_rate(&text);
        let _ = crate::text::parse_stages(&text, crate::text::Target::Rate);
    }

    #[test]
    fn durations_survive_being_written(nanos: u64) {
        let duration = Duration::from_nanos(nanos);
        prop_assert_eq!(parse_duration(&crate::text::format_duration(duration)), Ok(duration));
    }
}
