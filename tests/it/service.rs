//! Whether a process takes work, as load balancers and orchestrators ask it: its ports, and how it leaves.

use std::net::TcpListener;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use loadhost_tests::{Member, Nats, Outcome, Process, Program, Shop, eventually, scenario};
use rustix::process::Signal;
use serde_json::Value;

const PATIENCE: Duration = Duration::from_secs(60);

/// Status and body of `GET URL`.
async fn ask(url: &str) -> Result<(u16, String)> {
    let _ = rustls::crypto::ring::default_provider().install_default();
    let client = reqwest::Client::builder().no_proxy().timeout(Duration::from_secs(5)).build()?;
    let answer = client.get(url).send().await?;
    Ok((answer.status().as_u16(), answer.text().await?))
}

/// A worker, and where it says that it serves `what`.
fn worker(nats: &Nats, args: &[&str]) -> Result<(Process, tempfile::TempDir)> {
    Program::new(["worker", "--nats", &nats.url(), "--id", "w1"])?.args(args).spawn()
}

fn port_of(process: &mut Process, what: &str) -> Result<String> {
    process.wait_until(PATIENCE, |said| {
        let line = said.lines().find(|line| line.ends_with(&format!("({what})")))?;
        line.strip_prefix("listening on ")?.split(' ').next().map(str::to_string)
    })
}

#[tokio::test]
async fn a_worker_answers_health_and_metrics_at_a_port_each_and_is_ready_once_it_has_joined()
-> Result<()> {
    let nats = Nats::start()?;
    let any = "127.0.0.1:0";
    let (mut process, _folder) = worker(&nats, &["--health-listen", any, "--metrics-listen", any])?;
    let health = port_of(&mut process, "/health and /ready")?;
    let metrics = port_of(&mut process, "/metrics")?;
    for (url, status) in [
        (format!("{health}/health"), 200),
        (format!("{health}/metrics"), 404),
        (format!("{metrics}/metrics"), 200),
        (format!("{metrics}/ready"), 404),
        (format!("{metrics}/health"), 404),
    ] {
        ensure!(ask(&url).await?.0 == status, "{url} is not answered with {status}");
    }
    let (status, why) = ask(&format!("{health}/ready")).await?;
    ensure!(status == 503 && why.contains("no master leads"), "{status} {why}");
    let _master = Member::leading(&nats.url(), &[])?;
    eventually(PATIENCE, async || {
        let answer = ask(&format!("{health}/ready")).await?;
        ensure!(answer == (200, "ready\n".to_string()), "{answer:?}");
        Ok(())
    })
    .await
}

#[tokio::test]
async fn a_default_port_that_is_taken_is_told_and_done_without_and_a_given_one_is_an_error()
-> Result<()> {
    let nats = Nats::start()?;
    // Somebody else may have them already, which is as good.
    let _taken = [8080, 9090].map(|port| TcpListener::bind(("127.0.0.1", port)));
    let (mut process, _folder) = worker(&nats, &[])?;
    for said in [
        "note: 127.0.0.1:8080 is in use",
        "--health-listen",
        "note: 127.0.0.1:9090 is in use",
        "--metrics-listen",
    ] {
        process.wait_until(PATIENCE, |all| all.contains(said).then_some(())).context(said)?;
    }
    let mine = TcpListener::bind("127.0.0.1:0")?;
    let address = mine.local_addr()?.to_string();
    for flag in ["--health-listen", "--metrics-listen", "--listen"] {
        let (process, folder) = worker(&nats, &[flag, &address])?;
        let outcome = Outcome::of(process, folder, PATIENCE)?.expect_code(113)?;
        outcome.expect_said(&[flag, &address])?;
    }
    Ok(())
}

/// Starts a run of the checkout scenario at the master at `url`.
fn start(url: &str, shop: &Shop, args: &[&str]) -> Result<()> {
    let file = scenario("checkout")?;
    let file = file.to_str().context("no text")?;
    let program = Program::new(["start", file, "--url", url, "--host", shop.url()])?;
    program.args(["--param", "pause=20ms"]).args(args).run()?.expect_code(0).map(drop)
}

async fn runs(master: &Member, wanted: impl Fn(&Value) -> bool) -> Result<Value> {
    eventually(PATIENCE, async || {
        let run = master.run().await?;
        ensure!(wanted(&run), "{run:#}");
        Ok(run)
    })
    .await
}

/// The run is over, and the master shows as many requests as the target served.
async fn ends_exact(master: &Member, shop: &Shop) -> Result<()> {
    let run = runs(master, |run| run["state"] == "finished").await?;
    ensure!(run["ended"]["reason"] == "completed", "{}", run["ended"]);
    ensure!(run["collection"]["missing"] == 0, "{}", run["collection"]);
    ensure!(run["total"]["requests"] == shop.requests().await?, "{}", run["total"]["requests"]);
    Ok(())
}

#[tokio::test]
async fn a_worker_that_is_told_to_stop_says_so_at_once_and_hands_over_all_it_has() -> Result<()> {
    let (nats, shop) = (Nats::start()?, Shop::start(&["--delay", "1ms"])?);
    let master = Member::leading(&nats.url(), &[])?;
    let (mut stays, mut goes) =
        (Member::worker(&nats.url(), "w1")?, Member::worker(&nats.url(), "w2")?);
    for worker in [&mut stays, &mut goes] {
        worker.says(" joined ")?;
        ensure!(worker.is_ready().await, "{}", worker.log());
    }
    start(master.url(), &shop, &["--users", "20", "--run-time", "12s", "--expect-workers", "2"])?;
    runs(&master, |run| run["users"] == 20).await?;
    goes.ask_to_stop()?;
    let asked = Instant::now();
    let mut answers = Vec::new();
    while let Ok(answer) = goes.get("ready").await {
        answers.push((answer.status().as_u16(), answer.text().await.unwrap_or_default()));
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    // The signal may be on its way for a moment.
    let of_before = answers.iter().take_while(|(status, _)| *status == 200).count();
    let drained = &answers[of_before..];
    ensure!(of_before <= 3 && drained.len() > 3, "{answers:?}");
    ensure!(
        drained.iter().all(|(status, why)| *status == 503 && why.contains("\"draining\"")),
        "{answers:?}"
    );
    ensure!(goes.ended()?.success(), "{}", goes.log());
    ensure!(asked.elapsed() < Duration::from_secs(10), "{:?}", asked.elapsed());
    ensure!(!goes.log().contains("could not be handed over"), "{}", goes.log());
    runs(&master, |run| run["users"] == 20).await?;
    ends_exact(&master, &shop).await
}

#[tokio::test]
async fn a_worker_whose_users_nobody_takes_and_who_do_not_end_leaves_at_its_deadline() -> Result<()>
{
    let (nats, shop) = (Nats::start()?, Shop::start(&["--delay", "40s"])?);
    let master = Member::leading(&nats.url(), &[])?;
    let (mut process, _folder) =
        worker(&nats, &["--listen", "127.0.0.1:0", "--drain-deadline", "5s"])?;
    process.word_after("listening on ", PATIENCE)?;
    start(master.url(), &shop, &["--users", "4", "--run-time", "1m"])?;
    runs(&master, |run| run["users"] == 4).await?;
    process.signal(Signal::TERM)?;
    let asked = Instant::now();
    let status = process.wait(PATIENCE)?;
    let took = asked.elapsed();
    ensure!(status.success(), "{status}: {}", process.stderr());
    ensure!(took > Duration::from_secs(3) && took < Duration::from_secs(7), "{took:?}");
    ensure!(!process.stderr().contains("could not be handed over"), "{}", process.stderr());
    Ok(())
}

/// What masters of a fleet call themselves, and whether they lead and drain, as `master` knows.
async fn masters(master: &Member) -> Result<Vec<(String, String, bool, bool)>> {
    let fleet: Value = master.get("api/v1/workers").await?.json().await?;
    let masters = fleet["masters"].as_array().context("no masters")?.iter();
    let word = |value: &Value| value.as_str().unwrap_or_default().to_string();
    let of = |one: &Value| {
        (word(&one["id"]), word(&one["url"]), one["leads"] == true, one["draining"] == true)
    };
    Ok(masters.map(of).collect())
}

async fn name_of(master: &Member) -> Result<String> {
    eventually(PATIENCE, async || {
        let all = masters(master).await?;
        let own = all.iter().find(|(_, url, ..)| url == master.url());
        Ok(own.with_context(|| format!("{all:?}"))?.0.clone())
    })
    .await
}

/// Asks whoever is ready for the fleet, as through a balancer, until it is told to stop; what went wrong.
async fn client(urls: [String; 2], stop: Arc<AtomicBool>, lost: Arc<Mutex<Vec<String>>>) -> u64 {
    let mut asked = 0;
    while !stop.load(Ordering::Relaxed) {
        for url in &urls {
            let is_ready =
                ask(&format!("{url}/ready")).await.is_ok_and(|(status, _)| status == 200);
            if !is_ready {
                continue;
            }
            asked += 1;
            match ask(&format!("{url}/api/v1/workers")).await {
                Ok((200, _)) => {}
                Ok((status, said)) => lost.lock().unwrap().push(format!("{url}: {status} {said}")),
                Err(error) => lost.lock().unwrap().push(format!("{url}: {error:#}")),
            }
        }
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    asked
}

// The client asks while commands are waited for.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_master_is_taken_out_of_service_before_it_stops_and_nobody_misses_it() -> Result<()> {
    let (nats, shop) = (Nats::start()?, Shop::start(&["--delay", "1ms"])?);
    // A lease that nobody could wait for here.
    let lease = ["--lease", "2m", "--heartbeat", "1s"];
    let mut leader =
        Member::leading(&nats.url(), &[&lease[..], &["--drain-delay", "2s"]].concat())?;
    let mut next = Member::standing_by(&nats.url(), &lease)?;
    let _fleet = crate::fleet::workers(&nats.url(), 2)?;
    let name = name_of(&leader).await?;
    let other = name_of(&next).await?;
    start(leader.url(), &shop, &["--users", "20", "--run-time", "20s", "--expect-workers", "2"])?;
    runs(&leader, |run| run["users"] == 20).await?;
    for master in [&leader, &next] {
        eventually(PATIENCE, async || {
            ensure!(master.is_ready().await, "{:?}", master.get("ready").await?.text().await);
            Ok(())
        })
        .await?;
    }
    let (stop, lost) = (Arc::new(AtomicBool::new(false)), Arc::default());
    let urls = [leader.url().to_string(), next.url().to_string()];
    let asking = tokio::spawn(client(urls, stop.clone(), Arc::clone(&lost)));

    let url = next.url().to_string();
    let drain = |args: &[&str]| Program::new([&["drain"], args, &["--url", &url]].concat())?.run();
    let said = drain(&["--master", &name, "--wait"])?.expect_code(0)?.stdout;
    ensure!(said.contains(&name) && said.contains("others lead"), "{said}");
    next.says("leading (term 2)")?;
    let (status, why) = ask(&format!("{}/ready", leader.url())).await?;
    ensure!(
        status == 503 && why.contains("\"draining\"") && why.contains("taken out"),
        "{status} {why}"
    );
    ensure!(next.is_ready().await, "{}", next.log());
    // It goes on serving: page, API, live stream.
    for path in ["", "api/v1/state", "api/v1/live", "metrics"] {
        ensure!(leader.get(path).await?.status() == 200, "{path}");
    }
    runs(&leader, |run| run["users"] == 20 && run["state"] == "running").await?;
    ensure!(leader.terms()? == [1], "{}", leader.log());
    let status =
        Program::new(["cluster", "status", "--nats", &nats.url()])?.run()?.expect_code(0)?;
    let line = format!("master {name} · stands by, draining");
    ensure!(status.stdout.contains(&line), "{}", status.stdout);
    // Nobody else could lead.
    drain(&["--master", &other])?.expect_code(103)?.expect_said(&[&other, "only master"])?;
    drain(&["--this-master"])?.expect_code(103)?.expect_said(&[&other])?;
    drain(&["--master", "m9"])?.expect_code(103)?.expect_said(&["`m9`", &name, &other])?;

    // Back, and out again.
    drain(&["--master", &name, "--undo"])?.expect_code(0)?;
    ensure!(leader.is_ready().await, "{:?}", leader.get("ready").await?.text().await);
    drain(&["--master", &name, "--wait"])?.expect_code(0)?;
    ensure!(leader.stop()?.success(), "{}", leader.log());
    stop.store(true, Ordering::Relaxed);
    let asked = asking.await?;
    let lost: Vec<String> = lost.lock().unwrap().clone();
    ensure!(lost.is_empty() && asked > 20, "{asked} asked, lost: {lost:#?}");
    ensure!(next.terms()? == [2], "{}", next.log());
    ends_exact(&next, &shop).await
}

#[tokio::test]
async fn a_master_that_is_told_to_stop_serves_for_its_delay_and_says_that_it_drains() -> Result<()>
{
    let nats = Nats::start()?;
    let mut leader = Member::leading(&nats.url(), &["--drain-delay", "2s"])?;
    let mut next = Member::standing_by(&nats.url(), &[])?;
    let asked = Instant::now();
    leader.ask_to_stop()?;
    eventually(PATIENCE, async || {
        let (status, why) = ask(&format!("{}/ready", leader.url())).await?;
        ensure!(status == 503 && why.contains("told to stop"), "{status} {why}");
        Ok(())
    })
    .await?;
    next.says("leading (term 2)")?;
    ensure!(leader.get("api/v1/state").await?.status() == 200, "it serves no longer");
    ensure!(asked.elapsed() < Duration::from_millis(1_900), "{:?}", asked.elapsed());
    ensure!(leader.ended()?.success(), "{}", leader.log());
    ensure!(asked.elapsed() >= Duration::from_secs(2), "{:?}", asked.elapsed());
    Ok(())
}
