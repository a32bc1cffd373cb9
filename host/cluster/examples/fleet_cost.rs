//! What a fleet of many workers costs its master: simulated agents on a real broker, each with a connection of
//! its own, against the real program.
//!
//! ```text
//! nats-server -js -p 4222 &
//! cargo run -p loadhost-cluster --example fleet_cost -- \
//!     LOADHOST SCENARIO.wasm nats://127.0.0.1:4222 AGENTS NAMES SECONDS
//! ```
//!
//! Each agent does what it is told, measures nothing, and reports ten requests for each of NAMES names a second.
//! The requests of the master's summary must be those that the agents reported.

#[allow(dead_code)]
#[path = "../../control/examples/common/mod.rs"]
mod common;

use std::error::Error;
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use common::{REQUESTS_PER_NAME, interval, statistics, status};
use loadhost_cluster::connect::{self, Settings};
use loadhost_cluster::{AgentConfig, AgentLink};
use loadhost_model::id::{ClusterId, RunId, Term, WorkerId};
use loadhost_model::interval::Interval;
use loadhost_model::wire::{Assignment, Report, Step, WorkerState};
use tokio::task::JoinSet;
use tokio::time::{Instant, MissedTickBehavior};

type Fallible<T> = Result<T, Box<dyn Error + Send + Sync>>;

/// For all agents to be assigned, and for the last intervals to be handed over.
const PATIENCE: Duration = Duration::from_secs(60);

#[tokio::main(flavor = "current_thread")]
async fn main() -> Fallible<()> {
    let args: Vec<String> = std::env::args().skip(1).collect();
    let [loadhost, scenario, nats, agents, names, seconds] = args.as_slice() else {
        return Err("usage: fleet_cost LOADHOST SCENARIO.wasm NATS AGENTS NAMES SECONDS".into());
    };
    let (agents, names, seconds) = (agents.parse()?, names.parse()?, seconds.parse::<u64>()?);
    let mut fleet = JoinSet::new();
    for number in 0..agents {
        fleet.spawn(agent(nats.clone(), number, names));
    }
    let summary = std::env::temp_dir().join(format!("fleet-cost-{}.json", std::process::id()));
    let mut master = Command::new(loadhost)
        .args(["master", "--quiet", "--nats", nats, "--scenario", scenario])
        .args(["--host", "http://127.0.0.1:9", "--listen", "127.0.0.1:0", "--max-wait", "2m"])
        .args(["--expect-workers", &agents.to_string(), "--users", &agents.to_string()])
        .args(["--run-time", &format!("{seconds}s"), "--json"])
        .arg(&summary)
        .stdout(Stdio::null())
        .spawn()?;
    let pid = master.id();
    // While it runs only: from a fourth of the time to three fourths.
    let quarter = Duration::from_secs(seconds) / 4;
    let cpu = tokio::spawn(async move {
        while !is_running().await {
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
        tokio::time::sleep(quarter).await;
        let before = cpu_of(pid);
        tokio::time::sleep(quarter * 2).await;
        Some((cpu_of(pid)? - before?, quarter * 2))
    });
    let mut reported = 0;
    while let Some(sum) = fleet.join_next().await {
        reported += sum??;
    }
    let code = tokio::task::spawn_blocking(move || master.wait()).await??.code();
    let counted = requests_in(&summary)?;
    std::fs::remove_file(&summary)?;
    println!("{agents} agents, {names} names each: the master ended with {code:?}");
    println!("requests: {reported} reported, {counted} in the summary");
    if let Some((cpu, span)) = cpu.await? {
        let intervals = f64::from(agents) * span.as_secs_f64();
        println!(
            "master: {:.1} % of a core, {:.0} µs per interval with all that belongs to it",
            100.0 * cpu.as_secs_f64() / span.as_secs_f64(),
            1e6 * cpu.as_secs_f64() / intervals
        );
    }
    Ok(())
}

/// Agents that make load.
static RUNNING: std::sync::atomic::AtomicU32 = std::sync::atomic::AtomicU32::new(0);

async fn is_running() -> bool {
    RUNNING.load(std::sync::atomic::Ordering::Relaxed) > 0
}

/// CPU time of a process so far: fields 14 and 15 of `/proc/PID/stat`, in hundredths of a second.
fn cpu_of(pid: u32) -> Option<Duration> {
    let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    let fields: Vec<&str> = stat.rsplit_once(')')?.1.split_whitespace().collect();
    let ticks = fields.get(11)?.parse::<u64>().ok()? + fields.get(12)?.parse::<u64>().ok()?;
    Some(Duration::from_millis(10 * ticks))
}

fn requests_in(summary: &Path) -> Fallible<u64> {
    let summary: serde_json::Value = serde_json::from_slice(&std::fs::read(summary)?)?;
    summary["total"]["requests"].as_u64().ok_or_else(|| "the summary counts no requests".into())
}

/// Lives for one run. How many requests it reported.
async fn agent(nats: String, number: u32, names: u64) -> Fallible<u64> {
    let worker: WorkerId = format!("agent-{number}").parse()?;
    let settings = Settings { urls: vec![nats], ..Settings::default() };
    let connection = connect::connect(&settings).await?;
    let config = AgentConfig::new(ClusterId::new("default")?, worker.clone());
    let mut link = AgentLink::join(&connection, config).await?;
    let mut said = status(&worker, (Term(0), 0), None, WorkerState::Idle);
    let mut beat = tokio::time::interval(Duration::from_secs(1));
    beat.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let mut load: Option<(Instant, RunId)> = None;
    let (mut seq, mut requests, mut has_run) = (0, 0, false);
    let deadline = Instant::now() + PATIENCE * 4;
    while Instant::now() < deadline {
        let next = load.as_ref().map(|(start, _)| *start + Duration::from_secs(seq + 1));
        tokio::select! {
            _ = beat.tick() => drop(link.reports.send(Report::Status(said.clone())).await),
            changed = link.assignments.changed() => {
                changed?;
                let Some(wanted) = link.assignments.borrow_and_update().clone() else { continue };
                if (wanted.term, wanted.generation) <= said.applied {
                    continue;
                }
                said.applied = (wanted.term, wanted.generation);
                said.run = wanted.work.as_ref().map(|work| work.plan.run.clone());
                let term = wanted.term;
                said.state = follow(wanted, &mut load, &mut has_run, seq);
                if matches!(said.state, WorkerState::Stopped { .. })
                    && let Some((_, run)) = load.take()
                {
                    seq += 1;
                    let last = interval(&run, &worker, seq, statistics(0, 1));
                    let last = Interval { last: true, term, ..last };
                    link.reports.send(Report::Interval(Box::new(last))).await?;
                    said.state = WorkerState::Stopped { last_seq: seq };
                }
                link.reports.send(Report::Status(said.clone())).await?;
                if has_run && said.run.is_none() {
                    break;
                }
            }
            () = tokio::time::sleep_until(next.unwrap_or_else(Instant::now)), if next.is_some() => {
                seq += 1;
                let Some((_, run)) = &load else { continue };
                let measured = interval(run, &worker, seq, statistics(names, seq));
                let measured = Interval { term: said.applied.0, ..measured };
                link.reports.send(Report::Interval(Box::new(measured))).await?;
                requests += names * REQUESTS_PER_NAME;
            }
        }
    }
    link.close(PATIENCE).await;
    Ok(requests)
}

fn follow(
    wanted: Assignment,
    load: &mut Option<(Instant, RunId)>,
    has_run: &mut bool,
    seq: u64,
) -> WorkerState {
    let Some(work) = wanted.work else { return WorkerState::Idle };
    match work.step {
        Step::Prepare => WorkerState::Ready,
        Step::Setup => WorkerState::SetUp { data: "".into() },
        Step::Run { start, .. } => {
            if !*has_run {
                RUNNING.fetch_add(1, std::sync::atomic::Ordering::Relaxed);
                *load = Some((instant_of(start), work.plan.run.clone()));
                *has_run = true;
            }
            WorkerState::Running
        }
        Step::Stop { .. } => WorkerState::Stopped { last_seq: seq },
        Step::Teardown { .. } => WorkerState::TornDown,
    }
}

/// All is on one machine, so its clocks are one.
fn instant_of(micros: u64) -> Instant {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().as_micros() as u64;
    Instant::now() + Duration::from_micros(micros.saturating_sub(now))
}
