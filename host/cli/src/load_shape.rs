//! A scenario's own load shape as the coordinator asks it.

use std::sync::Arc;

use futures_util::future::BoxFuture;
use loadhost_control::ports::{LoadShape, ShapeNow, ShapeTarget};
use loadhost_engine::scenario::{self, Scenario};
use loadhost_model::plan::RunPlan;
use loadhost_model::profile::Load;

use crate::exit_code::ExitCode;
use crate::failure::Failure;

struct GuestShape(scenario::LoadShape);

/// Some, if the plan has a phase that the scenario shapes.
pub(crate) async fn of(
    scenario: &Arc<Scenario>,
    plan: &RunPlan,
) -> Result<Option<Box<dyn LoadShape>>, Failure> {
    if !plan.profile.phases.iter().any(|phase| matches!(phase.load, Load::Shaped { .. })) {
        return Ok(None);
    }
    let shape =
        scenario::LoadShape::new(scenario, &plan.limits, &plan.params).await.map_err(|error| {
            Failure::new(ExitCode::FaultyScenario, "the scenario's load shape cannot be asked")
                .because(&error)
        })?;
    Ok(Some(Box::new(GuestShape(shape))))
}

impl LoadShape for GuestShape {
    fn tick(&mut self, now: ShapeNow) -> BoxFuture<'_, Result<Option<ShapeTarget>, String>> {
        let ShapeNow { elapsed, users, rps, failure_ratio } = now;
        let now = scenario::ShapeNow { elapsed, users, rps, failure_ratio };
        Box::pin(async move {
            match self.0.tick(now).await {
                Ok(Some(target)) => {
                    Ok(Some(ShapeTarget { users: target.users, spawn_rate: target.spawn_rate }))
                }
                Ok(None) => Ok(None),
                Err(crash) => Err(crash.message.to_string()),
            }
        })
    }
}
