//! The string between an executor and one of its users, both on the same thread.

use std::cell::{Cell, RefCell};
use std::future::poll_fn;
use std::rc::Rc;
use std::sync::Arc;
use std::task::{Context, Poll, Waker};

use crate::load::team::Team;

/// What a user does at the moment.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Activity {
    /// Being made and started, for the first time or anew.
    Starting,
    /// Between iterations.
    Waiting,
    /// In an iteration.
    Iterating,
    /// In `on-stop`.
    Stopping,
    /// No more.
    Gone,
}

#[derive(Debug)]
pub(super) struct Control {
    activity: Cell<Activity>,
    /// How many users of the crew are starting.
    starting: Rc<Cell<usize>>,
    leave: Cell<bool>,
    /// Asked to go over to the newest version.
    goes_over: Cell<bool>,
    /// That it runs.
    version: Cell<u32>,
    /// Left because its guest said so: it is not to come back.
    retired: Cell<bool>,
    /// On the list of users that wait for an arrival.
    pub(super) is_free: Cell<bool>,
    waker: RefCell<Option<Waker>>,
}

impl Control {
    /// Of a user that is being made, which is counted in `starting` until it has started.
    pub(super) fn new(starting: &Rc<Cell<usize>>) -> Rc<Self> {
        starting.set(starting.get() + 1);
        Rc::new(Self {
            activity: Cell::new(Activity::Starting),
            starting: Rc::clone(starting),
            leave: Cell::new(false),
            goes_over: Cell::new(false),
            version: Cell::new(0),
            retired: Cell::new(false),
            is_free: Cell::new(false),
            waker: RefCell::new(None),
        })
    }

    pub(super) fn activity(&self) -> Activity {
        self.activity.get()
    }

    pub(super) fn enter(&self, activity: Activity) {
        let before = self.activity.replace(activity);
        let count = |activity| usize::from(activity == Activity::Starting);
        self.starting.set(self.starting.get() + count(activity) - count(before));
    }

    /// Asks the user to leave after its iteration.
    pub(super) fn leave(&self) {
        self.leave.set(true);
        self.wake();
    }

    /// Takes the request to leave back. False if the user is leaving already.
    pub(super) fn stay(&self) -> bool {
        let in_time = !matches!(self.activity(), Activity::Stopping | Activity::Gone);
        if in_time {
            self.leave.set(false);
        }
        in_time
    }

    pub(super) fn is_leaving(&self) -> bool {
        self.leave.get()
    }

    /// Asks the user to go over to the newest version after its iteration.
    pub(super) fn go_over(&self) {
        self.goes_over.set(true);
        self.wake();
    }

    pub(super) fn is_to_go_over(&self) -> bool {
        self.goes_over.get()
    }

    /// The user begins on this version.
    pub(super) fn begin_on(&self, version: u32) {
        self.version.set(version);
        self.goes_over.set(false);
    }

    pub(super) fn version(&self) -> u32 {
        self.version.get()
    }

    pub(super) fn retire(&self) {
        self.retired.set(true);
    }

    pub(super) fn is_retired(&self) -> bool {
        self.retired.get()
    }

    /// Wakes the user from a wait, to look around.
    pub(super) fn wake(&self) {
        if let Some(waker) = self.waker.borrow_mut().take() {
            waker.wake();
        }
    }

    /// Remembers how to wake the user.
    pub(super) fn park(&self, cx: &Context<'_>) {
        let mut waker = self.waker.borrow_mut();
        if !waker.as_ref().is_some_and(|known| known.will_wake(cx.waker())) {
            *waker = Some(cx.waker().clone());
        }
    }

    /// Resolves when the user is asked to leave.
    pub(super) async fn asked_to_leave(&self) {
        self.once(Self::is_leaving).await;
    }

    /// Resolves when the user is asked to leave, or to go over to another version.
    pub(super) async fn asked(&self) {
        self.once(|control| control.is_leaving() || control.is_to_go_over()).await;
    }

    async fn once(&self, is_so: impl Fn(&Self) -> bool) {
        poll_fn(|cx| {
            if is_so(self) {
                return Poll::Ready(());
            }
            self.park(cx);
            Poll::Pending
        })
        .await;
    }
}

/// Counts a user as running, and as gone once it is dropped, however it ended.
#[derive(Debug)]
pub(super) struct Presence {
    control: Rc<Control>,
    team: Arc<Team>,
    user_type: u32,
}

impl Presence {
    pub(super) fn new(control: Rc<Control>, team: Arc<Team>, user_type: u32) -> Self {
        team.joined(user_type);
        Self { control, team, user_type }
    }
}

impl Drop for Presence {
    fn drop(&mut self) {
        self.team.left(self.user_type);
        if std::thread::panicking() {
            self.control.retire();
        }
        self.control.enter(Activity::Gone);
    }
}
