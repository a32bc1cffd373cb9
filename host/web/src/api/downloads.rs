//! Files of a run: results, tables, JUnit, and comparisons.

use axum::Json;
use axum::extract::State;
use axum::http::header;
use axum::response::{IntoResponse, Response};
use loadhost_model::id::RunId;
use serde_json::Value;

use super::extract::At;
use super::history::kept;
use super::{Desk, Shared, unknown_run};
use crate::export::{self, Results};
use crate::refusal::Refusal;

/// Of a run that goes on: as far as it has come.
async fn results(desk: &Desk, run: &RunId) -> Result<Results, Refusal> {
    if desk.archive.was_deleted(run.as_str()) {
        return Err(unknown_run(run));
    }
    if desk.archive.summary(run.as_str()).await?.is_some() {
        return Ok(kept(desk, run).await?.results);
    }
    let view = desk.site.handle.view().borrow().clone();
    let live = view.run(run).ok_or_else(|| unknown_run(run))?;
    if live.ended.is_some() {
        let report = desk.site.handle.finished(run).await?;
        return Ok(Results::of(&report, &view.workers, None));
    }
    let history = desk.site.handle.timeline(run).await?;
    Ok(Results::so_far(live, &history, &view.workers))
}

fn file(run: &RunId, name: &str, kind: &'static str, text: String) -> Response {
    let disposition = format!("attachment; filename=\"{run}-{name}\"");
    let headers =
        [(header::CONTENT_TYPE, kind.to_string()), (header::CONTENT_DISPOSITION, disposition)];
    (headers, text).into_response()
}

const CSV: &str = "text/csv; charset=utf-8";

/// All results, as `--json` writes them (`docs/output-json.md`).
#[utoipa::path(get, path = "/api/v1/runs/{run}/results.json", tag = "reports",
    params(("run" = String, Path, description = "Its id, or `current`")),
    responses((status = 200, body = Object)))]
pub(super) async fn json(State(desk): Shared, At(run): At<String>) -> Result<Response, Refusal> {
    let run = desk.run(&run)?;
    let text = results(&desk, &run).await?.to_json();
    let text = text.map_err(|error| Refusal::internal(error.to_string()))?;
    Ok(file(&run, "results.json", "application/json", text))
}

/// Thresholds and checks as JUnit XML.
#[utoipa::path(get, path = "/api/v1/runs/{run}/junit.xml", tag = "reports",
    params(("run" = String, Path, description = "Its id, or `current`")),
    responses((status = 200, body = String, content_type = "application/xml")))]
pub(super) async fn junit(State(desk): Shared, At(run): At<String>) -> Result<Response, Refusal> {
    let run = desk.run(&run)?;
    let text = export::junit(&results(&desk, &run).await?);
    let text = text.map_err(|error| Refusal::internal(error.to_string()))?;
    Ok(file(&run, "junit.xml", "application/xml", text))
}

/// Requests by name, as Locust writes them.
#[utoipa::path(get, path = "/api/v1/runs/{run}/stats.csv", tag = "reports",
    params(("run" = String, Path, description = "Its id, or `current`")),
    responses((status = 200, body = String, content_type = "text/csv")))]
pub(super) async fn stats(State(desk): Shared, At(run): At<String>) -> Result<Response, Refusal> {
    let run = desk.run(&run)?;
    Ok(file(&run, "stats.csv", CSV, export::stats_csv(&results(&desk, &run).await?)))
}

/// The run second by second, as Locust writes it.
#[utoipa::path(get, path = "/api/v1/runs/{run}/stats_history.csv", tag = "reports",
    params(("run" = String, Path, description = "Its id, or `current`")),
    responses((status = 200, body = String, content_type = "text/csv")))]
pub(super) async fn history(State(desk): Shared, At(run): At<String>) -> Result<Response, Refusal> {
    let run = desk.run(&run)?;
    let text = export::stats_history_csv(&results(&desk, &run).await?);
    Ok(file(&run, "stats_history.csv", CSV, text))
}

/// Failed requests by kind, as Locust writes them.
#[utoipa::path(get, path = "/api/v1/runs/{run}/failures.csv", tag = "reports",
    params(("run" = String, Path, description = "Its id, or `current`")),
    responses((status = 200, body = String, content_type = "text/csv")))]
pub(super) async fn failures(
    State(desk): Shared,
    At(run): At<String>,
) -> Result<Response, Refusal> {
    let run = desk.run(&run)?;
    Ok(file(&run, "failures.csv", CSV, export::failures_csv(&results(&desk, &run).await?)))
}

/// Failed iterations by kind, as Locust writes them.
#[utoipa::path(get, path = "/api/v1/runs/{run}/exceptions.csv", tag = "reports",
    params(("run" = String, Path, description = "Its id, or `current`")),
    responses((status = 200, body = String, content_type = "text/csv")))]
pub(super) async fn exceptions(
    State(desk): Shared,
    At(run): At<String>,
) -> Result<Response, Refusal> {
    let run = desk.run(&run)?;
    Ok(file(&run, "exceptions.csv", CSV, export::exceptions_csv(&results(&desk, &run).await?)))
}

/// What is different from another run, and what of it is more than noise.
#[utoipa::path(get, path = "/api/v1/runs/{run}/compare/{baseline}", tag = "reports",
    params(("run" = String, Path, description = "Its id, or `current`"),
        ("baseline" = String, Path, description = "Id of the run that it is compared with")),
    responses((status = 200, body = Object)))]
pub(super) async fn compare(
    State(desk): Shared,
    At((run, baseline)): At<(String, String)>,
) -> Result<Json<Value>, Refusal> {
    let run = results(&desk, &desk.run(&run)?).await?;
    let baseline = results(&desk, &desk.run(&baseline)?).await?;
    let comparison = export::compare(&baseline, &run);
    serde_json::to_value(comparison).map(Json).map_err(|error| Refusal::internal(error.to_string()))
}
