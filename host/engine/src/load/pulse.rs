//! Whether the process has stood still, so that others may work by its share without its knowing.
//!
//! Shards [`Pulse::beat`] every few milliseconds and before each arrival. A long time without a beat means
//! that the whole process stood still, such as in a machine that was paused. What came due meanwhile may have been
//! given to others, so arrivals wait until the assignment was read anew. What reads it is elsewhere: it is asked
//! here, and says when it began.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::sync::Notify;
use tokio::time::Instant;

/// Whoever does nothing for so long stood still. A worker is lost after 3 s at the earliest.
const STANDSTILL: Duration = Duration::from_secs(1);

/// Arrivals wait for so long at most: without a leader or a broker load goes on as it was.
const PATIENCE: Duration = Duration::from_secs(5);

/// Shared by the shards of one worker for one run.
#[derive(Debug, Default)]
pub struct Pulse {
    state: Mutex<State>,
    /// Who reads the assignment. None: assignments cannot be outdated, since they come from this very process.
    ask: Option<Arc<Notify>>,
}

#[derive(Debug, Default)]
struct State {
    last: Option<Instant>,
    standstill: Option<Standstill>,
}

/// That the assignment was not read since.
#[derive(Debug, Clone, Copy)]
struct Standstill {
    began: Instant,
    noticed: Instant,
}

impl Pulse {
    /// A pulse that asks for the assignment to be read anew after a standstill.
    pub fn asking(ask: Arc<Notify>) -> Self {
        Self { ask: Some(ask), ..Self::default() }
    }

    /// Says that somebody is awake. While arrivals are to wait: when the standstill began. Nothing that came due
    /// later than that was handed out since.
    pub fn beat(&self) -> Option<Instant> {
        let ask = self.ask.as_ref()?;
        let mut state = self.state();
        // Of two threads the one that looked first may come second.
        let now = Instant::now();
        let last = state.last.replace(now).unwrap_or(now);
        if now.saturating_duration_since(last) >= STANDSTILL {
            let began = state.standstill.map_or(last, |known| known.began);
            state.standstill = Some(Standstill { began, noticed: now });
        }
        let is_over = |known: &Standstill| now.duration_since(known.noticed) >= PATIENCE;
        state.standstill = state.standstill.filter(|known| !is_over(known));
        let held = state.standstill?;
        // Again with each beat, in case that it could not be read.
        ask.notify_one();
        Some(held.began)
    }

    /// The assignment was read by somebody who began to do so at this moment, and the shards were told what it says.
    pub fn was_read(&self, began: Instant) {
        let mut state = self.state();
        state.standstill = state.standstill.filter(|known| began < known.noticed);
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use tokio::time::advance;

    use super::*;

    fn pulse() -> (Pulse, Instant) {
        let pulse = Pulse::asking(Arc::default());
        assert_eq!(pulse.beat(), None);
        (pulse, Instant::now())
    }

    #[tokio::test(start_paused = true)]
    async fn what_beats_all_the_time_never_waits() {
        let (pulse, _) = pulse();
        for _ in 0..50 {
            advance(Duration::from_millis(900)).await;
            assert_eq!(pulse.beat(), None);
        }
    }

    #[tokio::test(start_paused = true)]
    async fn after_a_standstill_all_wait_until_the_assignment_was_read_since() {
        let (pulse, began) = pulse();
        advance(Duration::from_secs(6)).await;
        let before = Instant::now() - Duration::from_millis(1);
        assert_eq!(pulse.beat(), Some(began));
        pulse.ask.as_ref().unwrap().notified().await;
        pulse.was_read(before);
        assert_eq!(pulse.beat(), Some(began), "what was read before is outdated");
        pulse.was_read(Instant::now());
        assert_eq!(pulse.beat(), None);
    }

    #[tokio::test(start_paused = true)]
    async fn where_it_cannot_be_read_the_load_goes_on_after_five_seconds() {
        let (pulse, began) = pulse();
        advance(Duration::from_secs(2)).await;
        assert_eq!(pulse.beat(), Some(began));
        for _ in 0..9 {
            advance(Duration::from_millis(500)).await;
            assert_eq!(pulse.beat(), Some(began));
        }
        advance(Duration::from_millis(500)).await;
        assert_eq!(pulse.beat(), None);
    }

    #[tokio::test(start_paused = true)]
    async fn who_is_its_own_coordinator_never_waits() {
        let pulse = Pulse::default();
        pulse.beat();
        advance(Duration::from_secs(60)).await;
        assert_eq!(pulse.beat(), None);
    }
}
