//! Files of a run: results, tables, JUnit, and comparisons.

use axum::Json;
use axum::extract::State;
use axum::http::header;
use axum::response::{IntoResponse, Response};
use loadhost_model::id::RunId;
use serde::Deserialize;
use utoipa::IntoParams;

use super::extract::{Asked, At};
use super::{Desk, Shared, unknown_run};
use crate::export::{self, Comparison, HtmlOptions, Language, Results, Theme};
use crate::refusal::Refusal;

/// Of a run that goes on: as far as it has come.
async fn results(desk: &Desk, run: &RunId) -> Result<Results, Refusal> {
    if desk.archive.was_deleted(run.as_str()) {
        return Err(unknown_run(run));
    }
    let view = desk.site.handle.view().borrow().clone();
    match view.run(run) {
        Some(live) if live.ended.is_none() => {
            let history = desk.site.handle.timeline(run).await?;
            Ok(Results::so_far(live, &history, &view.workers))
        }
        shown => match (desk.archive.read(run.as_str()).await?, shown) {
            (Some(kept), _) => Ok(kept.results),
            // It is kept in a moment.
            (None, Some(_)) => {
                let report = desk.site.handle.finished(run).await?;
                Ok(Results::of(&report, &view.workers, None))
            }
            (None, None) => Err(unknown_run(run)),
        },
    }
}

fn file(run: &RunId, name: &str, kind: &'static str, text: String) -> Response {
    let disposition = format!("attachment; filename=\"{run}-{name}\"");
    let headers =
        [(header::CONTENT_TYPE, kind.to_string()), (header::CONTENT_DISPOSITION, disposition)];
    (headers, text).into_response()
}

const CSV: &str = "text/csv; charset=utf-8";

/// How a report looks.
#[derive(Debug, Default, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
#[serde(deny_unknown_fields)]
pub(super) struct Look {
    /// `light` or `dark`; else as the reader's system has it.
    theme: Option<String>,
    /// `zh`; else English.
    lang: Option<String>,
    /// Anything: as a file to be saved.
    download: Option<String>,
}

/// One file with charts and tables, which needs nothing else.
#[utoipa::path(get, path = "/api/v1/runs/{run}/report.html", tag = "reports",
    params(("run" = String, Path, description = "Its id, or `current`"), Look),
    responses((status = 200, body = String, content_type = "text/html")))]
pub(super) async fn report(
    State(desk): Shared,
    At(run): At<String>,
    Asked(look): Asked<Look>,
) -> Result<Response, Refusal> {
    let run = desk.run(&run)?;
    let results = results(&desk, &run).await?;
    let theme = match look.theme.as_deref() {
        Some("light") => Theme::Light,
        Some("dark") => Theme::Dark,
        _ => Theme::System,
    };
    let language = match look.lang.as_deref() {
        Some("zh") => Language::Chinese,
        _ => Language::English,
    };
    let options = HtmlOptions { theme, language };
    let made = tokio::task::spawn_blocking(move || export::html(&results, &options)).await;
    let text = made.map_err(|error| Refusal::internal(error.to_string()))?;
    // Sandboxed: a document of an origin of its own, which reaches neither cookies nor API.
    let policy = export::html_answer_policy();
    let kind = match look.download {
        Some(_) => "attachment",
        None => "inline",
    };
    let headers = [
        (header::CONTENT_TYPE, "text/html; charset=utf-8".to_string()),
        (header::CONTENT_DISPOSITION, format!("{kind}; filename=\"{run}-report.html\"")),
        (header::CONTENT_SECURITY_POLICY, policy),
    ];
    Ok((headers, text).into_response())
}

/// All results, as `--json` writes them (`docs/output-json.md`).
#[utoipa::path(get, path = "/api/v1/runs/{run}/results.json", tag = "reports",
    params(("run" = String, Path, description = "Its id, or `current`")),
    responses((status = 200, body = Object)))]
pub(super) async fn json(State(desk): Shared, At(run): At<String>) -> Result<Response, Refusal> {
    let run = desk.run(&run)?;
    let text = results(&desk, &run).await?.to_json();
    let text = text.map_err(|error| Refusal::internal(error.to_string()))?;
    Ok(file(&run, "results.json", "application/json", text))
}

/// Thresholds and checks as JUnit XML.
#[utoipa::path(get, path = "/api/v1/runs/{run}/junit.xml", tag = "reports",
    params(("run" = String, Path, description = "Its id, or `current`")),
    responses((status = 200, body = String, content_type = "application/xml")))]
pub(super) async fn junit(State(desk): Shared, At(run): At<String>) -> Result<Response, Refusal> {
    let run = desk.run(&run)?;
    let text = export::junit(&results(&desk, &run).await?);
    let text = text.map_err(|error| Refusal::internal(error.to_string()))?;
    Ok(file(&run, "junit.xml", "application/xml", text))
}

/// Requests by name, as Locust writes them.
#[utoipa::path(get, path = "/api/v1/runs/{run}/stats.csv", tag = "reports",
    params(("run" = String, Path, description = "Its id, or `current`")),
    responses((status = 200, body = String, content_type = "text/csv")))]
pub(super) async fn stats(State(desk): Shared, At(run): At<String>) -> Result<Response, Refusal> {
    let run = desk.run(&run)?;
    Ok(file(&run, "stats.csv", CSV, export::stats_csv(&results(&desk, &run).await?)))
}

/// The run second by second, as Locust writes it.
#[utoipa::path(get, path = "/api/v1/runs/{run}/stats_history.csv", tag = "reports",
    params(("run" = String, Path, description = "Its id, or `current`")),
    responses((status = 200, body = String, content_type = "text/csv")))]
pub(super) async fn history(State(desk): Shared, At(run): At<String>) -> Result<Response, Refusal> {
    let run = desk.run(&run)?;
    let text = export::stats_history_csv(&results(&desk, &run).await?);
    Ok(file(&run, "stats_history.csv", CSV, text))
}

/// Failed requests by kind, as Locust writes them.
#[utoipa::path(get, path = "/api/v1/runs/{run}/failures.csv", tag = "reports",
    params(("run" = String, Path, description = "Its id, or `current`")),
    responses((status = 200, body = String, content_type = "text/csv")))]
pub(super) async fn failures(
    State(desk): Shared,
    At(run): At<String>,
) -> Result<Response, Refusal> {
    let run = desk.run(&run)?;
    Ok(file(&run, "failures.csv", CSV, export::failures_csv(&results(&desk, &run).await?)))
}

/// Failed iterations by kind, as Locust writes them.
#[utoipa::path(get, path = "/api/v1/runs/{run}/exceptions.csv", tag = "reports",
    params(("run" = String, Path, description = "Its id, or `current`")),
    responses((status = 200, body = String, content_type = "text/csv")))]
pub(super) async fn exceptions(
    State(desk): Shared,
    At(run): At<String>,
) -> Result<Response, Refusal> {
    let run = desk.run(&run)?;
    Ok(file(&run, "exceptions.csv", CSV, export::exceptions_csv(&results(&desk, &run).await?)))
}

/// What is different from another run, and what of it is more than noise.
#[utoipa::path(get, path = "/api/v1/runs/{run}/compare/{baseline}", tag = "reports",
    params(("run" = String, Path, description = "Its id, or `current`"),
        ("baseline" = String, Path, description = "Id of the run that it is compared with")),
    responses((status = 200, body = Comparison)))]
pub(super) async fn compare(
    State(desk): Shared,
    At((run, baseline)): At<(String, String)>,
) -> Result<Json<Comparison>, Refusal> {
    let run = results(&desk, &desk.run(&run)?).await?;
    let baseline = results(&desk, &desk.run(&baseline)?).await?;
    Ok(Json(export::compare(&baseline, &run)))
}
