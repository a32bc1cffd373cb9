//! What a worker did over all of its runs, for its metrics.

use std::sync::atomic::{AtomicU64, Ordering};

use loadhost_model::interval::{SeriesStats, Statistics};

/// Counts of one process, which only go up. They are of the intervals that were made, whether or not these were sent.
#[derive(Debug, Default)]
pub struct Activity {
    requests: AtomicU64,
    failures: AtomicU64,
    dropped_arrivals: AtomicU64,
    crashed_users: AtomicU64,
}

/// [`Activity`] at one moment.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Counts {
    /// Finished requests, failed ones included.
    pub requests: u64,
    /// Failed among them.
    pub failures: u64,
    /// Arrivals dropped because no user was free.
    pub dropped_arrivals: u64,
    /// Users that ended with a trap, a timeout or a panic.
    pub crashed_users: u64,
}

impl Activity {
    /// As it is now.
    pub fn counts(&self) -> Counts {
        let of = |count: &AtomicU64| count.load(Ordering::Relaxed);
        Counts {
            requests: of(&self.requests),
            failures: of(&self.failures),
            dropped_arrivals: of(&self.dropped_arrivals),
            crashed_users: of(&self.crashed_users),
        }
    }

    pub(super) fn add(&self, statistics: &Statistics) {
        let add = |count: &AtomicU64, more: u64| count.fetch_add(more, Ordering::Relaxed);
        for stats in statistics.series.values() {
            if let SeriesStats::Http(stats) = stats {
                add(&self.requests, stats.requests);
                add(&self.failures, stats.failures);
            }
        }
        add(&self.dropped_arrivals, statistics.counters.dropped_arrivals);
        add(&self.crashed_users, statistics.counters.crashed_users);
    }
}
