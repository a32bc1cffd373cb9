//! The document says what is there, and what is there is in the document.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::Value;

use super::master;
use crate::api::{document, paths};

const METHODS: [&str; 5] = ["get", "post", "put", "patch", "delete"];

fn described() -> BTreeMap<String, BTreeSet<String>> {
    let document: Value = serde_json::from_str(&document()).unwrap();
    let paths = document["paths"].as_object().unwrap().iter();
    let methods = |item: &Value| item.as_object().unwrap().keys().cloned().collect();
    paths.map(|(path, item)| (path.clone(), methods(item))).collect()
}

#[test]
fn every_route_is_described() {
    let served: BTreeSet<_> = paths().into_iter().map(String::from).collect();
    let mut described: BTreeSet<_> = described().into_keys().collect();
    assert!(described.remove("/api/v1/session"), "login has routes of its own");
    assert_eq!(served, described);
}

#[tokio::test]
async fn a_method_answers_if_and_only_if_it_is_described() {
    let master = master().await;
    let (run, digest) = ("nobody", "0".repeat(64));
    for (path, methods) in described() {
        let asked = path.replace("{run}", run).replace("{baseline}", run).replace("{worker}", "w9");
        let asked = asked.replace("{digest}", &digest);
        if path == "/api/v1/live" {
            continue; // It does not end.
        }
        for method in METHODS {
            let json = "content-type: application/json\r\n";
            let (status, body) =
                master.served.ask(&method.to_uppercase(), &asked, json, "{}").await;
            let there = !(status == 405 || body.contains("\"not-found\""));
            assert_eq!(there, methods.contains(method), "{method} {asked}: {status} {body}");
        }
    }
}

#[test]
fn the_document_in_docs_is_this_one() {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../../docs/openapi.json");
    let now = document();
    if std::env::var_os("LOADHOST_UPDATE_DOCS").is_some() {
        std::fs::write(path, &now).unwrap();
    }
    let kept = std::fs::read_to_string(path).unwrap_or_default();
    assert!(kept == now, "docs/openapi.json is old; LOADHOST_UPDATE_DOCS=1 writes it anew");
}
