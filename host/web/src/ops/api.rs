//! A master's state, and what one does to a running run or to a worker.

use std::sync::Arc;

use axum::Json;
use axum::extract::rejection::{JsonRejection, PathRejection};
use axum::extract::{Path, State};
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use loadhost_control::view::RunState;
use loadhost_control::{FleetView, Handle};
use loadhost_model::id::{RunId, WorkerId};
use loadhost_model::profile::Change;
use loadhost_model::wire::StopMode;
use serde::{Deserialize, Serialize};

use super::Role;
use super::error::Refusal;
use super::routes::Shared;

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Stop {
    run: Option<RunId>,
    #[serde(default = "graceful")]
    mode: StopMode,
}

fn graceful() -> StopMode {
    StopMode::Graceful
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct ChangeOf {
    run: Option<RunId>,
    phase: Option<String>,
    change: Change,
}

/// What was done, to which run.
#[derive(Serialize, Deserialize)]
pub(super) struct Done {
    pub(super) run: RunId,
}

/// A body without anything in it. What is only asked by a form of another page has none.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Nothing {}

/// What holds for a worker from now on.
#[derive(Serialize, Deserialize)]
pub(super) struct Drained {
    worker: WorkerId,
    drained: bool,
}

pub(super) async fn state(State(shared): State<Arc<Shared>>) -> Result<Response, Refusal> {
    let view = handle(&shared)?.view().borrow().clone();
    Ok(Json::<&FleetView>(&view).into_response())
}

pub(super) async fn stop(
    State(shared): State<Arc<Shared>>,
    body: Result<Json<Stop>, JsonRejection>,
) -> Result<Json<Done>, Refusal> {
    let Json(stop) = body.map_err(unreadable)?;
    let handle = handle(&shared)?;
    let run = the_run(handle, stop.run)?;
    handle.stop(&run, stop.mode).await?;
    Ok(Json(Done { run }))
}

pub(super) async fn change(
    State(shared): State<Arc<Shared>>,
    body: Result<Json<ChangeOf>, JsonRejection>,
) -> Result<Json<Done>, Refusal> {
    let Json(wanted) = body.map_err(unreadable)?;
    let handle = handle(&shared)?;
    let run = the_run(handle, wanted.run)?;
    match &wanted.phase {
        Some(phase) => handle.change_phase(&run, phase, wanted.change).await?,
        None => handle.change(&run, wanted.change).await?,
    }
    Ok(Json(Done { run }))
}

pub(super) async fn drain(
    State(shared): State<Arc<Shared>>,
    worker: Result<Path<WorkerId>, PathRejection>,
    body: Result<Json<Nothing>, JsonRejection>,
) -> Result<Json<Drained>, Refusal> {
    let Path(worker) = worker.map_err(no_worker)?;
    let Json(Nothing {}) = body.map_err(unreadable)?;
    handle(&shared)?.drain(&worker).await?;
    Ok(Json(Drained { worker, drained: true }))
}

pub(super) async fn undrain(
    State(shared): State<Arc<Shared>>,
    worker: Result<Path<WorkerId>, PathRejection>,
) -> Result<Json<Drained>, Refusal> {
    let Path(worker) = worker.map_err(no_worker)?;
    handle(&shared)?.undrain(&worker).await?;
    Ok(Json(Drained { worker, drained: false }))
}

fn no_worker(rejection: PathRejection) -> Refusal {
    Refusal::bad_request(rejection.body_text(), "GET /api/v1/state lists the workers")
}

fn handle(shared: &Shared) -> Result<&Handle, Refusal> {
    match &shared.ops.role {
        Role::Master(handle) => Ok(handle),
        Role::Worker(_) => {
            let (message, hint) = ("a worker decides nothing", "ask its master");
            Err(Refusal::new(StatusCode::NOT_FOUND, "not-a-master", message, hint))
        }
    }
}

/// The run that was named, or the only one that goes on.
fn the_run(handle: &Handle, named: Option<RunId>) -> Result<RunId, Refusal> {
    if let Some(run) = named {
        return Ok(run);
    }
    let view = handle.view().borrow().clone();
    let mut on = view.runs.iter().filter(|run| run.state != RunState::Finished);
    match (on.next(), on.next()) {
        (Some(only), None) => Ok(only.run.clone()),
        (None, _) => {
            let message = "no run is going on";
            Err(Refusal::new(StatusCode::NOT_FOUND, "no-run", message, "start one first"))
        }
        (Some(_), Some(_)) => {
            let message = "several runs are going on";
            let hint = "name one: {\"run\": …}; GET /api/v1/state lists them";
            Err(Refusal::new(StatusCode::CONFLICT, "several-runs", message, hint))
        }
    }
}

fn unreadable(rejection: JsonRejection) -> Refusal {
    let hint = "send JSON with `content-type: application/json`; GET / shows examples";
    Refusal::bad_request(rejection.body_text(), hint)
}
