//! Workers as their operators start and stop them, over a real nats-server.

use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use loadhost_tests::{Nats, Outcome, Process, Program, Shop, eventually, scenario};
use rustix::process::Signal;

use crate::local::same_count;

const LIMIT: Duration = Duration::from_secs(60);

fn worker(nats: &Nats, args: &[&str]) -> Result<(Process, tempfile::TempDir)> {
    Program::new(["worker", "--nats", &nats.url(), "--listen", "127.0.0.1:0"])?.args(args).spawn()
}

fn master(nats: &Nats, shop: &Shop, expect: usize, wait: &str) -> Result<Program> {
    Ok(Program::new(["master", "--nats", &nats.url(), "--listen", "127.0.0.1:0"])?
        .args(["--expect-workers", &expect.to_string(), "--max-wait", wait])
        .args(["--json", "out.json", "--host", shop.url(), "--param", "pause=20ms"])
        .args(["--scenario".as_ref(), scenario("checkout")?.as_os_str()]))
}

/// Process ids of the children of a process.
fn children(pid: u32) -> Vec<u32> {
    let file = format!("/proc/{pid}/task/{pid}/children");
    let text = std::fs::read_to_string(file).unwrap_or_default();
    text.split_whitespace().filter_map(|child| child.parse().ok()).collect()
}

fn is_there(pid: u32) -> bool {
    let status = std::fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
    status.rsplit(')').next().is_some_and(|rest| !rest.is_empty() && !rest.starts_with(" Z"))
}

fn signal(pid: u32, signal: Signal) -> Result<()> {
    let pid = i32::try_from(pid).ok().and_then(rustix::process::Pid::from_raw);
    Ok(rustix::process::kill_process(pid.context("a process id")?, signal)?)
}

#[tokio::test]
async fn one_flag_starts_several_workers_that_stop_together() -> Result<()> {
    let (nats, shop) = (Nats::start()?, Shop::start(&["--delay", "1ms"])?);
    let (mut parent, _folder) = worker(&nats, &["--id", "box", "--processes", "3"])?;
    let run = master(&nats, &shop, 3, "20s")?.args(["--users", "30", "--run-time", "3s"]);
    let (process, folder) = run.spawn()?;
    let outcome = Outcome::of(process, folder, LIMIT)?.expect_code(0)?;
    same_count(&outcome, &shop).await?;
    let workers = outcome.json("out.json")?["workers"].to_string();
    for name in ["box-1", "box-2", "box-3"] {
        assert!(workers.contains(name), "{name} is not among {workers}");
    }

    let all = children(parent.pid());
    assert_eq!(all.len(), 3);
    parent.signal(Signal::TERM)?;
    let status = parent.wait(LIMIT)?;
    assert_eq!(status.code(), Some(0), "{}", parent.stderr());
    assert!(!all.into_iter().any(is_there), "a child outlived its parent");
    Ok(())
}

#[tokio::test]
async fn a_process_that_dies_is_named_and_the_others_go_on() -> Result<()> {
    let nats = Nats::start()?;
    let (mut parent, _folder) = worker(&nats, &["--id", "box", "--processes", "2"])?;
    parent.wait_until(LIMIT, |said| said.contains("2 processes").then_some(()))?;
    let all = children(parent.pid());
    signal(all[0], Signal::KILL)?;
    parent.wait_until(LIMIT, |said| said.contains("worker box-1 failed").then_some(()))?;
    assert!(is_there(all[1]));
    parent.signal(Signal::TERM)?;
    assert_eq!(parent.wait(LIMIT)?.code(), Some(117), "{}", parent.stderr());
    Ok(())
}

#[tokio::test]
async fn processes_do_not_outlive_a_parent_that_was_killed() -> Result<()> {
    let nats = Nats::start()?;
    let (mut parent, _folder) = worker(&nats, &["--id", "box", "--processes", "2"])?;
    parent.wait_until(LIMIT, |said| said.contains("2 processes").then_some(()))?;
    let all = children(parent.pid());
    assert_eq!(all.len(), 2);
    parent.kill()?;
    eventually(LIMIT, async || {
        ensure!(!all.iter().copied().any(is_there), "a child is still there");
        Ok(())
    })
    .await
}

#[tokio::test]
async fn load_above_a_limit_is_shed_and_said() -> Result<()> {
    let (nats, shop) = (Nats::start()?, Shop::start(&["--delay", "1ms"])?);
    // Less than any load takes, so that each second sheds a tenth.
    let _worker = worker(&nats, &["--id", "small", "--cpu-limit", "0.0001%"])?;
    let run = master(&nats, &shop, 1, "20s")?.args(["--users", "40", "--run-time", "6s"]);
    let (process, folder) = run.spawn()?;
    let outcome = Outcome::of(process, folder, LIMIT)?;
    let result = outcome.json("out.json")?;
    assert!(result.to_string().contains("cpu_limit"), "{result}");
    Ok(())
}

#[tokio::test]
async fn a_worker_refuses_users_beyond_its_memory() -> Result<()> {
    let (nats, shop) = (Nats::start()?, Shop::start(&[])?);
    let _worker = worker(&nats, &["--id", "small", "--memory-limit", "1MiB"])?;
    let run = master(&nats, &shop, 1, "3s")?.args(["--users", "40", "--run-time", "2s"]);
    let outcome = run.run()?;
    assert!(!matches!(outcome.code, Some(0) | None), "{}", outcome.stderr);
    outcome.expect_said(&["small", "no capacity"])?;
    Ok(())
}

#[tokio::test]
async fn a_run_that_finds_all_workers_busy_names_the_run_that_has_them() -> Result<()> {
    let (nats, shop) = (Nats::start()?, Shop::start(&["--delay", "1ms"])?);
    let _worker = worker(&nats, &["--id", "only"])?;
    let first = master(&nats, &shop, 1, "20s")?.args(["--users", "2", "--run-time", "5m"]);
    let _first = first.spawn()?;
    eventually(LIMIT, async || {
        ensure!(shop.requests().await? > 0, "the first run has not begun");
        Ok(())
    })
    .await?;
    let second = master(&nats, &shop, 1, "3s")?.args(["--users", "2", "--run-time", "2s"]);
    second.run()?.expect_code(120)?.expect_said(&[
        "0 of 1 expected workers can take part after 3s: `only` (busy with run `",
        "start this run again after the end of run `",
        "`--max-wait`",
        "`--placement`",
    ])?;
    Ok(())
}

/// How long after `since` the shop was last asked for something, once nobody has for three seconds.
async fn last_asked(shop: &Shop, since: Instant) -> Result<Duration> {
    let mut last = (shop.requests().await?, Instant::now());
    while last.1.elapsed() < Duration::from_secs(3) {
        ensure!(since.elapsed() < LIMIT, "load is still made {:?} later", since.elapsed());
        tokio::time::sleep(Duration::from_millis(20)).await;
        let served = shop.requests().await?;
        if served != last.0 {
            last = (served, Instant::now());
        }
    }
    Ok(last.1 - since)
}

#[tokio::test]
async fn a_worker_without_masters_and_broker_goes_on_for_its_dead_man_and_then_stops_by_itself()
-> Result<()> {
    let (mut nats, shop) = (Nats::start()?, Shop::start(&["--delay", "1ms"])?);
    let (alone, _folder) = worker(&nats, &["--id", "alone", "--dead-man", "4s"])?;
    let run = master(&nats, &shop, 1, "20s")?.args(["--users", "5", "--run-time", "5m"]);
    let (mut only_master, _folder) = run.spawn()?;
    eventually(LIMIT, async || {
        ensure!(shop.requests().await? > 100, "too few requests");
        Ok(())
    })
    .await?;
    let gone = Instant::now();
    only_master.kill()?;
    nats.kill()?;
    let stopped = last_asked(&shop, gone).await?;
    eprintln!("load went on for {stopped:?}");
    // The last beat was up to a second earlier; users end their iterations.
    let (least, most) = (Duration::from_millis(2_500), Duration::from_secs(10));
    ensure!((least..most).contains(&stopped), "load went on for {stopped:?}");
    ensure!(alone.stderr().contains("no leader is heard: load is stopped"), "{}", alone.stderr());
    Ok(())
}

#[test]
fn wrong_settings_of_a_worker_are_refused_with_what_would_do() -> Result<()> {
    for (args, said) in [
        (["--processes", "some"], "`auto` for one per core"),
        (["--weight", "0"], "1 or more"),
        (["--memory-limit", "much"], "such as `512MiB`"),
        (["--cpu-limit", "200%"], "such as `80%`"),
        (["--heartbeat", "5ms"], "from 100ms to 1m"),
        (["--dead-man", "0s"], "from 2s to 1h"),
        (["--dead-man", "2d"], "from 2s to 1h"),
    ] {
        let program = Program::new(["worker", "--nats", "nats://127.0.0.1:1"])?.args(args);
        program.args(["--max-wait", "1s"]).run()?.expect_code(104)?.expect_said(&[said])?;
    }
    Ok(())
}
