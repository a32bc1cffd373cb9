//! The operator's face over real connections, in front of a real coordinator.
#![allow(clippy::unwrap_used, clippy::expect_used)]

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use loadhost_control::view::{RunState, Times};
use loadhost_control::{Coordinator, CoordinatorConfig, EndReason, FleetView, Handle, RunView};
use loadhost_model::id::Term;
use loadhost_model::wire::{Report, WorkerState, WorkerStatus};
use serde_json::{Value, json};
use tokio::sync::{mpsc, watch};
use tokio_util::sync::CancellationToken;

use super::{Exposure, NotReady, Ops, Role, Shown, bind};
use crate::testing::fleet::{Obedient, Silence, request, status};
use crate::testing::{master, served};

/// A coordinator that two workers have reported to.
async fn coordinator() -> (Handle, CancellationToken) {
    let (reports, receiver) = mpsc::channel(16);
    let stop = CancellationToken::new();
    let config = CoordinatorConfig { term: Term(3), ..CoordinatorConfig::default() };
    let (handle, _task) = Coordinator::spawn(config, Arc::new(Silence), receiver, stop.clone());
    for (name, users) in [("w1", 7), ("w2", 5)] {
        reports.send(Report::Status(status(name, users))).await.unwrap();
    }
    let mut view = handle.view();
    let both = view.wait_for(|view| view.workers.len() == 2);
    tokio::time::timeout(Duration::from_secs(10), both).await.unwrap().unwrap();
    tokio::spawn({
        let stop = stop.clone();
        async move {
            stop.cancelled().await;
            drop(reports);
        }
    });
    (handle, stop)
}

fn value_of(metrics: &str, series: &str) -> f64 {
    let line =
        metrics.lines().find(|line| line.strip_prefix(series).is_some_and(|l| l.starts_with(' ')));
    let line = line.unwrap_or_else(|| panic!("no {series} in\n{metrics}"));
    line.rsplit(' ').next().unwrap().parse().unwrap()
}

#[tokio::test]
async fn alive_is_not_ready_and_the_reason_is_told() {
    let connected = Arc::new(AtomicBool::new(false));
    let ops = Ops::new(Role::Worker(watch::channel(None).1)).ready_if({
        let connected = connected.clone();
        move || match connected.load(Ordering::Relaxed) {
            true => Ok(()),
            false => Err("no leader is heard".to_string().into()),
        }
    });
    let served = served(ops).await;
    assert_eq!(served.get("/health").await, (200, "alive\n".into()));
    let (status, body) = served.get("/ready").await;
    let refusal: Value = serde_json::from_str(&body).unwrap();
    assert_eq!((status, &refusal["code"]), (503, &json!("not-ready")));
    assert_eq!(refusal["message"], json!("no leader is heard"));
    connected.store(true, Ordering::Relaxed);
    assert_eq!(served.get("/ready").await.0, 200);
    served.stop.cancel();
    served.task.await.unwrap().unwrap();
}

#[tokio::test]
async fn who_drains_says_so_and_each_port_answers_its_part_only() {
    let why = "it was told to stop";
    let ops = Ops::new(Role::Worker(watch::channel(None).1))
        .ready_if(move || Err(NotReady::Draining(why.to_string())));
    let health = served(ops.clone().only(Shown::Health)).await;
    let (status, body) = health.get("/ready").await;
    let refusal: Value = serde_json::from_str(&body).unwrap();
    assert_eq!((status, &refusal["code"]), (503, &json!("draining")));
    assert_eq!(refusal["message"], json!(why));
    assert_eq!((health.get("/health").await.0, health.get("/metrics").await.0), (200, 404));
    let metrics = served(ops.only(Shown::Metrics)).await;
    assert_eq!(metrics.get("/metrics").await.0, 200);
    assert_eq!((metrics.get("/health").await.0, metrics.get("/ready").await.0), (404, 404));
    for (port, has, lacks) in [(&health, "/ready", "/metrics"), (&metrics, "/metrics", "/ready")] {
        let (_, page) = port.get("/").await;
        assert!(page.contains(has) && !page.contains(lacks), "{page}");
    }
}

#[tokio::test]
async fn a_master_shows_its_fleet_to_prometheus() {
    let (handle, stop) = coordinator().await;
    let ops = Ops::new(Role::Master(handle)).counting(|| vec![("connects", 2)]);
    let served = served(ops).await;
    let (status, metrics) = served.get("/metrics").await;
    assert_eq!(status, 200);
    assert_eq!(value_of(&metrics, "loadhost_users"), 12.0);
    assert_eq!(value_of(&metrics, "loadhost_capacity_users"), 1_000.0);
    assert_eq!(value_of(&metrics, "loadhost_term"), 3.0);
    assert_eq!(value_of(&metrics, "loadhost_leader"), 1.0);
    assert_eq!(value_of(&metrics, "loadhost_workers{liveness=\"alive\"}"), 2.0);
    assert_eq!(value_of(&metrics, "loadhost_workers{liveness=\"lost\"}"), 0.0);
    let transport = "loadhost_transport_events_total{event=\"connects\"}";
    assert_eq!(value_of(&metrics, transport), 2.0);
    stop.cancel();
}

#[tokio::test]
async fn a_run_is_shown_changed_and_stopped() {
    let (reports, receiver) = mpsc::channel(16);
    let stop = CancellationToken::new();
    let config = CoordinatorConfig { start_delay: Duration::ZERO, ..CoordinatorConfig::default() };
    let fleet = Arc::new(Obedient(reports.clone()));
    let (handle, _task) = Coordinator::spawn(config, fleet, receiver, stop.clone());
    reports.send(Report::Status(status("w1", 0))).await.unwrap();
    let (ops, _folder) = master(handle.clone());
    let served = served(ops).await;
    let run = handle.start(request()).await.unwrap();
    let mut view = handle.view();
    let measured = view.wait_for(|view| view.run(&run).is_some_and(|run| run.total.requests > 0));
    let measured = tokio::time::timeout(Duration::from_secs(20), measured).await.is_ok();
    assert!(measured, "{:#?}", handle.view().borrow());

    let (_, metrics) = served.get("/metrics").await;
    let row = "{method=\"GET\",name=\"/item/{id}\"}";
    assert_eq!(value_of(&metrics, &format!("loadhost_requests_total{row}")), 10.0);
    assert_eq!(value_of(&metrics, &format!("loadhost_request_failures_total{row}")), 3.0);
    let median = "{method=\"GET\",name=\"/item/{id}\",percentile=\"50\"}";
    let median = value_of(&metrics, &format!("loadhost_response_time_percentile_seconds{median}"));
    assert!((median - 0.020).abs() < 0.000_05, "{median}");
    for time in ["response", "service"] {
        let at_most = |le: &str| {
            let labels = format!("{{method=\"GET\",name=\"/item/{{id}}\",le=\"{le}\"}}");
            value_of(&metrics, &format!("loadhost_{time}_time_seconds_bucket{labels}"))
        };
        let counts = ["0.001", "0.01", "0.025", "60", "+Inf"].map(at_most);
        assert_eq!(counts, [0.0, 0.0, 10.0, 10.0, 10.0], "{time}");
        let of =
            |what: &str| value_of(&metrics, &format!("loadhost_{time}_time_seconds_{what}{row}"));
        assert_eq!(of("count"), 10.0);
        assert!((of("sum") - 0.2).abs() < 0.1, "{time} {}", of("sum"));
    }
    assert_eq!(value_of(&metrics, "loadhost_intervals_total{outcome=\"merged\"}"), 1.0);
    assert_eq!(value_of(&metrics, "loadhost_run_state{state=\"running\"}"), 1.0);

    let change = json!({"change": {"users": {"users": 50, "spawn_rate": 10.0}}});
    assert_eq!(
        served.post("/api/v1/runs/current/change", &change).await,
        (200, json!({"run": "r1"}))
    );
    let nowhere =
        json!({"phase": "nowhere", "change": {"users": {"users": 5, "spawn_rate": null}}});
    assert_eq!(served.post("/api/v1/runs/current/change", &nowhere).await.0, 422);
    let (status_code, refusal) = served.post("/api/v1/workers/w1/drain", &json!({})).await;
    assert_eq!((status_code, &refusal["code"]), (409, &json!("last-worker")));
    for name in ["`w1`", "`r1`", "stop the run"] {
        assert!(refusal["message"].as_str().unwrap().contains(name), "{refusal}");
    }
    let stopped = served.post("/api/v1/runs/r1/stop", &json!({"mode": "now"})).await;
    assert_eq!(stopped, (200, json!({"run": "r1"})));
    let report = tokio::time::timeout(Duration::from_secs(20), handle.finished(&run)).await;
    assert_eq!(report.unwrap().unwrap().ended, EndReason::StoppedByUser);
    stop.cancel();
}

#[tokio::test]
async fn a_worker_is_taken_out_of_service_and_back() {
    let (handle, stop) = coordinator().await;
    let (ops, _folder) = master(handle.clone());
    let served = served(ops).await;
    let draining = || -> Vec<bool> {
        handle.view().borrow().workers.iter().map(|worker| worker.draining).collect()
    };
    let mut view = handle.view();
    let done = served.post("/api/v1/workers/w2/drain", &json!({})).await;
    assert_eq!(done, (200, json!({"worker": "w2", "drained": true})));
    let shown = view.wait_for(|view| view.workers.iter().any(|worker| worker.draining));
    tokio::time::timeout(Duration::from_secs(10), shown).await.unwrap().unwrap();
    assert_eq!(draining(), [false, true]);
    let (status, body) = served.ask("DELETE", "/api/v1/workers/w2/drain", "", "").await;
    let done: Value = serde_json::from_str(&body).unwrap();
    assert_eq!((status, done), (200, json!({"worker": "w2", "drained": false})));
    let shown = view.wait_for(|view| view.workers.iter().all(|worker| !worker.draining));
    tokio::time::timeout(Duration::from_secs(10), shown).await.unwrap().unwrap();
    let (status, body) = served.ask("DELETE", "/api/v1/workers/w9/drain", "", "").await;
    assert!(status == 404 && body.contains("unknown-worker"), "{status} {body}");
    // A form of another page, which needs no permission of the browser.
    let form = "content-type: text/plain\r\n";
    assert_eq!(served.ask("POST", "/api/v1/workers/w1/drain", form, "{}").await.0, 415);
    assert_eq!(draining(), [false, false]);
    stop.cancel();
}

#[tokio::test]
async fn metrics_are_of_all_runs_that_go_on_beside_each_other() {
    let (handle, desk) = Handle::pair();
    let served = served(Ops::new(Role::Master(handle))).await;
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_micros() as u64;
    let run = |name: &str, requests, p95| {
        let mut view = crate::export::fixture::view();
        view.rows.truncate(1);
        (view.run, view.state) = (name.parse().unwrap(), RunState::Running);
        (view.started, view.ended) = (Some(now), None);
        (view.rows[0].requests, view.rows[0].failures) = (requests, requests / 10);
        view.rows[0].response_time = Some(Times { p95, ..Times::default() });
        (view.window.rps, view.window.fps) = (requests as f64, 10.0);
        view.collection.merged = requests;
        view
    };
    let (mut a, b) = (run("a", 100, 5_000), run("b", 300, 2_000));
    let row = format!("{{method=\"{}\",name=\"{}\"}}", a.rows[0].method, a.rows[0].name);
    let show = |runs: &[&RunView]| {
        let runs = runs.iter().map(|run| Arc::new((*run).clone())).collect();
        desk.views.send_replace(Arc::new(FleetView { runs, ..FleetView::default() }));
    };
    let of = async |series: &str| {
        let (_, metrics) = served.get("/metrics").await;
        value_of(&metrics, &series.replace("ROW", &row))
    };
    show(&[&a, &b]);
    assert_eq!(of("loadhost_requests_totalROW").await, 400.0);
    assert_eq!(of("loadhost_request_failures_totalROW").await, 40.0);
    assert_eq!(of("loadhost_intervals_total{outcome=\"merged\"}").await, 400.0);
    assert_eq!(of("loadhost_requests_per_second").await, 400.0);
    assert_eq!(of("loadhost_failure_ratio").await, 0.1, "the worse one");
    assert_eq!(of("loadhost_run_state{state=\"running\"}").await, 2.0);
    let p95 = row.replace('}', ",percentile=\"95\"}");
    let p95 = format!("loadhost_response_time_percentile_seconds{p95}");
    assert_eq!(of(&p95).await, 0.005, "the slower one");

    // The first one ends, so the other one is the only one and stands last.
    a.state = RunState::Finished;
    show(&[&a, &b]);
    assert_eq!(of("loadhost_requests_totalROW").await, 400.0, "a counter never falls");
    assert_eq!(of("loadhost_requests_per_second").await, 300.0);
    assert_eq!(of("loadhost_run_state{state=\"running\"}").await, 1.0);
    assert_eq!(of("loadhost_run_state{state=\"finished\"}").await, 0.0);
    let ended = RunView { state: RunState::Finished, ..b.clone() };
    show(&[&a, &ended]);
    assert_eq!(of("loadhost_requests_per_second").await, 0.0);
    assert_eq!(of("loadhost_run_state{state=\"finished\"}").await, 1.0);
    show(&[]);
    assert_eq!(of("loadhost_requests_totalROW").await, 400.0);
}

#[tokio::test]
async fn metrics_come_also_from_a_master_that_does_not_answer() {
    // Its coordinator waits for the store, say.
    let (handle, _desk) = Handle::pair();
    let served = served(Ops::new(Role::Master(handle))).await;
    let (status, metrics) = served.get("/metrics").await;
    assert_eq!(status, 200);
    assert_eq!(value_of(&metrics, "loadhost_users"), 0.0);
}

#[tokio::test]
async fn a_worker_shows_its_last_status_to_prometheus() {
    let (sender, receiver) = watch::channel(None);
    let served = served(Ops::new(Role::Worker(receiver))).await;
    let (status_code, before) = served.get("/metrics").await;
    assert!(status_code == 200 && !before.contains("loadhost_users"), "{before}");
    sender.send_replace(Some(WorkerStatus { state: WorkerState::Running, ..status("w1", 42) }));
    let (_, metrics) = served.get("/metrics").await;
    assert_eq!(value_of(&metrics, "loadhost_users"), 42.0);
    assert_eq!(value_of(&metrics, "loadhost_cpu_ratio"), 0.25);
    assert_eq!(value_of(&metrics, "loadhost_worker_state{state=\"running\"}"), 1.0);
    assert_eq!(value_of(&metrics, "loadhost_worker_state{state=\"idle\"}"), 0.0);
    assert_eq!(served.get("/api/v1/state").await.0, 404, "a worker has no state of the fleet");
}

#[tokio::test]
async fn the_state_is_the_coordinators_view() {
    let (handle, stop) = coordinator().await;
    let (ops, _folder) = master(handle.clone());
    let served = served(ops).await;
    let (status, body) = served.get("/api/v1/state").await;
    let state: Value = serde_json::from_str(&body).unwrap();
    let names: Vec<_> = state["workers"].as_array().unwrap().iter().map(|w| &w["worker"]).collect();
    assert_eq!((status, names), (200, vec![&json!("w1"), &json!("w2")]));
    stop.cancel();
}

#[tokio::test]
async fn pages_of_others_cannot_give_orders() {
    let (handle, stop) = coordinator().await;
    let (ops, _folder) = master(handle);
    let served = served(ops).await;
    // A form of another page, which needs no permission of the browser.
    let form = "content-type: text/plain\r\n";
    let (status, _) = served.ask("POST", "/api/v1/runs/current/stop", form, "{}").await;
    assert_eq!(status, 415);
    // A name that somebody lets point here.
    let rebound = "host: evil.example:8089\r\n";
    let (status, body) = served.ask("GET", "/api/v1/state", rebound, "").await;
    assert!(status == 421 && body.contains("foreign-host"), "{status} {body}");
    for own in ["127.0.0.1:8089", "localhost", "[::1]:8089", "LOCALHOST:1"] {
        let own = format!("host: {own}\r\n");
        assert_eq!(served.ask("GET", "/health", &own, "").await.0, 200, "{own}");
    }
    stop.cancel();
}

#[tokio::test]
async fn a_port_in_use_names_the_port_and_the_flag() {
    let taken = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let address = taken.local_addr().unwrap();
    let error = bind(address, Exposure::Loopback, "--listen", "--expose").await.unwrap_err();
    let text = error.to_string();
    assert!(text.contains(&address.port().to_string()) && text.contains("--listen"), "{text}");
}

#[tokio::test]
async fn other_machines_are_let_in_only_if_that_is_said() {
    let everywhere = "0.0.0.0:0".parse().unwrap();
    let error = bind(everywhere, Exposure::Loopback, "--listen", "--expose").await.unwrap_err();
    assert!(error.to_string().contains("--expose"), "{error}");
    assert!(bind(everywhere, Exposure::Anyone, "--listen", "--expose").await.is_ok());
}

#[tokio::test]
async fn the_front_page_is_the_page_and_a_worker_says_what_is_there() {
    let (handle, stop) = coordinator().await;
    let (ops, _folder) = master(handle);
    let of_master = served(ops).await;
    let (status, page) = of_master.get("/").await;
    assert!(status == 200 && page.contains("<!doctype html>"), "{page}");
    let of_worker = served(Ops::new(Role::Worker(watch::channel(None).1))).await;
    let (status, page) = of_worker.get("/").await;
    assert_eq!(status, 200);
    for path in ["/health", "/ready", "/metrics"] {
        assert!(page.contains(path), "{page}");
        assert_eq!(of_worker.get(path).await.0, 200, "{path}");
    }
    stop.cancel();
}
