//! The summary: what people paste. At most 100 columns, no colours, aligned.

mod table;

use std::fmt::Write;

use loadhost_control::report::RunReport;
use loadhost_control::view::{GeneratorView, NoteKind, RunView, ThresholdState};
use loadhost_web::export::{
    error_text, load, metric_name, metric_value, shared_lines, threshold_value,
};

use super::format::{fit, grouped, millis, percent, span, wrap};

/// Columns.
const WIDTH: usize = 100;
/// Errors shown; the rest is counted.
const MAX_ERRORS: usize = 20;
/// Lines of a guest's frames shown per error.
const MAX_FRAMES: usize = 8;

/// Of a run that is over.
pub(crate) fn summary(report: &RunReport) -> String {
    let view = &report.view;
    let mut text = String::from("\n");
    head(&mut text, report);
    table::requests(&mut text, view);
    table::iterations(&mut text, view);
    checks(&mut text, view);
    metrics(&mut text, view);
    shared(&mut text, view);
    errors(&mut text, view);
    thresholds(&mut text, report);
    generator(&mut text, view);
    text
}

macro_rules! line {
    // Writing to a string cannot fail.
    ($text:expr) => { let _ = writeln!($text); };
    ($text:expr, $($arg:tt)*) => { let _ = writeln!($text, $($arg)*); };
}
use line;

fn head(text: &mut String, report: &RunReport) {
    let RunReport { view, ended, plan, .. } = report;
    let version =
        view.scenario_version.as_deref().map(|version| format!(" {version}")).unwrap_or_default();
    let first = format!("{}{version} · {} · {ended}", view.scenario, span(view.elapsed));
    line!(text, "{}", wrap(&first, WIDTH));
    let target =
        view.target.as_deref().map(|target| format!("target {target} · ")).unwrap_or_default();
    let workers =
        if view.workers > 1 { format!("{} workers · ", view.workers) } else { String::new() };
    line!(text, "{target}{workers}run {}", view.run);
    line!(text, "load {}", fit(&load(&plan.profile), 95));
    line!(text, "module sha256:{} · seed {}", view.module.short(), view.seed);
    if view.counted_from.is_zero() {
        line!(text);
    } else {
        line!(text, "counted from {} on\n", span(view.counted_from));
    }
}

fn checks(text: &mut String, view: &RunView) {
    if view.checks.is_empty() {
        return;
    }
    line!(text, "checks");
    for check in &view.checks {
        let all = check.passes + check.failures;
        let mark = if check.failures == 0 { '✓' } else { '✗' };
        let name = if check.group.is_empty() {
            check.name.to_string()
        } else {
            format!("{} › {}", check.group, check.name)
        };
        let share = percent(check.passes as f64 / all.max(1) as f64);
        line!(
            text,
            "  {mark} {:<50} {share:>8}   {} of {}",
            fit(&name, 50),
            grouped(check.passes),
            grouped(all)
        );
    }
    line!(text);
}

fn metrics(text: &mut String, view: &RunView) {
    if view.metrics.is_empty() {
        return;
    }
    line!(text, "metrics of the scenario");
    for metric in &view.metrics {
        line!(text, "  {:<34} {}", fit(&metric_name(metric), 34), metric_value(metric));
    }
    line!(text);
}

fn shared(text: &mut String, view: &RunView) {
    let lines = shared_lines(&view.shared);
    if lines.is_empty() {
        return;
    }
    line!(text, "shared by all users");
    for (name, figures) in lines {
        line!(text, "  {:<34} {figures}", fit(&name, 34));
    }
    line!(text);
}

fn errors(text: &mut String, view: &RunView) {
    if view.errors.is_empty() {
        return;
    }
    line!(text, "failures");
    for error in view.errors.iter().take(MAX_ERRORS) {
        line!(text, "  {:>9} ×  {}", grouped(error.count), fit(&error_text(error), 84));
        let frames = error.detail.lines().filter(|line| !line.trim().is_empty());
        for frame in frames.take(MAX_FRAMES) {
            line!(text, "               {}", fit(frame.trim_end(), 84));
        }
    }
    let more = view.errors.len().saturating_sub(MAX_ERRORS) + view.errors_omitted as usize;
    if more > 0 {
        line!(text, "  and {more} more kinds");
    }
    line!(text);
}

fn thresholds(text: &mut String, report: &RunReport) {
    if report.verdict.thresholds.is_empty() {
        return;
    }
    line!(text, "thresholds");
    for threshold in &report.verdict.thresholds {
        let mark = if threshold.state == ThresholdState::Ok { '✓' } else { '✗' };
        let value = threshold_value(threshold).unwrap_or_else(|| "no data".to_string());
        line!(text, "  {mark} {:<76} {value:>14}", fit(&threshold.text, 76));
    }
    line!(text);
}

fn generator(text: &mut String, view: &RunView) {
    let GeneratorView {
        cpu_peak, loop_lag_p99, start_lag_p99, saturated_for, first_reason, ..
    } = &view.generator;
    let lag = |name: &str, micros: &Option<u64>| {
        micros.map(|micros| format!(" · {name} p99 {} ms", millis(micros))).unwrap_or_default()
    };
    let lags = lag("starts late", start_lag_p99) + &lag("timers late", loop_lag_p99);
    line!(text, "generator: CPU at most {}{lags}", percent(cpu_peak.min(1.0)));
    if !saturated_for.is_zero() {
        let why = first_reason.as_deref().map(|reason| format!(" ({reason})")).unwrap_or_default();
        let time = span(*saturated_for);
        let marked =
            format!("! generator saturated for {time}{why}: these numbers are not the target's");
        line!(text, "{}", wrap(&marked, WIDTH));
    }
    if view.collection.missing > 0 {
        line!(text, "! {} worker-seconds of measurements are missing", view.collection.missing);
    }
    for note in view.notes.iter().filter(|note| note.kind == NoteKind::Warning) {
        line!(text, "{}", wrap(&format!("! {}", note.message), WIDTH));
    }
}

#[cfg(test)]
mod tests;
