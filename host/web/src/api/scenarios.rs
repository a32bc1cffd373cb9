//! Scenarios: uploaded, listed, fetched, deleted.

use axum::Json;
use axum::extract::{Request, State};
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};
use loadhost_control::ports::MAX_FILE_BYTES;
use loadhost_model::id::Digest;
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};

use super::dto::ScenarioInfo;
use super::extract::{Asked, At, By};
use super::{Shared, upload};
use crate::library::{Library, LibraryError};
use crate::refusal::Refusal;

/// Bytes of a scenario.
pub(super) const MAX_SCENARIO_BYTES: usize = MAX_FILE_BYTES;

/// All scenarios, by name, the newest version of each first.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct Scenarios {
    scenarios: Vec<ScenarioInfo>,
}

/// How a file is called.
#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
#[serde(deny_unknown_fields)]
pub(super) struct Called {
    /// What the file is called, for people.
    name: Option<String>,
}

/// A scenario that cannot be run, and why.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct FaultyScenario {
    code: String,
    message: String,
    hint: String,
    /// What is known of it; its `faults` say what is wrong.
    #[serde(flatten)]
    scenario: ScenarioInfo,
}

impl From<LibraryError> for Refusal {
    fn from(error: LibraryError) -> Self {
        let message = error.to_string();
        match error {
            LibraryError::Shelf(error) => error.into(),
            LibraryError::Full { .. } => {
                let hint = "delete one that is not needed any more";
                Self::new(StatusCode::INSUFFICIENT_STORAGE, "library-full", message, hint)
            }
            LibraryError::Faulty { faults, .. } => Self::faulty(message, faults),
        }
    }
}

fn unknown(digest: Digest) -> Refusal {
    let message = format!("there is no scenario {}", digest.short());
    Refusal::not_found("unknown-scenario", message, "GET /api/v1/scenarios lists them")
}

/// All scenarios, by name, the newest version of each first.
#[utoipa::path(get, path = "/api/v1/scenarios", tag = "library", responses((status = 200, body = Scenarios)))]
pub(super) async fn list(State(desk): Shared) -> Result<Json<Scenarios>, Refusal> {
    Ok(Json(Scenarios { scenarios: desk.library.scenarios().await? }))
}

/// Uploads a scenario: the component as the body, or as the field `file` of a form. It is checked, and kept if it can be run.
#[utoipa::path(post, path = "/api/v1/scenarios", tag = "library", params(Called),
    request_body(content = Vec<u8>, content_type = "application/wasm"),
    responses((status = 201, body = ScenarioInfo), (status = 422, body = FaultyScenario)))]
pub(super) async fn upload(
    State(desk): Shared,
    By(by): By,
    Asked(called): Asked<Called>,
    request: Request,
) -> Result<Response, Refusal> {
    let workbench = desk.workbench()?;
    let taken = upload::take(&desk, request, "the scenario", MAX_SCENARIO_BYTES).await?;
    let name = called.name.unwrap_or(taken.name);
    let name = if name.is_empty() { "scenario.wasm".to_string() } else { name };
    let checked = workbench.check(taken.bytes.clone()).await?;
    let info = Library::told(&checked, &name, by);
    match checked.description.filter(|_| checked.faults.is_empty()) {
        Some(description) => {
            let info = desk.library.add_scenario(taken.bytes, info, description).await?;
            Ok((StatusCode::CREATED, Json(info)).into_response())
        }
        None => {
            let faulty = FaultyScenario {
                code: "faulty-scenario".into(),
                message: format!("`{}` cannot be run", info.file_name),
                hint: "`faults` says what is wrong, and what to do about it".into(),
                scenario: info,
            };
            Ok((StatusCode::UNPROCESSABLE_ENTITY, Json(faulty)).into_response())
        }
    }
}

/// One scenario.
#[utoipa::path(get, path = "/api/v1/scenarios/{digest}", tag = "library",
    params(("digest" = String, Path, description = "SHA-256 of the component")),
    responses((status = 200, body = ScenarioInfo)))]
pub(super) async fn one(
    State(desk): Shared,
    At(digest): At<Digest>,
) -> Result<Json<ScenarioInfo>, Refusal> {
    let scenario = desk.library.scenario(digest).await?.ok_or_else(|| unknown(digest))?;
    Ok(Json(scenario.info))
}

/// Deletes a scenario. Runs that go on are not touched.
#[utoipa::path(delete, path = "/api/v1/scenarios/{digest}", tag = "library",
    params(("digest" = String, Path, description = "SHA-256 of the component")),
    responses((status = 204)))]
pub(super) async fn delete(
    State(desk): Shared,
    At(digest): At<Digest>,
) -> Result<StatusCode, Refusal> {
    let view = desk.site.handle.view().borrow().clone();
    let on = view.runs.iter().find(|run| run.module == digest && run.ended.is_none());
    if let Some(run) = on {
        let message = format!("run `{}` uses the scenario", run.run);
        let hint = "stop the run first, or wait for its end";
        return Err(Refusal::new(StatusCode::CONFLICT, "in-use", message, hint));
    }
    match desk.library.delete_scenario(digest).await? {
        true => Ok(StatusCode::NO_CONTENT),
        false => Err(unknown(digest)),
    }
}

/// The component itself.
#[utoipa::path(get, path = "/api/v1/scenarios/{digest}/module", tag = "library",
    params(("digest" = String, Path, description = "SHA-256 of the component")),
    responses((status = 200, body = Vec<u8>, content_type = "application/wasm")))]
pub(super) async fn module(
    State(desk): Shared,
    At(digest): At<Digest>,
) -> Result<Response, Refusal> {
    desk.library.scenario(digest).await?.ok_or_else(|| unknown(digest))?;
    let bytes = desk.library.file(digest).await?.ok_or_else(|| unknown(digest))?;
    let disposition = format!("attachment; filename=\"{}.wasm\"", digest.short());
    let headers = [
        (header::CONTENT_TYPE, "application/wasm".to_string()),
        (header::CONTENT_DISPOSITION, disposition),
    ];
    Ok((headers, bytes).into_response())
}
