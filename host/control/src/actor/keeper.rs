//! Saving ahead: what a decision leads to goes out once the decision is kept.
//!
//! One save is under way at a time, with all that was decided before it began; what follows from
//! later decisions waits for the next. Nothing else waits: heartbeats are heard and intervals
//! merged meanwhile.

use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;
use std::time::Duration;

use futures_util::future::BoxFuture;
use loadhost_model::id::{RunId, Term, WorkerId};
use loadhost_model::wire::Assignment;

use crate::machine::Effect;
use crate::ports::{StateStore, StoreError};
use crate::report::RunReport;

/// Before a save that failed is tried again.
const RETRY: Duration = Duration::from_millis(250);
/// Answers that may wait for a save; beyond it no more requests are taken in.
const MOST_ANSWERS: usize = 64;

/// Something that may be seen outside.
pub(super) enum Act {
    Do(Effect),
    /// Tells who asked that it is done.
    Answer(Box<dyn FnOnce() + Send>),
}

/// Decisions on their way into the store, and what waits for them.
pub(super) struct Keeper {
    store: Arc<dyn StateStore>,
    term: Term,
    /// Decisions up to this version are kept.
    saved: u64,
    under_way: Option<BoxFuture<'static, (u64, Result<(), StoreError>)>>,
    failed: bool,
    /// Of each worker the newest: it replaces what waits.
    assignments: BTreeMap<WorkerId, (u64, Assignment)>,
    others: VecDeque<(u64, Act)>,
    /// Of runs that are over; saved with the decision that says so.
    reports: Vec<Arc<RunReport>>,
    reports_under_way: usize,
}

impl Keeper {
    pub(super) fn new(store: Arc<dyn StateStore>, term: Term) -> Self {
        Self {
            store,
            term,
            saved: 0,
            under_way: None,
            failed: false,
            assignments: BTreeMap::new(),
            others: VecDeque::new(),
            reports: Vec::new(),
            reports_under_way: 0,
        }
    }

    /// Holds back what follows from decisions up to `version`. What need not wait is returned.
    pub(super) fn hold(&mut self, version: u64, act: Act) -> Option<Act> {
        match act {
            act if version <= self.saved => return Some(act),
            // A successor asks anew.
            act @ Act::Do(Effect::AskShape(..)) => return Some(act),
            Act::Do(Effect::Assign(worker, assignment)) => {
                self.assignments.insert(worker, (version, assignment));
            }
            act => {
                if let Act::Do(Effect::Finished(_, report)) = &act {
                    self.reports.push(report.clone());
                }
                self.others.push_back((version, act));
            }
        }
        None
    }

    /// Whether so much waits that no more requests should be taken in.
    pub(super) fn is_full(&self) -> bool {
        self.others.len() >= MOST_ANSWERS
    }

    /// Whether the run is over, but nobody may know yet.
    pub(super) fn holds_report(&self, run: &RunId) -> bool {
        self.reports.iter().any(|report| report.view.run == *run)
    }

    pub(super) fn is_behind(&self, version: u64) -> bool {
        version > self.saved
    }

    /// Whether a save may begin.
    pub(super) fn is_free(&self) -> bool {
        self.under_way.is_none()
    }

    /// Begins to save `decisions`, which are of `version`.
    pub(super) fn save(&mut self, version: u64, decisions: Vec<u8>) {
        let (store, term) = (self.store.clone(), self.term);
        let reports = self.reports.clone();
        self.reports_under_way = reports.len();
        let delay = if self.failed { RETRY } else { Duration::ZERO };
        self.under_way = Some(Box::pin(async move {
            if !delay.is_zero() {
                tokio::time::sleep(delay).await;
            }
            (version, save(&*store, term, reports, decisions).await)
        }));
    }

    /// The next save that is done, and what may go out now. None: none is under way.
    pub(super) async fn next(&mut self) -> Option<Result<Vec<Act>, StoreError>> {
        let (version, result) = self.under_way.as_mut()?.await;
        self.under_way = None;
        self.failed = result.is_err();
        Some(result.map(|()| {
            self.saved = self.saved.max(version);
            self.reports.drain(..self.reports_under_way);
            self.ripe()
        }))
    }

    /// What waited for no more than what is saved.
    fn ripe(&mut self) -> Vec<Act> {
        let mut acts = Vec::new();
        let saved = self.saved;
        for (worker, (version, assignment)) in std::mem::take(&mut self.assignments) {
            if version <= saved {
                acts.push(Act::Do(Effect::Assign(worker, assignment)));
            } else {
                self.assignments.insert(worker, (version, assignment));
            }
        }
        while self.others.front().is_some_and(|(version, _)| *version <= saved) {
            acts.extend(self.others.pop_front().map(|(_, act)| act));
        }
        acts
    }
}

async fn save(
    store: &dyn StateStore,
    term: Term,
    reports: Vec<Arc<RunReport>>,
    decisions: Vec<u8>,
) -> Result<(), StoreError> {
    for report in reports {
        let run = report.view.run.clone();
        let encoded = tokio::task::spawn_blocking(move || report.to_bytes()).await;
        // Encoding does not fail; a report that did could not be kept, and no more than that.
        let Ok(encoded) = encoded else { continue };
        match store.save_report(term, run.clone(), encoded).await {
            Ok(()) => {}
            Err(error @ StoreError::TooLarge { .. }) => {
                tracing::warn!(%run, %error, "only this master can show the report of the run");
            }
            Err(error) => return Err(error),
        }
    }
    store.save_decisions(term, decisions).await
}
