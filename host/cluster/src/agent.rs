//! The worker's side: the channels that an engine's agent lives on, over the broker.
//!
//! [`AgentLink`] gives assignments, takes reports and knows the leader's clock. Four tasks that
//! never wait for each other: listening for leader and assignment, heartbeats, intervals, and
//! the sorting of reports. Without a leader for [`AgentConfig::dead_man`] the assignment becomes
//! None, which stops the load; intervals are kept until they can be handed over.

mod clock;
mod follow;
mod outbox;
mod publish;

use std::sync::Arc;
use std::time::Duration;

use loadhost_model::id::{ClusterId, WorkerId};
use loadhost_model::wire::{Assignment, Report, WorkerStatus};
use tokio::sync::{Notify, mpsc, watch};
use tokio::task::JoinSet;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use crate::connect::Connection;
use crate::documents::Documents;
use crate::fleet::JoinError;
use crate::lease::LeaderRecord;
use crate::subjects::Names;
use outbox::Outbox;

/// Reports on their way from the engine; they are only sorted here, so few suffice.
const REPORTS: usize = 256;

/// For the last status to go out.
const FAREWELL: Duration = Duration::from_secs(1);

/// How a worker takes part.
#[derive(Debug, Clone)]
pub struct AgentConfig {
    /// Which fleet.
    pub cluster: ClusterId,
    /// Who; the same name that its reports carry.
    pub worker: WorkerId,
    /// Without a word of the leader for this long the load is stopped. Longer than an election
    /// in the broker, which takes up to 10 s.
    pub dead_man: Duration,
    /// How often the assignment is read besides being listened for.
    pub poll: Duration,
    /// How often the clock is compared with the leader's.
    pub clock: Duration,
}

impl AgentConfig {
    /// With the usual times: dead man after 30 s, poll every 5 s, clock every 30 s.
    pub fn new(cluster: ClusterId, worker: WorkerId) -> Self {
        Self {
            cluster,
            worker,
            dead_man: Duration::from_secs(30),
            poll: Duration::from_secs(5),
            clock: Duration::from_secs(30),
        }
    }
}

/// A worker's end of the fleet.
pub struct AgentLink {
    /// What is wanted, for the engine's agent. None: nothing yet, or no leader any more; then a
    /// running load is to stop.
    pub assignments: watch::Receiver<Option<Assignment>>,
    /// What the engine's agent reports. Drop all clones, then [`AgentLink::close`].
    pub reports: mpsc::Sender<Report>,
    /// Leader's wall clock minus this machine's, in microseconds; known before the first
    /// assignment of a term is given out.
    pub clock_offset: watch::Receiver<i64>,
    /// Who leads and has answered this worker; None: nobody.
    pub leader: watch::Receiver<Option<LeaderRecord>>,
    /// Has the assignment read anew, by who may have missed one.
    pub ask: Arc<Notify>,
    /// When the last reading that was asked for began, once what it found was given out.
    pub read: watch::Receiver<Option<Instant>>,
    /// The last status that passed through, for `/ready` and `/metrics`.
    pub status: watch::Receiver<Option<WorkerStatus>>,
    outbox: Arc<Outbox>,
    stop: CancellationToken,
    tasks: JoinSet<()>,
}

impl AgentLink {
    /// Listens and waits for nothing: a worker may be there before its master, and outlive it.
    pub async fn join(
        connection: &Connection,
        config: AgentConfig,
    ) -> Result<AgentLink, JoinError> {
        let names = Names::new(config.cluster.clone());
        let documents = Documents::open(connection, &names).await.map_err(|error| {
            JoinError::Broker { what: names.control_stream(), reason: error.to_string() }
        })?;
        let stop = CancellationToken::new();
        let mut tasks = JoinSet::new();
        let outbox = Arc::new(Outbox::new(connection.counters().clone()));
        let (reports, received) = mpsc::channel(REPORTS);
        let (status, statuses) = watch::channel(None);
        let (follower, followed) =
            follow::Follower::listen(connection.clone(), names.clone(), documents, config.clone())
                .await?;
        tasks.spawn(follower.follow(stop.clone()));
        tasks.spawn(publish::sort(
            connection.clone(),
            names.log(&config.worker),
            received,
            status,
            outbox.clone(),
        ));
        tasks.spawn(publish::heartbeats(
            connection.clone(),
            names.heartbeat(&config.worker),
            statuses.clone(),
        ));
        tasks.spawn(publish::intervals(connection.clone(), names, outbox.clone(), stop.clone()));
        Ok(AgentLink {
            assignments: followed.assignments,
            reports,
            clock_offset: followed.clock_offset,
            leader: followed.leader,
            ask: followed.ask,
            read: followed.read,
            status: statuses,
            outbox,
            stop,
            tasks,
        })
    }

    /// Intervals that the broker has not acknowledged yet.
    pub fn unsent(&self) -> usize {
        self.outbox.len()
    }

    /// Hands over what is left, for `patience` at most, and ends. How many intervals stayed
    /// behind: they are lost.
    pub async fn close(self, patience: Duration) -> usize {
        let Self { reports, outbox, stop, mut tasks, .. } = self;
        drop(reports);
        let _ = tokio::time::timeout(patience, outbox.emptied()).await;
        stop.cancel();
        let ended = async { while tasks.join_next().await.is_some() {} };
        let _ = tokio::time::timeout(FAREWELL, ended).await;
        outbox.len()
    }
}
