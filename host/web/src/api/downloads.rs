//! Files of a run: results, tables, JUnit, and comparisons.

use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use axum::http::header;
use axum::response::{IntoResponse, Response};
use loadhost_control::FleetView;
use loadhost_control::report::RunReport;
use loadhost_control::view::Point;
use loadhost_model::id::RunId;
use serde::Deserialize;
use utoipa::IntoParams;

use super::extract::{Asked, At};
use super::{Desk, Shared, unknown_run};
use crate::export::{self, Comparison, HtmlOptions, Language, Results, Theme};
use crate::live::Seen;
use crate::refusal::Refusal;

/// What a run's files are made from.
enum Material {
    /// The view shows it, and it goes on.
    SoFar(Arc<FleetView>, Vec<Point>),
    /// It is over, and kept in a moment.
    Over(Arc<RunReport>, Seen),
    /// Out of the archive.
    Kept(Box<Results>),
}

impl Material {
    async fn of(desk: &Desk, run: &RunId) -> Result<Self, Refusal> {
        if desk.archive.was_deleted(run.as_str()) {
            return Err(unknown_run(run));
        }
        let view = desk.site.handle.view().borrow().clone();
        let shown = view.run(run);
        if shown.is_some_and(|run| run.ended.is_none()) {
            let history = desk.site.handle.timeline(run).await?;
            return Ok(Self::SoFar(view, history));
        }
        match desk.archive.read(run.as_str()).await? {
            Some(kept) => Ok(Self::Kept(Box::new(kept.results))),
            None if shown.is_some() => {
                let report = desk.site.handle.finished(run).await?;
                Ok(Self::Over(report, desk.hub.seen(run)))
            }
            None => Err(unknown_run(run)),
        }
    }

    fn results(self, run: &RunId) -> Results {
        match self {
            Self::SoFar(view, history) => match view.run(run) {
                Some(shown) => Results::so_far(shown, &history, &view.workers),
                None => Results::default(),
            },
            Self::Over(report, seen) => {
                let workers: Vec<_> = seen.workers.into_values().collect();
                Results::of(&report, &workers, None)
            }
            Self::Kept(results) => *results,
        }
    }
}

/// What `make` makes of a run's results. Beside the threads that answer others: of a long run with many names it takes
/// a good part of a second.
async fn made<T: Send + 'static>(
    desk: &Desk,
    run: &RunId,
    make: impl FnOnce(&Results) -> T + Send + 'static,
) -> Result<T, Refusal> {
    let (material, run) = (Material::of(desk, run).await?, run.clone());
    beside(move || make(&material.results(&run))).await
}

async fn beside<T: Send + 'static>(
    work: impl FnOnce() -> T + Send + 'static,
) -> Result<T, Refusal> {
    let done = tokio::task::spawn_blocking(work).await;
    done.map_err(|error| Refusal::internal(error.to_string()))
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
    let run = desk.run(&run).await?;
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
    let text = made(&desk, &run, move |results| export::html(results, &options)).await?;
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
    let run = desk.run(&run).await?;
    let text = made(&desk, &run, Results::to_json).await?;
    let text = text.map_err(|error| Refusal::internal(error.to_string()))?;
    Ok(file(&run, "results.json", "application/json", text))
}

/// Thresholds and checks as JUnit XML.
#[utoipa::path(get, path = "/api/v1/runs/{run}/junit.xml", tag = "reports",
    params(("run" = String, Path, description = "Its id, or `current`")),
    responses((status = 200, body = String, content_type = "application/xml")))]
pub(super) async fn junit(State(desk): Shared, At(run): At<String>) -> Result<Response, Refusal> {
    let run = desk.run(&run).await?;
    let text = made(&desk, &run, export::junit).await?;
    let text = text.map_err(|error| Refusal::internal(error.to_string()))?;
    Ok(file(&run, "junit.xml", "application/xml", text))
}

/// Requests by name, as Locust writes them.
#[utoipa::path(get, path = "/api/v1/runs/{run}/stats.csv", tag = "reports",
    params(("run" = String, Path, description = "Its id, or `current`")),
    responses((status = 200, body = String, content_type = "text/csv")))]
pub(super) async fn stats(State(desk): Shared, At(run): At<String>) -> Result<Response, Refusal> {
    let run = desk.run(&run).await?;
    Ok(file(&run, "stats.csv", CSV, made(&desk, &run, export::stats_csv).await?))
}

/// The run second by second, as Locust writes it.
#[utoipa::path(get, path = "/api/v1/runs/{run}/stats_history.csv", tag = "reports",
    params(("run" = String, Path, description = "Its id, or `current`")),
    responses((status = 200, body = String, content_type = "text/csv")))]
pub(super) async fn history(State(desk): Shared, At(run): At<String>) -> Result<Response, Refusal> {
    let run = desk.run(&run).await?;
    let text = made(&desk, &run, export::stats_history_csv).await?;
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
    let run = desk.run(&run).await?;
    Ok(file(&run, "failures.csv", CSV, made(&desk, &run, export::failures_csv).await?))
}

/// Failed iterations by kind, as Locust writes them.
#[utoipa::path(get, path = "/api/v1/runs/{run}/exceptions.csv", tag = "reports",
    params(("run" = String, Path, description = "Its id, or `current`")),
    responses((status = 200, body = String, content_type = "text/csv")))]
pub(super) async fn exceptions(
    State(desk): Shared,
    At(run): At<String>,
) -> Result<Response, Refusal> {
    let run = desk.run(&run).await?;
    Ok(file(&run, "exceptions.csv", CSV, made(&desk, &run, export::exceptions_csv).await?))
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
    let (run, baseline) = (desk.run(&run).await?, desk.run(&baseline).await?);
    let (after, before) = (Material::of(&desk, &run).await?, Material::of(&desk, &baseline).await?);
    let compared =
        beside(move || export::compare(&before.results(&baseline), &after.results(&run)));
    Ok(Json(compared.await?))
}
