//! A whole cluster as anybody sees it who may speak to its broker: masters, leader, workers,
//! streams. Nothing is made or changed, so a cluster that is not there looks empty.

use std::time::Duration;

use futures_util::StreamExt;
use loadhost_model::id::ClusterId;
use serde::Serialize;
use tokio::time::Instant;

use crate::connect::{ANSWER_WITHIN, Connection};
use crate::ctl::{self, Ask, FleetStatus, Told};
use crate::documents::Documents;
use crate::fleet::{JoinError, subscribe};
use crate::lease::{self, LeaderRecord};
use crate::masters::{MAX_MASTERS, MasterPresence};
use crate::subjects::{LEADER_KEY, Names};

/// What there is of a cluster.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Overview {
    /// Which.
    pub cluster: ClusterId,
    /// Of the broker.
    pub broker_version: String,
    /// Who was elected last, also if it is not there any more; None: nobody ever was.
    pub elected: Option<LeaderRecord>,
    /// Who answered, by name.
    pub masters: Vec<MasterPresence>,
    /// As the leader sees it; None: see `unanswered`.
    pub fleet: Option<FleetStatus>,
    /// Why the leader said nothing.
    pub unanswered: Option<String>,
    /// Those that are there.
    pub streams: Vec<StreamStatus>,
    /// Intervals that are not in a checkpoint yet.
    pub lag: u64,
}

/// One stream of the broker.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct StreamStatus {
    /// Its name.
    pub name: String,
    /// In it.
    pub messages: u64,
    /// In it.
    pub bytes: u64,
    /// That fit; negative: no bound.
    pub most_bytes: i64,
    /// Copies that are wanted.
    pub replicas: usize,
    /// Copies that are up to date; None: the broker is a single server.
    pub current: Option<usize>,
    /// The node that leads it.
    pub leader: Option<String>,
}

/// Looks around; `patience` is how long masters may take to answer.
///
/// # Errors
/// If the broker does not let us ask.
pub async fn overview(
    connection: &Connection,
    cluster: &ClusterId,
    patience: Duration,
) -> Result<Overview, JoinError> {
    let names = Names::new(cluster.clone());
    let masters = masters(connection, &names, patience).await?;
    let (fleet, unanswered) = match ctl::ask(connection, &names, &Ask::Fleet).await {
        Ok(Told::Fleet(fleet)) => (Some(fleet), None),
        Ok(_) => (None, Some("the leader is of another release".to_string())),
        Err(unanswered) => (None, Some(unanswered.to_string())),
    };
    let mut streams = Vec::new();
    for name in names.streams() {
        streams.extend(stream(connection, name).await);
    }
    let lag = streams.iter().find(|stream| stream.name == names.stats_stream());
    Ok(Overview {
        cluster: cluster.clone(),
        broker_version: connection.server_version(),
        elected: elected(connection, &names).await,
        masters,
        fleet,
        unanswered,
        lag: lag.map_or(0, |stream| stream.messages),
        streams,
    })
}

async fn elected(connection: &Connection, names: &Names) -> Option<LeaderRecord> {
    let documents = Documents::open(connection, names).await.ok()?;
    let document = documents.get(LEADER_KEY).await.ok()??;
    lease::read(&document.value)
}

/// Each master answers for itself.
async fn masters(
    connection: &Connection,
    names: &Names,
    patience: Duration,
) -> Result<Vec<MasterPresence>, JoinError> {
    let until = Instant::now() + patience;
    let inbox = connection.client.new_inbox();
    let mut answers = subscribe(connection, inbox.clone()).await?;
    let asked = connection.client.publish_with_reply(names.who(), inbox, "".into()).await;
    asked.map_err(|error| JoinError::Broker { what: names.who(), reason: error.to_string() })?;
    let mut masters: Vec<MasterPresence> = Vec::new();
    while let Ok(Some(answer)) = tokio::time::timeout_at(until, answers.next()).await {
        let Ok(master) = serde_json::from_slice(&answer.payload) else { continue };
        masters.push(master);
        if masters.len() >= MAX_MASTERS {
            break;
        }
    }
    masters.sort_by(|a, b| (&a.id, a.incarnation.0).cmp(&(&b.id, b.incarnation.0)));
    Ok(masters)
}

async fn stream(connection: &Connection, name: String) -> Option<StreamStatus> {
    let found = connection.jetstream.get_stream(&name);
    let found = tokio::time::timeout(ANSWER_WITHIN, found).await.ok()?.ok()?;
    let info = found.cached_info();
    let cluster = info.cluster.as_ref();
    let current = cluster.map(|cluster| {
        let others = cluster.replicas.iter().filter(|peer| peer.current && !peer.offline);
        others.count() + usize::from(cluster.leader.is_some())
    });
    Some(StreamStatus {
        name,
        messages: info.state.messages,
        bytes: info.state.bytes,
        most_bytes: info.config.max_bytes,
        replicas: info.config.num_replicas,
        current: current.filter(|_| info.config.num_replicas > 1),
        leader: cluster.and_then(|cluster| cluster.leader.clone()),
    })
}
