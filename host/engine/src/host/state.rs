//! What the host knows of one virtual user.

use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::task::Poll;
use std::time::Duration;

use loadhost_model::plan::RunPlan;
use tokio::time::Instant;
use tokio_util::sync::{CancellationToken, WaitForCancellationFutureOwned};
use wasmtime::component::ResourceTable;
use wasmtime_wasi::{WasiCtx, WasiCtxView, WasiView};

use super::groups::Groups;
use super::output::UserLog;
use crate::http::Client;
use crate::load::vu::{CallOutcome, Due, ShardContext, UserIdentity};
use crate::sandbox::cpu::CpuMeter;
use crate::sandbox::memory::MemoryLimiter;
use crate::sandbox::trap::HostTrap;
use crate::shared::DataSets;
use crate::watch::{Secrets, Watch};

/// Behind each guest's store. What each host call touches stands first.
pub(crate) struct VuState {
    calls_left: u64,
    /// How late the iteration began: charged to its first request.
    pub(super) lag: Duration,
    pub(crate) cpu: CpuMeter,
    pub(super) shard: Arc<ShardContext>,
    pub(super) interrupt: Interrupt,
    pub(super) client: Client,
    pub(super) table: ResourceTable,
    pub(super) groups: Groups,
    /// Answers that the guest holds and that are not recorded yet.
    pub(super) unrecorded: u32,
    /// Bytes that the host holds for the guest: templates, answers, tags.
    held: u64,
    /// Metrics that this user made.
    pub(super) metrics: Vec<super::metrics::Known>,
    pub(super) plan: Arc<RunPlan>,
    pub(crate) log: UserLog,
    pub(crate) memory: MemoryLimiter,
    pub(super) random: fastrand::Rng,
    pub(super) user: u64,
    /// Of the run.
    pub(super) data: Arc<DataSets>,
    /// What is told of its requests. None, as mostly: nothing.
    pub(super) watch: Option<Box<Watch>>,
    wasi: WasiCtx,
}

impl VuState {
    pub(crate) fn new(
        plan: Arc<RunPlan>,
        shard: Arc<ShardContext>,
        client: Client,
        identity: &UserIdentity,
        data: Arc<DataSets>,
        (watch, secrets): (Option<Box<Watch>>, Arc<Secrets>),
    ) -> Self {
        let log = UserLog::for_user(Arc::clone(&shard), identity.number, &plan.limits, secrets);
        let mut table = ResourceTable::new();
        table.set_max_capacity(plan.limits.handles as usize);
        Self {
            calls_left: plan.limits.host_calls,
            lag: Duration::ZERO,
            cpu: CpuMeter::new(plan.limits.task_cpu),
            interrupt: Interrupt::new(identity.interrupt.clone()),
            client,
            table,
            groups: Groups::default(),
            unrecorded: 0,
            held: 0,
            metrics: Vec::new(),
            wasi: super::wasi::context(&log),
            log,
            memory: MemoryLimiter::new(&plan.limits),
            random: fastrand::Rng::with_seed(identity.seed),
            user: identity.number,
            data,
            shard,
            plan,
            watch,
        }
    }

    /// An iteration begins.
    #[inline]
    pub(crate) fn begin_iteration(&mut self, due: Due) {
        if let Some(watch) = &mut self.watch {
            watch.begin(due, &mut self.client);
        }
    }

    /// The iteration that began last is over.
    #[inline]
    pub(crate) fn end_iteration(&mut self, task: &Arc<str>, outcome: &CallOutcome) {
        if let Some(watch) = &mut self.watch {
            watch.end(task, outcome, &mut self.client);
        }
    }

    /// Whether each request is printed, with what came of it.
    pub(super) fn is_printed(&self) -> bool {
        self.watch.as_ref().is_some_and(|watch| watch.printed.is_some())
    }

    /// A call into the guest begins.
    pub(crate) fn enter(&mut self, now: Instant, lag: Duration, interrupts: Interrupts) {
        self.calls_left = self.plan.limits.host_calls;
        self.lag = lag;
        self.cpu.enter(now);
        self.interrupt.struck = false;
        self.interrupt.on = interrupts == Interrupts::Heeded;
        self.log.begin_call();
    }

    /// A call into the guest is over: what it left open is recorded.
    pub(crate) fn leave(&mut self) {
        self.record_held_answers();
        self.groups.close_all(&self.shard.recorder);
        for (cap, refusals) in self.memory.take_refusals() {
            for _ in 0..refusals {
                self.shard.recorder.capped(cap);
            }
        }
    }

    /// Counts a call to the host; each begins with this.
    #[inline]
    pub(super) fn call(&mut self) -> wasmtime::Result<()> {
        match self.calls_left.checked_sub(1) {
            Some(left) => {
                self.calls_left = left;
                Ok(())
            }
            None => Err(self.exceeded("host_calls", self.plan.limits.host_calls)),
        }
    }

    /// The end of the guest by this limit.
    #[cold]
    pub(super) fn exceeded(&self, name: &'static str, value: impl ToString) -> wasmtime::Error {
        HostTrap::limit(name, value).into()
    }

    /// So many bytes more are held for the guest.
    #[inline]
    pub(super) fn hold(&mut self, bytes: u64) -> wasmtime::Result<()> {
        self.held = self.held.saturating_add(bytes);
        let cap = self.plan.limits.kept_bytes;
        if self.held > cap { Err(self.exceeded("kept_bytes", cap)) } else { Ok(()) }
    }

    /// So many bytes less.
    pub(super) fn let_go(&mut self, bytes: u64) {
        self.held = self.held.saturating_sub(bytes);
    }

    /// Counts that a cap refused or cut something.
    pub(crate) fn capped(&self, name: &'static str) {
        self.shard.recorder.capped(name);
    }

    pub(super) fn random_numbers(&mut self) -> &mut fastrand::Rng {
        &mut self.random
    }

    /// Whether the last call was cut short by the end of the run.
    pub(crate) fn was_interrupted(&self) -> bool {
        self.interrupt.struck
    }
}

impl WasiView for VuState {
    fn ctx(&mut self) -> WasiCtxView<'_> {
        WasiCtxView { ctx: &mut self.wasi, table: &mut self.table }
    }
}

/// Whether the end of the run cuts a call short.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Interrupts {
    /// As for `on-start` and tasks.
    Heeded,
    /// As for `on-stop`.
    Ignored,
}

/// Watches for the end of the run while a guest waits.
pub(super) struct Interrupt {
    token: CancellationToken,
    /// Made at the first wait, and kept: registering anew for each request would cost more.
    waiting: Option<Pin<Box<WaitForCancellationFutureOwned>>>,
    on: bool,
    struck: bool,
}

impl Interrupt {
    fn new(token: CancellationToken) -> Self {
        Self { token, waiting: None, on: true, struck: false }
    }

    /// The outcome, or `None` once the run is ending. The work is pinned by the caller, because
    /// moving a request's future costs as much as all the rest of the call.
    #[inline]
    pub(super) async fn or<F: Future>(&mut self, work: Pin<&mut F>) -> Option<F::Output> {
        if self.strikes() { None } else { self.wait(work).await }
    }

    /// As [`Self::or`], if somebody has just asked whether the run is ending.
    #[inline]
    pub(super) async fn wait<F: Future>(&mut self, mut work: Pin<&mut F>) -> Option<F::Output> {
        std::future::poll_fn(|cx| {
            if let Poll::Ready(output) = work.as_mut().poll(cx) {
                return Poll::Ready(Some(output));
            }
            if !self.on {
                return Poll::Pending;
            }
            let waiting =
                self.waiting.get_or_insert_with(|| Box::pin(self.token.clone().cancelled_owned()));
            if waiting.as_mut().poll(cx).is_ready() {
                self.waiting = None;
                self.struck = true;
                return Poll::Ready(None);
            }
            Poll::Pending
        })
        .await
    }

    /// Asking the token takes a lock, so only waits ask.
    fn strikes(&mut self) -> bool {
        if self.on && !self.struck {
            self.struck = self.token.is_cancelled();
        }
        self.on && self.struck
    }
}
