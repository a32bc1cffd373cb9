//! Plans: what a run would be, before it is started.

use std::collections::BTreeMap;

use axum::Json;
use axum::extract::State;
use loadhost_model::id::Digest;
use loadhost_model::plan::{RunPlan, UserShare};
use loadhost_model::profile::{Curve, Load, Phase};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};
use utoipa::ToSchema;

use super::dto::seconds;
use super::extract::Body;
use super::{Desk, Shared};
use crate::library::Scenario;
use crate::refusal::Refusal;
use crate::workbench::{Fault, Held, Planned, Wanted};

/// A run that is thought of.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct PlanRequest {
    /// SHA-256 of an uploaded scenario.
    pub(super) scenario: String,
    /// Keys and values of `loadhost.toml`, as `GET /settings` lists them.
    #[serde(default)]
    #[schema(value_type = Object)]
    pub(super) settings: Map<String, Value>,
}

/// What a run would be, or what is wrong with it.
#[derive(Debug, Default, Serialize, ToSchema)]
pub(super) struct PlanAnswer {
    /// Empty: the run can be started.
    faults: Vec<Fault>,
    /// The same run as a line for a shell; secrets are variables of the shell.
    command: Option<String>,
    /// Load over time; null: it is not known beforehand.
    curve: Option<LoadCurve>,
    /// Null: until it is stopped.
    length_seconds: Option<f64>,
    /// The same users and iterations as numbers, for loads that are no curve.
    iterations: Option<u64>,
    /// With weights or counts as they hold.
    user_types: Vec<PlannedType>,
    /// Conditions of scenario and settings.
    thresholds: Vec<String>,
    /// The run waits for so many workers.
    expect_workers: u32,
    /// For so long.
    max_wait_seconds: f64,
    /// All settings that hold, and where each was given.
    effective: Vec<Held>,
}

/// Load over time.
#[derive(Debug, Clone, PartialEq, Serialize, ToSchema)]
pub(super) struct LoadCurve {
    /// `users`, or `per second`.
    unit: &'static str,
    /// Seconds and value; straight lines between.
    points: Vec<(f64, f64)>,
    /// The last value holds until the run is stopped.
    open_ended: bool,
}

/// Users of one type.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct PlannedType {
    name: String,
    /// Relative to the other types; null: there are exactly `count`.
    weight: Option<u32>,
    /// Exactly so many.
    count: Option<u32>,
}

/// A scenario of the library, and the plan of a run of it.
pub(super) async fn made(
    desk: &Desk,
    request: &PlanRequest,
) -> Result<(Scenario, Result<Planned, Vec<Fault>>), Refusal> {
    let workbench = desk.workbench()?;
    let (digest, scenario) = desk.scenario(&request.scenario).await?;
    let files = match request.settings.values().any(names_a_file) {
        true => desk.library.data_files().await?,
        false => BTreeMap::new(),
    };
    let planned = workbench.plan(&Wanted {
        scenario_file: &scenario.info.file_name,
        module: digest,
        description: &scenario.description,
        files: &files,
        settings: &request.settings,
    });
    Ok((scenario, planned))
}

/// Files are named by their digest, somewhere below. The form asks at each pause in typing, mostly without any.
fn names_a_file(value: &Value) -> bool {
    match value {
        Value::String(text) => text.parse::<Digest>().is_ok(),
        Value::Array(all) => all.iter().any(names_a_file),
        Value::Object(fields) => fields.values().any(names_a_file),
        Value::Null | Value::Bool(_) | Value::Number(_) => false,
    }
}

/// What a run would be: a dry run that starts nothing. Faults are part of the answer.
#[utoipa::path(post, path = "/api/v1/plans", tag = "plans", request_body = PlanRequest,
    responses((status = 200, body = PlanAnswer)))]
pub(super) async fn plan(
    State(desk): Shared,
    Body(request): Body<PlanRequest>,
) -> Result<Json<PlanAnswer>, Refusal> {
    let (scenario, planned) = made(&desk, &request).await?;
    Ok(Json(match planned {
        Ok(planned) => answer(&scenario, planned),
        Err(faults) => PlanAnswer { faults, ..PlanAnswer::default() },
    }))
}

fn answer(scenario: &Scenario, planned: Planned) -> PlanAnswer {
    let plan = &planned.plan;
    let user_types = scenario.description.user_types.iter().map(|user_type| {
        let share = plan.user_types.get(&user_type.name).copied();
        let (weight, count) = match share.unwrap_or_else(|| user_type.proposed()) {
            UserShare::Weight(weight) => (Some(weight), None),
            UserShare::Count(count) => (None, Some(count)),
        };
        PlannedType { name: user_type.name.clone(), weight, count }
    });
    PlanAnswer {
        faults: Vec::new(),
        command: Some(planned.command),
        curve: curve(plan),
        length_seconds: plan.profile.length().map(seconds),
        iterations: iterations(plan),
        user_types: user_types.collect(),
        thresholds: plan.thresholds.iter().map(ToString::to_string).collect(),
        expect_workers: planned.expect_workers,
        max_wait_seconds: seconds(planned.max_wait),
        effective: planned.effective,
    }
}

fn iterations(plan: &RunPlan) -> Option<u64> {
    let of = |phase: &Phase| match &phase.load {
        Load::SharedIterations { iterations, .. } => Some(*iterations),
        Load::UserIterations { users, iterations, .. } => {
            Some(iterations.saturating_mul(u64::from(*users)))
        }
        _ => None,
    };
    plan.profile.phases.iter().filter_map(of).reduce(u64::saturating_add)
}

/// The sum of all phases that are counted alike.
fn curve(plan: &RunPlan) -> Option<LoadCurve> {
    let phases = plan.profile.phases.iter().map(line).collect::<Option<Vec<_>>>()?;
    let unit = phases.first()?.unit;
    if phases.iter().any(|line| line.unit != unit) {
        return None;
    }
    let cut = plan.profile.run_time.map(seconds);
    let length = plan.profile.length().map(seconds);
    let mut times: Vec<f64> =
        phases.iter().flat_map(|line| line.at.iter().map(|(at, _)| *at)).collect();
    times.extend(length);
    times.retain(|at| cut.is_none_or(|cut| *at <= cut));
    times.sort_by(f64::total_cmp);
    times.dedup();
    let mut points: Vec<(f64, f64)> = Vec::new();
    for at in times {
        for side in [Side::Before, Side::After] {
            // What ends at the very end is shown as it was.
            if side == Side::Before && at == 0.0 || side == Side::After && Some(at) == length {
                continue;
            }
            let value = phases.iter().map(|line| line.value(at, side)).sum();
            if points.last() != Some(&(at, value)) {
                points.push((at, value));
            }
        }
    }
    Some(LoadCurve { unit, points, open_ended: length.is_none() })
}

#[derive(Debug, Clone, Copy, PartialEq)]
enum Side {
    Before,
    After,
}

/// One phase, in the seconds of the run.
struct Line {
    unit: &'static str,
    /// Ascending; a jump is two values at one time.
    at: Vec<(f64, f64)>,
    holds: bool,
}

impl Line {
    fn value(&self, at: f64, side: Side) -> f64 {
        let after = match side {
            Side::Before => self.at.partition_point(|(time, _)| *time < at),
            Side::After => self.at.partition_point(|(time, _)| *time <= at),
        };
        let (Some(from), to) =
            (after.checked_sub(1).and_then(|i| self.at.get(i)), self.at.get(after))
        else {
            return 0.0;
        };
        match to {
            Some(to) if to.0 > from.0 => from.1 + (to.1 - from.1) * (at - from.0) / (to.0 - from.0),
            Some(to) => to.1,
            None if self.holds => from.1,
            None => 0.0,
        }
    }
}

fn line(phase: &Phase) -> Option<Line> {
    let constant = |users: u32| Curve { start: users.into(), stages: Vec::new(), hold: true };
    let (unit, curve) = match &phase.load {
        Load::Closed { users } => ("users", users.clone()),
        Load::Arrivals { rate, .. } => ("per second", rate.clone()),
        Load::SharedIterations { users, .. } | Load::UserIterations { users, .. } => {
            ("users", constant(*users))
        }
        Load::Shaped { .. } => return None,
    };
    let mut time = phase.start;
    let mut at = vec![(seconds(time), curve.start)];
    for stage in &curve.stages {
        time = time.saturating_add(stage.duration);
        at.push((seconds(time), stage.target));
    }
    Some(Line { unit, at, holds: curve.hold })
}

#[cfg(test)]
#[path = "plans_tests.rs"]
mod tests;
