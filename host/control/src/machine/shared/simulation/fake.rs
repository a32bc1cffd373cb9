//! A worker process that hands what is shared to its users, as the real one does.

use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;

use fastrand::Rng;
use loadhost_model::id::{Incarnation, RunId, Term, WorkerId};
use loadhost_model::shared::{Attendance, Draw, Lease, SharedState, SharedUse};
use loadhost_model::wire::{Assignment, Step, WorkerState, WorkerStatus};

use super::{SECOND, SIZE};
use crate::testing;

pub(super) const COUNTER: &str = "sold";
pub(super) const NUMBERS: &str = "order";
pub(super) const MEETING: &str = "start";

const BEAT: u64 = SECOND / 2;

/// One process.
#[derive(Debug)]
pub(super) struct Process {
    pub(super) id: WorkerId,
    pub(super) incarnation: Incarnation,
    pub(super) cut_until: u64,
    pub(super) draining: bool,
    /// Takes whatever it gets.
    pub(super) is_hungry: bool,
    state: WorkerState,
    run: Option<RunId>,
    applied: (Term, u64),
    share_from: u64,
    has_share: bool,
    leases: BTreeMap<Arc<str>, (Lease, u64, u64)>,
    /// Numbers that users got, by source, in order.
    pub(super) used: BTreeMap<Arc<str>, Vec<u64>>,
    added: i64,
    /// Users at the rendezvous.
    pub(super) queue: VecDeque<u64>,
    arrived: u64,
    left: u64,
    released: u64,
    pub(super) missed: u64,
    /// Users that went on together with others.
    pub(super) went: u64,
    said: u64,
    next_beat: u64,
    has_news: bool,
}

impl Process {
    pub(super) fn new(name: &str, incarnation: u64) -> Self {
        let sources = ["logins", "goods", NUMBERS].map(|name| (name.into(), Default::default()));
        Self {
            id: testing::worker(name),
            incarnation: Incarnation(incarnation),
            cut_until: 0,
            draining: false,
            is_hungry: false,
            state: WorkerState::Idle,
            run: None,
            applied: (Term(0), 0),
            share_from: 0,
            has_share: false,
            leases: sources.into(),
            used: BTreeMap::new(),
            added: 0,
            queue: VecDeque::new(),
            arrived: 0,
            left: 0,
            released: 0,
            missed: 0,
            went: 0,
            said: 0,
            next_beat: 0,
            has_news: false,
        }
    }

    pub(super) fn hears(&self, now: u64) -> bool {
        now >= self.cut_until && !self.has_exited()
    }

    /// It was to go away, has ended, and has said so.
    fn has_exited(&self) -> bool {
        self.draining && self.run.is_none() && !self.has_news
    }

    pub(super) fn is_well(&self, now: u64) -> bool {
        self.hears(now) && !self.draining && self.state == WorkerState::Running
    }

    pub(super) fn has_users(&self) -> bool {
        self.state == WorkerState::Running
    }

    /// It knows that there are no more rows, and has none.
    pub(super) fn is_at_the_end(&self) -> bool {
        let (lease, taken, _) = &self.leases["logins"];
        lease.last && *taken == lease.total()
    }

    pub(super) fn apply(&mut self, assignment: &Assignment) {
        if (assignment.term, assignment.generation) <= self.applied {
            return;
        }
        self.applied = (assignment.term, assignment.generation);
        self.has_news = true;
        let Some(work) = &assignment.work else {
            self.end(WorkerState::Idle);
            self.run = None;
            return;
        };
        let is_new = self.run.replace(work.plan.run.clone()).is_none();
        self.share_from =
            if is_new { work.share_from } else { self.share_from.max(work.share_from) };
        self.has_share = !work.share.is_empty();
        self.take_in(&work.shared);
        let is_over = |state: &WorkerState| {
            matches!(state, WorkerState::Stopped { .. } | WorkerState::Failed { .. })
        };
        match &work.step {
            Step::Prepare => self.state = WorkerState::Ready,
            Step::Setup => self.state = WorkerState::SetUp { data: "token".into() },
            Step::Run { .. } if !is_new && is_over(&self.state) => {}
            Step::Run { .. } => self.state = WorkerState::Running,
            Step::Stop { .. } => self.end(WorkerState::Stopped { last_seq: 0 }),
            Step::Teardown { .. } => self.end(WorkerState::TornDown),
        }
        if self.draining && self.has_users() && !self.has_share {
            self.leave();
        }
    }

    /// Nobody's users any more.
    fn end(&mut self, state: WorkerState) {
        self.left += self.queue.len() as u64;
        self.queue.clear();
        self.state = state;
    }

    pub(super) fn fail(&mut self) {
        self.end(WorkerState::Failed { code: "fault".into(), message: "as it should".into() });
        self.has_news = true;
    }

    pub(super) fn leave(&mut self) {
        self.end(WorkerState::Idle);
        (self.run, self.has_news) = (None, true);
    }

    fn take_in(&mut self, state: &SharedState) {
        if state.to != Some(self.incarnation) {
            return;
        }
        for (name, lease) in state.rows.iter().chain(&state.numbers) {
            let known = self.leases.get_mut(name).unwrap();
            assert!(lease.total() >= known.0.total(), "leases only grow");
            known.0.clone_from(lease);
            known.1 = known.1.max(lease.before);
        }
        let Some(release) = state.meetings.get(MEETING) else { return };
        while self.released < release.released {
            self.released += 1;
            match self.queue.pop_front() {
                Some(_) => self.went += 1,
                None => self.missed += 1,
            }
        }
    }

    /// Its users do something.
    pub(super) fn works(&mut self, now: u64, random: &mut Rng, they_leave: bool) {
        if self.state != WorkerState::Running {
            return;
        }
        for (name, (lease, taken, wanted)) in &mut self.leases {
            *wanted = if self.is_hungry { 100 } else { random.u64(0..30) };
            let users = if self.is_hungry { u64::MAX } else { random.u64(0..4) };
            let most = if random.bool() { users } else { 0 };
            for _ in 0..most.min(lease.total() - *taken) {
                let number = lease.after(*taken)[0].0;
                *taken += 1;
                self.used.entry(name.clone()).or_default().push(number);
                self.has_news |= *taken == lease.total();
            }
        }
        self.added += random.i64(-3..10);
        if random.u32(0..4) == 0 && !self.is_hungry && self.queue.len() < 2 * SIZE as usize {
            self.arrived += 1;
            self.queue.push_back(now);
        }
        if they_leave && random.u32(0..10) == 0 && !self.queue.is_empty() {
            self.queue.remove(random.usize(..self.queue.len()));
            self.left += 1;
        }
    }

    /// Its next word, if there is one.
    pub(super) fn says(&mut self, now: u64) -> Option<WorkerStatus> {
        let speaks = self.hears(now) && (now >= self.next_beat || self.has_news);
        if !speaks {
            return None;
        }
        (self.next_beat, self.has_news) = (now + BEAT, false);
        let mut status = testing::status(&self.id, self.incarnation.0, self.state.clone());
        status.applied = self.applied;
        status.run = self.run.clone();
        status.share_from = self.share_from;
        status.draining = self.draining;
        if self.applied.1 > 0 {
            status.shared = self.shared_use().into();
        }
        Some(status)
    }

    fn shared_use(&mut self) -> SharedUse {
        self.said += 1;
        let draw = |name: &Arc<str>| {
            let (_, taken, wanted) = self.leases[name];
            (name.clone(), Draw { taken, wanted })
        };
        let (numbers, rows): (BTreeMap<_, _>, BTreeMap<_, _>) =
            self.leases.keys().map(draw).partition(|(name, _)| **name == *NUMBERS);
        let (arrived, left, missed) = (self.arrived, self.left, self.missed);
        SharedUse {
            run: Some(testing::run_id()),
            said: self.said,
            rows,
            numbers,
            counters: [(COUNTER.into(), self.added)].into(),
            meetings: [(MEETING.into(), Attendance { size: SIZE, arrived, left, missed })].into(),
        }
    }
}
