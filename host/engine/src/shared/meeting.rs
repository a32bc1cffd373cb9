//! A rendezvous, as far as users of this worker come to it.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use loadhost_model::shared::Attendance;
use tokio::sync::oneshot;
use tokio::time::Instant;

use super::announce::News;

/// Where users wait for each other. Who came first goes first.
#[derive(Debug)]
pub struct Meeting {
    size: u32,
    hall: Mutex<Hall>,
    news: Arc<News>,
}

#[derive(Debug, Default)]
struct Hall {
    arrived: u64,
    left: u64,
    /// Of those let go: who was not there any more.
    missed: u64,
    /// How many were told to go on.
    released: u64,
    /// Number of the next one that comes.
    next: u64,
    /// By number: where to say when they go on.
    waiting: BTreeMap<u64, oneshot::Sender<Instant>>,
}

impl Meeting {
    pub(super) fn new(size: u32, news: Arc<News>) -> Self {
        Self { size, hall: Mutex::default(), news }
    }

    /// How many users it takes: as many as who came first said.
    pub fn size(&self) -> u32 {
        self.size
    }

    fn hall(&self) -> MutexGuard<'_, Hall> {
        self.hall.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Waits for the others. False: they were not there within this time. Dropped before its end, it
    /// counts as one who left.
    pub async fn wait(&self, timeout: Duration) -> bool {
        let mut seat = self.arrive();
        let told = match tokio::time::timeout(timeout, &mut seat.told).await {
            Ok(told) => told.ok(),
            Err(_) if seat.leave() => return false,
            // It was told to go on at the last moment.
            Err(_) => seat.told.try_recv().ok(),
        };
        let Some(at) = told else { return false };
        tokio::time::sleep_until(at).await;
        true
    }

    fn arrive(&self) -> Seat<'_> {
        let (tell, told) = oneshot::channel();
        let number = {
            let mut hall = self.hall();
            let number = hall.next;
            hall.next += 1;
            hall.arrived += 1;
            hall.waiting.insert(number, tell);
            number
        };
        self.news.urgent();
        Seat { meeting: self, number, told }
    }

    /// Lets so many go on, of all that ever came and did not leave.
    ///
    /// Somebody may have left while the word that lets it go was under way. Nobody takes its place, since
    /// the others go without.
    pub(super) fn hear(&self, released: u64, at: Instant) {
        let mut hall = self.hall();
        let mut new = released.saturating_sub(hall.released);
        hall.released += new;
        while new > 0 {
            let Some((_, tell)) = hall.waiting.pop_first() else { break };
            tell.send(at).ok(); // who is gone by now went alone
            new -= 1;
        }
        hall.missed = hall.missed.saturating_add(new);
    }

    pub(super) fn attendance(&self) -> Attendance {
        let hall = self.hall();
        let Hall { arrived, left, missed, .. } = *hall;
        Attendance { size: self.size, arrived, left, missed }
    }
}

/// A user at a rendezvous.
struct Seat<'a> {
    meeting: &'a Meeting,
    number: u64,
    told: oneshot::Receiver<Instant>,
}

impl Seat<'_> {
    /// Goes away without the others. False: it was told to go on before.
    fn leave(&self) -> bool {
        let is_leaving = {
            let mut hall = self.meeting.hall();
            let is_leaving = hall.waiting.remove(&self.number).is_some();
            hall.left += u64::from(is_leaving);
            is_leaving
        };
        if is_leaving {
            self.meeting.news.urgent();
        }
        is_leaving
    }
}

impl Drop for Seat<'_> {
    fn drop(&mut self) {
        self.leave();
    }
}
