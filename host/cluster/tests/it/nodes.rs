//! Whole masters: what they show and say of themselves when the lead changes.

use std::sync::Arc;
use std::time::Duration;

use futures_util::StreamExt;
use loadhost_cluster::lease::Leadership;
use loadhost_cluster::subjects::Names;
use loadhost_cluster::{Connection, Membership, NatsState, Node, NodeConfig, NodeParts};
use loadhost_control::ports::NoShapes;
use loadhost_control::{CoordinatorConfig, FleetView};
use loadhost_model::wire::{LogLine, Report, WorkerStatus};

use crate::broker::{Broker, eventually, soon};
use crate::leading::take_over;
use crate::words::{cluster, fleet_config, join, lead, run, status, worker};

async fn node(connection: &Connection, id: &str) -> Node {
    let config = NodeConfig {
        fleet: fleet_config(id),
        coordinator: CoordinatorConfig::default(),
        url: None,
    };
    let store = NatsState::open(connection, &Names::new(cluster()), 1).await.expect("a stream");
    let parts = NodeParts { store: Arc::new(store), shapes: Arc::new(NoShapes) };
    Node::start(connection, config, parts).await.expect("start")
}

#[tokio::test(flavor = "multi_thread", worker_threads = 3)]
async fn a_deposed_master_does_not_show_its_past() {
    let broker = Broker::start();
    let connection = broker.connect("master").await;
    let node = node(&connection, "host:1").await;
    let client = async_nats::connect(broker.url()).await.expect("connect");
    let mut views = client.subscribe("lh.test.view").await.expect("subscribe");
    // Views go out as soon as somebody else is there to see them.
    let standby = broker.connect("standby").await;
    let standby = Membership::join(&standby, &fleet_config("host:2"), None).await.expect("join");
    let early = soon("a view goes out", views.next()).await.expect("open");
    let mut shown = node.handle().view();
    let back = tokio::spawn(async move {
        let mut last = shown.borrow_and_update().at;
        while shown.changed().await.is_ok() {
            let at = shown.borrow_and_update().at;
            if at < last {
                return Some(Duration::from_micros(last - at));
            }
            last = at;
        }
        None
    });
    let link = join(&broker.connect("worker").await, "w1").await;
    let users = async |users: u32| {
        let status = WorkerStatus { users, ..status("w1") };
        link.reports.send(Report::Status(status)).await.expect("open");
        let is_shown =
            move |view: &Arc<FleetView>| view.workers.iter().any(|worker| worker.users == users);
        let mut view = node.handle().view();
        drop(soon("it is shown", view.wait_for(is_shown)).await.expect("open"));
    };
    users(1).await;
    users(2).await;
    // As many as come back to a master that leads for ten minutes.
    for _ in 0..1_200 {
        let (subject, headers) = (early.subject.clone(), early.headers.clone().expect("headers"));
        let sent = client.publish_with_headers(subject, headers, early.payload.clone()).await;
        sent.expect("sent");
    }
    client.flush().await.expect("flush");
    take_over(&broker, "host:9").await;
    let mut leadership = node.leadership();
    let is_over = |seen: &Leadership| seen.leader().is_some_and(|leader| leader.epoch.0 > 2);
    soon("who took over is followed", leadership.wait_for(is_over)).await.expect("open");
    node.stop().await;
    assert_eq!(soon("the handle closes", back).await.expect("ends"), None, "it showed the past");
    assert_eq!(connection.counters().views_incomplete.get(), 0);
    standby.leave().await;
}

#[tokio::test]
async fn a_master_that_could_not_take_over_is_ready_when_another_leads() {
    let broker = Broker::start();
    let connection = broker.connect("master").await;
    drop(NatsState::open(&connection, &Names::new(cluster()), 1).await.expect("a stream"));
    let client = async_nats::connect(broker.url()).await.expect("connect");
    let jetstream = async_nats::jetstream::new(client);
    let damaged = jetstream.publish("lh.test.state.decisions", "nonsense".into()).await;
    damaged.expect("sent").await.expect("stored");
    let node = node(&connection, "host:1").await;
    let ready = node.readiness();
    eventually("it says why not", async || {
        ready().is_err_and(|why| why.contains("cannot take over"))
    })
    .await;
    take_over(&broker, "host:9").await;
    eventually("it stands by", async || ready().is_ok()).await;
    node.stop().await;
}

#[tokio::test]
async fn a_worker_cannot_put_words_into_the_mouth_of_another() {
    let broker = Broker::start();
    let leader = broker.connect("leader").await;
    let (leader, _reports) = lead(&leader, "host:1").await;
    let connection = broker.connect("master").await;
    let node = node(&connection, "host:2").await;
    let mut lines = node.handle().logs();
    let client = async_nats::connect(broker.url()).await.expect("connect");
    let line = |message: &str| LogLine {
        run: run("r1"),
        at: Duration::ZERO,
        worker: worker("w1"),
        user: 1,
        level: "info".into(),
        message: message.into(),
    };
    let said = [("w2", line("forged").to_json()), ("w1", b"nonsense".to_vec())];
    for (from, body) in said.into_iter().chain([("w1", line("true").to_json())]) {
        client.publish(format!("lh.test.log.{from}"), body.into()).await.expect("sent");
    }
    assert_eq!(*soon("a line", lines.recv()).await.expect("open"), line("true"));
    assert_eq!(connection.counters().logs_dropped.get(), 2);
    node.stop().await;
    leader.close().await;
}
