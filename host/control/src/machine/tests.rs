#![allow(clippy::unwrap_used, clippy::expect_used)]
//! Histories played to the machine, and what it makes of them.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use loadhost_model::id::{Incarnation, Term, WorkerId};
use loadhost_model::interval::Interval;
use loadhost_model::plan::RunPlan;
use loadhost_model::profile::{Change, Curve, Load};
use loadhost_model::wire::{Assignment, Report, Step, StopMode, WorkerState, WorkerStatus};

use super::snapshot::Snapshot;
use super::{Effect, Input, Machine, NewRun, Now};
use crate::config::CoordinatorConfig;
use crate::error::{ControlError, StartError};
use crate::ports::{ShapeNow, ShapeTarget};
use crate::report::{EndReason, RunReport};
use crate::testing::{self, description, interval, plan, plan_of, run_id, secs, status, worker};
use crate::view::{Liveness, RunState, RunView, ThresholdState};

mod counted;
mod departures;
mod distribution;
mod fleet;
mod life;
mod load;
mod losses;
mod overdue;
mod shared;
mod trouble;
mod versions;

/// A machine, its clock, and what it has said.
struct Stage {
    machine: Machine,
    now: Duration,
    assigned: BTreeMap<WorkerId, Assignment>,
    started: Option<Result<(), StartError>>,
    asked: Vec<ShapeNow>,
    report: Option<Arc<RunReport>>,
}

impl Stage {
    fn new() -> Self {
        Self {
            machine: Machine::new(CoordinatorConfig::default()),
            now: Duration::ZERO,
            assigned: BTreeMap::new(),
            started: None,
            asked: Vec::new(),
            report: None,
        }
    }

    /// With these workers idle and heard of, and a run given to them.
    fn started(names: &[&str], plan: RunPlan) -> Self {
        Self::started_shaped(names, plan, false)
    }

    fn started_shaped(names: &[&str], plan: RunPlan, shaped: bool) -> Self {
        let mut stage = Self::new();
        for name in names {
            stage.hears(status(&worker(name), 1, WorkerState::Idle));
        }
        stage.start(plan, names.len() as u32, shaped);
        stage
    }

    /// As [`Self::started`], and on to the common instant.
    fn running(names: &[&str], plan: RunPlan) -> Self {
        let mut stage = Self::started(names, plan);
        stage.all_say(names, &WorkerState::Ready);
        stage.says(names[0], WorkerState::SetUp { data: "token".into() });
        stage.all_say(names, &WorkerState::Running);
        stage.passes(Duration::from_secs(1));
        stage
    }

    /// Another leader goes on from what is saved now.
    fn next_leader(&mut self) {
        let now = self.time();
        let snapshot = Snapshot::read(&self.machine.snapshot(now)).unwrap();
        let term = Term(self.machine.config.term.0 + 1);
        let config = CoordinatorConfig { term, ..CoordinatorConfig::default() };
        self.machine = snapshot.into_machine(config, BTreeMap::new(), Vec::new());
        self.assigned.clear();
        let effects = self.machine.take_over(now, 0);
        self.apply(effects);
    }

    fn time(&self) -> Now {
        Now { mono: self.now, wall: 1_000_000 + self.now.as_micros() as u64 }
    }

    fn start(&mut self, plan: RunPlan, expect_workers: u32, shaped: bool) {
        let new = NewRun {
            plan: Arc::new(plan),
            description: description(),
            expect_workers,
            max_wait: secs(60),
            shaped,
        };
        let effects = self.machine.start(self.time(), new).unwrap();
        self.apply(effects);
    }

    fn apply(&mut self, effects: Vec<Effect>) {
        for effect in effects {
            match effect {
                Effect::Assign(worker, assignment) => {
                    let before = self.assigned.insert(worker, assignment.clone());
                    assert!(before.is_none_or(|before| before.generation < assignment.generation));
                }
                Effect::Started(_, result) => self.started = Some(result),
                Effect::AskShape(_, now) => self.asked.push(now),
                Effect::Finished(_, report) => self.report = Some(report),
            }
        }
    }

    fn feed(&mut self, input: Input) {
        let effects = self.machine.handle(self.time(), input);
        self.apply(effects);
    }

    fn hears(&mut self, status: WorkerStatus) {
        self.feed(Input::Report(Report::Status(status)));
    }

    /// A status under the worker's newest assignment.
    fn says(&mut self, name: &str, state: WorkerState) {
        self.says_as(name, 1, state);
    }

    fn says_as(&mut self, name: &str, incarnation: u64, state: WorkerState) {
        let id = worker(name);
        let mut status = status(&id, incarnation, state);
        if let Some(assignment) = self.assigned.get(&id) {
            status.applied = (assignment.term, assignment.generation);
            status.run = assignment.work.as_ref().map(|work| work.plan.run.clone());
        }
        self.hears(status);
    }

    fn all_say(&mut self, names: &[&str], state: &WorkerState) {
        for name in names {
            self.says(name, state.clone());
        }
    }

    fn sends(&mut self, interval: Interval) {
        self.feed(Input::Report(Report::Interval(Box::new(interval))));
    }

    /// Time goes on, and nobody says anything.
    fn passes(&mut self, time: Duration) {
        self.now += time;
        self.feed(Input::Tick);
    }

    /// Seconds go by in which these workers are heard of and measure something.
    fn seconds(&mut self, names: &[&str], seqs: std::ops::RangeInclusive<u64>) {
        for seq in seqs {
            self.now += secs(1);
            for name in names {
                self.says(name, WorkerState::Running);
                self.sends(interval(&worker(name), seq, &[("/", &[1000, 2000])]));
            }
            self.feed(Input::Tick);
        }
    }

    /// All stop, having made so many intervals; the first of them tears down.
    fn all_stop(&mut self, names: &[&str], last_seq: u64) {
        self.all_say(names, &WorkerState::Stopped { last_seq });
        self.says(names[0], WorkerState::TornDown);
    }

    fn step(&self, name: &str) -> Option<&Step> {
        self.assigned.get(&worker(name))?.work.as_ref().map(|work| &work.step)
    }

    fn view(&self) -> Arc<RunView> {
        self.machine.show(self.time()).runs.last().unwrap().clone()
    }

    fn notes(&self) -> String {
        let notes: Vec<String> =
            self.view().notes.iter().map(|note| note.message.clone()).collect();
        notes.join("\n")
    }

    fn ended(&self) -> &EndReason {
        &self.report.as_ref().expect("the run is not over").ended
    }
}
