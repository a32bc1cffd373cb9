//! What one request costs: N users on one thread, each sending as fast as it is answered.
//!
//! ```text
//! cargo run -p loadhost-engine --example http_cost -- [URL|own] [USERS] [SECONDS]
//! ```
//!
//! `own` starts a bare server as a child process, which answers each read with 200 bytes of JSON.
//! CPU and memory are those of the users alone.

use std::error::Error;
use std::io::{BufRead as _, BufReader, Read as _};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use loadhost_engine::http::{Client, Grants, Keep, Shared, Template};
use loadhost_model::plan::{HttpSettings, Limits};
use rustix::process::{Resource, getrlimit, setrlimit};
use rustix::time::{ClockId, clock_gettime};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::LocalSet;

fn main() -> Result<(), Box<dyn Error>> {
    let mut args = std::env::args().skip(1);
    let url = args.next().unwrap_or_else(|| "own".to_string());
    let users: usize = args.next().map_or(Ok(64), |text| text.parse())?;
    let seconds: u64 = args.next().map_or(Ok(3), |text| text.parse())?;
    raise_open_files();
    if url == "serve" {
        return serve();
    }
    let server = (url == "own").then(Server::start).transpose()?;
    let url = server.as_ref().map_or(url.as_str(), |server| server.url.as_str());

    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let before = resident_bytes();
    runtime.block_on(LocalSet::new().run_until(measure(url, users, seconds, before)))
}

async fn measure(url: &str, users: usize, seconds: u64, before: u64) -> Result<(), Box<dyn Error>> {
    let settings = HttpSettings::default();
    let shared = Shared::new(&settings, Some(url), &Limits::default(), &Grants::default())?;
    let template = std::rc::Rc::new(Template::new("GET", "/")?);
    let mut clients = Vec::new();
    for _ in 0..users {
        let mut client = Client::new(shared.clone());
        let first = client.send(&template, &[], Keep::Summary).await;
        if let Err(failure) = first.result {
            return Err(format!("the first request failed: {failure}").into());
        }
        clients.push(client);
    }
    let per_user = resident_bytes().saturating_sub(before) / users as u64;

    let (cpu, begun) = (thread_cpu(), Instant::now());
    let end = begun + Duration::from_secs(seconds);
    let mut tasks = Vec::new();
    for mut client in clients {
        let template = template.clone();
        tasks.push(tokio::task::spawn_local(async move {
            let (mut requests, mut failures) = (0u64, 0u64);
            while Instant::now() < end {
                let exchange = client.send(&template, &[], Keep::Summary).await;
                requests += 1;
                failures += u64::from(!exchange.ok());
            }
            (requests, failures)
        }));
    }
    let (mut requests, mut failures) = (0, 0);
    for task in tasks {
        let (sent, failed) = task.await?;
        requests += sent;
        failures += failed;
    }
    let (cpu, wall) = (thread_cpu() - cpu, begun.elapsed());
    println!(
        "{users} users: {requests} requests, {failures} failed, {:.0}/s, {:.2} µs CPU per request, \
         {per_user} resident bytes per user after its first request",
        requests as f64 / wall.as_secs_f64(),
        cpu.as_secs_f64() * 1e6 / requests as f64,
    );
    Ok(())
}

fn thread_cpu() -> Duration {
    let now = clock_gettime(ClockId::ThreadCPUTime);
    Duration::new(now.tv_sec.unsigned_abs(), u32::try_from(now.tv_nsec).unwrap_or_default())
}

fn resident_bytes() -> u64 {
    let statm = std::fs::read_to_string("/proc/self/statm").unwrap_or_default();
    let pages = statm.split(' ').nth(1).and_then(|pages| pages.parse::<u64>().ok());
    pages.unwrap_or_default() * rustix::param::page_size() as u64
}

/// Ten thousand connections are more files than a shell usually allows. Where the limit
/// cannot be raised, the first request beyond it says so.
fn raise_open_files() {
    let mut limit = getrlimit(Resource::Nofile);
    limit.current = limit.maximum;
    let _ = setrlimit(Resource::Nofile, limit);
}

/// A server in a child process, which ends with its standard input.
struct Server {
    process: Child,
    url: String,
}

impl Server {
    fn start() -> Result<Self, Box<dyn Error>> {
        let mut process = Command::new(std::env::current_exe()?)
            .arg("serve")
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()?;
        let output = process.stdout.take().ok_or("the server has no output")?;
        let mut url = String::new();
        BufReader::new(output).read_line(&mut url)?;
        Ok(Self { process, url: url.trim().to_string() })
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        drop(self.process.stdin.take());
        let _ = self.process.wait();
    }
}

/// A server that does as little as a server can.
fn serve() -> Result<(), Box<dyn Error>> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    runtime.block_on(async {
        let listener = TcpListener::bind("127.0.0.1:0").await?;
        println!("http://{}", listener.local_addr()?);
        let end =
            tokio::task::spawn_blocking(|| std::io::stdin().read_to_string(&mut String::new()));
        let accept = async {
            while let Ok((stream, _)) = listener.accept().await {
                tokio::spawn(answer(stream));
            }
        };
        tokio::select! {
            _ = end => {}
            () = accept => {}
        }
        Ok(())
    })
}

async fn answer(mut stream: TcpStream) -> std::io::Result<()> {
    stream.set_nodelay(true)?;
    let body = format!("{{\"text\":\"{}\"}}", "x".repeat(189));
    let answer = format!(
        "HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: {}\r\n\
         date: Sun, 22 Nov 2026 14:00:00 GMT\r\n\r\n{body}",
        body.len()
    );
    let mut buffer = [0; 2048];
    while stream.read(&mut buffer).await? > 0 {
        stream.write_all(answer.as_bytes()).await?;
    }
    Ok(())
}
