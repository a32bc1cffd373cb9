//! A traced user in words.

use std::fmt::Write;
use std::time::Duration;

use loadhost_engine::load::vu::CallOutcome;
use loadhost_engine::sandbox::TracedRequest;
use loadhost_model::interval::{SeriesStats, Statistics};
use loadhost_model::metric::SeriesKey;

use crate::output::format::{bytes, millis, plain};

/// Characters of a body that are shown.
const BODY: usize = 300;

/// ```text
///   POST /login → 200 · 2.1 ms (connect 0.3, waiting 1.6) · 34 B
///     {"ok":true}
/// ```
pub(super) fn request(request: &TracedRequest) -> String {
    let mut text = String::from("  ");
    let mark = if request.outcome.is_ok() && request.verdict.is_ok() { "" } else { "✗ " };
    let _ = write!(text, "{mark}{} {} → ", request.method, address(request));
    match &request.outcome {
        Ok(status) => {
            let _ = write!(text, "{status} · {}", time(request));
            let _ = write!(text, " · {}", bytes(request.body_bytes));
        }
        Err(why) => {
            let _ = write!(text, "{why} · {}", time(request));
        }
    }
    if request.redirects > 0 {
        let _ = write!(text, " · {} redirects", request.redirects);
    }
    if let Err(why) = &request.verdict {
        let _ = write!(text, "\n    failed: {}", printable(why));
    }
    if !request.body.is_empty() {
        let _ = write!(text, "\n    {}", printable(&request.body));
    }
    text
}

/// Without these values.
pub(super) fn redacted(text: String, secrets: &[String]) -> String {
    secrets.iter().fold(text, |text, secret| text.replace(secret.as_str(), "***"))
}

/// The name of the series, and the values of its places.
fn address(request: &TracedRequest) -> String {
    if request.values.is_empty() {
        return request.name.clone();
    }
    format!(
        "{} ({})",
        request.name,
        request.values.iter().map(|value| printable(value)).collect::<Vec<_>>().join(", ")
    )
}

fn time(request: &TracedRequest) -> String {
    let ms = |time: Duration| millis(u64::try_from(time.as_micros()).unwrap_or(u64::MAX));
    let timings = &request.timings;
    let steps = [
        ("dns", timings.dns),
        ("connect", timings.connect),
        ("tls", timings.tls),
        ("sending", timings.sending),
        ("waiting", timings.waiting),
        ("receiving", timings.receiving),
    ];
    let steps: Vec<_> = steps
        .into_iter()
        .filter(|(_, time)| *time >= Duration::from_micros(1))
        .map(|(name, time)| format!("{name} {}", ms(time)))
        .collect();
    let steps = if steps.is_empty() { String::new() } else { format!(" ({})", steps.join(", ")) };
    format!("{} ms{steps}", ms(request.service_time))
}

/// One line, without what a terminal would obey.
fn printable(text: &str) -> String {
    let shown: String =
        text.chars().take(BODY).map(|c| if c.is_control() { ' ' } else { c }).collect();
    let cut = if text.chars().nth(BODY).is_some() { "…" } else { "" };
    format!("{}{cut}", shown.trim())
}

/// Checks and custom metrics, a line each.
pub(super) fn measured(statistics: &Statistics) -> String {
    let mut text = String::new();
    for (key, stats) in &statistics.series {
        match (key, stats) {
            (SeriesKey::Check { name, .. }, SeriesStats::Pass(check)) => {
                let mark = if check.failures == 0 { '✓' } else { '✗' };
                let _ = writeln!(
                    text,
                    "  {mark} check {}: {} of {}",
                    printable(name),
                    check.passes,
                    check.passes + check.failures
                );
            }
            (SeriesKey::Custom { name, unit, .. }, SeriesStats::Counter(sum)) => {
                let _ = writeln!(text, "  metric {}: +{} {unit}", printable(name), plain(*sum));
            }
            (SeriesKey::Custom { name, unit, .. }, SeriesStats::Gauge(gauge)) => {
                let _ =
                    writeln!(text, "  metric {}: {} {unit}", printable(name), plain(gauge.last));
            }
            (SeriesKey::Custom { name, unit, .. }, SeriesStats::Trend(trend)) => {
                let mean = trend.mean().unwrap_or(0.0) / loadhost_model::metric::CUSTOM_SCALE;
                let _ = writeln!(
                    text,
                    "  metric {}: {} {unit} ({} values)",
                    printable(name),
                    plain(mean),
                    trend.count()
                );
            }
            (SeriesKey::Custom { name, .. }, SeriesStats::Pass(rate)) => {
                let _ = writeln!(
                    text,
                    "  metric {}: {} of {}",
                    printable(name),
                    rate.passes,
                    rate.passes + rate.failures
                );
            }
            _ => {}
        }
    }
    for (cap, count) in &statistics.counters.capped {
        let _ = writeln!(text, "  refused by `{cap}`: {count}");
    }
    text
}

/// None: all is well.
pub(super) fn outcome(outcome: &CallOutcome) -> Option<String> {
    match outcome {
        CallOutcome::Done | CallOutcome::Finished => None,
        CallOutcome::Failed(why) => Some(format!("failed: {why}")),
        CallOutcome::StopUser(why) => Some(format!("the user stops: {why}")),
        CallOutcome::AbortRun(why) => Some(format!("the run is to end: {why}")),
        CallOutcome::Crashed(crash) => {
            Some(format!("crashed: {} [{}]{}", crash.message, crash.code, detail(&crash.detail)))
        }
        CallOutcome::Cancelled => Some("interrupted".to_string()),
    }
}

/// Frames and last lines, indented.
pub(super) fn detail(detail: &str) -> String {
    detail.lines().map(|line| format!("\n      {line}")).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn traced(outcome: Result<u16, String>) -> TracedRequest {
        TracedRequest {
            method: "POST".into(),
            name: "/login".into(),
            values: vec!["user=ada&password=hunter2".into()],
            url: None,
            outcome,
            verdict: Ok(()),
            service_time: Duration::from_micros(2_100),
            timings: loadhost_engine::http::Timings::default(),
            redirects: 1,
            headers: Vec::new(),
            body: "{\"ok\":true}\n\x1b[2J".into(),
            body_bytes: 34,
            bytes_sent: 120,
        }
    }

    #[test]
    fn a_request_in_words() {
        let text = request(&traced(Ok(200)));
        assert_eq!(
            text,
            "  POST /login (user=ada&password=hunter2) → 200 · 2.10 ms · 34 B · 1 redirects\n    {\"ok\":true}  [2J"
        );
        assert!(!redacted(text, &["hunter2".to_string()]).contains("hunter2"));
    }

    #[test]
    fn a_request_that_failed_is_marked() {
        assert!(request(&traced(Err("connection refused".into()))).starts_with("  ✗ POST /login"));
        let mut wrong = traced(Ok(500));
        wrong.verdict = Err("status 500".into());
        assert!(request(&wrong).contains("\n    failed: status 500"));
    }
}
