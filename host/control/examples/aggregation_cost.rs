//! What one coordinator pays for the intervals of many workers.
//!
//! ```text
//! cargo run -p loadhost-control --example aggregation_cost -- [WORKERS] [NAMES] [SECONDS]
//! ```
//!
//! Plays that many workers, each with an interval of that many names per second and ten requests per
//! name, as fast as the coordinator takes them, and prints the CPU time that it took. Below one second per
//! second of load, one core suffices.

use std::collections::BTreeMap;
use std::error::Error;
use std::sync::Arc;
use std::time::{Duration, Instant};

use futures_util::future::BoxFuture;
use loadhost_control::ports::{Fleet, FleetError};
use loadhost_control::{Coordinator, CoordinatorConfig, StartRequest};
use loadhost_model::description::Description;
use loadhost_model::histogram::Histogram;
use loadhost_model::id::{Digest, Incarnation, RunId, Term, WorkerId};
use loadhost_model::interval::{HttpStats, Interval, SeriesStats, Statistics};
use loadhost_model::metric::SeriesKey;
use loadhost_model::plan::{HttpSettings, Limits, RunPlan, TaskFilter};
use loadhost_model::profile::{Curve, Load, Phase, Profile};
use loadhost_model::wire::{Assignment, Report, Step, VERSION, WorkerState, WorkerStatus};
use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;

const REQUESTS_PER_NAME: u64 = 10;

/// Hands assignments back to the loop below.
struct Loopback(mpsc::UnboundedSender<(WorkerId, Assignment)>);

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

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Box<dyn Error>> {
    let mut args = std::env::args().skip(1).map(|arg| arg.parse::<u64>());
    let mut next = |default| args.next().unwrap_or(Ok(default));
    let (workers, names, seconds) = (next(1000)?, next(100)?, next(5)?);

    let (assignments, mut assigned) = mpsc::unbounded_channel();
    let (reports, inbox) = mpsc::channel(1024);
    let stop = CancellationToken::new();
    let config = CoordinatorConfig { start_delay: Duration::ZERO, ..CoordinatorConfig::default() };
    let (handle, task) =
        Coordinator::spawn(config, Arc::new(Loopback(assignments)), inbox, stop.clone());

    let ids =
        (0..workers).map(|n| WorkerId::new(format!("w{n:04}"))).collect::<Result<Vec<_>, _>>()?;
    for id in &ids {
        reports.send(Report::Status(status(id, (Term(0), 0), None, WorkerState::Idle))).await?;
    }
    let request = StartRequest {
        plan: plan()?,
        description: Arc::new(description()),
        expect_workers: u32::try_from(workers)?,
        max_wait: Duration::from_secs(10),
        shape: None,
    };
    let run = handle.start(request).await?;

    // Follow assignments until all are running.
    let mut running = 0;
    while running < workers {
        let Some((id, assignment)) = assigned.recv().await else {
            return Err("the coordinator ended".into());
        };
        let state = match assignment.work.map(|work| work.step) {
            Some(Step::Prepare) => WorkerState::Ready,
            Some(Step::Setup) => WorkerState::SetUp { data: "".into() },
            Some(Step::Run { .. }) => {
                running += 1;
                WorkerState::Running
            }
            _ => continue,
        };
        let applied = (assignment.term, assignment.generation);
        reports.send(Report::Status(status(&id, applied, Some(run.clone()), state))).await?;
    }

    let template = statistics(names);
    let began = Instant::now();
    for seq in 1..=seconds {
        for id in &ids {
            let interval = interval(&run, id, seq, template.clone());
            reports.send(Report::Interval(Box::new(interval))).await?;
        }
    }
    let expected = workers * names * seconds * REQUESTS_PER_NAME;
    let mut view = handle.view();
    view.wait_for(|view| view.run(&run).is_some_and(|run| run.total.requests >= expected)).await?;
    let took = began.elapsed();
    let intervals = (workers * seconds) as f64;
    println!(
        "{workers} workers x {names} names x {REQUESTS_PER_NAME} requests, {seconds} s of load"
    );
    println!("{:.1} us per interval, making it included", took.as_secs_f64() * 1e6 / intervals);
    println!("{:.2} s per second of load", took.as_secs_f64() / seconds as f64);
    stop.cancel();
    task.await?;
    Ok(())
}

fn plan() -> Result<RunPlan, Box<dyn Error>> {
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
        seed: 1,
        profile: Profile { phases: vec![phase], run_time: None, max_request_rate: None },
        user_types: BTreeMap::new(),
        tasks: TaskFilter::default(),
        http: HttpSettings::default(),
        limits: Limits::default(),
        thresholds: vec!["http_req_duration p(95) < 500ms".parse()?],
        graceful_stop: Duration::ZERO,
        warm_up: None,
        fleet: Default::default(),
    })
}

fn description() -> Description {
    Description {
        name: "cost".to_string(),
        version: None,
        sdk: None,
        user_types: Vec::new(),
        thresholds: Vec::new(),
        data_sets: Vec::new(),
        hosts: Vec::new(),
        parameters: Vec::new(),
        settings: Vec::new(),
        has_load_shape: false,
    }
}

fn status(
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
        applied,
        share_from: 0,
        run,
        state,
        draining: false,
    }
}

/// Times around 5 ms, spread like those of a real server.
fn statistics(names: u64) -> Statistics {
    let mut statistics = Statistics::default();
    for name in 0..names {
        let mut times = Histogram::new();
        for n in 0..REQUESTS_PER_NAME {
            times.record(4000 + (name * 37 + n * n * 311) % 9000);
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

fn interval(run: &RunId, worker: &WorkerId, seq: u64, statistics: Statistics) -> Interval {
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
