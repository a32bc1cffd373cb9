//! A store in memory that several coordinators share: what a broker's store promises, and outages.

#![allow(clippy::unwrap_used)]

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::Duration;

use futures_util::future::BoxFuture;
use loadhost_model::id::{RunId, Term};
use tokio::time::{Instant, sleep};

use crate::ports::{Saved, SavedCheckpoint, StateStore, StoreError};

#[derive(Default)]
pub(super) struct Memory {
    kept: Mutex<Kept>,
    /// Of each request, in milliseconds.
    pub(super) delay: u64,
}

#[derive(Default)]
pub(super) struct Kept {
    term: Term,
    pub(super) decisions: Option<(Vec<u8>, Instant)>,
    pub(super) checkpoints: BTreeMap<RunId, SavedCheckpoint>,
    reports: Vec<(RunId, Vec<u8>)>,
    /// The stream may be purged up to here.
    pub(super) released: u64,
    /// Nothing is answered but errors.
    pub(super) away: bool,
    /// Decisions saved.
    pub(super) saves: u64,
}

impl Memory {
    pub(super) fn new(delay: u64) -> Arc<Self> {
        Arc::new(Self { delay, ..Self::default() })
    }

    pub(super) fn kept(&self) -> MutexGuard<'_, Kept> {
        self.kept.lock().unwrap()
    }

    fn act<'a, T: Send + 'a>(
        &'a self,
        term: Option<Term>,
        act: impl FnOnce(&mut Kept) -> T + Send + 'a,
    ) -> BoxFuture<'a, Result<T, StoreError>> {
        Box::pin(async move {
            sleep(Duration::from_millis(self.delay)).await;
            let mut kept = self.kept();
            if kept.away {
                return Err(StoreError::Unavailable { what: "it".into(), reason: "away".into() });
            }
            match term {
                Some(term) if term < kept.term => {
                    Err(StoreError::Deposed(format!("term {}", kept.term.0)))
                }
                _ => Ok(act(&mut kept)),
            }
        })
    }
}

impl StateStore for Memory {
    fn load(&self, term: Term) -> BoxFuture<'_, Result<Saved, StoreError>> {
        self.act(Some(term), move |kept| {
            kept.term = term;
            Saved {
                decisions: kept.decisions.as_ref().map(|(bytes, _)| bytes.clone()),
                age: kept.decisions.as_ref().map(|(_, saved)| saved.elapsed()),
                checkpoints: kept.checkpoints.clone(),
                reports: kept.reports.iter().map(|(_, report)| report.clone()).collect(),
            }
        })
    }

    fn save_decisions(
        &self,
        term: Term,
        decisions: Vec<u8>,
    ) -> BoxFuture<'_, Result<(), StoreError>> {
        self.act(Some(term), move |kept| {
            kept.decisions = Some((decisions, Instant::now()));
            kept.saves += 1;
        })
    }

    fn save_checkpoint(
        &self,
        term: Term,
        run: RunId,
        checkpoint: SavedCheckpoint,
    ) -> BoxFuture<'_, Result<(), StoreError>> {
        self.act(Some(term), move |kept| drop(kept.checkpoints.insert(run, checkpoint)))
    }

    fn save_report(
        &self,
        term: Term,
        run: RunId,
        report: Vec<u8>,
    ) -> BoxFuture<'_, Result<(), StoreError>> {
        self.act(Some(term), move |kept| {
            kept.reports.retain(|(known, _)| *known != run);
            kept.reports.push((run, report));
        })
    }

    fn report(&self, run: RunId) -> BoxFuture<'_, Result<Option<Vec<u8>>, StoreError>> {
        self.act(None, move |kept| {
            let found = kept.reports.iter().find(|(known, _)| *known == run);
            found.map(|(_, report)| report.clone())
        })
    }

    fn forget(&self, term: Term, run: RunId) -> BoxFuture<'_, Result<(), StoreError>> {
        self.act(Some(term), move |kept| drop(kept.checkpoints.remove(&run)))
    }

    fn release(&self, term: Term, position: u64) -> BoxFuture<'_, Result<(), StoreError>> {
        self.act(Some(term), move |kept| kept.released = kept.released.max(position))
    }
}
