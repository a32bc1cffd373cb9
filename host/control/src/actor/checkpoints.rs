//! Saving the numbers of runs every few seconds, in a task beside the coordinator's.
//!
//! The coordinator only makes a copy. Encoding and saving take as long as they take; if that is
//! long, rounds become rarer, so that no more than a tenth of the time goes into them.

use std::sync::Arc;
use std::time::Duration;

use loadhost_model::id::{RunId, Term};
use tokio::task::JoinHandle;
use tokio::time::Instant;

use crate::aggregate::Aggregate;
use crate::ports::{SavedCheckpoint, StateStore, StoreError};

/// Rest after a round, in times of what it took.
const REST: u32 = 9;

/// What is saved together.
pub(super) struct Round {
    /// All intervals up to this message of the stream are in the numbers.
    pub(super) position: u64,
    pub(super) runs: Vec<(RunId, Aggregate)>,
    /// When the copies were begun.
    pub(super) began: Instant,
}

/// Rounds, one at a time.
pub(super) struct Checkpoints {
    store: Arc<dyn StateStore>,
    term: Term,
    every: Duration,
    due: Instant,
    under_way: Option<JoinHandle<Result<(), StoreError>>>,
    began: Instant,
    /// Runs that are over and still have a checkpoint.
    over: Vec<RunId>,
    over_under_way: usize,
}

impl Checkpoints {
    pub(super) fn new(store: Arc<dyn StateStore>, term: Term, every: Duration) -> Self {
        let now = Instant::now();
        Self {
            store,
            term,
            every,
            due: now + every,
            under_way: None,
            began: now,
            over: Vec::new(),
            over_under_way: 0,
        }
    }

    /// Whether a round should begin.
    pub(super) fn is_due(&self) -> bool {
        self.under_way.is_none() && Instant::now() >= self.due
    }

    /// The run is over and that is saved.
    pub(super) fn forget(&mut self, run: RunId) {
        self.over.push(run);
    }

    pub(super) fn begin(&mut self, round: Round) {
        self.began = round.began;
        self.over_under_way = self.over.len();
        let (store, over) = (self.store.clone(), self.over.clone());
        self.under_way = Some(tokio::spawn(save(store, self.term, round, over)));
    }

    /// The next round that is done. None: none is under way.
    pub(super) async fn next(&mut self) -> Option<Result<(), StoreError>> {
        let ended = self.under_way.as_mut()?.await;
        self.under_way = None;
        let took = self.began.elapsed();
        self.due = Instant::now() + self.every.saturating_sub(took).max(took * REST);
        let lost = |error: tokio::task::JoinError| StoreError::Unavailable {
            what: "checkpoint".to_string(),
            reason: error.to_string(),
        };
        let result = ended.map_err(lost).flatten();
        if result.is_ok() {
            self.over.drain(..self.over_under_way);
        }
        tracing::debug!(?took, "checkpoints saved");
        Some(result)
    }

    /// Nothing more is to be saved.
    pub(super) async fn end(self) {
        if let Some(task) = self.under_way {
            task.abort();
            // Aborted tasks end with an error; that is what was wanted.
            drop(task.await);
        }
    }
}

async fn save(
    store: Arc<dyn StateStore>,
    term: Term,
    round: Round,
    over: Vec<RunId>,
) -> Result<(), StoreError> {
    let position = round.position;
    for (run, numbers) in round.runs {
        let encoded = tokio::task::spawn_blocking(move || numbers.to_sections()).await;
        let sections = encoded.map_err(|error| StoreError::Unavailable {
            what: format!("checkpoint of run `{run}`"),
            reason: error.to_string(),
        })?;
        let saved =
            store.save_checkpoint(term, run.clone(), SavedCheckpoint { position, sections });
        match saved.await {
            Ok(()) => {}
            // To hold back the stream until it is full would not help, and stop the measuring.
            Err(error @ StoreError::TooLarge { .. }) => {
                tracing::warn!(%run, %error, "the numbers of the run would not survive this master");
            }
            Err(error) => return Err(error),
        }
    }
    for run in over {
        store.forget(term, run).await?;
    }
    store.release(term, position).await
}
