//! Measurements: each once, in order, whatever happens to the broker.

use std::time::Duration;

use loadhost_model::interval::Interval;
use loadhost_model::wire::{Report, encode_interval};

use crate::broker::{Broker, PATIENCE, eventually, soon};
use crate::words::{interval, join, lead, next_interval, status};

#[tokio::test]
async fn intervals_come_in_order_and_leave_the_stream() {
    let broker = Broker::start();
    let (fleet, mut reports) = lead(&broker.connect("master").await, "host:1").await;
    let link = join(&broker.connect("worker").await, "w1").await;
    let sent: Vec<Interval> = (1..=50).map(|seq| interval("r1", "w1", seq, 10)).collect();
    for interval in &sent {
        link.reports.send(Report::Interval(Box::new(interval.clone()))).await.expect("open");
    }
    for interval in &sent {
        assert_eq!(&next_interval(&mut reports).await, interval);
    }
    assert_eq!(link.close(PATIENCE).await, 0);
    let client = async_nats::connect(broker.url()).await.expect("connect");
    let jetstream = async_nats::jetstream::new(client);
    eventually("the stream is purged behind the reader", async || {
        let stream = jetstream.get_stream("LH_STATS_test").await.expect("stream");
        stream.cached_info().state.messages == 0
    })
    .await;
    fleet.close().await;
}

#[tokio::test]
async fn intervals_arrive_once_over_restarts_of_the_broker() {
    let mut broker = Broker::start();
    let master = broker.connect("master").await;
    let (fleet, mut reports) = lead(&master, "host:1").await;
    let worker = broker.connect("worker").await;
    let link = join(&worker, "w1").await;
    let reporter = link.reports.clone();
    let total = 240;
    let load = tokio::spawn(async move {
        for seq in 1..=total {
            let report = Report::Interval(Box::new(interval("r1", "w1", seq, 20)));
            reporter.send(report).await.expect("open");
            tokio::time::sleep(Duration::from_millis(25)).await;
        }
    });
    let mut seqs = Vec::new();
    let mut restarts = 0;
    while seqs.last() != Some(&total) {
        seqs.push(next_interval(&mut reports).await.seq);
        if seqs.len() == 30 || seqs.len() == 120 {
            broker.restart();
            restarts += 1;
        }
    }
    load.await.expect("all sent");
    assert_eq!(restarts, 2);
    // The coordinator ignores what comes twice; what is missing nobody can make up.
    let mut once = seqs.clone();
    once.sort_unstable();
    once.dedup();
    assert_eq!(once, (1..=total).collect::<Vec<_>>());
    assert_eq!(link.close(PATIENCE).await, 0);
    fleet.close().await;
}

#[tokio::test]
async fn an_outage_from_before_the_first_interval_loses_nothing() {
    let mut broker = Broker::start();
    let (fleet, mut reports) = lead(&broker.connect("master").await, "host:1").await;
    let worker = broker.connect("worker").await;
    let link = join(&worker, "w1").await;
    broker.kill();
    for seq in 1..=1_500 {
        let report = Report::Interval(Box::new(interval("r1", "w1", seq, 1)));
        link.reports.send(report).await.expect("open");
    }
    eventually("they wait", async || link.unsent() > 300).await;
    broker.restart();
    let (mut requests, mut next) = (0, 1);
    while next <= 1_500 {
        let interval = next_interval(&mut reports).await;
        if interval.seq < next {
            continue; // Came twice.
        }
        assert_eq!(interval.seq, next, "a gap");
        next += 1;
        requests += interval.statistics.total().requests;
    }
    assert_eq!(requests, 1_500);
    assert!(worker.counters().intervals_coalesced.get() > 0);
    assert_eq!(link.close(PATIENCE).await, 0);
    fleet.close().await;
}

#[tokio::test]
async fn workers_are_not_counted_out_while_the_broker_is_away() {
    let mut broker = Broker::start();
    let master = broker.connect("master").await;
    let (fleet, mut reports) = lead(&master, "host:1").await;
    let link = join(&broker.connect("worker").await, "w1").await;
    link.reports.send(Report::Status(status("w1"))).await.expect("open");
    let heard = soon("a status", reports.recv()).await;
    broker.kill();
    for _ in 0..2 {
        assert_eq!(soon("a presumed status", reports.recv()).await, heard);
    }
    assert!(master.counters().statuses_presumed.get() >= 2);
    broker.restart();
    eventually("they meet again", async || master.connected()).await;
    let now = loadhost_model::wire::WorkerStatus { users: 9, ..status("w1") };
    eventually("the worker is heard itself", async || {
        link.reports.send(Report::Status(now.clone())).await.expect("open");
        soon("a status", reports.recv()).await == Some(Report::Status(now.clone()))
    })
    .await;
    fleet.close().await;
}

#[tokio::test]
async fn an_interval_larger_than_a_message_arrives_whole() {
    let broker = Broker::start();
    let (fleet, mut reports) = lead(&broker.connect("master").await, "host:1").await;
    let link = join(&broker.connect("worker").await, "w1").await;
    let other = join(&broker.connect("other").await, "w2").await;
    let large = interval("r1", "w1", 1, 20_000);
    assert!(encode_interval(&large).len() > 1 << 20, "{}", encode_interval(&large).len());
    link.reports.send(Report::Interval(Box::new(large.clone()))).await.expect("open");
    for seq in 1..=20 {
        let small = interval("r1", "w2", seq, 1);
        other.reports.send(Report::Interval(Box::new(small))).await.expect("open");
    }
    let mut got = Vec::new();
    while got.len() < 21 {
        got.push(next_interval(&mut reports).await);
    }
    assert_eq!(got.iter().find(|interval| interval.worker.as_str() == "w1"), Some(&large));
    fleet.close().await;
}

#[tokio::test]
async fn what_is_no_interval_is_counted_and_stops_nothing() {
    let broker = Broker::start();
    let master = broker.connect("master").await;
    let (fleet, mut reports) = lead(&master, "host:1").await;
    let client = async_nats::connect(broker.url()).await.expect("connect");
    let jetstream = async_nats::jetstream::new(client);
    for (subject, body) in [("lh.test.stats.r1.w1", "nonsense"), ("lh.test.stats.x", "")] {
        jetstream.publish(subject, body.into()).await.expect("sent").await.expect("stored");
    }
    let link = join(&broker.connect("worker").await, "w1").await;
    let good = interval("r1", "w1", 1, 1);
    link.reports.send(Report::Interval(Box::new(good.clone()))).await.expect("open");
    assert_eq!(next_interval(&mut reports).await, good);
    assert_eq!(master.counters().intervals_undecodable.get(), 2);
    fleet.close().await;
}

#[tokio::test]
async fn a_full_stream_holds_workers_back_until_the_master_reads() {
    let broker = Broker::start();
    let connection = broker.connect("master").await;
    let config = loadhost_cluster::FleetConfig {
        stats_bytes: 200_000,
        ..crate::words::fleet_config("host:1")
    };
    let (fleet, mut reports) = crate::words::lead_with(&connection, config).await.expect("lead");
    let worker = broker.connect("worker").await;
    let link = join(&worker, "w1").await;
    let total = 1_400;
    let reporter = link.reports.clone();
    let load = tokio::spawn(async move {
        for seq in 1..=total {
            let report = Report::Interval(Box::new(interval("r1", "w1", seq, 5)));
            reporter.send(report).await.expect("open");
        }
    });
    // Nobody reads: the channel fills, then the stream, then the worker keeps.
    load.await.expect("the worker is never held up");
    let counters = worker.counters();
    eventually("the stream refuses", async || counters.intervals_retried.get() > 0).await;
    let (mut requests, mut next) = (0, 1);
    while next <= total {
        let interval = next_interval(&mut reports).await;
        if interval.seq == next {
            (requests, next) = (requests + interval.statistics.total().requests, next + 1);
        }
    }
    assert_eq!(requests, total * 5);
    soon("closed", fleet.close()).await;
}
