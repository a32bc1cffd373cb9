//! Following the leader: its beats, its clock, and the assignment it wrote for this worker.
//!
//! An assignment counts only if it is of the term of a leader that is heard. It comes by the
//! bucket's republishing at once, and is read besides at each new leader, at each new
//! connection, when it is asked for and every few seconds, because what is published once may be missed.

use std::sync::Arc;

use async_nats::{Message, Subscriber};
use futures_util::StreamExt;
use loadhost_model::id::Term;
use loadhost_model::wire::Assignment;
use tokio::sync::{Notify, watch};
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;
use tracing::{debug, info, warn};

use super::{AgentConfig, clock};
use crate::connect::Connection;
use crate::counters::Counters;
use crate::documents::Documents;
use crate::fleet::JoinError;
use crate::lease::{self, LeaderRecord};
use crate::subjects::Names;

/// What a follower tells others.
pub(super) struct Followed {
    pub(super) assignments: watch::Receiver<Option<Assignment>>,
    pub(super) clock_offset: watch::Receiver<i64>,
    pub(super) leader: watch::Receiver<Option<LeaderRecord>>,
    pub(super) ask: Arc<Notify>,
    pub(super) read: watch::Receiver<Option<Instant>>,
}

/// Hears the leader on behalf of one worker.
pub(super) struct Follower {
    connection: Connection,
    names: Names,
    documents: Documents,
    config: AgentConfig,
    beats: Subscriber,
    written: Subscriber,
    /// The highest term heard of; what is below is over.
    term: Term,
    /// When a leader was heard last.
    heard: Instant,
    /// A leader has been heard since the dead-man last acted.
    armed: bool,
    /// The clock has been compared with this term's leader.
    compared: Option<Term>,
    /// Assignments are kept back until the clock is known.
    held: Option<Assignment>,
    assignments: watch::Sender<Option<Assignment>>,
    clock_offset: watch::Sender<i64>,
    leader: watch::Sender<Option<LeaderRecord>>,
    /// Somebody may have missed an assignment.
    ask: Arc<Notify>,
    /// When the last reading for them began.
    read: watch::Sender<Option<Instant>>,
}

impl Follower {
    pub(super) async fn listen(
        connection: Connection,
        names: Names,
        documents: Documents,
        config: AgentConfig,
    ) -> Result<(Self, Followed), JoinError> {
        let beats = crate::fleet::subscribe(&connection, names.leader()).await?;
        let written =
            crate::fleet::subscribe(&connection, names.assignment(&config.worker)).await?;
        let (assignments, assigned) = watch::channel(None);
        let (clock_offset, offset) = watch::channel(0);
        let (leader, led) = watch::channel(None);
        let (read, was_read) = watch::channel(None);
        let ask = Arc::new(Notify::new());
        let follower = Self {
            connection,
            names,
            documents,
            config,
            beats,
            written,
            term: Term(0),
            heard: Instant::now(),
            armed: false,
            compared: None,
            held: None,
            assignments,
            clock_offset,
            leader,
            ask: ask.clone(),
            read,
        };
        let followed = Followed {
            assignments: assigned,
            clock_offset: offset,
            leader: led,
            ask,
            read: was_read,
        };
        Ok((follower, followed))
    }

    pub(super) async fn follow(mut self, stop: CancellationToken) {
        let mut connects = self.connection.connects();
        connects.mark_unchanged();
        let mut polls = tokio::time::interval(self.config.poll);
        let mut clocks = tokio::time::interval(self.config.clock);
        polls.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
        clocks.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
        loop {
            let dead_man = self.heard + self.config.dead_man;
            tokio::select! {
                () = stop.cancelled() => return,
                Some(beat) = self.beats.next() => self.beat(&beat).await,
                Some(written) = self.written.next() => { self.offer(&written.payload); }
                Ok(()) = connects.changed() => { self.read_written().await; }
                _ = polls.tick() => { self.read_written().await; }
                () = self.ask.notified() => self.read_anew().await,
                _ = clocks.tick() => self.compare_clocks().await,
                () = tokio::time::sleep_until(dead_man), if self.armed => {
                    self.give_up();
                }
            }
        }
    }

    async fn beat(&mut self, beat: &Message) {
        let Some(record) = lease::read(&beat.payload) else { return };
        if record.epoch < self.term {
            return debug!(term = record.epoch.0, "a beat of a term that is over");
        }
        if record.released {
            // It went in good order; the load goes on until the dead-man, for a successor.
            self.leader.send_replace(None);
            return info!(leader = record.id, "the leader has released its term");
        }
        (self.heard, self.armed) = (Instant::now(), true);
        let is_news = record.epoch > self.term || self.leader.borrow().is_none();
        self.term = record.epoch;
        if is_news || self.compared != Some(record.epoch) {
            self.compare_clocks().await;
            self.read_written().await;
        }
        if is_news {
            info!(leader = record.id, term = record.epoch.0, "following");
            self.leader.send_replace(Some(record));
        }
    }

    /// Reads what is written for somebody who may have missed it, and says so.
    async fn read_anew(&mut self) {
        let began = Instant::now();
        if self.read_written().await {
            self.read.send_replace(Some(began));
        }
    }

    /// Reads what is written, in case it was missed. Whether what there is was given out.
    async fn read_written(&mut self) -> bool {
        if self.term == Term(0) || !self.connection.connected() {
            return false; // Without a leader nothing that is written counts.
        }
        match self.documents.get(&self.names.assignment_key(&self.config.worker)).await {
            Ok(Some(document)) => self.offer(&document.value),
            Ok(None) => false,
            Err(error) => {
                debug!(%error, "assignment not read; trying again");
                false
            }
        }
    }

    /// False: it is outdated, or kept back.
    fn offer(&mut self, written: &[u8]) -> bool {
        let assignment = match Assignment::from_json(written) {
            Ok(assignment) => assignment,
            Err(error) => {
                warn!(%error, "an assignment is not understood");
                return false;
            }
        };
        if assignment.term < self.term {
            self.counters().assignments_stale.one();
            return false;
        }
        let is_given = self.compared == Some(assignment.term);
        if is_given {
            self.give(assignment);
        } else {
            self.held = Some(assignment);
        }
        is_given
    }

    fn give(&mut self, assignment: Assignment) {
        self.assignments.send_if_modified(|current| {
            let is_newer = current.as_ref().is_none_or(|current| {
                (assignment.term, assignment.generation) > (current.term, current.generation)
            });
            if is_newer {
                *current = Some(assignment);
            }
            is_newer
        });
    }

    async fn compare_clocks(&mut self) {
        if self.term == Term(0) || !self.connection.connected() {
            return;
        }
        let Some(sample) = clock::compare(&self.connection, &self.names, self.term).await else {
            return debug!(term = self.term.0, "the leader does not say what time it is");
        };
        debug!(offset = sample.offset, round_trip = ?sample.round_trip, "clock compared");
        self.clock_offset.send_replace(sample.offset);
        self.compared = Some(self.term);
        if let Some(held) = self.held.take_if(|held| held.term == self.term) {
            self.give(held);
        }
    }

    /// The dead-man: nobody leads, so no load is wanted.
    fn give_up(&mut self) {
        self.leader.send_replace(None);
        (self.armed, self.compared) = (false, None);
        let stopped = self.assignments.send_replace(None);
        if stopped.is_some_and(|assignment| assignment.work.is_some()) {
            self.counters().dead_man_stops.one();
            let silence = self.config.dead_man;
            warn!(?silence, "no leader is heard: load is stopped");
        }
    }

    fn counters(&self) -> &Arc<Counters> {
        self.connection.counters()
    }
}
