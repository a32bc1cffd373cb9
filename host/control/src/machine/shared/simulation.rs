//! Histories of workers that share rows, numbers, counters and a rendezvous, from seeds: words are lost, late,
//! doubled and out of order; workers die, are cut off, leave and come back; leaders die before and after they have saved.
//!
//! A failure names its seed; `LOADHOST_SEED=17` plays that history alone, `LOADHOST_HISTORIES=5000` more of them.

#![allow(clippy::unwrap_used)]

mod checks;
mod fake;

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use fastrand::Rng;
use loadhost_model::data::{DataFormat, DataSet, LostRows, RowOrder};
use loadhost_model::id::{Digest, Incarnation, Term, WorkerId};
use loadhost_model::plan::RunPlan;
use loadhost_model::wire::{Assignment, Report, StopMode, WorkerStatus};

use super::Shared;
use crate::config::CoordinatorConfig;
use crate::machine::snapshot::Snapshot;
use crate::machine::{Effect, Input, Machine, NewRun, Now};
use crate::report::{EndReason, RunReport};
use crate::testing::{self, run_id};
use crate::view::SharedView;
use fake::Process;

const STEP: u64 = 50_000;
const SECOND: u64 = 1_000_000;
const EPOCH: u64 = 1_000_000_000_000;
/// Words are under way for so long at most.
const LATEST: u64 = 600_000;
/// Faults are over by then.
const CALM: u64 = 40 * SECOND;
const ROWS: u64 = 3_000;
/// Users that meet.
const SIZE: u32 = 7;

/// What differs between kinds of histories.
#[derive(Debug, Clone, Copy)]
struct Setting {
    lost: LostRows,
    /// Of words, 0 to 1.
    loss: f64,
    /// Users may lose patience at the rendezvous.
    they_leave: bool,
    faults: &'static [Fault],
}

#[derive(Debug, Clone, Copy, PartialEq)]
enum Fault {
    /// A process dies, and a new one begins.
    Restart,
    /// A process dies.
    Crash,
    /// Neither hears nor is heard.
    Cut,
    /// Cannot go on, and is tried again.
    Fail,
    /// Ends its load by itself, and is free.
    Leave,
    /// Is told to go away.
    Drain,
    Join,
    /// Whoever leads dies.
    Kill,
}

const ALL: &[Fault] = &[
    Fault::Restart,
    Fault::Crash,
    Fault::Cut,
    Fault::Cut,
    Fault::Fail,
    Fault::Leave,
    Fault::Drain,
    Fault::Join,
    Fault::Kill,
    Fault::Kill,
];

/// Those that let no users end while their process goes on.
const STEADY: &[Fault] = &[Fault::Restart, Fault::Crash, Fault::Cut, Fault::Join, Fault::Kill];

/// What each process is known to have added to the counter, with the number of that word.
type Heard = BTreeMap<(WorkerId, Incarnation), (u64, i64)>;

struct World {
    random: Rng,
    setting: Setting,
    now: u64,
    term: u64,
    machine: Machine,
    saved: (u64, Vec<u8>, Heard),
    waiting: Vec<Effect>,
    desired: BTreeMap<WorkerId, Assignment>,
    processes: Vec<Process>,
    /// Those that died.
    dead: Vec<Process>,
    words: Vec<(u64, WorkerStatus)>,
    heard: Heard,
    report: Option<Arc<RunReport>>,
}

impl World {
    fn new(seed: u64, setting: Setting) -> Self {
        let mut world = Self {
            random: Rng::with_seed(seed),
            setting,
            now: 0,
            term: 1,
            machine: Machine::new(CoordinatorConfig::default()),
            saved: (0, Vec::new(), Heard::new()),
            waiting: Vec::new(),
            desired: BTreeMap::new(),
            processes: (0..3).map(|n| Process::new(&format!("w{n}"), 1)).collect(),
            dead: Vec::new(),
            words: Vec::new(),
            heard: Heard::new(),
            report: None,
        };
        world.machine.begin_saving();
        let new = NewRun {
            plan: Arc::new(plan(setting.lost)),
            description: testing::description(),
            expect_workers: 3,
            max_wait: Duration::from_secs(60),
            shaped: false,
        };
        let effects = world.machine.start(world.time(), new).unwrap();
        world.waiting.extend(effects);
        world
    }

    fn time(&self) -> Now {
        Now { mono: Duration::from_micros(self.now), wall: EPOCH + self.now }
    }

    fn shared(&self) -> Option<&Shared> {
        self.machine.runs.get(&run_id()).map(|run| &run.shared)
    }

    fn view(&self) -> SharedView {
        match &self.report {
            Some(report) => report.view.shared.clone(),
            None => self.shared().unwrap().show(),
        }
    }

    /// Until the run is over. False: it could not be begun, or nobody was left.
    fn play(&mut self) -> bool {
        let faults = self.setting.faults;
        while self.now < CALM && self.report.is_none() {
            if !faults.is_empty() && self.now > 3 * SECOND && self.random.u32(0..60) == 0 {
                let fault = faults[self.random.usize(..faults.len())];
                self.befall(fault);
            }
            self.goes_on();
        }
        if let Some(report) = &self.report {
            assert!(matches!(report.ended, EndReason::WorkerFailed { .. }), "{:?}", report.ended);
            return false;
        }
        // Until all rows are used, and all who wait for others have met.
        for process in &mut self.processes {
            process.is_hungry = true;
        }
        let end = CALM + 60 * SECOND;
        while self.now < end && !self.is_settled() {
            self.goes_on();
        }
        assert!(self.is_settled(), "rows are left, or somebody waits: {:#?}", self.view());
        self.check_settled();
        let effects = self.machine.stop(self.time(), &run_id(), StopMode::Graceful).unwrap();
        self.waiting.extend(effects);
        while self.report.is_none() {
            assert!(self.now < end + 60 * SECOND, "the run does not end");
            self.goes_on();
        }
        true
    }

    fn goes_on(&mut self) {
        self.now += STEP;
        for at in 0..self.processes.len() {
            if self.processes[at].hears(self.now)
                && let Some(assignment) = self.desired.get(&self.processes[at].id)
                && self.random.u32(0..3) == 0
            {
                self.processes[at].apply(assignment);
            }
            let they_leave = self.setting.they_leave && self.now < CALM;
            self.processes[at].works(self.now, &mut self.random, they_leave);
            self.speaks(at);
        }
        let (come, rest) =
            std::mem::take(&mut self.words).into_iter().partition(|(at, _)| *at <= self.now);
        self.words = rest;
        let come: Vec<(u64, WorkerStatus)> = come;
        for (_, status) in come {
            self.hear(status);
        }
        if self.now.is_multiple_of(100_000) {
            self.feed(Input::Tick);
        }
        self.keep();
    }

    /// A word on its way, perhaps lost, perhaps twice.
    fn speaks(&mut self, at: usize) {
        let Some(status) = self.processes[at].says(self.now) else { return };
        for _ in 0..1 + u32::from(self.random.u32(0..8) == 0) {
            if self.random.f64() >= self.setting.loss {
                let delay = self.random.u64(1_000..LATEST);
                self.words.push((self.now + delay, status.clone()));
            }
        }
    }

    fn hear(&mut self, status: WorkerStatus) {
        let of = (status.worker.clone(), status.incarnation);
        let is_former = self.heard.keys().any(|(id, other)| *id == of.0 && *other > of.1);
        if let (false, Some(value)) = (is_former, status.shared.counters.get(fake::COUNTER)) {
            let known = self.heard.entry(of).or_default();
            *known = (*known).max((status.shared.said, *value));
        } else if !is_former {
            self.heard.entry(of).or_default();
        }
        self.feed(Input::Report(Report::Status(status)));
    }

    fn feed(&mut self, input: Input) {
        let before = self.shared().map(|shared| shared.meetings.clone()).unwrap_or_default();
        let effects = self.machine.handle(self.time(), input);
        self.waiting.extend(effects);
        let Some(shared) = self.shared() else { return };
        shared.check_leases();
        for (name, meeting) in &shared.meetings {
            let before = before.get(name).cloned().unwrap_or_default();
            let (times, users) =
                (meeting.releases - before.releases, meeting.released - before.released);
            assert!(users >= times * u64::from(SIZE), "{users} users went on in {times} groups");
        }
    }

    /// Decisions are saved, and then they are seen.
    fn keep(&mut self) {
        if self.machine.version() > self.saved.0 {
            let bytes = self.machine.snapshot(self.time());
            self.saved = (self.machine.version(), bytes, self.heard.clone());
        }
        for effect in std::mem::take(&mut self.waiting) {
            match effect {
                Effect::Assign(worker, assignment) => {
                    let before = self.desired.insert(worker, assignment.clone());
                    let newer = |before: Assignment| {
                        (before.term, before.generation) < (assignment.term, assignment.generation)
                    };
                    assert!(before.is_none_or(newer));
                }
                Effect::Finished(_, report) => self.report = Some(report),
                Effect::Started(_, result) => result.unwrap(),
                Effect::AskShape(..) => {}
            }
        }
    }

    /// Another leader goes on from what was saved; what was decided since is gone, and so may be what was to be said.
    fn kill(&mut self) {
        if self.random.bool() && self.machine.version() > self.saved.0 {
            let bytes = self.machine.snapshot(self.time());
            self.saved = (self.machine.version(), bytes, self.heard.clone());
        }
        self.waiting.clear();
        self.term += 1;
        let config = CoordinatorConfig { term: Term(self.term), ..CoordinatorConfig::default() };
        let snapshot = Snapshot::read(&self.saved.1).unwrap();
        self.machine = snapshot.into_machine(config, BTreeMap::new(), Vec::new());
        self.heard.clone_from(&self.saved.2);
        self.saved.0 = 0;
        self.now += self.random.u64(0..40) * STEP;
        let effects = self.machine.take_over(self.time(), 0);
        self.waiting.extend(effects);
        self.keep();
    }

    fn befall(&mut self, fault: Fault) {
        let lasts = self.random.u64(SECOND / 10..10 * SECOND);
        let until = (self.now + lasts).min(CALM - SECOND);
        match fault {
            Fault::Kill if self.machine.runs.contains_key(&run_id()) => return self.kill(),
            Fault::Join if self.processes.len() + self.dead.len() < 6 => {
                let name = format!("x{}", self.processes.len() + self.dead.len());
                return self.processes.push(Process::new(&name, 1));
            }
            Fault::Kill | Fault::Join => return,
            _ => {}
        }
        // The first one stays well, so that the run goes on.
        let well = |at: &usize| *at > 0 && self.processes[*at].is_well(self.now);
        let there: Vec<usize> = (0..self.processes.len()).filter(well).collect();
        let Some(at) = self.random.choice(there) else { return };
        match fault {
            Fault::Crash => {
                let died = self.processes.remove(at);
                self.dead.push(died);
            }
            Fault::Restart => {
                let (id, next) = (&self.processes[at].id, self.processes[at].incarnation.0 + 1);
                let mut process = Process::new(id.as_str(), next);
                // Words of a process come in no later than the first of the next one.
                let begins = self.now + LATEST;
                process.cut_until = if self.random.bool() { until.max(begins) } else { begins };
                let died = std::mem::replace(&mut self.processes[at], process);
                self.dead.push(died);
            }
            Fault::Cut => self.processes[at].cut_until = until,
            Fault::Fail => self.processes[at].fail(),
            Fault::Leave => self.processes[at].leave(),
            Fault::Drain => self.processes[at].draining = true,
            Fault::Join | Fault::Kill => {}
        }
    }
}

fn plan(lost: LostRows) -> RunPlan {
    let data = |order: RowOrder, rows: u64| DataSet {
        digest: Digest::new([1; 32]),
        format: DataFormat::Csv,
        rows,
        order,
        lost,
    };
    let data = [("logins", data(RowOrder::Queue, ROWS)), ("goods", data(RowOrder::Circular, 10))];
    RunPlan {
        data: data.into_iter().map(|(name, data)| (name.to_string(), data)).collect(),
        ..testing::plan(3_600)
    }
}

fn histories(default: u64, setting: Setting) {
    crate::simulation::histories(default, |seed| {
        let mut world = World::new(seed, setting);
        if world.play() {
            world.check();
        }
    });
}

#[test]
fn in_quiet_weather_each_row_is_used_once_and_each_addition_counts() {
    let lost = LostRows::Withhold;
    histories(10, Setting { lost, loss: 0.0, they_leave: false, faults: &[] });
}

#[test]
fn words_that_are_lost_doubled_and_out_of_order_do_no_harm() {
    let lost = LostRows::Repeat;
    histories(20, Setting { lost, loss: 0.3, they_leave: true, faults: &[Fault::Kill] });
}

#[test]
fn whatever_happens_no_row_is_used_twice() {
    let lost = LostRows::Withhold;
    histories(60, Setting { lost, loss: 0.15, they_leave: true, faults: ALL });
}

#[test]
fn whatever_happens_each_row_is_used_if_they_may_be_repeated() {
    let lost = LostRows::Repeat;
    histories(60, Setting { lost, loss: 0.15, they_leave: true, faults: ALL });
}

#[test]
fn whatever_happens_nobody_goes_on_twice_from_a_rendezvous() {
    let lost = LostRows::Withhold;
    histories(40, Setting { lost, loss: 0.15, they_leave: false, faults: STEADY });
}
