//! What views show of a run only while it goes on: who worked for it, and when its thresholds were broken.
//!
//! Each master that is up sees the views, so a page that is reloaded, or that goes to another master, finds it again.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use loadhost_control::FleetView;
use loadhost_control::view::{RunState, RunView, WorkerView};
use loadhost_model::id::{Digest, RunId, WorkerId};

use crate::api::dto::{Breach, Worker, seconds};

/// Workers of one run that are remembered; more are not.
pub(super) const MAX_WORKERS: usize = 1_000;
/// Breaches of one run that are remembered; later ones are counted only.
pub(super) const MAX_BREACHES: usize = 100;

/// What was seen of one run.
#[derive(Debug, Clone, Default)]
pub struct Seen {
    /// Who worked for it, as they were when load ended.
    pub workers: BTreeMap<WorkerId, WorkerView>,
    /// When thresholds were broken, in the order in which it began.
    pub breaches: Vec<Breach>,
}

/// What was seen of all runs that the views show; clones share it.
#[derive(Debug, Clone, Default)]
pub struct Witness(Arc<Mutex<State>>);

#[derive(Debug, Default)]
struct State {
    runs: BTreeMap<RunId, Seen>,
    forgotten: u64,
}

impl Witness {
    fn state(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Takes what the view shows; forgets runs that it does not show any more.
    pub(super) fn look(&self, view: &FleetView) {
        let State { runs, forgotten } = &mut *self.state();
        runs.retain(|run, _| view.run(run).is_some());
        for run in &view.runs {
            let seen = runs.entry(run.run.clone()).or_default();
            *forgotten += seen.look(run, &view.workers);
        }
    }

    /// What was seen of this run.
    pub fn of(&self, run: &RunId) -> Seen {
        self.state().runs.get(run).cloned().unwrap_or_default()
    }

    /// Only its breaches.
    pub fn breaches(&self, run: &RunId) -> Vec<Breach> {
        self.state().runs.get(run).map(|seen| seen.breaches.clone()).unwrap_or_default()
    }

    /// Breaches that were not remembered.
    pub fn forgotten(&self) -> u64 {
        self.state().forgotten
    }
}

impl Seen {
    /// Breaches that there was no room for.
    fn look(&mut self, run: &RunView, workers: &[WorkerView]) -> u64 {
        // Later the workers are done one by one, and nothing of theirs says how it was.
        let is_over =
            matches!(run.state, RunState::Stopping | RunState::TearingDown | RunState::Finished);
        for worker in workers.iter().filter(|worker| worker.run.as_ref() == Some(&run.run)) {
            let is_known = self.workers.contains_key(&worker.worker);
            if if is_known { !is_over } else { self.workers.len() < MAX_WORKERS } {
                self.workers.insert(worker.worker.clone(), worker.clone());
            }
        }
        let mut forgotten = 0;
        for threshold in &run.thresholds {
            let since = threshold.broken_since.map(seconds);
            let mut breaches = self.breaches.iter_mut().rev();
            let last = breaches.find(|breach| breach.threshold == threshold.text);
            match (last, since) {
                (Some(last), Some(since)) if last.at_seconds >= since => {
                    last.until_seconds = None;
                }
                (Some(last), None) => {
                    last.until_seconds.get_or_insert(seconds(run.elapsed));
                }
                (last, Some(since)) => {
                    if let Some(last) = last {
                        last.until_seconds.get_or_insert(since);
                    }
                    let threshold = threshold.text.clone();
                    let breach = Breach { threshold, at_seconds: since, until_seconds: None };
                    match self.breaches.len() < MAX_BREACHES {
                        true => self.breaches.push(breach),
                        false => forgotten += 1,
                    }
                }
                (None, None) => {}
            }
        }
        forgotten
    }

    /// The workers as the API shows them, by name.
    pub fn shown(&self, module: Digest) -> BTreeMap<String, Worker> {
        let shown = self.workers.iter().map(|(name, worker)| {
            let worker = Worker { module: Some(module.to_string()), ..Worker::from(worker) };
            (name.to_string(), worker)
        });
        shown.collect()
    }
}

#[cfg(test)]
#[path = "witness_tests.rs"]
mod tests;
