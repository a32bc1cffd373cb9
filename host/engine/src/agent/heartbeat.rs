//! Says where the worker is: at each beat, and at once when that changes.

use std::time::Duration;

use loadhost_model::wire::{Report, WorkerStatus};
use tokio::sync::{mpsc, watch};
use tokio::time::MissedTickBehavior;

use crate::capacity::resident_bytes;

/// Until the status is closed; then once more.
///
/// A status that finds the channel full is dropped: the next one says more.
pub(super) async fn run(
    mut status: watch::Receiver<WorkerStatus>,
    reports: mpsc::Sender<Report>,
    period: Duration,
) {
    let mut beat = tokio::time::interval(period);
    beat.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let mut is_open = true;
    while is_open {
        tokio::select! {
            _ = beat.tick() => {}
            changed = status.changed() => is_open = changed.is_ok(),
        }
        let mut now = status.borrow_and_update().clone();
        now.memory = resident_bytes();
        if reports.try_send(Report::Status(now)).is_err() {
            tracing::debug!("no room for a status report");
        }
    }
}
