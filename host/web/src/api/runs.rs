//! What one does to a run that goes on.

use std::sync::Arc;
use std::time::Duration;

use axum::Json;
use axum::extract::State;
use loadhost_model::profile;
use loadhost_model::text::{parse_duration, parse_rate};
use loadhost_model::wire::StopMode;
use serde::Deserialize;
use utoipa::ToSchema;

use super::Shared;
use super::extract::{At, Body};
use super::fleet::Nothing;
use super::start::Named;
use crate::refusal::Refusal;

/// How a run stops.
#[derive(Debug, Default, Deserialize, ToSchema)]
#[serde(rename_all = "kebab-case")]
pub(super) enum How {
    /// Iterations end by themselves, within the plan's `graceful-stop`.
    #[default]
    Graceful,
    /// At once.
    Now,
}

/// Ends a run.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct Stop {
    #[serde(default)]
    mode: How,
}

/// Changes the load of a run.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct ChangeOf {
    /// Only of this phase; else of the only one that can be changed so.
    phase: Option<String>,
    change: Change,
}

/// What is to become of the load.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub(super) enum Change {
    /// Go to so many users.
    Users {
        /// The new number.
        users: u32,
        /// Users started or stopped per second; null: at once.
        spawn_rate: Option<f64>,
    },
    /// Go to this arrival rate.
    Rate {
        /// Arrivals per second: a number, or a text such as `100/s`.
        rate: NumberOrText,
        /// Within this time: seconds, or a text such as `10s`; null: at once.
        over: Option<TimeOf>,
    },
    /// Replace all that is still to come.
    Stages {
        /// A text such as `10s->100, 1m->100`, or a list.
        stages: StagesOf,
    },
}

/// A number, or a text that stands for one.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(untagged)]
pub(super) enum NumberOrText {
    /// Per second.
    Number(f64),
    /// `100/s`, `6000/m`.
    Text(String),
}

/// A time.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(untagged)]
pub(super) enum TimeOf {
    /// Seconds.
    Seconds(f64),
    /// `10s`, `1m30s`.
    Text(String),
    /// As the coordinator writes it.
    Parts {
        /// Whole seconds.
        secs: u64,
        /// Billionths of a second.
        nanos: u32,
    },
}

/// Stages.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(untagged)]
pub(super) enum StagesOf {
    /// `10s->100, 1m->100`.
    Text(String),
    /// One after the other.
    List(Vec<StageOf>),
}

/// A straight line to `target`.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct StageOf {
    /// How long it takes.
    duration: TimeOf,
    /// Users, or arrivals per second.
    target: f64,
}

/// Stages of a request.
const MAX_STAGES: usize = 1_000;

fn wrong(what: &str, why: impl std::fmt::Display) -> Refusal {
    Refusal::bad_request(format!("{what}: {why}"), "GET /api/v1/openapi.json says what is possible")
}

impl TimeOf {
    fn time(self) -> Result<Duration, Refusal> {
        match self {
            Self::Seconds(seconds) => Duration::try_from_secs_f64(seconds)
                .map_err(|error| wrong("time", format!("{seconds} seconds: {error}"))),
            Self::Text(text) => parse_duration(&text).map_err(|error| wrong("time", error)),
            Self::Parts { secs, nanos } => {
                Ok(Duration::from_secs(secs).saturating_add(Duration::from_nanos(nanos.into())))
            }
        }
    }
}

impl Change {
    fn parsed(self) -> Result<profile::Change, Refusal> {
        Ok(match self {
            Self::Users { users, spawn_rate } => profile::Change::Users { users, spawn_rate },
            Self::Rate { rate, over } => {
                let rate = match rate {
                    NumberOrText::Number(rate) => rate,
                    NumberOrText::Text(text) => {
                        parse_rate(&text).map_err(|error| wrong("rate", error))?
                    }
                };
                let over = over.map(TimeOf::time).transpose()?.unwrap_or_default();
                profile::Change::Rate { rate, over }
            }
            Self::Stages { stages } => profile::Change::Stages { stages: stages_of(stages)? },
        })
    }
}

fn stages_of(stages: StagesOf) -> Result<Vec<profile::Stage>, Refusal> {
    use loadhost_model::text::{Target, parse_stages};
    let stages = match stages {
        // Whether users or a rate is meant, the phase knows; a rate takes fractions too.
        StagesOf::Text(text) => {
            return parse_stages(&text, Target::Rate).map_err(|error| wrong("stages", error));
        }
        StagesOf::List(stages) => stages,
    };
    if stages.len() > MAX_STAGES {
        return Err(wrong(
            "stages",
            format!("there are {}, and {MAX_STAGES} are the most", stages.len()),
        ));
    }
    let parsed = stages
        .into_iter()
        .map(|stage| Ok(profile::Stage { duration: stage.duration.time()?, target: stage.target }));
    parsed.collect()
}

/// Ends a run. `now` after `graceful` hastens it.
#[utoipa::path(post, path = "/api/v1/runs/{run}/stop", tag = "runs",
    params(("run" = String, Path, description = "Its id, or `current`")),
    request_body = Stop, responses((status = 200, body = Named)))]
pub(super) async fn stop(
    State(desk): Shared,
    At(run): At<String>,
    Body(stop): Body<Stop>,
) -> Result<Json<Named>, Refusal> {
    let run = desk.run(&run).await?;
    let mode = match stop.mode {
        How::Graceful => StopMode::Graceful,
        How::Now => StopMode::Now,
    };
    desk.site.handle.stop(&run, mode).await?;
    Ok(Json(Named { run: run.to_string() }))
}

/// Changes users, rate or stages of a run that makes load.
#[utoipa::path(post, path = "/api/v1/runs/{run}/change", tag = "runs",
    params(("run" = String, Path, description = "Its id, or `current`")),
    request_body = ChangeOf, responses((status = 200, body = Named)))]
pub(super) async fn change(
    State(desk): Shared,
    At(run): At<String>,
    Body(wanted): Body<ChangeOf>,
) -> Result<Json<Named>, Refusal> {
    let run = desk.run(&run).await?;
    let change = wanted.change.parsed()?;
    match &wanted.phase {
        Some(phase) => desk.site.handle.change_phase(&run, phase, change).await?,
        None => desk.site.handle.change(&run, change).await?,
    }
    Ok(Json(Named { run: run.to_string() }))
}

/// Lets the statistics of a run begin anew with the next whole second.
#[utoipa::path(post, path = "/api/v1/runs/{run}/reset", tag = "runs",
    params(("run" = String, Path, description = "Its id, or `current`")),
    request_body = Nothing, responses((status = 200, body = Named)))]
pub(super) async fn reset(
    State(desk): Shared,
    At(run): At<String>,
    Body(Nothing {}): Body<Nothing>,
) -> Result<Json<Named>, Refusal> {
    let run = desk.run(&run).await?;
    desk.site.handle.reset(&run).await?;
    Ok(Json(Named { run: run.to_string() }))
}

/// A version of the scenario for a run that goes on.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct NewVersion {
    /// SHA-256 of an uploaded scenario.
    scenario: String,
}

/// Lets users go over to another version of the scenario, each after its iteration, without a restart.
#[utoipa::path(post, path = "/api/v1/runs/{run}/scenario", tag = "runs",
    params(("run" = String, Path, description = "Its id, or `current`")),
    request_body = NewVersion, responses((status = 200, body = Named)))]
pub(super) async fn scenario(
    State(desk): Shared,
    At(run): At<String>,
    Body(wanted): Body<NewVersion>,
) -> Result<Json<Named>, Refusal> {
    desk.workbench()?;
    let run = desk.run(&run).await?;
    let (digest, scenario) = desk.scenario(&wanted.scenario).await?;
    desk.site.handle.change_scenario(&run, digest, Arc::new(scenario.description)).await?;
    Ok(Json(Named { run: run.to_string() }))
}
