//! What is read first: how it went, the figures that matter, the thresholds; and the marks on the charts.

use loadhost_control::report::EndReason;
use loadhost_control::view::{NoteKind, ThresholdState};
use serde_json::{Value, json};

use super::markup::{NONE, Page, shown};
use super::words::Language;
use crate::export::format::{grouped, percent, rate, span};
use crate::export::{Results, threshold_value};

use super::statistics::{millis_of, seconds};

/// Name of the run, and what a reader may switch.
pub(super) fn bar(page: &mut Page, results: &Results) {
    page.raw("<header class=bar><div class=title><span class=mark></span><h1>")
        .name(&results.scenario);
    if let Some(version) = &results.scenario_version {
        page.raw(" <small>").text(version).raw("</small>");
    }
    page.raw("</h1><span class=sub>").word("report");
    if let Some(started) = &results.started {
        page.raw(" · <time datetime=\"").text(started).raw("\">");
        page.text(&started.replace('T', " ").replace('Z', " UTC")).raw("</time>");
    }
    page.raw("</span></div><div class=tools>");
    for (id, key) in [("lang", "language"), ("theme", "theme"), ("print", "print")] {
        page.raw("<button type=button id=\"").raw(id).raw("\">").word(key).raw("</button>");
    }
    page.raw("</div></header>");
}

/// How the run went, in one word and one sentence.
pub(super) fn verdict(page: &mut Page, results: &Results) {
    let broken = results.thresholds.iter().filter(|one| one.state != ThresholdState::Ok).count();
    let (kind, word) = match &results.ended {
        None => ("open", "going_on"),
        Some(
            EndReason::WorkerFailed { .. }
            | EndReason::AbortedByScenario { .. }
            | EndReason::Interrupted,
        ) => ("bad", "broken_off"),
        Some(_) if broken > 0 => ("bad", "failed"),
        Some(_) if results.thresholds.is_empty() => ("open", "completed"),
        Some(_) => ("good", "passed"),
    };
    page.raw("<section class=\"verdict ").raw(kind).raw("\" id=verdict><p class=word>").word(word);
    page.raw("</p><p class=why>");
    let all = results.thresholds.len();
    match (&results.ended, all, broken) {
        (None, ..) => page.word("v_going_on"),
        (_, 0, _) => page.word("v_none"),
        (_, 1, 0) => page.word("v_passed_one"),
        (_, all, 0) => page.words("v_passed", &[&all.to_string()]),
        (_, all, broken) => page.words("v_failed", &[&broken.to_string(), &all.to_string()]),
    };
    page.raw(" ");
    ended(page, results.ended.as_ref());
    page.raw("</p>");
    warnings(page, results);
    figures(page, results);
    page.raw("</section>");
}

fn ended(page: &mut Page, ended: Option<&EndReason>) {
    match ended {
        None => page,
        Some(EndReason::Completed) => page.word("e_completed"),
        Some(EndReason::StoppedByUser) => page.word("e_stopped"),
        Some(EndReason::ThresholdAbort { threshold }) => page.words("e_threshold", &[threshold]),
        Some(EndReason::AbortedByScenario { message }) => page.words("e_aborted", &[message]),
        Some(EndReason::WorkerFailed { worker: Some(worker), message, .. }) => {
            page.words("e_worker", &[worker.as_str(), message])
        }
        Some(EndReason::WorkerFailed { worker: None, message, .. }) => {
            page.words("e_workers", &[message])
        }
        Some(EndReason::Interrupted) => page.word("e_interrupted"),
    };
}

/// What makes the numbers less to be trusted stands beside the verdict, not at the end.
fn warnings(page: &mut Page, results: &Results) {
    if results.saturated {
        page.raw("<p class=warn>").words("saturated", &[&seconds(results.saturated_seconds)]);
        if let Some(reason) = &results.saturated_reason {
            page.raw(" (").text(reason).raw(")");
        }
        page.raw("</p>");
    }
    if results.collection.missing > 0 {
        let missing = grouped(results.collection.missing);
        page.raw("<p class=warn>").words("missing", &[&missing]).raw("</p>");
    }
}

fn figures(page: &mut Page, results: &Results) {
    let response = results.total.response_time.as_ref();
    let users = results.history.iter().map(|second| second.users).max().unwrap_or_default();
    let failed = percent(results.total.failure_ratio());
    let figures: [(&str, String, &str); 7] = [
        ("requests", grouped(results.requests), ""),
        ("rate", rate(results.rps), ""),
        ("failed_share", failed, if results.failures > 0 { " bad" } else { "" }),
        ("response_p50", millis_of(response.map(|times| times.p50), " ms"), ""),
        ("response_p95", millis_of(response.map(|times| times.p95), " ms"), ""),
        ("users_most", grouped(users.into()), ""),
        ("duration", seconds(results.duration_seconds), ""),
    ];
    page.raw("<dl class=figures>");
    for (key, value, kind) in figures {
        page.raw("<div class=\"figure").raw(kind).raw("\">").word_in("dt", key);
        page.raw("<dd>").text(&value).raw("</dd></div>");
    }
    page.raw("</dl>");
}

/// Nothing if there are none.
pub(super) fn thresholds(page: &mut Page, results: &Results) {
    if results.thresholds.is_empty() {
        return;
    }
    page.section("thresholds", "thresholds", |page| {
        page.raw("<div class=wide><table class=plain>")
            .head(&["condition", "measured", "state"], 1);
        page.raw("<tbody>");
        for threshold in &results.thresholds {
            let (kind, word) = match threshold.state {
                ThresholdState::Ok => ("good", "holds"),
                ThresholdState::Broken => ("bad", "broken"),
                ThresholdState::NoData => ("bad", "no_data"),
            };
            page.raw("<tr>").raw("<td class=\"n code\">").name(&threshold.text).raw("</td>");
            page.cell(&threshold_value(threshold).unwrap_or_else(|| NONE.to_string()));
            page.raw("<td><span class=\"tag ")
                .raw(kind)
                .raw("\">")
                .word(word)
                .raw("</span></td></tr>");
        }
        page.raw("</tbody></table></div>");
    });
}

/// What legends say where nothing is pointed at: the last second is one of the run's end, which nobody asks for.
/// None while the run goes on.
pub(super) fn whole(results: &Results) -> Option<Value> {
    results.ended.as_ref()?;
    let total = &results.total;
    let (response, service) = (total.response_time.as_ref(), total.service_time.as_ref());
    let dropped = results.counters.dropped_arrivals as f64;
    Some(json!({
        "rps": total.rps,
        "fps": total.fps,
        "response_p50": response.map(|times| times.p50),
        "response_p95": response.map(|times| times.p95),
        "response_p99": response.map(|times| times.p99),
        "service_p50": service.map(|times| times.p50),
        "service_p95": service.map(|times| times.p95),
        "service_p99": service.map(|times| times.p99),
        "dropped": (results.load_seconds > 0.0).then(|| dropped / results.load_seconds),
    }))
}

/// Notes of a moment, workers that were lost, thresholds that broke: lines on the charts.
pub(super) fn marks(results: &Results, language: Language) -> Vec<Value> {
    /// More would hide the lines.
    const MOST: usize = 100;
    let said = |key: &str, value: &str| language.say(key).replace("{0}", &shown(value));
    let notes = results.notes.iter().filter_map(|note| {
        let kind = if note.kind == NoteKind::Warning { "warning" } else { "info" };
        let at = note.at?.as_secs_f64();
        Some(json!({ "t": at, "kind": kind, "text": shown(&note.message) }))
    });
    let losses = results.losses.iter().map(|loss| {
        json!({ "t": loss.at_seconds, "kind": "bad", "text": said("mark_lost", &loss.worker) })
    });
    let broken = results.thresholds.iter().filter_map(|threshold| {
        let at = threshold.broken_since?.as_secs_f64();
        Some(json!({ "t": at, "kind": "bad", "text": said("mark_broken", &threshold.text) }))
    });
    losses.chain(broken).chain(notes).take(MOST).collect()
}

/// A length of time in words.
pub(super) fn length(seconds: f64) -> String {
    span(std::time::Duration::try_from_secs_f64(seconds).unwrap_or_default())
}
