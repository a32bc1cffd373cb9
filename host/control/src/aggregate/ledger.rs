//! Which intervals were merged: each once, and all of them.

use std::collections::{BTreeMap, BTreeSet};

use loadhost_model::id::{Incarnation, WorkerId};
use loadhost_model::interval::Interval;
use serde::{Deserialize, Serialize};

use crate::view::Collection;

/// Numbers held ahead of a gap, per process. Beyond it the gap is given up as missing.
const MAX_AHEAD: usize = 4_096;

/// What one process has sent.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
struct Source {
    /// All numbers up to this one are here, or given up.
    through: u64,
    /// Numbers beyond the first gap.
    ahead: BTreeSet<u64>,
    given_up: u64,
    /// The greatest number that is known to exist.
    known: u64,
    /// Iterations that the intervals told of.
    #[serde(default)]
    iterations: u64,
    /// The number of an interval that said it was the last. Not saved: a next leader does not know how it ended.
    #[serde(skip)]
    last: Option<u64>,
}

impl Source {
    fn accept(&mut self, seq: u64) -> bool {
        if seq <= self.through || !self.ahead.insert(seq) {
            return false;
        }
        self.known = self.known.max(seq);
        if self.ahead.len() > MAX_AHEAD
            && let Some(first) = self.ahead.first()
        {
            self.given_up += first - self.through - 1;
            self.through = first - 1;
        }
        while self.ahead.remove(&(self.through + 1)) {
            self.through += 1;
        }
        true
    }

    fn missing(&self) -> u64 {
        self.given_up + (self.known - self.through) - self.ahead.len() as u64
    }
}

/// The account of a run.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub(crate) struct Ledger {
    sources: BTreeMap<(WorkerId, Incarnation), Source>,
    merged: u64,
    duplicates: u64,
    /// Merged after their second had been shown.
    #[serde(default)]
    late: u64,
}

impl Ledger {
    /// True the first time; whatever is accepted must be merged.
    pub(crate) fn accept(&mut self, worker: &WorkerId, incarnation: Incarnation, seq: u64) -> bool {
        let source = self.sources.entry((worker.clone(), incarnation)).or_default();
        let fresh = source.accept(seq);
        if fresh {
            self.merged += 1
        } else {
            self.duplicates += 1
        }
        fresh
    }

    /// An accepted interval told of a second that had been shown without it.
    pub(crate) fn count_late(&mut self) {
        self.late += 1;
    }

    /// An accepted interval told of so many iterations.
    pub(crate) fn count(&mut self, worker: &WorkerId, incarnation: Incarnation, iterations: u64) {
        let source = self.sources.entry((worker.clone(), incarnation)).or_default();
        source.iterations = source.iterations.saturating_add(iterations);
    }

    /// Iterations of a worker, over all its processes.
    pub(crate) fn iterations_of(&self, worker: &WorkerId) -> u64 {
        let all = (worker.clone(), Incarnation(0))..=(worker.clone(), Incarnation(u64::MAX));
        self.sources.range(all).map(|(_, source)| source.iterations).sum()
    }

    /// Whether the process has sent any interval.
    pub(crate) fn knows(&self, worker: &WorkerId, incarnation: Incarnation) -> bool {
        self.sources.contains_key(&(worker.clone(), incarnation))
    }

    /// The process says that it made intervals up to this number.
    pub(crate) fn expect(&mut self, worker: &WorkerId, incarnation: Incarnation, last: u64) {
        let source = self.sources.entry((worker.clone(), incarnation)).or_default();
        source.known = source.known.max(last);
    }

    /// An accepted interval says that it is the last of its process.
    pub(crate) fn end(&mut self, worker: &WorkerId, incarnation: Incarnation, last: u64) {
        let source = self.sources.entry((worker.clone(), incarnation)).or_default();
        source.last = source.last.max(Some(last));
    }

    /// Whether the last interval of the process is here, and all before it.
    pub(crate) fn has_ended(&self, worker: &WorkerId, incarnation: Incarnation) -> bool {
        let all_here = |source: &Source| source.last == Some(source.known) && source.missing() == 0;
        self.sources.get(&(worker.clone(), incarnation)).is_some_and(all_here)
    }

    /// Whether an interval is the first one after another that its process had said to be the last.
    pub(crate) fn resumes(&self, interval: &Interval) -> bool {
        let key = (interval.worker.clone(), interval.incarnation);
        let source = self.sources.get(&key).filter(|source| source.through < interval.seq);
        source.and_then(|source| source.last).is_some_and(|last| last + 1 == interval.seq)
    }

    /// Whether all that the process is known to have made is here.
    pub(crate) fn is_complete(&self, worker: &WorkerId, incarnation: Incarnation) -> bool {
        self.sources
            .get(&(worker.clone(), incarnation))
            .is_none_or(|source| source.through >= source.known)
    }

    /// Intervals of this worker that were made, but are not here.
    pub(crate) fn missing_of(&self, worker: &WorkerId) -> u64 {
        let all = (worker.clone(), Incarnation(0))..=(worker.clone(), Incarnation(u64::MAX));
        self.sources.range(all).map(|(_, source)| source.missing()).sum()
    }

    pub(crate) fn collection(&self) -> Collection {
        Collection {
            merged: self.merged,
            duplicates: self.duplicates,
            missing: self.sources.values().map(Source::missing).sum(),
            late: self.late,
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    /// Feeds numbers of one process; returns merged, duplicates and missing.
    fn check(seqs: &[u64], last: u64, expected: (u64, u64, u64)) {
        let (worker, incarnation) = (WorkerId::new("w").unwrap(), Incarnation(7));
        let mut ledger = Ledger::default();
        for seq in seqs {
            ledger.accept(&worker, incarnation, *seq);
        }
        ledger.expect(&worker, incarnation, last);
        let Collection { merged, duplicates, missing, .. } = ledger.collection();
        assert_eq!((merged, duplicates, missing), expected, "{seqs:?}");
        assert_eq!(ledger.is_complete(&worker, incarnation), missing == 0, "{seqs:?}");
        assert_eq!(ledger.missing_of(&worker), missing);
    }

    #[test]
    fn each_number_counts_once_in_any_order() {
        check(&[1, 2, 3], 3, (3, 0, 0));
        check(&[3, 1, 2, 3, 1], 3, (3, 2, 0));
        check(&[1, 4], 4, (2, 0, 2));
        check(&[1, 2], 5, (2, 0, 3)); // the worker said that there are five
        check(&[0, 1], 1, (1, 1, 0)); // numbers begin at one
        check(&[], 0, (0, 0, 0));
        check(&[], 2, (0, 0, 2));
    }

    #[test]
    fn a_process_has_ended_once_its_last_interval_and_all_before_are_here() {
        let (worker, incarnation) = (WorkerId::new("w").unwrap(), Incarnation(7));
        let mut ledger = Ledger::default();
        let mut ended = Vec::new();
        for (seq, is_last) in [(1, false), (3, true), (2, false), (4, false), (5, true)] {
            ledger.accept(&worker, incarnation, seq);
            if is_last {
                ledger.end(&worker, incarnation, seq);
            }
            ended.push(ledger.has_ended(&worker, incarnation));
        }
        assert_eq!(ended, [false, false, true, false, true]);
        assert!(!ledger.has_ended(&worker, Incarnation(8)));
    }

    #[test]
    fn a_gap_is_given_up_when_too_much_waits_behind_it() {
        let end = MAX_AHEAD as u64 + 2;
        let mut seqs: Vec<u64> = (2..=end).collect(); // 1 is missing
        seqs.push(1); // too late: no longer accepted, still missing
        let (worker, incarnation) = (WorkerId::new("w").unwrap(), Incarnation(7));
        let mut ledger = Ledger::default();
        let accepted = seqs.iter().filter(|seq| ledger.accept(&worker, incarnation, **seq)).count();
        assert_eq!(accepted as u64, end - 1);
        assert_eq!(
            ledger.collection(),
            Collection { merged: end - 1, duplicates: 1, missing: 1, late: 0 }
        );
        assert!(ledger.is_complete(&worker, incarnation), "nobody waits for it any longer");
    }
}
