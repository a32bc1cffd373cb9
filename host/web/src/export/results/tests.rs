//! Results as others read them.
#![allow(clippy::unwrap_used)]

use super::*;
use crate::export::fixture;
use serde_json::Value;

fn results() -> Value {
    serde_json::from_str(&fixture::results().to_json().unwrap()).unwrap()
}

#[test]
fn totals_and_series_are_there_with_exact_distributions() {
    let json = results();
    assert_eq!((json["requests"].as_u64(), json["failures"].as_u64()), (Some(55_800), Some(12)));
    assert_eq!(json["module"].as_str().map(str::len), Some(64));
    assert_eq!(json["saturated"], true);
    let login = &json["series"][2];
    assert_eq!((login["method"].as_str(), login["name"].as_str()), (Some("POST"), Some("/login")));
    let histogram = decode(login["response_time"]["histogram"].as_str().unwrap()).unwrap();
    let p95 = histogram.quantile(0.95).unwrap() as f64 / 1e3;
    assert_eq!(login["response_time"]["p95"].as_f64(), Some(p95));
    assert_eq!(json["params"]["password"], "***");
}

#[test]
fn what_was_written_is_read_back() {
    let results = fixture::results();
    let read = Results::from_json(results.to_json().unwrap().as_bytes()).unwrap();
    assert_eq!(read, results);
    let so_far = Results::so_far(&fixture::view(), &[], &[]);
    assert_eq!(Results::from_json(so_far.to_json().unwrap().as_bytes()).unwrap(), so_far);
}

/// What the first release of the layout did not have.
#[test]
fn files_of_the_first_release_are_read() {
    let mut json = results();
    let fields = json.as_object_mut().unwrap();
    let later = [
        "load",
        "command",
        "versions",
        "started_unix_micros",
        "counted_from_seconds",
        "generator",
        "losses",
        "collection",
        "groups",
        "shared",
        "errors_omitted",
    ];
    later.iter().for_each(|field| assert!(fields.shift_remove(*field).is_some(), "{field}"));
    fields["history"][0] = serde_json::json!({
        "at": 0.0, "users": 1, "rps": 1.0, "fps": 0.0, "response_p50": 1.0, "response_p95": 1.0,
        "response_p99": 1.0, "service_p99": null, "dropped": 0, "cpu": 0.1, "counted": true, "saturated": false,
    });
    fields["total"].as_object_mut().unwrap().shift_remove("fps");
    let read = Results::from_json(json.to_string().as_bytes()).unwrap();
    assert_eq!((read.requests, read.history[0].span), (55_800, 1.0));
}

#[test]
fn other_files_are_no_results() {
    let refused = |text: &str| Results::from_json(text.as_bytes()).unwrap_err().to_string();
    assert!(refused("{}").contains("no results"));
    assert!(refused("{\"version\": 1}").contains("no results"));
    assert!(refused("{\"version\": 2, \"other\": {}}").contains("version 2"));
}

/// Each field at the top, of a series and of a second is explained.
#[test]
fn the_page_explains_each_field() {
    let page = std::fs::read_to_string("../../docs/output-json.md").unwrap();
    let json = results();
    let series = &json["series"][0];
    let objects = [
        &json,
        series,
        &series["response_time"],
        &json["history"][0],
        &json["generator"],
        &json["losses"][0],
        &json["groups"][0],
    ];
    for name in objects.iter().flat_map(|object| object.as_object().unwrap().keys()) {
        assert!(page.contains(&format!("`{name}`")), "{name} is missing");
    }
}
