//! The cap on requests per second over the whole run.
//!
//! The cap is a grid of slots, `k / rate` for `k` = 0, 1, …, of which each shard owns the slots of
//! its share, so that shards and workers need not talk. A shard that sends less than its
//! share leaves its slots unused: the sum never exceeds the cap, but may stay below it.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use loadhost_model::share::Share;

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
    alarm: Arc<Alarm>,
    clock: RunClock,
    recorder: Arc<Recorder>,
}

impl Gate {
    /// A gate that is open until [`Self::limit`] says otherwise.
    pub fn new(alarm: Arc<Alarm>, clock: RunClock, recorder: Arc<Recorder>) -> Self {
        Self { limited: AtomicBool::new(false), grid: Mutex::new(None), alarm, clock, recorder }
    }

    /// Requests per second of all shards together, and the share of this shard.
    pub fn limit(&self, rate: Option<f64>, share: Share) {
        let mut grid = self.grid.lock().unwrap_or_else(PoisonError::into_inner);
        let same = grid.as_ref().map(|grid| (grid.rate, grid.share.clone()));
        let wanted = rate.filter(|rate| *rate > 0.0).map(|rate| (rate, share));
        if same != wanted {
            *grid = wanted.map(|(rate, share)| Grid::new(rate, share));
        }
        self.limited.store(grid.is_some(), Ordering::Relaxed);
    }

    /// Resolves when the next request may be sent. Without a cap this costs one load.
    ///
    /// A request that has to wait is counted as `max_request_rate`.
    pub async fn ready(&self) {
        if !self.limited.load(Ordering::Relaxed) {
            return;
        }
        let now = self.clock.elapsed();
        let slot = {
            let mut grid = self.grid.lock().unwrap_or_else(PoisonError::into_inner);
            grid.as_mut().map_or(now, |grid| grid.reserve(now))
        };
        if slot > now {
            self.recorder.capped("max_request_rate");
            self.alarm.sleep_until(self.clock.instant(slot)).await;
        }
    }
}

#[derive(Debug)]
struct Grid {
    rate: f64,
    share: Share,
    next: u64,
}

impl Grid {
    fn new(rate: f64, share: Share) -> Self {
        Self { rate, share, next: 0 }
    }

    /// Takes the first free slot and says when it is, as an offset from the start of the run.
    fn reserve(&mut self, now: Duration) -> Duration {
        let since = now.saturating_sub(BURST).as_secs_f64();
        let passed = self.share.count_of((since * self.rate).ceil() as u64);
        let begun = self.share.count_of((now.as_secs_f64() * self.rate).floor() as u64 + 1);
        self.next = self.next.max(passed.min(begun.saturating_sub(1)));
        let slot = self.share.nth(self.next).unwrap_or(u64::MAX >> 12) as f64 / self.rate;
        self.next += 1;
        Duration::from_secs_f64(slot)
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    /// How many requests pass in each of `seconds` if there is always one that wants to.
    fn passed(grids: &mut [Grid], seconds: usize) -> Vec<u64> {
        let mut counts = vec![0; seconds];
        for grid in grids {
            let mut now = Duration::ZERO;
            loop {
                now = now.max(grid.reserve(now));
                match counts.get_mut(now.as_secs() as usize) {
                    Some(count) => *count += 1,
                    None => break,
                }
            }
        }
        counts
    }

    #[test]
    fn stripes_of_three_workers_with_two_shards_add_up_to_the_cap() {
        let mut grids: Vec<Grid> = (0..3)
            .flat_map(|worker| (0..2).map(move |shard| (worker, shard)))
            .map(|(worker, shard)| Share::stripe(worker, 3).unwrap().part(shard, 2).unwrap())
            .map(|share| Grid::new(100.0, share))
            .collect();
        assert_eq!(passed(&mut grids, 4), [100, 100, 100, 100]);
    }

    #[test]
    fn an_idle_time_is_not_made_up_for() {
        let mut grid = Grid::new(100.0, Share::whole());
        let now = Duration::from_secs(60);
        let at_once = (0..100).take_while(|_| grid.reserve(now) <= now).count();
        assert_eq!(at_once, 2, "the slot of this moment and ten milliseconds of earlier ones");
    }

    #[test]
    fn a_late_request_takes_the_slot_that_passed_last() {
        let mut grid = Grid::new(2.0, Share::whole());
        assert_eq!(grid.reserve(Duration::from_millis(700)), Duration::from_millis(500));
        assert_eq!(grid.reserve(Duration::from_millis(710)), Duration::from_secs(1));
    }
}
