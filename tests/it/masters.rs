//! Several masters over a real nats-server: one leads, and when it goes another goes on.

use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use loadhost_tests::{
    Member, Nats, NatsCluster, Outcome, Process, Program, Shop, eventually, scenario,
};
use serde_json::Value;

use crate::fleet::workers;
use crate::local::same_count;

const PATIENCE: Duration = Duration::from_secs(60);
/// The default, and what it may take besides on a busy machine.
const TAKE_OVER: Duration = Duration::from_secs(15);

/// A master that runs the checkout scenario with twenty users.
fn submit(nats: &str, shop: &Shop, args: &[&str]) -> Result<Program> {
    Ok(Program::new([
        "master",
        "--nats",
        nats,
        "--listen",
        "127.0.0.1:0",
        "--expect-workers",
        "2",
    ])?
    .args(["--json", "out.json", "--host", shop.url(), "--users", "20"])
    .args(["--param", "pause=20ms"])
    .args(args)
    .args(["--scenario"])
    .args([scenario("checkout")?]))
}

async fn served(shop: &Shop, count: u64) -> Result<()> {
    eventually(PATIENCE, async || {
        ensure!(shop.requests().await? >= count, "too few requests");
        Ok(())
    })
    .await
}

/// The run is over, and a standing master shows as many requests as the target served.
async fn ends_with_the_targets_count(master: &Member, shop: &Shop) -> Result<()> {
    let run = eventually(PATIENCE, async || {
        let run = master.run().await?;
        ensure!(run["state"] == "finished", "{}", run["state"]);
        Ok(run)
    })
    .await?;
    ensure!(run["ended"]["reason"] == "completed", "{}", run["ended"]);
    ensure!(run["collection"]["missing"] == 0, "{}", run["collection"]);
    ensure!(run["total"]["requests"] == shop.requests().await?, "{}", run["total"]["requests"]);
    Ok(())
}

#[tokio::test]
async fn a_leader_that_is_killed_is_followed_and_every_request_counted_once() -> Result<()> {
    let (nats, shop) = (Nats::start()?, Shop::start(&["--delay", "1ms"])?);
    let mut leader = Member::leading(&nats.url(), &[])?;
    let mut low = Member::standing_by(&nats.url(), &["--priority", "1"])?;
    let mut high = Member::standing_by(&nats.url(), &["--priority", "2"])?;
    let _fleet = workers(&nats.url(), 2)?;
    let (process, folder) = submit(&nats.url(), &shop, &["--run-time", "12s"])?.spawn()?;
    served(&shop, 1_000).await?;
    let began = Instant::now();
    leader.kill()?;
    high.says("leading (term 2)")?;
    ensure!(began.elapsed() < TAKE_OVER, "{:?}", began.elapsed());
    low.says("(term 2) leads")?;
    let outcome = Outcome::of(process, folder, PATIENCE)?.expect_code(0)?;
    same_count(&outcome, &shop).await?;
    ends_with_the_targets_count(&high, &shop).await?;
    ends_with_the_targets_count(&low, &shop).await
}

#[tokio::test]
async fn a_run_outlives_the_master_that_submitted_and_led_it() -> Result<()> {
    let (nats, shop) = (Nats::start()?, Shop::start(&["--delay", "1ms"])?);
    let _fleet = workers(&nats.url(), 2)?;
    let (mut process, _folder) = submit(&nats.url(), &shop, &["--run-time", "12s"])?.spawn()?;
    served(&shop, 500).await?;
    let mut standby = Member::standing_by(&nats.url(), &[])?;
    process.kill()?;
    standby.says("leading (term 2)")?;
    ends_with_the_targets_count(&standby, &shop).await
}

#[tokio::test]
async fn a_leader_that_was_stopped_for_longer_than_its_lease_stands_by_afterwards() -> Result<()> {
    let (nats, shop) = (Nats::start()?, Shop::start(&["--delay", "1ms"])?);
    let mut paused = Member::leading(&nats.url(), &[])?;
    // Before the master that submits the run.
    let mut next = Member::standing_by(&nats.url(), &["--priority", "1"])?;
    let _fleet = workers(&nats.url(), 2)?;
    let (process, folder) = submit(&nats.url(), &shop, &["--run-time", "14s"])?.spawn()?;
    served(&shop, 500).await?;
    paused.pause()?;
    next.says("leading (term 2)")?;
    paused.resume()?;
    paused.says("(term 2) leads")?;
    let outcome = Outcome::of(process, folder, PATIENCE)?.expect_code(0)?;
    same_count(&outcome, &shop).await?;
    ends_with_the_targets_count(&next, &shop).await?;
    ends_with_the_targets_count(&paused, &shop).await
}

#[tokio::test]
async fn a_standby_shows_and_changes_what_the_leader_leads() -> Result<()> {
    let (nats, shop) = (Nats::start()?, Shop::start(&["--delay", "1ms"])?);
    let leader = Member::leading(&nats.url(), &[])?;
    let standby = Member::standing_by(&nats.url(), &[])?;
    let _fleet = workers(&nats.url(), 2)?;
    let (process, folder) = submit(&nats.url(), &shop, &["--run-time", "5m"])?.spawn()?;
    let users = async |wanted: u64| {
        eventually(PATIENCE, async || {
            let run = standby.run().await?;
            ensure!(run["users"] == wanted, "{} users", run["users"]);
            Ok(())
        })
        .await
    };
    users(20).await?;
    let body = serde_json::json!({"change": {"users": {"users": 7}}});
    ensure!(standby.post("runs/current/change", body).await?.status() == 200);
    users(7).await?;
    let body = serde_json::json!({"change": {"rate": {"rate": 7.0}}});
    let refused = standby.post("runs/current/change", body).await?;
    ensure!(refused.status().is_client_error(), "{}", refused.status());
    ensure!(standby.post("runs/current/stop", serde_json::json!({})).await?.status() == 200);
    let outcome = Outcome::of(process, folder, PATIENCE)?.expect_code(0)?;
    same_count(&outcome, &shop).await?;
    ensure!(leader.run().await?["ended"]["reason"] == "stopped-by-user");
    Ok(())
}

#[tokio::test]
async fn a_leader_that_is_told_to_go_hands_over_at_once() -> Result<()> {
    let (nats, shop) = (Nats::start()?, Shop::start(&["--delay", "1ms"])?);
    // A lease that nobody could wait for here.
    let lease = ["--lease", "2m", "--heartbeat", "1s"];
    let mut leader = Member::leading(&nats.url(), &lease)?;
    let mut next = Member::standing_by(&nats.url(), &lease)?;
    let _fleet = workers(&nats.url(), 2)?;
    let args = ["--run-time", "10s", "--lease", "2m"];
    let (process, folder) = submit(&nats.url(), &shop, &args)?.spawn()?;
    served(&shop, 500).await?;
    ensure!(leader.stop()?.success());
    // It may be the master that submitted the run that follows.
    let outcome = Outcome::of(process, folder, PATIENCE)?.expect_code(0)?;
    same_count(&outcome, &shop).await?;
    next.says("leading (term ")?;
    ends_with_the_targets_count(&next, &shop).await
}

#[tokio::test]
async fn without_a_broker_changes_are_refused_for_now_and_said_when_to_ask_again() -> Result<()> {
    let mut nats = Nats::start()?;
    let master = Member::leading(&nats.url(), &[])?;
    let standby = Member::standing_by(&nats.url(), &[])?;
    nats.kill()?;
    let answer = standby.post("runs/r1/stop", serde_json::json!({})).await?;
    ensure!(answer.status() == 503, "{}", answer.status());
    ensure!(answer.headers().contains_key("retry-after"));
    let text = answer.text().await?;
    ensure!(text.contains("no-leader") && text.contains("not connected"), "{text}");
    for one in [&master, &standby] {
        let ready = one.get("ready").await?;
        ensure!(ready.status() == 503, "{}", ready.status());
    }
    Ok(())
}

#[tokio::test]
async fn a_cluster_is_seen_from_outside() -> Result<()> {
    let nats = Nats::start()?;
    let ask = || Program::new(["cluster", "status", "--nats", &nats.url()])?.run();
    ask()?.expect_code(123)?;
    let _leader = Member::leading(&nats.url(), &["--priority", "4"])?;
    let _standby = Member::standing_by(&nats.url(), &[])?;
    let _fleet = workers(&nats.url(), 1)?;
    let outcome = eventually(PATIENCE, async || {
        let outcome = ask()?.expect_code(0)?;
        ensure!(outcome.stdout.contains("worker w1 · 0 of "), "{}", outcome.stdout);
        Ok(outcome)
    })
    .await?;
    for text in ["term 1", "leads · priority 4", "stands by · priority 0", "LH_STATS_default"] {
        ensure!(outcome.stdout.contains(text), "no `{text}` in {}", outcome.stdout);
    }
    Ok(())
}

/// What `cluster status` says of them.
fn streams(nats: &str) -> Result<Vec<Value>> {
    let status = Program::new(["cluster", "status", "--json", "--nats", nats])?.run()?;
    let mut status: Value = serde_json::from_str(&status.stdout)?;
    serde_json::from_value(status["streams"].take()).context("no streams")
}

#[tokio::test]
async fn streams_made_before_three_nodes_had_met_have_three_copies_once_they_have() -> Result<()> {
    let mut nats = NatsCluster::start_two()?;
    let _leader = Member::leading(&nats.url(), &[])?;
    let made = streams(&nats.url())?;
    ensure!(made.len() >= 3 && made.iter().all(|stream| stream["replicas"] == 1), "{made:?}");
    nats.restart()?;
    eventually(PATIENCE, async || {
        let streams = streams(&nats.url())?;
        let whole = |stream: &Value| stream["replicas"] == 3 && stream["current"] == 3;
        ensure!(streams.iter().all(whole), "{streams:?}");
        Ok(())
    })
    .await
}

#[tokio::test]
async fn the_node_that_leads_a_broker_of_three_is_killed_and_nothing_is_lost() -> Result<()> {
    let (mut nats, shop) = (NatsCluster::start()?, Shop::start(&["--delay", "1ms"])?);
    let mut leader = Member::leading(&nats.url(), &[])?;
    let _standby = Member::standing_by(&nats.url(), &[])?;
    let _fleet = workers(&nats.url(), 2)?;
    let (process, folder) = submit(&nats.url(), &shop, &["--run-time", "20s"])?.spawn()?;
    served(&shop, 500).await?;
    let streams = streams(&nats.url())?;
    let names: Vec<_> = streams.iter().filter_map(|stream| stream["name"].as_str()).collect();
    for name in [
        "KV_lh_default",
        "LH_STATS_default",
        "LH_STATE_default",
        "OBJ_lh_mod_default",
        "KV_lh-shelf_default",
    ] {
        ensure!(names.contains(&name), "{streams:?}");
    }
    ensure!(streams.iter().all(|stream| stream["replicas"] == 3), "{streams:?}");
    let control = streams.iter().find(|stream| stream["name"] == "KV_lh_default");
    let node = control.and_then(|stream| stream["leader"].as_str()).context("no node leads")?;
    nats.kill(node)?;
    let outcome = Outcome::of(process, folder, PATIENCE)?.expect_code(0)?;
    same_count(&outcome, &shop).await?;
    nats.restart()?;
    ensure!(leader.stop()?.success());
    Ok(())
}

#[tokio::test]
async fn a_short_lease_needs_no_heartbeat_to_be_given() -> Result<()> {
    let nats = Nats::start()?;
    Member::leading(&nats.url(), &["--lease", "2s"]).map(drop)
}

#[tokio::test]
async fn a_master_says_where_it_really_listens() -> Result<()> {
    let nats = Nats::start()?;
    let master = Member::leading(&nats.url(), &[])?;
    let told = Program::new(["cluster", "status", "--nats", &nats.url()])?.run()?.expect_code(0)?;
    ensure!(told.stdout.contains(master.url()), "{} is not in\n{}", master.url(), told.stdout);
    Ok(())
}

#[test]
fn a_master_whose_port_is_taken_leaves_nothing_in_the_broker() -> Result<()> {
    let nats = Nats::start()?;
    let taken = std::net::TcpListener::bind("127.0.0.1:0")?;
    let address = taken.local_addr()?.to_string();
    let args = ["master", "--nats", &nats.url(), "--listen", &address];
    Program::new(args)?.run()?.expect_code(113)?.expect_said(&["in use"])?;
    let told = Program::new(["cluster", "status", "--nats", &nats.url()])?.run()?;
    ensure!(!told.stdout.contains("term"), "{}", told.stdout);
    Ok(())
}

#[test]
fn a_master_at_its_limit_of_memory_takes_no_new_run_and_says_why() -> Result<()> {
    let (nats, shop) = (Nats::start()?, Shop::start(&[])?);
    let _workers = workers(&nats.url(), 2)?;
    let outcome = submit(&nats.url(), &shop, &["--memory-limit", "1MiB"])?.run()?;
    outcome.expect_code(114)?.expect_said(&["takes no new run", "may have 1 (--memory-limit)"])?;
    Ok(())
}

#[tokio::test]
async fn a_worker_is_lost_only_after_the_time_that_its_masters_were_given() -> Result<()> {
    let nats = Nats::start()?;
    let master = Member::leading(&nats.url(), &["--worker-timeout", "8s"])?;
    let args = ["worker", "--nats", &nats.url(), "--id", "quiet", "--listen", "127.0.0.1:0"];
    let (mut worker, _folder) = Program::new(args)?.args(["--heartbeat", "500ms"]).spawn()?;
    let liveness = async || -> Result<Value> {
        let fleet = master.get("api/v1/workers").await?.json::<Value>().await?;
        Ok(fleet["workers"]["quiet"]["liveness"].clone())
    };
    let becomes = async |wanted: &str| {
        eventually(PATIENCE, async || {
            let now = liveness().await?;
            ensure!(now == wanted, "{now}");
            Ok(())
        })
        .await
    };
    becomes("alive").await?;
    let killed = Instant::now();
    worker.kill()?;
    becomes("suspect").await?;
    // By default it would be lost since long.
    ensure!(killed.elapsed() > Duration::from_secs(4), "{:?}", killed.elapsed());
    Ok(())
}

#[tokio::test]
async fn a_worker_late_to_prepare_is_named_after_the_time_that_its_master_was_given() -> Result<()>
{
    let (nats, shop) = (Nats::start()?, Shop::start(&[])?);
    // It is not to be taken for lost.
    let args = ["--prepare-timeout", "3s", "--worker-timeout", "1m"];
    let leader = Member::leading(&nats.url(), &args)?;
    let _prompt = Member::worker(&nats.url(), "prompt")?;
    let late = Member::worker(&nats.url(), "late")?;
    eventually(PATIENCE, async || {
        let state = leader.state().await?;
        let workers = state["workers"].as_array().map_or(0, Vec::len);
        ensure!(workers == 2, "{workers} workers");
        Ok(())
    })
    .await?;
    late.pause()?;
    let (process, folder) = submit(&nats.url(), &shop, &["--run-time", "2s"])?.spawn()?;
    let is_preparing = async |wanted: bool| {
        eventually(PATIENCE, async || {
            let state = leader.run().await?["state"].clone();
            ensure!((state == "preparing") == wanted, "{state}");
            Ok(Instant::now())
        })
        .await
    };
    let began = is_preparing(true).await?;
    let took = is_preparing(false).await? - began;
    eprintln!("given up after {took:?}");
    ensure!((Duration::from_secs(2)..Duration::from_secs(10)).contains(&took), "{took:?}");
    Outcome::of(process, folder, PATIENCE)?.expect_code(117)?.expect_said(&[
        "worker `late` did not become ready within 3s",
        "raise `--prepare-timeout`",
    ])?;
    Ok(())
}

#[test]
fn wrong_settings_of_a_master_are_told_before_the_broker_is_asked() -> Result<()> {
    for args in [
        ["--lease", "100ms"],
        ["--heartbeat", "2s"],
        ["--sign", "absent.nk"],
        ["--worker-timeout", "100ms"],
        ["--prepare-timeout", "0s"],
        ["--prepare-timeout", "2h"],
        ["--max-connections", "0"],
    ] {
        let began = Instant::now();
        let master = Program::new(["master", "--nats", "nats://127.0.0.1:1", "--max-wait", "30s"])?
            .args(["--host", "http://127.0.0.1:9", "--scenario"])
            .args([scenario("http-get")?]);
        let outcome = master.args(args).run()?.expect_code(104)?;
        ensure!(began.elapsed() < Duration::from_secs(20), "{args:?}: {}", outcome.stderr);
    }
    Ok(())
}

#[test]
fn who_may_not_try_for_ever_gives_up_a_broker_that_is_gone() -> Result<()> {
    let mut nats = Nats::start()?;
    let started = |args: &[&str]| -> Result<(Process, tempfile::TempDir)> {
        let (mut process, folder) = Program::new(args)?
            .args(["--nats", &nats.url(), "--listen", "127.0.0.1:0"])
            .args(["--nats-reconnect-attempts", "3", "--nats-reconnect-interval", "200ms"])
            .spawn()?;
        process.word_after("(term ", PATIENCE)?;
        Ok((process, folder))
    };
    let fleet = [started(&["master"])?, started(&["worker", "--id", "w1"])?];
    nats.kill()?;
    for (process, folder) in fleet {
        let outcome = Outcome::of(process, folder, PATIENCE)?.expect_code(115)?;
        outcome.expect_said(&["did not come back within 3 attempts"])?;
    }
    Ok(())
}
