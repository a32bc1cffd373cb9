//! The paths over real connections, in front of a real coordinator.
#![allow(clippy::unwrap_used)]

use serde_json::{Value, json};

use super::*;
use crate::export::fixture;
use crate::testing::Served;

/// A master's view, and what was asked of it.
struct Master {
    served: Served,
    views: tokio::sync::watch::Sender<Arc<FleetView>>,
    commands: tokio::sync::mpsc::Receiver<loadhost_control::Command>,
    started: Arc<Mutex<Vec<Value>>>,
}

struct Noting(Arc<Mutex<Vec<Value>>>, bool);

impl Starter for Noting {
    fn scenario(&self) -> BoxFuture<'_, Result<Ready, String>> {
        let description = fixture::report().description.as_ref().clone();
        let ready = Ready { digest: Digest::new([7; 32]), description };
        let some =
            if self.1 { Ok(ready) } else { Err("there is no scenario to start".to_string()) };
        Box::pin(async { some })
    }

    fn start(
        &self,
        _: Digest,
        settings: Map<String, Value>,
    ) -> BoxFuture<'_, Result<RunId, String>> {
        self.0.lock().unwrap().push(Value::Object(settings));
        Box::pin(async {
            RunId::new("01J9ZX3V6Q0000000000000002").map_err(|error| error.to_string())
        })
    }

    fn logs(&self) -> Vec<(String, String)> {
        vec![("w1".into(), "hello".into())]
    }
}

async fn master(has_scenario: bool) -> Master {
    let (handle, desk) = Handle::pair();
    let started = Arc::default();
    let starter = Arc::new(Noting(Arc::clone(&started), has_scenario));
    let ports = Ports { handle, starter, has_workers: true };
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap().to_string();
    let front = crate::access::Front::open(listener).unwrap();
    let app = crate::access::guard(router(ports), front.access.clone());
    let task = tokio::spawn(async move { axum::serve(front.listener, app).await });
    let served = Served { address, stop: Default::default(), task };
    Master { served, views: desk.views, commands: desk.commands, started }
}

fn fleet() -> FleetView {
    FleetView {
        at: 1_795_330_042_000_000,
        runs: vec![Arc::new(fixture::view())],
        ..FleetView::default()
    }
}

impl Master {
    fn show(&self, view: FleetView) {
        self.views.send(Arc::new(view)).unwrap();
    }

    async fn json(&self, path: &str) -> Value {
        let (status, body) = self.served.get(path).await;
        assert_eq!(status, 200, "{path}: {body}");
        serde_json::from_str(&body).unwrap()
    }

    async fn swarm(&self, kind: &str, body: &str) -> Value {
        let kind = format!("content-type: {kind}\r\n");
        let (status, body) = self.served.ask("POST", "/swarm", &kind, body).await;
        assert_eq!(status, 200, "{body}");
        serde_json::from_str(&body).unwrap()
    }

    /// Answers what is asked of the coordinator, and tells what it was.
    async fn obey(&mut self) -> String {
        use loadhost_control::Command::{Change, Reset, Stop};
        match self.commands.recv().await.unwrap() {
            Stop(_, mode, answer) => {
                answer.send(Ok(())).unwrap();
                format!("stop {mode:?}")
            }
            Reset(_, answer) => {
                answer.send(Ok(())).unwrap();
                "reset".into()
            }
            Change(_, _, change, answer) => {
                answer.send(Ok(())).unwrap();
                format!("{change:?}")
            }
            _ => "something else".into(),
        }
    }
}

const FORM: &str = "application/x-www-form-urlencoded";

#[tokio::test]
async fn before_any_run_there_is_one_row_of_nothing() {
    let master = master(true).await;
    let stats = master.json("/stats/requests").await;
    assert_eq!((stats["state"].as_str(), stats["user_count"].as_u64()), (Some("ready"), Some(0)));
    assert_eq!(stats["stats"][0]["name"], "Aggregated");
    assert_eq!(stats["stats"].as_array().unwrap().len(), 1);
    for path in ["/stats/requests/csv", "/stats/failures/csv", "/exceptions/csv"] {
        assert_eq!(master.served.get(path).await.0, 200, "{path}");
    }
    let (_, rows) = master.served.get("/stats/requests/csv").await;
    assert!(rows.contains(",Aggregated,0,0,"), "{rows}");
    assert_eq!(master.served.get("/stats/report").await.0, 404);
    assert_eq!(master.served.get("/stats/requests_full_history/csv").await.0, 404);
}

#[tokio::test]
async fn what_exporters_poll_has_the_types_that_they_expect() {
    let master = master(true).await;
    master.show(fleet());
    let stats = master.json("/stats/requests").await;
    let rows = stats["stats"].as_array().unwrap();
    assert_eq!(rows.len(), 4);
    assert_eq!((&rows[3]["method"], &rows[3]["name"]), (&json!(""), &json!("Aggregated")));
    for row in rows {
        for (field, value) in row.as_object().unwrap() {
            match field.as_str() {
                "num_requests" | "num_failures" => assert!(value.is_u64(), "{field} {value}"),
                "method" | "name" | "safe_name" => assert!(value.is_string()),
                _ => assert!(value.is_f64(), "{field} {value}"),
            }
        }
    }
    for field in ["user_count", "worker_count"] {
        assert!(stats[field].is_u64(), "{field}");
    }
    for field in [
        "current_rps",
        "current_fail_per_sec",
        "total_rps",
        "total_fail_per_sec",
        "fail_ratio",
        "current_response_time_percentile_50",
        "current_response_time_percentile_95",
    ] {
        assert!(stats[field].is_f64(), "{field}");
    }
    let nested = &stats["current_response_time_percentiles"];
    assert_eq!(
        nested["response_time_percentile_0.95"],
        stats["current_response_time_percentile_95"]
    );
    let error = &stats["errors"][0];
    assert_eq!(
        (error["occurrences"].as_u64(), error["first_seen"].as_str()),
        (Some(12), Some("2026-11-22T06:46:43Z"))
    );
    assert_eq!(stats["errors"].as_array().unwrap().len(), 1, "failed iterations are exceptions");
}

#[tokio::test]
async fn states_are_in_locusts_words() {
    let master = master(true).await;
    for (state, users_wanted, words, legacy) in [
        (RunState::Waiting, None, "spawning", "hatching"),
        (RunState::Running, Some(2_000), "spawning", "hatching"),
        (RunState::Running, Some(1_400), "running", "running"),
        (RunState::Stopping, None, "stopping", "stopping"),
        (RunState::Finished, None, "stopped", "stopped"),
    ] {
        let run = RunView { state, users_wanted, ..fixture::view() };
        master.show(FleetView { runs: vec![Arc::new(run)], ..fleet() });
        assert_eq!(master.json("/stats/requests").await["state"], words, "{state:?}");
        let old = master.json("/stats/requests?legacy=1").await;
        assert_eq!((&old["state"], &old["slave_count"]), (&json!(legacy), &json!(0)));
        assert_eq!(old["stats"][3]["name"], "Total");
    }
}

#[tokio::test]
async fn files_have_locusts_headers_and_names() {
    let master = master(true).await;
    master.show(fleet());
    for (path, kind) in [
        ("/stats/requests/csv", "stats"),
        ("/stats/failures/csv", "failures"),
        ("/exceptions/csv", "exceptions"),
    ] {
        let golden = std::fs::read_to_string(format!("tests/fixtures/{kind}.csv")).unwrap();
        let (_, text) = master.served.get(path).await;
        assert_eq!(text.lines().next(), golden.lines().next(), "{path}");
    }
    let name = super::files::file_name(Some(&fixture::view()), 1_795_330_042_000_000, "requests");
    assert_eq!(name, "Locust_2026-11-22-06h47_checkout_127.0.0.1_requests.csv");
}

#[tokio::test]
async fn a_swarm_starts_with_either_form_and_with_names_of_old() {
    let master = master(true).await;
    let answer = master.swarm(FORM, "user_count=10&spawn_rate=2.5&host=http%3A%2F%2Fa").await;
    assert_eq!(
        answer,
        json!({ "success": true, "message": "Swarming started", "host": "http://a", "run": "01J9ZX3V6Q0000000000000002" })
    );
    let part = |name: &str, value: &str| {
        format!("--x\r\ncontent-disposition: form-data; name=\"{name}\"\r\n\r\n{value}\r\n")
    };
    let body = part("locust_count", "10")
        + &part("hatch_rate", "2.5")
        + &part("host", "http://a")
        + "--x--\r\n";
    assert_eq!(master.swarm("multipart/form-data; boundary=x", &body).await["success"], true);
    let wanted = json!({ "users": 10, "spawn-rate": 2.5, "host": "http://a" });
    assert_eq!(*master.started.lock().unwrap(), [wanted.clone(), wanted]);
}

#[tokio::test]
async fn a_swarm_that_is_wrong_is_answered_with_200_and_why() {
    let master = master(false).await;
    for (body, why) in [
        ("", "Missing or invalid user_count or spawn_rate"),
        ("user_count=x&spawn_rate=1", "Missing or invalid user_count or spawn_rate"),
        ("user_count=1&spawn_rate=1", "there is no scenario to start"),
    ] {
        // Without a scenario that is said first, whatever is missing.
        let answer = master.swarm(FORM, body).await;
        assert_eq!(answer["success"], false);
        let message = answer["message"].as_str().unwrap();
        assert!(message.contains(why) || body.is_empty(), "{body}: {message}");
    }
    assert!(master.started.lock().unwrap().is_empty());
}

#[tokio::test]
async fn a_swarm_while_one_goes_on_changes_its_users() {
    let mut master = master(true).await;
    master.show(fleet());
    let served = Served {
        address: master.served.address.clone(),
        stop: Default::default(),
        task: tokio::spawn(async { Ok(()) }),
    };
    let kind = format!("content-type: {FORM}\r\n");
    let asked = tokio::spawn(async move {
        served.ask("POST", "/swarm", &kind, "user_count=7&spawn_rate=1").await
    });
    assert_eq!(master.obey().await, "Users { users: 7, spawn_rate: Some(1.0) }");
    assert!(asked.await.unwrap().1.contains("Swarming started"));
    assert!(master.started.lock().unwrap().is_empty());
}

#[tokio::test]
async fn stop_and_reset_come_by_get_and_post_but_not_from_other_pages() {
    let mut master = master(true).await;
    master.show(fleet());
    for method in ["GET", "POST"] {
        for (path, done, says) in
            [("/stop", "stop Graceful", "Test stopped"), ("/stats/reset", "reset", "ok")]
        {
            let (status, _) =
                master.served.ask(method, path, "sec-fetch-site: cross-site\r\n", "").await;
            assert_eq!(status, 403, "{method} {path}");
            let served = Served {
                address: master.served.address.clone(),
                stop: Default::default(),
                task: tokio::spawn(async { Ok(()) }),
            };
            let asked = tokio::spawn(async move { served.ask(method, path, "", "").await });
            assert_eq!(master.obey().await, done);
            let (status, body) = asked.await.unwrap();
            assert_eq!(status, 200);
            assert!(body.contains(says), "{body}");
        }
    }
}

#[tokio::test]
async fn the_rest_is_there() {
    let master = master(true).await;
    master.show(fleet());
    let exceptions = master.json("/exceptions").await;
    assert_eq!(exceptions["exceptions"][0]["count"], 3);
    let tasks = master.json("/tasks").await;
    assert_eq!(tasks["per_class"]["Shopper"]["tasks"]["buy"]["ratio"], 1.0);
    assert_eq!(tasks["total"]["Shopper"]["ratio"], 1.0);
    assert_eq!(master.json("/logs").await, json!({ "master": [], "workers": { "w1": ["hello"] } }));
    assert_eq!(master.json("/worker-count").await, json!({ "worker_count": 0 }));
}

#[tokio::test]
async fn an_exporters_dashboard_finds_its_metrics() {
    let master = master(true).await;
    let mut run = fixture::view();
    run.rows[0].name = "/a\"b\\c\nd".into();
    master.show(FleetView { runs: vec![Arc::new(run)], ..fleet() });
    master.served.get("/locust/metrics").await;
    let (_, text) = master.served.get("/locust/metrics").await;
    for line in [
        "locust_up 1",
        "locust_total_scrapes 2",
        "locust_running 2",
        "locust_users 1400",
        "locust_requests_num_requests{method=\"GET\",name=\"/item/{id}\"} 54000",
        "locust_requests_num_requests{method=\"POST\",name=\"/a\\\"b\\\\c\\nd\"} 600",
        "locust_errors{method=\"GET\",name=\"/item/{id}\",error=\"status 500\"} 12",
    ] {
        assert!(text.lines().any(|found| found == line), "{line} is missing in\n{text}");
    }
    for name in [
        "workers_count",
        "workers_running_count",
        "workers_hatching_count",
        "workers_missing_count",
        "requests_fail_ratio",
        "requests_current_response_time_percentile_50",
        "requests_current_response_time_percentile_95",
    ] {
        assert!(text.contains(&format!("# TYPE locust_{name} gauge")), "{name}");
    }
}
