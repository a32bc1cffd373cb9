//! A guest's own load shape, asked once a second by the coordinator.

use std::collections::BTreeMap;
use std::time::Duration;

use loadhost_model::plan::Limits;
use wasmtime::Store;

use super::quiet::{self, Quiet};
use super::{Scenario, ScenarioError, new_engine};
use crate::bindings::shape;
use crate::bindings::shape::exports::loadhost::scenario::load_shape as wit;
use crate::load::vu::Crash;
use crate::sandbox::ticker::Ticker;

/// What a shape may look at.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct ShapeNow {
    /// Since the start of the run.
    pub elapsed: Duration,
    /// Users running.
    pub users: u32,
    /// Requests per second over the last tick.
    pub rps: f64,
    /// Failed requests among them, 0 to 1.
    pub failure_ratio: f64,
}

/// What the run goes to.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct ShapeTarget {
    /// Users wanted.
    pub users: u32,
    /// Users to start or stop per second; zero or less: at once.
    pub spawn_rate: f64,
}

/// An instance of the scenario that steers the load. It may keep state between ticks.
pub struct LoadShape {
    store: Store<Quiet>,
    guest: wit::Guest,
    time: Duration,
    _ticker: Ticker,
}

impl LoadShape {
    /// An instance of a scenario whose description says `has_load_shape`. Its parameters are
    /// those of the run.
    pub async fn new(
        scenario: &Scenario,
        limits: &Limits,
        params: &BTreeMap<String, String>,
    ) -> Result<Self, ScenarioError> {
        let (engine, recipe) = new_engine(limits)?;
        let fault = |error: wasmtime::Error| ScenarioError::Engine(format!("{error:#}"));
        let ticker =
            Ticker::start(&engine).map_err(|error| ScenarioError::Engine(error.to_string()))?;
        let component = scenario.component(&engine, recipe)?;
        let pre = quiet::link(&component).map_err(fault)?;
        let indices = wit::GuestIndices::new(&pre).map_err(fault)?;
        let mut store = quiet::store(
            &pre,
            ticker.pace(),
            limits,
            Some(params.clone()),
            std::sync::Arc::clone(scenario.symbols()),
        );
        let time = limits.start_time;
        let guest = quiet::enter(&mut store, "the start of the component", time, async |store| {
            let instance = pre.instantiate_async(&mut *store).await?;
            indices.load(store, &instance)
        });
        let guest =
            guest.await.map_err(|crash| ScenarioError::Engine(crash.message.to_string()))?;
        Ok(Self { store, guest, time, _ticker: ticker })
    }

    /// Where the load goes now. None: the run is over.
    ///
    /// # Errors
    /// A trap or a used-up limit; the shape cannot be asked again.
    pub async fn tick(&mut self, now: ShapeNow) -> Result<Option<ShapeTarget>, Crash> {
        let now = shape::exports::loadhost::scenario::load_shape::Now {
            elapsed: u64::try_from(now.elapsed.as_nanos()).unwrap_or(u64::MAX),
            users: now.users,
            rps: now.rps,
            failure_ratio: now.failure_ratio,
        };
        let guest = &self.guest;
        let answer = quiet::enter(&mut self.store, "load-shape", self.time, async |store| {
            guest.call_tick(store, now).await
        });
        Ok(answer
            .await?
            .map(|target| ShapeTarget { users: target.users, spawn_rate: target.spawn_rate }))
    }
}
