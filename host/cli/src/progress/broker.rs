//! Whether the broker can be reached, for those who watch a run.

use std::time::Duration;

use tokio::time::Instant;

/// Asked with each view, so at least once a second.
pub(crate) struct Broker {
    connected: Box<dyn Fn() -> bool + Send>,
    away_since: Option<Instant>,
}

impl Broker {
    /// That is there as long as `connected` says so.
    pub(crate) fn new(connected: impl Fn() -> bool + Send + 'static) -> Self {
        Self { connected: Box::new(connected), away_since: None }
    }

    /// For how long it has been out of reach. None: it is there.
    pub(super) fn away(&mut self) -> Option<Duration> {
        if (self.connected)() {
            self.away_since = None;
            return None;
        }
        Some(self.away_since.get_or_insert_with(Instant::now).elapsed())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::Arc;
    use std::sync::atomic::{AtomicBool, Ordering};

    #[tokio::test(start_paused = true)]
    async fn an_outage_is_as_long_as_it_lasts() {
        let there = Arc::new(AtomicBool::new(true));
        let mut broker = Broker::new({
            let there = there.clone();
            move || there.load(Ordering::Relaxed)
        });
        assert_eq!(broker.away(), None);
        for outage in [5, 3] {
            there.store(false, Ordering::Relaxed);
            assert_eq!(broker.away(), Some(Duration::ZERO));
            tokio::time::advance(Duration::from_secs(outage)).await;
            assert_eq!(broker.away(), Some(Duration::from_secs(outage)));
            there.store(true, Ordering::Relaxed);
            assert_eq!(broker.away(), None);
        }
    }
}
