//! Answers of the door, in the API's form: a stable code, what happened, and what to do.

use axum::Json;
use axum::http::{HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use serde::Serialize;

use super::role::Role;

/// Why a request is not let through.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Denied {
    /// Nobody is logged in.
    Unknown,
    /// The token is not one of ours, or no longer.
    Token,
    /// Neither user nor password is told to be the wrong one.
    Login,
    /// Too many attempts.
    TooOften {
        /// Until the next one is heard.
        seconds: u64,
    },
    /// So many logins are being checked that this one would wait too long.
    Busy,
    /// There is no login here.
    NoLogin,
    /// The role is too small.
    Role {
        /// That would do.
        needed: Role,
    },
    /// A page of another site.
    ForeignPage,
    /// A name that is not this machine's.
    ForeignHost,
    /// What a form of any page can send.
    FormBody,
    /// The request was not over in time.
    TooSlow,
}

#[derive(Serialize)]
struct Body {
    code: &'static str,
    message: String,
    hint: &'static str,
}

impl Denied {
    /// Stable, as the API gives it.
    pub fn code(self) -> &'static str {
        match self {
            Denied::Unknown => "not-logged-in",
            Denied::Token => "unknown-token",
            Denied::Login => "wrong-login",
            Denied::TooOften { .. } => "too-many-attempts",
            Denied::Busy => "busy",
            Denied::NoLogin => "no-login",
            Denied::Role { .. } => "role-too-small",
            Denied::ForeignPage => "foreign-page",
            Denied::ForeignHost => "foreign-host",
            Denied::FormBody => "form-body",
            Denied::TooSlow => "too-slow",
        }
    }

    /// Of the answer.
    pub fn status(self) -> StatusCode {
        match self {
            Denied::Unknown | Denied::Token | Denied::Login => StatusCode::UNAUTHORIZED,
            Denied::TooOften { .. } => StatusCode::TOO_MANY_REQUESTS,
            Denied::Busy => StatusCode::SERVICE_UNAVAILABLE,
            Denied::NoLogin => StatusCode::CONFLICT,
            Denied::Role { .. } | Denied::ForeignPage => StatusCode::FORBIDDEN,
            Denied::ForeignHost => StatusCode::MISDIRECTED_REQUEST,
            Denied::FormBody => StatusCode::UNSUPPORTED_MEDIA_TYPE,
            Denied::TooSlow => StatusCode::REQUEST_TIMEOUT,
        }
    }

    fn body(self) -> Body {
        let (message, hint) = match self {
            Denied::Unknown => (
                "this needs a login".into(),
                "log in, or send `Authorization: Bearer TOKEN` (`loadhost user token` makes one)",
            ),
            Denied::Token => (
                "this token is unknown or has expired".into(),
                "make another one with `loadhost user token`",
            ),
            Denied::Login => (
                "user or password is wrong".into(),
                "try again, or have it set with `loadhost user passwd`",
            ),
            Denied::TooOften { seconds } => {
                (format!("too many attempts; the next one is heard in {seconds} s"), "wait")
            }
            Denied::Busy => ("too many logins are being checked".into(), "try again in a second"),
            Denied::NoLogin => {
                ("there is no login here".into(), "go on without; `--web-users FILE` turns it on")
            }
            Denied::Role { needed } => (
                format!("this needs the role `{needed}`"),
                "ask somebody who has it, or have it given with `loadhost user add`",
            ),
            Denied::ForeignPage => (
                "a page of another site may not do this".into(),
                "open the page under the address that it asks, or send a bearer token",
            ),
            Denied::ForeignHost => (
                "this address serves this machine only, under its own names".into(),
                "ask for http://127.0.0.1 or http://localhost",
            ),
            Denied::FormBody => (
                "what a form of any page could send is not taken here".into(),
                "send JSON with `content-type: application/json`",
            ),
            Denied::TooSlow => ("the request was not over in time".into(), "send it again, faster"),
        };
        Body { code: self.code(), message, hint }
    }
}

impl IntoResponse for Denied {
    fn into_response(self) -> Response {
        let mut response = (self.status(), Json(self.body())).into_response();
        let headers = response.headers_mut();
        match self {
            Denied::TooOften { seconds } => {
                headers.insert(header::RETRY_AFTER, HeaderValue::from(seconds));
            }
            Denied::Busy => {
                headers.insert(header::RETRY_AFTER, HeaderValue::from_static("1"));
            }
            Denied::Unknown | Denied::Token => {
                let bearer = HeaderValue::from_static("Bearer realm=\"loadhost\"");
                headers.insert(header::WWW_AUTHENTICATE, bearer);
            }
            Denied::TooSlow => {
                headers.insert(header::CONNECTION, HeaderValue::from_static("close"));
            }
            _ => {}
        }
        response
    }
}
