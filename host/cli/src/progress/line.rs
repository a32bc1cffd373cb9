//! One line about a run.

use std::time::Duration;

use loadhost_control::view::{RunState, RunView, ThresholdState};

use loadhost_model::wire::LogLine;

use crate::output::format::{clock, millis, percent, rate};

/// ```text
/// run 01J9… · 00:42/01:30 · 998/s of 1000/s · 14 VUs · p99 83 ms (service 41 ms) · 0.02 % failed
/// ```
pub(super) fn line(view: &RunView) -> String {
    let start = &view.run.as_str()[..view.run.as_str().len().min(4)];
    format!("run {start}… · {}", words(view))
}

/// The same without the run's name.
pub(crate) fn words(view: &RunView) -> String {
    let mut parts = Vec::new();
    match view.state {
        RunState::Running | RunState::Stopping => running(view, &mut parts),
        RunState::Waiting => parts.push("waiting for workers".to_string()),
        RunState::Preparing => parts.push("preparing".to_string()),
        RunState::SettingUp => parts.push("setting up".to_string()),
        RunState::Starting => parts.push("starting".to_string()),
        RunState::TearingDown => parts.push("tearing down".to_string()),
        RunState::Finished => {
            let how = view.ended.as_ref().map(|ended| format!(": {ended}")).unwrap_or_default();
            parts.push(format!("finished{how}"));
        }
    }
    parts.join(" · ")
}

fn running(view: &RunView, parts: &mut Vec<String>) {
    let of = view.length.map(|length| format!("/{}", clock(length))).unwrap_or_default();
    parts.push(format!("{}{of}", clock(view.elapsed)));
    if view.state == RunState::Stopping {
        parts.push("stopping".to_string());
    }
    let wanted =
        view.rate_wanted.map(|wanted| format!(" of {}/s", rate(wanted))).unwrap_or_default();
    parts.push(format!("{}/s{wanted}", rate(view.window.rps)));
    parts.push(format!("{} VUs", view.users));
    if let Some(response) = &view.window.response_time {
        let service = view.window.service_time.as_ref().map_or(0, |times| times.p99);
        parts.push(format!("p99 {} ms (service {} ms)", millis(response.p99), millis(service)));
    }
    parts.push(format!("{} failed", percent(view.total.failure_ratio())));
    if view.counters.dropped_arrivals > 0 {
        parts.push(format!("{} dropped", view.counters.dropped_arrivals));
    }
    let broken = view
        .thresholds
        .iter()
        .filter(|threshold| threshold.state == ThresholdState::Broken)
        .count();
    if broken > 0 {
        parts.push(format!("✗ {broken} of {} thresholds", view.thresholds.len()));
    }
    if view.workers_lost > 0 {
        parts.push(format!("{} of {} workers lost", view.workers_lost, view.workers));
    }
    if let Some(reason) = &view.generator.saturated {
        parts.push(format!("! generator saturated: {reason}"));
    }
}

/// The broker is out of reach for so long.
pub(super) fn away(time: Duration) -> String {
    format!("broker away since {} s: workers go on, their numbers come later", time.as_secs())
}

/// A line of a guest's log; what is in it was escaped where it was made.
pub(super) fn log(log: &LogLine) -> String {
    format!("{} user {} {}: {}", clock(log.at), log.user, log.level, log.message)
}
