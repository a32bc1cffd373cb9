//! A store with one instance of the scenario in it, and the calls into it.

use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::OwnedSemaphorePermit;
use tokio::time::Instant;
use wasmtime::Store;

use super::cpu::{self, Measure};
use super::crash::{self, Evidence};
use super::pool::Sandbox;
use super::wall::WallTimer;
use crate::bindings::{guest, types};
use crate::host::output::escaped;
use crate::host::state::{Interrupts, VuState};
use crate::http::{Client, Shared};
use crate::load::vu::{CallOutcome, Crash, Due, MakeError, ShardContext, UserIdentity};
use crate::shared::DataSets;
use crate::watch::Watch;

/// How long a new user waits for a place in the pool that another one is leaving.
const PLACE_WAIT: Duration = Duration::from_secs(5);

/// Kept of what a guest says of its failure.
const REASON_BYTES: usize = 1 << 10;

/// An instance and its place in the pool. After a crash it is not entered again.
pub(super) struct Cell {
    // Dropped in this order: the place is free once the store is.
    store: Store<VuState>,
    guest: guest::Guest,
    wall: WallTimer,
    measure: Arc<Measure>,
    sandbox: Arc<Sandbox>,
    _place: OwnedSemaphorePermit,
    dead: bool,
}

/// A call into the guest.
pub(super) struct Call<'a> {
    /// For errors.
    name: &'a str,
    /// Name of the limit on wall-clock time, and its value.
    time: (&'static str, Duration),
    /// When it begins, if the caller has just looked at the clock.
    now: Option<Instant>,
    /// How late it begins.
    lag: Duration,
    interrupts: Interrupts,
}

impl<'a> Call<'a> {
    pub(super) fn starting(name: &'a str, cell: &Cell) -> Self {
        let time = ("start_time", cell.sandbox.plan().limits.start_time);
        Self { name, time, now: None, lag: Duration::ZERO, interrupts: Interrupts::Heeded }
    }

    pub(super) fn task(name: &'a str, due: Due, cell: &Cell) -> Self {
        let time = ("task_time", cell.sandbox.plan().limits.task_time);
        Self { name, time, now: Some(due.actual), lag: due.lag(), interrupts: Interrupts::Heeded }
    }

    pub(super) fn stopping(name: &'a str, cell: &Cell) -> Self {
        let time = ("stop_time", cell.sandbox.plan().limits.stop_time);
        Self { name, time, now: None, lag: Duration::ZERO, interrupts: Interrupts::Ignored }
    }
}

impl Cell {
    /// A new instance. Its code has not run yet, but for what a component runs when it is
    /// instantiated.
    pub(super) async fn make(
        sandbox: &Arc<Sandbox>,
        shard: &Arc<ShardContext>,
        http: &Arc<Shared>,
        identity: &UserIdentity,
        data: Arc<DataSets>,
        watch: Option<Box<Watch>>,
    ) -> Result<Self, MakeError> {
        let place = tokio::time::timeout(PLACE_WAIT, Arc::clone(sandbox.places()).acquire_owned());
        let Ok(Ok(place)) = place.await else {
            return Err(full(sandbox.users()));
        };
        let state = VuState::new(
            Arc::clone(sandbox.plan()),
            Arc::clone(shard),
            Client::new(Arc::clone(http)),
            identity,
            data,
            (watch, sandbox.secrets()),
        );
        let mut store = Store::new(sandbox.engine(), state);
        let limits = &sandbox.plan().limits;
        store.limiter(|state| &mut state.memory);
        store.set_hostcall_fuel(usize::try_from(limits.handed_bytes()).unwrap_or(usize::MAX));
        store.set_max_component_handles(limits.handles as usize);
        cpu::watch(&mut store, sandbox.pace(), |state| &mut state.cpu);
        let mut wall = WallTimer::default();
        let deadline = Instant::now() + limits.start_time;
        store.data_mut().enter(Instant::now(), Duration::ZERO, Interrupts::Heeded);
        let measure = store.data().cpu.measure();
        let instance = {
            let work = pin!(sandbox.instantiate(&mut store));
            wall.until(deadline, pin!(measure.over(work))).await
        };
        let guest = match instance {
            Some(Ok(guest)) => guest,
            Some(Err(error)) => {
                let evidence = evidence(&mut store, "the start of the component");
                let crash = crash::of_error(&error, &evidence, sandbox.symbols()).await;
                return Err(unmade(&mut store, crash));
            }
            None => {
                let evidence = evidence(&mut store, "the start of the component");
                let crash = crash::of_time("start_time", limits.start_time, &evidence);
                return Err(unmade(&mut store, crash));
            }
        };
        let sandbox = Arc::clone(sandbox);
        Ok(Self { store, guest, wall, measure, sandbox, _place: place, dead: false })
    }

    /// Calls into the guest, within its limits.
    pub(super) async fn enter<R>(
        &mut self,
        call: Call<'_>,
        work: impl AsyncFnOnce(&guest::Guest, &mut Store<VuState>) -> wasmtime::Result<R>,
    ) -> Result<R, Crash> {
        if self.dead {
            return Err(over());
        }
        let now = call.now.unwrap_or_else(Instant::now);
        self.store.data_mut().enter(now, call.lag, call.interrupts);
        self.store.set_epoch_deadline(1);
        let (limit, time) = call.time;
        let outcome = {
            let work = pin!(work(&self.guest, &mut self.store));
            self.wall.until(now + time, pin!(self.measure.over(work))).await
        };
        self.store.data_mut().leave();
        match outcome {
            Some(Ok(value)) => Ok(value),
            ended => {
                self.dead = true;
                let evidence = evidence(&mut self.store, call.name);
                let crash = match ended {
                    Some(Err(error)) => {
                        // Boxed: only a crash needs it, and each call would hold its room.
                        Box::pin(crash::of_error(&error, &evidence, self.sandbox.symbols())).await
                    }
                    _ => crash::of_time(limit, time, &evidence),
                };
                if let Some(cap) = crash::cap_of(&crash) {
                    self.store.data().capped(cap);
                }
                Err(crash)
            }
        }
    }

    /// What the caller is told. A guest that fails because the run is ending has not failed.
    pub(super) fn outcome(
        &mut self,
        result: Result<Result<(), types::Failure>, Crash>,
    ) -> CallOutcome {
        let interrupted = self.store.data().was_interrupted();
        match result {
            Ok(Ok(())) => CallOutcome::Done,
            Ok(Err(types::Failure::AbortRun(why))) => CallOutcome::AbortRun(reason(&why)),
            _ if interrupted => CallOutcome::Cancelled,
            Ok(Err(types::Failure::Done)) => CallOutcome::Finished,
            Ok(Err(types::Failure::Failed(why))) => CallOutcome::Failed(reason(&why)),
            Ok(Err(types::Failure::StopUser(why))) => CallOutcome::StopUser(reason(&why)),
            Err(crash) => CallOutcome::Crashed(crash),
        }
    }

    /// An iteration begins.
    #[inline]
    pub(super) fn begin_iteration(&mut self, due: Due) {
        self.store.data_mut().begin_iteration(due);
    }

    /// The iteration that began last is over.
    #[inline]
    pub(super) fn end_iteration(&mut self, task: &Arc<str>, outcome: &CallOutcome) {
        self.store.data_mut().end_iteration(task, outcome);
    }

    /// Whether a call ended in a way that leaves nothing to call.
    pub(super) fn is_dead(&self) -> bool {
        self.dead
    }
}

/// What a guest says of its failure, as it may be shown.
fn reason(why: &str) -> Arc<str> {
    escaped(&why[..why.floor_char_boundary(REASON_BYTES)]).into()
}

fn evidence(store: &mut Store<VuState>, call: &str) -> Evidence {
    let state = store.data_mut();
    Evidence {
        call: call.to_string(),
        last_lines: state.log.last_lines(),
        refused: state.memory.take_refused(),
    }
}

/// Counts the cap that ended a guest before it could be entered.
fn unmade(store: &mut Store<VuState>, crash: Crash) -> MakeError {
    store.data_mut().leave();
    if let Some(cap) = crash::cap_of(&crash) {
        store.data().capped(cap);
    }
    let Crash { code, message, detail } = crash;
    MakeError { code, message, detail }
}

fn over() -> Crash {
    Crash { code: "over".into(), message: "the user has crashed before".into(), detail: "".into() }
}

fn full(users: u32) -> MakeError {
    MakeError {
        code: "pool-exhausted".into(),
        message: format!("all {users} places for users are taken; raise the maximum of users")
            .into(),
        detail: "".into(),
    }
}
