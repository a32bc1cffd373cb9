//! Assignments on their way: for each worker one under way, and the newest behind it.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use futures_util::StreamExt;
use futures_util::future::BoxFuture;
use futures_util::stream::FuturesUnordered;
use loadhost_model::id::WorkerId;
use loadhost_model::wire::Assignment;

use crate::ports::{Fleet, FleetError};

/// Between tries of one assignment.
const RETRY: Duration = Duration::from_millis(500);

type Sent = (WorkerId, Assignment, Result<(), FleetError>);

/// Sends assignments until they are through or a newer one replaces them.
pub(super) struct Outbox {
    fleet: Arc<dyn Fleet>,
    under_way: FuturesUnordered<BoxFuture<'static, Sent>>,
    /// An entry for each worker with something under way; the newer assignment, if there is one.
    next: BTreeMap<WorkerId, Option<Assignment>>,
    closing: bool,
}

impl Outbox {
    pub(super) fn new(fleet: Arc<dyn Fleet>) -> Self {
        Self { fleet, under_way: FuturesUnordered::new(), next: BTreeMap::new(), closing: false }
    }

    /// Replaces whatever still waits for this worker.
    pub(super) fn put(&mut self, worker: WorkerId, assignment: Assignment) {
        match self.next.get_mut(&worker) {
            Some(newest) => *newest = Some(assignment),
            None => {
                self.next.insert(worker.clone(), None);
                self.send(worker, assignment, Duration::ZERO);
            }
        }
    }

    fn send(&mut self, worker: WorkerId, assignment: Assignment, delay: Duration) {
        let fleet = self.fleet.clone();
        self.under_way.push(Box::pin(async move {
            if !delay.is_zero() {
                tokio::time::sleep(delay).await;
            }
            let result = fleet.assign(&worker, assignment.clone()).await;
            (worker, assignment, result)
        }));
    }

    /// Goes on with what is under way. None: nothing is. True: another coordinator leads now.
    pub(super) async fn next(&mut self) -> Option<bool> {
        let (worker, assignment, result) = self.under_way.next().await?;
        let newer = self.next.remove(&worker).flatten();
        let (again, delay) = match (&result, newer) {
            (Ok(()), newer) => (newer, Duration::ZERO),
            (Err(FleetError::Deposed(_)), _) => return Some(true),
            (Err(error), newer) => {
                tracing::warn!(%worker, generation = assignment.generation, %error, "assignment not delivered");
                (newer.or(Some(assignment)), RETRY)
            }
        };
        if let Some(assignment) = again.filter(|_| !self.closing || result.is_ok()) {
            self.next.insert(worker.clone(), None);
            self.send(worker, assignment, delay);
        }
        Some(false)
    }

    /// Sends what is left, each once.
    pub(super) async fn flush(&mut self) {
        self.closing = true;
        while self.next().await.is_some() {}
    }
}
