//! Files of rows: uploaded, listed, looked into, deleted.

use axum::Json;
use axum::extract::{Request, State};
use axum::http::StatusCode;
use loadhost_model::data::{DataFormat, MAX_DATA_BYTES};
use loadhost_model::id::Digest;
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};

use super::dto::DataSetInfo;
use super::extract::{Asked, At, By};
use super::{Shared, upload};
use crate::refusal::Refusal;

/// All files of rows, by name.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct DataSets {
    data_sets: Vec<DataSetInfo>,
}

/// How a file is called and read.
#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
#[serde(deny_unknown_fields)]
pub(super) struct Called {
    /// What the file is called, for people; its ending says how it is read.
    name: Option<String>,
    /// `csv` or `json-lines`, whatever the name says.
    format: Option<String>,
}

fn unknown(digest: Digest) -> Refusal {
    let message = format!("there is no data set {}", digest.short());
    Refusal::not_found("unknown-data-set", message, "GET /api/v1/data-sets lists them")
}

/// All files of rows, by name, without their first rows.
#[utoipa::path(get, path = "/api/v1/data-sets", tag = "library", responses((status = 200, body = DataSets)))]
pub(super) async fn list(State(desk): Shared) -> Result<Json<DataSets>, Refusal> {
    let all = desk.library.data_sets().await?.into_iter();
    let data_sets = all.map(|info| DataSetInfo { preview: Vec::new(), ..info }).collect();
    Ok(Json(DataSets { data_sets }))
}

/// Uploads a file of rows, CSV or JSON lines, as the body, or as the field `file` of a form.
#[utoipa::path(post, path = "/api/v1/data-sets", tag = "library", params(Called),
    request_body(content = Vec<u8>, content_type = "application/octet-stream"),
    responses((status = 201, body = DataSetInfo)))]
pub(super) async fn upload(
    State(desk): Shared,
    By(by): By,
    Asked(called): Asked<Called>,
    request: Request,
) -> Result<(StatusCode, Json<DataSetInfo>), Refusal> {
    desk.workbench()?;
    let format = called.format.as_deref().map(str::parse::<DataFormat>).transpose();
    let format = format.map_err(|error| {
        Refusal::bad_request(error.to_string(), "give `format=csv` or `format=json-lines`")
    })?;
    let taken = upload::take(&desk, request, "the file of rows", MAX_DATA_BYTES).await?;
    let name = called.name.unwrap_or(taken.name);
    let info = desk.library.add_data(taken.bytes, &name, format, by).await?;
    Ok((StatusCode::CREATED, Json(info)))
}

/// One file of rows: its columns, and its first rows.
#[utoipa::path(get, path = "/api/v1/data-sets/{digest}", tag = "library",
    params(("digest" = String, Path, description = "SHA-256 of the file")),
    responses((status = 200, body = DataSetInfo)))]
pub(super) async fn one(
    State(desk): Shared,
    At(digest): At<Digest>,
) -> Result<Json<DataSetInfo>, Refusal> {
    desk.library.data_set(digest).await?.map(Json).ok_or_else(|| unknown(digest))
}

/// Deletes a file of rows. Runs that go on have it already.
#[utoipa::path(delete, path = "/api/v1/data-sets/{digest}", tag = "library",
    params(("digest" = String, Path, description = "SHA-256 of the file")),
    responses((status = 204)))]
pub(super) async fn delete(
    State(desk): Shared,
    At(digest): At<Digest>,
) -> Result<StatusCode, Refusal> {
    match desk.library.delete_data(digest).await? {
        true => Ok(StatusCode::NO_CONTENT),
        false => Err(unknown(digest)),
    }
}
