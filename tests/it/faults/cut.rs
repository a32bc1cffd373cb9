//! Cut off from the broker without anybody being told, and returned.

use super::*;
use loadhost_tests::{Cable, Island, Nats, Proxy, in_a_network_of_its_own};

#[tokio::test]
async fn a_worker_that_was_cut_off_is_adopted_and_nothing_counts_twice() -> Result<()> {
    let nats = Nats::start()?;
    let link = Proxy::before(&nats.url())?;
    let target = shop()?;
    let far = Member::worker(&link.url(), "far")?;
    let switch = |cut: bool| {
        match cut {
            true => link.block(),
            false => link.unblock(),
        }
        Ok(())
    };
    is_adopted(&nats, (&target, target.url()), far, switch).await
}

#[test]
fn a_worker_whose_cable_was_pulled_is_adopted_and_nothing_counts_twice() -> Result<()> {
    let name = "faults::cut::a_worker_whose_cable_was_pulled_is_adopted_and_nothing_counts_twice";
    in_a_network_of_its_own(name, || {
        tokio::runtime::Builder::new_current_thread().enable_all().build()?.block_on(async {
            let nats = Nats::start()?;
            let target = shop()?;
            let island = Island::new("far")?;
            let broker = Proxy::at(&Cable::Broker.ip(), &nats.url())?;
            let host = Proxy::at(&Cable::Target.ip(), target.url())?;
            let far = Member::worker_on(&island, &broker.url(), "far")?;
            let switch = |cut: bool| match cut {
                true => island.pull(Cable::Broker),
                false => island.plug(Cable::Broker),
            };
            is_adopted(&nats, (&target, &host.url()), far, switch).await
        })
    })
}

/// A worker is cut off by `switch` for longer than it takes to be called lost. The target is where it sees it.
async fn is_adopted(
    nats: &Nats,
    target: (&Shop, &str),
    _far: Member,
    switch: impl Fn(bool) -> Result<()>,
) -> Result<()> {
    let master = Member::leading(&nats.url(), &[])?;
    let _near = Member::worker(&nats.url(), "near")?;
    let run = Run::submit_to(&nats.url(), target, 2, 20, &[])?;
    run.is_as_wanted(&master, PATIENCE).await?;

    switch(true)?;
    let moved = loss_has("served", "far", (&master, &run.host)).await?;
    eprintln!("its users ran elsewhere after {moved:?}");
    // It cannot know: its users run twice until it hears of it, and count as wanted once.
    until(async || {
        let (users, open) =
            (run.seen_by(&master).await?["users"].clone(), users_at(target.0).await?);
        ensure!(users == 20 && open == 30, "{users} users, {open} at the target");
        Ok(())
    })
    .await?;

    switch(false)?;
    let began = Instant::now();
    loss_has("returned", "far", (&master, &run.host)).await?;
    for worker in ["near", "far"] {
        has_users(worker, 10, &master).await?;
    }
    run.is_as_wanted(&master, PATIENCE).await?;
    eprintln!("it had its share again after {:?}", began.elapsed());
    let ended = run.stop(&master).await?.exact()?;
    ended.outcome.expect_code(0)?;
    Ok(())
}

#[tokio::test]
async fn a_leader_that_was_cut_off_stops_ordering_before_another_one_leads() -> Result<()> {
    let (nats, shop) = (Nats::start()?, shop()?);
    let link = Proxy::before(&nats.url())?;
    let mut cut = Member::leading(&link.url(), &[])?;
    let next = Member::standing_by(&nats.url(), &["--priority", "1"])?;
    let _fleet = [Member::worker(&nats.url(), "w1")?, Member::worker(&nats.url(), "w2")?];
    let run = Run::submit(&nats.url(), &shop, 2, 20, &[])?;
    run.is_as_wanted(&cut, PATIENCE).await?;

    link.block();
    let began = Instant::now();
    let suspended = eventually(PATIENCE, async || {
        ensure!(next.terms()?.is_empty(), "another one led first");
        ensure!(!cut.is_ready().await, "it goes on leading");
        Ok(began.elapsed())
    })
    .await?;
    let followed = until(async || {
        ensure!(!cut.is_ready().await, "it leads again");
        ensure!(next.terms()? == [2], "{:?}", next.terms()?);
        Ok(())
    })
    .await?;
    eprintln!("suspended after {suspended:?}, another one led {followed:?} later");
    let refused =
        cut.post("runs/current/change", json!({"change": {"users": {"users": 3}}})).await?;
    ensure!(refused.status() == 503, "{}", refused.status());
    ensure!(refused.headers().contains_key("retry-after"));
    run.is_as_wanted(&next, PATIENCE).await?;

    link.unblock();
    cut.says("(term 2) leads")?;
    until(async || {
        ensure!(cut.is_ready().await, "it is not ready to stand by");
        ensure!(cut.state().await?["term"] == 2, "it does not show what the leader leads");
        Ok(())
    })
    .await?;
    run.is_as_wanted(&cut, PATIENCE).await?;
    ensure!(terms_grow([&cut, &next])? == [1, 2]);
    let ended = run.stop(&cut).await?.exact()?;
    ended.outcome.expect_code(0)?;
    Ok(())
}
