//! What a sandboxed user costs: N users of a scenario on one thread, each running its first task
//! as fast as it is answered.
//!
//! ```text
//! cargo run -p loadhost-engine --example vu_cost -- SCENARIO.wasm [URL|own] [USERS] [SECONDS]
//! ```
//!
//! `own` starts a bare server on a second thread, which answers each read with 200 bytes of JSON.
//! CPU is that of the users' thread alone.

use std::error::Error;
use std::sync::Arc;
use std::time::{Duration, Instant as StdInstant};

use loadhost_engine::http::{Grants, Shared};
use loadhost_engine::load::alarm::Alarm;
use loadhost_engine::load::clock::RunClock;
use loadhost_engine::load::gate::Gate;
use loadhost_engine::load::log::{LogSink, QUEUED_LINES};
use loadhost_engine::load::vu::{CallOutcome, Due, ShardContext, UserIdentity, Vu, VuFactory};
use loadhost_engine::recorder::{Names, Recorder};
use loadhost_engine::sandbox::{Sandbox, WasmVuFactory};
use loadhost_engine::scenario::{Scenario, StructureCaps};
use loadhost_model::plan::{HttpSettings, Limits, RunPlan};
use loadhost_model::profile::Profile;
use rustix::time::{ClockId, clock_gettime};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpListener;
use tokio::task::LocalSet;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

fn main() -> Result<(), Box<dyn Error>> {
    let mut args = std::env::args().skip(1);
    let file = args.next().ok_or("give the file of a scenario")?;
    let url = args.next().unwrap_or_else(|| "own".to_string());
    let users: u32 = args.next().map_or(Ok(64), |text| text.parse())?;
    let seconds: u64 = args.next().map_or(Ok(3), |text| text.parse())?;
    let url = if url == "own" { start_server()? } else { url };

    let begun = StdInstant::now();
    let scenario = Scenario::load(&std::fs::read(file)?, &StructureCaps::default(), None)?;
    let loaded = begun.elapsed();
    let plan = Arc::new(plan(&scenario, url)?);
    let before = resident_bytes();
    let begun = StdInstant::now();
    let sandbox = Sandbox::new(&scenario, plan, users)?;
    println!("compiled and described in {loaded:.0?}, pool made in {:.0?}", begun.elapsed());
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    runtime.block_on(LocalSet::new().run_until(measure(sandbox, users, seconds, before)))
}

fn plan(scenario: &Scenario, url: String) -> Result<RunPlan, Box<dyn Error>> {
    let params = scenario.description().parameters.iter();
    let params = params.filter_map(|param| Some((param.name.clone(), param.default.clone()?)));
    Ok(RunPlan {
        run: "cost".parse()?,
        scenario: scenario.description().name.clone(),
        module: scenario.digest(),
        target: Some(url),
        params: params.collect(),
        secret_params: Vec::new(),
        data: Default::default(),
        seed: 1,
        profile: Profile { phases: Vec::new(), run_time: None, max_request_rate: None },
        user_types: Default::default(),
        tasks: Default::default(),
        http: HttpSettings::default(),
        limits: Limits::default(),
        thresholds: Vec::new(),
        graceful_stop: Duration::ZERO,
        warm_up: None,
        fleet: Default::default(),
    })
}

async fn measure(
    sandbox: Arc<Sandbox>,
    users: u32,
    seconds: u64,
    before: u64,
) -> Result<(), Box<dyn Error>> {
    let plan = Arc::clone(sandbox.plan());
    let clock = RunClock::starting_at(Instant::now());
    let recorder = Arc::new(Recorder::new(clock, Arc::new(Names::new(&plan.limits))));
    let (lines, _log) = tokio::sync::mpsc::channel(QUEUED_LINES);
    let worker = "cost".parse()?;
    let shard = ShardContext {
        shard: 0,
        worker: (0, 1),
        clock,
        setup_data: "".into(),
        recorder: Arc::clone(&recorder),
        gate: Arc::new(Gate::new(Alarm::new(), clock, Arc::clone(&recorder))),
        logs: LogSink::new(plan.run.clone(), worker, clock, Arc::clone(&recorder), lines),
        shared: loadhost_engine::shared::Commons::alone(&plan),
    };
    let http = Shared::new(&plan.http, plan.target.as_deref(), &plan.limits, &Grants::default())?;
    let factory = WasmVuFactory::new(sandbox, shard, http);

    let (begun, cpu) = (StdInstant::now(), thread_cpu());
    let mut vus = Vec::new();
    for number in 0..users {
        let identity = UserIdentity {
            number: number.into(),
            user_type: 0,
            seed: number.into(),
            interrupt: CancellationToken::new(),
        };
        vus.push(factory.make(identity).await?);
    }
    println!(
        "{users} users made in {:.0?}, {:.1} µs CPU and {} resident bytes each",
        begun.elapsed(),
        (thread_cpu() - cpu).as_secs_f64() * 1e6 / f64::from(users),
        resident_bytes().saturating_sub(before) / u64::from(users),
    );
    for vu in &mut vus {
        check(vu.start().await)?;
        check(vu.run_task(0, Due::now()).await)?;
    }
    let per_user = resident_bytes().saturating_sub(before) / u64::from(users);

    if let Some(vu) = vus.first_mut() {
        println!("the future of a task has {} bytes", size_of_val(&vu.run_task(0, Due::now())));
    }
    let (cpu, begun) = (thread_cpu(), StdInstant::now());
    let end = begun + Duration::from_secs(seconds);
    let mut tasks = Vec::new();
    for mut vu in vus {
        tasks.push(tokio::task::spawn_local(async move {
            let (mut iterations, mut failures) = (0u64, 0u64);
            while StdInstant::now() < end {
                let outcome = vu.run_task(0, Due::now()).await;
                iterations += 1;
                failures += u64::from(outcome != CallOutcome::Done);
            }
            (iterations, failures)
        }));
    }
    let (mut iterations, mut failures) = (0, 0);
    for task in tasks {
        let (done, failed) = task.await?;
        iterations += done;
        failures += failed;
    }
    let (cpu, wall) = (thread_cpu() - cpu, begun.elapsed());
    println!(
        "{users} users: {iterations} iterations, {failures} failed, {:.0}/s, {:.2} µs CPU per iteration, \
         {per_user} resident bytes per user after its first iteration",
        iterations as f64 / wall.as_secs_f64(),
        cpu.as_secs_f64() * 1e6 / iterations as f64,
    );
    Ok(())
}

fn check(outcome: CallOutcome) -> Result<(), Box<dyn Error>> {
    match outcome {
        CallOutcome::Done => Ok(()),
        other => Err(format!("{other:?}").into()),
    }
}

fn thread_cpu() -> Duration {
    let now = clock_gettime(ClockId::ThreadCPUTime);
    Duration::new(now.tv_sec.unsigned_abs(), u32::try_from(now.tv_nsec).unwrap_or_default())
}

fn resident_bytes() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).unwrap_or_default();
    line.trim().trim_end_matches("kB").trim().parse::<u64>().unwrap_or(0) << 10
}

fn start_server() -> Result<String, Box<dyn Error>> {
    let listener = std::net::TcpListener::bind("127.0.0.1:0")?;
    listener.set_nonblocking(true)?;
    let address = listener.local_addr()?;
    std::thread::spawn(move || {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
        runtime.block_on(async {
            let listener = TcpListener::from_std(listener)?;
            let body = "x".repeat(198);
            let answer = format!(
                "HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: 200\r\n\r\n\"{body}\""
            );
            let answer: Arc<str> = answer.into();
            loop {
                let (mut stream, _) = listener.accept().await?;
                let answer = Arc::clone(&answer);
                tokio::spawn(async move {
                    let mut buffer = [0; 4096];
                    while stream.read(&mut buffer).await.is_ok_and(|read| read > 0) {
                        if stream.write_all(answer.as_bytes()).await.is_err() {
                            break;
                        }
                    }
                });
            }
            #[allow(unreachable_code)]
            Ok::<(), std::io::Error>(())
        })
    });
    Ok(format!("http://{address}"))
}
