//! What an author does: new, build, check, trace, run.

use anyhow::Result;
use loadhost_tests::{Program, Shop, scenario};
use std::process::Command;

#[tokio::test]
async fn a_new_project_builds_and_runs() -> Result<()> {
    let shop = Shop::start(&[])?;
    let folder = tempfile::tempdir()?;
    let home = folder.path().join("data");
    let home = home.to_string_lossy();
    let project = folder.path().join("my-shop");
    let project_text = project.to_string_lossy();
    let of_user =
        |args: &[&str]| Ok::<_, anyhow::Error>(Program::new(args)?.env("XDG_DATA_HOME", &home));

    of_user(&["new", &project_text])?.run()?.expect_code(0)?;
    let listing = Command::new("find").arg(&project).args(["-type", "f"]).output()?.stdout;
    let files = String::from_utf8(listing)?;
    assert!(files.lines().count() <= 6, "{files}");

    of_user(&["build", &project_text])?.run()?.expect_code(0)?;
    let wasm = project.join("my_shop.wasm");
    let wasm = wasm.to_string_lossy();
    of_user(&["check", &wasm])?.run()?.expect_code(0)?;
    let run = of_user(&[
        "run",
        "--scenario",
        &wasm,
        "--host",
        shop.url(),
        "--users",
        "2",
        "--run-time",
        "3s",
    ])?;
    run.run()?.expect_code(0)?;
    assert!(shop.requests().await? > 0);
    Ok(())
}

#[tokio::test]
async fn trace_prints_every_request_of_one_user() -> Result<()> {
    let shop = Shop::start(&[])?;
    let outcome = Program::new(["trace", "--host", shop.url(), "--scenario"])?
        .args([scenario("checkout")?])
        .args(["--param", "pause=0s"])
        .run()?
        .expect_code(0)?;
    for line in ["POST", "/login", "GET", "/items", "/checkout"] {
        assert!(outcome.stdout.contains(line), "no {line} in:\n{}", outcome.stdout);
    }
    Ok(())
}

#[test]
fn check_says_what_a_scenario_contains() -> Result<()> {
    let outcome = Program::new(["check"])?.args([scenario("checkout")?]).run()?.expect_code(0)?;
    for text in ["checkout", "sha256", "Shopper", "pause", "loadhost:scenario"] {
        assert!(outcome.stdout.contains(text), "no {text} in:\n{}", outcome.stdout);
    }
    Ok(())
}

#[test]
fn check_says_which_threshold_stops_the_run() -> Result<()> {
    let outcome = Program::new(["check"])?.args([scenario("thresholds")?]).run()?.expect_code(0)?;
    let aborts: Vec<_> =
        outcome.stdout.lines().filter(|line| line.contains("stops the run")).collect();
    let wanted = "  http_req_failed rate < 10% · stops the run when broken after 5s";
    assert_eq!(aborts, [wanted], "{}", outcome.stdout);
    Ok(())
}

#[test]
fn every_call_of_the_sdk_does_what_it_says_on_the_real_host() -> Result<()> {
    let shop = Shop::start(&[])?;
    let folder = tempfile::tempdir()?;
    let users = folder.path().join("users.csv");
    std::fs::write(&users, "name,age\nanna,41\nbob,7\n")?;
    let users = format!("users={}", users.display());
    let args = ["trace", "--host", shop.url(), "--data", &users, "--scenario"];
    let outcome = Program::new(args)?.args([scenario("every-call")?]).run()?.expect_code(0)?;
    let lines = || outcome.stdout.lines().map(str::trim);
    let checks = |mark: &str| lines().filter(|line| line.starts_with(mark)).count();
    assert_eq!((checks("✓ check"), checks("✗ check")), (25, 0), "{}", outcome.stdout);
    assert!(outcome.stdout.contains("anna of 41: 0 2 true"), "{}", outcome.stdout);
    Ok(())
}

#[test]
fn trace_calls_on_stop_of_a_user_that_is_done() -> Result<()> {
    let args = ["trace", "--host", "http://127.0.0.1:9", "--param", "mode=stop", "--scenario"];
    let outcome = Program::new(args)?.args([scenario("hostile")?]).run()?;
    let (task, stop) = (outcome.stdout.find("done here"), outcome.stdout.find("on_stop"));
    anyhow::ensure!(task.is_some() && task < stop, "{}\n{}", outcome.stdout, outcome.stderr);
    Ok(())
}
