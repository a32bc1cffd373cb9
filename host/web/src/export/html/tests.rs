//! The report as a file. How it looks and works in a browser is `tests/browser`'s.
#![allow(clippy::unwrap_used)]

use std::time::Duration;

use loadhost_control::report::EndReason;
use loadhost_control::view::{ErrorRow, Note, NoteKind};
use loadhost_model::interval::Origin;

use super::*;
use crate::export::fixture;
use crate::export::results::{Second, Series};

fn report(results: &Results) -> String {
    html(results, &HtmlOptions::default())
}

/// Everything before the data and the scripts.
fn markup(text: &str) -> &str {
    text.split("<script").next().unwrap()
}

/// What a guest or a target may call things.
const HOSTILE: &str = "</script><img src=x onerror=alert(1)>\"'`&\u{202e}evil\u{0}\u{1b}[31m<!--";

fn an_hour(names: usize) -> Results {
    let mut results = fixture::results();
    let series = results.series[0].clone();
    let name =
        |i: usize| Series { name: format!("/a/path/of/some/length/{i}/{{id}}"), ..series.clone() };
    results.series = (0..names).map(name).collect();
    let second = |at: u32| {
        let jitter = f64::from(at * 7_919 % 1_000) / 7.0;
        Second {
            at: at.into(),
            span: 1.0,
            users: 1_000 + at % 7,
            users_wanted: Some(1_000),
            rate_wanted: Some(1_234.567),
            rps: 1_000.0 + jitter,
            fps: jitter / 10.0,
            response_p50: Some(10.0 + jitter),
            response_p95: Some(20.0 + jitter),
            response_p99: Some(40.0 + jitter),
            service_p50: Some(9.0 + jitter),
            service_p95: Some(19.0 + jitter),
            service_p99: Some(39.0 + jitter),
            dropped: u64::from(at % 5),
            cpu: 0.123_456 + jitter / 1e3,
            counted: at > 10,
            ..Second::default()
        }
    };
    results.history = (0..3_600).map(second).collect();
    results
}

#[test]
fn an_hour_with_fifty_names_stays_below_300_kb() {
    let text = report(&an_hour(50));
    assert!(text.len() <= 300_000, "{} bytes", text.len());
    let mut most = an_hour(10_000);
    let error = &most.errors[1];
    let detail = "a frame of a guest that is rather long\n".repeat(1_000).into();
    let error = ErrorRow { message: "why ".repeat(1_000).into(), detail, ..error.clone() };
    most.errors = vec![error; 200];
    let most = report(&most);
    assert!(most.len() <= 400_000, "{} bytes", most.len());
    assert!(markup(&most).contains("The 150 most used of 10,000 names are shown"));
    assert!(markup(&most).contains("160 more kinds of errors are not shown"));
}

#[test]
fn names_are_shown_and_never_obeyed() {
    let mut results = fixture::results();
    results.scenario = HOSTILE.into();
    results.target = Some(HOSTILE.into());
    results.params = [(HOSTILE.to_string(), HOSTILE.to_string())].into();
    results.command = Some(HOSTILE.into());
    results.series[0].name = HOSTILE.into();
    results.saturated_reason = Some(HOSTILE.into());
    results.ended = Some(EndReason::AbortedByScenario { message: HOSTILE.into() });
    results.notes =
        vec![Note { at: Some(Duration::ZERO), kind: NoteKind::Info, message: HOSTILE.into() }];
    results.errors = vec![ErrorRow {
        origin: Origin::Task { user_type: HOSTILE.into(), task: HOSTILE.into() },
        code: HOSTILE.into(),
        message: HOSTILE.into(),
        count: 1,
        first: Duration::ZERO,
        last: Duration::ZERO,
        detail: HOSTILE.into(),
    }];
    results.thresholds[0].text = HOSTILE.into();
    results.thresholds[0].broken_since = Some(Duration::ZERO);
    results.checks[0].name = HOSTILE.into();
    results.losses[0].worker = HOSTILE.into();
    let text = report(&results);
    assert!(!text.contains("<img"), "markup of others");
    assert_eq!(text.matches("</script>").count(), 2, "of ours: data and script");
    assert_eq!(text.matches("<!--").count(), 0);
    assert!(!text.contains(['\u{202e}', '\u{0}', '\u{1b}']), "control characters");
    assert!(markup(&text).contains("⟨U+202E⟩evil␀␛[31m"), "they are shown");
    let quoted = markup(&text).matches("data-v=\"").count();
    assert!(quoted > 0 && !markup(&text).contains("data-v=\"[\"\""), "attributes stay closed");
}

#[test]
fn its_policy_admits_its_own_script_and_style_and_nothing_else() {
    let text = report(&fixture::results());
    let of = |begin: &str, end: &str| {
        let from = text.rfind(begin).unwrap() + begin.len();
        let hash = Sha256::digest(&text.as_bytes()[from..from + text[from..].find(end).unwrap()]);
        format!("'sha256-{}'", STANDARD.encode(hash))
    };
    assert!(POLICY.contains(&format!("script-src {}", of("<script>", "</script>"))));
    assert!(POLICY.contains(&format!("style-src {}", of("<style>", "</style>"))));
    assert!(!text.contains(" style=") && !text.contains("unsafe-inline"));
    for outside in ["src=\"http", "href=\"http", "url(http", "@import", "fetch(", "import("] {
        assert!(!text.contains(outside), "{outside}");
    }
}

#[test]
fn all_that_a_run_was_stands_in_it() {
    let text = report(&fixture::results().with_command("loadhost run --users 5"));
    let markup = markup(&text);
    for part in [
        "Failed",
        "2 of 3 thresholds do not hold.",
        "The generator was too busy",
        "checkout",
        "1.2.0",
        &"ab".repeat(32),
        "http://127.0.0.1:8000",
        "***",
        ">42<",
        "loadhost run --users 5",
        "http_req_failed rate &lt; 0.01%",
        "/item/{id}",
        "Service time, ms",
        "status 500",
        "checkout::Shopper::buy at src/lib.rs:31:9",
        "total is right",
        ">cart<",
        "orders{country=de}",
        "Share wanted",
        "w-3",
        "1,200",
        "was lost at 00:09",
        "00:20</span> <bdi>1.2.0",
        "CPU at most",
    ] {
        let part =
            if part == "The generator was too busy" { "The generator was too busy" } else { part };
        assert!(markup.contains(part), "{part} is missing");
    }
}

#[test]
fn each_word_is_in_the_table() {
    let text = report(&fixture::results());
    let marked = text.split("data-t=\"").skip(1).filter_map(|rest| rest.split('"').next());
    assert!(marked.clone().count() > 60);
    for key in marked {
        assert!(words::known(key), "{key}");
    }
    for key in
        include_str!("report.js").split("say('").skip(1).filter_map(|rest| rest.split('\'').next())
    {
        assert!(words::known(key), "{key} of the script");
    }
}

#[test]
fn it_opens_in_the_language_and_colours_that_are_asked_for() {
    let options = HtmlOptions { theme: Theme::Dark, language: Language::Chinese };
    let text = html(&fixture::results(), &options);
    assert!(text.starts_with("<!doctype html>\n<html lang=\"zh-Hans\" data-theme=\"dark\">"));
    assert!(markup(&text).contains("负载测试报告"));
}
