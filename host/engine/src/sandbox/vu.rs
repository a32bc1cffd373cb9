//! A virtual user in its sandbox.

use std::sync::Arc;

use wasmtime::component::ResourceAny;

use super::cell::{Call, Cell};
use super::pool::Sandbox;
use crate::bindings::types;
use crate::host::trace::{Trace, TraceSink};
use crate::http::Shared;
use crate::load::vu::{
    CallOutcome, Crash, Due, MakeError, ShardContext, UserIdentity, Vu, VuFactory,
};
use crate::shared::DataSets;
use crate::watch::{Watch, Watchers, Who};

/// Makes the users of one shard.
pub struct WasmVuFactory {
    sandbox: Arc<Sandbox>,
    shard: Arc<ShardContext>,
    http: Arc<Shared>,
    data: Arc<DataSets>,
    watchers: Watchers,
}

impl WasmVuFactory {
    /// `http`: settings, resolver and policy, shared by the users of the shard.
    pub fn new(sandbox: Arc<Sandbox>, shard: ShardContext, http: Arc<Shared>) -> Self {
        Self {
            sandbox,
            shard: Arc::new(shard),
            http,
            data: Arc::default(),
            watchers: Watchers::default(),
        }
    }

    /// With the data sets of the run.
    #[must_use]
    pub fn with_data(self, data: Arc<DataSets>) -> Self {
        Self { data, ..self }
    }

    /// Tells of requests and iterations what is wanted.
    #[must_use]
    pub fn watched_by(self, watchers: Watchers) -> Self {
        Self { watchers, ..self }
    }

    /// A new user whose every request goes to `sink` as well.
    ///
    /// # Errors
    /// As for [`VuFactory::make`].
    pub async fn make_traced(
        &self,
        identity: UserIdentity,
        sink: TraceSink,
    ) -> Result<WasmVu, MakeError> {
        self.make_with(identity, Some(sink)).await
    }

    async fn make_with(
        &self,
        identity: UserIdentity,
        sink: Option<TraceSink>,
    ) -> Result<WasmVu, MakeError> {
        let watch = self.watch(&identity, sink, Some(identity.number));
        let mut cell = self.cell(&identity, watch).await?;
        let context = self.context(&identity);
        let user_type = identity.user_type;
        let call = Call::starting("constructor", &cell);
        let user = cell
            .enter(call, async |guest, store| {
                guest.user().call_constructor(store, user_type, &context).await
            })
            .await
            .map_err(|Crash { code, message, detail }| MakeError { code, message, detail })?;
        Ok(WasmVu { cell, user, tasks: self.sandbox.tasks(user_type) })
    }

    async fn cell(
        &self,
        identity: &UserIdentity,
        watch: Option<Box<Watch>>,
    ) -> Result<Cell, MakeError> {
        let data = Arc::clone(&self.data);
        Cell::make(&self.sandbox, &self.shard, &self.http, identity, data, watch).await
    }

    /// `vu`: None of a hook.
    fn watch(
        &self,
        identity: &UserIdentity,
        sink: Option<TraceSink>,
        vu: Option<u64>,
    ) -> Option<Box<Watch>> {
        let (run, worker) = self.shard.logs.source();
        let user_type = match vu {
            Some(_) => self.sandbox.user_type(identity.user_type),
            None => "".into(),
        };
        let who = Who { run: run.as_str().into(), worker: worker.as_str().into(), vu, user_type };
        let recorder = Arc::clone(&self.shard.recorder);
        let secrets = self.sandbox.secrets();
        Watch::new(&self.watchers, sink.map(Trace), who, identity.seed, secrets, recorder)
    }

    fn context(&self, identity: &UserIdentity) -> types::UserContext {
        types::UserContext {
            user_id: identity.number,
            worker: self.shard.worker,
            run_id: self.sandbox.plan().run.to_string(),
            seed: identity.seed,
            setup_data: self.shard.setup_data.to_string(),
        }
    }

    /// Runs the scenario's `setup` in a store of its own, and returns its text.
    ///
    /// # Errors
    /// Any outcome but [`CallOutcome::Done`].
    pub async fn setup(&self, identity: UserIdentity) -> Result<Arc<str>, CallOutcome> {
        let mut cell = self.once(&identity).await?;
        let call = Call::starting("setup", &cell);
        match cell.enter(call, async |guest, store| guest.call_setup(store).await).await {
            Ok(Ok(data)) => Ok(data.into()),
            Ok(Err(failure)) => Err(cell.outcome(Ok(Err(failure)))),
            Err(crash) => Err(cell.outcome(Err(crash))),
        }
    }

    /// Runs the scenario's `teardown` in a store of its own, with what `setup` returned.
    pub async fn teardown(&self, identity: UserIdentity) -> CallOutcome {
        let mut cell = match self.once(&identity).await {
            Ok(cell) => cell,
            Err(outcome) => return outcome,
        };
        let data = &*self.shard.setup_data;
        let call = Call::stopping("teardown", &cell);
        let outcome =
            cell.enter(call, async |guest, store| guest.call_teardown(store, data).await).await;
        cell.outcome(outcome)
    }

    async fn once(&self, identity: &UserIdentity) -> Result<Cell, CallOutcome> {
        let watch = self.watch(identity, None, None);
        self.cell(identity, watch).await.map_err(|MakeError { code, message, detail }| {
            CallOutcome::Crashed(Crash { code, message, detail })
        })
    }
}

impl VuFactory for WasmVuFactory {
    type Vu = WasmVu;

    async fn make(&self, identity: UserIdentity) -> Result<WasmVu, MakeError> {
        self.make_with(identity, None).await
    }
}

/// One virtual user.
pub struct WasmVu {
    cell: Cell,
    user: ResourceAny,
    /// Names, for errors.
    tasks: Arc<[Arc<str>]>,
}

impl Vu for WasmVu {
    async fn start(&mut self) -> CallOutcome {
        let (user, call) = (self.user, Call::starting("on-start", &self.cell));
        let outcome = self
            .cell
            .enter(call, async |guest, store| guest.user().call_on_start(store, user).await)
            .await;
        self.cell.outcome(outcome)
    }

    async fn run_task(&mut self, task: u32, due: Due) -> CallOutcome {
        let name = self.tasks.get(task as usize);
        let shown = name.map_or("an unknown task", |name| &**name);
        let (user, call) = (self.user, Call::task(shown, due, &self.cell));
        self.cell.begin_iteration(due);
        let outcome = self
            .cell
            .enter(call, async |guest, store| guest.user().call_run_task(store, user, task).await)
            .await;
        let outcome = self.cell.outcome(outcome);
        if let Some(name) = name {
            self.cell.end_iteration(name, &outcome);
        }
        outcome
    }

    async fn stop(&mut self) -> CallOutcome {
        if self.cell.is_dead() {
            // It ended with the run, and nobody is left to say goodbye.
            return CallOutcome::Done;
        }
        let (user, call) = (self.user, Call::stopping("on-stop", &self.cell));
        let outcome = self
            .cell
            .enter(call, async |guest, store| guest.user().call_on_stop(store, user).await)
            .await;
        self.cell.outcome(outcome)
    }
}
