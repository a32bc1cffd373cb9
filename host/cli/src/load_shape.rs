//! A scenario's own load shape as the coordinator asks it.

use std::sync::Arc;

use futures_util::future::BoxFuture;
use loadhost_cluster::ModuleStore;
use loadhost_control::ports::{LoadShape, ShapeFactory, ShapeNow, ShapeTarget};
use loadhost_engine::scenario::{self, Compiling, Scenario, StructureCaps};
use loadhost_model::plan::RunPlan;
use loadhost_model::profile::Load;

use crate::broker;
use crate::exit_code::ExitCode;
use crate::failure::Failure;

struct GuestShape(scenario::LoadShape);

/// Makes load shapes from the modules of the fleet's store, for runs that came from elsewhere.
pub(crate) struct StoredShapes {
    pub(crate) modules: ModuleStore,
    pub(crate) compiling: Compiling,
}

impl ShapeFactory for StoredShapes {
    fn make(&self, plan: &RunPlan) -> BoxFuture<'_, Result<Option<Box<dyn LoadShape>>, String>> {
        let (plan, compiling) = (plan.clone(), self.compiling.clone());
        Box::pin(async move {
            let caps = StructureCaps::default();
            let fetched = self.modules.fetch(plan.module, caps.file_bytes, broker::MODULE_TIME);
            let bytes = fetched.await.map_err(|error| error.to_string())?;
            let load = move || Scenario::load(&bytes, &caps, compiling);
            let compiled = tokio::task::spawn_blocking(load).await;
            let scenario = compiled.map_err(|error| error.to_string())?;
            let scenario = scenario.map(Arc::new).map_err(|error| error.to_string())?;
            of(&scenario, &plan).await.map_err(|failure| failure.to_string())
        })
    }
}

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
