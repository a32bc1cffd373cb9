//! The API over real connections, in front of a real coordinator and a folder.
#![allow(clippy::unwrap_used, clippy::expect_used)]

mod bench;
mod described;
mod library;
mod live;
mod runs;

use std::sync::Arc;
use std::time::Duration;

use loadhost_control::ports::{FolderShelf, ShelfBounds};
use loadhost_control::{Coordinator, CoordinatorConfig, Handle};
use loadhost_model::wire::Report;
use serde_json::{Value, json};
use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;

use crate::ops::{Ops, Role};
use crate::site::{Site, Standing};
use crate::testing::fleet::{Obedient, status};
use crate::testing::{Served, served};
use bench::Bench;

/// A master with one worker that does what it is asked.
struct Master {
    served: Served,
    handle: Handle,
    stop: CancellationToken,
    folder: tempfile::TempDir,
}

fn site(handle: Handle, folder: &std::path::Path) -> Site {
    let standing =
        || Standing { master: "m1".into(), leader: Some("m1".into()), ..Standing::default() };
    Site {
        handle,
        shelf: Arc::new(FolderShelf::open(folder, ShelfBounds::default()).unwrap()),
        workbench: Some(Arc::new(Bench)),
        standing: Arc::new(standing),
        drain: None,
        cluster: Some("test".into()),
    }
}

async fn coordinator() -> (Handle, CancellationToken) {
    let (reports, receiver) = mpsc::channel(16);
    let stop = CancellationToken::new();
    let config = CoordinatorConfig { start_delay: Duration::ZERO, ..CoordinatorConfig::default() };
    let fleet = Arc::new(Obedient(reports.clone()));
    let (handle, _task) = Coordinator::spawn(config, fleet, receiver, stop.clone());
    reports.send(Report::Status(status("w1", 0))).await.unwrap();
    (handle, stop)
}

async fn master() -> Master {
    let (handle, stop) = coordinator().await;
    let folder = tempfile::tempdir().unwrap();
    let site = site(handle.clone(), folder.path());
    let served = served(Ops::new(Role::Master(handle.clone())).with_site(site)).await;
    Master { served, handle, stop, folder }
}

impl Master {
    async fn get(&self, path: &str) -> (u16, Value) {
        let (status, body) = self.served.get(path).await;
        (status, serde_json::from_str(&body).unwrap_or(Value::String(body)))
    }

    async fn send(&self, method: &str, path: &str, body: &Value) -> (u16, Value) {
        let json = "content-type: application/json\r\n";
        let (status, body) = self.served.ask(method, path, json, &body.to_string()).await;
        (status, serde_json::from_str(&body).unwrap_or(Value::String(body)))
    }

    async fn post(&self, path: &str, body: &Value) -> (u16, Value) {
        self.send("POST", path, body).await
    }

    async fn upload(&self, path: &str, body: &str) -> (u16, Value) {
        let wasm = "content-type: application/wasm\r\n";
        let (status, body) = self.served.ask("POST", path, wasm, body).await;
        (status, serde_json::from_str(&body).unwrap())
    }

    /// A scenario that can be run.
    async fn scenario(&self) -> String {
        let (status, info) = self.upload("/api/v1/scenarios?name=shop.wasm", "fine").await;
        assert_eq!(status, 201, "{info}");
        info["digest"].as_str().unwrap().to_string()
    }

    /// A run that makes load.
    async fn running(&self) -> String {
        let scenario = self.scenario().await;
        let wanted = json!({"scenario": scenario, "note": "first", "tags": ["night"]});
        let (status, made) = self.post("/api/v1/runs", &wanted).await;
        assert_eq!(status, 201, "{made}");
        let run = made["run"].as_str().unwrap().to_string();
        let mut views = self.handle.view();
        let measured = views.wait_for(|view| {
            view.runs.iter().any(|one| one.run.as_str() == run && one.total.requests > 0)
        });
        tokio::time::timeout(Duration::from_secs(20), measured).await.unwrap().unwrap();
        run
    }

    /// Ends it, and waits until it is kept.
    async fn end(&self, run: &str) {
        let (status, _) =
            self.post(&format!("/api/v1/runs/{run}/stop"), &json!({"mode": "now"})).await;
        assert_eq!(status, 200);
        self.eventually("/api/v1/runs", |list| {
            let runs = list["runs"].as_array().unwrap();
            runs.iter().any(|one| one["run"] == run && one["kept"] == true)
        })
        .await;
    }

    async fn eventually(&self, path: &str, good: impl Fn(&Value) -> bool) -> Value {
        let until = tokio::time::Instant::now() + Duration::from_secs(20);
        loop {
            let (_, found) = self.get(path).await;
            if good(&found) {
                return found;
            }
            assert!(tokio::time::Instant::now() < until, "{path}: {found:#}");
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    }
}

impl Drop for Master {
    fn drop(&mut self) {
        self.stop.cancel();
        self.served.stop.cancel();
    }
}
