//! Who leads: one master at a time, each in a greater term, and the next one soon.

use std::time::Duration;

use loadhost_cluster::lease::{LeaderRecord, Leadership, Standing};
use loadhost_cluster::{FleetConfig, Membership};
use loadhost_control::ports::{Fleet, FleetError};
use loadhost_model::id::{Incarnation, Term};
use tokio::time::Instant;

use crate::broker::{Broker, eventually, soon};
use crate::words::{assignment, fleet_config, lead, worker};

/// A master that stands by or leads.
async fn master(broker: &Broker, id: &str, priority: u32) -> Membership {
    let config = FleetConfig { priority, ..fleet_config(id) };
    Membership::join(&broker.connect(id).await, &config, None).await.expect("join")
}

async fn leader_as_seen_by(membership: &Membership, id: &str) -> Leadership {
    let mut leadership = membership.leadership();
    let sees = |seen: &Leadership| seen.leader().is_some_and(|leader| leader.id == id);
    soon("the leader is seen", leadership.wait_for(sees)).await.expect("open").clone()
}

#[tokio::test]
async fn one_of_several_masters_leads_and_all_know_whom() {
    let broker = Broker::start();
    let first = master(&broker, "host:1", 0).await;
    let standing = soon("it leads", first.elected()).await;
    assert_eq!(standing.term(), Term(1));
    let second = master(&broker, "host:2", 9).await;
    let third = master(&broker, "host:3", 9).await;
    for one in [&second, &third] {
        assert_eq!(leader_as_seen_by(one, "host:1").await.term(), None, "a second leader");
        let mut masters = one.masters();
        let names = |seen: &Vec<loadhost_cluster::masters::MasterPresence>| {
            seen.iter().map(|one| (one.id.clone(), one.term)).collect::<Vec<_>>()
        };
        let all = [("host:1", Some(Term(1))), ("host:2", None), ("host:3", None)];
        let all = all.map(|(id, term)| (id.to_string(), term));
        soon("all are seen", masters.wait_for(|seen| names(seen) == all)).await.expect("open");
    }
    assert!(standing.may_act());
    for one in [first, second, third] {
        one.leave().await;
    }
}

#[tokio::test]
async fn a_released_term_is_followed_at_once() {
    let broker = Broker::start();
    let mut leader = master(&broker, "host:0", 0).await;
    soon("it leads", leader.elected()).await;
    for number in 1..=3 {
        let id = format!("host:{number}");
        let next = master(&broker, &id, 0).await;
        leader_as_seen_by(&next, &format!("host:{}", number - 1)).await;
        let began = Instant::now();
        leader.leave().await;
        let standing = soon("the next leads", next.elected()).await;
        assert!(began.elapsed() < fleet_config("").lease / 2, "it waited for a released lease");
        assert_eq!(standing.term(), Term(number + 1));
        leader = next;
    }
    leader.leave().await;
}

#[tokio::test]
async fn after_a_crash_the_standby_of_the_highest_priority_follows() {
    let broker = Broker::start();
    let crashed = master(&broker, "host:1", 0).await;
    soon("it leads", crashed.elected()).await;
    let low = master(&broker, "host:2", 1).await;
    let high = master(&broker, "host:3", 7).await;
    let middle = master(&broker, "host:4", 5).await;
    for one in [&low, &high, &middle] {
        let mut masters = one.masters();
        soon("all are seen", masters.wait_for(|seen| seen.len() == 4)).await.expect("open");
    }
    drop(crashed); // Nothing is released.
    let began = Instant::now();
    let standing = soon("the next leads", high.elected()).await;
    let after = began.elapsed();
    let lease = fleet_config("").lease;
    // The last renewal was at most a heartbeat before the crash.
    assert!(after > lease / 2 && after < lease * 3, "{after:?}");
    assert_eq!(standing.term(), Term(2));
    for one in [&low, &middle] {
        assert_eq!(leader_as_seen_by(one, "host:3").await.term(), None);
    }
    for one in [low, high, middle] {
        one.leave().await;
    }
}

#[tokio::test]
async fn an_outage_of_the_store_suspends_the_leader_and_does_not_replace_it() {
    let mut broker = Broker::start();
    let (fleet, _reports) = lead(&broker.connect("master").await, "host:1").await;
    let standby = master(&broker, "host:2", 9).await;
    leader_as_seen_by(&standby, "host:1").await;
    broker.kill();
    eventually("it stops acting", async || !fleet.leads()).await;
    let refused = fleet.assign(&worker("w1"), assignment(fleet.term(), 1, None)).await;
    assert!(matches!(refused, Err(FleetError::Undelivered { .. })), "{refused:?}");
    // Long enough for the standby to hold the leader for dead.
    tokio::time::sleep(fleet_config("").lease * 2).await;
    broker.restart();
    eventually("it leads again", async || fleet.leads()).await;
    assert_eq!(fleet.term(), Term(1));
    assert_eq!(leader_as_seen_by(&standby, "host:1").await.term(), None);
    standby.leave().await;
    fleet.close().await;
}

#[tokio::test]
async fn a_master_whose_term_was_taken_knows_by_whom_and_stands_by() {
    let broker = Broker::start();
    let (old, _reports) = lead(&broker.connect("old").await, "host:1").await;
    take_over(&broker, "host:2").await;
    assert_eq!(soon("it notices", old.deposed()).await, "host:2");
    assert!(!old.leads());
    let refused = old.assign(&worker("w1"), assignment(old.term(), 9, None)).await;
    assert_eq!(refused, Err(FleetError::Deposed("host:2".into())));
    let again: Standing = soon("it leads once more", old.elected()).await;
    assert_eq!(again.term(), Term(3), "the other one is silent");
    old.close().await;
}

/// As a master does that then is silent.
pub(crate) async fn take_over(broker: &Broker, id: &str) {
    let jetstream =
        async_nats::jetstream::new(async_nats::connect(broker.url()).await.expect("connect"));
    let bucket = jetstream.get_key_value("lh_test").await.expect("bucket");
    let record = LeaderRecord {
        id: id.into(),
        incarnation: Incarnation(u64::MAX),
        priority: 0,
        epoch: Term(2),
        heartbeat: 0,
        released: false,
    };
    let value = serde_json::to_vec(&record).expect("json");
    loop {
        let found = bucket.entry("leader").await.expect("read").expect("a leader");
        if bucket.update("leader", value.clone().into(), found.revision).await.is_ok() {
            return;
        }
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
}
