//! Who leads the fleet: a term taken by compare-and-swap, and kept by renewing it.
//!
//! The document `leader` holds a [`LeaderRecord`]. Whoever swaps it from `epoch` to `epoch + 1`
//! leads in that term; each renewal swaps it against the revision of the one before, so a
//! deposed leader cannot renew. No wall clock is compared: others take a leader for dead when
//! the revision has not changed for a whole lease by their own clock, and a leader stops acting
//! after [`ACT_WITHIN`] of a lease without a renewal, counted from its sending.
//!
//! Here a master takes the term once, at start, or is refused beside a live one. Standing by
//! and taking over while a run goes on belongs beside `take`.

use std::time::Duration;

use loadhost_model::id::{ClusterId, Incarnation, Term};
use serde::{Deserialize, Serialize};
use tokio::sync::watch;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;
use tracing::{info, warn};

use crate::connect::Connection;
use crate::documents::{Document, DocumentError, Documents};
use crate::subjects::LEADER_KEY;

/// Part of a lease, in tenths, during which a leader may act without a renewal.
pub const ACT_WITHIN: u32 = 8;

/// Who leads, as everybody reads it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct LeaderRecord {
    /// For people: host and process.
    pub id: String,
    /// Of the master's process.
    pub incarnation: Incarnation,
    /// Breaks ties between standing candidates; greater wins.
    pub priority: u32,
    /// The term. Unique and growing.
    pub epoch: Term,
    /// Renewals in this term.
    pub heartbeat: u64,
    /// The leader went away in good order, so nobody need wait.
    pub released: bool,
}

/// How leadership is kept.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LeaseConfig {
    /// Name of this master, for people.
    pub id: String,
    /// Without a renewal for this long a leader counts as dead.
    pub lease: Duration,
    /// Between renewals.
    pub heartbeat: Duration,
}

/// Why a term was not taken.
#[derive(Debug, thiserror::Error)]
pub enum LeaseError {
    /// Somebody renews it.
    #[error(
        "cluster `{cluster}` already has a master, `{id}` in term {term}; stop it, or give this one \
         another name with --cluster"
    )]
    Taken {
        /// Which fleet.
        cluster: ClusterId,
        /// Who leads it.
        id: String,
        /// Since when.
        term: u64,
    },
    /// The store did not answer.
    #[error("the leadership of cluster `{cluster}` cannot be read or written: {reason}")]
    Store {
        /// Which fleet.
        cluster: ClusterId,
        /// What the broker said.
        reason: String,
    },
}

/// Where a taken lease stands.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Standing {
    /// When the last renewal that succeeded was sent.
    renewed: Instant,
    lease: Duration,
    /// Who leads instead.
    pub(crate) deposed: Option<String>,
}

impl Standing {
    /// Whether the leader may still act, by its own clock.
    pub(crate) fn may_act(&self, now: Instant) -> bool {
        self.deposed.is_none() && now < self.renewed + self.lease * ACT_WITHIN / 10
    }
}

/// A term that was taken.
pub(crate) struct Lease {
    documents: Documents,
    config: LeaseConfig,
    record: LeaderRecord,
    revision: u64,
    standing: watch::Sender<Standing>,
}

/// Takes the next term, or says who leads.
pub(crate) async fn take(
    documents: &Documents,
    cluster: &ClusterId,
    config: LeaseConfig,
    incarnation: Incarnation,
) -> Result<Lease, LeaseError> {
    let store = |error: DocumentError| LeaseError::Store {
        cluster: cluster.clone(),
        reason: error.to_string(),
    };
    let found = documents.get(LEADER_KEY).await.map_err(store)?;
    let old = found.as_ref().and_then(record_in);
    if let (Some(found), Some(old)) = (&found, &old)
        && !old.released
        && let Some(live) = still_renewed(documents, found, config.lease).await.map_err(store)?
    {
        let (id, term) = (live.id, live.epoch.0);
        return Err(LeaseError::Taken { cluster: cluster.clone(), id, term });
    }
    let record = LeaderRecord {
        id: config.id.clone(),
        incarnation,
        priority: 0,
        epoch: Term(old.map_or(0, |old| old.epoch.0) + 1),
        heartbeat: 0,
        released: false,
    };
    let sent = Instant::now();
    match documents.swap(LEADER_KEY, bytes_of(&record), found.map_or(0, |f| f.revision)).await {
        Ok(revision) => {
            info!(%cluster, term = record.epoch.0, id = record.id, "leading");
            let standing = Standing { renewed: sent, lease: config.lease, deposed: None };
            let standing = watch::Sender::new(standing);
            Ok(Lease { documents: documents.clone(), config, record, revision, standing })
        }
        Err(DocumentError::Conflict(_)) => {
            let winner = documents.get(LEADER_KEY).await.map_err(store)?;
            let winner = winner.as_ref().and_then(record_in);
            let (id, term) = winner.map_or(("unknown".into(), 0), |w| (w.id, w.epoch.0));
            Err(LeaseError::Taken { cluster: cluster.clone(), id, term })
        }
        Err(error) => Err(store(error)),
    }
}

/// Watches for a whole lease whether the revision changes: the record of who did it.
async fn still_renewed(
    documents: &Documents,
    seen: &Document,
    lease: Duration,
) -> Result<Option<LeaderRecord>, DocumentError> {
    let until = Instant::now() + lease;
    while Instant::now() < until {
        tokio::time::sleep(lease / 12).await;
        let now = documents.get(LEADER_KEY).await?;
        if let Some(now) = now.filter(|now| now.revision != seen.revision) {
            return Ok(record_in(&now).filter(|record| !record.released));
        }
    }
    Ok(None)
}

impl Lease {
    pub(crate) fn term(&self) -> Term {
        self.record.epoch
    }

    pub(crate) fn standing(&self) -> watch::Receiver<Standing> {
        self.standing.subscribe()
    }

    /// Renews until `stop`, then releases the term, or until another master leads.
    pub(crate) async fn keep(mut self, connection: Connection, stop: CancellationToken) {
        let mut ticks = tokio::time::interval(self.config.heartbeat);
        ticks.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
        loop {
            tokio::select! {
                () = stop.cancelled() => break,
                _ = ticks.tick() => {}
            }
            if let Err(error) = self.renew().await {
                connection.counters().renewals_failed.one();
                warn!(term = self.record.epoch.0, %error, "lease not renewed");
            }
            if let Some(id) = &self.standing.borrow().deposed {
                warn!(term = self.record.epoch.0, leader = id, "deposed");
                return;
            }
        }
        self.record.released = true;
        if let Err(error) = self.renew().await {
            warn!(term = self.record.epoch.0, %error, "term not released; it runs out by itself");
        }
    }

    async fn renew(&mut self) -> Result<(), DocumentError> {
        let sent = Instant::now();
        self.record.heartbeat += 1;
        let swapped = self.documents.swap(LEADER_KEY, bytes_of(&self.record), self.revision).await;
        let error = match swapped {
            Ok(revision) => {
                self.revision = revision;
                self.standing.send_modify(|standing| standing.renewed = sent);
                return Ok(());
            }
            Err(error) => error,
        };
        // A renewal whose answer was lost has changed the revision all the same: in doubt, look.
        // What a replica answers may be old, so it renews nothing; the next swap will.
        let found = self.documents.get(LEADER_KEY).await?;
        match found.as_ref().map(record_in) {
            Some(Some(record)) if self.is_mine(&record) => {
                self.revision = found.map_or(0, |found| found.revision).max(self.revision);
                Err(error)
            }
            Some(other) => {
                self.depose(other);
                Ok(())
            }
            None => Err(error),
        }
    }

    fn is_mine(&self, other: &LeaderRecord) -> bool {
        other.incarnation == self.record.incarnation && other.epoch == self.record.epoch
    }

    fn depose(&mut self, other: Option<LeaderRecord>) {
        let id = other.map_or("unknown".to_string(), |other| other.id);
        self.standing.send_modify(|standing| standing.deposed = Some(id));
    }
}

fn bytes_of(record: &LeaderRecord) -> Vec<u8> {
    serde_json::to_vec(record).unwrap_or_default()
}

fn record_in(document: &Document) -> Option<LeaderRecord> {
    read(&document.value)
}

/// A leadership as it was published; None: not readable.
pub(crate) fn read(bytes: &[u8]) -> Option<LeaderRecord> {
    serde_json::from_slice(bytes).ok()
}
