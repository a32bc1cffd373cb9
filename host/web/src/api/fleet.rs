//! Workers, logs, settings, and the raw state.

use axum::Json;
use axum::extract::State;
use axum::response::{IntoResponse, Response};
use loadhost_control::FleetView;
use loadhost_model::id::WorkerId;
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};

use super::document::DOCUMENT;
use super::dto::Fleet;
use super::extract::{Asked, At, Body};
use super::{Desk, Shared};
use crate::live::LogEntry;
use crate::refusal::Refusal;
use crate::workbench::Setting;

/// A body without anything in it. What is only asked by a form of another page has none.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct Nothing {}

/// What holds for a worker from now on.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct Drained {
    worker: String,
    drained: bool,
}

/// What holds for a master from now on.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct MasterDrained {
    master: String,
    drained: bool,
}

/// Lines of guests' logs.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct LogLines {
    lines: Vec<LogEntry>,
}

/// Which lines.
#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
#[serde(deny_unknown_fields)]
pub(super) struct WhichLines {
    /// Only of this run.
    run: Option<String>,
    /// The newest so many; 1,000 are kept.
    limit: Option<u32>,
}

/// What a run may be given.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct Settings {
    settings: Vec<Setting>,
}

/// The raw view of the coordinator, with times in microseconds; its layout follows the release.
#[utoipa::path(get, path = "/api/v1/state", tag = "fleet", responses((status = 200, body = Object)))]
pub(super) async fn state(State(desk): Shared) -> Response {
    let view = desk.site.handle.view().borrow().clone();
    Json::<&FleetView>(&view).into_response()
}

/// Masters and workers.
#[utoipa::path(get, path = "/api/v1/workers", tag = "fleet", responses((status = 200, body = Fleet)))]
pub(super) async fn workers(State(desk): Shared) -> Json<Fleet> {
    let view = desk.site.handle.view().borrow().clone();
    Json(desk.hub.maker.fleet(&view))
}

/// Takes a worker out of service: it gets no new work, and its share moves to the others.
#[utoipa::path(post, path = "/api/v1/workers/{worker}/drain", tag = "fleet",
    params(("worker" = String, Path, description = "Its name")),
    request_body = Nothing, responses((status = 200, body = Drained)))]
pub(super) async fn drain(
    State(desk): Shared,
    At(worker): At<WorkerId>,
    Body(Nothing {}): Body<Nothing>,
) -> Result<Json<Drained>, Refusal> {
    desk.site.handle.drain(&worker).await?;
    Ok(Json(Drained { worker: worker.to_string(), drained: true }))
}

/// Lets a worker work again.
#[utoipa::path(delete, path = "/api/v1/workers/{worker}/drain", tag = "fleet",
    params(("worker" = String, Path, description = "Its name")),
    responses((status = 200, body = Drained)))]
pub(super) async fn undrain(
    State(desk): Shared,
    At(worker): At<WorkerId>,
) -> Result<Json<Drained>, Refusal> {
    desk.site.handle.undrain(&worker).await?;
    Ok(Json(Drained { worker: worker.to_string(), drained: false }))
}

/// Takes a master out of service before it is stopped: it hands over, is no candidate, says at `/ready` that it
/// is draining, and goes on serving. Any master may be asked.
#[utoipa::path(post, path = "/api/v1/masters/{master}/drain", tag = "fleet",
    params(("master" = String, Path, description = "Its name")),
    request_body = Nothing, responses((status = 200, body = MasterDrained)))]
pub(super) async fn drain_master(
    State(desk): Shared,
    At(master): At<String>,
    Body(Nothing {}): Body<Nothing>,
) -> Result<Json<MasterDrained>, Refusal> {
    put_master(&desk, master, true).await
}

/// Lets a master lead again.
#[utoipa::path(delete, path = "/api/v1/masters/{master}/drain", tag = "fleet",
    params(("master" = String, Path, description = "Its name")),
    responses((status = 200, body = MasterDrained)))]
pub(super) async fn undrain_master(
    State(desk): Shared,
    At(master): At<String>,
) -> Result<Json<MasterDrained>, Refusal> {
    put_master(&desk, master, false).await
}

async fn put_master(
    desk: &Desk,
    master: String,
    drained: bool,
) -> Result<Json<MasterDrained>, Refusal> {
    let Some(drain) = &desk.site.drain else {
        let hint = "stop the process instead";
        let message = "this process has no other masters beside it";
        return Err(Refusal::not_found("unknown-master", message, hint));
    };
    drain(master.clone(), drained).await?;
    Ok(Json(MasterDrained { master, drained }))
}

/// The last lines of guests' logs that this master has seen, or that are kept of a run that is over, oldest first.
#[utoipa::path(get, path = "/api/v1/logs", tag = "fleet", params(WhichLines),
    responses((status = 200, body = LogLines)))]
pub(super) async fn logs(
    State(desk): Shared,
    Asked(which): Asked<WhichLines>,
) -> Result<Json<LogLines>, Refusal> {
    let limit = which.limit.and_then(|limit| usize::try_from(limit).ok()).unwrap_or(usize::MAX);
    let lines = desk.hub.logs(which.run.as_deref(), limit);
    let Some(run) = which.run.filter(|_| lines.is_empty()) else {
        return Ok(Json(LogLines { lines }));
    };
    // Those of a run that is over lie with its results.
    let kept = desk.archive.read(desk.run(&run).await?.as_str()).await?;
    let mut lines = kept.map(|kept| kept.logs).unwrap_or_default();
    lines.drain(..lines.len().saturating_sub(limit));
    Ok(Json(LogLines { lines }))
}

/// What a run may be given, in the order of a form.
#[utoipa::path(get, path = "/api/v1/settings", tag = "plans", responses((status = 200, body = Settings)))]
pub(super) async fn settings(State(desk): Shared) -> Result<Json<Settings>, Refusal> {
    Ok(Json(Settings { settings: desk.workbench()?.settings().to_vec() }))
}

/// This document.
#[utoipa::path(get, path = "/api/v1/openapi.json", tag = "session", responses((status = 200, body = Object)))]
pub(super) async fn openapi() -> Response {
    let json = [(axum::http::header::CONTENT_TYPE, "application/json")];
    (json, DOCUMENT.clone()).into_response()
}
