//! The tables of requests and iterations.

use std::fmt::Write;

use loadhost_control::view::{HttpRow, RunView, Times};

use super::super::format::{bytes, fit, grouped, millis, percent, rate};
use super::line;

/// Rows shown; the rest is in the other outputs.
const MAX_ROWS: usize = 60;
/// Of method and name.
const NAME: usize = 30;

/// Each name, and all together.
pub(super) fn requests(text: &mut String, view: &RunView) {
    if view.total.requests == 0 {
        line!(text, "no request was made\n");
        return;
    }
    line!(
        text,
        "{:NAME$} {:>9} {:>8} {:>7} {:>27} {:>14}",
        "",
        "",
        "",
        "",
        "response time, ms",
        "service, ms"
    );
    line!(
        text,
        "{:NAME$} {:>9} {:>8} {:>7} {:>6} {:>6} {:>6} {:>6} {:>7} {:>6}",
        "requests",
        "count",
        "failed",
        "/s",
        "p50",
        "p95",
        "p99",
        "max",
        "p50",
        "p99"
    );
    let mut rows: Vec<_> = view.rows.iter().collect();
    rows.sort_by(|a, b| (&a.name, &a.method).cmp(&(&b.name, &b.method)));
    for row in rows.iter().take(MAX_ROWS) {
        request(text, row, &fit(&format!("{} {}", row.method, row.name), NAME));
    }
    let more = rows.len().saturating_sub(MAX_ROWS);
    if more > 0 {
        line!(text, "  and {more} more names: see --json or --csv");
    }
    if rows.len() > 1 {
        request(text, &view.total, "all together");
    }
    let HttpRow { bytes_sent, bytes_received, steps, .. } = &view.total;
    line!(
        text,
        "{:NAME$} {} sent · {} received · {} connections\n",
        "",
        bytes(*bytes_sent),
        bytes(*bytes_received),
        grouped(steps.connections)
    );
}

fn request(text: &mut String, row: &HttpRow, name: &str) {
    let of = |times: &Option<Times>, pick: fn(&Times) -> u64| {
        times.as_ref().map_or_else(|| "-".to_string(), |times| millis(pick(times)))
    };
    let (response, service) = (&row.response_time, &row.service_time);
    line!(
        text,
        "{name:NAME$} {:>9} {:>8} {:>7} {:>6} {:>6} {:>6} {:>6} {:>7} {:>6}",
        grouped(row.requests),
        percent(row.failure_ratio()),
        rate(row.rps),
        of(response, |times| times.p50),
        of(response, |times| times.p95),
        of(response, |times| times.p99),
        of(response, |times| times.max),
        of(service, |times| times.p50),
        of(service, |times| times.p99),
    );
}

/// Each task, and what kept iterations from being made.
pub(super) fn iterations(text: &mut String, view: &RunView) {
    if !view.tasks.is_empty() {
        line!(
            text,
            "{:NAME$} {:>9} {:>8} {:>7} {:>6} {:>6} {:>6} {:>6}",
            "iterations",
            "count",
            "failed",
            "/s",
            "p50",
            "p95",
            "p99",
            "max"
        );
    }
    for task in view.tasks.iter().take(MAX_ROWS) {
        let name = fit(&format!("{}.{}", task.user_type, task.task), NAME);
        let of = |pick: fn(&Times) -> u64| {
            task.duration.as_ref().map_or_else(|| "-".to_string(), |times| millis(pick(times)))
        };
        line!(
            text,
            "{name:NAME$} {:>9} {:>8} {:>7} {:>6} {:>6} {:>6} {:>6}",
            grouped(task.iterations),
            percent(task.failures as f64 / task.iterations.max(1) as f64),
            rate(task.rate),
            of(|times| times.p50),
            of(|times| times.p95),
            of(|times| times.p99),
            of(|times| times.max),
        );
    }
    let counters = &view.counters;
    let mut kept = Vec::new();
    if counters.dropped_arrivals > 0 {
        kept.push(format!(
            "{} of {} arrivals dropped",
            grouped(counters.dropped_arrivals),
            grouped(counters.arrivals)
        ));
    }
    if counters.interrupted > 0 {
        kept.push(format!("{} interrupted by the end", grouped(counters.interrupted)));
    }
    if counters.crashed_users > 0 {
        kept.push(format!("{} users crashed", grouped(counters.crashed_users)));
    }
    kept.extend(
        counters
            .capped
            .iter()
            .map(|(cap, count)| format!("{} refused by `{cap}`", grouped(*count))),
    );
    for line in kept {
        line!(text, "{:NAME$} {line}", "");
    }
    if !view.tasks.is_empty() {
        line!(text);
    }
}
