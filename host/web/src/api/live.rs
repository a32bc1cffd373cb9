//! `GET /live`: see [`crate::live`].

use axum::body::Body;
use axum::extract::State;
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::{IntoResponse, Response};
use serde::Deserialize;
use utoipa::IntoParams;

use super::extract::Asked;
use super::{Shared, unknown_run};
use crate::live::{MAX_FEEDS, MAX_PAGES, NotTold};
use crate::refusal::Refusal;

/// What to follow.
#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
#[serde(deny_unknown_fields)]
pub(super) struct Follow {
    /// This run; else whatever goes on.
    run: Option<String>,
}

/// Server-sent events: one `snapshot`, then at most one `delta` a second; `docs/api.md` describes them.
#[utoipa::path(get, path = "/api/v1/live", tag = "live", params(Follow,
    ("last-event-id" = Option<String>, Header, description = "The last event that was read, to go on behind it")),
    responses((status = 200, body = String, content_type = "text/event-stream")))]
pub(super) async fn live(
    State(desk): Shared,
    Asked(follow): Asked<Follow>,
    headers: HeaderMap,
) -> Result<Response, Refusal> {
    let run = match follow.run.as_deref() {
        None | Some("" | "current") => None,
        Some(name) => Some(desk.run(name).await?),
    };
    let last = headers.get("last-event-id").and_then(|id| id.to_str().ok());
    let reader = desk.hub.enter(run.clone(), last).map_err(|reason| match (reason, run) {
        (NotTold::UnknownRun, Some(run)) => unknown_run(&run),
        (NotTold::Feeds, _) => too_many(format!("{MAX_FEEDS} runs are followed at a time")),
        _ => too_many(format!("{MAX_PAGES} pages are open")),
    })?;
    let headers = [
        (header::CONTENT_TYPE, "text/event-stream"),
        (header::CACHE_CONTROL, "no-store"),
        // Proxies of this kind would hold messages back.
        (header::HeaderName::from_static("x-accel-buffering"), "no"),
    ];
    Ok((headers, Body::from_stream(reader.into_stream())).into_response())
}

fn too_many(message: String) -> Refusal {
    let hint = "close a page, or ask another master";
    Refusal::new(StatusCode::SERVICE_UNAVAILABLE, "too-many-pages", message, hint)
}
