//! Starting a run.

use std::sync::Arc;
use std::time::Duration;

use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;
use loadhost_control::StartRequest;
use loadhost_model::id::RunId;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};
use utoipa::ToSchema;

use super::extract::{Body, By};
use super::history::checked_tags;
use super::plans::{PlanRequest, made};
use super::{Desk, Shared};
use crate::archive::Remark;
use crate::refusal::Refusal;

/// Whoever starts a run is told after so long at the latest; it goes on waiting for workers.
const TOLD_WITHIN: Duration = Duration::from_secs(10);

/// A run that is wanted.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct RunRequest {
    /// SHA-256 of an uploaded scenario.
    scenario: String,
    /// Keys and values of `loadhost.toml`, as `GET /settings` lists them.
    #[serde(default)]
    #[schema(value_type = Object)]
    settings: Map<String, Value>,
    /// Free text.
    note: Option<String>,
    /// Words to find it by.
    tags: Option<Vec<String>>,
}

/// Which run is meant, or was made.
#[derive(Debug, Serialize, Deserialize, ToSchema)]
pub(super) struct Named {
    pub(super) run: String,
}

/// Starts a run. Answers as soon as the fleet knows of it; it may still wait for workers.
#[utoipa::path(post, path = "/api/v1/runs", tag = "runs", request_body = RunRequest,
    responses((status = 201, body = Named)))]
pub(super) async fn start(
    State(desk): Shared,
    By(by): By,
    Body(request): Body<RunRequest>,
) -> Result<(StatusCode, Json<Named>), Refusal> {
    let note = request.note.unwrap_or_default();
    let tags = checked_tags(request.tags.unwrap_or_default(), &note)?;
    let remark = Remark { note, tags, started_by: by, ..Remark::default() };
    let wanted = PlanRequest { scenario: request.scenario, settings: request.settings };
    let run = begin(&desk, &wanted, remark).await?;
    Ok((StatusCode::CREATED, Json(Named { run: run.to_string() })))
}

impl Desk {
    /// Starts a run of an uploaded scenario, as `POST /runs` does.
    pub(crate) async fn begin(
        self: &Arc<Self>,
        scenario: String,
        settings: Map<String, Value>,
    ) -> Result<RunId, Refusal> {
        begin(self, &PlanRequest { scenario, settings }, Remark::default()).await
    }
}

/// Plans and starts a run.
pub(super) async fn begin(
    desk: &Arc<Desk>,
    wanted: &PlanRequest,
    remark: Remark,
) -> Result<RunId, Refusal> {
    let (scenario, planned) = made(desk, wanted).await?;
    let planned =
        planned.map_err(|faults| Refusal::faulty("the run cannot be made as asked for", faults))?;
    let run = planned.plan.run.clone();
    let request = StartRequest {
        plan: planned.plan,
        description: Arc::new(scenario.description),
        expect_workers: planned.expect_workers,
        max_wait: planned.max_wait,
        shape: None, // The leader makes it, whoever that is.
    };
    let remark = Remark { command: Some(planned.command), ..remark };
    desk.archive.remark(run.as_str(), remark).await?;
    let handle = desk.site.handle.clone();
    // Whoever asked may go; the start does not.
    let started = desk.starts.spawn(async move { handle.start(request).await });
    let mut views = desk.site.handle.view();
    let shown = async { views.wait_for(|view| view.run(&run).is_some()).await.is_ok() };
    let refused = tokio::select! {
        answer = started => match answer {
            Ok(Ok(run)) => return Ok(run),
            Ok(Err(error)) => Refusal::from(error),
            Err(error) => Refusal::internal(error.to_string()),
        },
        true = shown => return Ok(run),
        () = tokio::time::sleep(TOLD_WITHIN) => return Ok(run),
    };
    desk.archive.forget(run.as_str()).await?;
    Err(refused)
}
