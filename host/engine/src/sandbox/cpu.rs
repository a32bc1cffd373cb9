//! The cap on CPU time of one call, and fair turns for the neighbours on the shard.
//!
//! A guest that computes past an epoch gives way, so that sockets of the same shard are
//! served, and goes on until it has used up its time. Neither waiting in the host is computing, nor
//! is waiting for a processor on which others compute.
//!
//! Asking for the CPU time of a thread costs half a microsecond, too much for each call. So a
//! call is charged by the time of day first, which is never too little, and from when on that is much
//! its CPU time is measured.

use std::future::{Future, poll_fn};
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;

use tokio::time::Instant;
use wasmtime::{Store, UpdateDeadline};

use super::ticker::{FAST_TICK, Pace, TICK};
use super::trap::HostTrap;
use crate::load::clock::cpu_of_thread;

/// What a call is charged with by the time of day, at most.
const UNMEASURED: Duration = Duration::from_millis(20);

/// CPU time of the call that is under way.
#[derive(Debug)]
pub(crate) struct CpuMeter {
    limit: Duration,
    /// By the time of day.
    charged: Duration,
    /// Since when the guest has been computing, by the time of day.
    since: Instant,
    measure: Arc<Measure>,
}

impl CpuMeter {
    pub(crate) fn new(limit: Duration) -> Self {
        Self::with(limit, cpu_of_thread)
    }

    fn with(limit: Duration, clock: fn() -> Duration) -> Self {
        let measure = Measure {
            clock,
            is_on: AtomicBool::new(false),
            used: AtomicU64::new(0),
            since: AtomicU64::new(0),
        };
        Self { limit, charged: Duration::ZERO, since: Instant::now(), measure: Arc::new(measure) }
    }

    /// To be told of each poll of the guest.
    pub(crate) fn measure(&self) -> Arc<Measure> {
        Arc::clone(&self.measure)
    }

    /// A call begins.
    pub(crate) fn enter(&mut self, now: Instant) {
        self.charged = Duration::ZERO;
        self.since = now;
        self.measure.is_on.store(false, Ordering::Relaxed);
    }

    /// The guest waited in the host.
    pub(crate) fn waited(&mut self, from: Instant, to: Instant) {
        if self.measure.is_on() {
            return;
        }
        self.charge(from);
        self.since = to;
        if self.charged == self.most() {
            self.measure.begin();
        }
    }

    /// By the time of day; at most a fourth of what it may use is guessed so.
    fn charge(&mut self, until: Instant) {
        let turn = until.saturating_duration_since(self.since);
        self.charged = (self.charged + turn).min(self.most());
    }

    fn most(&self) -> Duration {
        UNMEASURED.min(self.limit / 4)
    }

    /// What to do at the end of an epoch.
    fn at_epoch(&mut self, pace: &Pace, now: Instant) -> Result<UpdateDeadline, HostTrap> {
        let turn = match self.measure.is_on() {
            true => self.measure.turn(),
            // It cannot have computed for longer before somebody looked.
            false => now.saturating_duration_since(self.since).min(TICK),
        };
        if turn < FAST_TICK / 2 {
            // The epoch ended while the guest waited: it has hardly begun.
            return Ok(UpdateDeadline::Continue(1));
        }
        if !self.measure.is_on() {
            self.charge(now);
            self.measure.begin();
        }
        if self.charged + self.measure.used() > self.limit {
            return Err(HostTrap::limit("task_cpu", format!("{:?}", self.limit)));
        }
        pace.hurry();
        Ok(UpdateDeadline::YieldCustom(1, Box::pin(tokio::task::yield_now())))
    }
}

/// CPU time that the thread spends on polls of a guest, once somebody wants to know.
#[derive(Debug)]
pub(crate) struct Measure {
    clock: fn() -> Duration,
    is_on: AtomicBool,
    /// In polls that are over, in nanoseconds.
    used: AtomicU64,
    /// CPU time of the thread when the poll began, in nanoseconds.
    since: AtomicU64,
}

impl Measure {
    /// The work of a guest, of whose polls it knows.
    pub(crate) fn over<F: Future>(&self, mut work: Pin<&mut F>) -> impl Future<Output = F::Output> {
        poll_fn(move |cx| self.during(|| work.as_mut().poll(cx)))
    }

    #[inline]
    fn during<T>(&self, poll: impl FnOnce() -> T) -> T {
        if self.is_on() {
            self.since.store(self.now(), Ordering::Relaxed);
        }
        let polled = poll();
        if self.is_on() {
            self.used.store(self.used_nanos(), Ordering::Relaxed);
        }
        polled
    }

    /// Measures from now on, which is within a poll.
    fn begin(&self) {
        self.used.store(0, Ordering::Relaxed);
        self.since.store(self.now(), Ordering::Relaxed);
        self.is_on.store(true, Ordering::Relaxed);
    }

    #[inline]
    fn is_on(&self) -> bool {
        self.is_on.load(Ordering::Relaxed)
    }

    fn now(&self) -> u64 {
        u64::try_from((self.clock)().as_nanos()).unwrap_or(u64::MAX)
    }

    /// Since the poll began.
    fn turn(&self) -> Duration {
        Duration::from_nanos(self.now().saturating_sub(self.since.load(Ordering::Relaxed)))
    }

    /// Since [`Self::begin`].
    fn used(&self) -> Duration {
        Duration::from_nanos(self.used.load(Ordering::Relaxed)) + self.turn()
    }

    fn used_nanos(&self) -> u64 {
        u64::try_from(self.used().as_nanos()).unwrap_or(u64::MAX)
    }
}

/// Makes a store give way at epochs and end at the limit of its meter.
pub(crate) fn watch<T: 'static>(
    store: &mut Store<T>,
    pace: Arc<Pace>,
    meter: fn(&mut T) -> &mut CpuMeter,
) {
    store.set_epoch_deadline(1);
    store.epoch_deadline_callback(move |mut context| {
        Ok(meter(context.data_mut()).at_epoch(&pace, Instant::now())?)
    });
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use std::cell::Cell;

    use super::*;

    thread_local! {
        static CPU: Cell<Duration> = const { Cell::new(Duration::ZERO) };
    }

    const LIMIT: Duration = Duration::from_millis(200);

    /// A call under a clock that the test moves: of the day, and of the thread.
    struct Guest {
        meter: CpuMeter,
        measure: Arc<Measure>,
        now: Instant,
    }

    impl Guest {
        fn enter() -> Self {
            let mut meter = CpuMeter::with(LIMIT, || CPU.get());
            let now = Instant::now();
            meter.enter(now);
            Self { measure: meter.measure(), meter, now }
        }

        fn pass(&mut self, cpu: Duration, time: Duration) {
            CPU.set(CPU.get() + cpu);
            self.now += time;
        }

        /// Whether it may go on after computing until the end of an epoch.
        fn computes(&mut self, cpu: Duration, time: Duration) -> bool {
            let measure = Arc::clone(&self.measure);
            measure.during(|| {
                self.pass(cpu, time);
                self.meter.at_epoch(&Pace::default(), self.now).is_ok()
            })
        }

        /// Computes for so long, and then waits in the host while neighbours compute.
        fn waits_after(&mut self, cpu: Duration, time: Duration) {
            let measure = Arc::clone(&self.measure);
            measure.during(|| self.pass(cpu, time));
            let from = self.now;
            self.pass(LIMIT, LIMIT * 3);
            measure.during(|| self.meter.waited(from, self.now));
        }
    }

    fn ms(ms: u64) -> Duration {
        Duration::from_millis(ms)
    }

    #[test]
    fn a_loop_ends_once_it_has_computed_for_as_long_as_it_may() {
        let mut guest = Guest::enter();
        let turns = (0..1_000).take_while(|_| guest.computes(ms(1), ms(1))).count();
        assert_eq!(turns, 200);
        // The next call begins anew, with nothing measured.
        guest.meter.enter(guest.now);
        assert!(guest.computes(ms(10), ms(10)) && guest.computes(ms(10), ms(10)));
    }

    #[test]
    fn time_in_which_others_have_the_processor_is_not_charged() {
        let mut guest = Guest::enter();
        assert!((0..150).all(|_| guest.computes(ms(1), ms(500))));
        assert!(
            (0..100).any(|_| !guest.computes(ms(1), ms(500))),
            "what it computes itself counts"
        );
    }

    #[test]
    fn many_short_turns_are_charged_with_what_they_compute() {
        let mut guest = Guest::enter();
        (0..1_000).for_each(|_| guest.waits_after(Duration::ZERO, ms(50)));
        assert!(guest.computes(ms(1), ms(1)), "it has computed nothing");
        let mut guest = Guest::enter();
        (0..1_000).for_each(|_| guest.waits_after(ms(1) / 2, ms(1) / 2));
        assert!(!guest.computes(ms(1), ms(1)), "it has computed for half a second");
    }

    #[test]
    fn what_neighbours_compute_while_it_gives_way_is_not_charged() {
        let mut guest = Guest::enter();
        for _ in 0..100 {
            assert!(guest.computes(ms(1), ms(1)));
            guest.pass(LIMIT, LIMIT);
        }
    }

    #[test]
    fn an_epoch_that_ended_while_it_waited_costs_it_no_turn() {
        let mut guest = Guest::enter();
        guest.waits_after(ms(1), ms(1));
        guest.now += ms(1) / 4;
        let action = guest.meter.at_epoch(&Pace::default(), guest.now).unwrap();
        assert!(matches!(action, UpdateDeadline::Continue(1)));
    }
}
