//! The agent's workshop over wasmtime: fetch, verify, compile, make room.

use std::collections::BTreeMap;
use std::sync::Arc;

use loadhost_model::description::Description;
use loadhost_model::plan::{Limits, RunPlan};
use loadhost_model::profile::Load;

use super::engine::Reservation;
use super::pool::{SPARE_PLACES, Sandbox, SandboxError};
use super::vu::WasmVuFactory;
use crate::agent::workshop::{ModuleSource, PrepareError, RunFactory, Stage, Workshop};
use crate::capacity::{Allowance, Machine, capacity, raise_open_files, resident_bytes};
use crate::http::{Grants, Shared};
use crate::load::vu::{CallOutcome, MakeError, ShardContext, UserIdentity};
use crate::scenario::{Compiling, Scenario, ScenarioError, StructureCaps, digest_of};
use crate::shared::{DataSets, DataSource, Tables};
use crate::watch::Watchers;

/// Places that each run has if the machine has room for them, however few users it begins with,
/// so that users can be raised while it goes on. A place that is never taken costs 3 to 11 µs at
/// the start, two memory maps and no memory.
const USUAL_PLACES: u32 = 2_000;

/// As above, where the scenario itself says how many users there are as the run goes on.
const SHAPED_PLACES: u32 = 10_000;

/// Makes scenarios ready on this machine.
pub struct WasmWorkshop {
    source: Arc<dyn ModuleSource>,
    compiling: Compiling,
    grants: Grants,
    caps: StructureCaps,
    allowance: Allowance,
    loaded: Option<Arc<Scenario>>,
    data: Tables,
    watchers: Watchers,
}

impl WasmWorkshop {
    /// Also raises this process's limit on open files as far as it goes.
    ///
    /// Modules come from `source` and are compiled as `compiling` says; `grants` are the operator's.
    pub fn new(
        source: Arc<dyn ModuleSource>,
        compiling: impl Into<Compiling>,
        grants: Grants,
        caps: StructureCaps,
    ) -> Self {
        raise_open_files();
        let (compiling, allowance) = (compiling.into(), Allowance::default());
        let data = Tables::new(Arc::new(BTreeMap::new()));
        Self {
            source,
            compiling,
            grants,
            caps,
            allowance,
            loaded: None,
            data,
            watchers: Watchers::default(),
        }
    }

    /// Takes data sets from this source; there are none otherwise.
    #[must_use]
    pub fn with_data(self, source: Arc<dyn DataSource>) -> Self {
        Self { data: Tables::new(source), ..self }
    }

    /// Tells of requests and iterations of all runs what is wanted.
    #[must_use]
    pub fn watched_by(self, watchers: Watchers) -> Self {
        Self { watchers, ..self }
    }

    /// Takes no more of the machine than this.
    #[must_use]
    pub fn within(mut self, allowance: Allowance) -> Self {
        self.allowance = allowance;
        self
    }

    fn machine(&self) -> Machine {
        Machine::this().within(self.allowance, resident_bytes())
    }

    /// Uses this scenario, which is there already, for plans with its digest.
    #[must_use]
    pub fn with_scenario(mut self, scenario: Arc<Scenario>) -> Self {
        self.loaded = Some(scenario);
        self
    }

    async fn scenario(&self, plan: &RunPlan) -> Result<Arc<Scenario>, PrepareError> {
        if let Some(scenario) = self.loaded.as_ref().filter(|known| known.digest() == plan.module) {
            return Ok(Arc::clone(scenario));
        }
        let bytes = self.source.fetch(plan.module).await;
        let bytes = bytes.map_err(|error| refusal(error.code, &error))?;
        let found = digest_of(&bytes);
        if found != plan.module {
            let message = format!(
                "the module was to be {}, but what was fetched is {}; upload it again",
                plan.module.short(),
                found.short()
            );
            return Err(refusal("digest", &message));
        }
        let (caps, compiling) = (self.caps.clone(), self.compiling.clone());
        let loading = apart(move || Scenario::load(&bytes, &caps, compiling)).await?;
        loading.map(Arc::new).map_err(|error: ScenarioError| refusal(error.code(), &error))
    }
}

/// Runs what blocks, off the runtime's threads.
async fn apart<T: Send + 'static>(
    work: impl FnOnce() -> T + Send + 'static,
) -> Result<T, PrepareError> {
    let done = tokio::task::spawn_blocking(work).await;
    done.map_err(|_| refusal("compile", &"compiling ended by a fault of loadhost; see the log"))
}

fn refusal(code: &str, message: &dyn std::fmt::Display) -> PrepareError {
    PrepareError { code: code.into(), message: message.to_string().into() }
}

impl Workshop for WasmWorkshop {
    type Stage = WasmStage;

    fn capacity(&self) -> u32 {
        capacity(&Limits::default(), self.machine()).users
    }

    async fn prepare(&self, plan: Arc<RunPlan>, users: u32) -> Result<WasmStage, PrepareError> {
        // First, since what data takes is no room for users.
        let data = self.data.of_run(&plan).await.map_err(|error| refusal("data", &error))?;
        let room = capacity(&plan.limits, self.machine());
        room.admit(users).map_err(|error| refusal("capacity", &error))?;
        // What is wrong with the settings is to be said now, not by each shard.
        shared(&plan, &self.grants)?;
        let scenario = self.scenario(&plan).await?;
        let description = Arc::new(scenario.description().clone());
        let sandbox = apart(move || {
            let planned = plan.profile.planned_users_max();
            let is_shaped =
                plan.profile.phases.iter().any(|phase| matches!(phase.load, Load::Shaped { .. }));
            let usual = if is_shaped { SHAPED_PLACES } else { USUAL_PLACES };
            let places = places(users, planned, usual, room.users, scenario.footprint().memories);
            match Sandbox::new(&scenario, Arc::clone(&plan), places) {
                // Less address space than usual may be left; the run itself must find room.
                Err(SandboxError::Pool { message, .. }) if places > users => {
                    tracing::warn!(
                        places,
                        users,
                        message,
                        "no room for users beyond those planned"
                    );
                    Sandbox::new(&scenario, plan, users)
                }
                made => made,
            }
        })
        .await?;
        let sandbox = sandbox.map_err(|error| {
            let code = match &error {
                SandboxError::Pool { .. } => "capacity",
                SandboxError::Compile(error) => error.code(),
                _ => "compile",
            };
            refusal(code, &error)
        })?;
        let (grants, watchers) = (self.grants.clone(), self.watchers.clone());
        Ok(WasmStage { sandbox, description, grants, data: Arc::new(data), watchers })
    }
}

/// How many users the pool of a run is to hold, if `users` are this worker's share of those
/// `planned`, all of which might come to it, `usual` is the least, and `room` fit.
fn places(users: u32, planned: u32, usual: u32, room: u32, memories: u32) -> u32 {
    let most = Reservation::full_places(memories).saturating_sub(SPARE_PLACES);
    let wanted = users.saturating_mul(2).max(planned);
    let wanted = match users <= most {
        // More would take the bounds checks of a compact reservation, which slow all users.
        true => wanted.max(usual).min(most),
        false => wanted,
    };
    wanted.min(room).max(users)
}

fn shared(plan: &RunPlan, grants: &Grants) -> Result<Arc<Shared>, PrepareError> {
    let shared = Shared::new(&plan.http, plan.target.as_deref(), &plan.limits, grants);
    shared.map_err(|error| refusal("http-settings", &error))
}

/// A scenario with room for its users.
#[derive(Clone)]
pub struct WasmStage {
    sandbox: Arc<Sandbox>,
    description: Arc<Description>,
    grants: Grants,
    data: Arc<DataSets>,
    watchers: Watchers,
}

impl Stage for WasmStage {
    type Factory = WasmVuFactory;

    fn description(&self) -> Arc<Description> {
        Arc::clone(&self.description)
    }

    fn room(&self) -> u32 {
        self.sandbox.users()
    }

    fn factory(&self, context: ShardContext) -> Result<WasmVuFactory, MakeError> {
        let shared = shared(self.sandbox.plan(), &self.grants).map_err(|error| MakeError {
            code: error.code,
            message: error.message,
            detail: "".into(),
        })?;
        let factory = WasmVuFactory::new(Arc::clone(&self.sandbox), context, shared);
        Ok(factory.with_data(Arc::clone(&self.data)).watched_by(self.watchers.clone()))
    }
}

impl RunFactory for WasmVuFactory {
    async fn setup(&self, identity: UserIdentity) -> Result<Arc<str>, CallOutcome> {
        WasmVuFactory::setup(self, identity).await
    }

    async fn teardown(&self, identity: UserIdentity) -> CallOutcome {
        WasmVuFactory::teardown(self, identity).await
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_pool_has_places_to_grow_into_as_far_as_the_machine_goes() {
        let check = |users, planned, room, memories, expected| {
            let places = places(users, planned, USUAL_PLACES, room, memories);
            assert_eq!(places, expected, "{users} of {planned} users, room for {room}");
        };
        check(1, 1, 50_000, 1, 2_000);
        check(0, 1, 50_000, 1, 2_000);
        check(1_001, 1_001, 50_000, 1, 2_002);
        check(1, 1, 824, 1, 824);
        check(6_000, 6_000, 50_000, 1, 12_000);
        check(4_000, 13_000, 50_000, 1, 13_000);
        check(13_990, 13_990, 50_000, 1, 13_996); // the spare places count as well
        check(20_000, 20_000, 50_000, 1, 40_000); // compact anyway
        check(20_000, 60_000, 30_000, 1, 30_000);
        check(5_000, 5_000, 50_000, 4, 5_996); // each user takes four slots
        check(500, 500, 500, 1, 500);
    }

    #[test]
    fn a_load_shape_has_more_places_to_grow_into() {
        assert_eq!(places(1, 1, SHAPED_PLACES, 50_000, 1), 10_000);
        assert_eq!(places(1, 1, SHAPED_PLACES, 824, 1), 824);
        assert_eq!(places(1, 1, SHAPED_PLACES, 50_000, 4), 5_996);
    }
}
