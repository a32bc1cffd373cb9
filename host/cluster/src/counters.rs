//! What the transport did, counted under names that `/metrics` shows.

use std::sync::atomic::{AtomicU64, Ordering};

macro_rules! counters {
    ($($(#[$doc:meta])* $name:ident,)*) => {
        /// Counters of one connection and of all that uses it.
        #[derive(Debug, Default)]
        pub struct Counters {
            $($(#[$doc])* pub $name: Counter,)*
        }

        impl Counters {
            /// Each counter's name and value.
            pub fn snapshot(&self) -> Vec<(&'static str, u64)> {
                vec![$((stringify!($name), self.$name.get()),)*]
            }
        }
    };
}

/// Only goes up.
#[derive(Debug, Default)]
pub struct Counter(AtomicU64);

impl Counter {
    /// The value now.
    pub fn get(&self) -> u64 {
        self.0.load(Ordering::Relaxed)
    }

    pub(crate) fn add(&self, count: u64) {
        self.0.fetch_add(count, Ordering::Relaxed);
    }

    pub(crate) fn one(&self) {
        self.add(1);
    }
}

counters! {
    /// Connections made, the first one included.
    connects,
    /// Connections lost.
    disconnects,
    /// Messages that the client dropped because a subscription was not read fast enough.
    slow_consumers,
    /// Errors that the broker or the client told of, permission denials among them.
    broker_errors,
    /// Master: intervals handed to the coordinator.
    intervals_received,
    /// Master: interval messages that could not be read and were skipped.
    intervals_undecodable,
    /// Master: intervals of several messages of which some never came.
    intervals_incomplete,
    /// Master: statuses that could not be read and were skipped.
    statuses_undecodable,
    /// Master: statuses repeated for workers while the broker was away.
    statuses_presumed,
    /// Master: log lines dropped because they could not be read or spoke for another worker.
    logs_dropped,
    /// Master: times that the reader of intervals was set up anew.
    reader_restarts,
    /// Master: documents of the state saved.
    state_saved,
    /// Master: bytes of the state's chunks written.
    state_bytes,
    /// Master: chunks and documents of former leaders that were deleted.
    state_collected,
    /// Master: uploads of modules that broke off and were deleted.
    modules_collected,
    /// Master: writes of the leadership that failed, renewals most of all.
    renewals_failed,
    /// Master: terms in which it led.
    terms_begun,
    /// Master: times that the lease was nearly over and nothing was ordered.
    suspensions,
    /// Master: terms that ended because another master led.
    depositions,
    /// Master: other masters ignored because there were too many.
    masters_ignored,
    /// Master: questions to the leader that had to be asked again.
    questions_repeated,
    /// Master: questions refused because too many were open.
    questions_refused,
    /// Master: views of the leader of which a part was lost.
    views_incomplete,
    /// Master: assignments written.
    assignments_written,
    /// Worker: intervals that the broker has acknowledged.
    intervals_acknowledged,
    /// Worker: attempts to publish an interval that failed and were made again.
    intervals_retried,
    /// Worker: intervals merged into their successor during an outage.
    intervals_coalesced,
    /// Worker: intervals too large to be sent, and lost.
    intervals_too_large,
    /// Worker: log lines dropped because the broker was away or there were too many.
    logs_unsent,
    /// Worker: assignments ignored because their leadership is over.
    assignments_stale,
    /// Worker: times that the leader was silent for so long that the load was stopped.
    dead_man_stops,
}
