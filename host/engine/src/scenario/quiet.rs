//! A store for guests that are asked something and have no run: `describe` and `load-shape`.
//!
//! Logging and WASI work; the parameters are there if the caller gives them; all else ends the
//! guest by name.

use std::collections::BTreeMap;
use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use loadhost_model::plan::Limits;
use tokio::time::Instant;
use wasmtime::Store;
use wasmtime::component::{Component, HasSelf, InstancePre, Linker, Resource, ResourceTable};
use wasmtime_wasi::{WasiCtx, WasiCtxView, WasiView};

use crate::bindings::{data, log};
use crate::host::data::HostFeeder;
use crate::host::output::UserLog;
use crate::host::{run, wasi};
use crate::load::vu::Crash;
use crate::sandbox::cpu::{self, CpuMeter};
use crate::sandbox::crash::symbols::Symbols;
use crate::sandbox::crash::{self, Evidence};
use crate::sandbox::memory::MemoryLimiter;
use crate::sandbox::ticker::Pace;
use crate::sandbox::trap::HostTrap;

pub(super) struct Quiet {
    wasi: WasiCtx,
    table: ResourceTable,
    log: UserLog,
    memory: MemoryLimiter,
    cpu: CpuMeter,
    random: fastrand::Rng,
    params: Option<BTreeMap<String, String>>,
    symbols: Arc<Symbols>,
}

impl WasiView for Quiet {
    fn ctx(&mut self) -> WasiCtxView<'_> {
        WasiCtxView { ctx: &mut self.wasi, table: &mut self.table }
    }
}

impl wasi::Seeded for Quiet {
    fn random(&mut self) -> &mut fastrand::Rng {
        &mut self.random
    }
}

impl log::Host for Quiet {
    fn log(&mut self, level: log::Level, message: String) -> wasmtime::Result<()> {
        self.log.put(run::channel(level), &message);
        Ok(())
    }

    fn enabled(&mut self, level: log::Level) -> wasmtime::Result<bool> {
        Ok(run::passes(level, &Limits::default()))
    }
}

impl data::Host for Quiet {
    fn param(&mut self, name: String) -> wasmtime::Result<Option<String>> {
        match &self.params {
            Some(params) => Ok(params.get(&name).cloned()),
            None => Err(HostTrap::Denied("data.param".to_string()).into()),
        }
    }

    async fn unique_number(&mut self, _: String) -> wasmtime::Result<Result<u64, String>> {
        Err(HostTrap::Denied("data.unique-number".to_string()).into())
    }

    fn counter_add(&mut self, _: String, _: i64) -> wasmtime::Result<Result<i64, String>> {
        Err(HostTrap::Denied("data.counter-add".to_string()).into())
    }

    async fn rendezvous(
        &mut self,
        _: String,
        _: u32,
        _: u64,
    ) -> wasmtime::Result<Result<bool, String>> {
        Err(HostTrap::Denied("data.rendezvous".to_string()).into())
    }
}

impl data::HostFeeder for Quiet {
    fn open(
        &mut self,
        _: String,
        _: Vec<String>,
    ) -> wasmtime::Result<Result<Resource<HostFeeder>, String>> {
        Err(HostTrap::Denied("data.feeder.open".to_string()).into())
    }

    async fn next(
        &mut self,
        _: Resource<HostFeeder>,
    ) -> wasmtime::Result<Result<Option<data::Row>, String>> {
        Err(HostTrap::Denied("data.feeder.next".to_string()).into())
    }

    fn drop(&mut self, _: Resource<HostFeeder>) -> wasmtime::Result<()> {
        Ok(())
    }
}

/// Links what is there, and traps for the rest.
pub(super) fn link(component: &Component) -> wasmtime::Result<InstancePre<Quiet>> {
    let mut linker = Linker::new(component.engine());
    wasi::link(&mut linker)?;
    log::add_to_linker::<_, HasSelf<_>>(&mut linker, |state| state)?;
    data::add_to_linker::<_, HasSelf<_>>(&mut linker, |state| state)?;
    linker.define_unknown_imports_as_traps(component)?;
    linker.instantiate_pre(component)
}

pub(super) fn store(
    pre: &InstancePre<Quiet>,
    pace: Arc<Pace>,
    limits: &Limits,
    params: Option<BTreeMap<String, String>>,
    symbols: Arc<Symbols>,
) -> Store<Quiet> {
    let log = UserLog::unread(limits);
    let mut table = ResourceTable::new();
    table.set_max_capacity(limits.handles as usize);
    let state = Quiet {
        wasi: wasi::context(&log),
        table,
        log,
        memory: MemoryLimiter::new(limits),
        cpu: CpuMeter::new(limits.task_cpu),
        random: fastrand::Rng::with_seed(0),
        params,
        symbols,
    };
    let mut store = Store::new(pre.engine(), state);
    store.limiter(|state| &mut state.memory);
    store.set_hostcall_fuel(usize::try_from(limits.handed_bytes()).unwrap_or(usize::MAX));
    store.set_max_component_handles(limits.handles as usize);
    cpu::watch(&mut store, pace, |state| &mut state.cpu);
    store
}

/// Calls into the guest, within CPU and wall-clock time.
pub(super) async fn enter<R>(
    store: &mut Store<Quiet>,
    name: &str,
    time: Duration,
    work: impl AsyncFnOnce(&mut Store<Quiet>) -> wasmtime::Result<R>,
) -> Result<R, Crash> {
    store.data_mut().cpu.enter(Instant::now());
    store.data_mut().log.begin_call();
    store.set_epoch_deadline(1);
    let measure = store.data().cpu.measure();
    let outcome = {
        let work = pin!(work(store));
        tokio::time::timeout(time, measure.over(work)).await
    };
    let evidence = |store: &mut Store<Quiet>| Evidence {
        call: name.to_string(),
        last_lines: store.data().log.last_lines(),
        refused: store.data_mut().memory.take_refused(),
    };
    match outcome {
        Ok(Ok(value)) => Ok(value),
        Ok(Err(error)) => {
            let evidence = evidence(store);
            let symbols = Arc::clone(&store.data().symbols);
            Err(crash::of_error(&denied(error), &evidence, &symbols).await)
        }
        Err(_) => Err(crash::of_time("start_time", time, &evidence(store))),
    }
}

/// wasmtime's own word for a function that was left out, in ours.
fn denied(error: wasmtime::Error) -> wasmtime::Error {
    let text = error.root_cause().to_string();
    match text.strip_prefix("unknown import: `").and_then(|rest| rest.split_once('`')) {
        Some((name, _)) => HostTrap::Denied(name.to_string()).into(),
        None => error,
    }
}
