//! Writing assignments, each against the revision that it replaces.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

use loadhost_control::ports::FleetError;
use loadhost_model::id::WorkerId;
use loadhost_model::wire::Assignment;

use crate::counters::Counters;
use crate::documents::{DocumentError, Documents};
use crate::subjects::Names;

/// Attempts before the coordinator hears of it; it tries again by itself.
const ATTEMPTS: usize = 3;

pub(super) struct Assignments {
    documents: Documents,
    names: Names,
    counters: Arc<Counters>,
    /// The newest revision known of each worker's document. As many as workers were ever seen.
    revisions: Mutex<HashMap<WorkerId, u64>>,
}

impl Assignments {
    pub(super) fn new(documents: Documents, names: Names, counters: Arc<Counters>) -> Self {
        Self { documents, names, counters, revisions: Mutex::default() }
    }

    /// Writes unless a document of a newer term, or of the same term and a newer generation,
    /// is there.
    pub(super) async fn write(
        &self,
        worker: &WorkerId,
        assignment: &Assignment,
    ) -> Result<(), FleetError> {
        let key = self.names.assignment_key(worker);
        let undelivered =
            |reason: String| FleetError::Undelivered { worker: worker.clone(), reason };
        let value = assignment.to_json();
        let mut reason = String::new();
        let mut known = self.known(worker);
        for _ in 0..ATTEMPTS {
            let revision = match known.take() {
                Some(revision) => revision,
                None => match self.look(&key, assignment).await {
                    Ok(Found::Revision(revision)) => revision,
                    Ok(Found::Same(revision)) => {
                        self.remember(worker, revision);
                        return Ok(());
                    }
                    Ok(Found::Newer(error)) => return Err(error),
                    Err(error) => {
                        reason = error.to_string();
                        continue;
                    }
                },
            };
            match self.documents.swap(&key, value.clone(), revision).await {
                Ok(revision) => {
                    self.counters.assignments_written.one();
                    self.remember(worker, revision);
                    return Ok(());
                }
                Err(error @ DocumentError::TooLarge { .. }) => {
                    return Err(undelivered(error.to_string()));
                }
                Err(error) => reason = error.to_string(),
            }
        }
        self.forget(worker);
        Err(undelivered(reason))
    }

    async fn look(&self, key: &str, ours: &Assignment) -> Result<Found, DocumentError> {
        let Some(document) = self.documents.get(key).await? else {
            return Ok(Found::Revision(0));
        };
        // What cannot be read is from another version, and does not bind us.
        let Ok(theirs) = Assignment::from_json(&document.value) else {
            return Ok(Found::Revision(document.revision));
        };
        if theirs.term > ours.term {
            let reason = format!("its assignments are of term {}", theirs.term.0);
            return Ok(Found::Newer(FleetError::Deposed(reason)));
        }
        if theirs.term == ours.term && theirs.generation >= ours.generation {
            return Ok(Found::Same(document.revision));
        }
        Ok(Found::Revision(document.revision))
    }

    fn known(&self, worker: &WorkerId) -> Option<u64> {
        self.lock().get(worker).copied()
    }

    fn remember(&self, worker: &WorkerId, revision: u64) {
        self.lock().insert(worker.clone(), revision);
    }

    fn forget(&self, worker: &WorkerId) {
        self.lock().remove(worker);
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, HashMap<WorkerId, u64>> {
        self.revisions.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// What stands where an assignment is to be written.
enum Found {
    /// Older than ours, or nothing (0).
    Revision(u64),
    /// Ours already, by a write whose answer was lost, or a newer one of our own.
    Same(u64),
    /// Not ours to replace.
    Newer(FleetError),
}
