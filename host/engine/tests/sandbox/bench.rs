//! A sandbox with everything around it, and a server that it talks to.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use loadhost_engine::http::{Grants, Shared};
use loadhost_engine::load::alarm::Alarm;
use loadhost_engine::load::clock::RunClock;
use loadhost_engine::load::gate::Gate;
use loadhost_engine::load::log::{LogSink, QUEUED_LINES};
use loadhost_engine::load::vu::{
    CallOutcome, Crash, Due, ShardContext, UserIdentity, Vu, VuFactory,
};
use loadhost_engine::recorder::{Names, Recorder};
use loadhost_engine::sandbox::{Sandbox, SandboxError, WasmVu, WasmVuFactory};
use loadhost_engine::scenario::{Cache, Scenario, StructureCaps, digest_of};
use loadhost_engine::shared::{Commons, Tables};
use loadhost_model::data::{DataFormat, DataSet, RowOrder};
use loadhost_model::interval::{SeriesStats, Statistics};
use loadhost_model::metric::SeriesKey;
use loadhost_model::plan::{HttpSettings, Limits, RunPlan};
use loadhost_model::profile::Profile;
use loadhost_model::wire::LogLine;
use tokio::sync::mpsc;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use crate::server::Server;

/// The bytes of a guest that `make guests` built.
pub(crate) fn guest(name: &str) -> Vec<u8> {
    let folder = std::env::var_os("LOADHOST_GUESTS").map_or_else(
        || PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join("../guests/wasm32-wasip2/release"),
        PathBuf::from,
    );
    let file = folder.join(format!("{}.wasm", name.replace('-', "_")));
    std::fs::read(&file)
        .unwrap_or_else(|_| panic!("{} is missing: run `make guests`", file.display()))
}

/// Compiled scenarios, shared by all tests.
pub(crate) fn cache() -> Arc<Cache> {
    let dir = PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join("compiled-scenarios");
    Arc::new(Cache::open(dir, 256 << 20).unwrap())
}

pub(crate) fn load(name: &str) -> Scenario {
    Scenario::load(&guest(name), &StructureCaps::default(), Some(cache())).unwrap()
}

/// A run of the hostile guest in one mode.
pub(crate) struct Bench {
    pub(crate) factory: WasmVuFactory,
    pub(crate) recorder: Arc<Recorder>,
    pub(crate) logs: mpsc::Receiver<LogLine>,
    pub(crate) server: Server,
    pub(crate) interrupt: CancellationToken,
    /// Nothing is leased yet.
    pub(crate) shared: Arc<Commons>,
    pub(crate) totals: Statistics,
}

impl Bench {
    pub(crate) async fn new(mode: &str) -> Self {
        Self::with(mode, 8, |_| {}).await
    }

    pub(crate) async fn with(mode: &str, users: u32, change: impl FnOnce(&mut Limits)) -> Self {
        Self::of_scenario(&load("hostile"), mode, users, change).await
    }

    /// Of any scenario that is much like the hostile one.
    pub(crate) async fn of_scenario(
        scenario: &Scenario,
        mode: &str,
        users: u32,
        change: impl FnOnce(&mut Limits),
    ) -> Self {
        Self::made(scenario, mode, users, change).await.unwrap()
    }

    /// Of the hostile one, whose data set is read in this order.
    pub(crate) async fn ordered(mode: &str, order: RowOrder) -> Self {
        let scenario = load("hostile");
        let server = Server::start().await;
        let mut plan = plan(&scenario, mode, &server, Limits::default());
        plan.data.values_mut().for_each(|set| set.order = order);
        let sandbox = Sandbox::new(&scenario, Arc::new(plan), 8).unwrap();
        Self::of(sandbox, server).await
    }

    /// A bench whose sandbox may be refused.
    pub(crate) async fn try_of_scenario(
        scenario: &Scenario,
        users: u32,
        change: impl FnOnce(&mut Limits),
    ) -> Result<Self, SandboxError> {
        Self::made(scenario, "healthy", users, change).await
    }

    async fn made(
        scenario: &Scenario,
        mode: &str,
        users: u32,
        change: impl FnOnce(&mut Limits),
    ) -> Result<Self, SandboxError> {
        let server = Server::start().await;
        let mut limits = Limits::default();
        change(&mut limits);
        let plan = Arc::new(plan(scenario, mode, &server, limits));
        let sandbox = Sandbox::new(scenario, Arc::clone(&plan), users)?;
        Ok(Self::of(sandbox, server).await)
    }

    async fn of(sandbox: Arc<Sandbox>, server: Server) -> Self {
        let plan = Arc::clone(sandbox.plan());
        let files = BTreeMap::from([(digest_of(USERS), Arc::from(USERS))]);
        let data = Tables::new(Arc::new(files)).of_run(&plan).await.unwrap();
        let shared = Commons::of_run(&plan, 1);
        let clock = RunClock::starting_at(Instant::now());
        let recorder = Arc::new(Recorder::new(clock, Arc::new(Names::new(&plan.limits))));
        let (lines, logs) = mpsc::channel(QUEUED_LINES);
        let worker = "w".parse().unwrap();
        let shard = ShardContext {
            shard: 0,
            worker: (0, 1),
            clock,
            setup_data: "from setup".into(),
            recorder: Arc::clone(&recorder),
            gate: Arc::new(Gate::new(Alarm::new(), clock, Arc::clone(&recorder))),
            logs: LogSink::new(plan.run.clone(), worker, clock, Arc::clone(&recorder), lines),
            shared: Arc::clone(&shared),
        };
        let http =
            Shared::new(&plan.http, plan.target.as_deref(), &plan.limits, &Grants::default())
                .unwrap();
        let factory = WasmVuFactory::new(sandbox, shard, http).with_data(Arc::new(data));
        let interrupt = CancellationToken::new();
        let totals = Statistics::default();
        Self { factory, recorder, logs, server, interrupt, shared, totals }
    }

    pub(crate) fn identity(&self, number: u64) -> UserIdentity {
        UserIdentity { number, user_type: 0, seed: number + 1, interrupt: self.interrupt.clone() }
    }

    pub(crate) async fn user(&self, number: u64) -> WasmVu {
        self.factory.make(self.identity(number)).await.unwrap()
    }

    /// One user that starts and runs the task once.
    pub(crate) async fn attack(&self) -> CallOutcome {
        let mut user = self.user(0).await;
        match user.start().await {
            CallOutcome::Done => user.run_task(0, Due::now()).await,
            other => other,
        }
    }

    pub(crate) async fn crash(&self) -> Crash {
        crash(self.attack().await)
    }

    /// What was recorded so far.
    pub(crate) fn recorded(&mut self) -> &Statistics {
        self.totals.merge(self.recorder.drain());
        &self.totals
    }

    /// How often a cap refused or cut something.
    pub(crate) fn capped(&mut self, name: &str) -> u64 {
        self.recorded().counters.capped.get(name).copied().unwrap_or(0)
    }

    /// Requests and failures among them, over all series.
    pub(crate) fn requests(&mut self) -> (u64, u64) {
        let stats = self.recorded().series.values();
        stats.fold((0, 0), |(requests, failures), stats| match stats {
            SeriesStats::Http(http) => (requests + http.requests, failures + http.failures),
            _ => (requests, failures),
        })
    }

    pub(crate) fn series(&mut self, wanted: impl Fn(&SeriesKey) -> bool) -> usize {
        self.recorded().series.keys().filter(|key| wanted(key)).count()
    }

    /// Names of checks that did not hold.
    pub(crate) fn failed_checks(&mut self) -> Vec<SeriesKey> {
        let series = self.recorded().series.iter();
        let failed = series.filter(|(_, stats)| match stats {
            SeriesStats::Pass(pass) => pass.failures > 0,
            _ => false,
        });
        failed.map(|(key, _)| key.clone()).collect()
    }

    pub(crate) fn lines(&mut self) -> Vec<LogLine> {
        std::iter::from_fn(|| self.logs.try_recv().ok()).collect()
    }
}

pub(crate) fn crash(outcome: CallOutcome) -> Crash {
    match outcome {
        CallOutcome::Crashed(crash) => crash,
        other => panic!("it did not crash: {other:?}"),
    }
}

/// A data set that all benches have.
const USERS: &[u8] = b"name,age\nanna,41\nbob,7\neve,19\n";

fn users() -> DataSet {
    DataSet {
        digest: digest_of(USERS),
        format: DataFormat::Csv,
        rows: 3,
        order: Default::default(),
        lost: Default::default(),
    }
}

fn plan(scenario: &Scenario, mode: &str, server: &Server, limits: Limits) -> RunPlan {
    RunPlan {
        run: "run".parse().unwrap(),
        scenario: "hostile".into(),
        module: scenario.digest(),
        target: Some(server.url.clone()),
        params: [("mode".to_string(), mode.to_string())].into(),
        secret_params: Vec::new(),
        data: [("users".to_string(), users())].into(),
        seed: 1,
        profile: Profile { phases: Vec::new(), run_time: None, max_request_rate: None },
        user_types: Default::default(),
        tasks: Default::default(),
        http: HttpSettings { timeout: Duration::from_secs(10), ..HttpSettings::default() },
        limits,
        thresholds: Vec::new(),
        graceful_stop: Duration::from_secs(1),
        warm_up: None,
        fleet: Default::default(),
    }
}
