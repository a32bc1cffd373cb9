//! The paths of Locust's web interface, so that scripts and exporters written for it go on working.
//!
//! | path | methods | answers |
//! |---|---|---|
//! | `/swarm` | POST | starts a run, or changes the users of the one that goes on; always 200, `success` says whether |
//! | `/stop` | GET, POST | stops it gracefully |
//! | `/stats/reset` | GET, POST | lets its statistics begin anew |
//! | `/stats/requests` | GET | numbers of the latest run as JSON; `?legacy=1` with the words of before 1.0 |
//! | `/stats/requests/csv`, `/stats/failures/csv`, `/exceptions/csv` | GET | files |
//! | `/stats/report` | GET | the report; `?download=1`, `?theme=dark`, `?theme=light` |
//! | `/exceptions`, `/tasks`, `/logs`, `/worker-count` | GET | JSON |
//! | `/locust/metrics` | GET | for Prometheus, under the names of locust_exporter |
//!
//! All of them are about the latest run. Who may ask is decided in front of them, as for the API
//! ([`crate::access`]): what changes something needs the role `operate`, also by GET. What is deliberately
//! absent: `Access-Control-Allow-Origin: *`, with which any page in the user's browser could read the numbers.

mod control;
mod exporter;
mod files;
mod form;
mod requests;
mod starter;
#[cfg(test)]
mod tests;

use std::sync::{Arc, Mutex, PoisonError};

use axum::Router;
use axum::extract::DefaultBodyLimit;
use axum::routing::{get, post};
use bytes::Bytes;
use futures_util::future::BoxFuture;
use loadhost_control::view::RunState;
use loadhost_control::{FleetView, Handle, RunView};
use loadhost_model::description::Description;
use loadhost_model::id::{Digest, RunId};
use serde_json::{Map, Value};

/// Bytes of a form.
const MAX_FORM: usize = 64 << 10;

/// What `/swarm` starts.
#[derive(Debug, Clone)]
pub struct Ready {
    /// Of the component.
    pub digest: Digest,
    /// What it says of itself.
    pub description: Description,
}

/// Whoever can start runs. What fails is told in words for people.
pub trait Starter: Send + Sync {
    /// The scenario that was uploaded last.
    ///
    /// # Errors
    /// If there is none, or none can be started here: why, and what to do.
    fn scenario(&self) -> BoxFuture<'_, Result<Ready, String>>;

    /// Starts a run of it with these settings, keys and values of `loadhost.toml`.
    ///
    /// # Errors
    /// All that is wrong with them, or why it did not start.
    fn start(
        &self,
        scenario: Digest,
        settings: Map<String, Value>,
    ) -> BoxFuture<'_, Result<RunId, String>>;

    /// The last lines of guests' logs: worker and line, oldest first.
    fn logs(&self) -> Vec<(String, String)>;
}

/// What the paths are about.
#[derive(Clone)]
pub struct Ports {
    /// The fleet.
    pub handle: Handle,
    /// Who starts runs.
    pub starter: Arc<dyn Starter>,
    /// Whether workers are processes of their own, and so are shown.
    pub has_workers: bool,
}

/// What handlers share.
struct Desk {
    ports: Ports,
    scrapes: std::sync::atomic::AtomicU64,
    /// The last answer of `/stats/requests`, by what it was made from.
    cached: Mutex<Option<(Arc<FleetView>, bool, Bytes)>>,
}

impl Desk {
    fn view(&self) -> Arc<FleetView> {
        self.ports.handle.view().borrow().clone()
    }

    /// Made once for all who ask between two views, which come each second.
    fn stats(&self, legacy: bool) -> Bytes {
        let view = self.view();
        let mut cached = self.cached.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some((of, words, made)) = &*cached
            && Arc::ptr_eq(of, &view)
            && *words == legacy
        {
            return made.clone();
        }
        let stats = requests::stats(&view, self.ports.has_workers, legacy);
        let made = Bytes::from(stats.to_string());
        *cached = Some((view, legacy, made.clone()));
        made
    }
}

/// The run that was started last.
fn latest(view: &FleetView) -> Option<&RunView> {
    view.runs.last().map(Arc::as_ref)
}

/// The last run that goes on.
fn current(view: &FleetView) -> Option<&RunView> {
    view.runs.iter().rev().map(Arc::as_ref).find(|run| run.state != RunState::Finished)
}

/// All paths, without a guard: put one in front of them.
pub fn router<S: Clone + Send + Sync + 'static>(ports: Ports) -> Router<S> {
    let desk = Arc::new(Desk { ports, scrapes: 0.into(), cached: Mutex::default() });
    Router::new()
        .route("/swarm", post(control::swarm))
        .route("/stop", get(control::stop).post(control::stop))
        .route("/stats/reset", get(control::reset).post(control::reset))
        .route("/stats/requests", get(files::requests))
        .route("/stats/requests/csv", get(files::requests_csv))
        .route("/stats/failures/csv", get(files::failures_csv))
        .route("/exceptions/csv", get(files::exceptions_csv))
        .route("/stats/requests_full_history/csv", get(files::full_history))
        .route("/stats/report", get(files::report))
        .route("/exceptions", get(files::exceptions))
        .route("/tasks", get(files::tasks))
        .route("/logs", get(files::logs))
        .route("/worker-count", get(files::worker_count))
        .route("/locust/metrics", get(files::metrics))
        .layer(DefaultBodyLimit::max(MAX_FORM))
        .with_state(desk)
}
