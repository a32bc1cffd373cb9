//! A master and workers over a real nats-server.

use std::time::Duration;

use anyhow::Result;
use loadhost_tests::{Nats, Outcome, Process, Program, Shop, scenario};

use crate::local::same_count;

const FLEET: Duration = Duration::from_secs(60);

/// Workers `w1`, `w2`, … on the broker at `nats`.
pub(crate) fn workers(nats: &str, count: usize) -> Result<Vec<(Process, tempfile::TempDir)>> {
    let worker = |number: usize| {
        let id = format!("w{number}");
        let args = ["worker", "--nats", nats, "--id", &id, "--listen", "127.0.0.1:0"];
        Program::new(args)?.spawn()
    };
    (1..=count).map(worker).collect()
}

fn master(nats: &Nats, shop: &Shop, name: &str, expect: usize) -> Result<Program> {
    Ok(Program::new(["master", "--nats", &nats.url(), "--listen", "127.0.0.1:0"])?
        .args(["--expect-workers", &expect.to_string(), "--max-wait", "10s"])
        .args(["--json", "out.json", "--host", shop.url(), "--scenario"])
        .args([scenario(name)?]))
}

/// Waits for the end of a run, which is a good one.
fn to_its_end(master: Program) -> Result<Outcome> {
    let (process, folder) = master.spawn()?;
    Outcome::of(process, folder, FLEET)?.expect_code(0)
}

#[tokio::test]
async fn three_workers_report_exactly_what_the_target_served() -> Result<()> {
    let (nats, shop) = (Nats::start()?, Shop::start(&["--delay", "1ms"])?);
    let fleet = workers(&nats.url(), 3)?;
    let master = master(&nats, &shop, "checkout", fleet.len())?.args([
        "--users",
        "30",
        "--run-time",
        "4s",
        "--param",
        "pause=20ms",
    ]);
    let outcome = to_its_end(master)?;
    same_count(&outcome, &shop).await?;
    let workers = outcome.json("out.json")?["workers"].clone();
    assert_eq!(workers.as_array().map(Vec::len), Some(3), "{workers}");
    Ok(())
}

/// Users of each type of `several-types`, as the target has seen them arrive: readers, writers, auditors.
async fn seen(shop: &Shop) -> Result<[u64; 3]> {
    let paths = shop.stats().await?["paths"].clone();
    Ok(["GET /items", "GET /item/{id}", "GET /"]
        .map(|path| paths[path]["count"].as_u64().unwrap_or_default()))
}

#[tokio::test]
async fn users_of_several_types_are_shared_out_over_the_fleet_as_their_weights_and_numbers_say()
-> Result<()> {
    let (nats, shop) = (Nats::start()?, Shop::start(&[])?);
    let fleet = workers(&nats.url(), 3)?;
    let load = ["--users", "41", "--run-time", "2s", "--param", "token=t"];
    let run = || anyhow::Ok(master(&nats, &shop, "several-types", fleet.len())?.args(load));
    to_its_end(run()?)?;
    let [readers, writers, auditors] = seen(&shop).await?;
    assert_eq!((readers, writers, auditors), (30, 10, 1), "three to one, and one");

    let other = ["--user-type", "Reader=1", "--user-type", "Writer:6", "--user-type", "Auditor:0"];
    to_its_end(run()?.args(other))?;
    let now = seen(&shop).await?;
    assert_eq!([now[0] - readers, now[1] - writers, now[2] - auditors], [35, 6, 0]);
    Ok(())
}

#[tokio::test]
async fn arrivals_of_three_workers_add_up_to_the_rate() -> Result<()> {
    let (nats, shop) = (Nats::start()?, Shop::start(&[])?);
    let fleet = workers(&nats.url(), 3)?;
    let master = master(&nats, &shop, "http-get", fleet.len())?.args([
        "--rate",
        "300/s",
        "--max-users",
        "60",
        "--run-time",
        "3s",
    ]);
    let outcome = to_its_end(master)?;
    let served = same_count(&outcome, &shop).await?;
    assert!((890..=901).contains(&served), "{served} arrivals instead of 900");
    Ok(())
}

#[tokio::test]
async fn the_only_user_of_three_workers_is_let_through_at_nearly_the_cap() -> Result<()> {
    let (nats, shop) = (Nats::start()?, Shop::start(&[])?);
    let fleet = workers(&nats.url(), 3)?;
    for users in [1, 20] {
        let before = shop.requests().await?;
        let master = master(&nats, &shop, "http-get", fleet.len())?.args([
            "--users",
            &users.to_string(),
            "--max-rps",
            "100",
            "--run-time",
            "5s",
        ]);
        let outcome = to_its_end(master)?;
        let served = shop.requests().await? - before;
        anyhow::ensure!(outcome.json("out.json")?["requests"] == served, "{served} served");
        // Of five seconds, but for what is for workers without users; and the requests that wait at the end, as well
        // as one that each worker may make up for.
        eprintln!("{served} requests of {users} users");
        assert!((470..=500 + users + 3).contains(&served), "{served} requests of {users} users");
    }
    Ok(())
}

#[tokio::test]
async fn a_restart_of_the_only_broker_loses_no_request() -> Result<()> {
    let (mut nats, shop) = (Nats::start()?, Shop::start(&["--delay", "1ms"])?);
    let fleet = workers(&nats.url(), 2)?;
    let master = master(&nats, &shop, "checkout", fleet.len())?.args([
        "--users",
        "10",
        "--run-time",
        "10s",
        "--param",
        "pause=20ms",
    ]);
    let (process, folder) = master.spawn()?;
    loadhost_tests::eventually(Duration::from_secs(30), async || {
        anyhow::ensure!(shop.requests().await? > 200);
        Ok(())
    })
    .await?;
    nats.restart()?;
    let outcome = Outcome::of(process, folder, FLEET)?.expect_code(0)?;
    same_count(&outcome, &shop).await?;
    Ok(())
}

#[tokio::test]
async fn too_few_workers_are_named_after_the_wait() -> Result<()> {
    let (nats, shop) = (Nats::start()?, Shop::start(&[])?);
    let _fleet = workers(&nats.url(), 1)?;
    let outcome =
        master(&nats, &shop, "http-get", 2)?.args(["--users", "2", "--run-time", "2s"]).run()?;
    outcome.expect_code(120)?.expect_said(&[
        "1 of 2",
        "`w1`",
        "after 10s",
        "lower `--expect-workers`",
    ])?;
    Ok(())
}
