//! Who leads: a term taken by compare-and-swap, kept by renewing it, and given up in time.
//!
//! [`Election`] is one master's part, and pure: what happens and its own monotonic time go in,
//! what is to be done comes out. The store needs nothing but compare-and-swap on one document;
//! no wall clock is compared with another, and nothing expires in the store.
//!
//! ```text
//! StandingBy ── silence for lease + rank × step, store writable ──> take epoch + 1 ──> Leading
//!     ^                                                                                  │  │
//!     └── another epoch was seen ────────────────────────────────────────────────────────┘  │
//!                            0.8 lease without a renewal: suspended, and tries on ──────────┘
//! ```
//!
//! - A lease counts from the *sending* of the renewal that succeeded, for the leader; for others
//!   from when they saw it. So a leader has stopped acting before anybody may follow it, as long
//!   as clocks run at speeds that differ by less than a fifth.
//! - What is read renews nothing. A write whose answer was lost is looked for, and if it is
//!   found the next write tells whether it still stands.
//! - Who abstains gives its term up and takes none, until it stands again.
//! - A store that cannot be written is no dead leader: a standby first writes a probe, and after
//!   an error it gives the leader two heartbeats of a working store before it competes.

mod words;

use std::time::Duration;

use loadhost_model::id::Term;

pub use words::{Answer, Effect, ElectionConfig, Found, Input, LeaderRecord, Request};

/// Part of a lease, in tenths, during which a leader may act without a renewal.
pub const ACT_WITHIN: u32 = 8;
/// Heartbeats that a leader gets after an outage of the store before others compete.
const AFTER_OUTAGE: u32 = 2;
/// Part of a heartbeat after which what failed is tried again.
const RETRY: u32 = 4;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Role {
    StandingBy,
    Leading { term: Term, renewed: Duration, acting: bool },
    Leaving { term: Term, until: Duration, then: Then },
    Gone,
}

/// What comes after a term that was given up.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Then {
    Gone,
    StandBy,
}

/// Whether the store can be written, as far as a standby knows.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Store {
    Fine,
    /// Written a moment ago, so that a take-over will not be the first to find out.
    Probed,
    Failing,
    /// Since then.
    Back(Duration),
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Want {
    Read,
    Probe,
    Take(Term),
    Renew(Term),
    Release(Term),
}

/// One master's part in the election.
#[derive(Debug)]
pub struct Election {
    config: ElectionConfig,
    role: Role,
    found: Option<Found>,
    /// When the revision last changed, by this master's clock.
    changed: Duration,
    /// The greatest epoch that was ever seen.
    highest: Term,
    rank: u32,
    /// Takes no term.
    abstains: bool,
    /// The last term that it gave up. It may still stand written, and is not taken up again.
    given_up: Term,
    store: Store,
    /// Looks before it writes again.
    in_doubt: bool,
    /// Nothing is asked before.
    pace: Duration,
    read_at: Duration,
    under_way: Option<(Want, Duration)>,
    beats: u64,
    effects: Vec<Effect>,
}

impl Election {
    /// Of a master that has seen nothing yet.
    pub fn new(config: ElectionConfig) -> Self {
        Self {
            config,
            role: Role::StandingBy,
            found: None,
            changed: Duration::ZERO,
            highest: Term(0),
            rank: 0,
            abstains: false,
            given_up: Term(0),
            store: Store::Fine,
            in_doubt: false,
            pace: Duration::ZERO,
            read_at: Duration::ZERO,
            under_way: None,
            beats: 0,
            effects: Vec::new(),
        }
    }

    /// Takes in what happened at `now`, which is this master's own monotonic time.
    pub fn handle(&mut self, now: Duration, input: Input) -> Vec<Effect> {
        // Whoever was asleep must know that before anything else.
        self.fence(now);
        match input {
            Input::Tick => {}
            Input::Heard(found) => self.hear(now, found),
            Input::Answer(answer) => self.take_answer(now, answer),
            Input::Rank(rank) => self.rank = rank,
            Input::Abstain => {
                self.abstains = true;
                self.give_up(now, Then::StandBy);
            }
            Input::StandAgain => self.abstains = false,
            Input::Leave => self.give_up(now, Then::Gone),
        }
        self.ask(now);
        std::mem::take(&mut self.effects)
    }

    /// When the next [`Input::Tick`] is due; None: only what happens can go on.
    pub fn wake_at(&self) -> Option<Duration> {
        let own = match self.role {
            Role::Leading { renewed, acting: true, .. } => Some(renewed + self.fenced_after()),
            Role::Leaving { until, .. } => Some(until),
            _ => None,
        };
        let next = self.next().map(|(at, _)| at).filter(|_| self.under_way.is_none());
        [own, next].into_iter().flatten().min()
    }

    /// Whether this master leads and may order something, at `now`.
    pub fn may_act(&self, now: Duration) -> bool {
        match self.role {
            Role::Leading { renewed, acting, .. } => acting && now < renewed + self.fenced_after(),
            _ => false,
        }
    }

    /// The term in which this master leads, also while it is suspended.
    pub fn term(&self) -> Option<Term> {
        match self.role {
            Role::Leading { term, .. } => Some(term),
            _ => None,
        }
    }

    /// Whether [`Input::Leave`] changes anything.
    pub fn may_leave(&self) -> bool {
        match self.role {
            Role::StandingBy | Role::Leading { .. } => true,
            Role::Leaving { then, .. } => then == Then::StandBy,
            Role::Gone => false,
        }
    }

    /// When the last renewal that succeeded was sent.
    pub fn renewed(&self) -> Option<Duration> {
        match self.role {
            Role::Leading { renewed, .. } => Some(renewed),
            _ => None,
        }
    }

    /// Who leads, as far as this master has seen; None: nobody, or somebody who went away.
    pub fn leader(&self) -> Option<&LeaderRecord> {
        self.found.as_ref()?.record.as_ref().filter(|record| !record.released)
    }

    fn fenced_after(&self) -> Duration {
        self.config.lease * ACT_WITHIN / 10
    }

    fn fence(&mut self, now: Duration) {
        let after = self.fenced_after();
        if let Role::Leading { renewed, acting, .. } = &mut self.role
            && *acting
            && now >= *renewed + after
        {
            *acting = false;
            self.effects.push(Effect::Suspend);
        }
    }

    /// A write that was published. Older ones may come late.
    fn hear(&mut self, now: Duration, found: Found) {
        if self.found.as_ref().is_none_or(|known| found.revision > known.revision) {
            self.adopt(now, found);
        }
    }

    fn adopt(&mut self, now: Duration, found: Found) {
        let epoch = found.record.as_ref().map_or(Term(0), |record| record.epoch);
        let by_another = found.record.as_ref().is_some_and(|record| !self.is_mine(record));
        self.highest = self.highest.max(epoch);
        (self.changed, self.store) = (now, Store::Fine);
        match self.role {
            // An older epoch is an old replica's word, and is known to be over.
            Role::Leading { term, .. } if by_another && epoch >= term => {
                self.role = Role::StandingBy;
                self.effects.push(Effect::Deposed(found.record.clone()));
            }
            _ => {}
        }
        self.found = Some(found);
    }

    /// The term that stands written for this master and is not released.
    fn stands(&self) -> Option<Term> {
        self.leader().filter(|record| self.is_mine(record)).map(|record| record.epoch)
    }

    /// Whether this master does not take up that term of its own any more.
    fn is_over(&self, term: Term) -> bool {
        self.abstains || term <= self.given_up
    }

    fn is_mine(&self, record: &LeaderRecord) -> bool {
        record.incarnation == self.config.incarnation
    }

    fn take_answer(&mut self, now: Duration, answer: Answer) {
        let Some((want, sent)) = self.under_way.take() else { return };
        match answer {
            Answer::Read(found) => self.have_read(now, found),
            Answer::Swapped(revision) => self.have_written(now, want, sent, revision),
            Answer::Conflict => {
                (self.in_doubt, self.store) = (true, Store::Fine);
                self.pace = now;
            }
            Answer::Probed => {
                let may = self.found.as_ref().is_some_and(|found| self.compete_at(found) <= now);
                self.store = match self.store {
                    Store::Failing => Store::Back(now),
                    // The leader may have been heard of while the probe was under way.
                    Store::Fine if !may => Store::Fine,
                    _ => Store::Probed,
                };
            }
            Answer::Failed => {
                // What was written may have been done: look, unless it is looking that fails.
                self.in_doubt = want != Want::Read && want != Want::Probe;
                if want == Want::Read {
                    self.read_at = now + self.config.heartbeat;
                }
                self.store = Store::Failing;
                self.pace = now + self.config.heartbeat / RETRY;
            }
        }
    }

    fn have_read(&mut self, now: Duration, found: Found) {
        self.read_at = now + self.config.heartbeat;
        let known = self.found.as_ref().map(|known| known.revision);
        if self.in_doubt {
            // Our revision was refused, so even an older one is better; a write will tell.
            self.in_doubt = false;
            self.pace = now + self.config.heartbeat / RETRY;
            if known.is_some_and(|known| found.revision > known) {
                self.pace = now;
            }
            if known != Some(found.revision) {
                self.adopt(now, found);
            }
        } else {
            self.hear(now, found);
        }
    }

    fn have_written(&mut self, now: Duration, want: Want, sent: Duration, revision: u64) {
        let (term, released) = match want {
            Want::Take(term) | Want::Renew(term) => (term, false),
            Want::Release(term) => (term, true),
            Want::Read | Want::Probe => return,
        };
        // What was heard of since may be newer than this answer.
        if self.found.as_ref().is_none_or(|known| revision > known.revision) {
            let record = Some(self.record(term, released));
            self.found = Some(Found { revision, record });
            (self.changed, self.highest) = (now, self.highest.max(term));
        }
        (self.store, self.in_doubt) = (Store::Fine, false);
        self.pace = sent + self.config.heartbeat;
        if released {
            if let Role::Leaving { then, .. } = self.role {
                self.go(then);
            }
            return;
        }
        let in_time = now < sent + self.fenced_after();
        match self.role {
            Role::StandingBy if in_time && !self.is_over(term) && self.stands().is_some() => {
                self.effects.push(Effect::Lead(term));
            }
            Role::Leading { acting, .. } if in_time && !acting => self.effects.push(Effect::Resume),
            Role::Leading { .. } => {}
            Role::Leaving { .. } => {
                self.pace = now;
                return;
            }
            // Too late: the next renewal tells; or another one's write was heard before the answer.
            Role::StandingBy | Role::Gone => return,
        }
        self.role = Role::Leading { term, renewed: sent, acting: in_time };
    }

    fn give_up(&mut self, now: Duration, then: Then) {
        let half = now + self.config.lease / 2;
        let (term, until) = match (self.role, self.under_way) {
            (Role::Leading { term, .. }, _) => (term, half),
            // It may succeed yet.
            (Role::StandingBy, Some((Want::Take(term) | Want::Renew(term), _))) => (term, half),
            (Role::StandingBy, _) => return self.go(then),
            (Role::Leaving { term, until, then: Then::StandBy }, _) => (term, until),
            (Role::Leaving { .. } | Role::Gone, _) => return,
        };
        (self.role, self.given_up) = (Role::Leaving { term, until, then }, term);
        self.pace = now;
    }

    fn go(&mut self, then: Then) {
        match then {
            Then::StandBy => self.role = Role::StandingBy,
            Then::Gone => {
                self.role = Role::Gone;
                self.effects.push(Effect::Gone);
            }
        }
    }

    fn ask(&mut self, now: Duration) {
        if let Role::Leaving { until, then, .. } = self.role {
            let nothing_to_release =
                self.under_way.is_none() && !self.in_doubt && self.stands().is_none();
            if now >= until || nothing_to_release {
                self.go(then);
            }
        }
        if self.under_way.is_some() {
            return;
        }
        let Some((at, want)) = self.next() else { return };
        if at > now {
            return;
        }
        let revision = self.found.as_ref().map_or(0, |found| found.revision);
        self.beats += 1;
        let request = match want {
            Want::Read => Request::Read,
            Want::Probe => Request::Probe,
            Want::Take(term) | Want::Renew(term) => {
                Request::Swap(self.record(term, false), revision)
            }
            Want::Release(term) => Request::Swap(self.record(term, true), revision),
        };
        self.under_way = Some((want, now));
        self.effects.push(Effect::Ask(request));
    }

    /// What is asked next, and when.
    fn next(&self) -> Option<(Duration, Want)> {
        let not_before = |at: Duration, want| Some((at.max(self.pace), want));
        match self.role {
            Role::Gone => None,
            _ if self.in_doubt => not_before(self.pace, Want::Read),
            Role::Leading { term, .. } => not_before(self.pace, Want::Renew(term)),
            Role::Leaving { term, .. } => not_before(self.pace, Want::Release(term)),
            Role::StandingBy => {
                let Some(found) = &self.found else { return not_before(self.pace, Want::Read) };
                if let Some(term) = self.stands() {
                    // A take-over whose answer was lost: the next renewal proves it.
                    let want =
                        if self.is_over(term) { Want::Release(term) } else { Want::Renew(term) };
                    return not_before(self.pace, want);
                }
                if self.abstains {
                    return not_before(self.read_at, Want::Read);
                }
                let compete = match self.store {
                    Store::Fine => (self.compete_at(found), Want::Probe),
                    Store::Probed => (self.compete_at(found), Want::Take(Term(self.highest.0 + 1))),
                    Store::Failing => (self.pace, Want::Probe),
                    Store::Back(since) => {
                        let given = since + self.config.heartbeat * AFTER_OUTAGE;
                        (given.max(self.compete_at(found)), Want::Probe)
                    }
                };
                let read = (self.read_at, Want::Read);
                let (at, want) = if compete.0 <= read.0 { compete } else { read };
                not_before(at, want)
            }
        }
    }

    /// When the leader may be taken for dead, if nothing is seen of it until then.
    fn compete_at(&self, found: &Found) -> Duration {
        let turn = self.config.step * self.rank;
        let nobody = match &found.record {
            Some(record) => record.released,
            None => found.revision == 0,
        };
        self.changed + turn + if nobody { Duration::ZERO } else { self.config.lease }
    }

    fn record(&self, epoch: Term, released: bool) -> LeaderRecord {
        LeaderRecord {
            id: self.config.id.clone(),
            incarnation: self.config.incarnation,
            priority: self.config.priority,
            epoch,
            heartbeat: self.beats,
            released,
        }
    }
}

#[cfg(test)]
mod simulation;
#[cfg(test)]
mod tests;
