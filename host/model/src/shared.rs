//! What the users of a whole run share, whichever workers they are on: rows of data sets, numbers that
//! nobody else gets, counters, and rendezvous.
//!
//! A worker says in each [`WorkerStatus`](crate::wire::WorkerStatus) what its users did with them
//! ([`SharedUse`]), and the coordinator states in each [`Work`](crate::wire::Work) what they may do
//! ([`SharedState`]). All figures are sums since this worker process began with the run, so a
//! word that is lost, late or repeated does no harm.
//!
//! Rows and numbers are **leased**: a worker gets a stock of them ahead of use and hands them to its users
//! without asking anybody. Nobody else gets them, so none is used twice; of what a lost worker had,
//! nobody knows whether it was used.

use std::collections::BTreeMap;
use std::sync::Arc;

use serde::{Deserialize, Serialize};

use crate::id::{Incarnation, RunId};

/// Names of one kind (data sets, numbers, counters, rendezvous) in one run.
pub const MAX_NAMES: usize = 100;
/// Bytes of such a name.
pub const MAX_NAME_BYTES: usize = 100;

/// What the users of a worker did with what they share.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct SharedUse {
    /// In this run. A worker that is idle goes on saying its last word on the run before, so that what it had left
    /// can be given to others. None: in [`WorkerStatus::run`](crate::wire::WorkerStatus::run).
    pub run: Option<RunId>,
    /// Grows with each word of this process, so that of two the later one is known. 0: it is not counted,
    /// and whatever comes in last is the later one.
    pub said: u64,
    /// Of data sets that are handed out row by row, by name.
    pub rows: BTreeMap<Arc<str>, Draw>,
    /// Of numbers, by name.
    pub numbers: BTreeMap<Arc<str>, Draw>,
    /// What its users added to each counter, in sum.
    pub counters: BTreeMap<Arc<str>, i64>,
    /// By name of the rendezvous.
    pub meetings: BTreeMap<Arc<str>, Attendance>,
}

/// How far a worker has come with what was leased to it.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Draw {
    /// Handed to users, of all that it ever got.
    pub taken: u64,
    /// How many it would like to have in stock.
    pub wanted: u64,
}

/// Who came to a rendezvous.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Attendance {
    /// How many users it takes.
    pub size: u32,
    /// Users that came, in sum.
    pub arrived: u64,
    /// Users among them that went away again without the others.
    pub left: u64,
    /// Of [`Release::released`]: those that found nobody waiting any more, because users had left
    /// meanwhile. Whoever comes later does not go on in their place.
    #[serde(default)]
    pub missed: u64,
}

/// What a worker may hand to its users.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct SharedState {
    /// The process that it is for. Another one of the same worker takes nothing of it, and waits for what
    /// is stated to it.
    pub to: Option<Incarnation>,
    /// Of data sets that are handed out row by row.
    pub rows: BTreeMap<Arc<str>, Lease>,
    /// Of numbers.
    pub numbers: BTreeMap<Arc<str>, Lease>,
    /// What everybody else added to each counter, in sum, as far as is known.
    pub counters: BTreeMap<Arc<str>, i64>,
    /// Of users that may go on together.
    pub meetings: BTreeMap<Arc<str>, Release>,
}

/// What is leased to one worker, in the order of use.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Lease {
    /// So many were leased before these, and are known to be used, or were taken back: if the worker has handed out fewer,
    /// it skips the rest of them, and counts them as taken.
    pub before: u64,
    /// First number and how many, of each block.
    pub blocks: Vec<(u64, u64)>,
    /// There will be no more.
    pub last: bool,
}

/// Who may go on from a rendezvous.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Release {
    /// So many of the worker's users, in the order in which they came; those that had left are not among them.
    pub released: u64,
    /// The last of them not before this moment: microseconds since the Unix epoch by the coordinator's
    /// clock.
    pub at: u64,
}

impl SharedUse {
    /// Whether nothing was used.
    pub fn is_empty(&self) -> bool {
        *self == Self::default()
    }
}

impl SharedState {
    /// Whether there is nothing to hand out.
    pub fn is_empty(&self) -> bool {
        *self == Self::default()
    }
}

impl Lease {
    /// How many were ever leased.
    pub fn total(&self) -> u64 {
        self.blocks.iter().fold(self.before, |sum, (_, length)| sum.saturating_add(*length))
    }

    /// The numbers from the n-th on that was ever leased: those that are new to who had `n` of them.
    pub fn after(&self, had: u64) -> Vec<(u64, u64)> {
        let mut skip = had.saturating_sub(self.before);
        let mut new = Vec::new();
        for (first, length) in &self.blocks {
            let skipped = skip.min(*length);
            skip -= skipped;
            if skipped < *length {
                new.push((first.saturating_add(skipped), length - skipped));
            }
        }
        new
    }

    /// Forgets the first ones, known to be used: `taken` of all that were ever leased.
    pub fn forget(&mut self, taken: u64) {
        let taken = taken.min(self.total());
        if taken > self.before {
            self.blocks = self.after(taken);
            self.before = taken;
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn each(blocks: &[(u64, u64)]) -> Vec<u64> {
        blocks.iter().flat_map(|(first, length)| *first..first + length).collect()
    }

    proptest! {
        #[test]
        fn a_lease_is_the_same_however_often_it_is_heard_and_forgotten(
            lengths in prop::collection::vec(1_u64..9, 0..9), had in 0_u64..50, taken in 0_u64..50,
        ) {
            let blocks: Vec<(u64, u64)> =
                (0..).zip(&lengths).map(|(at, length)| (100 * at, *length)).collect();
            let whole = each(&blocks);
            let lease = Lease { before: 0, blocks, last: false };
            let after = |had: u64| whole.iter().skip(had as usize).copied().collect::<Vec<_>>();
            prop_assert_eq!(each(&lease.after(had)), after(had));
            let mut shorter = lease.clone();
            shorter.forget(taken);
            shorter.forget(taken / 2);
            prop_assert_eq!(shorter.total(), lease.total());
            prop_assert_eq!(each(&shorter.after(had.max(taken))), after(had.max(taken)));
        }
    }
}
