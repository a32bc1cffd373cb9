//! The coordinator, its workers, the network between them, and what befalls them.

mod checks;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

use loadhost_model::id::{Digest, WorkerId};
use loadhost_model::plan::{FleetSettings, LossPolicy, RunPlan};
use loadhost_model::profile::{Curve, Load};
use loadhost_model::wire::{Assignment, Report};

use super::agent::Agent;
use super::leader::{Leader, Store};
use crate::machine::{Effect, Input, NewRun, Now};
use crate::report::RunReport;
use crate::testing;

/// Microseconds of virtual time.
pub(super) type Time = u64;

pub(super) const SECOND: Time = 1_000_000;
/// Wall time at the beginning of the history.
pub(super) const EPOCH: u64 = 1_000_000_000_000;
/// Between two arrivals.
pub(super) const GRID: Time = SECOND / 48;
/// A worker without a leader stops after this long.
pub(super) const DEAD_MAN: Time = 30 * SECOND;

const STEP: Time = 20_000;
const TICK: Time = 100_000;
const BEAT: Time = SECOND;
const POLL: Time = 5 * SECOND;
const RUN_TIME: Time = 90 * SECOND;
/// Faults are over by then, so that all can settle.
const CALM: Time = 60 * SECOND;
/// After the end of a fault its traces may be seen for so long: polls, steps of levelling.
const TRACES: Time = 7 * SECOND;
/// A new leader knows after so long who was lost before it came.
const LISTENS: Time = 4 * SECOND;
const CHECKPOINT: Time = 3 * SECOND;
/// A save takes no longer.
const SAVE: Time = 60_000;

/// What differs between histories of one kind.
#[derive(Debug, Clone, Copy)]
pub(super) struct Setting {
    pub(super) workers: usize,
    /// Of messages, 0 to 1.
    pub(super) loss: f64,
    pub(super) on_worker_lost: LossPolicy,
}

impl Default for Setting {
    fn default() -> Self {
        Self { workers: 3, loss: 0.1, on_worker_lost: LossPolicy::Rebalance }
    }
}

/// What befalls a fleet.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) enum Fault {
    /// A worker dies and stays dead.
    Crash,
    /// A worker dies, and a new process begins.
    Restart,
    /// A worker stands still.
    Pause,
    /// A worker is cut off.
    Cut,
    /// A worker is told to go away.
    Drain,
    /// Another worker comes.
    Join,
    /// A worker comes that cannot prepare its work at first, or never.
    FailingJoin,
    /// A worker cannot go on with its work, and says so.
    Fail,
    /// Whoever leads dies; after a while the next one goes on.
    Kill,
    /// Somebody wants another version of the scenario.
    Change,
    /// A worker can make no version of the scenario ready for a while.
    Unable,
}

/// A fault of a history.
#[derive(Debug, Clone, Copy)]
pub(super) struct Befalls {
    pub(super) at: Time,
    fault: Fault,
    /// Which of the workers that are there.
    which: usize,
    lasts: Time,
}

/// When and for which slots arrivals may be missing or doubled.
struct Window {
    to: Time,
    worker: WorkerId,
    /// By slot: since when.
    slots: BTreeMap<u32, Time>,
}

enum Event {
    Reaches(Box<Report>),
    Look(usize),
}

pub(super) struct World {
    random: fastrand::Rng,
    setting: Setting,
    now: Time,
    leader: Option<Leader>,
    term: u64,
    store: Store,
    /// When the last leader died, and when the next one comes.
    away: Option<(Time, Time)>,
    desired: BTreeMap<WorkerId, Assignment>,
    agents: Vec<Agent>,
    /// By time and number.
    events: BTreeMap<(Time, u64), Event>,
    number: u64,
    /// Requests in intervals that the transport has taken.
    published: u64,
    /// How often each arrival was served.
    served: BTreeMap<u64, u32>,
    windows: Vec<Window>,
    of: u32,
    start: Option<Time>,
    report: Option<Arc<RunReport>>,
    /// Who worked for how many slots shortly before the end.
    levelled: Vec<(WorkerId, Vec<u32>)>,
    /// Which version of the scenario users ran then.
    modules: BTreeSet<Digest>,
    /// Versions that were asked for and not refused at once.
    asked: u8,
}

impl World {
    pub(super) fn new(seed: u64, setting: Setting) -> Self {
        let agents = (0..setting.workers).map(|at| Agent::new(name(at), 1, 0)).collect();
        let mut world = Self {
            random: fastrand::Rng::with_seed(seed),
            setting,
            now: 0,
            leader: Some(Leader::first()),
            term: 1,
            store: Store::default(),
            away: None,
            desired: BTreeMap::new(),
            agents,
            events: BTreeMap::new(),
            number: 0,
            published: 0,
            served: BTreeMap::new(),
            windows: Vec::new(),
            of: 1,
            start: None,
            report: None,
            levelled: Vec::new(),
            modules: BTreeSet::new(),
            asked: 0,
        };
        world.submit();
        world
    }

    fn submit(&mut self) {
        let load = Load::Arrivals {
            rate: Curve { start: 48.0, stages: Vec::new(), hold: true },
            poisson: false,
            preallocated: 10,
            max_users: 100,
            max_lag: Duration::from_secs(10),
        };
        let plan = testing::plan_of(load, Some(Duration::from_micros(RUN_TIME)));
        let on_worker_lost = self.setting.on_worker_lost;
        let fleet = FleetSettings { on_worker_lost, ..FleetSettings::default() };
        let new = NewRun {
            plan: Arc::new(RunPlan { fleet, ..plan }),
            description: testing::description(),
            expect_workers: self.setting.workers as u32,
            max_wait: Duration::from_secs(60),
            shaped: false,
        };
        let now = self.time();
        let leader = self.leader.as_mut().unwrap();
        let effects = leader.machine.start(now, new).unwrap();
        leader.hold(effects);
    }

    /// One fault of each kind, some time apart, in this order.
    pub(super) fn plan_of(&mut self, faults: &[Fault]) -> Vec<Befalls> {
        let mut at = 8 * SECOND;
        let mut plan = Vec::new();
        for fault in faults {
            at += self.random.u64(0..8 * SECOND);
            let (which, lasts) = (self.random.usize(..), self.random.u64(100_000..12 * SECOND));
            plan.push(Befalls { at, fault: *fault, which, lasts });
            at += 4 * SECOND;
        }
        plan
    }

    pub(super) fn any_faults(&mut self) -> Vec<Befalls> {
        let all = [
            Fault::Crash,
            Fault::Restart,
            Fault::Pause,
            Fault::Cut,
            Fault::Drain,
            Fault::Join,
            Fault::FailingJoin,
            Fault::Fail,
            Fault::Kill,
        ];
        let count = self.random.usize(1..5);
        let chosen: Vec<Fault> = (0..count).map(|_| all[self.random.usize(..all.len())]).collect();
        self.plan_of(&chosen)
    }

    /// Until the run is over.
    pub(super) fn play(&mut self, faults: &[Befalls]) {
        let mut faults = faults.to_vec();
        faults.reverse();
        let (mut next_tick, mut next_checkpoint) = (0, 0);
        while self.report.is_none() {
            assert!(self.now < 300 * SECOND, "the run does not end");
            self.now += STEP;
            // A run that has not begun ends by a fault, and shows nothing of what is looked for here.
            let has_begun = self.start.is_some_and(|start| start <= self.now);
            while has_begun && faults.last().is_some_and(|fault| fault.at <= self.now) {
                let fault = faults.pop().unwrap();
                self.befall(fault);
            }
            while let Some(entry) = self.events.first_entry() {
                if entry.key().0 > self.now {
                    break;
                }
                match entry.remove() {
                    Event::Reaches(report) => self.hear(*report),
                    Event::Look(at) => self.look(at),
                }
            }
            if self.away.is_some_and(|(_, until)| until <= self.now) {
                self.elect();
            }
            if self.now >= next_checkpoint {
                next_checkpoint = self.now + CHECKPOINT;
                self.leader.iter().for_each(|leader| self.store.checkpoint(leader));
            }
            if self.now >= next_tick {
                next_tick = self.now + TICK;
                self.feed(Input::Tick);
            }
            self.keep();
            (0..self.agents.len()).for_each(|at| self.live(at));
            if self
                .start
                .is_some_and(|start| self.now.abs_diff(start + RUN_TIME - 4 * SECOND) < STEP)
            {
                let works = |agent: &&Agent| agent.alive && agent.job.is_some();
                let share = |agent: &Agent| {
                    (
                        agent.id.clone(),
                        agent.share().map_or_else(Vec::new, |share| share.slots().to_vec()),
                    )
                };
                self.levelled = self.agents.iter().filter(works).map(share).collect();
                self.modules = self.agents.iter().filter(works).filter_map(Agent::module).collect();
            }
        }
    }

    fn befall(&mut self, befalls: Befalls) {
        match befalls.fault {
            Fault::Join | Fault::FailingJoin => {
                let mut agent = Agent::new(name(self.agents.len()), 1, self.now);
                if befalls.fault == Fault::FailingJoin {
                    agent.troubles =
                        [("download", 1), ("download", 9), ("compile", 1)][befalls.which % 3];
                }
                return self.agents.push(agent);
            }
            Fault::Kill => return self.kill(self.now + befalls.lasts / 3),
            Fault::Change => return self.ask_for_version(),
            _ => {}
        }
        let well = |agent: &Agent| agent.hears(self.now) && !agent.draining && !agent.failed;
        let there: Vec<usize> =
            (0..self.agents.len()).filter(|at| well(&self.agents[*at])).collect();
        if there.len() < 2 {
            return; // somebody must be left
        }
        let at = there[befalls.which % there.len()];
        let until = (self.now + befalls.lasts).min(CALM);
        match befalls.fault {
            Fault::Unable => {
                self.agents[at].unable_until = until;
                return;
            }
            Fault::Drain => self.agents[at].draining = true,
            Fault::Pause => self.agents[at].paused_until = until,
            Fault::Cut => self.agents[at].cut_until = until,
            Fault::Crash => self.agents[at].alive = false,
            Fault::Restart => {
                let (id, incarnation) = (self.agents[at].id.clone(), self.agents[at].incarnation);
                self.agents[at].alive = false;
                let mut agent = Agent::new(id, incarnation + 1, until);
                agent.paused_until = until;
                // The old process is dead at once; the new one speaks only later.
                self.mark(at, until);
                self.agents[at] = agent;
                return;
            }
            Fault::Fail => {
                self.mark(at, self.now);
                let code = ["fault", "load", "shard"][befalls.which % 3];
                return self.agents[at].fail(self.now, code);
            }
            Fault::Join | Fault::FailingJoin | Fault::Kill | Fault::Change => {}
        }
        if befalls.fault != Fault::Drain {
            let seen = if befalls.fault == Fault::Crash { self.now } else { until };
            self.mark(at, seen);
        }
    }

    fn ask_for_version(&mut self) {
        let now = self.time();
        let Some(leader) = &mut self.leader else { return };
        let (run, module) = (testing::run_id(), Digest::new([100 + self.asked; 32]));
        // Refused while another one is on its way.
        let asked = leader.machine.change_scenario(now, &run, module, testing::description());
        if let Ok(effects) = asked {
            self.asked += 1;
            leader.hold(effects);
        }
    }

    /// What a worker has, or is to get, may be missing or doubled until its fault is over and seen.
    fn mark(&mut self, at: usize, until: Time) {
        let agent = &self.agents[at];
        // Who had not begun yet leaves out what was due from the start on.
        let from = agent.share().map_or(0, |_| self.now.saturating_sub(SECOND));
        let held = agent.shares().flat_map(|share| share.slots().to_vec());
        let slots = held.map(|slot| (slot, from)).collect();
        self.windows.push(Window { to: until + TRACES, worker: agent.id.clone(), slots });
        self.widen();
    }

    /// So many messages may be lost that a worker is given up which is well: that is a fault, too.
    fn mark_if_given_up(&mut self, worker: &WorkerId, assignment: &Assignment) {
        let at = self.agents.iter().position(|agent| agent.id == *worker);
        let is_given_up = assignment
            .work
            .as_ref()
            .is_some_and(|work| work.share.is_empty() && work.share_from == EPOCH + self.now);
        if let Some(at) = at.filter(|_| is_given_up) {
            self.mark(at, self.now);
        }
    }

    /// Adds what workers with faults are told, and what is on its way.
    fn widen(&mut self) {
        let held: BTreeSet<u32> = self.desired.values().flat_map(slots_of).collect();
        let moving: Vec<u32> = (0..self.of).filter(|slot| !held.contains(slot)).collect();
        for window in self.windows.iter_mut().filter(|window| window.to >= self.now) {
            let told = self.desired.get(&window.worker);
            let work = told.and_then(|assignment| assignment.work.as_ref());
            // What it was told and has not heard of is left out from the instant on that it was told.
            let since = work.map_or(self.now, |work| work.share_from.saturating_sub(EPOCH));
            let since = since.min(self.now.saturating_sub(SECOND));
            for slot in told.into_iter().flat_map(slots_of).chain(moving.iter().copied()) {
                window.slots.entry(slot).or_insert(since);
            }
        }
    }

    fn time(&self) -> Now {
        Now { mono: Duration::from_micros(self.now), wall: EPOCH + self.now }
    }

    /// Intervals are kept for whoever leads next; all else is for whoever leads now.
    fn hear(&mut self, report: Report) {
        if let Report::Interval(interval) = &report {
            self.store.take((**interval).clone());
        }
        self.feed(Input::Report(report));
    }

    fn feed(&mut self, input: Input) {
        let now = self.time();
        let Some(leader) = &mut self.leader else { return };
        let effects = leader.machine.handle(now, input);
        for effect in &effects {
            if let Effect::Assign(worker, assignment) = effect {
                self.mark_if_given_up(worker, assignment);
            }
        }
        if let Some(leader) = &mut self.leader {
            leader.hold(effects);
        }
    }

    /// The leader saves what it has decided, and then says it.
    fn keep(&mut self) {
        let (now, takes) = (self.time(), self.random.u64(0..SAVE));
        let Some(leader) = &mut self.leader else { return };
        let effects = leader.keep(now, takes, &mut self.store);
        self.apply(effects);
    }

    fn kill(&mut self, until: Time) {
        if let Some(leader) = self.leader.take() {
            leader.die(self.random.bool(), &mut self.store);
            self.away = Some((self.now, until));
        }
    }

    /// The next leader goes on from what was saved.
    fn elect(&mut self) {
        self.term += 1;
        let (died, _) = self.away.take().unwrap();
        self.leader = Some(Leader::next(self.term, self.time(), &self.store));
        for interval in self.store.rest() {
            self.feed(Input::Report(Report::Interval(Box::new(interval))));
        }
        // Nobody saw meanwhile what befell workers.
        let unseen = self.now - died + LISTENS;
        self.windows
            .iter_mut()
            .filter(|window| window.to >= died)
            .for_each(|window| window.to += unseen);
    }

    fn apply(&mut self, effects: Vec<Effect>) {
        for effect in effects {
            match effect {
                Effect::Assign(worker, assignment) => {
                    self.note(&assignment);
                    let at = self.agents.iter().position(|agent| agent.id == worker);
                    let before = self.desired.insert(worker, assignment.clone());
                    assert!(before.is_none_or(|before| before.generation < assignment.generation));
                    self.widen();
                    if let Some(at) = at.filter(|_| !self.is_lost()) {
                        let delay = self.random.u64(1_000..200_000);
                        self.later(delay, Event::Look(at));
                    }
                }
                Effect::Finished(_, report) => self.report = Some(report),
                Effect::Started(_, result) => result.unwrap(),
                Effect::AskShape(..) => {}
            }
        }
    }

    fn note(&mut self, assignment: &Assignment) {
        let Some(work) = &assignment.work else { return };
        self.of = work.share.of();
        if let loadhost_model::wire::Step::Run { start, .. } = work.step {
            self.start = Some(start - EPOCH);
        }
    }

    fn is_lost(&mut self) -> bool {
        self.random.f64() < self.setting.loss
    }

    fn later(&mut self, delay: Time, event: Event) {
        self.number += 1;
        self.events.insert((self.now + delay, self.number), event);
    }

    /// A worker reads what is wanted of it.
    fn look(&mut self, at: usize) {
        let agent = &mut self.agents[at];
        if agent.hears(self.now)
            && let Some(assignment) = self.desired.get(&agent.id)
        {
            agent.apply(self.now, assignment);
        }
    }

    fn live(&mut self, at: usize) {
        let now = self.now;
        if !self.agents[at].runs(now) {
            return;
        }
        let served = &mut self.served;
        self.agents[at].work(now, &mut |n| *served.entry(n).or_default() += 1);
        if !self.agents[at].hears(now) {
            return;
        }
        if now >= self.agents[at].next_poll {
            self.agents[at].next_poll = now + POLL;
            self.look(at);
        }
        for interval in std::mem::take(&mut self.agents[at].outbox) {
            self.published += testing::requests(&interval);
            for _ in 0..1 + u32::from(self.random.f64() < 0.1) {
                let delay = self.random.u64(1_000..800_000);
                self.later(
                    delay,
                    Event::Reaches(Box::new(Report::Interval(Box::new(interval.clone())))),
                );
            }
        }
        let agent = &mut self.agents[at];
        if now >= agent.next_beat || std::mem::take(&mut agent.news) {
            agent.next_beat = now + BEAT;
            let status = agent.status();
            for _ in 0..1 + u32::from(self.random.f64() < 0.05) {
                if !self.is_lost() {
                    let delay = self.random.u64(1_000..300_000);
                    self.later(delay, Event::Reaches(Box::new(Report::Status(status.clone()))));
                }
            }
        }
    }
}

fn slots_of(assignment: &Assignment) -> Vec<u32> {
    assignment.work.as_ref().map_or_else(Vec::new, |work| work.share.slots().to_vec())
}

fn name(at: usize) -> WorkerId {
    testing::worker(&format!("w{at}"))
}
