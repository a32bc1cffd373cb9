//! When the coordinator is told what users did with what they share.

use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use loadhost_model::wire::WorkerStatus;
use tokio::sync::{Notify, watch};
use tokio::time::{Instant, MissedTickBehavior};

use super::Commons;

/// For what others may hear of late: counters, and how much is used.
const USUAL: Duration = Duration::from_secs(1);
/// Between two words that a stock is low.
const LOW: Duration = Duration::from_millis(200);
/// Until it is told that somebody came to a rendezvous or cannot go on for want of something: others may
/// follow in that time.
const SOON: Duration = Duration::from_millis(50);

/// What is not to wait for the next heartbeat.
#[derive(Debug, Default)]
pub(super) struct News {
    is_low: AtomicBool,
    is_urgent: AtomicBool,
    there: Notify,
    /// Nothing is handed out any more.
    is_closed: AtomicBool,
}

impl News {
    /// A stock is low.
    pub(super) fn low(&self) {
        if !self.is_low.swap(true, Ordering::Relaxed) {
            self.there.notify_one();
        }
    }

    /// Somebody came to a rendezvous or left it, a stock is empty, or there is a new name.
    pub(super) fn urgent(&self) {
        if !self.is_urgent.swap(true, Ordering::Relaxed) {
            self.there.notify_one();
        }
    }

    /// Resolves with the moment at which the news is to be told.
    async fn due(&self, told: Instant) -> Instant {
        loop {
            if self.is_urgent.load(Ordering::Relaxed) {
                return Instant::now() + SOON;
            }
            if self.is_low.load(Ordering::Relaxed) {
                return told + LOW;
            }
            self.there.notified().await;
        }
    }

    /// All that is known so far is being told.
    fn told(&self) {
        self.is_low.store(false, Ordering::Relaxed);
        self.is_urgent.store(false, Ordering::Relaxed);
    }

    #[inline]
    pub(super) fn is_closed(&self) -> bool {
        self.is_closed.load(Ordering::Relaxed)
    }

    pub(super) fn close(&self, is_closed: bool) {
        self.is_closed.store(is_closed, Ordering::Relaxed);
    }
}

/// Keeps the status up to date, for as long as it is polled. A change of the status is sent at once.
pub(crate) async fn announce(commons: &Commons, status: &watch::Sender<WorkerStatus>) {
    let mut told = Instant::now();
    let mut usual = tokio::time::interval(USUAL);
    usual.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        tokio::select! {
            _ = usual.tick() => {}
            due = commons.news.due(told) => tokio::time::sleep_until(due).await,
        }
        commons.news.told();
        told = Instant::now();
        let mut used = commons.used(told);
        status.send_if_modified(|status| {
            used.said = status.shared.said;
            let is_new = *status.shared != used;
            if is_new {
                *status.shared = commons.word(told);
            }
            is_new
        });
    }
}
