//! Intervals that wait for the broker: bounded for any outage, and nothing lost.
//!
//! The newest [`APART`] intervals stay apart, so that charts keep their seconds. Beyond that
//! neighbours of one run are merged two by two: after twenty minutes without a broker the
//! oldest half has steps of two seconds, and so on. What is being sent is out of reach of the
//! merging, so that each attempt sends the same bytes.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, PoisonError};

use loadhost_model::interval::Interval;
use tokio::sync::watch;

use crate::counters::Counters;
use crate::parts::Covering;

/// Intervals that are kept apart: ten minutes of seconds.
pub(super) const APART: usize = 600;

pub(super) struct Outbox {
    waiting: Mutex<Waiting>,
    /// Waiting and under way.
    count: watch::Sender<usize>,
    counters: Arc<Counters>,
}

#[derive(Default)]
struct Waiting {
    queue: VecDeque<Covering>,
    under_way: bool,
    closed: bool,
}

impl Waiting {
    fn len(&self) -> usize {
        self.queue.len() + usize::from(self.under_way)
    }
}

impl Outbox {
    pub(super) fn new(counters: Arc<Counters>) -> Self {
        Self { waiting: Mutex::default(), count: watch::Sender::new(0), counters }
    }

    /// Waiting and under way.
    pub(super) fn len(&self) -> usize {
        *self.count.borrow()
    }

    pub(super) fn push(&self, interval: Interval) {
        self.change(|waiting| {
            waiting.queue.push_back(Covering { first: interval.seq, interval });
            if waiting.queue.len() > APART {
                let before = waiting.queue.len();
                halve(&mut waiting.queue);
                self.counters.intervals_coalesced.add((before - waiting.queue.len()) as u64);
            }
        });
    }

    /// No more will be pushed.
    pub(super) fn close(&self) {
        self.change(|waiting| waiting.closed = true);
    }

    /// The oldest, once there is one; it counts as under way until [`Self::sent`].
    pub(super) async fn next(&self) -> Covering {
        let mut count = self.count.subscribe();
        loop {
            let next = self.change(|waiting| {
                let next = waiting.queue.pop_front();
                waiting.under_way = next.is_some();
                next
            });
            match next {
                Some(next) => return next,
                // The sender lives as long as `self`.
                None => drop(count.wait_for(|count| *count > 0).await),
            }
        }
    }

    /// What was under way has arrived.
    pub(super) fn sent(&self) {
        self.change(|waiting| waiting.under_way = false);
    }

    /// Returns once it is closed and all has arrived.
    pub(super) async fn emptied(&self) {
        let mut count = self.count.subscribe();
        loop {
            let done = {
                let waiting = self.lock();
                waiting.closed && waiting.len() == 0
            };
            if done || count.changed().await.is_err() {
                return;
            }
        }
    }

    fn change<T>(&self, change: impl FnOnce(&mut Waiting) -> T) -> T {
        let mut waiting = self.lock();
        let result = change(&mut waiting);
        self.count.send_replace(waiting.len());
        result
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, Waiting> {
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Merges neighbours two by two.
fn halve(queue: &mut VecDeque<Covering>) {
    let mut merged: VecDeque<Covering> = VecDeque::with_capacity(queue.len() / 2 + 1);
    let mut left: Option<Covering> = None;
    for right in queue.drain(..) {
        left = match left.take() {
            None => Some(right),
            Some(mut earlier) if fits(&earlier.interval, &right.interval) => {
                merge(&mut earlier, right);
                merged.push_back(earlier);
                None
            }
            Some(earlier) => {
                merged.push_back(earlier);
                Some(right)
            }
        };
    }
    merged.extend(left);
    *queue = merged;
}

/// Whether `right` follows `left` in the same run of the same process.
fn fits(left: &Interval, right: &Interval) -> bool {
    left.run == right.run && left.incarnation == right.incarnation && !left.last
}

fn merge(left: &mut Covering, right: Covering) {
    let (begin, mut statistics) =
        (left.interval.begin, std::mem::take(&mut left.interval.statistics));
    statistics.merge_ref(&right.interval.statistics);
    left.interval = Interval { begin, statistics, ..right.interval };
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::expect_used)]

    use std::time::Duration;

    use loadhost_model::id::{Incarnation, RunId, Term, WorkerId};
    use loadhost_model::interval::Statistics;

    use super::*;

    fn interval(run: &str, seq: u64, last: bool) -> Interval {
        let mut statistics = Statistics::default();
        statistics.counters.arrivals = seq;
        Interval {
            run: RunId::new(run).unwrap(),
            worker: WorkerId::new("w1").unwrap(),
            incarnation: Incarnation(7),
            seq,
            term: Term(1),
            begin: Duration::from_secs(seq - 1),
            end: Duration::from_secs(seq),
            users: Default::default(),
            statistics,
            last,
        }
    }

    async fn drain(outbox: &Outbox) -> Vec<Covering> {
        let mut all = Vec::new();
        while outbox.len() > 0 {
            all.push(outbox.next().await);
            outbox.sent();
        }
        all
    }

    #[tokio::test]
    async fn ten_minutes_of_outage_keep_their_seconds() {
        let outbox = Outbox::new(Arc::default());
        (1..=600).for_each(|seq| outbox.push(interval("r", seq, false)));
        let all = drain(&outbox).await;
        assert_eq!(all.len(), 600);
        assert!(all.iter().all(|covering| covering.first == covering.interval.seq));
    }

    #[tokio::test]
    async fn an_outage_of_hours_is_bounded_and_loses_nothing() {
        let outbox = Outbox::new(Arc::default());
        let n = 10_000;
        (1..=n).for_each(|seq| outbox.push(interval("r", seq, seq == n)));
        assert!(outbox.len() <= APART, "{}", outbox.len());
        let all = drain(&outbox).await;
        let arrivals: u64 = all.iter().map(|c| c.interval.statistics.counters.arrivals).sum();
        assert_eq!(arrivals, n * (n + 1) / 2);
        let (mut next, mut at) = (1, Duration::ZERO);
        for covering in all {
            assert_eq!((covering.first, covering.interval.begin), (next, at));
            (next, at) = (covering.interval.seq + 1, covering.interval.end);
            let last = covering.interval.last;
            let as_one_each: Vec<_> = covering.into_intervals().collect();
            assert!(as_one_each.windows(2).all(|w| w[0].seq + 1 == w[1].seq && !w[0].last));
            assert_eq!(last, next == n + 1);
        }
        assert_eq!(next, n + 1);
    }

    #[tokio::test]
    async fn intervals_of_different_runs_are_never_merged() {
        let outbox = Outbox::new(Arc::default());
        for seq in 1..=400 {
            outbox.push(interval("a", seq, seq == 400));
        }
        for seq in 1..=400 {
            outbox.push(interval("b", seq, false));
        }
        let all = drain(&outbox).await;
        for (run, arrivals) in [("a", 400 * 401 / 2), ("b", 400 * 401 / 2)] {
            let of_run = all.iter().filter(|c| c.interval.run.as_str() == run);
            let sum: u64 = of_run.map(|c| c.interval.statistics.counters.arrivals).sum();
            assert_eq!(sum, arrivals, "{run}");
        }
        let lasts: Vec<_> =
            all.iter().filter(|c| c.interval.last).map(|c| c.interval.seq).collect();
        assert_eq!(lasts, [400]);
    }

    #[tokio::test]
    async fn what_is_under_way_is_not_changed_by_what_follows() {
        let outbox = Outbox::new(Arc::default());
        outbox.push(interval("r", 1, false));
        let under_way = outbox.next().await;
        (2..=2_000).for_each(|seq| outbox.push(interval("r", seq, false)));
        assert_eq!((under_way.first, under_way.interval.seq), (1, 1));
        outbox.sent();
        assert_eq!(outbox.next().await.first, 2);
    }
}
