//! The coordinator's state in the broker: [`StateStore`] over a stream of its own.
//!
//! ```text
//! lh.<c>.state.decisions                    a manifest: what a document consists of
//! lh.<c>.state.run.<r>                      the numbers of a run, and how far the stream is in them
//! lh.<c>.state.report.<r>                   of a run that is over
//! lh.<c>.state.chunk.<kind>.<r>.<term>.<h>  a piece of one of them, named by its SHA-256
//! ```
//!
//! - A stream apart from the control documents, so that large numbers can never keep a leader from
//!   renewing its lease or from giving orders. Nothing of it is published again.
//! - Chunks are written first, then the manifest by compare-and-swap; a broken-off upload changes
//!   nothing. A chunk that is there already is not written again.
//! - Loading *claims*: decisions are written again under the new term, so a former leader's next save
//!   fails. Intervals are purged only after it was seen that the claim still stands, and all
//!   checkpoints were saved before: so whoever claims later finds them.
//! - A leader deletes what it replaced itself; what others left behind is collected once it has saved
//!   all runs under its own term, and from time to time.

mod chunks;
mod manifest;
mod reading;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use async_nats::jetstream::stream::{Config, DiscardPolicy, StorageType, Stream};
use futures_util::future::BoxFuture;
use loadhost_control::ports::{Saved, SavedCheckpoint, StateStore, StoreError};
use loadhost_model::id::{RunId, Term};
use tokio::time::Instant;

use crate::connect::{ANSWER_WITHIN, Connection, WriteError};
use crate::fleet::JoinError;
use crate::store::ModuleStore;
use crate::subjects::Names;
use manifest::{Manifest, Plan};

/// Of all state of a cluster together.
const STATE_BYTES: i64 = 512 << 20;
/// Of one document: while it is replaced, two of them are there.
const MOST_BYTES: usize = 128 << 20;
/// Reports that are kept, and their bytes. Beyond it the oldest go.
const MOST_REPORTS: usize = 20;
const REPORT_BYTES: usize = 96 << 20;
/// Attempts to swap a document that somebody wrote meanwhile.
const ATTEMPTS: usize = 5;
/// Between two looks for what others left behind. No upload takes as long.
const COLLECT_EACH: Duration = Duration::from_secs(600);
const DECISIONS: &str = "decisions";

/// State of one cluster, kept by the broker.
pub struct NatsState {
    connection: Connection,
    stream: Stream<()>,
    names: Names,
    kept: Mutex<Kept>,
}

/// What is known of the stream, under the term that was loaded last.
#[derive(Debug, Default)]
struct Kept {
    term: Option<Term>,
    documents: BTreeMap<String, Known>,
    /// Intervals up to here are purged.
    purged: u64,
    /// Chunks of modules, and of results, that belonged to nothing when they were looked at last.
    orphans: [BTreeSet<String>; 2],
    /// When garbage was looked for last.
    collected: Option<Instant>,
}

/// A document as it was written or read last.
#[derive(Debug, Clone, Default)]
struct Known {
    revision: u64,
    bytes: usize,
    chunks: BTreeSet<String>,
    /// Chunks that were written and belong to nothing.
    strays: BTreeSet<String>,
}

impl Known {
    /// There is a manifest, and nothing of it is known.
    fn is_unread(&self) -> bool {
        self.revision == 0
    }
}

impl NatsState {
    /// Makes the stream if it is not there, in so many copies. Asks for no state yet.
    ///
    /// # Errors
    /// If the broker does not give the stream.
    pub async fn open(
        connection: &Connection,
        names: &Names,
        replicas: usize,
    ) -> Result<Self, JoinError> {
        let config = Config {
            name: names.state_stream(),
            description: Some("loadhost: what the next leader must know".into()),
            subjects: vec![names.state(">")],
            max_messages_per_subject: 1,
            max_bytes: STATE_BYTES,
            discard: DiscardPolicy::New,
            storage: StorageType::File,
            num_replicas: replicas,
            ..Config::default()
        };
        let broker = |reason: String| JoinError::Broker { what: names.state_stream(), reason };
        let made = connection.jetstream.get_or_create_stream(config).await;
        made.map_err(|error| broker(error.to_string()))?;
        let stream = connection.jetstream.get_stream_no_info(names.state_stream()).await;
        Ok(Self {
            connection: connection.clone(),
            stream: stream.map_err(|error| broker(error.to_string()))?,
            names: names.clone(),
            kept: Mutex::default(),
        })
    }

    fn kept(&self) -> MutexGuard<'_, Kept> {
        self.kept.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// What is known of a document, if the term that was loaded is still this one.
    fn known(&self, term: Term, key: &str) -> Result<Known, StoreError> {
        let kept = self.kept();
        match kept.term {
            Some(loaded) if loaded == term => {
                Ok(kept.documents.get(key).cloned().unwrap_or_default())
            }
            Some(loaded) if loaded > term => {
                Err(StoreError::Deposed(format!("this master, in term {}", loaded.0)))
            }
            _ => Err(unavailable(key, "nothing was loaded under this term")),
        }
    }

    fn remember(&self, term: Term, key: &str, known: Known) {
        let mut kept = self.kept();
        if kept.term == Some(term) {
            kept.documents.insert(key.to_string(), known);
        }
    }

    /// Replaces a document: chunks first, then the manifest, then what it replaced goes.
    async fn save(
        &self,
        term: Term,
        key: &str,
        position: u64,
        sections: Vec<Vec<u8>>,
    ) -> Result<(), StoreError> {
        let mut known = self.known(term, key)?;
        let bytes = sections.iter().map(Vec::len).sum();
        if bytes > MOST_BYTES {
            let what = key.to_string();
            return Err(StoreError::TooLarge { what, bytes, most: MOST_BYTES });
        }
        let Plan { manifest, chunks } = self.plan(term, key, position, sections).await?;
        let names: BTreeSet<String> = chunks.iter().map(|(name, _)| name.clone()).collect();
        let uploaded = self.upload(chunks, &mut known).await;
        if let Err(error) = uploaded {
            self.remember(term, key, known);
            return Err(error);
        }
        match self.replace(key, &manifest, known.revision).await {
            Ok(revision) => {
                let former = known.chunks.union(&known.strays);
                let garbage: BTreeSet<String> =
                    former.filter(|n| !names.contains(*n)).cloned().collect();
                let strays = self.purge_all(garbage).await;
                self.remember(term, key, Known { revision, bytes, chunks: names, strays });
                self.connection.counters().state_saved.one();
                Ok(())
            }
            Err(error) => {
                known.strays.extend(names.difference(&known.chunks).cloned());
                self.remember(term, key, known);
                Err(error)
            }
        }
    }

    /// Beside the runtime: large documents take a while to be hashed.
    async fn plan(
        &self,
        term: Term,
        key: &str,
        position: u64,
        sections: Vec<Vec<u8>>,
    ) -> Result<Plan, StoreError> {
        let (owner, piece) = (key.to_string(), self.piece());
        let plan = move || Plan::new(term, &owner, position, sections, piece);
        let planned = tokio::task::spawn_blocking(plan).await;
        planned.map_err(|error| unavailable(key, error))
    }

    /// Swaps a manifest against the newest one of ours.
    async fn replace(
        &self,
        key: &str,
        manifest: &Manifest,
        mut revision: u64,
    ) -> Result<u64, StoreError> {
        for _ in 0..ATTEMPTS {
            match self.swap(key, manifest.to_bytes(), revision).await? {
                Some(written) => return Ok(written),
                // Ours, by a write whose answer was lost; or of a term that is over.
                None => match self.manifest(key).await? {
                    Some((_, theirs)) if theirs.term > manifest.term => {
                        return Err(StoreError::Deposed(format!("in term {}", theirs.term.0)));
                    }
                    found => revision = found.map_or(0, |(message, _)| message.sequence),
                },
            }
        }
        Err(unavailable(key, "others write it all the time"))
    }

    /// Writes if the newest revision is still this one (0: never written). None: it is not.
    async fn swap(
        &self,
        key: &str,
        value: Vec<u8>,
        revision: u64,
    ) -> Result<Option<u64>, StoreError> {
        match self.connection.write(self.names.state(key), value, Some(revision)).await {
            Ok(written) => Ok(Some(written)),
            Err(WriteError::Conflict) => Ok(None),
            Err(error) => Err(unavailable(key, error)),
        }
    }

    /// The oldest reports beyond the bound go.
    async fn bound_reports(&self, term: Term) {
        let mut reports: Vec<(u64, String, usize)> = Vec::new();
        for (key, known) in &self.kept().documents {
            if key.starts_with("report.") {
                reports.push((known.revision, key.clone(), known.bytes));
            }
        }
        reports.sort();
        let (mut count, mut bytes) = (reports.len(), reports.iter().map(|r| r.2).sum::<usize>());
        for (_, key, size) in reports {
            if count <= MOST_REPORTS && bytes <= REPORT_BYTES || count <= 1 {
                break;
            }
            (count, bytes) = (count - 1, bytes - size);
            if let Err(error) = self.remove(term, &key).await {
                tracing::debug!(key, %error, "an old report stays for now");
            }
        }
    }

    /// The manifest first, so that nobody looks for chunks that are gone.
    async fn remove(&self, term: Term, key: &str) -> Result<(), StoreError> {
        let known = self.known(term, key)?;
        self.purge(&self.names.state(key)).await?;
        let chunks = known.chunks.union(&known.strays).cloned().collect();
        self.kept().documents.remove(key);
        self.purge_all(chunks).await;
        Ok(())
    }

    /// Intervals up to `position` are not needed any more, if this master still leads.
    async fn release_intervals(&self, term: Term, position: u64) -> Result<(), StoreError> {
        self.known(term, DECISIONS)?;
        match self.manifest(DECISIONS).await? {
            Some((_, manifest)) if manifest.term == term => {}
            Some((_, manifest)) => {
                return Err(StoreError::Deposed(format!("in term {}", manifest.term.0)));
            }
            None => return Err(unavailable(DECISIONS, "the claim on the state is gone")),
        }
        if position > 0 && self.kept().purged != position {
            let stream = self.connection.jetstream.get_stream_no_info(self.names.stats_stream());
            let purge = async {
                let stream = stream.await.map_err(|error| error.to_string())?;
                let purged = stream.purge().sequence(position.saturating_add(1)).await;
                purged.map(drop).map_err(|error| error.to_string())
            };
            within("intervals", purge).await?.map_err(|reason| unavailable("intervals", reason))?;
            self.kept().purged = position;
        }
        let now = Instant::now();
        let is_due = self.kept().collected.is_none_or(|last| now >= last + COLLECT_EACH);
        if is_due {
            self.kept().collected = Some(now);
            // All that matters was saved: garbage may stay.
            if let Err(error) = self.collect(term).await {
                tracing::debug!(%error, "garbage stays for now");
            }
            self.sweep_files().await;
        }
        Ok(())
    }
}

impl NatsState {
    /// The leader also keeps the buckets of modules and of results clean.
    async fn sweep_files(&self) {
        let (connection, names) = (&self.connection, &self.names);
        let stores =
            [ModuleStore::new(connection, names), ModuleStore::of_results(connection, names)];
        for (at, store) in stores.into_iter().enumerate() {
            let orphans = self.kept().orphans[at].clone();
            match within("files", store.sweep(&orphans)).await {
                Ok(Ok(left)) => self.kept().orphans[at] = left,
                Ok(Err(error)) => tracing::debug!(%error, "files not looked at"),
                Err(error) => tracing::debug!(%error, "files not looked at"),
            }
        }
    }
}

impl StateStore for NatsState {
    fn load(&self, term: Term) -> BoxFuture<'_, Result<Saved, StoreError>> {
        Box::pin(self.take_over(term))
    }

    fn save_decisions(
        &self,
        term: Term,
        decisions: Vec<u8>,
    ) -> BoxFuture<'_, Result<(), StoreError>> {
        Box::pin(self.save(term, DECISIONS, 0, vec![decisions]))
    }

    fn save_checkpoint(
        &self,
        term: Term,
        run: RunId,
        checkpoint: SavedCheckpoint,
    ) -> BoxFuture<'_, Result<(), StoreError>> {
        let SavedCheckpoint { position, sections } = checkpoint;
        Box::pin(async move { self.save(term, &run_key(&run), position, sections).await })
    }

    fn save_report(
        &self,
        term: Term,
        run: RunId,
        report: Vec<u8>,
    ) -> BoxFuture<'_, Result<(), StoreError>> {
        Box::pin(async move {
            self.save(term, &report_key(&run), 0, vec![report]).await?;
            self.bound_reports(term).await;
            Ok(())
        })
    }

    fn report(&self, run: RunId) -> BoxFuture<'_, Result<Option<Vec<u8>>, StoreError>> {
        Box::pin(async move {
            let found = self.read(&report_key(&run)).await?;
            Ok(found.and_then(|document| document.sections.into_iter().next()))
        })
    }

    fn forget(&self, term: Term, run: RunId) -> BoxFuture<'_, Result<(), StoreError>> {
        Box::pin(async move { self.remove(term, &run_key(&run)).await })
    }

    fn release(&self, term: Term, position: u64) -> BoxFuture<'_, Result<(), StoreError>> {
        Box::pin(self.release_intervals(term, position))
    }
}

fn run_key(run: &RunId) -> String {
    format!("run.{run}")
}

fn report_key(run: &RunId) -> String {
    format!("report.{run}")
}

fn unavailable(what: &str, reason: impl std::fmt::Display) -> StoreError {
    StoreError::Unavailable { what: what.to_string(), reason: reason.to_string() }
}

/// An answer of the broker, but not for ever.
async fn within<T>(what: &str, answer: impl Future<Output = T>) -> Result<T, StoreError> {
    let late = |_| unavailable(what, format!("no answer within {ANSWER_WITHIN:?}"));
    tokio::time::timeout(ANSWER_WITHIN, answer).await.map_err(late)
}

/// Between two times of the broker's clock, in microseconds.
fn between(earlier: i64, later: i64) -> Duration {
    Duration::from_micros(u64::try_from(later.saturating_sub(earlier)).unwrap_or_default())
}
