//! What open pages cost a master: CPU of the process with and without them.
//!
//! `cargo run --release -p loadhost-web --example pages_cost -- [PAGES] [NAMES] [SECONDS]`
//!
//! A coordinator merges a run of so many names, each with ten requests a second. The pages are in a process of their own
//! and read everything that they are told.

#[path = "../../control/examples/common/mod.rs"]
#[allow(dead_code, unreachable_pub)]
mod common;

use std::error::Error;
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::time::Duration;

use loadhost_control::ports::{FolderShelf, ShelfBounds};
use loadhost_control::{Coordinator, CoordinatorConfig, Handle, StartRequest};
use loadhost_model::id::{RunId, WorkerId};
use loadhost_model::wire::{Report, Step, WorkerState};
use loadhost_web::access::Front;
use loadhost_web::ops::{Exposure, Ops, Role, bind, serve};
use loadhost_web::site::Site;
use rustix::time::{ClockId, clock_gettime};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;

type Outcome<T> = Result<T, Box<dyn Error>>;

/// For caches to fill and pages to open.
const WARM_UP: Duration = Duration::from_secs(5);

fn cpu() -> Duration {
    let time = clock_gettime(ClockId::ProcessCPUTime);
    Duration::new(time.tv_sec.unsigned_abs(), u32::try_from(time.tv_nsec).unwrap_or_default())
}

#[tokio::main]
async fn main() -> Outcome<()> {
    let args: Vec<String> = std::env::args().skip(1).collect();
    if let [word, address, pages] = &args[..]
        && word == "pages"
    {
        return open(address, pages.parse()?).await;
    }
    let number = |at: usize, usual| args.get(at).map_or(Ok(usual), |text| text.parse::<u64>());
    let (pages, names, seconds) = (number(0, 200)?, number(1, 500)?, number(2, 20)?);
    let stop = CancellationToken::new();
    let handle = fleet(names, &stop).await?;
    let folder = std::env::temp_dir().join(format!("pages-cost-{}", std::process::id()));
    let shelf = Arc::new(FolderShelf::open(&folder, ShelfBounds::default())?);
    let listener = bind("127.0.0.1:0".parse()?, Exposure::Loopback, "--listen", "").await?;
    let address = listener.local_addr()?.to_string();
    let ops = Ops::new(Role::Master(handle.clone())).with_site(Site::single_run(handle, shelf));
    let served = tokio::spawn(serve(Front::open(listener)?, ops, stop.clone()));

    let without = measured(seconds).await;
    let mut readers = readers(&address, pages)?;
    let with = measured(seconds).await;
    println!("{}", told(&address).await?);
    println!("{pages} pages, {names} names: {:.2} % of a core", (with - without) * 100.0);
    println!("with the coordinator {:.2} %, without pages {:.2} %", with * 100.0, without * 100.0);
    let _ = readers.kill();
    let _ = readers.wait();
    stop.cancel();
    served.await??;
    std::fs::remove_dir_all(folder)?;
    Ok(())
}

/// Cores that this process takes.
async fn measured(seconds: u64) -> f64 {
    tokio::time::sleep(WARM_UP).await;
    let (begun, before) = (tokio::time::Instant::now(), cpu());
    tokio::time::sleep(Duration::from_secs(seconds)).await;
    (cpu() - before).as_secs_f64() / begun.elapsed().as_secs_f64()
}

/// What the process counted of its pages.
async fn told(address: &str) -> Outcome<String> {
    let mut stream = TcpStream::connect(address).await?;
    let ask = b"GET /metrics HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\n\r\n";
    stream.write_all(ask).await?;
    let mut text = String::new();
    stream.read_to_string(&mut text).await?;
    let lines =
        text.lines().filter(|line| line.contains("\"web_pages") || line.contains("_told\""));
    Ok(lines.collect::<Vec<_>>().join("\n"))
}

fn readers(address: &str, pages: u64) -> Outcome<Child> {
    let mut command = Command::new(std::env::current_exe()?);
    command.args(["pages", address, &pages.to_string()]).stdin(Stdio::null());
    Ok(command.spawn()?)
}

/// So many pages that read everything.
async fn open(address: &str, pages: u64) -> Outcome<()> {
    let mut open = tokio::task::JoinSet::new();
    for _ in 0..pages {
        let mut page = TcpStream::connect(address).await?;
        page.write_all(b"GET /api/v1/live HTTP/1.1\r\nhost: localhost\r\n\r\n").await?;
        open.spawn(async move {
            let (mut buffer, mut read) = (vec![0; 1 << 16], 0_u64);
            while let Ok(bytes @ 1..) = page.read(&mut buffer).await {
                read += bytes as u64;
            }
            read
        });
    }
    while let Some(read) = open.join_next().await {
        eprintln!("a page was closed after {} bytes", read?);
    }
    Ok(())
}

/// A run that goes on, on one simulated worker.
async fn fleet(names: u64, stop: &CancellationToken) -> Outcome<Handle> {
    let (assignments, mut assigned) = mpsc::unbounded_channel();
    let (reports, receiver) = mpsc::channel(64);
    let fleet = Arc::new(common::Loopback(assignments));
    let config = CoordinatorConfig { start_delay: Duration::ZERO, ..CoordinatorConfig::default() };
    let (handle, _task) = Coordinator::spawn(config, fleet, receiver, stop.clone());
    let worker = WorkerId::new("w1")?;
    let idle = common::status(&worker, Default::default(), None, WorkerState::Idle);
    reports.send(Report::Status(idle)).await?;
    tokio::spawn(async move {
        let mut second = tokio::time::interval(Duration::from_secs(1));
        let mut state = (Default::default(), None, WorkerState::Idle);
        let mut seq = 0;
        loop {
            tokio::select! {
                Some((_, wanted)) = assigned.recv() => {
                    let Some(work) = wanted.work else { continue };
                    let now = match work.step {
                        Step::Prepare => WorkerState::Ready,
                        Step::Setup => WorkerState::SetUp { data: "".into() },
                        Step::Run { .. } => WorkerState::Running,
                        Step::Stop { .. } => WorkerState::Stopped { last_seq: seq },
                        Step::Teardown { .. } => WorkerState::TornDown,
                    };
                    state = ((wanted.term, wanted.generation), Some(work.plan.run.clone()), now);
                }
                _ = second.tick() => {
                    if let (_, Some(run), WorkerState::Running) = &state {
                        seq += 1;
                        let measured = common::statistics(names, seq);
                        let interval = common::interval(run, &worker, seq, measured);
                        if reports.send(Report::Interval(Box::new(interval))).await.is_err() { return }
                    }
                }
            }
            let (applied, run, now) = state.clone();
            let status = common::status(&worker, applied, run, now);
            if reports.send(Report::Status(status)).await.is_err() {
                return;
            }
        }
    });
    let plan = common::plan()?;
    let run: RunId = plan.run.clone();
    let request = StartRequest {
        plan,
        description: Arc::new(common::description()),
        expect_workers: 1,
        max_wait: Duration::from_secs(10),
        shape: None,
    };
    handle.start(request).await?;
    let mut views = handle.view();
    let begun = views.wait_for(|view| view.run(&run).is_some_and(|run| run.total.requests > 0));
    tokio::time::timeout(Duration::from_secs(20), begun).await??;
    Ok(handle)
}
