//! The cap on requests per second over the whole run.
//!
//! The cap is a grid of slots, `k / rate` for `k` = 0, 1, …, which are dealt to the workers, so that they need not talk:
//!
//! ```text
//! k    0  1  2  …  30   31    32  33  …  62   63
//!      to the workers   to    to the workers  to
//!      of users 0, 1,   any   of users 31,    any
//!      2, …, in turn          32, …, in turn
//! ```
//! The shards of a worker take its slots as they need them. A worker that sends less than its slots are leaves
//! them unused: the sum never exceeds the cap, but may stay below it. Whoever has no user gets next to none.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use loadhost_model::share::{Share, Timeline};
use tokio::sync::Notify;
use tokio::sync::futures::Notified;

use crate::load::alarm::Alarm;
use crate::load::clock::RunClock;
use crate::recorder::Recorder;

/// Unused slots that a worker may make up for: this long back, and always the last one. Within
/// any time `w` at most `rate × (w + 10 ms) + 1` requests pass.
const BURST: Duration = Duration::from_millis(10);

/// One slot of so many is dealt to all workers, whether or not they are known to have users.
const FOR_ALL: u64 = 32;

/// What each request passes before it is sent.
#[derive(Debug)]
pub struct Gate {
    cap: Arc<Cap>,
    alarm: Arc<Alarm>,
    clock: RunClock,
    recorder: Arc<Recorder>,
}

/// What the gates of a worker's shards share.
#[derive(Debug, Default)]
pub struct Cap {
    limited: AtomicBool,
    grid: Mutex<Option<Grid>>,
    /// Those who wait for a slot look for another one.
    changed: Notify,
}

impl Cap {
    fn grid(&self) -> MutexGuard<'_, Option<Grid>> {
        self.grid.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Gate {
    /// A gate that is open until [`Self::limit`] says otherwise.
    pub fn new(alarm: Arc<Alarm>, clock: RunClock, recorder: Arc<Recorder>) -> Self {
        Self { cap: Arc::default(), alarm, clock, recorder }
    }

    /// The same under a cap that other gates are under as well.
    #[must_use]
    pub fn under(self, cap: Arc<Cap>) -> Self {
        Self { cap, ..self }
    }

    /// Requests per second of the whole run, what this worker has of the run's slots, and how many users the run
    /// has at most. All gates under one cap say the same.
    pub fn limit(&self, rate: Option<f64>, worker: &Timeline, users: u32) {
        let mut grid = self.cap.grid();
        let deal = rate.filter(|rate| *rate > 0.0).map(|rate| (rate, worker, users));
        if grid.as_ref().map(Grid::deal) != deal {
            // Slots that nobody has used before now are given out anew.
            let used = grid.is_some().then(|| self.clock.elapsed());
            *grid = deal.map(|(rate, worker, users)| Grid::new(rate, worker.clone(), users, used));
            self.cap.limited.store(grid.is_some(), Ordering::Relaxed);
            self.cap.changed.notify_waiters();
        }
    }

    /// Resolves when the next request may be sent. Without a cap this costs one load.
    ///
    /// A request that has to wait is counted as `max_request_rate`.
    pub async fn ready(&self) {
        if !self.cap.limited.load(Ordering::Relaxed) {
            return;
        }
        // First, so that no change after the look is missed.
        let changed = self.cap.changed.notified();
        let now = self.clock.elapsed();
        let slot = self.reserve(now);
        if slot.is_none_or(|slot| slot > now) {
            self.recorder.capped("max_request_rate");
            Box::pin(self.wait(changed, slot)).await;
        }
    }

    /// Waits for a slot; for another one if rate or share change meanwhile.
    async fn wait<'a>(&'a self, mut changed: Notified<'a>, mut slot: Option<Duration>) {
        loop {
            match slot {
                Some(slot) => tokio::select! {
                    biased;
                    () = changed => {}
                    () = self.alarm.sleep_until(self.clock.instant(slot)) => return,
                },
                None => changed.await,
            }
            changed = self.cap.changed.notified();
            let now = self.clock.elapsed();
            slot = self.reserve(now);
            if slot.is_some_and(|slot| slot <= now) {
                return;
            }
        }
    }

    /// None: this worker has no slots as far as is known.
    fn reserve(&self, now: Duration) -> Option<Duration> {
        self.cap.grid().as_mut().map_or(Some(now), |grid| grid.reserve(now))
    }
}

#[derive(Debug)]
struct Grid {
    rate: f64,
    users: u32,
    worker: Timeline,
    /// What the worker has of the slots that are not for all, at the same moments.
    crewed: Timeline,
    /// The first slot of the whole run that is still free.
    next: u64,
}

impl Grid {
    /// Slots up to `used` are gone.
    fn new(rate: f64, worker: Timeline, users: u32, used: Option<Duration>) -> Self {
        let next = used.map_or(0, |used| (used.as_secs_f64() * rate).floor() as u64 + 1);
        let crewed = worker.map(|share| share.crewed(share.of(), users));
        Self { rate, users, worker, crewed, next }
    }

    fn deal(&self) -> (f64, &Timeline, u32) {
        (self.rate, &self.worker, self.users)
    }

    /// Takes the first free slot and says when it is, as an offset from the start of the run.
    fn reserve(&mut self, now: Duration) -> Option<Duration> {
        let passed = (now.saturating_sub(BURST).as_secs_f64() * self.rate).ceil() as u64;
        let begun = (now.as_secs_f64() * self.rate).floor() as u64 + 1;
        let dealt = self.worker.at(now).zip(self.crewed.at(now));
        let last = dealt.and_then(|(all, crewed)| Dealt { all, crewed }.last_below(begun));
        let least = last.map_or(passed, |last| passed.min(last));
        let slot = self.first_from(self.next.max(least))?;
        self.next = slot + 1;
        Some(Duration::from_secs_f64(slot as f64 / self.rate))
    }

    /// The first slot from this one on that is this worker's when it is due.
    fn first_from(&self, slot: u64) -> Option<u64> {
        let spans = self.worker.spans();
        let first = |moment: Duration| (moment.as_secs_f64() * self.rate).ceil() as u64;
        let mut dealt = spans.iter().zip(self.crewed.spans()).enumerate();
        dealt.find_map(|(i, ((from, all), (_, crewed)))| {
            let end = spans.get(i + 1).map_or(u64::MAX, |(next, _)| first(*next));
            let next = Dealt { all, crewed }.first_from(slot.max(first(*from)));
            next.filter(|slot| *slot < end)
        })
    }
}

/// The slots of the grid that are dealt to a worker with a share.
struct Dealt<'a> {
    /// Of those for all.
    all: &'a Share,
    /// Of the others.
    crewed: &'a Share,
}

impl Dealt<'_> {
    fn first_from(&self, slot: u64) -> Option<u64> {
        let for_all = slot / FOR_ALL;
        let crewed = self.crewed.next_from(slot - for_all).map(place);
        let all = self.all.next_from(for_all).map(place_for_all);
        crewed.into_iter().chain(all).min()
    }

    fn last_below(&self, slot: u64) -> Option<u64> {
        let last = |share: &Share, below| share.nth(share.count_of(below).checked_sub(1)?);
        let for_all = slot / FOR_ALL;
        let crewed = last(self.crewed, slot - for_all).map(place);
        let all = last(self.all, for_all).map(place_for_all);
        crewed.into_iter().chain(all).max()
    }
}

/// Where in the grid the slots are that are not for all.
fn place(nth: u64) -> u64 {
    nth + nth / (FOR_ALL - 1)
}

/// Where in the grid those for all are.
fn place_for_all(nth: u64) -> u64 {
    nth * FOR_ALL + FOR_ALL - 1
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use proptest::prelude::*;

    use super::*;

    const MANY: u32 = 1000;

    /// How many requests pass in each of `seconds` if there is always one that wants to.
    fn passed(grids: &mut [Grid], seconds: usize) -> Vec<u64> {
        let mut counts = vec![0; seconds];
        for grid in grids {
            let mut now = Duration::ZERO;
            loop {
                now = now.max(grid.reserve(now).unwrap_or(Duration::MAX));
                match counts.get_mut(now.as_secs() as usize) {
                    Some(count) => *count += 1,
                    None => break,
                }
            }
        }
        counts
    }

    fn grid(rate: f64, share: Share, users: u32) -> Grid {
        Grid::new(rate, Timeline::always(share), users, None)
    }

    #[test]
    fn what_three_workers_send_adds_up_to_the_cap() {
        for users in [3, 7, MANY] {
            let stripe = |worker| grid(100.0, Share::stripe(worker, 3).unwrap(), users);
            assert_eq!(passed(&mut [0, 1, 2].map(stripe), 4), [100; 4], "{users} users");
        }
    }

    #[test]
    fn the_only_user_of_three_workers_gets_nearly_all_of_the_cap() {
        let share = |worker| Share::new(240, (0..240).filter(|slot| slot % 3 == worker)).unwrap();
        let [first, others @ ..] =
            [0, 1, 2].map(|worker| passed(&mut [grid(100.0, share(worker), 1)], 60));
        let sum = |counts: &[u64]| counts.iter().sum::<u64>();
        assert!((5_850..=5_900).contains(&sum(&first)), "{} of 6000", sum(&first));
        for other in others {
            assert!((55..=70).contains(&sum(&other)), "{}: nobody starves", sum(&other));
        }
    }

    proptest! {
        #[test]
        fn each_slot_is_dealt_to_one_worker(
            holders in prop::collection::vec(0_u32..4, 1..50),
            users in 0_u32..100,
        ) {
            let of = holders.len() as u32;
            let held_by = |worker| {
                let slots = (0..).zip(&holders).filter(move |(_, holder)| **holder == worker);
                Share::new(of, slots.map(|(slot, _)| slot)).unwrap()
            };
            let grids: Vec<Grid> = (0..4).map(|worker| grid(1.0, held_by(worker), users)).collect();
            for slot in 0..300 {
                let owners = grids.iter().filter(|grid| grid.first_from(slot) == Some(slot));
                let is_for_all = slot % FOR_ALL == FOR_ALL - 1;
                let expected = usize::from(users > 0 || is_for_all);
                prop_assert_eq!(owners.count(), expected, "slot {}", slot);
                for grid in &grids {
                    let (all, crewed) = (grid.worker.last().unwrap(), grid.crewed.last().unwrap());
                    let last = Dealt { all, crewed }.last_below(slot);
                    let own = |slot: &u64| grid.first_from(*slot) == Some(*slot);
                    prop_assert_eq!(last, (0..slot).rfind(own), "below {}", slot);
                }
            }
        }
    }

    #[test]
    fn an_idle_time_is_not_made_up_for() {
        let mut grid = grid(100.0, Share::whole(), MANY);
        let now = Duration::from_secs(60);
        let at_once = (0..100).take_while(|_| grid.reserve(now).unwrap() <= now).count();
        assert_eq!(at_once, 2, "the slot of this moment and ten milliseconds of earlier ones");
    }

    #[test]
    fn a_late_request_takes_the_slot_that_passed_last() {
        let mut grid = grid(2.0, Share::whole(), MANY);
        assert_eq!(grid.reserve(Duration::from_millis(700)), Some(Duration::from_millis(500)));
        assert_eq!(grid.reserve(Duration::from_millis(710)), Some(Duration::from_secs(1)));
    }

    #[test]
    fn while_slots_move_the_cap_holds_and_is_used() {
        let secs = Duration::from_secs;
        let share = |slots: std::ops::Range<u32>| Share::new(12, slots).unwrap();
        let mut first = Timeline::always(share(0..9));
        first.change(secs(2), share(0..3));
        let mut second = Timeline::always(share(9..12));
        second.change(secs(2), share(3..12));
        let mut grids = [first, second].map(|worker| Grid::new(120.0, worker, MANY, None));
        assert_eq!(passed(&mut grids, 4), [120, 120, 120, 120]);
        let none = Timeline::always(share(0..0));
        assert_eq!(Grid::new(120.0, none, MANY, None).reserve(secs(1)), None);
    }
}
