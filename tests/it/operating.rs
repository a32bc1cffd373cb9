//! What an operator does to a run that goes on: changes its load, looks at it, stops it.

use std::time::Duration;

use anyhow::{Context, Result, ensure};
use loadhost_tests::{
    Member, Nats, Outcome, Process, Program, Shop, Terminal, eventually, scenario,
};
use serde_json::Value;

use crate::fleet::workers;
use crate::local::{run, same_count};

const SOON: Duration = Duration::from_secs(20);

/// A run in the background, and where it is asked.
struct Running {
    process: Process,
    folder: tempfile::TempDir,
    url: String,
}

impl Running {
    fn start(program: Program) -> Result<Running> {
        let (mut process, folder) = program.spawn()?;
        let url = process.word_after("listening on ", SOON)?;
        Ok(Running { process, folder, url })
    }

    /// `loadhost ARGS --url …`
    fn ask(&self, args: &[&str]) -> Result<Outcome> {
        Program::new(args)?.args(["--url", &self.url]).run()
    }

    fn done(&self, args: &[&str]) -> Result<Outcome> {
        self.ask(args)?.expect_code(0)
    }

    /// The only run, as `status --json` has it.
    fn state(&self) -> Result<Value> {
        let state: Value = serde_json::from_str(&self.done(&["status", "--json"])?.stdout)?;
        Ok(state["runs"][0].clone())
    }

    async fn until(&self, what: &str, is: impl Fn(&Value) -> bool) -> Result<()> {
        let look = async || {
            let state = self.state()?;
            ensure!(is(&state), "{what}: {state:#}");
            Ok(())
        };
        eventually(SOON, look).await
    }

    /// Stops it in good order; its count must be the target's.
    async fn stop(self, shop: &Shop) -> Result<()> {
        self.done(&["stop"])?;
        let outcome = self.end()?.expect_code(0)?;
        same_count(&outcome, shop).await?;
        Ok(())
    }

    fn end(self) -> Result<Outcome> {
        Outcome::of(self.process, self.folder, Duration::from_secs(60))
    }
}

/// Connections that users hold open; the one that asks is not counted.
async fn users_at(shop: &Shop) -> Result<u64> {
    let open = shop.stats().await?["connections"]["open"].as_u64().context("no count")?;
    Ok(open - 1)
}

async fn rate_at(shop: &Shop) -> Result<f64> {
    let (before, begun) = (shop.requests().await?, std::time::Instant::now());
    tokio::time::sleep(Duration::from_secs(2)).await;
    Ok((shop.requests().await? - before) as f64 / begun.elapsed().as_secs_f64())
}

#[tokio::test]
async fn users_of_a_fleet_are_raised_and_lowered_while_it_runs() -> Result<()> {
    let (nats, shop) = (Nats::start()?, Shop::start(&[])?);
    let _fleet = workers(&nats.url(), 1)?;
    let master = Program::new(["master", "--nats", &nats.url(), "--listen", "127.0.0.1:0"])?
        .args(["--users", "4", "--param", "pause=20ms", "--json", "out.json"])
        .args(["--host", shop.url(), "--scenario"])
        .args([scenario("checkout")?]);
    let master = Running::start(master)?;
    master.until("it runs", |run| run["users"] == 4).await?;
    for (flags, users) in [
        (&["--users", "12"][..], 12),
        (&["--users", "3", "--spawn-rate", "20"], 3),
        (&["--stages", "1s->6"], 6),
    ] {
        let said = master.done(&[&["change"], flags].concat())?.stdout;
        ensure!(said.contains("goes to"), "{said}");
        master.until("users follow", |run| run["users"] == users).await?;
        let open = async || {
            let open = users_at(&shop).await?;
            ensure!(open == users, "{open} users at the shop instead of {users}");
            Ok(())
        };
        eventually(SOON, open).await?;
    }
    let words = async || {
        let words = master.done(&["status"])?.stdout;
        let says = |text: &str| words.contains(text);
        ensure!(says("worker w1 · 6 of ") && says(" · 6 VUs"), "{words}");
        Ok(())
    };
    eventually(SOON, words).await?;
    master.stop(&shop).await
}

/// Users of a worker, and whether it is draining, as a master tells.
async fn users_of(master: &Member, worker: &str) -> Result<(u64, bool)> {
    let state = master.state().await?;
    let mut workers = state["workers"].as_array().context("no workers")?.iter();
    let found = workers.find(|found| found["worker"] == worker).context("it is not there")?;
    let users = found["users"].as_u64().context("no users")?;
    Ok((users, found["draining"].as_bool().context("not said")?))
}

#[tokio::test]
async fn a_worker_is_drained_in_a_run_and_works_again_once_that_is_undone() -> Result<()> {
    let (nats, shop) = (Nats::start()?, Shop::start(&[])?);
    let _fleet = workers(&nats.url(), 2)?;
    let master = Program::new(["master", "--nats", &nats.url(), "--listen", "127.0.0.1:0"])?
        .args(["--expect-workers", "2", "--users", "12", "--param", "pause=20ms"])
        .args(["--json", "out.json", "--host", shop.url(), "--scenario"])
        .args([scenario("checkout")?]);
    let master = Running::start(master)?;
    master.until("it runs", |run| run["users"] == 12).await?;
    // Whoever is asked passes it on to the leader.
    let standby = Member::standing_by(&nats.url(), &[])?;
    let ask = |args: &[&str]| Program::new(args)?.args(["--url", standby.url()]).run();
    for (args, code, says) in [
        (&["drain", "w9"][..], 103, &["`w9`", "loadhost status"][..]),
        (&["drain", "w.1"], 104, &["w.1"]),
        (&["drain", "w2", "--wait", "--timeout", "soon"], 104, &["--timeout", "soon"]),
        (
            &["drain", "w2", "--wait", "--timeout", "1s"],
            103,
            &["not idle after 1s", "w2", "--undo"],
        ),
        (&["drain", "w1"], 103, &["`w1`", "only one", "stop the run"]),
    ] {
        ask(args)?
            .expect_code(code)
            .and_then(|outcome| outcome.expect_said(says))
            .with_context(|| format!("{args:?}"))?;
    }
    let said = ask(&["drain", "w2", "--wait"])?.expect_code(0)?.stdout;
    ensure!(said.contains("waiting: w2 (") && said.contains("all of them are idle"), "{said}");
    ensure!(users_of(&standby, "w2").await? == (0, true), "{:#}", standby.state().await?);
    let moved = async || {
        let (open, of) = (users_at(&shop).await?, users_of(&standby, "w1").await?);
        ensure!((open, of) == (12, (12, false)), "{open} users at the shop, of w1 {of:?}");
        Ok(())
    };
    eventually(SOON, moved).await?;
    let words = master.done(&["status"])?.stdout;
    ensure!(words.lines().any(|line| line.contains("w2") && line.contains("draining")), "{words}");
    ask(&["drain", "--undo", "w2"])?.expect_code(0)?;
    let back = async || {
        let (open, of) = (users_at(&shop).await?, users_of(&standby, "w2").await?);
        ensure!((open, of) == (12, (6, false)), "{open} users at the shop, of w2 {of:?}");
        Ok(())
    };
    eventually(SOON, back).await?;
    master.stop(&shop).await
}

#[tokio::test]
async fn the_rate_of_one_process_is_changed_while_it_runs_and_the_run_is_stopped() -> Result<()> {
    let shop = Shop::start(&[])?;
    let program = run(&shop, "http-get")?.args([
        "--rate",
        "40/s",
        "--max-users",
        "20",
        "--listen",
        "127.0.0.1:0",
    ]);
    let running = Running::start(program)?;
    running.until("it runs", |run| run["state"] == "running").await?;
    for rate in [160.0, 20.0] {
        running.done(&["change", "--rate", &format!("{rate}/s")])?;
        running.until("the rate is wanted", |run| run["rate_wanted"] == rate).await?;
        let served = rate_at(&shop).await?;
        assert!((rate * 0.8..rate * 1.2).contains(&served), "{served}/s instead of {rate}/s");
    }
    running.stop(&shop).await
}

#[tokio::test]
async fn what_cannot_be_changed_is_refused_with_the_reason() -> Result<()> {
    let shop = Shop::start(&[])?;
    let program = run(&shop, "http-get")?
        .args(["--users", "1", "--param", "pause=100ms"])
        .args(["--listen", "127.0.0.1:0"]);
    let running = Running::start(program)?;
    running.until("it runs", |run| run["state"] == "running").await?;
    for (args, code, says) in [
        (&["change", "--rate", "50/s"][..], 103, &["has users and no rate", "hint"][..]),
        (&["change", "--users", "5", "--phase", "other"], 103, &["`other`", "`main`"]),
        (&["change", "--users", "5", "--run", "absent"], 103, &["absent", "hint"]),
        (&["stop", "--run", "absent"], 103, &["absent", "hint"]),
        (&["change", "--rate", "fast"], 104, &["`--rate`", "100/s"]),
        (&["change"], 104, &["--users"]),
        (&["change", "--users", "5", "--rate", "5/s"], 104, &["--rate"]),
    ] {
        let outcome = running.ask(args)?;
        outcome
            .expect_code(code)
            .and_then(|outcome| outcome.expect_said(says))
            .with_context(|| format!("{args:?}"))?;
    }
    running.done(&["stop", "--now"])?;
    running.end()?.expect_code(0)?;
    Ok(())
}

#[test]
fn who_asks_nobody_or_somebody_else_is_told_so() -> Result<()> {
    let shop = Shop::start(&[])?;
    let free = std::net::TcpListener::bind("127.0.0.1:0")?.local_addr()?;
    for (url, code, says) in [
        (format!("http://{free}"), 102, &["nobody answers", "--listen", "--url"][..]),
        (shop.url().to_string(), 102, &["no master", "404"]),
        ("nats://127.0.0.1:4222".to_string(), 104, &["`url`", "http://127.0.0.1:8089"]),
    ] {
        for command in [&["status"][..], &["stop"], &["change", "--users", "3"], &["drain", "w1"]] {
            let outcome = Program::new(command)?.args(["--url", &url]).run()?;
            outcome.expect_code(code)?.expect_said(says)?;
        }
    }
    Ok(())
}

#[tokio::test]
async fn an_outage_of_the_broker_is_told_and_over() -> Result<()> {
    let (mut nats, shop) = (Nats::start()?, Shop::start(&[])?);
    let _fleet = workers(&nats.url(), 1)?;
    let master = Program::new(["master", "--nats", &nats.url(), "--listen", "127.0.0.1:0"])?
        .args(["--users", "4", "--param", "pause=20ms", "--json", "out.json"])
        .args(["--host", shop.url(), "--scenario"])
        .args([scenario("checkout")?]);
    let mut master = Running::start(master)?;
    master.until("it runs", |run| run["users"] == 4).await?;
    nats.kill()?;
    for seconds in [0, 2] {
        let text = format!("broker away since {seconds} s");
        master.process.wait_until(SOON, |said| said.find(&text)).context(text)?;
    }
    nats.restart()?;
    master.process.wait_until(SOON, |said| {
        said.lines()
            .rev()
            .find(|line| line.contains(" VUs"))
            .filter(|line| !line.contains("away"))
            .map(drop)
    })?;
    master.stop(&shop).await
}

#[tokio::test]
async fn keys_change_the_users_and_the_terminal_comes_back_as_it_was() -> Result<()> {
    let shop = Shop::start(&[])?;
    let mut terminal =
        Terminal::run(run(&shop, "http-get")?.args(["--users", "2", "--param", "pause=100ms"]))?;
    terminal.wait_for("q stop")?;
    terminal.wait_for("2 of 2 users")?;
    for (keys, users) in [("WW", 22), ("s-", 20), ("SS", 0), ("+w", 2)] {
        terminal.press(keys)?;
        let open = async || {
            let open = users_at(&shop).await?;
            ensure!(open == users, "{open} users at the shop instead of {users}");
            Ok(())
        };
        eventually(SOON, open).await.context(keys)?;
    }
    terminal.press("q")?;
    assert_eq!(terminal.end()?, (0, true));
    Ok(())
}

#[tokio::test]
async fn the_terminal_comes_back_also_after_signals() -> Result<()> {
    let shop = Shop::start(&[])?;
    for (keyboard, code) in [("\x03", 105), ("\x1c", 131)] {
        let mut terminal = Terminal::run(run(&shop, "http-get")?.args([
            "--users",
            "2",
            "--param",
            "pause=100ms",
        ]))?;
        terminal.wait_for("2 of 2 users")?;
        terminal.press(keyboard)?;
        assert_eq!(terminal.end()?, (code, true));
    }
    Ok(())
}
