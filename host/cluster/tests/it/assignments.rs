//! What the master wants, as workers hear it.

use std::time::{SystemTime, UNIX_EPOCH};

use loadhost_control::ports::{Fleet, FleetError};
use loadhost_model::id::Term;
use loadhost_model::wire::Report;

use crate::broker::{Broker, eventually, soon};
use crate::words::{assignment, join, lead, next_interval, status, work, worker};

#[tokio::test]
async fn an_assignment_reaches_the_worker_and_its_status_comes_back() {
    let broker = Broker::start();
    let (fleet, mut reports) = lead(&broker.connect("master").await, "host:1").await;
    let mut link = join(&broker.connect("worker").await, "w1").await;
    let wanted = assignment(fleet.term(), 1, Some(work("r1")));
    fleet.assign(&worker("w1"), wanted.clone()).await.expect("assign");
    let got = soon("assignment", link.assignments.wait_for(Option::is_some)).await;
    assert_eq!(got.expect("open").as_ref(), Some(&wanted));

    link.reports.send(Report::Status(status("w1"))).await.expect("open");
    match soon("status", reports.recv()).await {
        Some(Report::Status(heard)) => assert_eq!(heard, status("w1")),
        other => panic!("{other:?}"),
    }
    fleet.close().await;
}

#[tokio::test]
async fn a_worker_that_comes_late_reads_what_was_written_before() {
    let broker = Broker::start();
    let (fleet, _reports) = lead(&broker.connect("master").await, "host:1").await;
    for generation in 1..=3 {
        let wanted = assignment(fleet.term(), generation, None);
        fleet.assign(&worker("w1"), wanted).await.expect("assign");
    }
    let mut link = join(&broker.connect("worker").await, "w1").await;
    let got = soon("assignment", link.assignments.wait_for(Option::is_some)).await;
    assert_eq!(got.expect("open").as_ref().map(|a| a.generation), Some(3));
    fleet.close().await;
}

#[tokio::test]
async fn a_worker_may_be_there_before_any_master() {
    let broker = Broker::start();
    let mut link = join(&broker.connect("worker").await, "w1").await;
    assert!(link.assignments.borrow().is_none());
    let (fleet, _reports) = lead(&broker.connect("master").await, "host:1").await;
    let leader = soon("leader", link.leader.wait_for(Option::is_some)).await;
    assert_eq!(leader.expect("open").as_ref().map(|l| l.id.clone()), Some("host:1".into()));
    fleet.assign(&worker("w1"), assignment(fleet.term(), 1, None)).await.expect("assign");
    soon("assignment", link.assignments.wait_for(Option::is_some)).await.expect("open");
    fleet.close().await;
}

#[tokio::test]
async fn a_stale_generation_changes_nothing() {
    let broker = Broker::start();
    let (fleet, _reports) = lead(&broker.connect("master").await, "host:1").await;
    let mut link = join(&broker.connect("worker").await, "w1").await;
    fleet.assign(&worker("w1"), assignment(fleet.term(), 5, None)).await.expect("assign");
    soon("assignment", link.assignments.wait_for(Option::is_some)).await.expect("open");
    // Late, by a part of the master that knows no better.
    publish(&broker, &assignment(fleet.term(), 4, Some(work("old")))).await;
    fleet.assign(&worker("w1"), assignment(fleet.term(), 6, None)).await.expect("assign");
    let got = link.assignments.wait_for(|a| a.as_ref().is_some_and(|a| a.generation != 5));
    let got = soon("assignment", got).await.expect("open").clone().expect("some");
    assert_eq!((got.generation, got.work), (6, None));
    fleet.close().await;
}

#[tokio::test]
async fn what_an_earlier_term_left_behind_is_not_applied() {
    let broker = Broker::start();
    let connection = broker.connect("masters").await;
    let (old, _reports) = lead(&connection, "host:1").await;
    old.assign(&worker("w1"), assignment(old.term(), 9, Some(work("old")))).await.expect("assign");
    old.close().await;

    let (new, _reports) = lead(&connection, "host:2").await;
    let worker_connection = broker.connect("worker").await;
    let mut link = join(&worker_connection, "w1").await;
    let stale = worker_connection.counters();
    eventually("it was read", async || stale.assignments_stale.get() > 0).await;
    assert!(link.assignments.borrow().is_none());
    // The new term writes over it, although its generation is lower.
    new.assign(&worker("w1"), assignment(new.term(), 1, None)).await.expect("assign");
    let got = soon("assignment", link.assignments.wait_for(Option::is_some)).await;
    assert_eq!(got.expect("open").as_ref().map(|a| a.term), Some(Term(2)));
    new.close().await;
}

#[tokio::test]
async fn the_assignment_of_a_greater_term_is_not_written_over() {
    let broker = Broker::start();
    let (fleet, _reports) = lead(&broker.connect("master").await, "host:1").await;
    let client = async_nats::connect(broker.url()).await.expect("connect");
    let bucket = async_nats::jetstream::new(client).get_key_value("lh_test").await.expect("bucket");
    let newer = assignment(Term(7), 1, None).to_json();
    bucket.put("assign.w1", newer.into()).await.expect("write");
    let refused = fleet.assign(&worker("w1"), assignment(fleet.term(), 1, None)).await;
    assert!(matches!(refused, Err(FleetError::Deposed(_))), "{refused:?}");
    fleet.close().await;
}

#[tokio::test]
async fn without_a_leader_the_load_stops_and_what_was_measured_is_kept() {
    let broker = Broker::start();
    let master = broker.connect("master").await;
    let (fleet, reports) = lead(&master, "host:1").await;
    let worker_connection = broker.connect("worker").await;
    let mut link = join(&worker_connection, "w1").await;
    let wanted = assignment(fleet.term(), 1, Some(work("r1")));
    fleet.assign(&worker("w1"), wanted).await.expect("assign");
    soon("assignment", link.assignments.wait_for(Option::is_some)).await.expect("open");
    drop((fleet, reports)); // A crash: nothing is said any more.
    soon("dead-man", link.assignments.wait_for(Option::is_none)).await.expect("open");
    assert!(link.leader.borrow().is_none());
    assert_eq!(worker_connection.counters().dead_man_stops.get(), 1);

    let last = crate::words::interval("r1", "w1", 1, 1);
    link.reports.send(Report::Interval(Box::new(last.clone()))).await.expect("open");
    let (next, mut reports) = lead(&master, "host:2").await;
    assert_eq!(next_interval(&mut reports).await, last);
    soon("leader", link.leader.wait_for(Option::is_some)).await.expect("open");
    assert!(link.assignments.borrow().is_none(), "an old term's assignment came back");
    next.close().await;
}

#[tokio::test]
async fn the_clocks_are_compared_before_an_assignment_is_given_out() {
    let broker = Broker::start();
    let (fleet, _reports) = lead(&broker.connect("master").await, "host:1").await;
    fleet.assign(&worker("w1"), assignment(fleet.term(), 1, None)).await.expect("assign");
    let mut link = join(&broker.connect("worker").await, "w1").await;
    soon("assignment", link.assignments.wait_for(Option::is_some)).await.expect("open");
    // Both are of this machine, so the true offset is nothing, and the error a part of the way.
    assert!(link.clock_offset.has_changed().expect("open"), "not compared");
    let offset = *link.clock_offset.borrow();
    let now = SystemTime::now().duration_since(UNIX_EPOCH).expect("after 1970");
    assert!(offset.unsigned_abs() < 250_000, "{offset} µs at {now:?}");
    fleet.close().await;
}

/// As the bucket publishes it, past all checks of the writer.
async fn publish(broker: &Broker, assignment: &loadhost_model::wire::Assignment) {
    let client = async_nats::connect(broker.url()).await.expect("connect");
    client.publish("lh.test.assign.w1", assignment.to_json().into()).await.expect("publish");
    client.flush().await.expect("flush");
}
