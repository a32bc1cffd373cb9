//! Which path answers what.

use std::sync::Arc;

use axum::Router;
use axum::extract::{Request, State};
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::routing::get;

use super::metrics::{Metrics, MetricsError};
use super::{NotReady, Ops, Role, Shown};
use crate::access::{self, Access};
use crate::api::Desk;
use crate::assets;
use crate::refusal::Refusal;

/// What all routes share.
pub(super) struct Shared {
    pub(super) ops: Ops,
    /// Of a port that shows them.
    metrics: Option<Arc<Metrics>>,
}

pub(super) fn router(
    ops: Ops,
    access: &Access,
    desk: Option<&Arc<Desk>>,
) -> Result<Router, MetricsError> {
    let shown = ops.shown;
    let mut routes = Router::new();
    if shown != Shown::Metrics {
        routes = routes.route("/health", get(async || "alive\n")).route("/ready", get(ready));
    }
    if shown != Shown::Health {
        routes = routes.route("/metrics", get(metrics_text));
    }
    let metrics = (shown != Shown::Health).then(|| ops.metrics()).transpose()?;
    let shared = Arc::new(Shared { ops, metrics });
    routes = match desk {
        Some(desk) => routes
            .merge(assets::router())
            .merge(crate::api::router(desk.clone()))
            .merge(crate::locust::router(crate::locust::Ports::of(desk)))
            .merge(access::session_routes(access.clone(), desk.about())),
        None => routes.route("/", get(welcome)),
    };
    Ok(routes.fallback(nothing_here).method_not_allowed_fallback(other_method).with_state(shared))
}

async fn welcome(State(shared): State<Arc<Shared>>) -> String {
    let role = match shared.ops.role {
        Role::Master(_) => "master",
        Role::Worker(_) => "worker",
    };
    let version = env!("CARGO_PKG_VERSION");
    let mut said = format!("loadhost {version} {role}\n\n");
    if shared.ops.shown != Shown::Metrics {
        said += "GET  /health         is it alive\n\
                 GET  /ready          can it take work, or why not\n";
    }
    if shared.ops.shown != Shown::Health {
        said += "GET  /metrics        for Prometheus\n";
    }
    said
}

async fn ready(State(shared): State<Arc<Shared>>) -> Response {
    match (shared.ops.readiness)() {
        Ok(()) => "ready\n".into_response(),
        Err(why) => {
            let (code, why, hint) = match why {
                NotReady::Waiting(why) => ("not-ready", why, "wait, or look at its log"),
                NotReady::Draining(why) => ("draining", why, "ask another one"),
            };
            Refusal::new(StatusCode::SERVICE_UNAVAILABLE, code, why, hint).into_response()
        }
    }
}

async fn metrics_text(State(shared): State<Arc<Shared>>) -> Response {
    let Some(metrics) = &shared.metrics else { return StatusCode::NOT_FOUND.into_response() };
    match metrics.text().await {
        Ok(text) => ([(header::CONTENT_TYPE, prometheus::TEXT_FORMAT)], text).into_response(),
        Err(error) => {
            let status = StatusCode::INTERNAL_SERVER_ERROR;
            Refusal::new(status, "metrics", error.to_string(), "look at the log").into_response()
        }
    }
}

async fn nothing_here(request: Request) -> Refusal {
    let message = format!("there is nothing at {}", request.uri().path());
    Refusal::new(
        StatusCode::NOT_FOUND,
        "not-found",
        message,
        "GET /api/v1/openapi.json lists the routes of a master",
    )
}

async fn other_method(request: Request) -> Refusal {
    let message = format!("{} is not possible at {}", request.method(), request.uri().path());
    let status = StatusCode::METHOD_NOT_ALLOWED;
    Refusal::new(
        status,
        "method-not-allowed",
        message,
        "GET /api/v1/openapi.json lists the routes of a master",
    )
}
