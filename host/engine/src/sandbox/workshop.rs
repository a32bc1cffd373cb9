//! The agent's workshop over wasmtime: fetch, verify, compile, make room.

use std::sync::Arc;

use loadhost_model::description::Description;
use loadhost_model::plan::{Limits, RunPlan};
use loadhost_model::profile::Load;

use super::pool::{Sandbox, SandboxError};
use super::vu::WasmVuFactory;
use crate::agent::workshop::{ModuleSource, PrepareError, RunFactory, Stage, Workshop};
use crate::capacity::{Machine, capacity, raise_open_files};
use crate::http::{Grants, Shared};
use crate::load::vu::{CallOutcome, MakeError, ShardContext, UserIdentity};
use crate::scenario::{Cache, Scenario, ScenarioError, StructureCaps, digest_of};

/// Places for users of a run whose scenario steers the load itself.
const SHAPED_PLACES: u32 = 10_000;

/// Makes scenarios ready on this machine.
pub struct WasmWorkshop {
    source: Arc<dyn ModuleSource>,
    cache: Option<Arc<Cache>>,
    grants: Grants,
    caps: StructureCaps,
    loaded: Option<Arc<Scenario>>,
}

impl WasmWorkshop {
    /// Also raises this process's limit on open files as far as it goes.
    ///
    /// Modules come from `source`, compiled ones from `cache`; `grants` are the operator's.
    pub fn new(
        source: Arc<dyn ModuleSource>,
        cache: Option<Arc<Cache>>,
        grants: Grants,
        caps: StructureCaps,
    ) -> Self {
        raise_open_files();
        Self { source, cache, grants, caps, loaded: None }
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
        let bytes = bytes.map_err(|error| refusal("module", &error))?;
        let found = digest_of(&bytes);
        if found != plan.module {
            let message = format!(
                "the module was to be {}, but what was fetched is {}; upload it again",
                plan.module.short(),
                found.short()
            );
            return Err(refusal("digest", &message));
        }
        let (caps, cache) = (self.caps.clone(), self.cache.clone());
        let loading = apart(move || Scenario::load(&bytes, &caps, cache)).await?;
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
        capacity(&Limits::default(), Machine::this()).users
    }

    async fn prepare(&self, plan: Arc<RunPlan>, users: u32) -> Result<WasmStage, PrepareError> {
        let room = capacity(&plan.limits, Machine::this());
        room.admit(users).map_err(|error| refusal("capacity", &error))?;
        // What is wrong with the settings is to be said now, not by each shard.
        shared(&plan, &self.grants)?;
        let scenario = self.scenario(&plan).await?;
        let description = Arc::new(scenario.description().clone());
        let for_pool = Arc::clone(&plan);
        // Users may be raised while the run goes on, and those that leave overlap with
        // those that come.
        let places =
            match plan.profile.phases.iter().any(|phase| matches!(phase.load, Load::Shaped { .. }))
            {
                // Nobody knows what the shape will ask for.
                true => users.max(SHAPED_PLACES),
                false => users.saturating_mul(2).max(users.saturating_add(64)),
            };
        let places = places.min(room.users);
        let sandbox = apart(move || Sandbox::new(&scenario, for_pool, places)).await?;
        let sandbox = sandbox.map_err(|error| {
            let code =
                if matches!(error, SandboxError::Pool { .. }) { "capacity" } else { "compile" };
            refusal(code, &error)
        })?;
        Ok(WasmStage { sandbox, description, grants: self.grants.clone() })
    }
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
}

impl Stage for WasmStage {
    type Factory = WasmVuFactory;

    fn description(&self) -> Arc<Description> {
        Arc::clone(&self.description)
    }

    fn factory(&self, context: ShardContext) -> Result<WasmVuFactory, MakeError> {
        let shared = shared(self.sandbox.plan(), &self.grants).map_err(|error| MakeError {
            code: error.code,
            message: error.message,
            detail: "".into(),
        })?;
        Ok(WasmVuFactory::new(Arc::clone(&self.sandbox), context, shared))
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
