//! A worker that is killed, under each policy.

use super::*;
use loadhost_tests::Nats;

/// Until a lost worker is noticed, and until its users run elsewhere; and what looking and a busy machine add.
const NOTICED: Duration = Duration::from_secs(3);
const ELSEWHERE: Duration = Duration::from_secs(5);
const BUSY: Duration = Duration::from_secs(2);
/// Measurements are handed over each second: what a killed worker has lost is of this time at most.
const UNSENT: Duration = Duration::from_millis(1_500);

struct Fleet {
    master: Member,
    workers: [Member; 2],
}

fn fleet(nats: &Nats) -> Result<Fleet> {
    let master = Member::leading(&nats.url(), &[])?;
    let workers = [Member::worker(&nats.url(), "w1")?, Member::worker(&nats.url(), "w2")?];
    Ok(Fleet { master, workers })
}

/// Not just after a second's measurements were handed over.
async fn kill(worker: &mut Member) -> Result<()> {
    tokio::time::sleep(Duration::from_millis(600)).await;
    worker.kill()
}

/// What the ten users of the killed worker have not handed over.
fn within(ended: Ended) -> Result<Ended> {
    let loss = ended.last["losses"][0].clone();
    let ended = ended.within(20, &[&loss])?;
    let (missing, most) =
        (ended.served - ended.counted, 10 * UNSENT.as_millis() / PAUSE.as_millis());
    ensure!(u128::from(missing) <= most, "{missing} requests are missing: more than {UNSENT:?}");
    Ok(ended)
}

/// Waits for the only loss and says how long that took.
async fn noticed(run: &Run<'_>, master: &Member) -> Result<Duration> {
    let took = until(async || {
        let loss = run.seen_by(master).await?["losses"][0].clone();
        ensure!(loss["worker"] == "w2", "{loss}");
        Ok(())
    })
    .await?;
    eprintln!("noticed after {took:?}");
    ensure!(took < NOTICED + BUSY, "noticed after {took:?}");
    Ok(took)
}

#[tokio::test]
async fn users_of_a_killed_worker_run_elsewhere_within_five_seconds() -> Result<()> {
    let (nats, shop) = (Nats::start()?, shop()?);
    let Fleet { master, workers: [_w1, mut w2] } = fleet(&nats)?;
    let run = Run::submit(&nats.url(), &shop, 2, 20, &[])?;
    run.is_as_wanted(&master, PATIENCE).await?;

    kill(&mut w2).await?;
    let killed = Instant::now();
    noticed(&run, &master).await?;
    run.is_as_wanted(&master, PATIENCE).await?;
    let elsewhere = killed.elapsed();
    eprintln!("users elsewhere after {elsewhere:?}");
    ensure!(elsewhere < ELSEWHERE + BUSY, "users elsewhere after {elsewhere:?}");
    has_users("w1", 20, &master).await?;
    w2.start_anew()?;
    has_users("w2", 10, &master).await?;
    run.is_as_wanted(&master, PATIENCE).await?;

    let ended = run.stop(&master).await?;
    let losses = ended.last["losses"].clone();
    ensure!(losses.as_array().is_some_and(|losses| losses.len() == 1), "{losses}");
    let loss = &losses[0];
    ensure!(loss["moved"] == true && loss["share"] == 0.5, "{loss}");
    ensure!(!loss["served"].is_null() && !loss["returned"].is_null(), "{loss}");
    within(ended)?.outcome.expect_code(0)?;
    Ok(())
}

#[tokio::test]
async fn two_processes_under_one_name_do_not_run_its_users_twice() -> Result<()> {
    let (nats, shop) = (Nats::start()?, shop()?);
    let Fleet { master, workers: [_w1, _w2] } = fleet(&nats)?;
    let run = Run::submit(&nats.url(), &shop, 2, 20, &[])?;
    run.is_as_wanted(&master, PATIENCE).await?;

    let _again = Member::worker(&nats.url(), "w2")?;
    until(async || {
        let notes = run.seen_by(&master).await?["notes"].to_string();
        ensure!(notes.contains("two processes are called worker `w2`"), "{notes}");
        Ok(())
    })
    .await?;
    run.is_as_wanted(&master, PATIENCE).await?;
    has_users("w2", 10, &master).await?;
    let ended = run.stop(&master).await?;
    ensure!(ended.counted == ended.served, "{} of {}", ended.counted, ended.served);
    Ok(())
}

#[tokio::test]
async fn users_of_a_killed_worker_are_missing_until_it_is_back_if_the_run_is_to_continue()
-> Result<()> {
    let (nats, shop) = (Nats::start()?, shop()?);
    let Fleet { master, workers: [_w1, mut w2] } = fleet(&nats)?;
    let run = Run::submit(&nats.url(), &shop, 2, 20, &["--on-worker-lost", "continue"])?;
    run.is_as_wanted(&master, PATIENCE).await?;

    kill(&mut w2).await?;
    noticed(&run, &master).await?;
    let half = async || {
        let view = run.seen_by(&master).await?;
        let open = users_at(&shop).await?;
        ensure!(view["users"] == 10 && open == 10, "{} users, {open} at the target", view["users"]);
        ensure!(view["unserved"] == 0.5, "{}", view["unserved"]);
        Ok(())
    };
    until(half).await?;
    let began = Instant::now();
    while began.elapsed() < NOTICED {
        half().await?;
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    w2.start_anew()?;
    run.is_as_wanted(&master, PATIENCE).await?;
    has_users("w2", 10, &master).await?;

    let ended = run.stop(&master).await?;
    let loss = ended.last["losses"][0].clone();
    ensure!(loss["moved"] == false && !loss["returned"].is_null(), "{loss}");
    within(ended)?.outcome.expect_code(0)?;
    Ok(())
}

#[tokio::test]
async fn a_killed_worker_that_is_not_back_at_the_end_is_told_by_the_exit_code() -> Result<()> {
    let (nats, shop) = (Nats::start()?, shop()?);
    let Fleet { master, workers: [_w1, mut w2] } = fleet(&nats)?;
    let run = Run::submit(&nats.url(), &shop, 2, 20, &["--on-worker-lost", "continue"])?;
    run.is_as_wanted(&master, PATIENCE).await?;
    kill(&mut w2).await?;
    noticed(&run, &master).await?;
    let ended = run.stop(&master).await?;
    within(ended)?.outcome.expect_code(117)?.expect_said(&["50.0 % of the load was missing"])?;
    Ok(())
}

#[tokio::test]
async fn a_killed_worker_ends_the_run_if_it_is_to_abort() -> Result<()> {
    let (nats, shop) = (Nats::start()?, shop()?);
    let Fleet { master, workers: [_w1, mut w2] } = fleet(&nats)?;
    let run = Run::submit(&nats.url(), &shop, 2, 20, &["--on-worker-lost", "abort"])?;
    run.is_as_wanted(&master, PATIENCE).await?;
    kill(&mut w2).await?;
    noticed(&run, &master).await?;
    let ended = run.end(&master).await?;
    ensure!(ended.last["ended"]["reason"] == "worker-failed", "{}", ended.last["ended"]);
    ensure!(users_at(&shop).await? == 0, "somebody goes on");
    within(ended)?.outcome.expect_code(117)?.expect_said(&["w2", "--on-worker-lost abort"])?;
    Ok(())
}
