//! The master's side: what the coordinator says and hears.
//!
//! [`Membership`] is a master among others: it stands for election and is seen. In a term of its
//! own, [`NatsFleet`] is the coordinator's port [`Fleet`] over control documents. What workers say
//! comes out of one channel of [`Report`]s, fed by tasks that do not wait for each other's
//! source: heartbeats and intervals. Each task ends with [`NatsFleet::close`].

mod assignments;
mod clock;
mod heard;
mod intervals;

use std::sync::Arc;
use std::time::Duration;

use async_nats::jetstream::stream::{Config, DiscardPolicy, RetentionPolicy, StorageType};
use futures_util::future::BoxFuture;
use loadhost_control::election::ElectionConfig;
use loadhost_control::ports::{Fleet, FleetError};
use loadhost_model::id::{ClusterId, Incarnation, Term, WorkerId};
use loadhost_model::wire::{Assignment, Report};
use tokio::sync::{Mutex, mpsc, watch};
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

use crate::connect::Connection;
use crate::documents::Documents;
use crate::lease::{Candidacy, Leadership, Place, Standing, set};
use crate::masters::{MasterPresence, Masters, Seen};
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
/// A shorter one would end leaderships whenever a machine is busy.
pub const SHORTEST_LEASE: Duration = Duration::from_secs(1);
/// Renewals that fit into a lease, at least.
pub const HEARTBEATS_PER_LEASE: u32 = 3;
/// Between the attempts of standbys of different ranks.
const STEP: Duration = Duration::from_millis(150);

/// How a master takes part.
#[derive(Debug, Clone)]
pub struct FleetConfig {
    /// Which fleet.
    pub cluster: ClusterId,
    /// Name of this master, for people: host and process.
    pub id: String,
    /// Of this process.
    pub incarnation: Incarnation,
    /// Who stands by with a greater one follows first.
    pub priority: u32,
    /// Without a renewal for this long a leader counts as dead. At least [`SHORTEST_LEASE`].
    pub lease: Duration,
    /// Between renewals, which are also the beats that workers listen for. At most a third of
    /// the lease.
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
            priority: 0,
            lease: Duration::from_secs(3),
            heartbeat: Duration::from_secs(1),
            replicas: 1,
            stats_bytes: 256 << 20,
        }
    }

    /// The same, in as many copies as the broker has room for.
    pub fn with_replicas_of(self, connection: &Connection) -> Self {
        Self { replicas: connection.replicas(), ..self }
    }

    fn election(&self) -> ElectionConfig {
        let lease = self.lease.max(SHORTEST_LEASE);
        ElectionConfig {
            id: self.id.clone(),
            incarnation: self.incarnation,
            priority: self.priority,
            lease,
            heartbeat: self.heartbeat.min(lease / HEARTBEATS_PER_LEASE),
            step: STEP,
        }
    }
}

/// Why a master cannot take part, or a worker not join.
#[derive(Debug, thiserror::Error)]
pub enum JoinError {
    /// A stream, bucket or subscription was not to be had.
    #[error("the broker does not give `{what}`: {reason}")]
    Broker {
        /// Its name.
        what: String,
        /// What the broker said.
        reason: String,
    },
}

/// A master among others: it stands for election, and is seen.
pub struct Membership {
    names: Names,
    documents: Documents,
    candidacy: Candidacy,
    masters: Masters,
    draining: watch::Sender<bool>,
    /// What workers ask the leader's clock comes here, whoever leads.
    _clock: JoinSet<()>,
}

impl Membership {
    /// Makes what is missing in the broker, and stands from now on.
    pub async fn join(
        connection: &Connection,
        config: &FleetConfig,
        url: Option<String>,
    ) -> Result<Membership, JoinError> {
        let names = Names::new(config.cluster.clone());
        let documents = Documents::create(connection, &names, config.replicas).await;
        let documents = documents.map_err(|error| JoinError::Broker {
            what: names.control_stream(),
            reason: error.to_string(),
        })?;
        create_stats_stream(connection, &names, config).await?;
        let own = MasterPresence {
            id: config.id.clone(),
            incarnation: config.incarnation,
            priority: config.priority,
            release: env!("CARGO_PKG_VERSION").to_string(),
            term: None,
            acting: false,
            url,
            draining: false,
        };
        let election = config.election();
        let (leads, leadership) = watch::channel(Leadership::default());
        let (draining, drained) = watch::channel(false);
        let (beat, leads_now) = (election.heartbeat, leadership.clone());
        let masters = Masters::join(connection, &names, own, beat, leads_now, drained).await?;
        // Taking a term is the first beat that workers hear: be able to answer before.
        let questions = subscribe(connection, names.clock()).await?;
        let mut clock = JoinSet::new();
        clock.spawn(clock::answer(connection.clone(), questions, leadership));
        let place = Place { documents: documents.clone(), ranks: masters.ranks(), leads };
        let candidacy = Candidacy::stand(connection, &names, place, election).await?;
        Ok(Membership { names, documents, candidacy, masters, draining, _clock: clock })
    }

    /// Who leads, from now on.
    pub fn leadership(&self) -> watch::Receiver<Leadership> {
        self.candidacy.leadership()
    }

    /// Waits until this master leads.
    pub async fn elected(&self) -> Standing {
        self.candidacy.elected().await
    }

    /// Gives up the term, if there is one, and takes none until [`Self::stand_again`].
    pub(crate) fn abstain(&self) {
        self.candidacy.abstain();
    }

    /// Takes part in elections again.
    pub(crate) fn stand_again(&self) {
        self.candidacy.stand_again();
    }

    /// Says to others whether this master is out of service.
    pub(crate) fn set_draining(&self, draining: bool) {
        set(&self.draining, draining);
    }

    /// Whether this master is out of service.
    pub(crate) fn draining(&self) -> watch::Receiver<bool> {
        self.draining.subscribe()
    }

    /// All masters that are heard of, this one included, by name.
    pub fn masters(&self) -> watch::Receiver<Vec<MasterPresence>> {
        self.masters.heard()
    }

    /// When each other master was heard last.
    pub(crate) fn seen(&self) -> watch::Receiver<Seen> {
        self.masters.seen()
    }

    /// Releases the term, if there is one, so that nobody need wait.
    pub async fn leave(&self) {
        self.candidacy.leave().await;
    }

    pub(crate) fn names(&self) -> &Names {
        &self.names
    }
}

/// The fleet as a coordinator reaches it, in one term.
pub struct NatsFleet {
    assignments: Assignments,
    standing: Standing,
    stop: CancellationToken,
    tasks: Mutex<JoinSet<()>>,
}

impl NatsFleet {
    /// Listens to workers on behalf of who was elected. Intervals are read from behind message
    /// `read_from` of their stream (0: all of them).
    pub async fn open(
        connection: &Connection,
        membership: &Membership,
        standing: Standing,
        read_from: u64,
    ) -> Result<(Arc<NatsFleet>, mpsc::Receiver<Report>), JoinError> {
        let names = membership.names.clone();
        let heartbeats = subscribe(connection, names.all_heartbeats()).await?;
        let (reports, receiver) = mpsc::channel(REPORTS);
        let stop = CancellationToken::new();
        let mut tasks = JoinSet::new();
        let hearing = heard::hear_statuses(heartbeats, connection.clone(), reports.clone());
        let ended = stop.clone();
        tasks.spawn(async move {
            ended.run_until_cancelled(hearing).await;
        });
        let reading =
            intervals::read(connection.clone(), names.clone(), reports, read_from, stop.clone());
        tasks.spawn(reading);
        let documents = membership.documents.clone();
        let assignments = Assignments::new(documents, names, connection.counters().clone());
        let tasks = Mutex::new(tasks);
        Ok((Arc::new(NatsFleet { assignments, standing, stop, tasks }), receiver))
    }

    /// The term in which this master leads, for the coordinator.
    pub fn term(&self) -> Term {
        self.standing.term()
    }

    /// Whether this master leads at this moment: not deposed, and its lease is renewed.
    pub fn leads(&self) -> bool {
        self.standing.may_act()
    }

    /// Returns the name of the master that leads instead, once that is so.
    pub async fn deposed(&self) -> String {
        self.standing.over().await
    }

    /// Stops listening. What the broker still holds stays there.
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
            if let Some(leader) = self.standing.deposed() {
                return Err(FleetError::Deposed(leader));
            }
            if !self.standing.may_act() {
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
