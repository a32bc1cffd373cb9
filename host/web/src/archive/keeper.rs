//! Watches the fleet's views and has each run kept that is over.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use loadhost_control::view::RunState;
use loadhost_control::{FleetView, Handle};
use loadhost_model::id::RunId;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use super::{Archive, Kept};
use crate::api::dto::RunShort;
use crate::live::Hub;
use crate::site::WhoLeads;

/// Who does not lead lets the leader go first, so that a run is stored once.
const AFTER_YOU: Duration = Duration::from_secs(3);
/// Between attempts.
const AGAIN: Duration = Duration::from_secs(5);
/// For a report to come.
const PATIENCE: Duration = Duration::from_secs(30);
/// At the end of the process, for runs that have just ended.
const FAREWELL: Duration = Duration::from_secs(2);

/// Keeps what ends.
pub struct Keeper {
    /// Where runs are kept.
    pub archive: Arc<Archive>,
    /// Whose runs.
    pub handle: Handle,
    /// Which saw them go on.
    pub hub: Arc<Hub>,
    /// Who leads.
    pub standing: WhoLeads,
}

impl Keeper {
    /// Keeps each run that ends, until it is stopped; then those that have just ended.
    pub async fn watch(self, stop: CancellationToken) {
        let mut views = self.handle.view();
        let mut done = BTreeSet::new();
        loop {
            let view = views.borrow_and_update().clone();
            let open = ended(&view, &done);
            let mut failed = false;
            for run in open {
                match stop.run_until_cancelled(Box::pin(self.in_turn(&run))).await {
                    Some(true) => {
                        done.insert(run);
                    }
                    Some(false) => failed = true,
                    None => break,
                }
            }
            done.retain(|run| view.run(run).is_some());
            let changed = async {
                match failed {
                    true => {
                        tokio::time::sleep(AGAIN).await;
                        true
                    }
                    false => views.changed().await.is_ok(),
                }
            };
            match stop.run_until_cancelled(changed).await {
                Some(true) => {}
                Some(false) | None => break,
            }
        }
        let until = Instant::now() + FAREWELL;
        let view = self.handle.view().borrow().clone();
        for run in ended(&view, &done) {
            let _ = tokio::time::timeout_at(until, self.keep(&run)).await;
        }
    }

    async fn in_turn(&self, run: &RunId) -> bool {
        let standing = (self.standing)();
        if standing.leader.as_ref() != Some(&standing.master) {
            tokio::time::sleep(AFTER_YOU).await;
        }
        self.keep(run).await
    }

    async fn keep(&self, run: &RunId) -> bool {
        if matches!(self.archive.wants(run.as_str()).await, Ok(false)) {
            return true;
        }
        let outcome = async {
            let asked = tokio::time::timeout(PATIENCE, self.handle.finished(run));
            let report = asked.await.map_err(|_| "its report does not come".to_string())?;
            let report = report.map_err(|error| error.to_string())?;
            let short = RunShort::from(&report.view);
            let kept = Kept::new(&report, self.hub.seen(run), self.hub.logs_of(run));
            self.archive.keep(short, kept).await.map_err(|error| error.to_string())
        };
        match outcome.await {
            Ok(_) => true,
            Err(error) => {
                self.archive.counters.failed.fetch_add(1, Ordering::Relaxed);
                tracing::warn!(%run, error, "the run is not kept; it is tried again");
                false
            }
        }
    }
}

fn ended(view: &FleetView, done: &BTreeSet<RunId>) -> Vec<RunId> {
    let over = view.runs.iter().filter(|run| run.state == RunState::Finished);
    over.map(|run| run.run.clone()).filter(|run| !done.contains(run)).collect()
}
