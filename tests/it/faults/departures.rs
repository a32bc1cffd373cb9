//! Workers that end their load by themselves: told to end, or without a leader for too long.

use super::*;
use loadhost_tests::Nats;

/// Counted iterations of which nobody makes all before the workers are told to end.
const COUNTED: &[&str] = &["--iterations", "100000"];

async fn tell_to_end(workers: &mut [Member]) -> Result<()> {
    // In the midst of a second's measurements.
    tokio::time::sleep(Duration::from_millis(600)).await;
    workers.iter().try_for_each(Member::ask_to_stop)?;
    for worker in workers {
        let status = worker.ended()?;
        ensure!(status.success(), "{status}: {}", worker.log());
    }
    Ok(())
}

#[tokio::test]
async fn counted_iterations_of_a_worker_told_to_end_are_no_success() -> Result<()> {
    for names in [&["w1"][..], &["w1", "w2"]] {
        let (nats, shop) = (Nats::start()?, shop()?);
        let master = Member::leading(&nats.url(), &[])?;
        let started: Result<Vec<_>> =
            names.iter().map(|id| Member::worker(&nats.url(), id)).collect();
        let mut workers = started?;
        let run = Run::submit(&nats.url(), &shop, names.len() as u64, 10, COUNTED)?;
        run.is_as_wanted(&master, PATIENCE).await?;
        tell_to_end(&mut workers[..1]).await?;
        until(async || {
            let losses = run.seen_by(&master).await?["losses"].clone();
            ensure!(losses[0]["worker"] == "w1" && losses[0]["moved"] == false, "{losses}");
            Ok(())
        })
        .await?;
        let began = Instant::now();
        let is_over = names.len() == 1;
        let ended = if is_over { run.end(&master).await? } else { run.stop(&master).await? };
        let ended = ended.exact()?;
        ensure!(began.elapsed() < Duration::from_secs(10), "nobody is left to wait for");
        let said =
            if is_over { "all workers are lost: `w1`" } else { "50.0 % of the load was missing" };
        let notes = ended.last["notes"].to_string();
        ensure!(notes.contains("iterations were not confirmed"), "{notes}");
        ended.outcome.expect_code(117)?.expect_said(&[said])?;
    }
    Ok(())
}

#[tokio::test]
async fn a_run_whose_workers_were_all_told_to_end_has_failed_unless_others_come() -> Result<()> {
    for others_come in [true, false] {
        let (nats, shop) = (Nats::start()?, shop()?);
        let master = Member::leading(&nats.url(), &[])?;
        let mut workers = [Member::worker(&nats.url(), "w1")?, Member::worker(&nats.url(), "w2")?];
        let run = Run::submit(&nats.url(), &shop, 2, 20, &[])?;
        run.is_as_wanted(&master, PATIENCE).await?;
        tell_to_end(&mut workers).await?;
        if others_come {
            let _other = Member::worker(&nats.url(), "w3")?;
            run.is_as_wanted(&master, PATIENCE).await?;
            run.stop(&master).await?.exact()?.outcome.expect_code(0)?;
        } else {
            let ended = run.end(&master).await?.exact()?;
            ended.outcome.expect_code(117)?.expect_said(&["all workers are lost: `w"])?;
        }
    }
    Ok(())
}

#[tokio::test]
async fn load_that_workers_stopped_because_nobody_led_is_marked_and_all_that_was_made_counts()
-> Result<()> {
    let (nats, shop) = (Nats::start()?, shop()?);
    let mut master = Member::leading(&nats.url(), &["--priority", "9"])?;
    let _workers = [Member::worker(&nats.url(), "w1")?, Member::worker(&nats.url(), "w2")?];
    let run = Run::submit(&nats.url(), &shop, 2, 20, &[])?;
    run.is_as_wanted(&master, PATIENCE).await?;
    // The process that submitted it would lead as well.
    let Run { host, mut process, .. } = run;
    process.kill()?;
    master.kill()?;
    until(async || {
        let open = users_at(&shop).await?;
        ensure!(open == 0, "{open} users go on");
        Ok(())
    })
    .await?;

    master.start_anew()?;
    until(async || {
        let run = master.run_against(&host).await?;
        ensure!(run["users"] == 20, "{} users", run["users"]);
        let losses = run["losses"].as_array().context("no losses")?;
        ensure!(losses.len() == 2, "{losses:?}");
        for loss in losses {
            let missing = duration(&loss["returned"]).zip(duration(&loss["at"]));
            let missing = missing.map(|(returned, at)| returned.saturating_sub(at));
            ensure!(loss["share"] == 0.5 && missing > Some(Duration::from_secs(1)), "{loss}");
        }
        let notes = run["notes"].to_string();
        ensure!(notes.contains("heard no leader and stopped its load: 50.0 %"), "{notes}");
        Ok(())
    })
    .await?;
    let run = master.run_against(&host).await?["run"].clone();
    let path = format!("runs/{}/stop", run.as_str().context("no run")?);
    ensure!(master.post(&path, json!({})).await?.status() == 200, "not stopped");
    until(async || {
        let run = master.run_against(&host).await?;
        let (counted, served) = (run["total"]["requests"].as_u64(), shop.requests().await?);
        ensure!(run["state"] == "finished", "{}", run["state"]);
        ensure!(counted == Some(served), "{counted:?} counted, {served} served");
        Ok(())
    })
    .await?;
    Ok(())
}
