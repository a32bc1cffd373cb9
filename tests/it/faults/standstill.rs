//! A worker whose process stands still, as in a machine that was paused, and goes on.

use super::*;
use loadhost_tests::Nats;

/// Arrivals in a second, of which each worker has half, and how long they go on.
const RATE: u64 = 100;
const RUN_TIME: u64 = 25;
/// Long enough to be lost, by far.
const STANDSTILL: Duration = Duration::from_secs(6);

#[tokio::test]
async fn arrivals_that_others_made_during_a_standstill_are_not_made_again() -> Result<()> {
    let (nats, shop) = (Nats::start()?, shop()?);
    let master = Member::leading(&nats.url(), &[])?;
    let [_w1, w2] = [Member::worker(&nats.url(), "w1")?, Member::worker(&nats.url(), "w2")?];
    let program = Program::new(["master", "--nats", &nats.url(), "--listen", "127.0.0.1:0"])?
        .args(["--expect-workers", "2", "--host", shop.url(), "--json", "out.json"])
        .args(["--rate", &format!("{RATE}/s"), "--run-time", &format!("{RUN_TIME}s")])
        .args(["--scenario".as_ref(), scenario("http-get")?.as_os_str()]);
    let (process, folder) = program.spawn()?;
    until(async || {
        let served = shop.requests().await?;
        ensure!(served >= 3 * RATE, "{served} requests");
        Ok(())
    })
    .await?;

    w2.pause()?;
    let paused = tokio::time::Instant::now();
    let taken_over = loss_has("served", "w2", (&master, shop.url())).await?;
    eprintln!("others had its share after {taken_over:?}");
    tokio::time::sleep_until(paused + STANDSTILL).await;
    w2.resume()?;
    loss_has("returned", "w2", (&master, shop.url())).await?;

    let outcome = Outcome::of(process, folder, PATIENCE)?;
    let summary = outcome.json("out.json")?;
    let (counted, served) = (summary["requests"].as_u64(), shop.requests().await?);
    let (due, health) = (RATE * RUN_TIME, &summary["counters"]);
    eprintln!("{served} of {due} arrivals, {counted:?} counted; {health}");
    ensure!(counted == Some(served), "{counted:?} counted, {served} served");
    ensure!(served <= due + 1, "{served} arrivals instead of {due}: some were made twice");
    let unmade = taken_over.as_secs_f64() * RATE as f64 / 2.0;
    ensure!(
        served as f64 >= due as f64 - unmade,
        "{served} arrivals: more than {unmade} are missing"
    );
    outcome.expect_code(0)?;
    Ok(())
}

#[tokio::test]
async fn users_that_others_were_given_during_a_standstill_end_after_it() -> Result<()> {
    let (nats, shop) = (Nats::start()?, shop()?);
    let master = Member::leading(&nats.url(), &[])?;
    let [_w1, w2] = [Member::worker(&nats.url(), "w1")?, Member::worker(&nats.url(), "w2")?];
    let run = Run::submit(&nats.url(), &shop, 2, 20, &[])?;
    run.is_as_wanted(&master, PATIENCE).await?;

    w2.pause()?;
    loss_has("served", "w2", (&master, shop.url())).await?;
    w2.resume()?;
    loss_has("returned", "w2", (&master, shop.url())).await?;
    for worker in ["w1", "w2"] {
        has_users(worker, 10, &master).await?;
    }
    run.is_as_wanted(&master, PATIENCE).await?;
    run.stop(&master).await?.exact()?.outcome.expect_code(0)?;
    Ok(())
}
