//! Prometheus metrics under the names of ContainerSolutions/locust_exporter, so that its dashboards work
//! without it: Grafana's 11985.

use std::fmt::Write;

use loadhost_control::view::{HttpRow, Liveness, Times, WorkerView};
use loadhost_control::{FleetView, RunView};
use loadhost_model::interval::Origin;

use super::latest;
use super::requests::{state, worker_count, worker_state};

/// What Prometheus is told of the text.
pub(super) const KIND: &str = "text/plain; version=0.0.4; charset=utf-8";

/// All of them. `scrapes`: how often this was asked for.
pub(super) fn text(view: &FleetView, scrapes: u64) -> String {
    let mut text = Text::default();
    text.one("up", "gauge", "Whether the load generator answers", 1.0);
    text.one("total_scrapes", "counter", "How often this was asked for", scrapes as f64);
    let running = match state(view) {
        "spawning" => 1.0,
        "running" | "stopping" => 2.0,
        _ => 0.0,
    };
    text.one("running", "gauge", "Stopped 0, spawning 1, running 2", running);
    workers(&mut text, view);
    let run = latest(view);
    text.one("users", "gauge", "Users running", run.map_or(0.0, |run| run.users.into()));
    if let Some(run) = run {
        requests(&mut text, run);
    }
    text.0
}

fn workers(text: &mut Text, view: &FleetView) {
    let of =
        |wanted: &str| view.workers.iter().filter(|one| worker_state(one) == wanted).count() as f64;
    text.one("workers_count", "gauge", "Workers that are there", worker_count(view) as f64);
    text.one("workers_running_count", "gauge", "Workers that make load", of("running"));
    text.one("workers_hatching_count", "gauge", "Workers that start users", of("spawning"));
    text.one("workers_missing_count", "gauge", "Workers that are lost", of("missing"));
    text.head("worker_detail", "gauge", "Users of a worker, by its state");
    for worker in view.workers.iter().filter(|worker| worker.liveness != Liveness::Lost) {
        let WorkerView { worker: id, users, .. } = worker;
        let labels = [("id", id.as_str()), ("state", worker_state(worker))];
        text.sample("worker_detail", &labels, f64::from(*users));
    }
}

/// Name, kind, help and value of a metric of each row.
type OfRow = (&'static str, &'static str, &'static str, fn(&HttpRow) -> f64);

fn requests(text: &mut Text, run: &RunView) {
    const ROWS: [OfRow; 9] = [
        ("num_requests", "gauge", "Requests", |row| row.requests as f64),
        ("num_failures", "gauge", "Failed requests", |row| row.failures as f64),
        ("avg_response_time", "gauge", "Milliseconds", |row| {
            row.response_time.as_ref().map_or(0.0, |times| times.mean / 1e3)
        }),
        ("current_fail_per_sec", "gauge", "Failed requests per second", |row| row.current_fps),
        ("min_response_time", "gauge", "Milliseconds", |row| of(row, |times| times.min)),
        ("max_response_time", "gauge", "Milliseconds", |row| of(row, |times| times.max)),
        ("median_response_time", "gauge", "Milliseconds", |row| of(row, |times| times.p50)),
        ("current_rps", "gauge", "Requests per second", |row| row.current_rps),
        ("avg_content_length", "gauge", "Bytes", |row| row.mean_body_bytes),
    ];
    for (name, kind, help, value) in ROWS {
        let name = format!("requests_{name}");
        text.head(&name, kind, help);
        for row in &run.rows {
            text.sample(&name, &[("method", &row.method), ("name", &row.name)], value(row));
        }
    }
    text.one("requests_fail_ratio", "gauge", "0 to 1", run.total.failure_ratio());
    let now = |pick: fn(&Times) -> u64| {
        run.window.response_time.as_ref().map_or(0.0, |times| pick(times) as f64 / 1e3)
    };
    let (p50, p95) = (now(|times| times.p50), now(|times| times.p95));
    text.one("requests_current_response_time_percentile_50", "gauge", "Milliseconds", p50);
    text.one("requests_current_response_time_percentile_95", "gauge", "Milliseconds", p95);
    text.head("errors", "gauge", "Failed requests by error");
    for error in &run.errors {
        let Origin::Request { method, name } = &error.origin else { continue };
        let labels = [("method", &**method), ("name", &**name), ("error", &*error.message)];
        text.sample("errors", &labels, error.count as f64);
    }
}

fn of(row: &HttpRow, pick: fn(&Times) -> u64) -> f64 {
    row.response_time.as_ref().map_or(0.0, |times| pick(times) as f64 / 1e3)
}

/// Prometheus' text format, growing.
#[derive(Default)]
struct Text(String);

impl Text {
    fn one(&mut self, name: &str, kind: &str, help: &str, value: f64) {
        self.head(name, kind, help);
        self.sample(name, &[], value);
    }

    fn head(&mut self, name: &str, kind: &str, help: &str) {
        // Writing to a string cannot fail.
        let _ = writeln!(self.0, "# HELP locust_{name} {help}\n# TYPE locust_{name} {kind}");
    }

    fn sample(&mut self, name: &str, labels: &[(&str, &str)], value: f64) {
        let _ = write!(self.0, "locust_{name}");
        for (i, (label, text)) in labels.iter().enumerate() {
            let begin = if i == 0 { '{' } else { ',' };
            let text = text.replace('\\', "\\\\").replace('"', "\\\"").replace('\n', "\\n");
            let _ = write!(self.0, "{begin}{label}=\"{text}\"");
        }
        let _ = writeln!(self.0, "{} {value}", if labels.is_empty() { "" } else { "}" });
    }
}
