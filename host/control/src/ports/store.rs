//! Where a coordinator keeps what its successor must know.
//!
//! Two kinds of documents, and a report for each run that is over:
//!
//! | what | when it is saved |
//! |---|---|
//! | **decisions**: runs, stages, shares, notes | before the effects that follow from them go out |
//! | a **checkpoint** per run: its numbers, and how far the stream of intervals is in them | every few seconds, and at the end |
//! | a **report** per run that is over | before the decision that it is over |
//!
//! The store sees bytes only; what they mean and which version they have is the coordinator's. Each
//! write carries the term of its writer, and a store refuses terms that are over.

use std::collections::BTreeMap;
use std::time::Duration;

use futures_util::future::BoxFuture;
use loadhost_model::id::{RunId, Term};

/// Why something was not kept or found.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum StoreError {
    /// Whoever writes under a newer term leads now.
    #[error("another master leads this fleet now: {0}")]
    Deposed(String),
    /// Not now; it is tried again.
    #[error("`{what}` was not saved or read: {reason}")]
    Unavailable {
        /// Which document.
        what: String,
        /// What the store said.
        reason: String,
    },
    /// Never, as it is.
    #[error(
        "`{what}` has {bytes} bytes, and the store keeps {most} at most; use fewer names of requests, or raise the cap"
    )]
    TooLarge {
        /// Which document.
        what: String,
        /// Its size.
        bytes: usize,
        /// The cap.
        most: usize,
    },
}

/// The numbers of one run, as bytes.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct SavedCheckpoint {
    /// All intervals up to this message of the stream are in it.
    pub position: u64,
    /// What was saved as a whole; a section that has not changed since costs a store nothing.
    pub sections: Vec<Vec<u8>>,
}

/// What a former leader left behind.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Saved {
    /// None: nobody has led yet.
    pub decisions: Option<Vec<u8>>,
    /// How long ago decisions were saved, by the store's own clock; None: it has none.
    pub age: Option<Duration>,
    /// By run.
    pub checkpoints: BTreeMap<RunId, SavedCheckpoint>,
    /// Of runs that are over, oldest first. One that cannot be read is left out.
    pub reports: Vec<Vec<u8>>,
}

/// Keeps state. Whoever loads under a term owns it from then on: an older term can write no more.
pub trait StateStore: Send + Sync {
    /// Takes over under `term`, and returns what was saved.
    fn load(&self, term: Term) -> BoxFuture<'_, Result<Saved, StoreError>>;

    /// Replaces the decisions. Returns once they are kept.
    fn save_decisions(
        &self,
        term: Term,
        decisions: Vec<u8>,
    ) -> BoxFuture<'_, Result<(), StoreError>>;

    /// Replaces the checkpoint of a run. Returns once it is kept.
    fn save_checkpoint(
        &self,
        term: Term,
        run: RunId,
        checkpoint: SavedCheckpoint,
    ) -> BoxFuture<'_, Result<(), StoreError>>;

    /// Keeps the report of a run that is over. The oldest go beyond the store's bound.
    fn save_report(
        &self,
        term: Term,
        run: RunId,
        report: Vec<u8>,
    ) -> BoxFuture<'_, Result<(), StoreError>>;

    /// The report of a run, for any master; None: there is none (any more).
    fn report(&self, run: RunId) -> BoxFuture<'_, Result<Option<Vec<u8>>, StoreError>>;

    /// The run is over and its report kept: its checkpoint is not needed any more.
    fn forget(&self, term: Term, run: RunId) -> BoxFuture<'_, Result<(), StoreError>>;

    /// All intervals up to this message of the stream are in checkpoints, or of no run any more.
    fn release(&self, term: Term, position: u64) -> BoxFuture<'_, Result<(), StoreError>>;
}
