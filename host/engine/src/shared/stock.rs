//! Numbers that were leased to this worker, and users who take them.

use std::collections::VecDeque;
use std::pin::pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use loadhost_model::shared::{Draw, Lease};
use tokio::sync::Notify;
use tokio::time::Instant;

use super::announce::News;

/// How long a user waits for what is not there yet.
const PATIENCE: Duration = Duration::from_secs(10);
/// For how long a stock is to last.
const AHEAD_SECS: f64 = 10.0;
/// The most that is asked for.
const MOST: u64 = 100_000;
/// The use of a stock is measured over so much time at least.
const MEASURED: Duration = Duration::from_millis(500);

/// What a user gets that asks for a number.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Taken {
    /// This one.
    Number(u64),
    /// None, and there will be no more.
    UsedUp,
    /// None so far.
    NotYet,
}

/// Nothing came while a user waited.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("none came within {}s; see whether the coordinator is there", PATIENCE.as_secs())]
pub struct NotInTime;

/// What this worker may hand to its users, in the order in which it was leased.
#[derive(Debug)]
pub struct Stock {
    shelf: Mutex<Shelf>,
    /// For each user that waits and has something to take now.
    more: Notify,
    news: Arc<News>,
    least: u64,
}

#[derive(Debug)]
struct Shelf {
    /// First number and how many.
    blocks: VecDeque<(u64, u64)>,
    /// In all blocks.
    left: u64,
    /// How many were ever leased.
    leased: u64,
    taken: u64,
    is_last: bool,
    /// Users that wait.
    waiting: u64,
    /// Somebody had to wait since the last measurement.
    is_short: bool,
    /// What is taken per second, and up to when that is known: time and sum.
    rate: f64,
    measured: Option<(Instant, u64)>,
    /// How many are to be in stock, users that wait not counted.
    target: u64,
}

impl Stock {
    /// With nothing in it. At least so many will be asked for.
    pub(super) fn empty(least: u64, news: Arc<News>) -> Self {
        let shelf = Shelf {
            blocks: VecDeque::new(),
            left: 0,
            leased: 0,
            taken: 0,
            is_last: false,
            waiting: 0,
            is_short: false,
            rate: 0.0,
            measured: None,
            target: least.min(MOST),
        };
        Self { shelf: Mutex::new(shelf), more: Notify::new(), news, least }
    }

    /// With so many numbers from 0 on in it and no more to come. None: without end.
    pub(super) fn filled(numbers: Option<u64>, news: Arc<News>) -> Self {
        let stock = Self::empty(0, news);
        let all = (0, numbers.unwrap_or(u64::MAX));
        stock.hear(&Lease { before: 0, blocks: vec![all], last: true });
        stock
    }

    fn shelf(&self) -> MutexGuard<'_, Shelf> {
        self.shelf.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The next number, if there is one.
    #[inline]
    pub fn take(&self) -> Taken {
        if self.news.is_closed() {
            return Taken::UsedUp;
        }
        let (taken, is_low, is_empty) = {
            let mut shelf = self.shelf();
            (shelf.take(), shelf.is_low(), shelf.left == 0)
        };
        if is_low {
            self.low(is_empty);
        }
        taken
    }

    #[cold]
    fn low(&self, is_empty: bool) {
        if is_empty { self.news.urgent() } else { self.news.low() }
    }

    /// The next number, as soon as there is one. None: there are no more.
    ///
    /// # Errors
    /// If none comes in time.
    pub async fn wait(&self) -> Result<Option<u64>, NotInTime> {
        let _waiting = Waiting::at(self);
        let deadline = Instant::now() + PATIENCE;
        loop {
            let mut more = pin!(self.more.notified());
            more.as_mut().enable();
            match self.take() {
                Taken::Number(number) => return Ok(Some(number)),
                Taken::UsedUp => return Ok(None),
                Taken::NotYet => {}
            }
            tokio::time::timeout_at(deadline, more).await.map_err(|_| NotInTime)?;
        }
    }

    /// Wakes all who wait, once nothing is handed out any more.
    pub(super) fn wake(&self) {
        self.more.notify_waiters();
    }

    /// Takes in what is leased now; what was heard before changes nothing.
    pub(super) fn hear(&self, lease: &Lease) {
        let (wake, is_over) = {
            let mut shelf = self.shelf();
            shelf.hear(lease);
            (shelf.left.min(shelf.waiting), shelf.is_last)
        };
        if is_over {
            self.more.notify_waiters();
        } else {
            (0..wake).for_each(|_| self.more.notify_one());
        }
    }

    /// How far it was used, and how much of it there should be.
    pub(super) fn draw(&self, now: Instant) -> Draw {
        let mut shelf = self.shelf();
        shelf.measure(now, self.least);
        Draw { taken: shelf.taken, wanted: shelf.wanted() }
    }
}

impl Shelf {
    #[inline]
    fn take(&mut self) -> Taken {
        let Some((first, length)) = self.blocks.front_mut() else {
            return if self.is_last { Taken::UsedUp } else { Taken::NotYet };
        };
        let number = *first;
        (*first, *length) = (first.saturating_add(1), *length - 1);
        if *length == 0 {
            self.blocks.pop_front();
        }
        self.left -= 1;
        self.taken += 1;
        Taken::Number(number)
    }

    fn hear(&mut self, lease: &Lease) {
        if lease.total() < self.leased {
            return; // said before what was heard last
        }
        self.leased = lease.total();
        self.taken = self.taken.max(lease.before);
        self.blocks = lease.after(self.taken).into();
        self.left = self.leased.saturating_sub(self.taken);
        self.is_last = lease.last;
    }

    fn is_low(&self) -> bool {
        !self.is_last && self.left < self.wanted() / 2
    }

    fn wanted(&self) -> u64 {
        self.target.saturating_add(self.waiting).min(MOST)
    }

    /// So many that they last for a while at the rate at which they were taken; twice as many as
    /// before if somebody had to wait.
    fn measure(&mut self, now: Instant, least: u64) {
        let (since, before) = *self.measured.get_or_insert((now, self.taken));
        let span = now.saturating_duration_since(since);
        if span < MEASURED {
            return;
        }
        let rate = self.taken.saturating_sub(before) as f64 / span.as_secs_f64();
        self.rate = if rate > self.rate { rate } else { (self.rate + rate) / 2.0 };
        self.measured = Some((now, self.taken));
        let short =
            if std::mem::take(&mut self.is_short) { self.target.saturating_mul(2) } else { 0 };
        let lasting = (self.rate * AHEAD_SECS).ceil() as u64;
        self.target = lasting.max(short).clamp(least.min(MOST), MOST);
    }
}

/// A user that waits.
struct Waiting<'a>(&'a Stock);

impl<'a> Waiting<'a> {
    fn at(stock: &'a Stock) -> Self {
        let mut shelf = stock.shelf();
        shelf.waiting += 1;
        shelf.is_short = true;
        Self(stock)
    }
}

impl Drop for Waiting<'_> {
    fn drop(&mut self) {
        self.0.shelf().waiting -= 1;
    }
}
