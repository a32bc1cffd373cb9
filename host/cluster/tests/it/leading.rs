//! Terms: one master at a time, and each later one in a greater term.

use std::time::Duration;

use loadhost_cluster::lease::LeaseError;
use loadhost_cluster::{JoinError, NatsFleet};
use loadhost_control::ports::{Fleet, FleetError};
use loadhost_model::id::{Incarnation, Term};

use crate::broker::{Broker, eventually, soon};
use crate::words::{assignment, fleet_config, lead, worker};

#[tokio::test]
async fn a_second_master_is_refused_and_told_who_leads() {
    let broker = Broker::start();
    let (first, _reports) = lead(&broker.connect("first").await, "first-host:1").await;
    let connection = broker.connect("second").await;
    let second = NatsFleet::lead(&connection, fleet_config("second-host:2")).await;
    match second.map(|(fleet, _)| fleet.term()) {
        Err(JoinError::Lease(error @ LeaseError::Taken { .. })) => {
            let text = error.to_string();
            assert!(text.contains("first-host:1") && text.contains("--cluster"), "{text}");
        }
        other => panic!("{other:?}"),
    }
    assert!(first.leads());
    first.close().await;
}

#[tokio::test]
async fn a_released_term_is_followed_at_once_by_the_next() {
    let broker = Broker::start();
    let connection = broker.connect("masters").await;
    for term in 1..=3 {
        let began = tokio::time::Instant::now();
        let (fleet, _reports) = lead(&connection, "host:1").await;
        assert_eq!(fleet.term(), Term(term));
        assert!(began.elapsed() < fleet_config("").lease, "it waited for a released lease");
        fleet.close().await;
    }
}

#[tokio::test]
async fn a_crashed_master_is_followed_after_its_lease() {
    let broker = Broker::start();
    let (crashed, _reports) = lead(&broker.connect("crashed").await, "host:1").await;
    drop(crashed); // Its tasks end without releasing anything.
    let began = tokio::time::Instant::now();
    let (next, _reports) = lead(&broker.connect("next").await, "host:2").await;
    assert_eq!(next.term(), Term(2));
    assert!(began.elapsed() >= fleet_config("").lease);
    next.close().await;
}

#[tokio::test]
async fn a_master_that_is_cut_off_stops_ordering_and_goes_on_in_its_term() {
    let mut broker = Broker::start();
    let (fleet, _reports) = lead(&broker.connect("master").await, "host:1").await;
    broker.kill();
    eventually("it stops acting", async || !fleet.leads()).await;
    let refused = fleet.assign(&worker("w1"), assignment(fleet.term(), 1, None)).await;
    assert!(matches!(refused, Err(FleetError::Undelivered { .. })), "{refused:?}");
    broker.restart();
    eventually("it leads again", async || fleet.leads()).await;
    assert_eq!(fleet.term(), Term(1));
    fleet.close().await;
}

#[tokio::test]
async fn a_master_whose_term_was_taken_knows_by_whom() {
    let broker = Broker::start();
    let (old, _reports) = lead(&broker.connect("old").await, "host:1").await;
    take_over(&broker, "host:2").await;
    assert_eq!(soon("it notices", old.deposed()).await, "host:2");
    assert!(!old.leads());
    let refused = old.assign(&worker("w1"), assignment(old.term(), 9, None)).await;
    assert_eq!(refused, Err(FleetError::Deposed("host:2".into())));
    old.close().await;
}

/// What a standby will do once it holds the leader for dead.
async fn take_over(broker: &Broker, id: &str) {
    let jetstream =
        async_nats::jetstream::new(async_nats::connect(broker.url()).await.expect("connect"));
    let bucket = jetstream.get_key_value("lh_test").await.expect("bucket");
    let record = loadhost_cluster::lease::LeaderRecord {
        id: id.into(),
        incarnation: Incarnation(2),
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
