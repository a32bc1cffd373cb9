//! What time it is in the run, and how much of it a thread had of the processor.

use std::time::Duration;

use rustix::time::{ClockId, clock_gettime};
use tokio::time::Instant;

/// The run's own clock: zero is the moment that all workers start at.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RunClock {
    start: Instant,
}

impl RunClock {
    /// A clock that is zero at `start`, which may lie ahead.
    pub fn starting_at(start: Instant) -> Self {
        Self { start }
    }

    /// The moment that is zero.
    pub fn start(&self) -> Instant {
        self.start
    }

    /// Since the start of the run; zero before it.
    pub fn elapsed(&self) -> Duration {
        self.at(Instant::now())
    }

    /// That moment as an offset from the start of the run; zero before it.
    pub fn at(&self, moment: Instant) -> Duration {
        moment.saturating_duration_since(self.start)
    }

    /// The moment at this offset.
    pub fn instant(&self, offset: Duration) -> Instant {
        self.start + offset
    }
}

/// CPU time of this thread since its start. Asking costs half a microsecond.
pub(crate) fn cpu_of_thread() -> Duration {
    let time = clock_gettime(ClockId::ThreadCPUTime);
    Duration::new(time.tv_sec.unsigned_abs(), u32::try_from(time.tv_nsec).unwrap_or_default())
}
