//! Counters over all runs, from what is known of each run by itself.
//!
//! A counter of Prometheus only grows while its process lives, but runs come, go, go on beside each other, begin their statistics anew,
//! and change their leader. So what each look finds beyond the one before is added up, here and nowhere else.

use std::collections::{BTreeMap, VecDeque};
use std::time::Duration;

use loadhost_control::distribution::Buckets;
use loadhost_model::id::RunId;

/// A run that began so shortly before is none that an earlier process has counted. In microseconds.
const BEFORE: u64 = 5_000_000;
/// Runs that are over and no longer shown are remembered, so that they count once if they are shown again.
const REMEMBERED: usize = 1_000;
/// Keys with a sum of their own: as many as an instrument has series.
pub(super) const MAX_KEYS: usize = super::CARDINALITY - 1;

/// What adds up.
pub(super) trait Amount: Clone + Default {
    /// What there is beyond an earlier look. None: nothing, or even less: a new leader goes on from what was saved.
    fn beyond(&self, before: &Self) -> Option<Self>;
    /// Adds up.
    fn add(&mut self, more: &Self);
}

impl Amount for u64 {
    fn beyond(&self, before: &Self) -> Option<Self> {
        self.checked_sub(*before).filter(|more| *more > 0)
    }

    fn add(&mut self, more: &Self) {
        *self = self.saturating_add(*more);
    }
}

/// Response and service times.
impl Amount for [Buckets; 2] {
    fn beyond(&self, before: &Self) -> Option<Self> {
        let [Some(response), Some(service)] = [0, 1].map(|at| self[at].beyond(&before[at])) else {
            return None;
        };
        Some([response, service])
    }

    fn add(&mut self, more: &Self) {
        self.iter_mut().zip(more).for_each(|(sum, more)| sum.add(more));
    }
}

/// What one look finds of one run.
pub(super) struct Look<K, A> {
    pub(super) run: RunId,
    /// Since when its numbers count: they begin anew with a reset.
    pub(super) counted_from: Duration,
    /// Microseconds since the Unix epoch.
    pub(super) started: Option<u64>,
    pub(super) is_over: bool,
    pub(super) amounts: Vec<(K, A)>,
}

/// Sums over all runs since the process began.
#[derive(Debug)]
pub(super) struct Sums<K, A> {
    /// Microseconds since the Unix epoch. Of runs that are older only what comes after the first look counts.
    began: u64,
    runs: BTreeMap<RunId, Seen<K, A>>,
    /// Over and no longer shown.
    gone: VecDeque<RunId>,
    sums: BTreeMap<K, A>,
    /// What is said of keys beyond the cap.
    other: K,
}

#[derive(Debug)]
struct Seen<K, A> {
    counted_from: Duration,
    is_over: bool,
    amounts: BTreeMap<K, A>,
}

impl<K: Ord + Clone, A: Amount> Sums<K, A> {
    /// Of nothing so far.
    pub(super) fn since(began: u64, other: K) -> Self {
        Self { began, runs: BTreeMap::new(), gone: VecDeque::new(), sums: BTreeMap::new(), other }
    }

    /// Runs that are over and wholly in the sums.
    pub(super) fn over(&self) -> impl Iterator<Item = &RunId> {
        let over = self.runs.iter().filter(|(_, seen)| seen.is_over).map(|(run, _)| run);
        over.chain(&self.gone)
    }

    /// Takes in all runs as they are shown now.
    pub(super) fn take(&mut self, looks: impl IntoIterator<Item = Look<K, A>>) {
        let mut shown = Vec::new();
        for look in looks {
            shown.push(look.run.clone());
            self.take_one(look);
        }
        self.forget(|run| !shown.contains(run));
    }

    /// The sums.
    pub(super) fn sums(&self) -> &BTreeMap<K, A> {
        &self.sums
    }

    fn take_one(&mut self, look: Look<K, A>) {
        if self.gone.contains(&look.run) {
            return;
        }
        let is_old =
            look.started.is_some_and(|started| started.saturating_add(BEFORE) < self.began);
        let is_new = !self.runs.contains_key(&look.run);
        let seen = self.runs.entry(look.run).or_insert_with(|| Seen {
            counted_from: look.counted_from,
            is_over: false,
            amounts: BTreeMap::new(),
        });
        if seen.counted_from != look.counted_from {
            (seen.counted_from, seen.amounts) = (look.counted_from, BTreeMap::new());
        }
        seen.is_over = look.is_over;
        for (key, amount) in look.amounts {
            let before = seen.amounts.entry(key.clone()).or_default();
            let more = amount.beyond(before);
            if more.is_some() {
                *before = amount;
            }
            let has_room = self.sums.len() < MAX_KEYS || self.sums.contains_key(&key);
            let key = if has_room { key } else { self.other.clone() };
            let sum = self.sums.entry(key).or_default();
            if let Some(more) = more.filter(|_| !(is_old && is_new)) {
                sum.add(&more);
            }
        }
    }

    /// Runs that are over and not shown any more will not change.
    fn forget(&mut self, is_hidden: impl Fn(&RunId) -> bool) {
        let hidden = |(run, seen): (&RunId, &Seen<K, A>)| {
            (seen.is_over && is_hidden(run)).then(|| run.clone())
        };
        let gone: Vec<RunId> = self.runs.iter().filter_map(hidden).collect();
        for run in gone {
            self.runs.remove(&run);
            self.gone.push_back(run);
        }
        let excess = self.gone.len().saturating_sub(REMEMBERED);
        self.gone.drain(..excess);
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    fn run(name: &str, requests: u64) -> Look<&'static str, u64> {
        let run = RunId::new(name).unwrap();
        let amounts = vec![("/", requests)];
        Look { run, counted_from: Duration::ZERO, started: Some(10), is_over: false, amounts }
    }

    fn over(look: Look<&'static str, u64>) -> Look<&'static str, u64> {
        Look { is_over: true, ..look }
    }

    /// Looks one after the other, and the sum after each of them.
    fn check(looks: impl IntoIterator<Item = (Vec<Look<&'static str, u64>>, u64)>) {
        let mut sums = Sums::since(BEFORE + 5, "other");
        for (at, (look, expected)) in looks.into_iter().enumerate() {
            sums.take(look);
            assert_eq!(sums.sums().get("/").copied().unwrap_or_default(), expected, "look {at}");
        }
    }

    #[test]
    fn runs_beside_and_after_each_other_add_up() {
        check([
            (vec![run("a", 3)], 3),
            (vec![run("a", 5), run("b", 10)], 15),
            (vec![over(run("a", 6)), run("b", 12)], 18),
            (vec![over(run("a", 6)), run("b", 13), run("c", 1)], 20),
        ]);
    }

    #[test]
    fn a_sum_never_falls() {
        check([
            (vec![run("a", 30)], 30),
            // A new leader goes on from what was saved, and comes to where it was.
            (vec![run("a", 25)], 30),
            (vec![], 30),
            (vec![run("a", 31)], 31),
            (vec![over(run("a", 31))], 31),
            // It is deleted, and shown again by somebody who has not heard of that.
            (vec![], 31),
            (vec![over(run("a", 31))], 31),
        ]);
    }

    #[test]
    fn statistics_that_begin_anew_go_on_counting() {
        let reset = |requests| Look { counted_from: Duration::from_secs(7), ..run("a", requests) };
        check([(vec![run("a", 30)], 30), (vec![reset(4)], 34), (vec![reset(50)], 80)]);
    }

    #[test]
    fn of_runs_older_than_the_process_only_what_comes_counts() {
        let old = |requests| Look { started: Some(4), ..run("a", requests) };
        check([(vec![old(30)], 0), (vec![old(32)], 2), (vec![over(old(33)), run("b", 1)], 4)]);
    }

    #[test]
    fn what_is_beyond_the_cap_is_summed_in_one() {
        let mut sums = Sums::since(0, usize::MAX);
        let amounts = (0..MAX_KEYS + 3).map(|key| (key, 2)).collect();
        let run = RunId::new("a").unwrap();
        sums.take([Look {
            run,
            counted_from: Duration::ZERO,
            started: None,
            is_over: false,
            amounts,
        }]);
        assert_eq!(sums.sums().len(), MAX_KEYS + 1);
        assert_eq!(sums.sums()[&usize::MAX], 6);
    }
}
