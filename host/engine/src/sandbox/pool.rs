//! What all users of a run on this machine share: the engine with its pool, the compiled
//! scenario, and the thread that counts epochs.

use std::sync::Arc;

use loadhost_model::plan::RunPlan;
use tokio::sync::Semaphore;
use wasmtime::component::{InstancePre, Linker};
use wasmtime::{Engine, Store};

use super::crash::symbols::Symbols;
use super::engine;
use super::ticker::{Pace, Ticker};
use crate::bindings::guest;
use crate::host::{self, state::VuState};
use crate::scenario::{Scenario, ScenarioError};
use crate::watch::Secrets;

/// Places beyond the users: for `setup`, and for a user that is made while another one leaves.
pub(super) const SPARE_PLACES: u32 = 4;

/// Why a sandbox cannot be made.
#[derive(Debug, thiserror::Error)]
pub enum SandboxError {
    /// The component's needs cannot be told beforehand.
    #[error(
        "the scenario instantiates modules that it imports, so that its memory cannot be bounded; build it with the SDK"
    )]
    Unbounded,
    /// A user's memory is beyond its limit before it does anything.
    #[error(
        "each user begins with {found} bytes of memory, but the limit `memory_bytes` is {cap}; raise it with `--limit memory_bytes=VALUE`"
    )]
    Memory {
        /// Of one instance.
        found: u64,
        /// The limit.
        cap: u64,
    },
    /// A table is.
    #[error(
        "each user begins with a table of {found} elements, but the limit `table_elements` is {cap}; raise it with `--limit table_elements=VALUE`"
    )]
    Table {
        /// Of one instance.
        found: u64,
        /// The limit.
        cap: u32,
    },
    /// The operating system gave no room for the pool.
    #[error(
        "no room for {users} users: {message}; start fewer users, or see the capacity of this machine in the worker's log"
    )]
    Pool {
        /// That the pool was to hold.
        users: u32,
        /// From wasmtime.
        message: String,
    },
    /// The scenario does not compile for this run.
    #[error("{0}")]
    Compile(ScenarioError),
    /// The scenario does not load.
    #[error("the scenario cannot be loaded: {0}")]
    Load(String),
}

/// The sandbox of one run: makes a store per user.
pub struct Sandbox {
    pre: InstancePre<VuState>,
    indices: guest::GuestIndices,
    plan: Arc<RunPlan>,
    places: Arc<Semaphore>,
    users: u32,
    user_types: Vec<Arc<str>>,
    tasks: Vec<Arc<[Arc<str>]>>,
    secrets: Arc<Secrets>,
    ticker: Ticker,
    symbols: Arc<Symbols>,
}

impl Sandbox {
    /// A sandbox with room for so many users at once. Compiles, unless the cache has it; call
    /// it where blocking is allowed.
    pub fn new(
        scenario: &Scenario,
        plan: Arc<RunPlan>,
        users: u32,
    ) -> Result<Arc<Self>, SandboxError> {
        Self::check_beginnings(scenario, &plan)?;
        let places = users.saturating_add(SPARE_PLACES);
        let footprint = scenario.footprint();
        let (engine, recipe) = engine::pooled(&plan.limits, footprint, places)
            .map_err(|error| SandboxError::Pool { users, message: format!("{error:#}") })?;
        let load = |error: wasmtime::Error| SandboxError::Load(format!("{error:#}"));
        let component = scenario.component(&engine, recipe).map_err(SandboxError::Compile)?;
        let mut linker = Linker::new(&engine);
        host::link(&mut linker).map_err(load)?;
        let pre = linker.instantiate_pre(&component).map_err(load)?;
        let indices = guest::GuestIndices::new(&pre).map_err(load)?;
        let user_types = scenario.description().user_types.iter();
        let user_types = user_types.map(|user| user.name.as_str().into()).collect();
        let tasks = scenario.description().user_types.iter();
        let tasks =
            tasks.map(|user| user.tasks.iter().map(|task| task.name.as_str().into()).collect());
        let ticker =
            Ticker::start(&engine).map_err(|error| SandboxError::Load(error.to_string()))?;
        Ok(Arc::new(Self {
            user_types,
            tasks: tasks.collect(),
            secrets: Arc::new(Secrets::of(&plan)),
            pre,
            indices,
            plan,
            places: Arc::new(Semaphore::new(places as usize)),
            users,
            ticker,
            symbols: Arc::clone(scenario.symbols()),
        }))
    }

    /// What a user begins with, against its limits: the pool's own refusal names neither.
    fn check_beginnings(scenario: &Scenario, plan: &RunPlan) -> Result<(), SandboxError> {
        let (found, cap) = (scenario.initial_memory(), plan.limits.memory_bytes);
        if found > cap {
            return Err(SandboxError::Memory { found, cap });
        }
        let (found, cap) = (scenario.initial_elements(), plan.limits.table_elements);
        if found > u64::from(cap) {
            return Err(SandboxError::Table { found, cap });
        }
        Ok(())
    }

    /// The run that it is for.
    pub fn plan(&self) -> &Arc<RunPlan> {
        &self.plan
    }

    /// How many users fit.
    pub fn users(&self) -> u32 {
        self.users
    }

    pub(super) fn engine(&self) -> &Engine {
        self.pre.engine()
    }

    pub(super) fn places(&self) -> &Arc<Semaphore> {
        &self.places
    }

    pub(super) fn symbols(&self) -> &Symbols {
        &self.symbols
    }

    pub(super) fn pace(&self) -> Arc<Pace> {
        self.ticker.pace()
    }

    /// Name of a user type.
    pub(super) fn user_type(&self, user_type: u32) -> Arc<str> {
        self.user_types.get(user_type as usize).cloned().unwrap_or_else(|| "".into())
    }

    /// What must not be told of the run.
    pub(super) fn secrets(&self) -> Arc<Secrets> {
        Arc::clone(&self.secrets)
    }

    /// Names of the tasks of a user type.
    pub(super) fn tasks(&self, user_type: u32) -> Arc<[Arc<str>]> {
        self.tasks.get(user_type as usize).cloned().unwrap_or_default()
    }

    pub(super) async fn instantiate(
        &self,
        store: &mut Store<VuState>,
    ) -> wasmtime::Result<guest::Guest> {
        let instance = self.pre.instantiate_async(&mut *store).await?;
        self.indices.load(store, &instance)
    }
}
