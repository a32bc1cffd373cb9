//! Data sets, numbers, counters and rendezvous over processes, as the target counts them.

use std::time::Duration;

use anyhow::{Context, Result, ensure};
use loadhost_tests::{Nats, Outcome, Program, Shop, eventually, scenario};
use serde_json::Value;

use crate::fleet::workers;
use crate::local::{run, same_count};

const PATIENCE: Duration = Duration::from_secs(60);

/// So many customers, as a file of rows.
fn customers(count: usize) -> String {
    let rows = (0..count).map(|n| format!("customer-{n},secret,1\n"));
    format!("name,password,quantity\n{}", rows.collect::<String>())
}

async fn served(shop: &Shop, path: &str) -> Result<u64> {
    let stats = shop.stats().await?;
    stats["paths"][path]["count"].as_u64().with_context(|| format!("no {path} in {stats}"))
}

/// What the summary says of the data set, the numbers and the counter is what the target served.
async fn is_what_was_served(outcome: &Outcome, shop: &Shop, rows: u64) -> Result<()> {
    same_count(outcome, shop).await?;
    let out = outcome.json("out.json")?;
    let shared = &out["shared"];
    let logins = served(shop, "POST /login").await?;
    ensure!(logins == rows, "{logins} logins of {rows} customers");
    ensure!(shared["rows"][0]["taken"] == rows, "{shared}");
    let orders = served(shop, "POST /checkout").await?;
    ensure!(shared["numbers"][0]["taken"] == orders, "{orders} orders, but {shared}");
    ensure!(shared["counters"]["sold"] == orders, "{orders} sold, but {shared}");
    ensure!(outcome.stdout.contains("shared by all users"), "{}", outcome.stdout);
    Ok(())
}

#[tokio::test]
async fn each_row_is_one_user_and_who_finds_none_is_done() -> Result<()> {
    let shop = Shop::start(&[])?;
    let run = run(&shop, "data")?.file("users.csv", customers(7))?.args([
        "--data",
        "users=users.csv",
        "--users",
        "10",
        "--run-time",
        "5s",
    ]);
    let outcome = run.run()?.expect_code(0)?;
    is_what_was_served(&outcome, &shop, 7).await
}

#[tokio::test]
async fn workers_share_rows_numbers_and_counters_and_meet() -> Result<()> {
    let (nats, shop) = (Nats::start()?, Shop::start(&[])?);
    let _fleet = workers(&nats.url(), 2)?;
    // Ten meet, of whom no worker has more than eight.
    let master = Program::new(["master", "--nats", &nats.url(), "--listen", "127.0.0.1:0"])?
        .file("users.csv", customers(13))?
        .args(["--data", "users=users.csv", "--param", "together=10", "--expect-workers", "2"])
        .args(["--users", "16", "--run-time", "6s", "--json", "out.json"])
        .args(["--host", shop.url(), "--scenario"])
        .args([scenario("data")?]);
    let outcome = master.run()?.expect_code(0)?;
    is_what_was_served(&outcome, &shop, 13).await?;
    let out = outcome.json("out.json")?;
    let met = &out["shared"]["meetings"][0];
    ensure!(met["size"] == 10 && met["releases"].as_u64() >= Some(1), "{met}");
    ensure!(met["released"].as_u64() >= Some(10), "{met}");
    Ok(())
}

#[tokio::test]
async fn no_row_of_a_killed_worker_is_used_again() -> Result<()> {
    let (nats, shop) = (Nats::start()?, Shop::start(&[])?);
    let mut fleet = workers(&nats.url(), 2)?;
    let rows = 60;
    let (master, folder) = Program::new(["master", "--nats", &nats.url()])?
        .file("users.csv", customers(rows))?
        .args(["--data", "users=users.csv", "--param", "together=1", "--expect-workers", "2"])
        .args(["--users", "20", "--run-time", "15s", "--json", "out.json"])
        .args(["--listen", "127.0.0.1:0", "--host", shop.url(), "--scenario"])
        .args([scenario("data")?])
        .spawn()?;
    eventually(PATIENCE, async || {
        let logins = served(&shop, "POST /login").await?;
        ensure!(logins >= 20, "{logins} of 20 users have logged in");
        Ok(())
    })
    .await?;
    let (killed, _folder) = fleet.first_mut().context("no worker")?;
    killed.kill()?;
    let outcome = Outcome::of(master, folder, PATIENCE)?;
    let out: Value = outcome.json("out.json")?;
    let set = &out["shared"]["rows"][0];
    let figure = |name: &str| set[name].as_u64().with_context(|| format!("no {name} in {set}"));
    let logins = served(&shop, "POST /login").await?;
    // Those of the killed worker's users that it had not told of are among the withheld.
    let (taken, withheld) = (figure("taken")?, figure("withheld")?);
    ensure!(taken <= logins && logins <= taken + withheld, "{logins} logins, {set}");
    ensure!(logins >= 30, "those of the killed worker went on elsewhere as others: {logins}");
    ensure!(logins <= rows as u64 && figure("repeated")? == 0, "{set}");
    Ok(())
}

#[test]
fn data_that_is_missing_or_wrong_is_told() -> Result<()> {
    let shop = Shop::start(&[])?;
    for (args, said) in [
        (&[][..], "give `--data users=FILE`"),
        (&["--data", "users=absent.csv"], "absent.csv cannot be read"),
        (&["--data", "users=bad.csv"], "line 3: it has 1 cells"),
        (&["--data", "users=users.csv", "--data", "user=users.csv"], "did you mean `users`"),
        (&["--data", "users=users.csv,order=queu"], "did you mean `queue`"),
    ] {
        let run = run(&shop, "data")?
            .file("users.csv", customers(2))?
            .file("bad.csv", "a,b\n1,2\n3\n")?
            .args(["--users", "1", "--run-time", "1s"]);
        run.args(args).run()?.expect_code(104)?.expect_said(&[said])?;
    }
    Ok(())
}
