//! Which masters there are: each says so on a subject of its own, and hears the others.
//!
//! This is on core NATS, beside the store: it decides nothing but who goes first when the
//! leader is gone (ranks), and shows people what there is.

use std::collections::BTreeMap;
use std::time::Duration;

use async_nats::Subscriber;
use futures_util::StreamExt;
use loadhost_model::id::{Incarnation, Term};
use serde::{Deserialize, Serialize};
use tokio::sync::watch;
use tokio::task::JoinSet;
use tokio::time::Instant;

use crate::connect::Connection;
use crate::fleet::{JoinError, subscribe};
use crate::lease::{Leadership, set};
use crate::subjects::Names;

/// Masters of one cluster that are known; more are ignored and counted as `masters_ignored`.
pub const MAX_MASTERS: usize = 64;
/// Heartbeats without a word after which a master is not there.
const SILENCE: u32 = 3;

/// What a master says of itself.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct MasterPresence {
    /// For people: host and process.
    pub id: String,
    /// Of its process.
    pub incarnation: Incarnation,
    /// Greater follows first.
    pub priority: u32,
    /// Of its program.
    pub release: String,
    /// In which it leads; None: it stands by.
    pub term: Option<Term>,
    /// Whether it acts in that term, or cannot renew its lease.
    pub acting: bool,
    /// Where it serves page and API; None: nowhere.
    pub url: Option<String>,
    /// Out of service: it neither leads nor stands for election, and goes on serving.
    #[serde(default)]
    pub draining: bool,
}

impl MasterPresence {
    /// Whether `self` follows before `other`. Each pair of masters agrees on it.
    fn goes_before(&self, other: &MasterPresence) -> bool {
        (self.priority, self.incarnation.0) > (other.priority, other.incarnation.0)
    }
}

/// When each other master was heard last.
pub(crate) type Seen = BTreeMap<Incarnation, Instant>;

/// All that are heard of, this one included.
pub(crate) struct Masters {
    heard: watch::Receiver<Vec<MasterPresence>>,
    seen: watch::Receiver<Seen>,
    ranks: watch::Receiver<u32>,
    _tasks: JoinSet<()>,
}

impl Masters {
    /// Says that this one is there each `heartbeat`, and listens.
    pub(crate) async fn join(
        connection: &Connection,
        names: &Names,
        own: MasterPresence,
        heartbeat: Duration,
        leadership: watch::Receiver<Leadership>,
        draining: watch::Receiver<bool>,
    ) -> Result<Masters, JoinError> {
        let words = subscribe(connection, names.all_masters()).await?;
        let who = subscribe(connection, names.who()).await?;
        let (heard, receiver) = watch::channel(vec![own.clone()]);
        let (ranks, rank) = watch::channel(0);
        let (sees, seen) = watch::channel(Seen::new());
        let patience = heartbeat * SILENCE;
        let circle = Circle { known: BTreeMap::new(), patience, heard, sees, ranks };
        let mut tasks = JoinSet::new();
        let own = Own { presence: own, leadership, draining, heartbeat };
        tasks.spawn(listen(circle, connection.clone(), words, own.clone()));
        tasks.spawn(introduce(connection.clone(), who, own.clone()));
        tasks.spawn(speak(connection.clone(), names.clone(), own));
        Ok(Masters { heard: receiver, seen, ranks: rank, _tasks: tasks })
    }

    /// When.
    pub(crate) fn seen(&self) -> watch::Receiver<Seen> {
        self.seen.clone()
    }

    /// By name.
    pub(crate) fn heard(&self) -> watch::Receiver<Vec<MasterPresence>> {
        self.heard.clone()
    }

    /// How many of those that stand by go before this one.
    pub(crate) fn ranks(&self) -> watch::Receiver<u32> {
        self.ranks.clone()
    }
}

/// What this master says of itself, and how often.
#[derive(Clone)]
struct Own {
    presence: MasterPresence,
    leadership: watch::Receiver<Leadership>,
    draining: watch::Receiver<bool>,
    heartbeat: Duration,
}

impl Own {
    fn now(&mut self) -> MasterPresence {
        let leadership = self.leadership.borrow_and_update();
        MasterPresence {
            term: leadership.term(),
            acting: leadership.may_act(Instant::now()),
            draining: *self.draining.borrow_and_update(),
            ..self.presence.clone()
        }
    }
}

async fn speak(connection: Connection, names: Names, mut own: Own) {
    let mut ticks = tokio::time::interval(own.heartbeat);
    let subject = names.master(own.presence.incarnation);
    let mut term = None;
    loop {
        tokio::select! {
            _ = ticks.tick() => {}
            changed = own.leadership.changed() => match changed {
                // Renewals are no news to others.
                Ok(()) if own.leadership.borrow().term() == term => continue,
                Ok(()) => {}
                Err(_) => return,
            },
            Ok(()) = own.draining.changed() => {}
        }
        let word = own.now();
        term = word.term;
        let bytes = serde_json::to_vec(&word).unwrap_or_default();
        if connection.connected() {
            // The next one says the same.
            let _ = connection.client.publish(subject.clone(), bytes.into()).await;
        }
    }
}

/// Answers whoever asks who is there.
async fn introduce(connection: Connection, mut who: Subscriber, mut own: Own) {
    while let Some(question) = who.next().await {
        let Some(reply) = question.reply else { continue };
        let bytes = serde_json::to_vec(&own.now()).unwrap_or_default();
        // Who asks waits for as many as come.
        let _ = connection.client.publish(reply, bytes.into()).await;
    }
}

async fn listen(mut circle: Circle, connection: Connection, mut words: Subscriber, mut own: Own) {
    let mut ticks = tokio::time::interval(own.heartbeat);
    loop {
        tokio::select! {
            word = words.next() => {
                let Some(word) = word else { return };
                let Ok(word) = serde_json::from_slice(&word.payload) else { continue };
                if !circle.hear(Instant::now(), word) {
                    connection.counters().masters_ignored.one();
                }
            }
            _ = ticks.tick() => {}
        }
        // While the broker is away nobody is heard, and that says nothing about them.
        if connection.connected() {
            circle.tell(Instant::now(), &own.now());
        }
    }
}

struct Circle {
    known: BTreeMap<u64, (Instant, MasterPresence)>,
    patience: Duration,
    heard: watch::Sender<Vec<MasterPresence>>,
    sees: watch::Sender<Seen>,
    ranks: watch::Sender<u32>,
}

impl Circle {
    /// False: there are too many.
    fn hear(&mut self, now: Instant, word: MasterPresence) -> bool {
        let known = self.known.contains_key(&word.incarnation.0);
        if !known && self.known.len() >= MAX_MASTERS {
            return false;
        }
        self.known.insert(word.incarnation.0, (now, word));
        true
    }

    fn tell(&mut self, now: Instant, own: &MasterPresence) {
        self.known.retain(|_, (heard, _)| now.saturating_duration_since(*heard) < self.patience);
        let others = self.known.values().map(|(_, word)| word);
        let others = others.filter(|word| word.incarnation != own.incarnation);
        let stands = |word: &&MasterPresence| word.term.is_none() && !word.draining;
        let before = others.clone().filter(stands).filter(|word| word.goes_before(own));
        let rank = u32::try_from(before.count()).unwrap_or(u32::MAX);
        let mut all: Vec<_> = others.cloned().chain([own.clone()]).collect();
        all.sort_by(|a, b| (&a.id, a.incarnation.0).cmp(&(&b.id, b.incarnation.0)));
        let seen = self.known.values().map(|(heard, word)| (word.incarnation, *heard)).collect();
        set(&self.ranks, rank);
        set(&self.sees, seen);
        set(&self.heard, all);
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;

    fn master(number: u64, priority: u32, term: Option<u64>) -> MasterPresence {
        MasterPresence {
            id: format!("host-{number}"),
            incarnation: Incarnation(number),
            priority,
            release: "0.1.0".into(),
            term: term.map(Term),
            acting: term.is_some(),
            url: None,
            draining: false,
        }
    }

    fn circle() -> (Circle, watch::Receiver<Vec<MasterPresence>>, watch::Receiver<u32>) {
        let (heard, all) = watch::channel(Vec::new());
        let (ranks, rank) = watch::channel(0);
        let patience = Duration::from_secs(3);
        let (sees, _) = watch::channel(Seen::new());
        (Circle { known: BTreeMap::new(), patience, heard, sees, ranks }, all, rank)
    }

    #[tokio::test(start_paused = true)]
    async fn standbys_agree_on_their_order_and_the_leader_is_not_in_it() {
        let all =
            [master(1, 5, Some(3)), master(2, 0, None), master(3, 7, None), master(4, 0, None)];
        let rank_of = |own: &MasterPresence| {
            let (mut circle, _, rank) = circle();
            all.iter().for_each(|word| assert!(circle.hear(Instant::now(), word.clone())));
            circle.tell(Instant::now(), own);
            *rank.borrow()
        };
        assert_eq!(all.iter().map(rank_of).collect::<Vec<_>>(), [1, 2, 0, 1]);
    }

    #[tokio::test(start_paused = true)]
    async fn nobody_waits_for_a_master_that_is_out_of_service() {
        let (mut circle, _, rank) = circle();
        circle.hear(Instant::now(), MasterPresence { draining: true, ..master(2, 9, None) });
        circle.tell(Instant::now(), &master(1, 0, None));
        assert_eq!(*rank.borrow(), 0);
    }

    #[tokio::test(start_paused = true)]
    async fn a_master_that_is_silent_is_not_there() {
        let (mut circle, all, _) = circle();
        let own = master(1, 0, None);
        circle.hear(Instant::now(), master(2, 0, None));
        circle.tell(Instant::now(), &own);
        assert_eq!(all.borrow().len(), 2);
        tokio::time::advance(Duration::from_secs(3)).await;
        circle.tell(Instant::now(), &own);
        assert_eq!(*all.borrow(), [own]);
    }

    #[tokio::test(start_paused = true)]
    async fn masters_beyond_the_bound_are_ignored() {
        let (mut circle, ..) = circle();
        for number in 0..MAX_MASTERS as u64 {
            assert!(circle.hear(Instant::now(), master(number, 0, None)));
        }
        assert!(!circle.hear(Instant::now(), master(1_000, 0, None)));
        assert!(circle.hear(Instant::now(), master(5, 1, None)), "known ones are still heard");
    }
}
