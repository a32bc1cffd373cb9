//! Which path answers what.

use std::sync::Arc;

use axum::Router;
use axum::extract::DefaultBodyLimit;
use axum::routing::{MethodRouter, get, post};
use loadhost_model::data::MAX_DATA_BYTES;

use super::scenarios::MAX_SCENARIO_BYTES;
use super::upload::bound;
use super::{Desk, data_sets, downloads, fleet, history, live, plans, runs, scenarios, start};

/// Bytes of a body of JSON.
pub(super) const MAX_BODY: usize = 1 << 20;

type Routes = Vec<(&'static str, MethodRouter<Arc<Desk>>)>;

/// All routes but those of the session.
fn routes() -> Routes {
    vec![
        ("/api/v1/openapi.json", get(fleet::openapi)),
        ("/api/v1/state", get(fleet::state)),
        ("/api/v1/live", get(live::live)),
        (
            "/api/v1/scenarios",
            get(scenarios::list).post(scenarios::upload).layer(bound(MAX_SCENARIO_BYTES)),
        ),
        ("/api/v1/scenarios/{digest}", get(scenarios::one).delete(scenarios::delete)),
        ("/api/v1/scenarios/{digest}/module", get(scenarios::module)),
        (
            "/api/v1/data-sets",
            get(data_sets::list).post(data_sets::upload).layer(bound(MAX_DATA_BYTES)),
        ),
        ("/api/v1/data-sets/{digest}", get(data_sets::one).delete(data_sets::delete)),
        ("/api/v1/settings", get(fleet::settings)),
        ("/api/v1/plans", post(plans::plan)),
        ("/api/v1/runs", get(history::list).post(start::start)),
        ("/api/v1/runs/{run}", get(history::detail).patch(history::write).delete(history::delete)),
        ("/api/v1/runs/{run}/stop", post(runs::stop)),
        ("/api/v1/runs/{run}/change", post(runs::change)),
        ("/api/v1/runs/{run}/reset", post(runs::reset)),
        ("/api/v1/runs/{run}/scenario", post(runs::scenario)),
        ("/api/v1/runs/{run}/points", get(history::points)),
        ("/api/v1/runs/{run}/workers", get(history::workers)),
        ("/api/v1/runs/{run}/report.html", get(downloads::report)),
        ("/api/v1/runs/{run}/results.json", get(downloads::json)),
        ("/api/v1/runs/{run}/junit.xml", get(downloads::junit)),
        ("/api/v1/runs/{run}/stats.csv", get(downloads::stats)),
        ("/api/v1/runs/{run}/stats_history.csv", get(downloads::history)),
        ("/api/v1/runs/{run}/failures.csv", get(downloads::failures)),
        ("/api/v1/runs/{run}/exceptions.csv", get(downloads::exceptions)),
        ("/api/v1/runs/{run}/compare/{baseline}", get(downloads::compare)),
        ("/api/v1/workers", get(fleet::workers)),
        ("/api/v1/workers/{worker}/drain", post(fleet::drain).delete(fleet::undrain)),
        ("/api/v1/masters/{master}/drain", post(fleet::drain_master).delete(fleet::undrain_master)),
        ("/api/v1/logs", get(fleet::logs)),
    ]
}

/// Every path of [`router`].
pub fn paths() -> Vec<&'static str> {
    routes().into_iter().map(|(path, _)| path).collect()
}

/// The API of a master.
pub fn router<S: Clone + Send + Sync + 'static>(desk: Arc<Desk>) -> Router<S> {
    let routes = routes().into_iter();
    let router = routes.fold(Router::new(), |router, (path, methods)| router.route(path, methods));
    router.layer(DefaultBodyLimit::max(MAX_BODY)).with_state(desk)
}
