//! A worker of the simulation: follows assignments as the real one does, and serves a grid of arrivals.

use std::collections::BTreeMap;

use loadhost_model::id::{Digest, Incarnation, RunId, Term, WorkerId};
use loadhost_model::interval::Interval;
use loadhost_model::share::Share;
use loadhost_model::wire::{
    Assignment, EditionRefusal, EditionStatus, Step, StopMode, Work, WorkerState, WorkerStatus,
};

use super::world::{DEAD_MAN, EPOCH, GRID, SECOND, Time};
use crate::testing;

/// One process.
pub(super) struct Agent {
    pub(super) id: WorkerId,
    pub(super) incarnation: u64,
    pub(super) alive: bool,
    /// Stands still until then.
    pub(super) paused_until: Time,
    /// Hears nothing and is not heard until then.
    pub(super) cut_until: Time,
    pub(super) draining: bool,
    pub(super) applied: (Term, u64),
    pub(super) job: Option<Job>,
    pub(super) state: WorkerState,
    /// Numbers of the last intervals by run: a run that comes back goes on numbering.
    seqs: BTreeMap<RunId, u64>,
    pub(super) next_beat: Time,
    pub(super) next_poll: Time,
    heard: Time,
    /// Measured and not yet taken by the transport.
    pub(super) outbox: Vec<Interval>,
    /// Something changed that is to be said at once.
    pub(super) news: bool,
    /// With which code and how often it fails when it is to begin a run.
    pub(super) troubles: (&'static str, u32),
    /// It could not do what it was last to begin.
    pub(super) failed: bool,
    /// Until then it can make no version of the scenario ready.
    pub(super) unable_until: Time,
}

/// Its part in a run.
pub(super) struct Job {
    run: RunId,
    start: Option<Time>,
    end: Time,
    /// From when on which share holds, oldest first.
    timeline: Vec<(Time, Share)>,
    wanted: (Share, u64),
    holds_from: u64,
    /// Slots that came late: what was due of them from then on is still to be served.
    make_up: Option<(Time, Time, Share)>,
    /// All that is due before is served.
    done: Time,
    requests: u32,
    cut: Time,
    since: Time,
    is_over: bool,
    failed: Option<&'static str>,
    versions: Versions,
}

/// Which version of the scenario its users run.
struct Versions {
    in_use: Digest,
    wanted: Digest,
    /// Made ready beside it: number, module, and when that is done.
    beside: Option<(u32, Digest, Time)>,
    /// All users run it then.
    over_at: Time,
    said: EditionStatus,
}

impl Agent {
    pub(super) fn new(id: WorkerId, incarnation: u64, now: Time) -> Self {
        Self {
            id,
            incarnation,
            alive: true,
            paused_until: 0,
            cut_until: 0,
            draining: false,
            applied: (Term(0), 0),
            job: None,
            state: WorkerState::Idle,
            seqs: BTreeMap::new(),
            next_beat: now,
            next_poll: now,
            heard: now,
            outbox: Vec::new(),
            news: true,
            troubles: ("", 0),
            failed: false,
            unable_until: 0,
        }
    }

    pub(super) fn runs(&self, now: Time) -> bool {
        self.alive && now >= self.paused_until
    }

    pub(super) fn hears(&self, now: Time) -> bool {
        self.runs(now) && now >= self.cut_until
    }

    pub(super) fn status(&self) -> WorkerStatus {
        let mut status = testing::status(&self.id, self.incarnation, self.state.clone());
        status.applied = self.applied;
        status.run = self.job.as_ref().map(|job| job.run.clone());
        status.share_from = self.job.as_ref().map_or(0, |job| job.holds_from);
        status.draining = self.draining;
        *status.edition =
            self.job.as_ref().map_or_else(Default::default, |job| job.versions.said.clone());
        status
    }

    /// Goes where the assignment wants it.
    pub(super) fn apply(&mut self, now: Time, assignment: &Assignment) {
        self.heard = now;
        if (assignment.term, assignment.generation) <= self.applied {
            return;
        }
        self.applied = (assignment.term, assignment.generation);
        self.news = true;
        let is_mine = assignment.to.is_none_or(|to| to.0 == self.incarnation);
        let Some(work) = assignment.work.as_ref().filter(|_| is_mine) else {
            self.finish(now);
            self.job = None;
            self.state = WorkerState::Idle;
            return;
        };
        if self.job.as_ref().is_some_and(|job| job.run != work.plan.run) {
            self.finish(now);
            self.job = None;
        }
        let length = work.plan.profile.length().unwrap().as_micros() as Time;
        let fresh = self.job.is_none();
        let job = self.job.get_or_insert_with(|| Job {
            run: work.plan.run.clone(),
            start: None,
            end: length,
            timeline: Vec::new(),
            wanted: (work.share.clone(), work.share_from),
            holds_from: work.share_from,
            make_up: None,
            done: now,
            requests: 0,
            cut: now,
            since: now,
            is_over: false,
            failed: None,
            versions: Versions::new(work.plan.module),
        });
        if fresh && self.troubles.1 > 0 {
            self.troubles.1 -= 1;
            (job.is_over, job.failed) = (true, Some(self.troubles.0));
        }
        if let Some(code) = job.failed
            && matches!(work.step, Step::Prepare | Step::Setup | Step::Run { .. })
        {
            (self.state, self.failed) = (failure(code), true);
            return;
        }
        match &work.step {
            Step::Prepare => {
                job.wanted = (work.share.clone(), work.share_from);
                self.state = WorkerState::Ready;
            }
            Step::Setup => self.state = WorkerState::SetUp { data: "token".into() },
            Step::Run { start, .. } if !job.is_over => {
                job.versions.hear(now, work);
                let start = start - EPOCH;
                if job.start.is_none() {
                    job.begin(now, start, fresh, (&work.share, work.share_from));
                    (self.state, self.failed) = (WorkerState::Running, false);
                } else {
                    job.change(now, &work.share, work.share_from);
                }
            }
            Step::Run { .. } => {}
            Step::Stop { mode } => {
                let _: &StopMode = mode;
                self.finish(now);
            }
            Step::Teardown { .. } => {
                self.finish(now);
                self.state = WorkerState::TornDown;
            }
        }
    }

    /// Serves what is due by now. The numbers go to `serve`.
    pub(super) fn work(&mut self, now: Time, serve: &mut impl FnMut(u64)) {
        if now >= self.cut_until {
            self.heard = now;
        }
        if now.saturating_sub(self.heard) >= DEAD_MAN && self.job.is_some() {
            self.finish(now);
            self.job = None;
            (self.state, self.news) = (WorkerState::Idle, true);
        }
        let Some(job) = &mut self.job else { return };
        if job.is_over || job.start.is_none() {
            return;
        }
        let (is_able, said) = (now >= self.unable_until, job.versions.said.clone());
        let can_go_on = job.versions.go_on(now, is_able);
        self.news |= said != job.versions.said;
        if !can_go_on {
            return self.fail(now, "edition");
        }
        job.serve(now, serve);
        if now >= job.start.unwrap() + job.end {
            self.finish(now);
        } else if now >= job.cut {
            self.cut(now, false);
        }
    }

    /// Cannot go on with its work, and says so until it is told to be idle.
    pub(super) fn fail(&mut self, now: Time, code: &'static str) {
        self.finish(now);
        if let Some(job) = &mut self.job {
            job.failed = Some(code);
            (self.state, self.failed) = (failure(code), true);
        }
    }

    /// The load is over.
    fn finish(&mut self, now: Time) {
        let Some(job) = &mut self.job else { return };
        if !job.is_over {
            job.is_over = true;
            if job.start.is_some() {
                self.cut(now, true);
            }
        }
        let run = self.job.as_ref().unwrap().run.clone();
        let last_seq = self.seqs.get(&run).copied().unwrap_or(0);
        (self.state, self.news) = (WorkerState::Stopped { last_seq }, true);
    }

    fn cut(&mut self, now: Time, last: bool) {
        let job = self.job.as_mut().unwrap();
        let start = job.start.unwrap();
        let seq = self.seqs.entry(job.run.clone()).or_default();
        *seq += 1;
        let values = vec![1_000; std::mem::take(&mut job.requests) as usize];
        let since = |time: Time| std::time::Duration::from_micros(time.saturating_sub(start));
        let mut interval = testing::interval(&self.id, *seq, &[("/", &values)]);
        (interval.incarnation, interval.term) = (Incarnation(self.incarnation), self.applied.0);
        (interval.begin, interval.end) = (since(job.since), since(now));
        interval.last = last;
        (job.since, job.cut) = (now, now + SECOND);
        self.outbox.push(interval);
    }

    /// What it works for, now or soon.
    pub(super) fn shares(&self) -> impl Iterator<Item = &Share> {
        self.job
            .iter()
            .flat_map(|job| job.timeline.iter().map(|(_, share)| share).chain([&job.wanted.0]))
    }

    /// The version of the scenario that its users run, if it makes load.
    pub(super) fn module(&self) -> Option<Digest> {
        self.job
            .as_ref()
            .filter(|job| !job.is_over && job.start.is_some())
            .map(|job| job.versions.in_use)
    }

    /// What it works for now.
    pub(super) fn share(&self) -> Option<&Share> {
        let job = self.job.as_ref().filter(|job| !job.is_over && job.start.is_some())?;
        job.timeline.last().map(|(_, share)| share)
    }
}

fn failure(code: &str) -> WorkerState {
    WorkerState::Failed { code: code.into(), message: "as the history wants it".into() }
}

impl Versions {
    fn new(module: Digest) -> Self {
        let said = EditionStatus::default();
        Self { in_use: module, wanted: module, beside: None, over_at: 0, said }
    }

    fn hear(&mut self, now: Time, work: &Work) {
        self.wanted = work.plan.module;
        let is_beside = |number: Option<u32>, module: Digest| {
            self.beside.is_some_and(|beside| {
                beside.1 == module && number.is_none_or(|number| number == beside.0)
            })
        };
        // Some take longer than others.
        let takes = |number: u32| now + (u64::from(number) * 977 + work.share_from) % 3_000 * 1_000;
        match &work.next {
            _ if self.wanted != self.in_use => {
                if !is_beside(None, self.wanted) {
                    self.beside = Some((0, self.wanted, takes(0)));
                }
            }
            Some(next) => {
                if !is_beside(Some(next.number), next.module) {
                    self.beside = Some((next.number, next.module, takes(next.number)));
                }
            }
            None => self.beside = None,
        }
        self.go_over(now);
    }

    /// Those that have made it ready go over at once.
    fn go_over(&mut self, now: Time) {
        let is_ready = |beside: &(u32, Digest, Time)| beside.1 == self.wanted && beside.2 <= now;
        if self.wanted != self.in_use && self.beside.is_some_and(|beside| is_ready(&beside)) {
            (self.in_use, self.beside) = (self.wanted, None);
            (self.over_at, self.said.behind) = (now + SECOND, 3);
        }
    }

    /// False: what is to be used cannot be.
    fn go_on(&mut self, now: Time, is_able: bool) -> bool {
        if now >= self.over_at {
            self.said.behind = 0;
        }
        let done = self.beside.filter(|(_, _, at)| *at <= now);
        if let Some((number, module, _)) = done {
            if is_able {
                self.said.ready = self.said.ready.max(number);
            } else if module == self.wanted {
                return false;
            } else if self.said.refused.as_ref().is_none_or(|refused| refused.number != number) {
                let (code, message) = ("download".into(), "as the history wants it".into());
                self.said.refused = Some(EditionRefusal { number, code, message });
            }
        }
        self.go_over(now);
        true
    }
}

impl Job {
    fn begin(&mut self, now: Time, start: Time, fresh: bool, wanted: (&Share, u64)) {
        let (share, from) = wanted;
        self.start = Some(start);
        // Whoever begins in the middle serves what was given to it, and nothing from before.
        let earliest = if fresh { now.max(start) } else { start };
        let begin = from.saturating_sub(EPOCH).max(earliest);
        self.timeline = vec![(begin, share.clone())];
        self.wanted = (share.clone(), from);
        self.holds_from = from.max(if from == 0 { 0 } else { EPOCH + now });
        (self.done, self.since, self.cut) =
            (begin.min(now), now.max(start), now.max(start) + SECOND);
    }

    fn change(&mut self, now: Time, share: &Share, from: u64) {
        if self.wanted == (share.clone(), from) {
            return;
        }
        self.wanted = (share.clone(), from);
        self.holds_from = from.max(EPOCH + now);
        let at = from.saturating_sub(EPOCH).max(self.start.unwrap());
        let before = self.timeline.last().unwrap().1.clone();
        let gained = share.minus(&before).unwrap();
        self.timeline.retain(|(begin, _)| *begin < at.max(now));
        self.timeline.push((at.max(now), share.clone()));
        if at < now && !gained.is_empty() {
            self.make_up = Some((at, now, gained));
        }
    }

    fn serve(&mut self, now: Time, serve: &mut impl FnMut(u64)) {
        let start = self.start.unwrap();
        let until = now.min(start + self.end);
        let due = |n: u64| start + n * GRID;
        let mut served = 0;
        if let Some((from, to, gained)) = self.make_up.take() {
            let mut n = from.saturating_sub(start).div_ceil(GRID);
            while due(n) < to.min(start + self.end) {
                if gained.owns(n) {
                    serve(n);
                    served += 1;
                }
                n += 1;
            }
        }
        let mut n = self.done.saturating_sub(start).div_ceil(GRID);
        while due(n) < until {
            let at = due(n);
            let holds = self.timeline.iter().rev().find(|(from, _)| *from <= at);
            if holds.is_some_and(|(_, share)| share.owns(n)) {
                serve(n);
                served += 1;
            }
            n += 1;
        }
        self.done = self.done.max(until);
        self.requests += served;
    }
}
