//! The cap on CPU time of one call, and fair turns for the neighbours on the shard.
//!
//! A guest that computes past an epoch gives way, so that sockets of the same shard are
//! served, and goes on until it has used up its time. Waiting in the host is not computing.

use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::task::{Context, Poll};
use std::time::Duration;

use tokio::time::Instant;
use wasmtime::{Store, UpdateDeadline};

use super::ticker::{FAST_TICK, Pace};
use super::trap::HostTrap;

/// CPU time of the call that is under way.
#[derive(Debug)]
pub(crate) struct CpuMeter {
    limit: Duration,
    used: Duration,
    /// Since when the guest has been computing, unless it gave way meanwhile.
    since: Instant,
    /// When it got its last turn after giving way, in nanoseconds after `origin`.
    resumed: Option<(Instant, Arc<AtomicU64>)>,
}

impl CpuMeter {
    pub(crate) fn new(limit: Duration) -> Self {
        Self { limit, used: Duration::ZERO, since: Instant::now(), resumed: None }
    }

    /// A call begins.
    pub(crate) fn enter(&mut self, now: Instant) {
        self.used = Duration::ZERO;
        self.since = now;
        self.resumed = None;
    }

    /// The guest waited in the host.
    pub(crate) fn waited(&mut self, from: Instant, to: Instant) {
        self.used += from.saturating_duration_since(self.begin());
        self.since = to;
        self.resumed = None;
    }

    fn begin(&self) -> Instant {
        match &self.resumed {
            Some((origin, after)) => *origin + Duration::from_nanos(after.load(Ordering::Relaxed)),
            None => self.since,
        }
    }

    /// What to do at the end of an epoch.
    fn at_epoch(&mut self, pace: &Pace, now: Instant) -> Result<UpdateDeadline, HostTrap> {
        let turn = now.saturating_duration_since(self.begin());
        if turn < FAST_TICK / 2 {
            // The epoch ended while the guest waited: it has hardly begun.
            return Ok(UpdateDeadline::Continue(1));
        }
        self.used += turn;
        if self.used > self.limit {
            return Err(HostTrap::limit("task_cpu", format!("{:?}", self.limit)));
        }
        pace.hurry();
        let (origin, after) =
            self.resumed.get_or_insert_with(|| (now, Arc::new(AtomicU64::new(0))));
        let turn = Turn {
            way: Box::pin(tokio::task::yield_now()),
            origin: *origin,
            after: Arc::clone(after),
        };
        Ok(UpdateDeadline::YieldCustom(1, Box::pin(turn)))
    }
}

/// Lets the neighbours go first: sockets are polled before the guest is resumed.
struct Turn {
    way: Pin<Box<dyn Future<Output = ()> + Send>>,
    origin: Instant,
    after: Arc<AtomicU64>,
}

impl Future for Turn {
    type Output = ();

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
        let given = self.way.as_mut().poll(cx);
        if given.is_ready() {
            let after = Instant::now().saturating_duration_since(self.origin);
            self.after
                .store(u64::try_from(after.as_nanos()).unwrap_or(u64::MAX), Ordering::Relaxed);
        }
        given
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
