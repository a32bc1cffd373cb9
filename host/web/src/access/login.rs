//! `/api/v1/session`: who am I, login, logout.

use std::fmt;

use axum::extract::rejection::JsonRejection;
use axum::extract::{DefaultBodyLimit, Extension, State};
use axum::http::{HeaderMap, HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use axum::{Json, Router};
use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use tokio::time::Instant;

use super::audit::{self, Outcome};
use super::denied::Denied;
use super::proxy::Caller;
use super::role::{Identity, Means, Role};
use super::rules::SESSION;
use super::{Access, session};

/// Bytes of a login: a name and a password.
const LONGEST: usize = 8 * 1024;

/// What this server is. Only those who are let in are told.
#[derive(Debug, Clone, Serialize, utoipa::ToSchema)]
pub struct About {
    /// Of loadhost.
    pub version: String,
    /// Name of the fleet.
    pub cluster: String,
    /// It serves the one run that it was started for: nothing can be uploaded or started.
    pub single_run: bool,
}

/// Who asks, and what they may do.
#[derive(Debug, Clone, Serialize, utoipa::ToSchema)]
pub(crate) struct Session {
    /// Whether there is a login here at all.
    login_required: bool,
    /// None: not logged in, or there is no login.
    user: Option<String>,
    /// None: nothing before login.
    role: Option<Role>,
    #[serde(flatten)]
    about: Option<About>,
}

/// Who wants to log in.
#[derive(Deserialize, utoipa::ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct Login {
    user: String,
    #[schema(format = Password)]
    password: String,
}

impl fmt::Debug for Login {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Login(…)")
    }
}

/// What the handlers share.
#[derive(Clone)]
pub(crate) struct Desk {
    access: Access,
    about: About,
}

/// The routes of `/api/v1/session`, to be merged into any router.
pub fn session_routes<S: Clone + Send + Sync + 'static>(access: Access, about: About) -> Router<S> {
    Router::new()
        .route(SESSION, get(who).post(log_in).delete(log_out))
        .layer(DefaultBodyLimit::max(LONGEST))
        .with_state(Desk { access, about })
}

impl Desk {
    fn session(&self, identity: Option<&Identity>) -> Session {
        let named = identity.filter(|identity| identity.means != Means::Nothing);
        Session {
            login_required: self.access.has_login(),
            user: named.map(|identity| identity.name.to_string()),
            role: identity.map(|identity| identity.role),
            about: identity.map(|_| self.about.clone()),
        }
    }
}

/// Who am I, and what may I do?
#[utoipa::path(
    get, path = "/api/v1/session", tag = "session",
    responses((status = 200, description = "Who asks; before login, without version and cluster", body = Session)),
)]
pub(crate) async fn who(
    State(desk): State<Desk>,
    identity: Option<Extension<Identity>>,
) -> Json<Session> {
    Json(desk.session(identity.as_deref()))
}

/// Log in: the answer sets a cookie.
#[utoipa::path(
    post, path = "/api/v1/session", tag = "session", request_body = Login,
    responses(
        (status = 200, description = "Logged in", body = Session),
        (status = 400, description = "Not such a body"),
        (status = 401, description = "User or password is wrong"),
        (status = 409, description = "There is no login here"),
        (status = 415, description = "Not JSON"),
        (status = 422, description = "Not such a body"),
        (status = 429, description = "Too many attempts; Retry-After says how long"),
        (status = 503, description = "Too many logins at once"),
    ),
)]
pub(crate) async fn log_in(
    State(desk): State<Desk>,
    extensions: axum::http::Extensions,
    body: Result<Json<Login>, JsonRejection>,
) -> Response {
    let Json(wanted) = match body {
        Ok(body) => body,
        Err(rejection) => return unreadable(&rejection),
    };
    match desk.checked(wanted, Caller::of(&extensions)).await {
        Ok((identity, cookie)) => {
            let mut response = Json(desk.session(Some(&identity))).into_response();
            response.headers_mut().insert(header::SET_COOKIE, cookie);
            response
        }
        Err(denied) => denied.into_response(),
    }
}

/// Log out: the answer lets the browser forget the cookie.
#[utoipa::path(
    delete, path = "/api/v1/session", tag = "session",
    responses((status = 200, description = "Nobody is logged in here any more", body = Session)),
)]
pub(crate) async fn log_out(
    State(desk): State<Desk>,
    identity: Option<Extension<Identity>>,
    extensions: axum::http::Extensions,
) -> Response {
    let identity = identity.map(|Extension(identity)| identity);
    let caller = Caller::of(&extensions);
    let left = identity.as_ref().filter(|identity| identity.means == Means::Session);
    if let Some(left) = left {
        audit::login(Outcome::LoggedOut, Some(&left.name), caller.address);
    }
    let kept = identity.as_ref().filter(|identity| identity.means != Means::Session);
    let mut response = Json(desk.session(kept)).into_response();
    if let Some(forget) =
        desk.access.cookie(caller.wire).forget().filter(|_| desk.access.has_login())
    {
        response.headers_mut().insert(header::SET_COOKIE, forget);
    }
    response
}

impl Desk {
    /// Whoever it is, with the cookie that says so.
    async fn checked(
        &self,
        wanted: Login,
        caller: Caller,
    ) -> Result<(Identity, HeaderValue), Denied> {
        let login = self.access.login().ok_or(Denied::NoLogin)?;
        let from = caller.address;
        let version = login.users.now();
        let user = version.user(&wanted.user).cloned();
        let known = user.as_ref().map(|_| wanted.user.as_str());
        let attempt = login.throttle.attempt(&wanted.user, from, Instant::now());
        let attempt = attempt.map_err(|wait| {
            audit::login(Outcome::TooOften, known, from);
            Denied::TooOften { seconds: wait.as_secs_f64().ceil().max(1.0) as u64 }
        })?;
        let hashed = user.as_ref().map(|user| user.password.clone());
        let good = login.desk.check(hashed, wanted.password).await.map_err(|_| {
            login.throttle.give_back(attempt);
            audit::login(Outcome::Busy, known, from);
            Denied::Busy
        })?;
        let Some(user) = user.filter(|_| good) else {
            audit::login(Outcome::Wrong, known, from);
            return Err(Denied::Login);
        };
        login.throttle.give_back(attempt);
        let value = session::seal(&version, &wanted.user, &user, Timestamp::now());
        let cookie = self.access.cookie(caller.wire).set(&value).ok_or(Denied::Login)?;
        audit::login(Outcome::LoggedIn, Some(&wanted.user), from);
        let identity =
            Identity { name: wanted.user.into(), role: user.role, means: Means::Session };
        Ok((identity, cookie))
    }
}

/// What came is not told back: it may hold a password.
fn unreadable(rejection: &JsonRejection) -> Response {
    let status = match rejection.status() {
        StatusCode::PAYLOAD_TOO_LARGE => StatusCode::PAYLOAD_TOO_LARGE,
        StatusCode::UNSUPPORTED_MEDIA_TYPE => StatusCode::UNSUPPORTED_MEDIA_TYPE,
        _ => StatusCode::BAD_REQUEST,
    };
    let body = serde_json::json!({
        "code": "bad-request",
        "message": "this is not a login",
        "hint": "send {\"user\": …, \"password\": …} with `content-type: application/json`",
    });
    let no_headers = HeaderMap::new();
    (status, no_headers, Json(body)).into_response()
}
