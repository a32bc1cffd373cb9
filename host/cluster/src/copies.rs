//! Copies of streams: as many as the broker's nodes allow, whenever a stream was made.
//!
//! A stream that was made before a broker's nodes had all met has one copy, and stays so: the node
//! that holds it takes it along when it fails. So the leader looks now and then and has copies added.

use std::time::Duration;

use async_nats::jetstream::stream::Config;
use tokio_util::sync::CancellationToken;
use tracing::{debug, info};

use crate::connect::{COPIES, Connection};
use crate::subjects::Names;

/// Between two looks; one costs a question for each stream.
const LOOK: Duration = Duration::from_secs(10);

/// Looks after the copies of a cluster's streams until `end`. Does nothing on a single server.
pub(crate) async fn keep(connection: Connection, names: Names, end: CancellationToken) {
    let looking = async {
        while connection.has_several_nodes() {
            for stream in names.streams() {
                raise(&connection, &stream).await;
            }
            tokio::time::sleep(LOOK).await;
        }
    };
    end.run_until_cancelled(looking).await;
}

/// Gives a stream [`COPIES`], if it is there and has fewer. The client knows the nodes of the moment
/// at which it connected; so the broker is asked, and refuses as long as nodes are missing.
async fn raise(connection: &Connection, stream: &str) {
    // Buckets are made with what is first put into them.
    let Ok(found) = connection.jetstream.get_stream(stream).await else { return };
    let config = found.cached_info().config.clone();
    let had = config.num_replicas;
    if had >= COPIES {
        return;
    }
    let raised = Config { num_replicas: COPIES, ..config };
    match connection.jetstream.update_stream(raised).await {
        Ok(_) => info!(stream, had, now = COPIES, "a stream has more copies"),
        Err(error) => debug!(stream, had, %error, "no more copies of a stream yet"),
    }
}
