//! What each route asks for. Whatever is not named here needs `view` to be read and `operate` for
//! anything else, so a route that was forgotten is closed.

use axum::http::Method;

use super::role::Role;

/// Where one logs in and out.
pub(super) const SESSION: &str = "/api/v1/session";

/// Who may ask.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Need {
    /// Also those who are not logged in.
    Anyone,
    /// Those with this role at least.
    Role(Role),
}

/// Whether a request changes something.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Effect {
    /// It only asks.
    Reads,
    /// It is for our own pages and for programs, and stands in the audit.
    Changes,
}

/// An exception.
#[derive(Debug, Clone, Copy)]
pub(super) struct Rule {
    method: &'static str,
    path: &'static str,
    need: Need,
    effect: Effect,
}

impl Rule {
    /// `path` is the route's pattern, such as `/api/v1/runs/{run}`.
    const fn reads(method: &'static str, path: &'static str, need: Need) -> Self {
        Self { method, path, need, effect: Effect::Reads }
    }

    /// As [`Rule::reads`], for what changes something.
    const fn changes(method: &'static str, path: &'static str, need: Need) -> Self {
        Self { method, path, need, effect: Effect::Changes }
    }
}

/// The page before login, health, and what differs from its method.
const EXCEPTIONS: &[Rule] = &[
    Rule::reads("GET", "/", Need::Anyone),
    Rule::reads("GET", "/index.html", Need::Anyone),
    Rule::reads("GET", "/favicon.ico", Need::Anyone),
    Rule::reads("GET", "/assets/{*path}", Need::Anyone),
    Rule::reads("GET", "/health", Need::Anyone),
    Rule::reads("GET", "/ready", Need::Anyone),
    Rule::reads("GET", "/api/v1/openapi.json", Need::Anyone),
    Rule::reads("GET", SESSION, Need::Anyone),
    Rule::changes("POST", SESSION, Need::Anyone),
    Rule::changes("DELETE", SESSION, Need::Anyone),
    // A dry run.
    Rule::reads("POST", "/api/v1/plans", Need::Role(Role::View)),
    // Its first rows, which may be names and passwords of the target's users.
    Rule::reads("GET", "/api/v1/data-sets/{digest}", Need::Role(Role::Operate)),
    Rule::changes("POST", "/api/v1/workers/{worker}/drain", Need::Role(Role::Admin)),
    Rule::changes("DELETE", "/api/v1/workers/{worker}/drain", Need::Role(Role::Admin)),
    Rule::changes("POST", "/api/v1/masters/{master}/drain", Need::Role(Role::Admin)),
    Rule::changes("DELETE", "/api/v1/masters/{master}/drain", Need::Role(Role::Admin)),
    // Locust's scripts change things by GET.
    Rule::changes("GET", "/stop", Need::Role(Role::Operate)),
    Rule::changes("GET", "/stats/reset", Need::Role(Role::Operate)),
];

/// What a request to the route `path` needs and does; None: to no route.
pub fn needed(method: &Method, path: Option<&str>) -> (Need, Effect) {
    // Routes for GET answer HEAD too.
    let name = if *method == Method::HEAD { "GET" } else { method.as_str() };
    let rule = EXCEPTIONS.iter().find(|rule| rule.method == name && Some(rule.path) == path);
    if let Some(rule) = rule {
        return (rule.need, rule.effect);
    }
    match name {
        "GET" | "OPTIONS" => (Need::Role(Role::View), Effect::Reads),
        _ => (Need::Role(Role::Operate), Effect::Changes),
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn what_nobody_spoke_of_is_closed() {
        let view = (Need::Role(Role::View), Effect::Reads);
        let operate = (Need::Role(Role::Operate), Effect::Changes);
        for (method, path, expected) in [
            ("GET", Some("/api/v1/new"), view),
            ("HEAD", Some("/api/v1/new"), view),
            ("OPTIONS", Some("/"), view),
            ("POST", Some("/api/v1/new"), operate),
            ("PUT", Some("/"), operate),
            ("TRACE", Some("/"), operate),
            ("get", Some("/"), operate),
            ("POST", None, operate),
            ("GET", None, view),
            ("GET", Some("/stop"), (Need::Role(Role::Operate), Effect::Changes)),
            ("HEAD", Some("/stop"), (Need::Role(Role::Operate), Effect::Changes)),
            ("POST", Some("/api/v1/plans"), (Need::Role(Role::View), Effect::Reads)),
            ("GET", Some("/health"), (Need::Anyone, Effect::Reads)),
            ("POST", Some("/health"), operate),
        ] {
            let method = Method::from_bytes(method.as_bytes()).unwrap();
            assert_eq!(needed(&method, path), expected, "{method} {path:?}");
        }
    }

    #[test]
    fn what_anyone_may_do_changes_nothing_but_who_is_logged_in() {
        let open = EXCEPTIONS.iter().filter(|rule| rule.need == Need::Anyone);
        for rule in open {
            assert!(rule.effect == Effect::Reads || rule.path == SESSION, "{rule:?}");
        }
    }
}
