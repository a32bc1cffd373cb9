//! A component as a scenario: checked, compiled, described.
//!
//! ```text
//! bytes ── magic ── inspect (structure caps) ── contract (version, imports, exports)
//!       ── compile or cache ── describe (no run, no requests) ── convert ── validate
//! ```
//!
//! [`inspect`] executes nothing. [`Scenario::load`] compiles and runs `describe`, within limits;
//! bytes from strangers are to be compiled in a process of its own (see [`Compiling::apart`]).

mod apart;
mod body;
mod cache;
mod check;
mod compiling;
mod contract;
mod convert;
mod error;
mod inspect;
mod magic;
mod quiet;
mod shape;
mod validate;

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

use loadhost_model::description::Description;
use loadhost_model::id::Digest;
use loadhost_model::plan::Limits;
use wasmtime::Engine;
use wasmtime::component::Component;

use crate::bindings::guest;
use crate::load::vu::Crash;
use crate::sandbox::crash::symbols::Symbols;
use crate::sandbox::engine::{Footprint, Recipe, Reservation};
use crate::sandbox::ticker::Ticker;
use cache::{Artefact, Key};

pub use apart::{THIS_PROGRAM, answer_of, compile_inside, limit_this_process};
pub use cache::{Cache, CacheError};
pub use check::{CheckReport, check_in_process};
pub use compiling::Compiling;
pub use contract::TRACK as CONTRACT;
pub use error::ScenarioError;
pub use inspect::{Inspection, StructureCaps, digest_of, inspect};
pub use shape::{LoadShape, ShapeNow, ShapeTarget};
pub use validate::Fault;

/// A scenario that can be run.
pub struct Scenario {
    inspection: Inspection,
    description: Description,
    footprint: Footprint,
    initial_memory: u64,
    initial_elements: u64,
    wasm: Arc<[u8]>,
    symbols: Arc<Symbols>,
    compiling: Compiling,
    compiled: Mutex<HashMap<Key, Artefact>>,
}

impl Scenario {
    /// Checks, compiles and describes. Blocks for as long as compiling takes, up to seconds.
    ///
    /// `compiling` may be a cache; without one the compiled code is kept in memory only.
    ///
    /// # Errors
    /// Everything that makes the bytes unfit, with the remedy.
    pub fn load(
        bytes: &[u8],
        caps: &StructureCaps,
        compiling: impl Into<Compiling>,
    ) -> Result<Self, ScenarioError> {
        let inspection = inspect(bytes, caps)?;
        let limits = Limits::default();
        let (engine, recipe) = new_engine(&limits)?;
        let wasm: Arc<[u8]> = bytes.into();
        let mut scenario = Self {
            inspection,
            // Until it was asked for.
            description: Description::default(),
            footprint: Footprint { instances: 0, memories: 0, tables: 0 },
            initial_memory: 0,
            initial_elements: 0,
            symbols: Arc::new(Symbols::new(Arc::clone(&wasm))),
            wasm,
            compiling: compiling.into(),
            compiled: Mutex::default(),
        };
        let component = scenario.component(&engine, recipe)?;
        (scenario.footprint, scenario.initial_memory, scenario.initial_elements) =
            footprint(&component, &scenario.inspection)?;
        let described = blocking(describe(&component, &limits, &scenario.symbols))??;
        let description = convert::description(described, scenario.inspection.has_load_shape);
        let faults = validate::faults(&description);
        if !faults.is_empty() {
            return Err(ScenarioError::Description { faults });
        }
        scenario.description = description;
        Ok(scenario)
    }

    /// SHA-256 of its bytes.
    pub fn digest(&self) -> Digest {
        self.inspection.digest
    }

    /// What it contains.
    pub fn inspection(&self) -> &Inspection {
        &self.inspection
    }

    /// What it says about itself.
    pub fn description(&self) -> &Description {
        &self.description
    }

    /// Its bytes.
    pub fn bytes(&self) -> &Arc<[u8]> {
        &self.wasm
    }

    pub(crate) fn symbols(&self) -> &Arc<Symbols> {
        &self.symbols
    }

    pub(crate) fn footprint(&self) -> Footprint {
        self.footprint
    }

    /// Bytes of the largest memory of an instance that has just been made.
    pub(crate) fn initial_memory(&self) -> u64 {
        self.initial_memory
    }

    /// Elements of the largest table of such an instance.
    pub(crate) fn initial_elements(&self) -> u64 {
        self.initial_elements
    }

    /// Compiled for this engine, whose recipe this is: from memory, from the cache, or now.
    pub(crate) fn component(
        &self,
        engine: &Engine,
        recipe: Recipe,
    ) -> Result<Component, ScenarioError> {
        let key = Key::new(self.digest(), engine);
        let known = {
            let compiled = self.compiled.lock().unwrap_or_else(PoisonError::into_inner);
            compiled.get(&key).cloned()
        };
        let known = known.or_else(|| self.compiling.known(&key));
        let was_known = known.is_some();
        // A file of another version of wasmtime fails here, and is compiled again.
        if let Some(component) = known.and_then(|artefact| self.take_up(key, artefact, engine)) {
            return Ok(component);
        }
        let _turn = self.compiling.turn(&key);
        // Of the processes of a machine one compiles.
        let meanwhile = if was_known { None } else { self.compiling.known(&key) };
        if let Some(component) = meanwhile.and_then(|artefact| self.take_up(key, artefact, engine))
        {
            return Ok(component);
        }
        let artefact = self.compiling.compile(&key, (engine, recipe), &self.wasm)?;
        let component = artefact.load(engine);
        let component = component.map_err(|error| ScenarioError::Compile(format!("{error:#}")))?;
        self.keep(key, artefact);
        Ok(component)
    }

    fn take_up(&self, key: Key, artefact: Artefact, engine: &Engine) -> Option<Component> {
        let component = artefact.load(engine).ok()?;
        self.keep(key, artefact);
        Some(component)
    }

    fn keep(&self, key: Key, artefact: Artefact) {
        self.compiled.lock().unwrap_or_else(PoisonError::into_inner).insert(key, artefact);
    }
}

impl std::fmt::Debug for Scenario {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Scenario").field("digest", &self.digest()).finish_non_exhaustive()
    }
}

fn new_engine(limits: &Limits) -> Result<(Engine, Recipe), ScenarioError> {
    let recipe = Recipe::of(limits, Reservation::Full);
    let engine = recipe.engine();
    Ok((engine.map_err(|error| ScenarioError::Engine(format!("{error:#}")))?, recipe))
}

/// What one instance takes of the pool, and how much memory and how large a table it begins with.
fn footprint(
    component: &Component,
    inspection: &Inspection,
) -> Result<(Footprint, u64, u64), ScenarioError> {
    let Some(needs) = component.resources_required() else {
        let message =
            "it instantiates modules that it imports, so that its memory cannot be bounded";
        return Err(ScenarioError::Compile(message.into()));
    };
    let footprint = Footprint {
        // Instances made of nothing but imports count too; the modules are an upper bound
        // unless one is instantiated twice, which the spare slots of the pool cover.
        instances: u32::try_from(inspection.core_modules).unwrap_or(u32::MAX).saturating_add(2),
        memories: needs.num_memories,
        tables: needs.num_tables,
    };
    // Only the largest is told, in pages.
    let largest = needs.max_initial_memory_size.unwrap_or(0).saturating_mul(64 << 10);
    Ok((footprint, largest, needs.max_initial_table_size.unwrap_or(0)))
}

/// Asks the guest what it contains, with every host call but `log` denied.
async fn describe(
    component: &Component,
    limits: &Limits,
    symbols: &Arc<Symbols>,
) -> Result<crate::bindings::types::Description, ScenarioError> {
    let ticker = Ticker::start(component.engine())
        .map_err(|error| ScenarioError::Engine(error.to_string()))?;
    let pre = quiet::link(component).map_err(|error| linking(&error))?;
    let indices = guest::GuestIndices::new(&pre).map_err(|error| linking(&error))?;
    let mut store = quiet::store(&pre, ticker.pace(), limits, None, Arc::clone(symbols));
    let time = limits.stop_time;
    let answer = quiet::enter(&mut store, "describe", time, async |store| {
        let instance = pre.instantiate_async(&mut *store).await?;
        indices.load(&mut *store, &instance)?.call_describe(store).await
    });
    match answer.await {
        Ok(Ok(description)) => Ok(description),
        Ok(Err(why)) => Err(ScenarioError::Describe {
            code: "guest-failed".into(),
            what: format!("failed: {why}"),
            detail: String::new(),
        }),
        Err(Crash { code, message, detail }) => Err(ScenarioError::Describe {
            code: code.to_string(),
            what: format!("crashed: {message}"),
            detail: detail.to_string(),
        }),
    }
}

fn linking(error: &wasmtime::Error) -> ScenarioError {
    ScenarioError::UnknownImports { imports: vec![format!("{error:#}")], ours: CONTRACT }
}

/// Runs a future to its end, whether or not the caller is within a runtime of its own.
fn blocking<T: Send>(work: impl Future<Output = T> + Send) -> Result<T, ScenarioError> {
    let fault = |error: std::io::Error| ScenarioError::Engine(error.to_string());
    std::thread::scope(|scope| {
        let thread =
            std::thread::Builder::new().name("describe".into()).spawn_scoped(scope, || {
                let runtime =
                    tokio::runtime::Builder::new_current_thread().enable_time().build()?;
                Ok(runtime.block_on(work))
            });
        match thread.map_err(fault)?.join() {
            Ok(outcome) => outcome.map_err(fault),
            Err(_) => {
                Err(ScenarioError::Engine("the thread that describes scenarios panicked".into()))
            }
        }
    })
}
