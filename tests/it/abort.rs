//! How soon a run that a threshold aborts has ended on all its workers, as the target sees it.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use loadhost_tests::{Member, Nats, Outcome, Program, eventually, scenario};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinSet;

const PATIENCE: Duration = Duration::from_secs(60);
/// A second is over before it is judged, and all are told; and what a busy machine adds.
const ENDED: Duration = Duration::from_millis(1_500);
const BUSY: Duration = Duration::from_millis(2_500);

/// What the target was asked, and when.
#[derive(Default)]
struct Asked {
    count: u64,
    last: Option<Instant>,
    is_failing: bool,
    first_failed: Option<Instant>,
}

/// Answers each request well, until it is to fail.
struct Target {
    url: String,
    asked: Arc<Mutex<Asked>>,
    _tasks: JoinSet<()>,
}

impl Target {
    async fn start() -> Result<Target> {
        let listener = TcpListener::bind("127.0.0.1:0").await?;
        let url = format!("http://{}", listener.local_addr()?);
        let asked = Arc::<Mutex<Asked>>::default();
        let mut tasks = JoinSet::new();
        tasks.spawn(accept(listener, asked.clone()));
        Ok(Target { url, asked, _tasks: tasks })
    }

    fn look<T>(&self, look: impl FnOnce(&mut Asked) -> T) -> T {
        look(&mut self.asked.lock().unwrap_or_else(PoisonError::into_inner))
    }

    /// From the first bad answer to the last request.
    fn went_on_for(&self) -> Option<Duration> {
        self.look(|asked| Some(asked.last?.saturating_duration_since(asked.first_failed?)))
    }
}

async fn accept(listener: TcpListener, asked: Arc<Mutex<Asked>>) {
    let mut connections = JoinSet::new();
    while let Ok((connection, _)) = listener.accept().await {
        connections.spawn(answer_all(connection, asked.clone()));
    }
}

/// Requests without a body, one after the other, until the connection ends.
async fn answer_all(mut connection: TcpStream, asked: Arc<Mutex<Asked>>) {
    let (mut request, mut chunk) = (Vec::new(), [0; 4096]);
    while let Ok(read @ 1..) = connection.read(&mut chunk).await {
        request.extend_from_slice(&chunk[..read]);
        if !request.ends_with(b"\r\n\r\n") {
            continue;
        }
        request.clear();
        let status = answer(&mut asked.lock().unwrap_or_else(PoisonError::into_inner));
        let text = format!("HTTP/1.1 {status}\r\nContent-Length: 0\r\n\r\n");
        if connection.write_all(text.as_bytes()).await.is_err() {
            return;
        }
    }
}

fn answer(asked: &mut Asked) -> &'static str {
    let now = Instant::now();
    (asked.count, asked.last) = (asked.count + 1, Some(now));
    if !asked.is_failing {
        return "200 OK";
    }
    asked.first_failed.get_or_insert(now);
    "500 Internal Server Error"
}

/// Three workers, of which the last is stopped in the moment when the target begins to fail, or none is. How long
/// the target was asked after its first bad answer.
async fn aborted(silent: bool) -> Result<Duration> {
    let (nats, target) = (Nats::start()?, Target::start().await?);
    let _leader = Member::leading(&nats.url(), &[])?;
    let workers: Result<Vec<_>> =
        ["w1", "w2", "w3"].map(|id| Member::worker(&nats.url(), id)).into_iter().collect();
    let workers = workers?;
    let args = ["master", "--nats", &nats.url(), "--listen", "127.0.0.1:0"];
    let (process, folder) = Program::new(args)?
        .args(["--expect-workers", "3", "--host", &target.url, "--rate", "150/s"])
        .args(["--max-users", "30", "--run-time", "2m", "--json", "out.json"])
        .args(["--threshold", "http_req_failed rate < 1%", "--abort-after", "1s"])
        .args(["--scenario".as_ref(), scenario("http-get")?.as_os_str()])
        .spawn()?;
    eventually(PATIENCE, async || {
        let count = target.look(|asked| asked.count);
        ensure!(count > 450, "{count} requests");
        Ok(())
    })
    .await?;
    if silent {
        workers[2].pause()?;
    }
    target.look(|asked| asked.is_failing = true);
    // The target answers while the end is waited for.
    let end = tokio::task::spawn_blocking(move || Outcome::of(process, folder, PATIENCE));
    let ended = end.await??.json("out.json")?["ended"].clone();
    ensure!(ended["reason"] == "threshold-abort", "{ended}");
    target.went_on_for().context("the target did not fail")
}

#[tokio::test]
async fn an_abort_by_a_threshold_reaches_three_workers_within_a_second_of_being_known() -> Result<()>
{
    let went_on = aborted(false).await?;
    eprintln!("load ended {went_on:?} after the first bad answer");
    ensure!(went_on < ENDED + BUSY, "load ended {went_on:?} after the first bad answer");
    Ok(())
}

#[tokio::test]
async fn an_abort_by_a_threshold_does_not_wait_for_a_worker_that_is_silent() -> Result<()> {
    let went_on = aborted(true).await?;
    eprintln!("load ended {went_on:?} after the first bad answer");
    ensure!(went_on < ENDED + BUSY, "load ended {went_on:?} after the first bad answer");
    Ok(())
}
