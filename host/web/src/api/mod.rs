//! The API under `/api/v1`: what the page, `loadhost …` and scripts of others speak through.
//!
//! `docs/api.md` is its guide, `docs/openapi.json` its description, which is generated from the handlers and which a
//! test compares. Errors have one form, `Refusal`. Who may do what is decided before anything here, in
//! [`access`](crate::access).

mod data_sets;
mod document;
mod downloads;
pub mod dto;
mod extract;
mod fleet;
mod history;
mod live;
mod plans;
mod routes;
mod runs;
mod scenarios;
mod start;
#[cfg(test)]
mod tests;
mod upload;

use std::sync::Arc;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use loadhost_control::view::RunState;
use loadhost_model::id::{Digest, RunId};
use tokio::sync::Semaphore;
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use crate::access::About;
use crate::archive::{Archive, Keeper};
use crate::library::{Library, Scenario};
use crate::live::{Hub, Maker, Witness};
use crate::refusal::Refusal;
use crate::site::Site;
use crate::workbench::Workbench;

pub use document::document;
pub use routes::{paths, router};

/// Uploads that are taken in at a time, since each lies in memory until it is checked.
const MAX_UPLOADS: usize = 4;

/// For starts that wait for workers, at the end of the process: the coordinator has let go of them by then.
const GRACE: Duration = Duration::from_millis(500);

/// A run that is younger may be on its way to the masters that stand by: they hear of it with the leader's next view.
const YOUNG: Duration = Duration::from_secs(5);
/// For that view.
const HEARD_WITHIN: Duration = Duration::from_secs(3);

/// What all handlers share.
pub struct Desk {
    pub(crate) site: Site,
    pub(crate) hub: Arc<Hub>,
    pub(crate) archive: Arc<Archive>,
    pub(crate) library: Library,
    uploads: Arc<Semaphore>,
    /// Starts that wait for workers.
    pub(crate) starts: TaskTracker,
}

/// As handlers get it.
pub(crate) type Shared = axum::extract::State<Arc<Desk>>;

impl Desk {
    /// Of this site. Streams end when `stop` is cancelled.
    pub fn new(site: Site, stop: CancellationToken) -> Arc<Self> {
        let archive = Archive::new(site.shelf.clone());
        let (standing, remarks) = (site.standing.clone(), archive.remarks.clone());
        let witness = Witness::default();
        let hub = Hub::new(site.handle.clone(), Maker { standing, remarks, witness }, stop);
        Arc::new(Self {
            hub,
            archive,
            library: Library::new(site.shelf.clone()),
            uploads: Arc::new(Semaphore::new(MAX_UPLOADS)),
            starts: TaskTracker::new(),
            site,
        })
    }

    fn workbench(&self) -> Result<&dyn Workbench, Refusal> {
        self.site.workbench.as_deref().ok_or_else(|| {
            let message =
                "this process runs one scenario, and takes neither uploads nor other runs";
            let hint = "start `loadhost master`, and upload there";
            Refusal::new(axum::http::StatusCode::CONFLICT, "single-run", message, hint)
        })
    }

    /// The uploaded scenario of this digest.
    async fn scenario(&self, digest: &str) -> Result<(Digest, Scenario), Refusal> {
        let digest: Digest = digest.parse().map_err(|error| {
            let hint = "GET /api/v1/scenarios lists the scenarios with their digests";
            Refusal::bad_request(format!("scenario: {error}"), hint)
        })?;
        let known = self.library.scenario(digest).await?.ok_or_else(|| {
            let message = format!("there is no scenario {}", digest.short());
            Refusal::not_found("unknown-scenario", message, "upload it with POST /api/v1/scenarios")
        })?;
        Ok((digest, known))
    }

    /// The run of this name; `current` is the only one that goes on. One that has just begun at another master is waited for.
    async fn run(&self, name: &str) -> Result<RunId, Refusal> {
        if name != "current" {
            let run = RunId::new(name).map_err(|error| {
                Refusal::bad_request(error.to_string(), "GET /api/v1/runs lists the runs")
            })?;
            if is_young(&run) {
                let mut view = self.site.handle.view();
                let heard = view.wait_for(|view| view.run(&run).is_some());
                let _ = tokio::time::timeout(HEARD_WITHIN, heard).await;
            }
            return Ok(run);
        }
        let view = self.site.handle.view().borrow().clone();
        let mut on = view.runs.iter().filter(|run| run.state != RunState::Finished);
        match (on.next(), on.next()) {
            (Some(only), None) => Ok(only.run.clone()),
            (None, _) => Err(Refusal::not_found("no-run", "no run is going on", "start one first")),
            (Some(_), Some(_)) => {
                let message = "several runs are going on";
                let hint = "name one in the path; GET /api/v1/runs lists them";
                let status = axum::http::StatusCode::CONFLICT;
                Err(Refusal::new(status, "several-runs", message, hint))
            }
        }
    }

    /// Who this server is.
    pub(crate) fn about(&self) -> About {
        About {
            version: env!("CARGO_PKG_VERSION").into(),
            cluster: self.site.cluster.clone().unwrap_or_default(),
            single_run: self.site.workbench.is_none(),
        }
    }

    /// Follows the fleet and keeps what ends, until `stop`; then what has just ended.
    pub async fn tend(self: Arc<Self>, stop: CancellationToken) {
        let (archive, handle) = (self.archive.clone(), self.site.handle.clone());
        let (hub, standing) = (self.hub.clone(), self.site.standing.clone());
        let keeper = Keeper { archive, handle, hub, standing };
        let mut tasks = JoinSet::new();
        tasks.spawn(self.hub.clone().follow());
        tasks.spawn(keeper.watch(stop.clone()));
        while tasks.join_next().await.is_some() {}
        self.starts.close();
        let _ = tokio::time::timeout(GRACE, self.starts.wait()).await;
    }

    /// Counters for `/metrics`.
    pub fn counts(&self) -> Vec<(&'static str, u64)> {
        use std::sync::atomic::Ordering::Relaxed;
        let (live, kept) = (&self.hub.counters, &self.archive.counters);
        vec![
            ("web_pages_opened", live.opened.load(Relaxed)),
            ("web_changes_told", live.changes.load(Relaxed)),
            ("web_snapshots_told", live.snapshots.load(Relaxed)),
            ("web_pages_resumed", live.resumed.load(Relaxed)),
            ("web_pages_slow", live.slow.load(Relaxed)),
            ("web_pages_refused", live.refused.load(Relaxed)),
            ("web_runs_kept", kept.kept.load(Relaxed)),
            ("web_runs_not_kept", kept.failed.load(Relaxed)),
            ("web_runs_let_go", kept.let_go.load(Relaxed)),
            ("web_breaches_forgotten", self.hub.maker.witness.forgotten()),
        ]
    }
}

/// Whether it may have begun at another master, of which this one has not heard yet. Names of runs are ULIDs, which tell
/// when they were made.
fn is_young(run: &RunId) -> bool {
    let Ok(ulid) = run.as_str().parse::<ulid::Ulid>() else { return false };
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    let made = Duration::from_millis(ulid.timestamp_ms());
    now.abs_diff(made) < YOUNG
}

fn unknown_run(run: &RunId) -> Refusal {
    let hint = "GET /api/v1/runs lists the runs";
    Refusal::not_found("unknown-run", format!("there is no run `{run}`"), hint)
}
