//! Plans, assignments and intervals to send around.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use loadhost_cluster::lease::Standing;
use loadhost_cluster::subjects::Names;
use loadhost_cluster::{
    AgentConfig, AgentLink, Connection, FleetConfig, JoinError, Membership, NatsFleet, NatsState,
};
use loadhost_control::ports::StateStore;
use loadhost_model::histogram::Histogram;
use loadhost_model::id::{ClusterId, Digest, Incarnation, RunId, Term, WorkerId};
use loadhost_model::interval::{HttpStats, Interval, SeriesStats, Statistics};
use loadhost_model::metric::SeriesKey;
use loadhost_model::plan::{HttpSettings, Limits, RunPlan, TaskFilter};
use loadhost_model::profile::Profile;
use loadhost_model::share::Share;
use loadhost_model::wire::{self, Assignment, Report, Step, Work, WorkerState, WorkerStatus};
use tokio::sync::mpsc;

pub(crate) fn cluster() -> ClusterId {
    ClusterId::new("test").expect("a cluster id")
}

pub(crate) fn run(name: &str) -> RunId {
    RunId::new(name).expect("a run id")
}

pub(crate) fn worker(name: &str) -> WorkerId {
    WorkerId::new(name).expect("a worker id")
}

/// With times as short as a test wants them and a busy machine allows.
pub(crate) fn fleet_config(id: &str) -> FleetConfig {
    static MASTERS: AtomicU64 = AtomicU64::new(1);
    let incarnation = Incarnation(MASTERS.fetch_add(1, Ordering::Relaxed));
    FleetConfig {
        lease: Duration::from_secs(2),
        heartbeat: Duration::from_millis(200),
        ..FleetConfig::new(cluster(), id, incarnation)
    }
}

/// A master that leads. Dropped, it ends like a crash.
pub(crate) struct Leader {
    fleet: Arc<NatsFleet>,
    membership: Membership,
}

impl Leader {
    /// Ends in good order: the term is released.
    pub(crate) async fn close(&self) {
        self.fleet.close().await;
        self.membership.leave().await;
    }

    /// Waits until it leads (again).
    pub(crate) async fn elected(&self) -> Standing {
        self.membership.elected().await
    }
}

impl std::ops::Deref for Leader {
    type Target = NatsFleet;

    fn deref(&self) -> &NatsFleet {
        &self.fleet
    }
}

pub(crate) async fn lead(connection: &Connection, id: &str) -> (Leader, mpsc::Receiver<Report>) {
    lead_with(connection, fleet_config(id)).await.expect("lead")
}

pub(crate) async fn lead_with(
    connection: &Connection,
    config: FleetConfig,
) -> Result<(Leader, mpsc::Receiver<Report>), JoinError> {
    let membership = Membership::join(connection, &config, None).await?;
    let standing = membership.elected().await;
    let term = standing.term();
    let names = Names::new(config.cluster.clone());
    let state = NatsState::open(connection, &names, config.replicas).await?;
    state.load(term).await.expect("nothing is saved");
    let (fleet, mut reports) = NatsFleet::open(connection, &membership, standing, 0).await?;
    let (sender, receiver) = mpsc::channel(1);
    // As a coordinator does that keeps all it is told.
    tokio::spawn(async move {
        while let Some(report) = reports.recv().await {
            if let Report::Position(position) = report {
                // It is told again.
                let _ = state.release(term, position).await;
            } else if sender.send(report).await.is_err() {
                return;
            }
        }
    });
    Ok((Leader { fleet, membership }, receiver))
}

pub(crate) async fn join(connection: &Connection, name: &str) -> AgentLink {
    let config = AgentConfig {
        dead_man: Duration::from_secs(2),
        poll: Duration::from_millis(500),
        ..AgentConfig::new(cluster(), worker(name))
    };
    AgentLink::join(connection, config).await.expect("join")
}

pub(crate) fn assignment(term: Term, generation: u64, work: Option<Work>) -> Assignment {
    Assignment { version: wire::VERSION, term, generation, to: None, work }
}

pub(crate) fn work(run_id: &str) -> Work {
    let plan = RunPlan {
        run: run(run_id),
        scenario: "test".into(),
        module: Digest::new([7; 32]),
        target: None,
        params: BTreeMap::new(),
        secret_params: Vec::new(),
        data: Default::default(),
        seed: 1,
        profile: Profile { phases: Vec::new(), run_time: None, max_request_rate: None },
        user_types: BTreeMap::new(),
        tasks: TaskFilter::default(),
        http: HttpSettings::default(),
        limits: Limits::default(),
        thresholds: Vec::new(),
        graceful_stop: Duration::from_secs(1),
        warm_up: None,
        fleet: Default::default(),
    };
    Work {
        plan: Arc::new(plan),
        share: Share::whole(),
        share_from: 0,
        step: Step::Prepare,
        next: None,
        shared: Default::default(),
    }
}

/// The `seq`-th second of a worker, with `names` series of one request each.
pub(crate) fn interval(run_id: &str, worker_id: &str, seq: u64, names: usize) -> Interval {
    let mut statistics = Statistics::default();
    for name in 0..names {
        let mut response_time = Histogram::new();
        response_time.record(1_000 + seq);
        let stats = HttpStats { requests: 1, response_time, ..HttpStats::default() };
        let key = SeriesKey::Http {
            method: "GET".into(),
            name: format!("/a/rather/long/name/of/a/request/{name}").into(),
            tags: [].into(),
            group: "".into(),
        };
        statistics.series.insert(key, SeriesStats::Http(Box::new(stats)));
    }
    Interval {
        run: run(run_id),
        worker: worker(worker_id),
        incarnation: Incarnation(42),
        seq,
        term: Term(1),
        begin: Duration::from_secs(seq - 1),
        end: Duration::from_secs(seq),
        users: BTreeMap::from([("shopper".into(), 3)]),
        statistics,
        last: false,
    }
}

pub(crate) fn status(worker_id: &str) -> WorkerStatus {
    WorkerStatus {
        version: wire::VERSION,
        worker: worker(worker_id),
        incarnation: Incarnation(42),
        release: "0.1.0".into(),
        tags: BTreeMap::new(),
        capacity: 100,
        weight: 1,
        shards: 1,
        users: 0,
        cpu: 0.0,
        memory: 0,
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

/// The next report that is an interval.
pub(crate) async fn next_interval(reports: &mut mpsc::Receiver<Report>) -> Interval {
    loop {
        match super::broker::soon("an interval", reports.recv()).await {
            Some(Report::Interval(interval)) => return *interval,
            Some(_) => {}
            None => panic!("the fleet was closed"),
        }
    }
}
