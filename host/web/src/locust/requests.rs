//! `/stats/requests`: what exporters poll. Counts are integers; everything else is a float.

use loadhost_control::view::{ErrorRow, HttpRow, Liveness, RunState, Times, WorkerView};
use loadhost_control::{FleetView, RunView};
use loadhost_model::interval::Origin;
use loadhost_model::wire::WorkerState;
use serde_json::{Map, Value, json};

use super::latest;
use crate::export::timestamp;

/// Rows of statistics and of errors, as Locust caps them.
const MAX_ROWS: usize = 500;

/// Where the latest run is, in Locust's words.
pub(super) fn state(view: &FleetView) -> &'static str {
    let Some(run) = latest(view) else { return "ready" };
    match run.state {
        RunState::Waiting | RunState::Preparing | RunState::SettingUp | RunState::Starting => {
            "spawning"
        }
        RunState::Running if run.users_wanted.is_some_and(|wanted| run.users < wanted) => {
            "spawning"
        }
        RunState::Running => "running",
        RunState::Stopping | RunState::TearingDown => "stopping",
        RunState::Finished => "stopped",
    }
}

/// Of a worker, in Locust's words.
pub(super) fn worker_state(worker: &WorkerView) -> &'static str {
    match (worker.liveness, &worker.state) {
        (Liveness::Lost, _) => "missing",
        (_, WorkerState::Running) => "running",
        (_, WorkerState::Stopping) => "stopping",
        (_, WorkerState::Preparing | WorkerState::Ready | WorkerState::SetUp { .. }) => "spawning",
        _ => "ready",
    }
}

/// Workers that are there.
pub(super) fn worker_count(view: &FleetView) -> usize {
    view.workers.iter().filter(|worker| worker.liveness != Liveness::Lost).count()
}

/// The whole answer. `legacy`: `hatching` and slaves, as before Locust 1.0.
pub(super) fn stats(view: &FleetView, has_workers: bool, legacy: bool) -> Value {
    let run = latest(view);
    let none = HttpRow::default();
    let total = run.map_or(&none, |run| &run.total);
    let mut stats: Vec<Value> = run.map(rows).unwrap_or_default();
    stats.push(row(total, "", if legacy { "Total" } else { "Aggregated" }));
    let errors = run.map(errors).unwrap_or_default();
    let window = run.and_then(|run| run.window.response_time);
    let now = |pick: fn(&Times) -> u64| window.as_ref().map(|times| ms(pick(times)));
    let (p50, p95) = (now(|times| times.p50), now(|times| times.p95));
    let state = match state(view) {
        "spawning" if legacy => "hatching",
        state => state,
    };
    let mut answer = json!({
        "stats": stats,
        "errors": errors,
        "current_rps": run.map_or(0.0, |run| run.window.rps),
        "current_fail_per_sec": run.map_or(0.0, |run| run.window.fps),
        "total_rps": total.rps,
        "total_fail_per_sec": total.fps,
        "fail_ratio": total.failure_ratio(),
        "current_response_time_percentiles": {
            "response_time_percentile_0.5": p50,
            "response_time_percentile_0.95": p95,
        },
        "current_response_time_percentile_50": p50,
        "current_response_time_percentile_95": p95,
        "current_response_time_percentile_1": p50,
        "current_response_time_percentile_2": p95,
        "total_avg_response_time": mean(total),
        "state": state,
        "user_count": run.map_or(0, |run| run.users),
    });
    if has_workers && let Value::Object(fields) = &mut answer {
        add_workers(fields, view, legacy);
    }
    answer
}

fn add_workers(fields: &mut Map<String, Value>, view: &FleetView, legacy: bool) {
    let workers: Vec<_> = view.workers.iter().map(worker).collect();
    let count = worker_count(view);
    if legacy {
        fields.insert("slaves".into(), json!(workers));
        fields.insert("slave_count".into(), json!(count));
    }
    fields.insert("workers".into(), json!(workers));
    fields.insert("worker_count".into(), json!(count));
}

fn worker(worker: &WorkerView) -> Value {
    json!({
        "id": worker.worker,
        "state": worker_state(worker),
        "user_count": worker.users,
        "cpu_usage": (worker.cpu * 1e4).round() / 100.0,
        "memory_usage": worker.memory,
    })
}

fn rows(run: &RunView) -> Vec<Value> {
    let mut rows: Vec<_> = run.rows.iter().collect();
    rows.sort_by(|a, b| (&a.name, &a.method).cmp(&(&b.name, &b.method)));
    rows.into_iter().take(MAX_ROWS).map(|one| row(one, &one.method, &one.name)).collect()
}

fn row(row: &HttpRow, method: &str, name: &str) -> Value {
    let of =
        |pick: fn(&Times) -> u64| row.response_time.as_ref().map_or(0.0, |times| ms(pick(times)));
    json!({
        "method": method,
        "name": name,
        "safe_name": name,
        "num_requests": row.requests,
        "num_failures": row.failures,
        "min_response_time": of(|times| times.min),
        "max_response_time": of(|times| times.max),
        "current_rps": row.current_rps,
        "current_fail_per_sec": row.current_fps,
        "avg_response_time": mean(row),
        "median_response_time": of(|times| times.p50),
        "ninetieth_response_time": of(|times| times.p90),
        "total_rps": row.rps,
        "total_fail_per_sec": row.fps,
        "response_time_percentile_0.95": of(|times| times.p95),
        "response_time_percentile_0.99": of(|times| times.p99),
        "avg_content_length": row.mean_body_bytes,
    })
}

fn mean(row: &HttpRow) -> f64 {
    row.response_time.as_ref().map_or(0.0, |times| times.mean / 1e3)
}

fn errors(run: &RunView) -> Vec<Value> {
    let started = run.started.unwrap_or_default();
    let at = |offset: std::time::Duration| {
        timestamp(started.saturating_add(u64::try_from(offset.as_micros()).unwrap_or_default()))
    };
    let error = |error: &ErrorRow| {
        let Origin::Request { method, name } = &error.origin else { return None };
        Some(json!({
            "method": method,
            "name": name,
            "error": error.message,
            "occurrences": error.count,
            "first_seen": at(error.first),
            "last_seen": at(error.last),
        }))
    };
    run.errors.iter().filter_map(error).take(MAX_ROWS).collect()
}

fn ms(micros: u64) -> f64 {
    micros as f64 / 1e3
}
