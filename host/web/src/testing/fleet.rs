//! Fleets that a coordinator can be tried on, and a run for them.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use futures_util::future::BoxFuture;
use loadhost_control::StartRequest;
use loadhost_control::ports::{Fleet, FleetError};
use loadhost_model::description::{Description, Order, Task, UserType, WaitTime};
use loadhost_model::id::{Digest, Incarnation, RunId, Term, WorkerId};
use loadhost_model::interval::{HttpStats, Interval, SeriesStats, Statistics};
use loadhost_model::metric::SeriesKey;
use loadhost_model::plan::{HttpSettings, Limits, RunPlan, TaskFilter};
use loadhost_model::profile::{Curve, Load, Phase, Profile};
use loadhost_model::wire::{self, Assignment, Report, Step, WorkerState, WorkerStatus};
use tokio::sync::mpsc;

/// Workers that never do anything.
pub(crate) struct Silence;

impl Fleet for Silence {
    fn assign(&self, _: &WorkerId, _: Assignment) -> BoxFuture<'_, Result<(), FleetError>> {
        Box::pin(async { Ok(()) })
    }
}

/// A worker that does at once what it is asked, and measures ten requests of 20 ms in its run.
pub(crate) struct Obedient(pub(crate) mpsc::Sender<Report>);

impl Fleet for Obedient {
    fn assign(&self, _: &WorkerId, wanted: Assignment) -> BoxFuture<'_, Result<(), FleetError>> {
        Box::pin(async move {
            let applied = (wanted.term, wanted.generation);
            let Some(work) = wanted.work else { return Ok(()) };
            let run = work.plan.run.clone();
            let state = match work.step {
                Step::Prepare => WorkerState::Ready,
                Step::Setup => WorkerState::SetUp { data: "".into() },
                Step::Run { .. } => WorkerState::Running,
                Step::Stop { .. } => WorkerState::Stopped { last_seq: 1 },
                Step::Teardown { .. } => WorkerState::TornDown,
            };
            let running = state == WorkerState::Running;
            let now = WorkerStatus { applied, run: Some(run.clone()), state, ..status("w1", 7) };
            self.0.send(Report::Status(now)).await.unwrap();
            if running {
                self.0.send(Report::Interval(Box::new(ten_requests(run)))).await.unwrap();
            }
            Ok(())
        })
    }
}

fn ten_requests(run: RunId) -> Interval {
    let mut stats = HttpStats { requests: 10, failures: 3, ..HttpStats::default() };
    stats.response_time.record_n(20_000, 10);
    stats.service_time.record_n(15_000, 10);
    let (method, name) = ("GET".into(), "/item/{id}".into());
    let key = SeriesKey::Http { method, name, tags: [].into(), group: "".into() };
    let mut statistics = Statistics::default();
    statistics.series.insert(key, SeriesStats::Http(Box::new(stats)));
    Interval {
        run,
        worker: WorkerId::new("w1").unwrap(),
        incarnation: Incarnation(1),
        seq: 1,
        term: Term(1),
        begin: Duration::ZERO,
        end: Duration::from_secs(1),
        users: BTreeMap::from([("shopper".into(), 7)]),
        statistics,
        last: false,
    }
}

/// Of seven users until it is stopped.
pub(crate) fn request() -> StartRequest {
    let wait = WaitTime::Constant(Duration::from_secs(1));
    let task = Task {
        name: "browse".into(),
        weight: 1,
        tags: Vec::new(),
        wait: None,
        group: None,
        next: Vec::new(),
    };
    let shopper = UserType {
        name: "shopper".into(),
        weight: 1,
        fixed_count: None,
        wait,
        order: Order::Weighted,
        tasks: vec![task],
        groups: Vec::new(),
    };
    let description =
        Description { name: "shop".into(), user_types: vec![shopper], ..Description::default() };
    let users = Curve { start: 7.0, stages: Vec::new(), hold: true };
    let load = Load::Closed { users };
    let phase = Phase { name: "main".into(), start: Duration::ZERO, load, user_types: Vec::new() };
    let plan = RunPlan {
        run: RunId::new("r1").unwrap(),
        scenario: "shop".into(),
        module: Digest::new([7; 32]),
        target: None,
        params: BTreeMap::new(),
        secret_params: Vec::new(),
        data: Default::default(),
        seed: 1,
        profile: Profile { phases: vec![phase], run_time: None, max_request_rate: None },
        user_types: BTreeMap::new(),
        tasks: TaskFilter::default(),
        http: HttpSettings::default(),
        limits: Limits::default(),
        thresholds: Vec::new(),
        graceful_stop: Duration::from_secs(1),
        warm_up: None,
        fleet: Default::default(),
    };
    let max_wait = Duration::from_secs(10);
    StartRequest {
        plan,
        description: Arc::new(description),
        expect_workers: 1,
        max_wait,
        shape: None,
    }
}

/// Idle, with room for 500 users.
pub(crate) fn status(name: &str, users: u32) -> WorkerStatus {
    WorkerStatus {
        version: wire::VERSION,
        worker: WorkerId::new(name).unwrap(),
        incarnation: Incarnation(1),
        release: "0.1.0".into(),
        tags: BTreeMap::new(),
        capacity: 500,
        weight: 1,
        shards: 2,
        users,
        cpu: 0.25,
        memory: 4096,
        lag: 0,
        applied: (Term(0), 0),
        share_from: 0,
        run: None,
        state: WorkerState::Idle,
        draining: false,
        edition: Default::default(),
        shared: Default::default(),
    }
}
