//! Start, change, stop, reset.

use std::sync::Arc;

use axum::Json;
use axum::extract::{Request, State};
use loadhost_control::view::RunState;
use loadhost_model::id::RunId;
use loadhost_model::profile::Change;
use loadhost_model::wire::StopMode;
use serde_json::{Value, json};

use super::form::{self, MISSING, Wish};
use super::{Desk, current};

/// Always 200, as scripts expect; `success` says whether.
pub(super) async fn swarm(State(desk): State<Arc<Desk>>, request: Request) -> Json<Value> {
    let wish = match form::read(request).await.and_then(Wish::of) {
        Ok(wish) => wish,
        Err(message) => return refused(&message, None),
    };
    let done = match in_progress(&desk) {
        Some((run, RunState::Running)) => change(&desk, &run, &wish).await,
        Some((run, state)) => Err(format!("run {run} is {}; wait, or stop it first", words(state))),
        None => start(&desk, &wish).await,
    };
    match done {
        Ok(answer) => Json(answer),
        Err(message) => refused(&message, wish.host.as_deref()),
    }
}

fn refused(message: &str, host: Option<&str>) -> Json<Value> {
    Json(json!({ "success": false, "message": message, "host": host }))
}

fn in_progress(desk: &Desk) -> Option<(RunId, RunState)> {
    current(&desk.view()).map(|run| (run.run.clone(), run.state))
}

fn words(state: RunState) -> &'static str {
    match state {
        RunState::Waiting => "waiting for workers",
        RunState::Preparing | RunState::SettingUp | RunState::Starting => "being prepared",
        RunState::Running => "running",
        RunState::Stopping | RunState::TearingDown | RunState::Finished => "stopping",
    }
}

/// Locust starts anew what runs; here its users change and its statistics stay.
async fn change(desk: &Desk, run: &RunId, wish: &Wish) -> Result<Value, String> {
    let Some(users) = wish.users else { return Err(MISSING.to_string()) };
    let change = Change::Users { users, spawn_rate: wish.spawn_rate };
    desk.ports.handle.change(run, change).await.map_err(|error| error.to_string())?;
    let host = current(&desk.view()).and_then(|run| run.target.clone());
    Ok(json!({ "success": true, "message": "Swarming started", "host": host, "run": run }))
}

async fn start(desk: &Desk, wish: &Wish) -> Result<Value, String> {
    let ready = desk.ports.starter.scenario().await?;
    let (settings, ignored) = wish.settings(&ready.description)?;
    let run = desk.ports.starter.start(ready.digest, settings).await?;
    let message = match &wish.shape {
        Some(shape) => format!("Swarming started using shape class '{shape}'"),
        None => "Swarming started".to_string(),
    };
    let mut answer = json!({ "success": true, "message": message, "host": wish.host, "run": run });
    if let Some(time) = &wish.run_time {
        answer["run_time"] = json!(time);
    }
    if !wish.user_classes.is_empty() {
        answer["user_classes"] = json!(wish.user_classes);
    }
    if !ignored.is_empty() {
        answer["ignored"] = json!(ignored);
    }
    Ok(answer)
}

/// Also without a run, as Locust has it.
pub(super) async fn stop(State(desk): State<Arc<Desk>>) -> Json<Value> {
    if let Some((run, _)) = in_progress(&desk)
        && let Err(error) = desk.ports.handle.stop(&run, StopMode::Graceful).await
    {
        return Json(json!({ "success": false, "message": error.to_string() }));
    }
    Json(json!({ "success": true, "message": "Test stopped" }))
}

/// `ok`, also if there is nothing to reset.
pub(super) async fn reset(
    State(desk): State<Arc<Desk>>,
) -> Result<&'static str, crate::refusal::Refusal> {
    if let Some((run, RunState::Running)) = in_progress(&desk) {
        desk.ports.handle.reset(&run).await?;
    }
    Ok("ok")
}
