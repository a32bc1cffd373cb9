//! Several runs on one fleet, and changes, while the leader changes.

use super::*;
use loadhost_tests::Nats;

#[tokio::test]
async fn two_runs_on_one_fleet_outlive_their_leader() -> Result<()> {
    let nats = Nats::start()?;
    let shops = [shop()?, shop()?];
    let mut leader = Member::leading(&nats.url(), &["--priority", "2"])?;
    let next = Member::standing_by(&nats.url(), &["--priority", "1"])?;
    let started: Result<Vec<_>> =
        ["w1", "w2", "w3", "w4"].map(|id| Member::worker(&nats.url(), id)).into_iter().collect();
    let _workers = started?;
    let first = Run::submit(&nats.url(), &shops[0], 4, 24, &[])?;
    first.is_as_wanted(&leader, PATIENCE).await?;
    // It gets its fair share of the workers, which the first gives up.
    let second = Run::submit(&nats.url(), &shops[1], 2, 10, &[])?;
    second.is_as_wanted(&leader, PATIENCE).await?;
    first.is_as_wanted(&leader, PATIENCE).await?;

    leader.kill()?;
    let took = until(async || {
        ensure!(next.terms()? == [2], "{:?}", next.terms()?);
        Ok(())
    })
    .await?;
    eprintln!("the next one led after {took:?}");
    for run in [&first, &second] {
        run.is_as_wanted(&next, PATIENCE).await?;
        let view = run.seen_by(&next).await?;
        ensure!(view["losses"].as_array().is_some_and(Vec::is_empty), "{}", view["losses"]);
        ensure!(view["workers"] == 2, "{} workers", view["workers"]);
    }
    let Ended { counted, outcome, .. } = second.stop(&next).await?.exact()?;
    outcome.expect_code(0)?;
    // The workers of the run that is over come back to the other one.
    until(async || {
        let view = first.seen_by(&next).await?;
        ensure!(view["workers"] == 4, "{} workers", view["workers"]);
        Ok(())
    })
    .await?;
    first.is_as_wanted(&next, PATIENCE).await?;
    let first = first.stop(&next).await?.exact()?;
    for counter in ["loadhost_requests_total", "loadhost_response_time_seconds_count"] {
        let (sum, both) = (sum_of(&next, counter).await?, first.counted + counted);
        ensure!(sum == both as f64, "{counter} is {sum}, {both} were counted");
    }
    first.outcome.expect_code(0)?;
    Ok(())
}

/// Of all series of a metric.
async fn sum_of(master: &Member, metric: &str) -> Result<f64> {
    let text = master.get("metrics").await?.error_for_status()?.text().await?;
    let of =
        |line: &str| line.strip_prefix(metric)?.starts_with('{').then(|| value(line)).flatten();
    Ok(text.lines().filter_map(of).sum())
}

fn value(line: &str) -> Option<f64> {
    line.rsplit(' ').next()?.parse().ok()
}

#[tokio::test]
async fn a_change_that_is_asked_of_a_standby_while_nobody_leads_is_made_by_the_next_leader()
-> Result<()> {
    let (nats, shop) = (Nats::start()?, shop()?);
    let mut leader = Member::leading(&nats.url(), &["--priority", "9"])?;
    // It stays a standby: another one follows the leader.
    let next = Member::standing_by(&nats.url(), &["--priority", "2"])?;
    let asked = Member::standing_by(&nats.url(), &["--priority", "1"])?;
    let _fleet = [Member::worker(&nats.url(), "w1")?, Member::worker(&nats.url(), "w2")?];
    let mut run = Run::submit(&nats.url(), &shop, 2, 20, &[])?;
    run.is_as_wanted(&asked, PATIENCE).await?;

    leader.kill()?;
    run.users = 7;
    let change = json!({"change": {"users": {"users": run.users}}});
    let began = Instant::now();
    let answer = eventually(PATIENCE, async || {
        let answer = asked.post("runs/current/change", change.clone()).await?;
        // No leader was found in the time of a lease: it says so and when to ask again.
        ensure!(answer.status() != 503, "{}", answer.status());
        Ok(answer)
    })
    .await?;
    ensure!(answer.status() == 200, "{}: {}", answer.status(), answer.text().await?);
    eprintln!("changed {:?} after the leader was killed", began.elapsed());
    run.is_as_wanted(&asked, PATIENCE).await?;
    ensure!(next.terms()? == [2] && asked.terms()?.is_empty(), "another one leads");
    let ended = run.stop(&asked).await?.exact()?;
    ended.outcome.expect_code(0)?;
    Ok(())
}
