//! The one form of errors: a stable code, what happened, and what to do.

use axum::Json;
use axum::http::{HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use loadhost_control::{ControlError, RefusalKind};
use serde::{Deserialize, Serialize};

/// Seconds after which asking again makes sense: a next leader takes a lease.
const RETRY_AFTER: HeaderValue = HeaderValue::from_static("3");

/// An answer that is none.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Refusal {
    #[serde(skip)]
    status: u16,
    /// Stable, such as `unknown-run`.
    pub(super) code: String,
    /// What happened.
    pub(super) message: String,
    /// What to do.
    pub(super) hint: String,
}

impl Refusal {
    pub(super) fn new(
        status: StatusCode,
        code: &str,
        message: impl Into<String>,
        hint: impl Into<String>,
    ) -> Self {
        let (message, hint) = (message.into(), hint.into());
        Self { status: status.as_u16(), code: code.into(), message, hint }
    }

    pub(super) fn bad_request(message: impl Into<String>, hint: impl Into<String>) -> Self {
        Self::new(StatusCode::BAD_REQUEST, "bad-request", message, hint)
    }
}

impl IntoResponse for Refusal {
    fn into_response(self) -> Response {
        let status = StatusCode::from_u16(self.status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
        let mut response = (status, Json(self)).into_response();
        if status == StatusCode::SERVICE_UNAVAILABLE {
            response.headers_mut().insert(header::RETRY_AFTER, RETRY_AFTER);
        }
        response
    }
}

impl From<ControlError> for Refusal {
    fn from(error: ControlError) -> Self {
        let (status, code, hint) = match error.kind() {
            RefusalKind::UnknownRun => {
                (StatusCode::NOT_FOUND, "unknown-run", "GET /api/v1/state lists the runs")
            }
            RefusalKind::NotRunning | RefusalKind::Stopped => {
                (StatusCode::CONFLICT, "not-running", "wait until it makes load")
            }
            RefusalKind::Refused => {
                (StatusCode::UNPROCESSABLE_ENTITY, "refused", "change what the profile allows")
            }
            RefusalKind::NoRoom => {
                let hint = "GET /api/v1/state shows each worker's capacity";
                (StatusCode::UNPROCESSABLE_ENTITY, "no-room", hint)
            }
            RefusalKind::Shaped => {
                (StatusCode::CONFLICT, "shaped", "change the scenario's load shape")
            }
            RefusalKind::TooFewWorkers => {
                (StatusCode::CONFLICT, "too-few-workers", "start more workers")
            }
            RefusalKind::Duplicate => {
                (StatusCode::CONFLICT, "duplicate", "give the new run another id")
            }
            RefusalKind::UnknownWorker => {
                (StatusCode::NOT_FOUND, "unknown-worker", "GET /api/v1/state lists the workers")
            }
            RefusalKind::LastWorker => {
                (StatusCode::CONFLICT, "last-worker", "start another worker, or stop the run")
            }
            RefusalKind::NoLeader => (
                StatusCode::SERVICE_UNAVAILABLE,
                "no-leader",
                "wait for a master to lead, or start one",
            ),
            RefusalKind::Closed => {
                (StatusCode::SERVICE_UNAVAILABLE, "closed", "the master is going away")
            }
        };
        Self::new(status, code, error.to_string(), hint)
    }
}
