//! Who did what: a line for each change and each login, under the log target `audit`.
//!
//! Paths and names stand in it, bodies and secrets never. A name that failed to log in and that nobody has is
//! left out, as it may be a password in the wrong field.

use std::net::IpAddr;

use axum::extract::Request;
use axum::http::{Method, StatusCode};

use super::proxy::Caller;
use super::role::Identity;

/// Of log lines.
pub const TARGET: &str = "audit";

/// One change, while it goes on.
pub(super) struct Entry {
    method: Method,
    path: String,
    from: IpAddr,
    pub(super) identity: Option<Identity>,
    pub(super) denied: Option<&'static str>,
}

impl Entry {
    pub(super) fn of(request: &Request) -> Self {
        Self {
            method: request.method().clone(),
            path: request.uri().path().chars().take(300).collect(),
            from: Caller::of(request.extensions()).address,
            identity: None,
            denied: None,
        }
    }

    pub(super) fn write(&self, status: StatusCode) {
        let (who, role, means) = match &self.identity {
            Some(who) => (&*who.name, who.role.as_str(), who.means.as_str()),
            None => ("nobody", "none", "nothing"),
        };
        let Self { method, path, from, .. } = self;
        let status = status.as_u16();
        match self.denied {
            None => {
                tracing::info!(target: TARGET, who, role, means, %from, %method, path, status, "change")
            }
            Some(why) => {
                tracing::warn!(target: TARGET, who, role, means, %from, %method, path, status, why, "denied")
            }
        }
    }
}

/// What came of an attempt to log in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Outcome {
    LoggedIn,
    LoggedOut,
    Wrong,
    TooOften,
    Busy,
}

/// `known` is the name, if somebody has it.
pub(super) fn login(outcome: Outcome, known: Option<&str>, from: IpAddr) {
    let who = known.unwrap_or("somebody unknown");
    match outcome {
        Outcome::LoggedIn => tracing::info!(target: TARGET, who, %from, "logged in"),
        Outcome::LoggedOut => tracing::info!(target: TARGET, who, %from, "logged out"),
        Outcome::Wrong => tracing::warn!(target: TARGET, who, %from, "wrong user or password"),
        Outcome::TooOften => tracing::warn!(target: TARGET, who, %from, "too many attempts"),
        Outcome::Busy => tracing::warn!(target: TARGET, who, %from, "too many logins at once"),
    }
}
