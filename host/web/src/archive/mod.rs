//! Runs that are over, kept for later: each once, the oldest unpinned go when there are too many.
//!
//! | on the shelf | is |
//! |---|---|
//! | file in `results` | the run in full, its history, its results ([`Kept`], packed) |
//! | `run.<id>` | a line to list it by ([`Summary`]) |
//! | `note.<id>` | what people wrote about it ([`Remark`]), also of a run that goes on |
//! | `gone.<id>` | nothing but that it was deleted: views show a run for a while after its end |
//!
//! Each master keeps what it sees end; whoever comes second finds it kept. It holds no secret of a run's plan:
//! it is made from what a page may see.

mod keeper;
mod kept;
mod remarks;
#[cfg(test)]
mod tests;

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use bytes::Bytes;
use loadhost_control::ports::{Drawer, Shelf, ShelfError};
use tokio::time::Instant;

pub use keeper::Keeper;
pub use kept::{Kept, MAX_KEPT_LOG_BYTES, Summary, Unreadable};
pub use remarks::{Remark, Remarks};

/// Runs that are kept.
pub const MAX_KEPT: usize = 200;
/// Runs among them that may be pinned.
pub const MAX_PINNED: usize = 100;
/// Deleted runs that are remembered, many more than any view shows.
pub const MAX_DELETED: usize = 200;
/// What is known of the shelf is asked anew after so long, since other masters write to it too.
const FRESH: Duration = Duration::from_secs(2);

/// Why a kept run was not found or written about.
#[derive(Debug, thiserror::Error)]
pub enum ArchiveError {
    /// Of the store.
    #[error(transparent)]
    Shelf(#[from] ShelfError),
    /// Damaged, or of another release.
    #[error(transparent)]
    Unreadable(#[from] Unreadable),
    /// Somebody has to unpin one first.
    #[error("{MAX_PINNED} runs are pinned, which is the most; unpin another one first")]
    Pinned,
}

/// Counters of the archive.
#[derive(Debug, Default)]
pub struct Counters {
    /// Runs that were kept.
    pub kept: AtomicU64,
    /// Runs that could not be kept.
    pub failed: AtomicU64,
    /// Runs that were deleted to make room.
    pub let_go: AtomicU64,
}

/// Runs that are over.
pub struct Archive {
    shelf: Arc<dyn Shelf>,
    /// What people wrote.
    pub remarks: Remarks,
    known: Mutex<Known>,
    /// One remark at a time, since a part of it is written.
    writing: tokio::sync::Mutex<()>,
    /// What was kept, and what was not.
    pub counters: Counters,
}

#[derive(Default)]
struct Known {
    runs: BTreeMap<String, Summary>,
    asked: Option<Instant>,
}

fn key(kind: &str, run: &str) -> String {
    format!("{kind}.{run}")
}

impl Archive {
    /// On this shelf.
    pub fn new(shelf: Arc<dyn Shelf>) -> Arc<Self> {
        let (remarks, known, writing, counters) = Default::default();
        Arc::new(Self { shelf, remarks, known, writing, counters })
    }

    fn known(&self) -> MutexGuard<'_, Known> {
        self.known.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Kept runs, newest first.
    ///
    /// # Errors
    /// If the shelf does not answer.
    pub async fn list(&self) -> Result<Vec<Summary>, ArchiveError> {
        self.refresh().await?;
        Ok(self.known().runs.values().rev().cloned().collect())
    }

    /// Looks at the shelf, unless that was done just now.
    pub(crate) async fn refresh(&self) -> Result<(), ArchiveError> {
        if self.known().asked.is_some_and(|asked| asked.elapsed() < FRESH) {
            return Ok(());
        }
        let runs = self.shelf.list("run.").await?;
        let notes = self.shelf.list("note.").await?;
        let gone = self.shelf.list("gone.").await?;
        let id = |key: &str| key.split_once('.').map(|(_, id)| id.to_string());
        let notes = notes.iter().filter_map(|(key, document)| {
            Some((id(key)?, serde_json::from_slice::<Remark>(document).ok()?))
        });
        self.remarks.replace(notes.collect());
        self.remarks.bury(gone.iter().filter_map(|(key, _)| id(key)));
        let runs =
            runs.iter().filter_map(|(key, document)| Some((id(key)?, Summary::read(document)?)));
        let mut known = self.known();
        known.runs = runs.collect();
        known.asked = Some(Instant::now());
        Ok(())
    }

    /// Whether somebody deleted it, as far as it is known here.
    pub fn was_deleted(&self, run: &str) -> bool {
        self.remarks.is_deleted(run)
    }

    /// Whether somebody deleted it, at any master, also before this process began.
    async fn is_gone(&self, run: &str) -> Result<bool, ArchiveError> {
        Ok(self.was_deleted(run) || self.shelf.get(&key("gone", run)).await?.is_some())
    }

    /// Whether it is yet to be kept: it is not, and nobody deleted it.
    ///
    /// # Errors
    /// If the shelf does not answer.
    pub async fn wants(&self, run: &str) -> Result<bool, ArchiveError> {
        Ok(self.summary(run).await?.is_none() && !self.is_gone(run).await?)
    }

    /// The line of a kept run; None: it is not kept.
    ///
    /// # Errors
    /// If the shelf does not answer.
    pub async fn summary(&self, run: &str) -> Result<Option<Summary>, ArchiveError> {
        let document = self.shelf.get(&key("run", run)).await?;
        Ok(document.as_deref().and_then(Summary::read))
    }

    /// All of a kept run; None: it is not kept.
    ///
    /// # Errors
    /// If the shelf does not answer, or what it holds cannot be read.
    pub async fn read(&self, run: &str) -> Result<Option<Kept>, ArchiveError> {
        let Some(summary) = self.summary(run).await? else { return Ok(None) };
        let Some(bytes) = self.shelf.file(Drawer::Results, summary.file).await? else {
            return Ok(None);
        };
        let read = tokio::task::spawn_blocking(move || Kept::unpack(&bytes)).await;
        let mut kept = read.map_err(|error| Unreadable::Malformed(error.to_string()))??;
        kept.detail = self.remarks.on_detail(kept.detail);
        Ok(Some(kept))
    }

    /// Keeps a run that is over; false: it was kept already, or deleted.
    ///
    /// # Errors
    /// If the shelf does not take it.
    pub async fn keep(
        &self,
        short: crate::api::dto::RunShort,
        mut kept: Kept,
    ) -> Result<bool, ArchiveError> {
        if !self.wants(&short.run).await? {
            return Ok(false);
        }
        // Another master may have planned it.
        if let Some(command) = self.written(&short.run).await?.command {
            kept.results = kept.results.with_command(command);
        }
        let packed = tokio::task::spawn_blocking(move || kept.pack()).await;
        let packed = packed.map_err(|error| Unreadable::Malformed(error.to_string()))?;
        let packed = packed.map_err(|error| Unreadable::Malformed(error.to_string()))?;
        let size = packed.len() as u64;
        let run = short.run.clone();
        let mut stored = self.shelf.put_file(Drawer::Results, Bytes::from(packed.clone())).await;
        while matches!(stored, Err(ShelfError::Full { .. })) && self.let_oldest_go().await? {
            stored = self.shelf.put_file(Drawer::Results, Bytes::from(packed.clone())).await;
        }
        let summary = Summary::new(short, stored?, size);
        let document = serde_json::to_vec(&summary).unwrap_or_default();
        self.shelf.put(&key("run", &run), document).await?;
        if self.is_gone(&run).await? {
            // Meanwhile: who deletes says so first, so one of both sees the other.
            self.remove(&run).await?;
            return Ok(false);
        }
        self.known().runs.insert(run, summary);
        self.counters.kept.fetch_add(1, Ordering::Relaxed);
        while self.known().runs.len() > MAX_KEPT && self.let_oldest_go().await? {}
        Ok(true)
    }

    /// False: all that is left is pinned.
    async fn let_oldest_go(&self) -> Result<bool, ArchiveError> {
        let oldest = {
            let known = self.known();
            let mut runs = known.runs.keys();
            runs.find(|run| !self.remarks.of(run).pinned).cloned()
        };
        let Some(run) = oldest else { return Ok(false) };
        tracing::info!(run, "the oldest kept run is deleted to make room");
        self.remove(&run).await?;
        self.counters.let_go.fetch_add(1, Ordering::Relaxed);
        Ok(true)
    }

    async fn remove(&self, run: &str) -> Result<bool, ArchiveError> {
        let summary = self.summary(run).await?;
        if let Some(summary) = &summary {
            self.shelf.delete(&key("run", run)).await?;
            self.shelf.delete_file(Drawer::Results, summary.file).await?;
        }
        self.shelf.delete(&key("note", run)).await?;
        self.known().runs.remove(run);
        self.remarks.remove(run);
        Ok(summary.is_some())
    }

    /// Deletes a run for good; false: it was not kept.
    ///
    /// # Errors
    /// If the shelf does not do it.
    pub async fn delete(&self, run: &str) -> Result<bool, ArchiveError> {
        self.shelf.put(&key("gone", run), b"{}".to_vec()).await?;
        self.remarks.bury([run.to_string()]);
        let was_kept = self.remove(run).await?;
        let gone = self.shelf.list("gone.").await?;
        // Ids sort by time.
        for (oldest, _) in gone.iter().take(gone.len().saturating_sub(MAX_DELETED)) {
            self.shelf.delete(oldest).await?;
        }
        Ok(was_kept)
    }

    /// Takes back what was written about a run that did not start.
    ///
    /// # Errors
    /// If the shelf does not do it.
    pub async fn forget(&self, run: &str) -> Result<(), ArchiveError> {
        self.remarks.remove(run);
        Ok(self.shelf.delete(&key("note", run)).await?)
    }

    /// What is written about a run by now, through whichever master.
    ///
    /// # Errors
    /// If the shelf does not answer.
    pub async fn written(&self, run: &str) -> Result<Remark, ArchiveError> {
        let document = self.shelf.get(&key("note", run)).await?;
        Ok(document.and_then(|text| serde_json::from_slice(&text).ok()).unwrap_or_default())
    }

    /// Writes about a run what `change` makes of what is written by now. Two masters that do so within the same few
    /// milliseconds: the last one's holds.
    ///
    /// # Errors
    /// Those of `change`; or the shelf does not take it, or too many are pinned.
    pub async fn amend<E: From<ArchiveError>>(
        &self,
        run: &str,
        change: impl FnOnce(Remark) -> Result<Remark, E>,
    ) -> Result<Remark, E> {
        let _one_at_a_time = self.writing.lock().await;
        let remark = change(self.written(run).await?)?;
        self.remark(run, remark.clone()).await?;
        Ok(remark)
    }

    /// Writes about a run, whatever was written before.
    ///
    /// # Errors
    /// If the shelf does not take it, or too many are pinned.
    pub async fn remark(&self, run: &str, remark: Remark) -> Result<(), ArchiveError> {
        if remark.pinned && !self.remarks.of(run).pinned {
            let runs: Vec<String> = self.known().runs.keys().cloned().collect();
            let pinned = runs.iter().filter(|run| self.remarks.of(run).pinned).count();
            if pinned >= MAX_PINNED {
                return Err(ArchiveError::Pinned);
            }
        }
        let document = serde_json::to_vec(&remark).unwrap_or_default();
        self.shelf.put(&key("note", run), document).await?;
        self.remarks.set(run, remark);
        Ok(())
    }
}
