//! Tables of numbers: requests by name, percentiles, steps, checks, groups, metrics.

use super::markup::{NONE, Page};
use super::top::length;
use crate::export::format::{bytes, clock, fit, grouped, millis, percent, rate};
use crate::export::{Distribution, Results, Series, metric_name, metric_value, shared_lines};

/// Names shown: the most used ones.
const MAX_NAMES: usize = 150;
/// Rows shown of checks, groups and metrics, of each.
pub(super) const MAX_ROWS: usize = 150;
/// Characters of a name.
const MAX_NAME: usize = 160;

pub(super) fn statistics(page: &mut Page, results: &Results) {
    page.section("statistics", "statistics", |page| {
        by_name(page, results);
        page.word_in("h3", "distribution");
        percentiles(page, results);
        steps(page, &results.total);
        page.raw("<dl class=facts>");
        page.fact("answers", |page| answers(page, &results.total));
        page.fact("traffic", |page| {
            let (sent, received) = (results.total.bytes_sent, results.total.bytes_received);
            page.words("traffic_v", &[&bytes(sent), &bytes(received)]);
        });
        page.fact("connections", |page| {
            page.text(&grouped(results.total.steps.connections));
        });
        page.raw("</dl>");
    });
}

fn by_name(page: &mut Page, results: &Results) {
    let mut rows: Vec<&Series> = results.series.iter().collect();
    rows.sort_by_key(|row| std::cmp::Reverse(row.requests));
    rows.truncate(MAX_NAMES);
    page.raw("<p class=hint>").word("stats_hint").raw("</p>");
    if results.series.len() > MAX_NAMES {
        let all = grouped(results.series.len() as u64);
        page.raw("<p class=\"hint cut\">")
            .words("rows_cut", &[&MAX_NAMES.to_string(), &all])
            .raw("</p>");
    }
    page.raw("<div class=wide><table class=sortable id=by-name><thead><tr class=over><th colspan=5></th>");
    page.raw("<th colspan=6 class=group>")
        .word("response_time")
        .raw("</th><th colspan=4 class=group>");
    page.word("service_time").raw("</th><th></th></tr><tr><th class=n>").word("name").raw("</th>");
    for key in ["requests", "failures", "failed_share", "rate"] {
        page.raw("<th>").word(key).raw("</th>");
    }
    for (class, key) in [
        (" class=first", "mean"),
        ("", "p50"),
        ("", "p95"),
        ("", "p99"),
        ("", "p99.9"),
        ("", "max"),
        (" class=first", "p50"),
        ("", "p95"),
        ("", "p99"),
        ("", "max"),
    ] {
        page.raw("<th").raw(class).raw(">");
        match key {
            "mean" | "max" => page.word(key),
            percentile => page.raw(percentile),
        };
        page.raw("</th>");
    }
    page.raw("<th>").word("size").raw("</th></tr></thead><tbody>");
    rows.iter().for_each(|row| series(page, row, false));
    page.raw("</tbody><tfoot>");
    series(page, &results.total, true);
    page.raw("</tfoot></table></div>");
}

fn series(page: &mut Page, row: &Series, total: bool) {
    page.raw("<tr><td class=n>");
    match (total, row.method.as_str(), row.name.as_str()) {
        (true, ..) => page.word("all"),
        (false, "", "other") => page.word("other"),
        (false, method, name) => {
            page.raw("<b>").text(method).raw("</b> ").name(&fit(name, MAX_NAME))
        }
    };
    page.raw("</td>").cell(&grouped(row.requests));
    page.raw(if row.failures > 0 { "<td class=bad>" } else { "<td>" });
    page.text(&grouped(row.failures)).raw("</td>").cell(&percent(row.failure_ratio()));
    page.cell(&rate(row.rps));
    let response = row.response_time.as_ref();
    let picks: [fn(&Distribution) -> f64; 6] = [
        |times| times.mean,
        |times| times.p50,
        |times| times.p95,
        |times| times.p99,
        |times| times.p99_9,
        |times| times.max,
    ];
    for pick in picks {
        page.cell(&millis_of(response.map(pick), ""));
    }
    let service = row.service_time.as_ref();
    let picks: [fn(&Distribution) -> f64; 4] =
        [|times| times.p50, |times| times.p95, |times| times.p99, |times| times.max];
    for pick in picks {
        page.cell(&millis_of(service.map(pick), ""));
    }
    page.cell(&bytes(row.mean_body_bytes().round() as u64)).raw("</tr>");
}

fn percentiles(page: &mut Page, results: &Results) {
    const NAMES: [&str; 13] = [
        "min", "mean", "p50", "p66", "p75", "p80", "p90", "p95", "p98", "p99", "p99.9", "p99.99",
        "max",
    ];
    page.raw("<div class=wide><table class=plain><thead><tr><th></th>");
    for name in NAMES {
        page.raw("<th>");
        match name {
            "min" | "mean" | "max" => page.word(name),
            percentile => page.raw(percentile),
        };
        page.raw("</th>");
    }
    page.raw("</tr></thead><tbody>");
    let total = &results.total;
    for (key, times) in
        [("response_time", &total.response_time), ("service_time", &total.service_time)]
    {
        page.raw("<tr><td class=n>").word(key).raw("</td>");
        let values = times.as_ref().map(|times| {
            [
                times.min,
                times.mean,
                times.p50,
                times.p66,
                times.p75,
                times.p80,
                times.p90,
                times.p95,
                times.p98,
                times.p99,
                times.p99_9,
                times.p99_99,
                times.max,
            ]
        });
        for i in 0..NAMES.len() {
            page.cell(&millis_of(values.map(|values| values[i]), ""));
        }
        page.raw("</tr>");
    }
    page.raw("</tbody></table></div>");
}

/// Means of the steps of a request as one bar.
fn steps(page: &mut Page, total: &Series) {
    let steps = &total.steps;
    let all = [
        ("dns", steps.dns),
        ("connect", steps.connect),
        ("tls", steps.tls),
        ("sending", steps.sending),
        ("waiting", steps.waiting),
        ("receiving", steps.receiving),
    ];
    let sum: u64 = all.iter().map(|(_, micros)| micros).sum();
    if sum == 0 || total.requests == 0 {
        return;
    }
    page.word_in("h3", "steps").raw("<p class=hint>").word("steps_hint").raw("</p>");
    page.raw("<svg class=steps viewBox=\"0 0 1000 10\" preserveAspectRatio=none role=img aria-hidden=true>");
    let mut x = 0.0;
    for (key, micros) in all {
        let width = 1000.0 * micros as f64 / sum as f64;
        page.raw(&format!(
            "<rect class=\"s-{key}\" x=\"{x:.1}\" width=\"{width:.1}\" height=\"10\"/>"
        ));
        x += width;
    }
    page.raw("</svg><ul class=legend>");
    for (key, micros) in all {
        page.raw("<li><i class=\"s-").raw(key).raw("\"></i>").word(key).raw(" <b>");
        page.text(&millis(micros / total.requests)).raw("</b></li>");
    }
    page.raw("</ul>");
}

fn answers(page: &mut Page, total: &Series) {
    page.raw("<ul class=legend>");
    for (status, count) in total.statuses.iter().filter(|(_, count)| **count > 0) {
        let bad = *status == 0 || *status >= 400;
        page.raw(if bad { "<li class=bad>" } else { "<li>" });
        match status {
            0 => page.word("no_answer"),
            status => page.text(&status.to_string()),
        };
        page.raw(" <b>").text(&grouped(*count)).raw("</b></li>");
    }
    page.raw("</ul>");
}

/// Checks, groups and metrics of the scenario, and what its users shared.
pub(super) fn own(page: &mut Page, results: &Results) {
    if !results.checks.is_empty() {
        page.section("checks", "checks", |page| checks(page, results));
    }
    if !results.groups.is_empty() {
        page.section("groups", "groups", |page| groups(page, results));
    }
    if !results.metrics.is_empty() {
        page.section("metrics", "metrics", |page| {
            page.raw("<div class=wide><table class=plain>")
                .head(&["name", "value"], 2)
                .raw("<tbody>");
            for metric in results.metrics.iter().take(MAX_ROWS) {
                page.raw("<tr>").name_cell(&fit(&metric_name(metric), MAX_NAME));
                page.raw("<td class=n>").text(&metric_value(metric)).raw("</td></tr>");
            }
            page.raw("</tbody></table></div>");
        });
    }
    let shared = shared_lines(&results.shared);
    if !shared.is_empty() {
        page.section("shared", "shared", |page| {
            page.raw("<div class=wide><table class=plain><tbody>");
            for (name, figures) in shared.iter().take(MAX_ROWS) {
                page.raw("<tr>").name_cell(&fit(name, MAX_NAME)).name_cell(figures).raw("</tr>");
            }
            page.raw("</tbody></table></div>");
        });
    }
}

fn checks(page: &mut Page, results: &Results) {
    page.raw("<div class=wide><table class=plain>");
    page.head(&["check", "group", "held", "failures", "share_seen"], 2).raw("<tbody>");
    for check in results.checks.iter().take(MAX_ROWS) {
        let all = check.passes + check.failures;
        page.raw("<tr>").name_cell(&fit(&check.name, MAX_NAME)).name_cell(&check.group);
        page.cell(&grouped(check.passes));
        page.raw(if check.failures > 0 { "<td class=bad>" } else { "<td>" });
        page.text(&grouped(check.failures)).raw("</td>");
        page.cell(&percent(check.passes as f64 / all.max(1) as f64)).raw("</tr>");
    }
    page.raw("</tbody></table></div>");
}

fn groups(page: &mut Page, results: &Results) {
    page.raw("<div class=wide><table class=plain>");
    page.raw("<thead><tr><th class=n>")
        .word("group")
        .raw("</th><th>")
        .word("count")
        .raw("</th><th>");
    page.word("mean").raw("</th><th>p50</th><th>p95</th><th>p99</th><th>").word("max");
    page.raw("</th></tr></thead><tbody>");
    for group in results.groups.iter().take(MAX_ROWS) {
        let times = group.duration.as_ref();
        page.raw("<tr>").name_cell(&fit(&group.path, MAX_NAME));
        page.cell(&grouped(times.map_or(0, |times| times.count)));
        let picks: [fn(&Distribution) -> f64; 5] = [
            |times| times.mean,
            |times| times.p50,
            |times| times.p95,
            |times| times.p99,
            |times| times.max,
        ];
        for pick in picks {
            page.cell(&millis_of(times.map(pick), " ms"));
        }
        page.raw("</tr>");
    }
    page.raw("</tbody></table></div>");
}

/// Milliseconds with three digits that matter.
pub(super) fn millis_of(ms: Option<f64>, unit: &str) -> String {
    ms.map_or_else(|| NONE.to_string(), |ms| millis((ms * 1e3).round() as u64) + unit)
}

/// A length of time in words.
pub(super) fn seconds(seconds: f64) -> String {
    length(seconds)
}

/// A moment of the run as on a stopwatch.
pub(super) fn clock_of(seconds: f64) -> String {
    clock(std::time::Duration::try_from_secs_f64(seconds).unwrap_or_default())
}
