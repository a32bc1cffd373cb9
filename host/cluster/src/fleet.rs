//! The master's side: what the coordinator says and hears.
//!
//! [`NatsFleet`] is the coordinator's port [`Fleet`] over control documents. What workers say
//! comes out of one channel of [`Report`]s, fed by tasks that do not wait for each other's
//! source: heartbeats, intervals and logs. Each task ends with [`NatsFleet::close`].

mod assignments;
mod clock;
mod heard;
mod intervals;

use std::sync::Arc;
use std::time::Duration;

use async_nats::jetstream::stream::{Config, DiscardPolicy, RetentionPolicy, StorageType};
use futures_util::future::BoxFuture;
use loadhost_control::ports::{Fleet, FleetError};
use loadhost_model::id::{ClusterId, Incarnation, Term, WorkerId};
use loadhost_model::wire::{Assignment, Report};
use tokio::sync::{Mutex, mpsc};
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

use crate::connect::Connection;
use crate::documents::Documents;
use crate::lease::{self, LeaseConfig, LeaseError};
use crate::subjects::Names;
use assignments::Assignments;
pub(crate) use clock::wall_micros;
pub(crate) use heard::subscribe;

/// Reports that wait for the coordinator. A full channel is back-pressure: intervals stay in
/// the broker, heartbeats in the client.
const REPORTS: usize = 1_024;
/// Of a reader that fell so far behind that the stream was full, workers hold the rest.
const STATS_AGE: Duration = Duration::from_secs(24 * 3600);
/// Within this time the broker drops a message that it has had before.
const DUPLICATE_WINDOW: Duration = Duration::from_secs(120);

/// How a master leads.
#[derive(Debug, Clone)]
pub struct FleetConfig {
    /// Which fleet.
    pub cluster: ClusterId,
    /// Name of this master, for people: host and process.
    pub id: String,
    /// Of this process.
    pub incarnation: Incarnation,
    /// Without a renewal for this long a leader counts as dead. At least 1 s.
    pub lease: Duration,
    /// Between renewals, which are also the beats that workers listen for.
    pub heartbeat: Duration,
    /// Copies of documents and intervals: 1, or 3 on a broker of three nodes or more.
    pub replicas: usize,
    /// Bytes of intervals that the broker keeps for a master that does not read; then workers
    /// are refused and hold what they have.
    pub stats_bytes: i64,
}

impl FleetConfig {
    /// With the usual times: a lease of 3 s, renewed each second.
    pub fn new(cluster: ClusterId, id: impl Into<String>, incarnation: Incarnation) -> Self {
        Self {
            cluster,
            id: id.into(),
            incarnation,
            lease: Duration::from_secs(3),
            heartbeat: Duration::from_secs(1),
            replicas: 1,
            stats_bytes: 256 << 20,
        }
    }
}

/// Why a master cannot lead, or a worker not join.
#[derive(Debug, thiserror::Error)]
pub enum JoinError {
    /// Another master leads, or nobody can be asked.
    #[error(transparent)]
    Lease(#[from] LeaseError),
    /// A stream, bucket or subscription was not to be had.
    #[error("the broker does not give `{what}`: {reason}")]
    Broker {
        /// Its name.
        what: String,
        /// What the broker said.
        reason: String,
    },
}

/// The fleet as a coordinator reaches it.
pub struct NatsFleet {
    names: Names,
    term: Term,
    assignments: Assignments,
    standing: tokio::sync::watch::Receiver<lease::Standing>,
    stop: CancellationToken,
    tasks: Mutex<JoinSet<()>>,
}

impl NatsFleet {
    /// Makes what is missing in the broker, takes the next term, and listens.
    ///
    /// Takes a whole lease longer if a former master went away without releasing its term.
    pub async fn lead(
        connection: &Connection,
        config: FleetConfig,
    ) -> Result<(Arc<NatsFleet>, mpsc::Receiver<Report>), JoinError> {
        let names = Names::new(config.cluster.clone());
        let documents = Documents::create(connection, &names, config.replicas).await;
        let documents = documents.map_err(|error| JoinError::Broker {
            what: names.control_stream(),
            reason: error.to_string(),
        })?;
        create_stats_stream(connection, &names, &config).await?;
        let keep = LeaseConfig {
            id: config.id.clone(),
            lease: config.lease.max(Duration::from_secs(1)),
            heartbeat: config.heartbeat,
        };
        // Taking the term is the first beat that workers hear: be able to answer before.
        let heard = heard::listen(connection, &names).await?;
        let questions = subscribe(connection, names.clock()).await?;
        let lease = lease::take(&documents, &config.cluster, keep, config.incarnation).await?;
        let (term, standing) = (lease.term(), lease.standing());
        let (reports, receiver) = mpsc::channel(REPORTS);
        let stop = CancellationToken::new();
        let mut tasks = JoinSet::new();
        tasks.spawn(clock::answer(connection.clone(), questions, term, stop.clone()));
        heard.spawn(&mut tasks, connection, &reports, &stop);
        tasks.spawn(lease.keep(connection.clone(), stop.clone()));
        tasks.spawn(intervals::read(connection.clone(), names.clone(), reports, stop.clone()));
        let assignments = Assignments::new(documents, names.clone(), connection.counters().clone());
        let tasks = Mutex::new(tasks);
        let fleet = NatsFleet { names, term, assignments, standing, stop, tasks };
        Ok((Arc::new(fleet), receiver))
    }

    /// The term that was taken, for the coordinator.
    pub fn term(&self) -> Term {
        self.term
    }

    /// Whose fleet it is.
    pub fn cluster(&self) -> &ClusterId {
        self.names.cluster()
    }

    /// Whether this master leads at this moment: not deposed, and its lease is renewed.
    pub fn leads(&self) -> bool {
        self.standing.borrow().may_act(tokio::time::Instant::now())
    }

    /// Returns the name of the master that leads instead, once that is so.
    pub async fn deposed(&self) -> String {
        let mut standing = self.standing.clone();
        let lost = standing.wait_for(|standing| standing.deposed.is_some()).await;
        match lost.ok().and_then(|standing| standing.deposed.clone()) {
            Some(leader) => leader,
            None => std::future::pending().await, // Closed in good order.
        }
    }

    /// Stops listening and releases the term. What the broker still holds stays there.
    pub async fn close(&self) {
        self.stop.cancel();
        let mut tasks = self.tasks.lock().await;
        while tasks.join_next().await.is_some() {}
    }
}

impl Fleet for NatsFleet {
    fn assign(
        &self,
        worker: &WorkerId,
        assignment: Assignment,
    ) -> BoxFuture<'_, Result<(), FleetError>> {
        let worker = worker.clone();
        Box::pin(async move {
            let standing = self.standing.borrow().clone();
            if let Some(leader) = standing.deposed {
                return Err(FleetError::Deposed(leader));
            }
            if !standing.may_act(tokio::time::Instant::now()) {
                let reason = "the lease could not be renewed, so nothing is ordered".into();
                return Err(FleetError::Undelivered { worker, reason });
            }
            self.assignments.write(&worker, &assignment).await
        })
    }
}

/// The stream of intervals: a full one refuses, so that nothing is lost behind a worker's back.
async fn create_stats_stream(
    connection: &Connection,
    names: &Names,
    config: &FleetConfig,
) -> Result<(), JoinError> {
    let stream = Config {
        name: names.stats_stream(),
        description: Some("loadhost: intervals on their way to the master".into()),
        subjects: vec![names.all_stats()],
        retention: RetentionPolicy::Limits,
        discard: DiscardPolicy::New,
        max_bytes: config.stats_bytes,
        max_age: STATS_AGE,
        duplicate_window: DUPLICATE_WINDOW,
        storage: StorageType::File,
        num_replicas: config.replicas,
        ..Config::default()
    };
    let made = connection.jetstream.get_or_create_stream(stream).await;
    made.map(drop).map_err(|error| JoinError::Broker {
        what: names.stats_stream(),
        reason: error.to_string(),
    })
}
