//! What can be read and downloaded.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::Ordering::Relaxed;

use axum::Json;
use axum::extract::{Query, State};
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};
use loadhost_control::{FleetView, RunView};
use loadhost_model::interval::Origin;
use serde::Deserialize;
use serde_json::{Map, Value, json};

use super::{Desk, exporter, latest, requests};
use crate::export::{self, HtmlOptions, Results, Series, Theme};
use crate::refusal::Refusal;

type Shared = State<Arc<Desk>>;

/// What may stand behind a `?`; anything else is for Locust's own page.
#[derive(Debug, Default, Deserialize)]
pub(super) struct Asked {
    legacy: Option<String>,
    download: Option<String>,
    theme: Option<String>,
}

pub(super) async fn requests(State(desk): Shared, Query(asked): Query<Asked>) -> Response {
    let json = desk.stats(asked.legacy.is_some());
    ([(header::CONTENT_TYPE, "application/json")], json).into_response()
}

pub(super) async fn requests_csv(State(desk): Shared) -> Result<Response, Refusal> {
    csv(desk.view(), "requests", export::stats_csv).await
}

pub(super) async fn failures_csv(State(desk): Shared) -> Result<Response, Refusal> {
    csv(desk.view(), "failures", export::failures_csv).await
}

pub(super) async fn exceptions_csv(State(desk): Shared) -> Result<Response, Refusal> {
    csv(desk.view(), "exceptions", export::exceptions_csv).await
}

/// Locust has it only with `--csv-full-history`; here the rows of each name and second are not kept.
pub(super) async fn full_history() -> Refusal {
    let message = "the history of each name is not kept";
    let hint = "GET /api/v1/runs/current/stats_history.csv has all names together; `loadhost run --csv-full-history` writes each";
    Refusal::not_found("no-full-history", message, hint)
}

/// Before any run.
fn nothing() -> Results {
    let total = Series { name: "Aggregated".into(), ..Series::default() };
    Results { total, ..Results::default() }
}

async fn csv(
    view: Arc<FleetView>,
    kind: &str,
    make: fn(&Results) -> String,
) -> Result<Response, Refusal> {
    let name = file_name(latest(&view), view.at, kind);
    let made = tokio::task::spawn_blocking(move || {
        let run = latest(&view).map(|run| Results::so_far(run, &[], &view.workers));
        make(&run.unwrap_or_else(nothing))
    });
    let text = made.await.map_err(|error| Refusal::internal(error.to_string()))?;
    let headers = [
        (header::CONTENT_TYPE, "text/csv".to_string()),
        (header::CONTENT_DISPOSITION, format!("attachment;filename={name}")),
    ];
    Ok((headers, text).into_response())
}

/// `Locust_2026-11-22-06h46_checkout_127.0.0.1_requests.csv`
pub(super) fn file_name(run: Option<&RunView>, now: u64, kind: &str) -> String {
    let at = export::timestamp(now);
    let (day, time) = at.split_once('T').unwrap_or((&at, ""));
    let clock: String = time.chars().take(5).map(|c| if c == ':' { 'h' } else { c }).collect();
    let plain = |text: &str| -> String {
        let kept = text
            .chars()
            .map(|c| if c.is_ascii_alphanumeric() || "-.".contains(c) { c } else { '_' });
        kept.take(60).collect()
    };
    let scenario = run.map_or_else(|| "none".to_string(), |run| plain(&run.scenario));
    let host = run.and_then(|run| run.target.as_deref()).unwrap_or("no_host");
    let host = host.split("://").last().unwrap_or_default();
    let host = host.split(['/', ':']).next().unwrap_or_default();
    format!("Locust_{day}-{clock}_{scenario}_{}_{kind}.csv", plain(host))
}

/// Of the latest run, while it goes on and after.
pub(super) async fn report(
    State(desk): Shared,
    Query(asked): Query<Asked>,
) -> Result<Response, Refusal> {
    let view = desk.view();
    let run = latest(&view).ok_or_else(|| {
        Refusal::not_found("no-run", "there was no run yet", "POST /swarm starts one")
    })?;
    let results = if run.ended.is_some() {
        let report = desk.ports.handle.finished(&run.run).await?;
        Results::of(&report, &view.workers, None)
    } else {
        let history = desk.ports.handle.timeline(&run.run).await?;
        Results::so_far(run, &history, &view.workers)
    };
    let theme = match asked.theme.as_deref() {
        Some("dark") => Theme::Dark,
        Some("light") => Theme::Light,
        _ => Theme::System,
    };
    let options = HtmlOptions { theme, ..HtmlOptions::default() };
    let html = tokio::task::spawn_blocking(move || export::html(&results, &options)).await;
    let html = html.map_err(|error| Refusal::internal(error.to_string()))?;
    let name = file_name(Some(run), view.at, "report").replace(".csv", ".html");
    let disposition = match asked.download {
        Some(_) => format!("attachment;filename={name}"),
        None => "inline".to_string(),
    };
    let headers = [
        (header::CONTENT_TYPE, "text/html; charset=utf-8".to_string()),
        (header::CONTENT_DISPOSITION, disposition),
        (header::CONTENT_SECURITY_POLICY, export::html_answer_policy()),
    ];
    Ok((StatusCode::OK, headers, html).into_response())
}

pub(super) async fn exceptions(State(desk): Shared) -> Json<Value> {
    let view = desk.view();
    let nodes: Vec<_> = view.workers.iter().map(|worker| worker.worker.as_str()).collect();
    let nodes = if nodes.is_empty() { "local".to_string() } else { nodes.join(", ") };
    let errors = latest(&view).map(|run| run.errors.as_slice()).unwrap_or_default();
    let exceptions: Vec<_> = errors
        .iter()
        .filter_map(|error| {
            let Origin::Task { user_type, task } = &error.origin else { return None };
            let msg = format!("{user_type}.{task}: {}", error.message);
            Some(json!({ "count": error.count, "msg": msg, "traceback": error.detail, "nodes": nodes }))
        })
        .collect();
    Json(json!({ "exceptions": exceptions }))
}

/// Shares of user types among users, and of tasks among the iterations of a type.
pub(super) async fn tasks(State(desk): Shared) -> Json<Value> {
    let view = desk.view();
    let Some(run) = latest(&view) else { return Json(json!({ "per_class": {}, "total": {} })) };
    let users: u32 = run.users_by_type.values().sum();
    let mut types: BTreeMap<&str, Vec<(&str, f64)>> = BTreeMap::new();
    for row in &run.tasks {
        let share = row.share_wanted.unwrap_or(row.share);
        types.entry(&row.user_type).or_default().push((&row.task, share));
    }
    let tree = |ratio_of_type: &dyn Fn(&str) -> f64, multiply: bool| {
        let mut classes = Map::new();
        for (name, tasks) in &types {
            let ratio = ratio_of_type(name);
            let factor = if multiply { ratio } else { 1.0 };
            let tasks: Map<_, _> = tasks
                .iter()
                .map(|(task, share)| (task.to_string(), json!({ "ratio": share * factor })))
                .collect();
            classes.insert(name.to_string(), json!({ "ratio": ratio, "tasks": tasks }));
        }
        Value::Object(classes)
    };
    let share = |name: &str| {
        let of = run.users_by_type.get(name).copied().unwrap_or_default();
        if users == 0 { 1.0 / types.len() as f64 } else { f64::from(of) / f64::from(users) }
    };
    Json(json!({ "per_class": tree(&share, false), "total": tree(&share, true) }))
}

pub(super) async fn logs(State(desk): Shared) -> Json<Value> {
    let mut workers: BTreeMap<String, Vec<String>> = BTreeMap::new();
    for (worker, line) in desk.ports.starter.logs() {
        workers.entry(worker).or_default().push(line);
    }
    Json(json!({ "master": [], "workers": workers }))
}

pub(super) async fn worker_count(State(desk): Shared) -> Json<Value> {
    Json(json!({ "worker_count": requests::worker_count(&desk.view()) }))
}

pub(super) async fn metrics(State(desk): Shared) -> Response {
    let scrapes = desk.scrapes.fetch_add(1, Relaxed) + 1;
    let text = exporter::text(&desk.view(), scrapes);
    ([(header::CONTENT_TYPE, exporter::KIND)], text).into_response()
}
