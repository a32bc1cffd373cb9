//! Runs, live and kept: listed, looked at, written about, deleted.

use std::collections::BTreeMap;
use std::time::Duration;

use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;
use loadhost_control::FleetView;
use loadhost_control::view::{RunState, RunView};
use loadhost_model::id::RunId;
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};

use super::dto::{Points, RunDetail, RunShort, Worker, row_of};
use super::extract::{Asked, At, Body};
use super::{Desk, Shared, unknown_run};
use crate::archive::{ArchiveError, Kept, Remark};
use crate::refusal::Refusal;

/// For the store, where there is an answer without it.
const PATIENCE: Duration = Duration::from_secs(1);
/// Runs of one answer.
const MAX_LISTED: usize = 500;
/// Characters of a note.
const MAX_NOTE: usize = 10_000;
/// Tags of a run.
const MAX_TAGS: usize = 20;
/// Characters of a tag.
const MAX_TAG: usize = 50;

/// Runs, newest first.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct Runs {
    runs: Vec<RunShort>,
    /// There are older ones: ask again with `before` = the last run of this list.
    more: bool,
}

/// Which runs.
#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
#[serde(deny_unknown_fields)]
pub(super) struct WhichRuns {
    /// So many at most; 500 are the most.
    limit: Option<u32>,
    /// Only those that are older than this run.
    before: Option<String>,
}

/// What people write about a run; what is left out stays as it is.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct Written {
    /// Free text.
    note: Option<String>,
    /// Words to find it by.
    tags: Option<Vec<String>>,
    /// Not deleted to make room.
    pinned: Option<bool>,
}

impl From<ArchiveError> for Refusal {
    fn from(error: ArchiveError) -> Self {
        let message = error.to_string();
        match error {
            ArchiveError::Shelf(error) => error.into(),
            ArchiveError::Unreadable(_) => {
                let hint = "delete it; it was kept by another release, or damaged";
                Self::new(StatusCode::CONFLICT, "unreadable", message, hint)
            }
            ArchiveError::Pinned => {
                Self::new(StatusCode::CONFLICT, "too-many-pinned", message, "unpin another one")
            }
        }
    }
}

/// Tags and a note that are not too long.
pub(super) fn checked_tags(tags: Vec<String>, note: &str) -> Result<Vec<String>, Refusal> {
    let hint = "make it shorter";
    if note.chars().count() > MAX_NOTE {
        let message = format!("a note has {MAX_NOTE} characters at most");
        return Err(Refusal::bad_request(message, hint));
    }
    if tags.len() > MAX_TAGS {
        return Err(Refusal::bad_request(format!("a run has {MAX_TAGS} tags at most"), hint));
    }
    let mut checked: Vec<String> = Vec::new();
    for tag in tags {
        let tag = tag.trim().to_string();
        if tag.chars().count() > MAX_TAG || tag.chars().any(char::is_control) {
            let message =
                format!("a tag has {MAX_TAG} characters at most, and no control characters");
            return Err(Refusal::bad_request(message, hint));
        }
        if !tag.is_empty() && !checked.contains(&tag) {
            checked.push(tag);
        }
    }
    Ok(checked)
}

/// Live and kept runs, newest first.
#[utoipa::path(get, path = "/api/v1/runs", tag = "runs", params(WhichRuns),
    responses((status = 200, body = Runs)))]
pub(super) async fn list(
    State(desk): Shared,
    Asked(which): Asked<WhichRuns>,
) -> Result<Json<Runs>, Refusal> {
    let kept = desk.archive.list().await?;
    let view = desk.site.handle.view().borrow().clone();
    let archive = &desk.archive;
    let is_kept = |id: &str| kept.iter().any(|summary| summary.short.run == id);
    let live = view
        .runs
        .iter()
        .filter(|run| !archive.was_deleted(run.run.as_str()))
        .map(|run| RunShort { kept: is_kept(run.run.as_str()), ..RunShort::from(run.as_ref()) });
    let mut runs: Vec<RunShort> = live.collect();
    let shown = |id: &str| view.runs.iter().any(|run| run.run.as_str() == id);
    runs.extend(kept.iter().filter(|one| !shown(&one.short.run)).map(|one| one.short.clone()));
    // Ids sort by the time at which they were made.
    runs.sort_by(|a, b| b.run.cmp(&a.run));
    if let Some(before) = &which.before {
        runs.retain(|run| run.run < *before);
    }
    let limit = which.limit.and_then(|limit| usize::try_from(limit).ok()).unwrap_or(MAX_LISTED);
    let more = runs.len() > limit.min(MAX_LISTED);
    runs.truncate(limit.min(MAX_LISTED));
    let runs = runs.into_iter().map(|run| archive.remarks.on_short(run)).collect();
    Ok(Json(Runs { runs, more }))
}

/// One run in full.
#[utoipa::path(get, path = "/api/v1/runs/{run}", tag = "runs",
    params(("run" = String, Path, description = "Its id, or `current`")),
    responses((status = 200, body = RunDetail)))]
pub(super) async fn detail(
    State(desk): Shared,
    At(run): At<String>,
) -> Result<Json<RunDetail>, Refusal> {
    let run = desk.run(&run).await?;
    // A run that goes on is shown whether or not the store answers.
    let _ = tokio::time::timeout(PATIENCE, desk.archive.refresh()).await;
    let view = desk.site.handle.view().borrow().clone();
    if let Some(live) = shown(&desk, &view, &run) {
        return Ok(Json(desk.hub.maker.detail(live)));
    }
    Ok(Json(kept(&desk, &run).await?.detail))
}

/// The run as the view has it, unless it was deleted.
fn shown<'view>(desk: &Desk, view: &'view FleetView, run: &RunId) -> Option<&'view RunView> {
    view.run(run).filter(|_| !desk.archive.was_deleted(run.as_str()))
}

/// What is kept of a run.
pub(super) async fn kept(desk: &Desk, run: &RunId) -> Result<Kept, Refusal> {
    desk.archive.read(run.as_str()).await?.ok_or_else(|| unknown_run(run))
}

/// The whole history of a run, second by second.
#[utoipa::path(get, path = "/api/v1/runs/{run}/points", tag = "runs",
    params(("run" = String, Path, description = "Its id, or `current`")),
    responses((status = 200, body = Points)))]
pub(super) async fn points(
    State(desk): Shared,
    At(run): At<String>,
) -> Result<Json<Points>, Refusal> {
    let run = desk.run(&run).await?;
    if desk.archive.was_deleted(run.as_str()) {
        return Err(unknown_run(&run));
    }
    if let Some(rows) = desk.hub.rows(&run).filter(|rows| !rows.is_empty()) {
        return Ok(Json(Points::new(rows)));
    }
    // It has just been started, or has just ended.
    let is_shown = desk.site.handle.view().borrow().run(&run).is_some();
    if is_shown {
        let points = desk.site.handle.timeline(&run).await?;
        return Ok(Json(Points::new(points.iter().map(row_of).collect())));
    }
    Ok(Json(kept(&desk, &run).await?.points))
}

/// Who worked for a run, by name.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct RunWorkers {
    workers: BTreeMap<String, Worker>,
}

/// Who works for a run; of one that is over, as they were when load ended.
#[utoipa::path(get, path = "/api/v1/runs/{run}/workers", tag = "runs",
    params(("run" = String, Path, description = "Its id, or `current`")),
    responses((status = 200, body = RunWorkers)))]
pub(super) async fn workers(
    State(desk): Shared,
    At(run): At<String>,
) -> Result<Json<RunWorkers>, Refusal> {
    let run = desk.run(&run).await?;
    let view = desk.site.handle.view().borrow().clone();
    let shown = shown(&desk, &view, &run);
    let seen = shown.map(|run| desk.hub.seen(&run.run).shown(run.module)).unwrap_or_default();
    if shown.is_some_and(|run| run.state != RunState::Finished) || !seen.is_empty() {
        return Ok(Json(RunWorkers { workers: seen }));
    }
    // This master came after the end of the run.
    match desk.archive.read(run.as_str()).await? {
        Some(kept) => Ok(Json(RunWorkers { workers: kept.workers })),
        None if shown.is_some() => Ok(Json(RunWorkers { workers: seen })),
        None => Err(unknown_run(&run)),
    }
}

async fn is_known(desk: &Desk, run: &RunId) -> Result<bool, Refusal> {
    let view = desk.site.handle.view().borrow().clone();
    Ok(shown(desk, &view, run).is_some() || desk.archive.summary(run.as_str()).await?.is_some())
}

/// Writes about a run.
#[utoipa::path(patch, path = "/api/v1/runs/{run}", tag = "runs",
    params(("run" = String, Path, description = "Its id, or `current`")),
    request_body = Written, responses((status = 200, body = RunShortRemark)))]
pub(super) async fn write(
    State(desk): Shared,
    At(run): At<String>,
    Body(written): Body<Written>,
) -> Result<Json<RunShortRemark>, Refusal> {
    let run = desk.run(&run).await?;
    if !is_known(&desk, &run).await? {
        return Err(unknown_run(&run));
    }
    desk.archive.refresh().await?;
    let change = |known: Remark| -> Result<Remark, Refusal> {
        let note = written.note.unwrap_or_else(|| known.note.clone());
        let tags = checked_tags(written.tags.unwrap_or_else(|| known.tags.clone()), &note)?;
        Ok(Remark { note, tags, pinned: written.pinned.unwrap_or(known.pinned), ..known })
    };
    let remark = desk.archive.amend(run.as_str(), change).await?;
    let Remark { note, tags, pinned, .. } = remark;
    Ok(Json(RunShortRemark { run: run.to_string(), note, tags, pinned }))
}

/// What is written about a run now.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct RunShortRemark {
    run: String,
    note: String,
    tags: Vec<String>,
    pinned: bool,
}

/// Deletes what is kept of a run that is over.
#[utoipa::path(delete, path = "/api/v1/runs/{run}", tag = "runs",
    params(("run" = String, Path, description = "Its id")),
    responses((status = 204)))]
pub(super) async fn delete(
    State(desk): Shared,
    At(run): At<String>,
) -> Result<StatusCode, Refusal> {
    let run = desk.run(&run).await?;
    let view = desk.site.handle.view().borrow().clone();
    let shown = view.run(&run);
    if shown.is_some_and(|run| run.state != RunState::Finished) {
        let message = format!("run `{run}` goes on");
        return Err(Refusal::new(StatusCode::CONFLICT, "in-use", message, "stop it first"));
    }
    if !is_known(&desk, &run).await? {
        return Err(unknown_run(&run));
    }
    desk.archive.delete(run.as_str()).await?;
    Ok(StatusCode::NO_CONTENT)
}
