//! What tests of this crate share: small plans, statuses and intervals.

#![allow(clippy::unwrap_used)]

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use loadhost_model::description::{Description, Order, Task, UserType, WaitTime};
use loadhost_model::id::{Digest, Incarnation, RunId, Term, WorkerId};
use loadhost_model::interval::{HttpStats, Interval, SeriesStats, Statistics};
use loadhost_model::metric::SeriesKey;
use loadhost_model::plan::{HttpSettings, Limits, RunPlan, TaskFilter};
use loadhost_model::profile::{Curve, Load, Phase, Profile};
use loadhost_model::wire::{VERSION, WorkerState, WorkerStatus};

pub(crate) fn run_id() -> RunId {
    RunId::new("run-1").unwrap()
}

pub(crate) fn worker(name: &str) -> WorkerId {
    WorkerId::new(name).unwrap()
}

pub(crate) fn secs(seconds: u64) -> Duration {
    Duration::from_secs(seconds)
}

/// Ten users for `seconds`.
pub(crate) fn plan(seconds: u64) -> RunPlan {
    let load = Load::Closed { users: Curve { start: 10.0, stages: Vec::new(), hold: true } };
    plan_of(load, Some(secs(seconds)))
}

pub(crate) fn plan_of(load: Load, run_time: Option<Duration>) -> RunPlan {
    RunPlan {
        run: run_id(),
        scenario: "checkout".to_string(),
        module: Digest::new([7; 32]),
        target: Some("http://127.0.0.1:8000".to_string()),
        params: BTreeMap::from([
            ("shop".to_string(), "de".to_string()),
            ("token".to_string(), "hunter2".to_string()),
        ]),
        secret_params: vec!["token".to_string()],
        data: Default::default(),
        seed: 1,
        profile: Profile {
            phases: vec![Phase {
                name: "main".to_string(),
                start: Duration::ZERO,
                load,
                user_types: Vec::new(),
            }],
            run_time,
            max_request_rate: None,
        },
        user_types: BTreeMap::new(),
        tasks: TaskFilter::default(),
        http: HttpSettings::default(),
        limits: Limits::default(),
        thresholds: Vec::new(),
        graceful_stop: secs(5),
        warm_up: None,
        fleet: Default::default(),
    }
}

pub(crate) fn description() -> Arc<Description> {
    Arc::new(Description {
        name: "checkout".to_string(),
        version: Some("1".to_string()),
        user_types: vec![UserType {
            name: "Shopper".to_string(),
            weight: 1,
            fixed_count: None,
            wait: WaitTime::None,
            order: Order::Weighted,
            tasks: vec![task("browse", 3), task("buy", 1)],
            groups: Vec::new(),
        }],
        ..Description::default()
    })
}

pub(crate) fn task(name: &str, weight: u32) -> Task {
    Task {
        name: name.to_string(),
        weight,
        tags: Vec::new(),
        wait: None,
        group: None,
        next: Vec::new(),
    }
}

pub(crate) fn status(worker: &WorkerId, incarnation: u64, state: WorkerState) -> WorkerStatus {
    WorkerStatus {
        version: VERSION,
        worker: worker.clone(),
        incarnation: Incarnation(incarnation),
        release: "0.1.0".to_string(),
        tags: BTreeMap::new(),
        capacity: 1000,
        weight: 1,
        shards: 1,
        users: 0,
        cpu: 0.1,
        memory: 1 << 20,
        lag: 0,
        applied: (Term(0), 0),
        share_from: 0,
        run: None,
        state,
        draining: false,
        edition: Default::default(),
        shared: Default::default(),
    }
}

pub(crate) fn http_key(name: &str) -> SeriesKey {
    SeriesKey::Http { method: "GET".into(), name: name.into(), tags: [].into(), group: "".into() }
}

/// Requests to one name, each as long as the value says, in microseconds; every fourth failed.
pub(crate) fn http(values: &[u64]) -> SeriesStats {
    let mut stats = HttpStats::default();
    for (i, value) in values.iter().enumerate() {
        stats.requests += 1;
        stats.failures += u64::from(i % 4 == 3);
        stats.response_time.record(*value);
        stats.service_time.record(*value / 2);
        *stats.statuses.entry(200).or_default() += 1;
        stats.body_bytes += 100;
    }
    SeriesStats::Http(Box::new(stats))
}

/// Second `seq - 1` of a worker, with these requests.
pub(crate) fn interval(worker: &WorkerId, seq: u64, series: &[(&str, &[u64])]) -> Interval {
    Interval {
        run: run_id(),
        worker: worker.clone(),
        incarnation: Incarnation(1),
        seq,
        term: Term(1),
        begin: secs(seq - 1),
        end: secs(seq),
        users: BTreeMap::from([("Shopper".into(), 5)]),
        statistics: Statistics {
            series: series.iter().map(|(name, values)| (http_key(name), http(values))).collect(),
            ..Statistics::default()
        },
        last: false,
    }
}

/// Of an interval of [`interval`].
pub(crate) fn requests(interval: &Interval) -> u64 {
    let of = |stats: &SeriesStats| match stats {
        SeriesStats::Http(http) => http.requests,
        _ => 0,
    };
    interval.statistics.series.values().map(of).sum()
}
