//! A run of one user type, and what its workers would say: for examples that measure a coordinator.

use std::collections::BTreeMap;
use std::error::Error;
use std::time::Duration;

use futures_util::future::BoxFuture;
use loadhost_control::ports::{Fleet, FleetError};
use loadhost_model::description::Description;
use loadhost_model::histogram::Histogram;
use loadhost_model::id::{Digest, Incarnation, RunId, Term, WorkerId};
use loadhost_model::interval::{HttpStats, Interval, SeriesStats, Statistics};
use loadhost_model::metric::SeriesKey;
use loadhost_model::plan::{HttpSettings, Limits, RunPlan, TaskFilter};
use loadhost_model::profile::{Curve, Load, Phase, Profile};
use loadhost_model::wire::{Assignment, VERSION, WorkerState, WorkerStatus};
use tokio::sync::mpsc;

pub(crate) const REQUESTS_PER_NAME: u64 = 10;

/// Hands assignments back to the example.
pub(crate) struct Loopback(pub(crate) mpsc::UnboundedSender<(WorkerId, Assignment)>);

impl Fleet for Loopback {
    fn assign(
        &self,
        worker: &WorkerId,
        assignment: Assignment,
    ) -> BoxFuture<'_, Result<(), FleetError>> {
        let worker = worker.clone();
        Box::pin(async move {
            self.0
                .send((worker.clone(), assignment))
                .map_err(|error| FleetError::Undelivered { worker, reason: error.to_string() })
        })
    }
}

/// Ten users, from the start to whenever they are stopped.
pub(crate) fn plan() -> Result<RunPlan, Box<dyn Error>> {
    let users = Curve { start: 10.0, stages: Vec::new(), hold: true };
    let load = Load::Closed { users };
    let phase =
        Phase { name: "main".to_string(), start: Duration::ZERO, load, user_types: Vec::new() };
    Ok(RunPlan {
        run: RunId::new("cost")?,
        scenario: "cost".to_string(),
        module: Digest::new([0; 32]),
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
        graceful_stop: Duration::ZERO,
        warm_up: None,
        fleet: Default::default(),
    })
}

pub(crate) fn description() -> Description {
    Description { name: "cost".to_string(), ..Description::default() }
}

pub(crate) fn status(
    worker: &WorkerId,
    applied: (Term, u64),
    run: Option<RunId>,
    state: WorkerState,
) -> WorkerStatus {
    WorkerStatus {
        version: VERSION,
        worker: worker.clone(),
        incarnation: Incarnation(1),
        release: "cost".to_string(),
        tags: BTreeMap::new(),
        capacity: 1000,
        weight: 1,
        shards: 1,
        users: 0,
        cpu: 0.0,
        memory: 0,
        lag: 0,
        applied,
        share_from: 0,
        run,
        state,
        draining: false,
        edition: Default::default(),
        shared: Default::default(),
    }
}

/// Times around 5 ms, spread like those of a real server.
pub(crate) fn statistics(names: u64, seq: u64) -> Statistics {
    let mut statistics = Statistics::default();
    for name in 0..names {
        let mut times = Histogram::new();
        for n in 0..REQUESTS_PER_NAME {
            times.record(4000 + (name * 37 + seq * 101 + n * n * 311) % 9000);
        }
        let key = SeriesKey::Http {
            method: "GET".into(),
            name: format!("/item/{name}").into(),
            tags: [].into(),
            group: "".into(),
        };
        let stats = HttpStats {
            requests: REQUESTS_PER_NAME,
            service_time: times.clone(),
            response_time: times,
            ..HttpStats::default()
        };
        statistics.series.insert(key, SeriesStats::Http(Box::new(stats)));
    }
    statistics
}

pub(crate) fn interval(
    run: &RunId,
    worker: &WorkerId,
    seq: u64,
    statistics: Statistics,
) -> Interval {
    Interval {
        run: run.clone(),
        worker: worker.clone(),
        incarnation: Incarnation(1),
        seq,
        term: Term(1),
        begin: Duration::from_secs(seq - 1),
        end: Duration::from_secs(seq),
        users: BTreeMap::from([("User".into(), 10)]),
        statistics,
        last: false,
    }
}
