//! Each route of the API with the role that it needs: a new one has to be thought about here.

use std::collections::BTreeSet;

use axum::http::Method;
use serde_json::Value;

use crate::access::{Effect, Need, Role, needed};

const TABLE: &[(&str, &str, &str)] = &[
    ("GET", "/api/v1/openapi.json", "anyone"),
    ("GET", "/api/v1/session", "anyone"),
    ("POST", "/api/v1/session", "anyone changes"),
    ("DELETE", "/api/v1/session", "anyone changes"),
    ("GET", "/api/v1/state", "view"),
    ("GET", "/api/v1/live", "view"),
    ("GET", "/api/v1/settings", "view"),
    ("GET", "/api/v1/logs", "view"),
    ("GET", "/api/v1/workers", "view"),
    ("POST", "/api/v1/workers/{worker}/drain", "admin changes"),
    ("DELETE", "/api/v1/workers/{worker}/drain", "admin changes"),
    ("POST", "/api/v1/masters/{master}/drain", "admin changes"),
    ("DELETE", "/api/v1/masters/{master}/drain", "admin changes"),
    ("GET", "/api/v1/scenarios", "view"),
    ("POST", "/api/v1/scenarios", "operate changes"),
    ("GET", "/api/v1/scenarios/{digest}", "view"),
    ("DELETE", "/api/v1/scenarios/{digest}", "operate changes"),
    ("GET", "/api/v1/scenarios/{digest}/module", "view"),
    ("GET", "/api/v1/data-sets", "view"),
    ("POST", "/api/v1/data-sets", "operate changes"),
    ("GET", "/api/v1/data-sets/{digest}", "operate"),
    ("DELETE", "/api/v1/data-sets/{digest}", "operate changes"),
    ("POST", "/api/v1/plans", "view"),
    ("GET", "/api/v1/runs", "view"),
    ("POST", "/api/v1/runs", "operate changes"),
    ("GET", "/api/v1/runs/{run}", "view"),
    ("PATCH", "/api/v1/runs/{run}", "operate changes"),
    ("DELETE", "/api/v1/runs/{run}", "operate changes"),
    ("POST", "/api/v1/runs/{run}/stop", "operate changes"),
    ("POST", "/api/v1/runs/{run}/change", "operate changes"),
    ("POST", "/api/v1/runs/{run}/reset", "operate changes"),
    ("POST", "/api/v1/runs/{run}/scenario", "operate changes"),
    ("GET", "/api/v1/runs/{run}/points", "view"),
    ("GET", "/api/v1/runs/{run}/workers", "view"),
    ("GET", "/api/v1/runs/{run}/report.html", "view"),
    ("GET", "/api/v1/runs/{run}/results.json", "view"),
    ("GET", "/api/v1/runs/{run}/junit.xml", "view"),
    ("GET", "/api/v1/runs/{run}/stats.csv", "view"),
    ("GET", "/api/v1/runs/{run}/stats_history.csv", "view"),
    ("GET", "/api/v1/runs/{run}/failures.csv", "view"),
    ("GET", "/api/v1/runs/{run}/exceptions.csv", "view"),
    ("GET", "/api/v1/runs/{run}/compare/{baseline}", "view"),
];

fn told(method: &str, path: &str) -> String {
    let method = Method::from_bytes(method.as_bytes()).unwrap();
    let (need, effect) = needed(&method, Some(path));
    let need = match need {
        Need::Anyone => "anyone",
        Need::Role(Role::View) => "view",
        Need::Role(Role::Operate) => "operate",
        Need::Role(Role::Admin) => "admin",
    };
    format!("{need}{}", if effect == Effect::Changes { " changes" } else { "" })
}

#[test]
fn each_route_of_the_api_needs_the_role_that_it_should() {
    let document: Value = serde_json::from_str(&crate::api::document()).unwrap();
    let described = document["paths"].as_object().unwrap().iter().flat_map(|(path, methods)| {
        let methods = methods.as_object().unwrap().keys();
        methods.map(move |method| (method.to_uppercase(), path.clone()))
    });
    let described: BTreeSet<_> = described.collect();
    let known = TABLE.iter().map(|(method, path, _)| (method.to_string(), path.to_string()));
    let known: BTreeSet<_> = known.collect();
    let new: Vec<_> = described.difference(&known).collect();
    assert!(new.is_empty(), "say in this table who may do it: {new:?}");
    for (method, path, expected) in TABLE {
        assert_eq!(told(method, path), *expected, "{method} {path}");
    }
}
