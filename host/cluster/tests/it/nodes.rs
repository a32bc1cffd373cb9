//! Whole masters: what they show and say of themselves when the lead changes.

use std::sync::Arc;

use loadhost_cluster::subjects::Names;
use loadhost_cluster::{Connection, NatsState, Node, NodeConfig, NodeParts};
use loadhost_control::CoordinatorConfig;
use loadhost_control::ports::NoShapes;

use crate::broker::{Broker, eventually};
use crate::leading::take_over;
use crate::words::{cluster, fleet_config};

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
