//! Everything is started anew, one after the other, while a run goes on.

use super::*;
use loadhost_tests::Nats;

#[tokio::test]
async fn everything_is_started_anew_one_after_the_other_and_nothing_is_lost() -> Result<()> {
    let (mut nats, shop) = (Nats::start()?, shop()?);
    let mut masters = vec![Member::leading(&nats.url(), &["--priority", "2"])?];
    masters.push(Member::standing_by(&nats.url(), &["--priority", "1"])?);
    let names = ["w1", "w2", "w3"];
    let started: Result<Vec<_>> =
        names.map(|id| Member::worker(&nats.url(), id)).into_iter().collect();
    let mut workers = started?;
    let run = Run::submit(&nats.url(), &shop, 3, 24, &[])?;
    run.is_as_wanted(&masters[0], PATIENCE).await?;

    for (worker, name) in workers.iter_mut().zip(names) {
        let began = Instant::now();
        let status = worker.stop()?;
        ensure!(status.success(), "{name}: {status}\n{}", worker.log());
        ensure!(!worker.log().contains("could not be handed over"), "{}", worker.log());
        let left = began.elapsed();
        worker.start_anew()?;
        has_users(name, 8, &masters[0]).await?;
        run.is_as_wanted(&masters[0], PATIENCE).await?;
        eprintln!("{name} had left after {left:?}, all was as wanted after {:?}", began.elapsed());
    }
    for number in [1, 0] {
        let began = Instant::now();
        ensure!(masters[number].stop()?.success(), "{}", masters[number].log());
        masters[number].start_anew()?;
        run.is_as_wanted(&masters[number], PATIENCE).await?;
        eprintln!("master {number}: as wanted after {:?}", began.elapsed());
    }
    nats.restart()?;
    for master in &masters {
        until(async || {
            ensure!(master.is_ready().await, "not ready after the broker's restart");
            Ok(())
        })
        .await?;
        run.is_as_wanted(master, PATIENCE).await?;
    }
    let terms = terms_grow(&masters)?;
    eprintln!("the masters led in {terms:?}");
    let ended = run.stop(&masters[1]).await?.exact()?;
    ended.outcome.expect_code(0)?;
    Ok(())
}
