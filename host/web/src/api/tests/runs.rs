use std::sync::Arc;
use std::time::Duration;

use loadhost_control::{FleetView, Handle, RunView};
use loadhost_model::id::RunId;
use serde_json::{Value, json};

use super::{coordinator, master, site};
use crate::export::fixture;
use crate::ops::{Ops, Role};
use crate::testing::served;

#[tokio::test]
async fn a_run_is_planned_started_changed_stopped_and_kept() {
    let master = master().await;
    let scenario = master.scenario().await;
    let (status, plan) = master.post("/api/v1/plans", &json!({"scenario": scenario})).await;
    assert_eq!((status, &plan["command"]), (200, &json!("loadhost run shop.wasm")));
    assert_eq!(plan["curve"], json!({"unit": "users", "points": [[0.0, 7.0]], "open_ended": true}));

    let run = master.running().await;
    let (_, detail) = master.get("/api/v1/runs/current").await;
    assert_eq!((&detail["run"], &detail["state"]), (&json!(run), &json!("running")));
    assert_eq!((&detail["note"], &detail["tags"]), (&json!("first"), &json!(["night"])));
    assert_eq!(detail["command"], "loadhost run shop.wasm");
    assert_eq!(detail["rows"]["GET /item/{id}"]["requests"], 10);
    let median = detail["rows"]["GET /item/{id}"]["response_time_ms"]["p50"].as_f64().unwrap();
    assert!((median - 20.0).abs() < 0.1, "{median}");

    let change = json!({"change": {"users": {"users": 50, "spawn_rate": 10.0}}});
    assert_eq!(
        master.post("/api/v1/runs/current/change", &change).await,
        (200, json!({"run": run}))
    );
    let stages = json!({"change": {"stages": {"stages": "10s->20"}}});
    assert_eq!(master.post("/api/v1/runs/current/change", &stages).await.0, 200);
    master.end(&run).await;

    let (_, kept) = master.get(&format!("/api/v1/runs/{run}")).await;
    assert_eq!(
        (&kept["ended"]["reason"], &kept["passed"]),
        (&json!("stopped-by-user"), &json!(true))
    );
    let (_, points) = master.get(&format!("/api/v1/runs/{run}/points")).await;
    assert_eq!(points["columns"][0], "t");
    assert_eq!(points["rows"][0][5], 10.0, "requests per second: {points}");
}

#[tokio::test]
async fn what_is_kept_outlives_the_master() {
    let first = master().await;
    let run = first.running().await;
    first.end(&run).await;
    // Another process over the same folder, which never saw the run.
    let (handle, stop) = coordinator().await;
    let site = super::site(handle.clone(), first.folder.path());
    let second = served(Ops::new(Role::Master(handle)).with_site(site)).await;
    let list: Value = serde_json::from_str(&second.get("/api/v1/runs").await.1).unwrap();
    assert_eq!((&list["runs"][0]["run"], &list["runs"][0]["note"]), (&json!(run), &json!("first")));
    for file in [
        "",
        "/points",
        "/report.html",
        "/results.json",
        "/junit.xml",
        "/stats.csv",
        "/stats_history.csv",
        "/failures.csv",
        "/exceptions.csv",
    ] {
        let (status, body) = second.get(&format!("/api/v1/runs/{run}{file}")).await;
        assert!(status == 200 && !body.is_empty(), "{file}: {status} {body}");
    }
    let workers = second.get(&format!("/api/v1/runs/{run}/workers")).await.1;
    let workers: Value = serde_json::from_str(&workers).unwrap();
    assert_eq!(workers["workers"]["w1"]["users"], 7, "as it was: {workers}");
    assert_eq!(workers["workers"]["w1"]["module"], list["runs"][0]["module"]);
    let logs = second.get(&format!("/api/v1/logs?run={run}")).await;
    assert_eq!(logs, (200, "{\"lines\":[]}".to_string()));
    let (status, same) = second.get(&format!("/api/v1/runs/{run}/compare/{run}")).await;
    assert_eq!(status, 200, "{same}");
    stop.cancel();
    second.stop.cancel();
}

#[tokio::test]
async fn notes_and_tags_are_written_and_a_run_is_deleted_for_good() {
    let master = master().await;
    let run = master.running().await;
    let path = format!("/api/v1/runs/{run}");
    let (status, written) =
        master.send("PATCH", &path, &json!({"note": "second", "pinned": true})).await;
    assert_eq!(
        (status, &written["note"], &written["tags"]),
        (200, &json!("second"), &json!(["night"]))
    );
    let (status, refusal) = master.send("DELETE", &path, &json!({})).await;
    assert_eq!((status, &refusal["code"]), (409, &json!("in-use")));
    master.end(&run).await;
    assert_eq!(master.get(&path).await.1["note"], "second");
    assert_eq!(master.send("DELETE", &path, &json!({})).await.0, 204);
    assert_eq!(master.get(&path).await.0, 404);
    assert_eq!(master.get("/api/v1/runs").await.1["runs"], json!([]));
    assert_eq!(master.get(&format!("{path}/workers")).await.0, 404);
}

#[tokio::test]
async fn the_stream_of_a_run_that_is_deleted_ends() {
    let master = master().await;
    let run = master.running().await;
    master.end(&run).await;
    // The end of the connection is that of the stream.
    let mut page = super::live::Page::open_once(&master, &format!("?run={run}")).await;
    assert_eq!(page.next().await.1["doc"]["run"]["run"], json!(run));
    let path = format!("/api/v1/runs/{run}");
    assert_eq!(master.send("DELETE", &path, &json!({})).await.0, 204);
    page.ended().await;
    let (status, _) = master.get(&format!("/api/v1/live?run={run}")).await;
    assert_eq!(status, 404);
}

#[tokio::test]
async fn the_seconds_of_a_deleted_run_are_gone_with_it() {
    let master = master().await;
    let run = master.running().await;
    // Whoever follows it has its seconds counted along.
    let mut page = super::live::Page::open(&master, "", "").await;
    assert_eq!(page.next().await.1["doc"]["run"]["run"], json!(run));
    master.end(&run).await;
    let path = format!("/api/v1/runs/{run}");
    let (status, points) = master.get(&format!("{path}/points")).await;
    assert_eq!(status, 200, "{points}");
    assert!(!points["rows"].as_array().unwrap().is_empty(), "{points}");
    assert_eq!(master.send("DELETE", &path, &json!({})).await.0, 204);
    let (status, refusal) = master.get(&format!("{path}/points")).await;
    assert_eq!((status, &refusal["code"]), (404, &json!("unknown-run")));
}

#[tokio::test]
async fn a_deleted_run_is_shown_on_no_page() {
    let master = master().await;
    let run = master.running().await;
    master.end(&run).await;
    let mut page = super::live::Page::open(&master, "", "").await;
    assert_eq!(page.next().await.1["doc"]["run"]["run"], json!(run));
    let path = format!("/api/v1/runs/{run}");
    assert_eq!(master.send("DELETE", &path, &json!({})).await.0, 204);
    let mut page = super::live::Page::open(&master, "", "").await;
    // What it followed until then may still be told, and is taken back with the next view.
    let mut told = page.next().await.1;
    let until = tokio::time::Instant::now() + std::time::Duration::from_secs(20);
    while told["doc"].get("run").is_some() || told["doc"].is_null() {
        assert!(tokio::time::Instant::now() < until, "{told}");
        told = page.next().await.1;
    }
    assert_eq!(told["doc"]["runs"], json!({}));
}

#[tokio::test]
async fn several_faults_are_told_at_once_with_their_keys() {
    let master = master().await;
    let scenario = master.scenario().await;
    let wanted = json!({"scenario": scenario, "settings": {"usres": 5, "cert": "/etc/passwd"}});
    let (status, plan) = master.post("/api/v1/plans", &wanted).await;
    let keys: Vec<_> =
        plan["faults"].as_array().unwrap().iter().map(|fault| &fault["key"]).collect();
    assert_eq!((status, keys), (200, vec![&json!("usres"), &json!("cert")]));
    let (status, refusal) = master.post("/api/v1/runs", &wanted).await;
    assert_eq!((status, refusal["faults"].as_array().unwrap().len()), (422, 2));
}

#[tokio::test]
async fn what_cannot_be_done_is_refused_in_one_form() {
    let master = master().await;
    let nobody = "0".repeat(64);
    let long = json!({"note": "x".repeat(2 << 20), "scenario": nobody});
    let cases = [
        ("POST", "/api/v1/runs/current/stop", json!({}), 404, "no-run"),
        ("POST", "/api/v1/runs/nobody/stop", json!({}), 404, "unknown-run"),
        ("POST", "/api/v1/runs/current/stop", json!({"mode": "perhaps"}), 400, "bad-request"),
        ("POST", "/api/v1/runs/nobody/reset", json!({"x": 1}), 400, "bad-request"),
        ("POST", "/api/v1/runs/no%2Fbody/stop", json!({}), 400, "bad-request"),
        (
            "POST",
            "/api/v1/runs/nobody/change",
            json!({"change": {"users": {"users": -1}}}),
            400,
            "bad-request",
        ),
        ("POST", "/api/v1/runs", json!({"scenario": "short"}), 400, "bad-request"),
        ("POST", "/api/v1/runs", json!({"scenario": nobody}), 404, "unknown-scenario"),
        ("POST", "/api/v1/runs", long, 413, "too-large"),
        ("POST", "/api/v1/workers/w9/drain", json!({}), 404, "unknown-worker"),
        ("PATCH", "/api/v1/runs/nobody", json!({"note": "x"}), 404, "unknown-run"),
        ("DELETE", "/api/v1/runs/nobody", json!({}), 404, "unknown-run"),
        ("GET", "/api/v1/runs/nobody/results.json", json!({}), 404, "unknown-run"),
        ("GET", "/api/v1/runs?limit=x", json!({}), 400, "bad-request"),
        ("GET", "/api/v1/live?run=nobody", json!({}), 404, "unknown-run"),
        ("GET", "/api/v1/scenarios/zz", json!({}), 400, "bad-request"),
        ("GET", "/api/v1/nothing", json!({}), 404, "not-found"),
        ("DELETE", "/api/v1/plans", json!({}), 405, "method-not-allowed"),
    ];
    for (method, path, body, status, code) in cases {
        let (found, refusal) = master.send(method, path, &body).await;
        assert_eq!((found, &refusal["code"]), (status, &json!(code)), "{method} {path}: {refusal}");
        for part in ["message", "hint"] {
            assert!(refusal[part].as_str().is_some_and(|text| !text.is_empty()), "{refusal}");
        }
    }
}

/// Behind a balancer the next request may reach a master that has not heard of the run yet.
#[tokio::test]
async fn a_run_that_has_just_begun_at_another_master_is_no_unknown_run() {
    let (handle, desk) = Handle::pair();
    let folder = tempfile::tempdir().unwrap();
    let site = site(handle.clone(), folder.path());
    let served = served(Ops::new(Role::Master(handle)).with_site(site)).await;
    let run = RunId::new(ulid::Ulid::generate().to_string()).unwrap();
    let path = format!("/api/v1/runs/{run}");
    let heard = async {
        tokio::time::sleep(Duration::from_millis(200)).await;
        let view = RunView { run: run.clone(), ..fixture::view() };
        let fleet = FleetView { runs: vec![Arc::new(view)], ..FleetView::default() };
        desk.views.send(Arc::new(fleet)).unwrap();
    };
    let ((status, body), ()) = tokio::join!(served.get(&path), heard);
    assert_eq!(status, 200, "{body}");
    let old = ulid::Ulid::from_parts(1, 7);
    assert_eq!(served.get(&format!("/api/v1/runs/{old}")).await.0, 404);
}
