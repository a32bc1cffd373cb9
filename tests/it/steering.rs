//! A master that is given work by commands: scenarios and data are handed over, runs are started, changed, stopped,
//! listed and reported, through its API.

use std::path::Path;
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use loadhost_tests::{Member, Nats, Outcome, Program, Shop, Terminal, eventually, scenario};
use serde_json::Value;

use crate::fleet::workers;

const SOON: Duration = Duration::from_secs(30);

fn ask(master: &Member, args: &[&str]) -> Result<Outcome> {
    Program::new(args)?.args(["--url", master.url()]).run()
}

fn done(master: &Member, args: &[&str]) -> Result<Outcome> {
    ask(master, args)?.expect_code(0)
}

fn text(path: &Path) -> Result<&str> {
    path.to_str().context("no text")
}

/// What follows `run ` in what was said.
fn run_of(said: &str) -> Result<String> {
    let run = said.lines().find_map(|line| line.strip_prefix("run "));
    run.map(str::to_string).with_context(|| format!("no run in `{said}`"))
}

async fn until(master: &Member, what: &str, is: impl Fn(&Value) -> bool) -> Result<()> {
    let look = async || {
        let run = master.run().await?;
        ensure!(is(&run), "{what}: {run:#}");
        Ok(())
    };
    eventually(SOON, look).await
}

#[tokio::test]
async fn a_run_is_asked_for_changed_stopped_and_reported_by_commands() -> Result<()> {
    let (nats, shop) = (Nats::start()?, Shop::start(&[])?);
    let _fleet = workers(&nats.url(), 1)?;
    let master = Member::leading(&nats.url(), &[])?;
    let checkout = scenario("checkout")?;
    let said = done(&master, &["push", text(&checkout)?])?.stdout;
    ensure!(said.starts_with("scenario checkout") && said.contains("users: "), "{said}");

    let args = ["start", "checkout", "--host", shop.url(), "--users", "4", "--note", "first"];
    let args = [&args[..], &["--param", "pause=20ms"]].concat();
    let run = run_of(&done(&master, &args)?.stdout)?;
    until(&master, "it runs", |run| run["users"] == 4).await?;
    done(&master, &["change", "--users", "8"])?;
    until(&master, "users follow", |run| run["users"] == 8).await?;
    done(&master, &["stop", "--run", &run])?;
    until(&master, "it ends", |run| run["state"] == "finished").await?;

    let kept = async || {
        let listed = done(&master, &["runs"])?.stdout;
        let line = listed.lines().find(|line| line.starts_with(&run)).context("not listed")?;
        ensure!(line.contains("checkout") && line.contains(" · first"), "{line}");
        done(&master, &["report", &run, "--json", "-"]).map(drop)
    };
    eventually(SOON, kept).await?;
    let forms = ["--html", "r.html", "--json", "r.json", "--junit", "r.xml", "--csv", "r"];
    let report = done(&master, &[&["report", &run], &forms[..]].concat())?;
    ensure!(report.json("r.json")?["run"] == run.as_str(), "another run's results");
    let requests = report.json("r.json")?["totals"]["requests"].as_u64();
    let shown: Value = serde_json::from_str(&done(&master, &["runs", &run, "--json"])?.stdout)?;
    ensure!(shown["total"]["requests"].as_u64() == Some(shop.requests().await?), "{shown:#}");
    ensure!(requests.is_none() || requests == shown["total"]["requests"].as_u64(), "{requests:?}");
    ensure!(report.read("r.html")?.contains("<!doctype html>"), "no page");
    ensure!(report.read("r.xml")?.contains("<testsuites"), "no JUnit document");
    ensure!(report.read("r_stats.csv")?.starts_with("Type,Name,"), "no statistics");
    Ok(())
}

#[tokio::test]
async fn a_run_that_is_waited_for_ends_with_the_code_of_its_verdict() -> Result<()> {
    let (nats, shop) = (Nats::start()?, Shop::start(&[])?);
    let _fleet = workers(&nats.url(), 1)?;
    let master = Member::leading(&nats.url(), &[])?;
    let http_get = scenario("http-get")?;
    let start = |threshold: &str| {
        let program = Program::new(["start", text(&http_get)?, "--wait", "--url", master.url()])?;
        let program =
            program.args(["--host", shop.url(), "--iterations", "20", "--json", "r.json"]);
        program.args(["--threshold", threshold]).run()
    };
    let outcome = start("http_req_failed rate < 1%")?.expect_code(0)?;
    ensure!(outcome.json("r.json")?["exit_code"].is_null(), "the master gives no exit code");
    start("http_req_duration p(50) < 1us")?.expect_code(99)?;
    Ok(())
}

#[tokio::test]
async fn rows_go_with_the_run_that_reads_them() -> Result<()> {
    let (nats, shop) = (Nats::start()?, Shop::start(&[])?);
    let _fleet = workers(&nats.url(), 1)?;
    let master = Member::leading(&nats.url(), &[])?;
    let data = scenario("data")?;
    let said = done(&master, &["push", text(&data)?])?.stdout;
    ensure!(said.contains("--data "), "{said}");
    let name = said.split("--data ").nth(1).and_then(|rest| rest.split('=').next());
    let name = name.context("no name")?;
    for (file, content, code, says) in [
        ("rows.csv", "user,password\nanna,1\nbob,2\n", 0, ""),
        ("rows.csv", "user,password\nanna\n", 104, "line 2"),
        ("rows.txt", "user\nanna\n", 104, ".csv"),
    ] {
        let program =
            Program::new(["start", "data", "--url", master.url()])?.file(file, content)?;
        let program = program.args(["--host", shop.url(), "--iterations", "1"]);
        let outcome = program.args(["--data", &format!("{name}={file},order=circular")]).run()?;
        outcome.expect_code(code)?.expect_said(&[says]).with_context(|| content.to_string())?;
    }
    Ok(())
}

#[tokio::test]
async fn what_cannot_be_started_is_refused_with_all_reasons() -> Result<()> {
    let nats = Nats::start()?;
    let master = Member::leading(&nats.url(), &[])?;
    let checkout = scenario("checkout")?;
    let checkout = text(&checkout)?;
    let foreign = scenario("other_world")?;
    for (args, code, says) in [
        (&["start", "nosuch"][..], 103, &["no scenario `nosuch`", "loadhost push"][..]),
        (&["start", "missing.wasm"], 106, &["missing.wasm"]),
        (&["push", text(&foreign)?], 108, &["another world"]),
        (
            &["start", checkout, "--users", "many", "--timeout", "soon"],
            104,
            &["`users`", "`timeout`"],
        ),
        (&["start", checkout, "--param", "puase=1s"], 111, &["puase", "pause"]),
        (&["start", checkout, "--html", "r.html"], 104, &["--wait"]),
        (&["stop"], 103, &["no run"]),
        (&["runs", "absent"], 103, &["absent"]),
        (&["report", "absent", "--json", "-"], 103, &["absent"]),
        (&["report", "absent"], 104, &["--html"]),
    ] {
        let outcome = ask(&master, args)?.expect_code(code).with_context(|| format!("{args:?}"))?;
        outcome.expect_said(says).with_context(|| format!("{args:?}"))?;
    }
    let free = std::net::TcpListener::bind("127.0.0.1:0")?.local_addr()?;
    for args in [&["start", "checkout"][..], &["runs"], &["push", checkout]] {
        let url = format!("http://{free}");
        Program::new(args)?.args(["--url", &url]).run()?.expect_code(102)?;
    }
    Ok(())
}

#[tokio::test]
async fn who_has_no_token_is_refused_and_a_token_does_what_its_role_may() -> Result<()> {
    let nats = Nats::start()?;
    let folder = tempfile::tempdir()?;
    let users = folder.path().join("users.toml");
    let users = text(&users)?;
    let token = |name: &str, role: &str| -> Result<String> {
        let made = Program::new(["user", "token", name, "--role", role, "--web-users", users])?;
        Ok(made.run()?.expect_code(0)?.stdout.trim().to_string())
    };
    let (viewer, operator) = (token("dashboard", "view")?, token("ci", "operate")?);
    let listed = Program::new(["user", "list", "--web-users", users])?.run()?.stdout;
    ensure!(listed.contains("token ci · operate") && !listed.contains(&operator), "{listed}");
    let master = Member::leading(&nats.url(), &["--web-users", users])?;
    let checkout = scenario("checkout")?;
    let checkout = text(&checkout)?;
    ask(&master, &["runs"])?.expect_code(103)?.expect_said(&["--token"])?;
    let wrong = Program::new(["runs", "--url", master.url()])?.env("LOADHOST_TOKEN", "made-up");
    wrong.run()?.expect_code(103)?;
    done(&master, &["runs", "--token", &viewer])?;
    ask(&master, &["push", checkout, "--token", &viewer])?.expect_code(103)?;
    done(&master, &["push", checkout, "--token", &operator])?;
    Program::new(["user", "remove", "ci", "--web-users", users])?.run()?.expect_code(0)?;
    let gone = async || ask(&master, &["runs", "--token", &operator])?.expect_code(103).map(drop);
    eventually(SOON, gone).await
}

#[test]
fn a_password_is_asked_for_twice_and_never_shown() -> Result<()> {
    let folder = tempfile::tempdir()?;
    let users = folder.path().join("users.toml");
    let add = ["user", "add", "anna", "--role", "admin", "--web-users", text(&users)?];
    let mut terminal = Terminal::of_lines(Program::new(add)?)?;
    for question in ["password: ", "once more: "] {
        terminal.wait_for(question)?;
        terminal.press("correct horse battery\n")?;
    }
    terminal.wait_for("anna may log in, as admin")?;
    ensure!(!terminal.screen().contains("horse"), "the password was shown");
    assert_eq!(terminal.end()?, (0, true));
    let kept = std::fs::read_to_string(&users)?;
    ensure!(kept.contains("anna") && !kept.contains("horse"), "{kept}");
    Ok(())
}
