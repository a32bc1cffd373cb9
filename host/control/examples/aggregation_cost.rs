//! What one coordinator pays for the intervals of many workers.
//!
//! ```text
//! cargo run -p loadhost-control --example aggregation_cost -- [WORKERS] [NAMES] [SECONDS]
//! ```
//!
//! Plays that many workers, each with an interval of that many names per second and ten requests per
//! name, as fast as the coordinator takes them, and prints the CPU time that it took. Below one second per
//! second of load, one core suffices.

mod common;

use std::error::Error;
use std::sync::Arc;
use std::time::{Duration, Instant};

use common::{Loopback, REQUESTS_PER_NAME, description, interval, plan, statistics, status};
use loadhost_control::{Coordinator, CoordinatorConfig, StartRequest};
use loadhost_model::id::{Term, WorkerId};
use loadhost_model::plan::RunPlan;
use loadhost_model::wire::{Report, Step, WorkerState};
use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;

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
        plan: RunPlan { thresholds: vec!["http_req_duration p(95) < 500ms".parse()?], ..plan()? },
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

    let template = statistics(names, 0);
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
