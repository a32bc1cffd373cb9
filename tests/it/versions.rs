//! A newer version of a scenario in a running run, over processes, as the target counts it.

use std::time::Duration;

use anyhow::{Context, Result, ensure};
use loadhost_tests::{Nats, Outcome, Process, Program, Shop, eventually, scenario};
use serde_json::Value;

use crate::fleet::workers;
use crate::local::same_count;

const PATIENCE: Duration = Duration::from_secs(90);

async fn served(shop: &Shop, path: &str) -> Result<u64> {
    let stats = shop.stats().await?;
    Ok(stats["paths"][path]["count"].as_u64().unwrap_or(0))
}

/// A master that runs the first version on this many workers; where it is asked.
fn first_version(
    nats: &Nats,
    shop: &Shop,
    workers: usize,
    seconds: u32,
) -> Result<(Process, tempfile::TempDir, String)> {
    let master = Program::new(["master", "--nats", &nats.url(), "--listen", "127.0.0.1:0"])?
        .args(["--expect-workers", &workers.to_string(), "--json", "out.json"])
        .args(["--users", "30", "--run-time", &format!("{seconds}s")])
        .args(["--host", shop.url(), "--scenario"])
        .args([scenario("first-version")?]);
    let (mut process, folder) = master.spawn()?;
    let url = process.word_after("listening on ", PATIENCE)?;
    Ok((process, folder, url))
}

fn change_to(url: &str, name: &str) -> Result<Outcome> {
    Program::new(["change", "--url", url, "--scenario"])?.args([scenario(name)?]).run()
}

async fn has_served(shop: &Shop, path: &str, requests: u64) -> Result<()> {
    eventually(PATIENCE, async || {
        let count = served(shop, path).await?;
        ensure!(count >= requests, "{count} requests to {path}");
        Ok(())
    })
    .await
}

fn counter(out: &Value, name: &str) -> Result<i64> {
    out["shared"]["counters"][name].as_i64().with_context(|| format!("{}", out["shared"]))
}

#[tokio::test]
async fn users_go_over_to_a_newer_version_and_each_request_counts_once() -> Result<()> {
    let (nats, shop) = (Nats::start()?, Shop::start(&[])?);
    let _fleet = workers(&nats.url(), 2)?;
    let (master, folder, url) = first_version(&nats, &shop, 2, 20)?;
    has_served(&shop, "GET /items", 300).await?;
    ensure!(served(&shop, "GET /").await? == 0);
    let changed = change_to(&url, "second-version")?.expect_code(0)?;
    ensure!(changed.stdout.contains("all users run version 2.0.0"), "{}", changed.stdout);
    let (before, after) = (served(&shop, "GET /items").await?, served(&shop, "GET /").await?);
    has_served(&shop, "GET /", after + 200).await?;
    ensure!(served(&shop, "GET /items").await? == before, "somebody still runs the old version");
    let outcome = Outcome::of(master, folder, PATIENCE)?.expect_code(0)?;
    same_count(&outcome, &shop).await?;
    let out = outcome.json("out.json")?;
    // Each user said goodbye on the old and began on the new version, once.
    ensure!(counter(&out, "left the first")? == 30, "{}", out["shared"]);
    ensure!(counter(&out, "begun on the second")? == 30, "{}", out["shared"]);
    let said = out["notes"].to_string();
    ensure!(said.contains("users go over to version 2.0.0"), "{said}");
    let versions = &out["versions"];
    ensure!(versions[0]["version"] == "1.0.0" && versions[1]["version"] == "2.0.0", "{versions}");
    ensure!(versions[1]["from_seconds"].as_f64() > Some(0.0), "{versions}");
    ensure!(versions[1]["complete_seconds"].is_number(), "{versions}");
    Ok(())
}

#[tokio::test]
async fn a_worker_killed_while_users_go_over_holds_up_nobody() -> Result<()> {
    let (nats, shop) = (Nats::start()?, Shop::start(&[])?);
    let mut fleet = workers(&nats.url(), 3)?;
    let (master, folder, url) = first_version(&nats, &shop, 3, 30)?;
    has_served(&shop, "GET /items", 300).await?;
    let changing = std::thread::spawn(move || change_to(&url, "second-version"));
    has_served(&shop, "GET /", 1).await?;
    let (killed, _folder) = fleet.first_mut().context("no worker")?;
    killed.kill()?;
    let changed = changing.join().expect("it does not panic")?.expect_code(0)?;
    ensure!(changed.stdout.contains("all users run version 2.0.0"), "{}", changed.stdout);
    let before = served(&shop, "GET /items").await?;
    let after = served(&shop, "GET /").await?;
    has_served(&shop, "GET /", after + 1_000).await?;
    ensure!(served(&shop, "GET /items").await? == before, "somebody still runs the old version");
    let outcome = Outcome::of(master, folder, PATIENCE)?;
    let out = outcome.json("out.json")?;
    let counted = out["requests"].as_u64().context("no count")?;
    let requests = shop.requests().await?;
    // What the killed worker had not sent yet: at most some two seconds of a third of the load.
    ensure!(counted <= requests && requests - counted < requests / 10, "{counted} of {requests}");
    Ok(())
}

#[tokio::test]
async fn a_scenario_with_other_users_is_refused_and_the_run_goes_on() -> Result<()> {
    let (nats, shop) = (Nats::start()?, Shop::start(&[])?);
    let _fleet = workers(&nats.url(), 1)?;
    let (master, folder, url) = first_version(&nats, &shop, 1, 8)?;
    has_served(&shop, "GET /items", 50).await?;
    let changed = change_to(&url, "checkout")?;
    ensure!(changed.code != Some(0), "{}", changed.stdout);
    changed.expect_said(&["users of the run are `Visitor`"])?;
    let outcome = Outcome::of(master, folder, PATIENCE)?.expect_code(0)?;
    same_count(&outcome, &shop).await?;
    Ok(())
}
