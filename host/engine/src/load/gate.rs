//! The cap on requests per second over the whole run.
//!
//! The cap is a grid of slots, `k / rate` for `k` = 0, 1, …, of which each shard owns the slots of
//! its share, so that shards and workers need not talk. A shard that sends less than its
//! share leaves its slots unused: the sum never exceeds the cap, but may stay below it.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use loadhost_model::share::Timeline;
use tokio::sync::Notify;

use crate::load::alarm::Alarm;
use crate::load::clock::RunClock;
use crate::recorder::Recorder;

/// Unused slots that a shard may make up for: this long back, and always the last one. Within
/// any time `w` at most `rate × (w + 10 ms) + 1` requests pass.
const BURST: Duration = Duration::from_millis(10);

/// What each request passes before it is sent.
#[derive(Debug)]
pub struct Gate {
    limited: AtomicBool,
    grid: Mutex<Option<Grid>>,
    /// Those who wait for a slot look for another one.
    changed: Notify,
    alarm: Arc<Alarm>,
    clock: RunClock,
    recorder: Arc<Recorder>,
}

impl Gate {
    /// A gate that is open until [`Self::limit`] says otherwise.
    pub fn new(alarm: Arc<Alarm>, clock: RunClock, recorder: Arc<Recorder>) -> Self {
        let (limited, grid, changed) = (AtomicBool::new(false), Mutex::new(None), Notify::new());
        Self { limited, grid, changed, alarm, clock, recorder }
    }

    /// Requests per second of all shards together, and what this shard has of them.
    pub fn limit(&self, rate: Option<f64>, shares: Timeline) {
        let mut grid = self.grid.lock().unwrap_or_else(PoisonError::into_inner);
        let rate = rate.filter(|rate| *rate > 0.0);
        let is_same = match (&*grid, rate) {
            (Some(grid), Some(rate)) => grid.rate == rate && grid.shares == shares,
            (None, None) => true,
            _ => false,
        };
        if !is_same {
            // Slots that nobody has used before now are given out anew.
            let used = grid.is_some().then(|| self.clock.elapsed());
            *grid = rate.map(|rate| Grid::new(rate, shares, used));
            self.limited.store(grid.is_some(), Ordering::Relaxed);
            self.changed.notify_waiters();
        }
    }

    /// Resolves when the next request may be sent. Without a cap this costs one load.
    ///
    /// A request that has to wait is counted as `max_request_rate`.
    pub async fn ready(&self) {
        if !self.limited.load(Ordering::Relaxed) {
            return;
        }
        let now = self.clock.elapsed();
        let slot = self.reserve(now);
        if slot.is_none_or(|slot| slot > now) {
            self.recorder.capped("max_request_rate");
            Box::pin(self.wait(slot)).await;
        }
    }

    /// Waits for a slot; for another one if rate or share change meanwhile.
    async fn wait(&self, mut slot: Option<Duration>) {
        loop {
            let changed = self.changed.notified();
            match slot {
                Some(slot) => tokio::select! {
                    biased;
                    () = changed => {}
                    () = self.alarm.sleep_until(self.clock.instant(slot)) => return,
                },
                None => changed.await,
            }
            let now = self.clock.elapsed();
            slot = self.reserve(now);
            if slot.is_some_and(|slot| slot <= now) {
                return;
            }
        }
    }

    /// None: this shard has no slots as far as is known.
    fn reserve(&self, now: Duration) -> Option<Duration> {
        let mut grid = self.grid.lock().unwrap_or_else(PoisonError::into_inner);
        grid.as_mut().map_or(Some(now), |grid| grid.reserve(now))
    }
}

#[derive(Debug)]
struct Grid {
    rate: f64,
    shares: Timeline,
    /// The first slot of the whole run that is still free.
    next: u64,
}

impl Grid {
    /// Slots up to `used` are gone.
    fn new(rate: f64, shares: Timeline, used: Option<Duration>) -> Self {
        let next = used.map_or(0, |used| (used.as_secs_f64() * rate).floor() as u64 + 1);
        Self { rate, shares, next }
    }

    /// Takes the first free slot and says when it is, as an offset from the start of the run.
    fn reserve(&mut self, now: Duration) -> Option<Duration> {
        let passed = (now.saturating_sub(BURST).as_secs_f64() * self.rate).ceil() as u64;
        let begun = (now.as_secs_f64() * self.rate).floor() as u64 + 1;
        let share = self.shares.at(now);
        let last = share.and_then(|share| share.nth(share.count_of(begun).checked_sub(1)?));
        let least = last.map_or(passed, |last| passed.min(last));
        let slot = self.first_from(self.next.max(least))?;
        self.next = slot + 1;
        Some(Duration::from_secs_f64(slot as f64 / self.rate))
    }

    /// The first slot from this one on that is this shard's when it is due.
    fn first_from(&self, slot: u64) -> Option<u64> {
        let spans = self.shares.spans();
        let first = |moment: Duration| (moment.as_secs_f64() * self.rate).ceil() as u64;
        spans.iter().enumerate().find_map(|(i, (from, share))| {
            let end = spans.get(i + 1).map_or(u64::MAX, |(next, _)| first(*next));
            share.next_from(slot.max(first(*from))).filter(|slot| *slot < end)
        })
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use loadhost_model::share::Share;

    use super::*;

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

    fn grid(rate: f64, share: Share) -> Grid {
        Grid::new(rate, Timeline::always(share), None)
    }

    #[test]
    fn stripes_of_three_workers_with_two_shards_add_up_to_the_cap() {
        let mut grids: Vec<Grid> = (0..3)
            .flat_map(|worker| (0..2).map(move |shard| (worker, shard)))
            .map(|(worker, shard)| Share::stripe(worker, 3).unwrap().part(shard, 2).unwrap())
            .map(|share| grid(100.0, share))
            .collect();
        assert_eq!(passed(&mut grids, 4), [100, 100, 100, 100]);
    }

    #[test]
    fn an_idle_time_is_not_made_up_for() {
        let mut grid = grid(100.0, Share::whole());
        let now = Duration::from_secs(60);
        let at_once = (0..100).take_while(|_| grid.reserve(now).unwrap() <= now).count();
        assert_eq!(at_once, 2, "the slot of this moment and ten milliseconds of earlier ones");
    }

    #[test]
    fn a_late_request_takes_the_slot_that_passed_last() {
        let mut grid = grid(2.0, Share::whole());
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
        let mut grids = [first, second].map(|shares| Grid::new(120.0, shares, None));
        assert_eq!(passed(&mut grids, 4), [120, 120, 120, 120]);
        let none = Timeline::always(share(0..0));
        assert_eq!(Grid::new(120.0, none, None).reserve(secs(1)), None);
    }
}
