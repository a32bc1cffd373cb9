//! Takes `fine` for a scenario, and anything else for a faulty one.

use std::time::Duration;

use bytes::Bytes;
use futures_util::future::BoxFuture;
use loadhost_model::id::{Digest, RunId};
use loadhost_model::plan::RunPlan;
use serde_json::json;
use sha2::{Digest as _, Sha256};

use crate::testing::fleet::request;
use crate::workbench::{
    Checked, Fault, Planned, Setting, SettingKind, Wanted, Workbench, WorkbenchError,
};

pub(super) struct Bench;

static SETTINGS: [Setting; 1] = [Setting {
    key: "users",
    flag: "users",
    group: "load",
    kind: SettingKind::Integer,
    choices: Vec::new(),
    placeholder: "N",
    default: None,
    help: "Users",
    secret: false,
    proposable: true,
}];

fn fault(key: Option<&str>, message: &str) -> Fault {
    let (code, hint) = ("test".to_string(), "mend it".to_string());
    Fault { key: key.map(String::from), code, message: message.into(), hint }
}

impl Workbench for Bench {
    fn check(&self, wasm: Bytes) -> BoxFuture<'_, Result<Checked, WorkbenchError>> {
        Box::pin(async move {
            let digest = Digest::new(Sha256::digest(&wasm).into());
            let description = wasm.starts_with(b"fine").then(|| (*request().description).clone());
            let faults = match description {
                Some(_) => Vec::new(),
                None => vec![fault(None, "it is no component")],
            };
            let size = wasm.len() as u64;
            Ok(Checked { digest, size, description, inspection: json!({}), faults })
        })
    }

    fn plan(&self, wanted: &Wanted<'_>) -> Result<Planned, Vec<Fault>> {
        let known = |key: &&String| *key != "users";
        let faults: Vec<_> =
            wanted.settings.keys().filter(known).map(|key| fault(Some(key), "unknown")).collect();
        if !faults.is_empty() {
            return Err(faults);
        }
        let id = format!("r{:016x}", fastrand::u64(..));
        let plan = request().plan;
        let run = RunId::new(id).unwrap();
        let plan = RunPlan { run, module: wanted.module, ..plan };
        let command = format!("loadhost run {}", wanted.scenario_file);
        let max_wait = Duration::from_secs(10);
        Ok(Planned { plan, expect_workers: 1, max_wait, command, effective: Vec::new() })
    }

    fn settings(&self) -> &[Setting] {
        &SETTINGS
    }
}
