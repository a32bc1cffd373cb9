//! The one form of errors: a stable code, what happened, and what to do.

use axum::Json;
use axum::extract::rejection::{JsonRejection, PathRejection, QueryRejection};
use axum::http::{HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use loadhost_control::ports::ShelfError;
use loadhost_control::{ControlError, RefusalKind, StartError};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::site::MasterRefusal;
use crate::workbench::{Fault, WorkbenchError};

/// Seconds after which asking again makes sense: a next leader takes a lease.
const RETRY_AFTER: HeaderValue = HeaderValue::from_static("3");

/// An answer that is none.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub(crate) struct Refusal {
    #[serde(skip)]
    status: u16,
    /// Stable, such as `unknown-run`.
    pub code: String,
    /// What happened.
    pub message: String,
    /// What to do.
    pub hint: String,
    /// Each thing that is wrong with what was given.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub faults: Vec<Fault>,
}

impl Refusal {
    pub(crate) fn new(
        status: StatusCode,
        code: &str,
        message: impl Into<String>,
        hint: impl Into<String>,
    ) -> Self {
        let (message, hint) = (message.into(), hint.into());
        Self { status: status.as_u16(), code: code.into(), message, hint, faults: Vec::new() }
    }

    pub(crate) fn bad_request(message: impl Into<String>, hint: impl Into<String>) -> Self {
        Self::new(StatusCode::BAD_REQUEST, "bad-request", message, hint)
    }

    pub(crate) fn not_found(code: &str, message: impl Into<String>, hint: &str) -> Self {
        Self::new(StatusCode::NOT_FOUND, code, message, hint)
    }

    pub(crate) fn too_large(what: &str, most: usize) -> Self {
        let message = format!("{what} is larger than {} MiB", most >> 20);
        Self::new(StatusCode::PAYLOAD_TOO_LARGE, "too-large", message, "make it smaller")
    }

    /// What was given cannot be used, for these reasons.
    pub(crate) fn faulty(message: impl Into<String>, faults: Vec<Fault>) -> Self {
        let hint = "`faults` says what is wrong, and what to do about it";
        let refusal = Self::new(StatusCode::UNPROCESSABLE_ENTITY, "faulty", message, hint);
        Self { faults, ..refusal }
    }

    /// What could not be done for a reason of the server's own.
    pub(crate) fn internal(message: impl Into<String>) -> Self {
        let hint = "look at the master's log";
        Self::new(StatusCode::INTERNAL_SERVER_ERROR, "internal", message, hint)
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
        of_kind(error.kind(), error.to_string())
    }
}

impl From<StartError> for Refusal {
    fn from(error: StartError) -> Self {
        of_kind(error.kind(), error.to_string())
    }
}

fn of_kind(kind: RefusalKind, message: String) -> Refusal {
    let (status, code, hint) = match kind {
        RefusalKind::UnknownRun => {
            (StatusCode::NOT_FOUND, "unknown-run", "GET /api/v1/runs lists the runs")
        }
        RefusalKind::NotRunning | RefusalKind::Stopped => {
            (StatusCode::CONFLICT, "not-running", "wait until it makes load")
        }
        RefusalKind::Refused => {
            (StatusCode::UNPROCESSABLE_ENTITY, "refused", "change what the profile allows")
        }
        RefusalKind::NoRoom => {
            let hint = "GET /api/v1/workers shows each worker's capacity";
            (StatusCode::UNPROCESSABLE_ENTITY, "no-room", hint)
        }
        RefusalKind::Shaped => (StatusCode::CONFLICT, "shaped", "change the scenario's load shape"),
        RefusalKind::TooFewWorkers => (
            StatusCode::CONFLICT,
            "too-few-workers",
            "start more workers, or wait for the end of other runs",
        ),
        RefusalKind::Duplicate => {
            (StatusCode::CONFLICT, "duplicate", "give the new run another id")
        }
        RefusalKind::Unfit => {
            (StatusCode::UNPROCESSABLE_ENTITY, "unfit", "start a new run with this scenario")
        }
        RefusalKind::OtherVersion => {
            (StatusCode::CONFLICT, "other-version", "wait until all users run it")
        }
        RefusalKind::UnknownWorker => {
            (StatusCode::NOT_FOUND, "unknown-worker", "GET /api/v1/workers lists the workers")
        }
        RefusalKind::LastWorker => {
            (StatusCode::CONFLICT, "last-worker", "start another worker, or stop the run")
        }
        RefusalKind::NoLeader => (
            StatusCode::SERVICE_UNAVAILABLE,
            "no-leader",
            "wait for a master to lead, or start one",
        ),
        RefusalKind::MasterFull => (
            StatusCode::SERVICE_UNAVAILABLE,
            "master-full",
            "stop runs, or give the masters more room",
        ),
        RefusalKind::Closed => {
            (StatusCode::SERVICE_UNAVAILABLE, "closed", "the master is going away")
        }
    };
    Refusal::new(status, code, message, hint)
}

impl From<MasterRefusal> for Refusal {
    fn from(error: MasterRefusal) -> Self {
        let (status, code, hint) = match &error {
            MasterRefusal::Unknown(_) => {
                (StatusCode::NOT_FOUND, "unknown-master", "GET /api/v1/workers lists the masters")
            }
            MasterRefusal::Last(_) => (
                StatusCode::CONFLICT,
                "last-master",
                "start another master first, or put one back into service",
            ),
            MasterRefusal::Silent(_) => {
                (StatusCode::SERVICE_UNAVAILABLE, "silent-master", "try again, or look at its log")
            }
        };
        Self::new(status, code, error.to_string(), hint)
    }
}

impl From<ShelfError> for Refusal {
    fn from(error: ShelfError) -> Self {
        let (status, code, hint) = match &error {
            ShelfError::TooLarge { .. } => {
                (StatusCode::PAYLOAD_TOO_LARGE, "too-large", "make it smaller")
            }
            ShelfError::Full { remedy, .. } => {
                let status = StatusCode::INSUFFICIENT_STORAGE;
                return Self::new(
                    status,
                    "store-full",
                    error.to_string(),
                    format!("delete {remedy}"),
                );
            }
            ShelfError::Unavailable { .. } => {
                (StatusCode::SERVICE_UNAVAILABLE, "store-unavailable", "try again")
            }
            ShelfError::BadKey(_) => (StatusCode::BAD_REQUEST, "bad-request", "check the path"),
            ShelfError::Altered { .. } => {
                (StatusCode::CONFLICT, "altered", "delete it, and store it again")
            }
        };
        Self::new(status, code, error.to_string(), hint)
    }
}

impl From<WorkbenchError> for Refusal {
    fn from(error: WorkbenchError) -> Self {
        let (code, hint) = match &error {
            WorkbenchError::Busy(_) => ("busy", "try again in a few seconds"),
            WorkbenchError::Failed(_) => {
                ("check-failed", "try again, and look at the master's log")
            }
        };
        Self::new(StatusCode::SERVICE_UNAVAILABLE, code, error.to_string(), hint)
    }
}

impl From<JsonRejection> for Refusal {
    fn from(rejection: JsonRejection) -> Self {
        let text = rejection.body_text();
        if rejection.status() == StatusCode::PAYLOAD_TOO_LARGE {
            let status = StatusCode::PAYLOAD_TOO_LARGE;
            return Self::new(status, "too-large", text, "send less");
        }
        let hint = "send JSON with `content-type: application/json`, as GET /api/v1/openapi.json describes it";
        Self::bad_request(text, hint)
    }
}

impl From<PathRejection> for Refusal {
    fn from(rejection: PathRejection) -> Self {
        Self::bad_request(rejection.body_text(), "check the path")
    }
}

impl From<QueryRejection> for Refusal {
    fn from(rejection: QueryRejection) -> Self {
        Self::bad_request(rejection.body_text(), "check what follows the `?`")
    }
}
