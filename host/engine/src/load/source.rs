//! Where a user's iterations come from.

use std::cell::RefCell;
use std::collections::VecDeque;
use std::future::poll_fn;
use std::rc::Rc;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::task::Poll;
use std::time::Duration;

use tokio::time::Instant;

use crate::load::alarm::Alarm;
use crate::load::control::Control;
use crate::load::vu::Due;
use crate::load::wait::Pause;
use crate::recorder::Recorder;

/// Arrivals that wait for a user, on one shard, beside those of `max_lag`.
const QUEUED_ARRIVALS: usize = 1 << 20;

/// Where a user's iterations come from.
#[derive(Debug, Clone)]
pub(super) enum Source {
    /// One after the other until the user is asked to leave.
    Endless,
    /// As long as there are some left among all users of the worker.
    Shared(Arc<AtomicU64>),
    /// So many.
    Own(u64),
    /// Those that are due by the clock.
    Arrivals(Rc<Arrived>),
}

/// What a user does next.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Next {
    Iterate(Due),
    Leave,
    /// Goes over to the newest version of the scenario.
    GoOver,
}

impl Source {
    /// Waits for the next iteration; `now` is when the last one ended.
    pub(super) async fn next(
        &mut self,
        pause: Pause,
        now: Instant,
        control: &Rc<Control>,
        alarm: &Alarm,
    ) -> Next {
        match self {
            Self::Arrivals(arrived) => return arrived.next(control).await,
            Self::Own(0) => return Next::Leave,
            Self::Shared(left) if left.load(Ordering::Relaxed) == 0 => return Next::Leave,
            Self::Own(_) | Self::Shared(_) | Self::Endless => {}
        }
        let intended = match wait(pause, control, alarm).await {
            Some(intended) => intended,
            None if control.is_leaving() => return Next::Leave,
            None => return Next::GoOver,
        };
        let granted = match self {
            Self::Shared(left) => take_one(left),
            Self::Own(left) => {
                *left -= 1;
                true
            }
            Self::Endless | Self::Arrivals(_) => true,
        };
        let actual = if pause == Pause::None { now } else { Instant::now() };
        let due = Due { intended: intended.unwrap_or(actual), actual };
        if granted { Next::Iterate(due) } else { Next::Leave }
    }
}

fn take_one(left: &AtomicU64) -> bool {
    left.fetch_update(Ordering::Relaxed, Ordering::Relaxed, |left| left.checked_sub(1)).is_ok()
}

/// The moment that the next iteration is intended to start at, if it has one of its own.
/// None: the user is asked to leave, or to go over.
async fn wait(pause: Pause, control: &Control, alarm: &Alarm) -> Option<Option<Instant>> {
    if control.is_leaving() || control.is_to_go_over() {
        return None;
    }
    match pause {
        Pause::None => Some(None),
        Pause::About(span) => tokio::select! {
            biased;
            () = control.asked() => None,
            () = tokio::time::sleep(span) => Some(None),
        },
        Pause::At(moment) => tokio::select! {
            biased;
            () = control.asked() => None,
            () = alarm.sleep_until(moment) => Some(Some(moment)),
        },
    }
}

/// The arrivals of one phase on one shard that nobody has taken, and the users that are free.
#[derive(Debug)]
pub(super) struct Arrived {
    inner: RefCell<Inner>,
    recorder: Arc<Recorder>,
}

#[derive(Debug)]
struct Inner {
    /// Intended starts, in order.
    waiting: VecDeque<Instant>,
    /// The one that became free last is taken first: its memory is warm.
    free: Vec<Rc<Control>>,
    max_lag: Duration,
}

impl Arrived {
    pub(super) fn new(max_lag: Duration, recorder: Arc<Recorder>) -> Rc<Self> {
        let inner = Inner { waiting: VecDeque::new(), free: Vec::new(), max_lag };
        Rc::new(Self { inner: RefCell::new(inner), recorder })
    }

    pub(super) fn set_max_lag(&self, max_lag: Duration) {
        self.inner.borrow_mut().max_lag = max_lag;
    }

    /// An iteration is due. It goes to a free user, or waits for one: false.
    pub(super) fn put(&self, due: Instant) -> bool {
        self.recorder.arrivals(1);
        let mut inner = self.inner.borrow_mut();
        if inner.waiting.len() >= QUEUED_ARRIVALS {
            self.recorder.capped("queued_arrivals");
            self.recorder.dropped_arrivals(1);
            return false;
        }
        // One that came with a slot from another worker may be older than those that wait.
        let place = match inner.waiting.back() {
            Some(last) if *last > due => inner.waiting.partition_point(|waiting| *waiting <= due),
            _ => inner.waiting.len(),
        };
        inner.waiting.insert(place, due);
        let user = inner.free.pop();
        if let Some(user) = &user {
            user.is_free.set(false);
            user.wake();
        }
        user.is_some()
    }

    /// An iteration is due, but the worker takes too much already.
    pub(super) fn shed(&self) {
        self.recorder.arrivals(1);
        self.recorder.dropped_arrivals(1);
    }

    /// How many arrivals wait for a user, or for a woken one to take them.
    pub(super) fn waiting(&self) -> usize {
        self.inner.borrow().waiting.len()
    }

    /// How many users are free.
    pub(super) fn free(&self) -> usize {
        self.inner.borrow().free.len()
    }

    /// Drops the arrivals that have waited too long.
    pub(super) fn drop_late(&self) {
        let now = Instant::now();
        let mut inner = self.inner.borrow_mut();
        let max_lag = inner.max_lag;
        let late =
            inner.waiting.partition_point(|due| now.saturating_duration_since(*due) > max_lag);
        if late > 0 {
            inner.waiting.drain(..late);
            self.recorder.dropped_arrivals(late as u64);
        }
    }

    /// Drops all that wait, at the end of the phase.
    pub(super) fn drop_all(&self) {
        let left = std::mem::take(&mut self.inner.borrow_mut().waiting).len();
        self.recorder.dropped_arrivals(left as u64);
    }

    async fn next(&self, control: &Rc<Control>) -> Next {
        poll_fn(|cx| {
            let asked = match (control.is_leaving(), control.is_to_go_over()) {
                (true, _) => Some(Next::Leave),
                (false, true) => Some(Next::GoOver),
                (false, false) => None,
            };
            if let Some(asked) = asked {
                self.forget(control);
                return Poll::Ready(asked);
            }
            self.drop_late();
            let taken = self.inner.borrow_mut().waiting.pop_front();
            if let Some(intended) = taken {
                self.forget(control);
                return Poll::Ready(Next::Iterate(Due { intended, actual: Instant::now() }));
            }
            control.park(cx);
            if !control.is_free.replace(true) {
                self.inner.borrow_mut().free.push(Rc::clone(control));
            }
            Poll::Pending
        })
        .await
    }

    /// Takes a user off the list of free ones, on which it is only if nobody called it.
    fn forget(&self, control: &Rc<Control>) {
        if control.is_free.replace(false) {
            self.inner.borrow_mut().free.retain(|user| !Rc::ptr_eq(user, control));
        }
    }
}
