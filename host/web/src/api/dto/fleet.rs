//! Masters and workers.

use std::collections::BTreeMap;

use loadhost_control::FleetView;
use loadhost_control::view::WorkerView;
use loadhost_model::wire::WorkerState;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::{instant, ms, rounded};

/// Masters and workers at one moment.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct Fleet {
    /// When the view was made (RFC 3339).
    pub at: String,
    /// Who answers.
    pub master: String,
    /// Who leads; null: nobody at the moment.
    pub leader: Option<String>,
    /// Counts leaderships.
    pub term: u64,
    /// Why this master cannot take work.
    pub trouble: Option<String>,
    /// All masters that are heard of.
    pub masters: Vec<Master>,
    /// By name.
    pub workers: BTreeMap<String, Worker>,
}

/// One master.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Master {
    /// Its name.
    pub id: String,
    /// Where it serves page and API.
    pub url: Option<String>,
    /// Whether it leads.
    pub leads: bool,
    /// Out of service: it does not lead, says that it is not ready, and goes on serving.
    #[serde(default)]
    pub draining: bool,
}

/// One worker.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct Worker {
    /// Its name.
    pub worker: String,
    /// Version of its program.
    pub release: String,
    /// Its labels.
    pub tags: BTreeMap<String, String>,
    /// Users that fit.
    pub capacity: u32,
    /// Threads that make load.
    pub shards: u32,
    /// Users running.
    pub users: u32,
    /// 0 to 1 over all its shards.
    pub cpu: f64,
    /// Resident.
    pub memory_bytes: u64,
    /// How late a timer of its threads fired at worst in the last second.
    #[serde(default)]
    pub lag_ms: f64,
    /// `alive`, `suspect` or `lost`.
    pub liveness: String,
    /// Since its last word, in whole seconds.
    pub silent_seconds: u64,
    /// `idle`, `preparing`, `ready`, `set-up`, `running`, `stopping`, `stopped`, `torn-down`, `failed`.
    pub state: String,
    /// Why it failed.
    pub trouble: Option<String>,
    /// The run that it is working for.
    pub run: Option<String>,
    /// Its part of that run, 0 to 1.
    pub share: Option<f64>,
    /// SHA-256 of the scenario that it runs.
    pub module: Option<String>,
    /// Takes no new work.
    pub draining: bool,
    /// Two processes use this name at once.
    pub name_clash: bool,
}

impl Fleet {
    /// What the view says of it; who leads is for others to say.
    pub fn of(view: &FleetView, master: String) -> Self {
        let workers = view.workers.iter().map(|worker| {
            let module = worker.run.as_ref().and_then(|run| view.run(run)).map(|run| run.module);
            let module = module.map(|digest| digest.to_string());
            (worker.worker.to_string(), Worker { module, ..Worker::from(worker) })
        });
        Self {
            at: instant(view.at),
            master,
            leader: None,
            term: view.term.0,
            trouble: None,
            masters: Vec::new(),
            workers: workers.collect(),
        }
    }
}

impl From<&WorkerView> for Worker {
    fn from(view: &WorkerView) -> Self {
        let (state, trouble) = state_of(&view.state);
        Self {
            worker: view.worker.to_string(),
            release: view.release.clone(),
            tags: view.tags.clone(),
            capacity: view.capacity,
            shards: view.shards,
            users: view.users,
            cpu: rounded(view.cpu),
            memory_bytes: view.memory,
            lag_ms: ms(view.lag),
            liveness: word(&view.liveness),
            silent_seconds: view.silent_for.as_secs(),
            state: state.to_string(),
            trouble,
            run: view.run.as_ref().map(ToString::to_string),
            share: view.share.as_ref().map(|share| rounded(share.fraction())),
            module: None,
            draining: view.draining,
            name_clash: view.name_clash,
        }
    }
}

/// The word that stands for a variant without fields.
pub(crate) fn word(variant: &impl Serialize) -> String {
    match serde_json::to_value(variant) {
        Ok(serde_json::Value::String(word)) => word,
        _ => String::new(),
    }
}

fn state_of(state: &WorkerState) -> (&'static str, Option<String>) {
    match state {
        WorkerState::Idle => ("idle", None),
        WorkerState::Preparing => ("preparing", None),
        WorkerState::Ready => ("ready", None),
        WorkerState::SetUp { .. } => ("set-up", None),
        WorkerState::Running => ("running", None),
        WorkerState::Stopping => ("stopping", None),
        WorkerState::Stopped { .. } => ("stopped", None),
        WorkerState::TornDown => ("torn-down", None),
        WorkerState::Failed { message, .. } => ("failed", Some(message.to_string())),
    }
}
