//! `loadhost runs`: the runs that go on and those that are kept.

use std::fmt::Write as _;

use loadhost_model::text::format_duration;
use loadhost_web::api::dto::{RunDetail, RunShort};
use serde::Deserialize;

use super::{Layers, runtime};
use crate::args::RunsArgs;
use crate::client::Client;
use crate::exit_code::ExitCode;
use crate::failure::Outcome;
use crate::output::format::{grouped, percent};
use crate::output::print;

/// What `GET /runs` answers.
#[derive(Deserialize)]
struct Runs {
    runs: Vec<RunShort>,
}

/// Lists all, or shows one.
pub(crate) fn runs(args: RunsArgs) -> Outcome {
    let settings = Layers::read(args.settings)?.effective();
    runtime(Some(1))?.block_on(async {
        let client = Client::new(&settings)?;
        let (json, words) = match &args.run {
            None => {
                let (json, all) = client.get::<Runs>("runs").await?;
                (json, list(&all.runs))
            }
            Some(run) => {
                let (json, one) = client.get::<RunDetail>(&format!("runs/{run}")).await?;
                (json, detail(&one))
            }
        };
        print(&if args.json { json + "\n" } else { words });
        Ok(ExitCode::Ok)
    })
}

fn list(runs: &[RunShort]) -> String {
    if runs.is_empty() {
        return "no run\n".to_string();
    }
    runs.iter().map(line).collect()
}

fn line(run: &RunShort) -> String {
    let version = run.scenario_version.as_ref().map(|text| format!("@{text}")).unwrap_or_default();
    let how = match (&run.ended, run.passed) {
        (Some(ended), Some(false)) => format!("{}, thresholds broken", ended.message),
        (Some(ended), _) => ended.message.clone(),
        (None, _) => run.state.clone(),
    };
    let p95 = run.p95_ms.map(|ms| format!(" · p95 {ms:.0} ms")).unwrap_or_default();
    let note = if run.note.is_empty() { String::new() } else { format!(" · {}", run.note) };
    format!(
        "{} · {}{version} · {} · {} · {} requests, {} failed{p95} · {how}{note}\n",
        run.run,
        run.scenario,
        run.started_at.as_deref().unwrap_or("not started"),
        length(run.elapsed_seconds),
        grouped(run.requests),
        percent(run.failure_ratio),
    )
}

fn detail(run: &RunDetail) -> String {
    let short = RunShort {
        run: run.run.clone(),
        scenario: run.scenario.clone(),
        scenario_version: run.scenario_version.clone(),
        module: run.module.clone(),
        target: run.target.clone(),
        state: run.state.clone(),
        started_at: run.started_at.clone(),
        elapsed_seconds: run.elapsed_seconds,
        users: run.users,
        requests: run.total.requests,
        failures: run.total.failures,
        rps: run.total.rps,
        failure_ratio: run.total.failures as f64 / (run.total.requests.max(1)) as f64,
        p95_ms: run.total.response_time_ms.map(|times| times.p95),
        passed: run.passed,
        ended: run.ended.clone(),
        note: run.note.clone(),
        tags: run.tags.clone(),
        pinned: run.pinned,
        started_by: run.started_by.clone(),
        kept: true,
    };
    let mut text = line(&short);
    for row in run.rows.values() {
        let p95 = row.response_time_ms.map(|times| format!(", p95 {:.0} ms", times.p95));
        // Writing to a string cannot fail.
        let _ = writeln!(
            text,
            "  {} {}: {} requests, {} failed, {:.1}/s{}",
            row.method,
            row.name,
            grouped(row.requests),
            grouped(row.failures),
            row.rps,
            p95.unwrap_or_default()
        );
    }
    for threshold in run.thresholds.values() {
        let _ = writeln!(text, "  threshold {}: {}", threshold.text, threshold.state);
    }
    text
}

/// In whole seconds.
fn length(seconds: f64) -> String {
    let whole = std::time::Duration::try_from_secs_f64(seconds.round()).unwrap_or_default();
    format_duration(whole)
}
