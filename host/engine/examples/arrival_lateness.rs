//! How late iterations start that are due by the clock: percentiles at 5,000 per second.
//!
//! ```text
//! cargo run --example arrival_lateness -p loadhost-engine -- [RATE] [SECONDS] [SHARDS]
//! ```
//!
//! Prints the lateness of arrivals on shards as they are (users that do nothing), and, beside it,
//! that of two other ways to wait: a thread of its own that sleeps with a timer slack of 1 µs
//! and hands over by a channel, and the timers of the asynchronous runtime.

use std::error::Error;
use std::num::NonZeroU64;
use std::sync::Arc;
use std::time::Duration;

use loadhost_engine::load::clock::RunClock;
use loadhost_engine::load::loader::{LoadSetup, Loader};
use loadhost_engine::load::vu::{CallOutcome, Due, MakeError, UserIdentity, Vu, VuFactory};
use loadhost_engine::shared::Commons;
use loadhost_model::description::{Description, Order, Task, UserType, WaitTime};
use loadhost_model::histogram::Histogram;
use loadhost_model::id::{Digest, RunId, WorkerId};
use loadhost_model::plan::{HttpSettings, Limits, RunPlan, TaskFilter};
use loadhost_model::profile::{Curve, Load, Phase, Profile, Stage};
use loadhost_model::share::Share;
use tokio::sync::mpsc;
use tokio::time::Instant;

type Failure = Box<dyn Error + Send + Sync>;

struct Idle;

impl Vu for Idle {
    async fn start(&mut self) -> CallOutcome {
        CallOutcome::Done
    }

    async fn run_task(&mut self, _: u32, _: Due) -> CallOutcome {
        CallOutcome::Done
    }

    async fn stop(&mut self) -> CallOutcome {
        CallOutcome::Done
    }
}

struct IdleFactory;

impl VuFactory for IdleFactory {
    type Vu = Idle;

    async fn make(&self, _: UserIdentity) -> Result<Idle, MakeError> {
        Ok(Idle)
    }
}

fn main() -> Result<(), Failure> {
    let mut args = std::env::args().skip(1);
    let rate: f64 = args.next().map_or(Ok(5_000.0), |arg| arg.parse())?;
    let seconds: f64 = args.next().map_or(Ok(5.0), |arg| arg.parse())?;
    let shards: u32 = args.next().map_or(Ok(1), |arg| arg.parse())?;
    println!("lateness of {rate} arrivals per second over {seconds} s, in microseconds");
    show("shards", &on_shards(rate, seconds, shards)?);
    show("thread and channel", &on_thread(rate, seconds)?);
    show("runtime's timers", &on_runtime(rate, seconds)?);
    Ok(())
}

fn show(what: &str, lateness: &Histogram) {
    let [p50, p90, p99, p999] = lateness.quantiles([0.5, 0.9, 0.99, 0.999]);
    let (count, max) = (lateness.count(), lateness.max().unwrap_or(0));
    println!(
        "{what:20} n {count:7}  p50 {p50:6}  p90 {p90:6}  p99 {p99:6}  p99.9 {p999:6}  max {max:6}"
    );
}

fn on_shards(rate: f64, seconds: f64, shards: u32) -> Result<Histogram, Failure> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let (logs, _lines) = mpsc::channel(1);
    let plan = Arc::new(plan(rate, seconds)?);
    let setup = LoadSetup {
        shared: Commons::alone(&plan),
        plan,
        description: Arc::new(description()),
        worker: WorkerId::new("example")?,
        share: Share::whole(),
        share_from: Duration::ZERO,
        shards,
        clock: RunClock::starting_at(Instant::now() + Duration::from_millis(100)),
        setup_data: "".into(),
        logs,
        pulse: Arc::default(),
    };
    let mut loader = Loader::start(setup, |_| Ok(IdleFactory))?;
    runtime.block_on(loader.ended());
    let measured = loader.drain(Duration::from_secs_f64(seconds));
    let counters = measured.counters;
    if counters.dropped_arrivals > 0 {
        println!("{} of {} arrivals were dropped", counters.dropped_arrivals, counters.arrivals);
    }
    println!("{:20} {:.1} % of a core per shard", "", measured.health.cpu * 100.0);
    Ok(measured.health.start_lag)
}

fn on_thread(rate: f64, seconds: f64) -> Result<Histogram, Failure> {
    let (send, mut receive) = mpsc::channel(1 << 16);
    let count = (rate * seconds) as u64;
    let thread = std::thread::spawn(move || {
        rustix::thread::set_current_timer_slack(NonZeroU64::new(1_000)).ok();
        let begin = Instant::now();
        for n in 0..count {
            let due = begin + Duration::from_secs_f64(n as f64 / rate);
            std::thread::sleep(due.saturating_duration_since(Instant::now()));
            if send.try_send(due).is_err() {
                break;
            }
        }
    });
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let mut lateness = Histogram::new();
    runtime.block_on(async {
        while let Some(due) = receive.recv().await {
            lateness.record(due.elapsed().as_micros() as u64);
        }
    });
    thread.join().map_err(|_| "the arrival thread panicked")?;
    Ok(lateness)
}

fn on_runtime(rate: f64, seconds: f64) -> Result<Histogram, Failure> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let mut lateness = Histogram::new();
    runtime.block_on(async {
        let begin = Instant::now();
        for n in 0..(rate * seconds) as u64 {
            let due = begin + Duration::from_secs_f64(n as f64 / rate);
            tokio::time::sleep_until(due).await;
            lateness.record(due.elapsed().as_micros() as u64);
        }
    });
    Ok(lateness)
}

fn plan(rate: f64, seconds: f64) -> Result<RunPlan, Failure> {
    let stage = Stage { duration: Duration::from_secs_f64(seconds), target: rate };
    let load = Load::Arrivals {
        rate: Curve { start: rate, stages: vec![stage], hold: false },
        poisson: false,
        preallocated: 64,
        max_users: 64,
        max_lag: Duration::from_secs(1),
    };
    let phase = Phase { name: "main".into(), start: Duration::ZERO, load, user_types: vec![] };
    Ok(RunPlan {
        run: RunId::new("lateness")?,
        scenario: "idle".into(),
        module: Digest::new([0; 32]),
        target: None,
        params: Default::default(),
        secret_params: vec![],
        data: Default::default(),
        seed: 1,
        profile: Profile { phases: vec![phase], run_time: None, max_request_rate: None },
        user_types: Default::default(),
        tasks: TaskFilter::default(),
        http: HttpSettings::default(),
        limits: Limits::default(),
        thresholds: vec![],
        graceful_stop: Duration::from_secs(1),
        warm_up: None,
        fleet: Default::default(),
    })
}

fn description() -> Description {
    let task = Task {
        name: "none".into(),
        weight: 1,
        tags: vec![],
        wait: None,
        group: None,
        next: vec![],
    };
    let user_type = UserType {
        name: "Idle".into(),
        weight: 1,
        fixed_count: None,
        wait: WaitTime::None,
        order: Order::Weighted,
        tasks: vec![task],
        groups: vec![],
    };
    Description { name: "idle".into(), user_types: vec![user_type], ..Description::default() }
}
