//! Waits that end within microseconds of their deadline.
//!
//! The timers of the asynchronous runtime round to milliseconds, which is too coarse for the
//! intended start of an iteration: the rounding would be charged to response times. An
//! [`Alarm`] keeps the deadlines of one shard in order and arms one kernel timer (`timerfd`,
//! which no timer slack delays) with the earliest.

use std::collections::BTreeMap;
use std::future::Future;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, Waker};
use std::time::Duration;

use rustix::time::{
    Itimerspec, TimerfdClockId, TimerfdFlags, TimerfdTimerFlags, Timespec, timerfd_create,
    timerfd_settime,
};
use tokio::io::unix::AsyncFd;
use tokio::sync::Notify;
use tokio::time::Instant;

/// The deadlines of one shard.
#[derive(Debug)]
pub struct Alarm {
    waiting: Mutex<Waiting>,
    bell: Bell,
}

#[derive(Debug, Default)]
struct Waiting {
    by_deadline: BTreeMap<(Instant, u64), Waker>,
    next_id: u64,
}

/// What rings at the earliest deadline.
#[derive(Debug)]
enum Bell {
    Kernel(OwnedFd),
    /// Where the kernel has no such timer, and on a paused clock.
    Runtime(Notify),
}

impl Alarm {
    /// An alarm on a timer of the kernel; on the runtime's own where there is none.
    pub fn new() -> Arc<Self> {
        let flags = TimerfdFlags::NONBLOCK | TimerfdFlags::CLOEXEC;
        match timerfd_create(TimerfdClockId::Monotonic, flags) {
            Ok(fd) => Self::with(Bell::Kernel(fd)),
            Err(error) => {
                tracing::warn!(%error, "no timerfd: arrivals are up to a millisecond late");
                Self::coarse()
            }
        }
    }

    /// An alarm on the runtime's own timers, which follow a paused clock.
    pub fn coarse() -> Arc<Self> {
        Self::with(Bell::Runtime(Notify::new()))
    }

    fn with(bell: Bell) -> Arc<Self> {
        Arc::new(Self { waiting: Mutex::default(), bell })
    }

    /// Wakes sleepers for as long as it is polled. Each alarm needs exactly one ringer, on the
    /// thread of its shard.
    pub async fn ring(self: Arc<Self>) {
        match &self.bell {
            Bell::Kernel(fd) => match watched(fd.as_fd()) {
                Ok(ready) => self.ring_by_kernel(ready).await,
                Err(error) => tracing::error!(%error, "cannot wait for the kernel's timer"),
            },
            Bell::Runtime(changed) => self.ring_by_runtime(changed).await,
        }
    }

    async fn ring_by_kernel(&self, ready: AsyncFd<BorrowedFd<'_>>) {
        // The timer is never read: arming it anew resets it, and each expiry is an edge.
        while let Ok(mut guard) = ready.readable().await {
            guard.clear_ready();
            self.wake_due();
        }
    }

    async fn ring_by_runtime(&self, changed: &Notify) {
        loop {
            match self.earliest() {
                None => changed.notified().await,
                Some(deadline) => tokio::select! {
                    () = tokio::time::sleep_until(deadline) => self.wake_due(),
                    () = changed.notified() => {}
                },
            }
        }
    }

    /// Resolves at `deadline`, and never before.
    pub fn sleep_until(&self, deadline: Instant) -> Sleep<'_> {
        Sleep { alarm: self, deadline, id: None }
    }

    fn waiting(&self) -> MutexGuard<'_, Waiting> {
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn earliest(&self) -> Option<Instant> {
        self.waiting().by_deadline.first_key_value().map(|((deadline, _), _)| *deadline)
    }

    fn wake_due(&self) {
        let now = Instant::now();
        loop {
            let mut waiting = self.waiting();
            let Some(first) = waiting.by_deadline.first_entry() else { return };
            let deadline = first.key().0;
            if deadline > now {
                drop(waiting);
                return self.arm(deadline);
            }
            let waker = first.remove();
            drop(waiting);
            waker.wake();
        }
    }

    fn register(&self, deadline: Instant, id: Option<u64>, waker: &Waker) -> u64 {
        let mut waiting = self.waiting();
        let id = id.unwrap_or_else(|| {
            waiting.next_id += 1;
            waiting.next_id
        });
        waiting.by_deadline.insert((deadline, id), waker.clone());
        let is_first = waiting.by_deadline.first_key_value().is_some_and(|(key, _)| key.1 == id);
        drop(waiting);
        if is_first {
            self.arm(deadline);
        }
        id
    }

    fn arm(&self, deadline: Instant) {
        match &self.bell {
            Bell::Runtime(changed) => changed.notify_one(),
            Bell::Kernel(fd) => {
                let left = deadline.saturating_duration_since(Instant::now());
                let spec = Itimerspec {
                    it_interval: Timespec { tv_sec: 0, tv_nsec: 0 },
                    it_value: timespec(left.max(Duration::from_nanos(1))), // zero would disarm it
                };
                if let Err(error) = timerfd_settime(fd, TimerfdTimerFlags::empty(), &spec) {
                    tracing::error!(%error, "cannot arm the kernel's timer");
                }
            }
        }
    }
}

#[allow(deprecated)] // `new` trusts any descriptor; a borrowed one is valid by its type, and needs no unsafe code.
fn watched(fd: BorrowedFd<'_>) -> std::io::Result<AsyncFd<BorrowedFd<'_>>> {
    AsyncFd::new(fd)
}

fn timespec(span: Duration) -> Timespec {
    Timespec {
        tv_sec: i64::try_from(span.as_secs()).unwrap_or(i64::MAX),
        tv_nsec: i64::from(span.subsec_nanos()),
    }
}

/// A wait for a deadline.
#[derive(Debug)]
#[must_use = "a wait does nothing unless awaited"]
pub struct Sleep<'a> {
    alarm: &'a Alarm,
    deadline: Instant,
    id: Option<u64>,
}

impl Future for Sleep<'_> {
    type Output = ();

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
        if Instant::now() >= self.deadline {
            return Poll::Ready(());
        }
        self.id = Some(self.alarm.register(self.deadline, self.id, cx.waker()));
        Poll::Pending
    }
}

impl Drop for Sleep<'_> {
    fn drop(&mut self) {
        if let Some(id) = self.id {
            self.alarm.waiting().by_deadline.remove(&(self.deadline, id));
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use std::task::Wake;

    use super::*;

    /// Says when it is woken. What is polled first after that is not the alarm's business.
    struct Sleeper {
        ms: u64,
        begin: Instant,
        woken: tokio::sync::mpsc::UnboundedSender<(u64, bool)>,
    }

    impl Wake for Sleeper {
        fn wake(self: Arc<Self>) {
            let is_early = self.begin.elapsed() < Duration::from_millis(self.ms);
            self.woken.send((self.ms, is_early)).ok();
        }
    }

    async fn order_of(alarm: Arc<Alarm>, millis: &[u64]) -> Vec<u64> {
        let begin = Instant::now();
        let (sender, mut woken) = tokio::sync::mpsc::unbounded_channel();
        for &ms in millis {
            let waker = Arc::new(Sleeper { ms, begin, woken: sender.clone() }).into();
            alarm.register(begin + Duration::from_millis(ms), None, &waker);
        }
        let order = async {
            let mut order = Vec::new();
            while order.len() < millis.len() {
                let (ms, is_early) = woken.recv().await.unwrap();
                assert!(!is_early, "woken before {ms} ms");
                order.push(ms);
            }
            order
        };
        tokio::select! {
            order = order => order,
            () = Arc::clone(&alarm).ring() => panic!("it rings no more"),
        }
    }

    #[tokio::test]
    async fn sleepers_wake_in_the_order_of_their_deadlines() {
        assert_eq!(order_of(Alarm::new(), &[9, 3, 6, 0, 12]).await, [0, 3, 6, 9, 12]);
    }

    #[tokio::test(start_paused = true)]
    async fn the_coarse_alarm_follows_a_paused_clock() {
        assert_eq!(
            order_of(Alarm::coarse(), &[90_000, 30_000, 60_000]).await,
            [30_000, 60_000, 90_000]
        );
    }

    #[tokio::test(start_paused = true)]
    async fn a_wait_that_is_given_up_leaves_nothing_behind() {
        let alarm = Alarm::coarse();
        let deadline = Instant::now() + Duration::from_secs(5);
        tokio::select! {
            () = alarm.sleep_until(deadline) => panic!("nobody rings"),
            () = tokio::time::sleep(Duration::from_secs(1)) => {}
        }
        assert_eq!(alarm.earliest(), None);
    }
}
