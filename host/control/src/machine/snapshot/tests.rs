#![allow(clippy::unwrap_used)]
//! A machine that was saved and read again goes on as the one that was not.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use fastrand::Rng;
use loadhost_model::id::{Term, WorkerId};
use loadhost_model::plan::RunPlan;
use loadhost_model::profile::{Change, Curve, Load};
use loadhost_model::wire::{Assignment, Report, StopMode, WorkerState};
use proptest::prelude::*;

use super::*;
use crate::machine::{Input, NewRun};
use crate::ports::ShapeTarget;
use crate::testing::{self, description, interval, plan, plan_of, run_id, secs, status, worker};

const NAMES: [&str; 3] = ["a", "b", "c"];

/// Something that happens, to several machines alike.
#[derive(Debug, Clone)]
enum Event {
    Start(bool),
    Stop(StopMode),
    Change(u32),
    Reset,
    Drain(WorkerId, bool),
    Input(InputOf),
}

#[derive(Debug, Clone)]
enum InputOf {
    Tick,
    Report(Box<Report>),
    Shape(Option<u32>),
    Slept,
}

/// Events as a fleet would make them, with accidents.
struct World {
    random: Rng,
    now: Now,
    assigned: BTreeMap<WorkerId, Assignment>,
    seqs: BTreeMap<WorkerId, u64>,
}

impl World {
    fn new(seed: u64) -> Self {
        let now = Now { mono: Duration::ZERO, wall: 1_700_000_000_000_000 };
        Self { random: Rng::with_seed(seed), now, assigned: BTreeMap::new(), seqs: BTreeMap::new() }
    }

    fn next(&mut self) -> Event {
        let passed = self.random.u64(0..400);
        self.now.mono += Duration::from_millis(passed);
        self.now.wall += passed * 1_000;
        match self.random.u32(0..100) {
            0..=2 => Event::Start(self.random.bool()),
            3 => Event::Stop(if self.random.bool() { StopMode::Now } else { StopMode::Graceful }),
            4..=6 => Event::Change(self.random.u32(1..50)),
            7 => Event::Reset,
            8..=10 => {
                Event::Input(InputOf::Shape(self.random.bool().then_some(self.random.u32(1..50))))
            }
            11 => Event::Input(InputOf::Slept),
            12..=13 => Event::Drain(self.somebody(), self.random.bool()),
            14..=40 => Event::Input(InputOf::Tick),
            41..=75 => Event::Input(InputOf::Report(Box::new(self.status()))),
            _ => Event::Input(InputOf::Report(Box::new(self.interval()))),
        }
    }

    fn somebody(&mut self) -> WorkerId {
        worker(NAMES[self.random.usize(0..NAMES.len())])
    }

    fn status(&mut self) -> Report {
        let id = self.somebody();
        let state = match self.random.u32(0..9) {
            0 => WorkerState::Idle,
            1 => WorkerState::Preparing,
            2 => WorkerState::Ready,
            3 => WorkerState::SetUp { data: "data".into() },
            4..=5 => WorkerState::Running,
            6 => WorkerState::Stopped { last_seq: self.seqs.get(&id).copied().unwrap_or(0) },
            7 => WorkerState::TornDown,
            _ if self.random.u32(0..8) == 0 => {
                WorkerState::Failed { code: "compile".into(), message: "no".into() }
            }
            _ => WorkerState::Stopping,
        };
        let incarnation = 1 + u64::from(self.random.u32(0..40) == 0);
        let mut status = status(&id, incarnation, state);
        if let Some(assignment) = self.assigned.get(&id) {
            status.applied = (assignment.term, assignment.generation);
            status.run = assignment.work.as_ref().map(|work| work.plan.run.clone());
        }
        Report::Status(status)
    }

    fn interval(&mut self) -> Report {
        let id = self.somebody();
        let seq = self.seqs.entry(id.clone()).or_default();
        *seq += self.random.u64(0..3); // some twice, some never
        let times = [1_000 * (*seq % 7) + 1, 20_000];
        let names: [(&str, &[u64]); 2] = [("/", &times), ("/buy", &times[..1])];
        Report::Interval(Box::new(interval(&id, (*seq).max(1), &names)))
    }

    /// What a machine makes of it, as text.
    fn play(&self, machine: &mut Machine, event: &Event) -> (Vec<Effect>, String) {
        let effects = match event.clone() {
            Event::Start(shaped) => {
                machine.start(self.now, new_run(shaped)).map_err(|error| error.to_string())
            }
            Event::Stop(mode) => {
                machine.stop(self.now, &run_id(), mode).map_err(|error| error.to_string())
            }
            Event::Change(users) => {
                let change = Change::Users { users, spawn_rate: None };
                let changed = machine.change(self.now, &run_id(), None, &change);
                changed.map_err(|error| error.to_string())
            }
            Event::Reset => {
                let reset = machine.reset(self.now, &run_id());
                reset.map(|()| Vec::new()).map_err(|error| error.to_string())
            }
            Event::Drain(worker, drained) => {
                machine.drain(self.now, &worker, drained).map_err(|error| error.to_string())
            }
            Event::Input(input) => Ok(machine.handle(
                self.now,
                match input {
                    InputOf::Tick => Input::Tick,
                    InputOf::Slept => Input::Slept,
                    InputOf::Report(report) => Input::Report(*report),
                    InputOf::Shape(users) => {
                        let spawn_rate = f64::NAN; // at once
                        let target = users.map(|users| ShapeTarget { users, spawn_rate });
                        Input::Shape(run_id(), Ok(target))
                    }
                },
            )),
        };
        let said = format!("{effects:?}");
        (effects.unwrap_or_default(), said)
    }
}

fn new_run(shaped: bool) -> NewRun {
    let users = Curve { start: 5.0, stages: Vec::new(), hold: true };
    let plan = if shaped { plan_of(Load::Shaped { users }, Some(secs(60))) } else { plan(60) };
    let thresholds = vec!["http_req_duration p(95) < 1ms".parse().unwrap()];
    let plan = RunPlan { thresholds, warm_up: Some(secs(2)), ..plan };
    NewRun {
        plan: Arc::new(plan),
        description: description(),
        expect_workers: 2,
        max_wait: secs(10),
        shaped,
    }
}

/// Through bytes, as a successor would get it.
fn copy(machine: &Machine, now: Now) -> Machine {
    let snapshot = Snapshot::read(&machine.snapshot(now)).unwrap();
    let numbers = machine.runs.iter().map(|(id, run)| {
        let read = Aggregate::from_sections(&run.aggregate.to_sections()).unwrap();
        assert_eq!(read, run.aggregate);
        (id.clone(), read)
    });
    let reports = machine.finished.iter().map(|(_, _, report)| {
        let read = RunReport::from_bytes(&report.to_bytes()).unwrap();
        assert_eq!(read, **report);
        read
    });
    let (numbers, reports) = (numbers.collect(), reports.collect());
    snapshot.into_machine(machine.config.clone(), numbers, reports)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(150))]
    #[test]
    fn a_saved_machine_goes_on_like_the_one_that_was_not(seed: u64, save_at in 0usize..250) {
        let mut world = World::new(seed);
        let mut original = Machine::new(CoordinatorConfig::default());
        let mut saved: Option<Machine> = None;
        for step in 0..300 {
            let event = world.next();
            let (effects, said) = world.play(&mut original, &event);
            if let Some(saved) = &mut saved {
                prop_assert_eq!(&world.play(saved, &event).1, &said, "step {}: {:?}", step, event);
                prop_assert_eq!(saved.show(world.now), original.show(world.now), "step {}", step);
            }
            for effect in effects {
                if let Effect::Assign(worker, assignment) = effect {
                    world.assigned.insert(worker, assignment);
                }
            }
            if step == save_at {
                saved = Some(copy(&original, world.now));
            }
        }
    }
}

#[test]
fn another_version_is_refused_by_name() {
    let machine = Machine::new(CoordinatorConfig::default());
    let bytes = machine.snapshot(Now { mono: Duration::ZERO, wall: 0 });
    let text = String::from_utf8(bytes).unwrap().replacen("\"version\":1", "\"version\":7", 1);
    let error = Snapshot::read(text.as_bytes()).unwrap_err();
    assert!(matches!(error, Unreadable::Version { theirs: 7, ours: 1, .. }), "{error:?}");
    assert!(error.to_string().contains("version 7"), "{error}");
    assert!(matches!(Snapshot::read(b"nonsense"), Err(Unreadable::Malformed { .. })));
    let mut sections = Aggregate::new(&plan(1), &description()).to_sections();
    sections[0][0] = 9;
    let error = Aggregate::from_sections(&sections).unwrap_err();
    assert!(error.to_string().contains("version 9"), "{error}");
}

#[test]
fn a_wall_clock_that_jumped_moves_walls_and_not_the_run() {
    let saved = Now { mono: secs(100), wall: 1_000_000_000 };
    let machine = Machine::new(CoordinatorConfig::default());
    let check = |wall: u64, age: Option<u64>, mono: u64, shift: i64| {
        let snapshot = Snapshot::read(&machine.snapshot(saved)).unwrap();
        let found = snapshot.clock(wall, age.map(Duration::from_millis));
        assert_eq!(found, (Duration::from_millis(mono), shift), "{wall} after {age:?}");
    };
    check(1_002_000_000, Some(1_900), 102_000, 0); // clocks agree; saving took a moment
    check(4_602_000_000, Some(2_000), 102_000, 3_600_000_000); // an hour ahead
    check(400_000_000, Some(2_000), 102_000, -602_000_000); // ten minutes behind
    check(1_002_000_000, None, 102_000, 0);
    check(999_000_000, None, 100_000, -1_000_000); // never backwards
}

#[test]
fn a_successor_states_again_what_everybody_is_to_do() {
    let mut world = World::new(1);
    let mut machine = Machine::new(CoordinatorConfig::default());
    let hear = |world: &mut World, machine: &mut Machine, name: &str, state: WorkerState| {
        let mut status = status(&worker(name), 1, state);
        if let Some(assignment) = world.assigned.get(&worker(name)) {
            status.applied = (assignment.term, assignment.generation);
            status.run = assignment.work.as_ref().map(|work| work.plan.run.clone());
        }
        let effects = machine.handle(world.now, Input::Report(Report::Status(status)));
        for effect in effects {
            if let Effect::Assign(worker, assignment) = effect {
                world.assigned.insert(worker, assignment);
            }
        }
    };
    for name in ["a", "b"] {
        hear(&mut world, &mut machine, name, WorkerState::Idle);
    }
    let effects = machine.start(world.now, new_run(false)).unwrap();
    for effect in effects {
        if let Effect::Assign(worker, assignment) = effect {
            world.assigned.insert(worker, assignment);
        }
    }
    for name in ["a", "b"] {
        hear(&mut world, &mut machine, name, WorkerState::Ready);
    }
    hear(&mut world, &mut machine, "a", WorkerState::SetUp { data: "data".into() });
    let before = world.assigned.clone();

    let snapshot = Snapshot::read(&machine.snapshot(world.now)).unwrap();
    let config = CoordinatorConfig { term: Term(2), ..CoordinatorConfig::default() };
    let mut next = snapshot.into_machine(config, BTreeMap::new(), Vec::new());
    world.now.mono += secs(60); // silence that nobody listened to
    let effects = next.take_over(world.now, 0);
    let mut stated = BTreeMap::new();
    for effect in effects {
        let Effect::Assign(worker, assignment) = effect else { panic!("{effect:?}") };
        assert_eq!(assignment.term, Term(2));
        assert!(assignment.generation > before[&worker].generation);
        stated.insert(worker, assignment.work);
    }
    let work: BTreeMap<_, _> =
        before.into_iter().map(|(worker, assignment)| (worker, assignment.work)).collect();
    assert_eq!(stated, work);
    assert!(next.handle(world.now, Input::Tick).is_empty(), "nobody is lost, nothing is over");
}

#[test]
fn a_worker_with_work_that_nobody_knows_of_is_told_to_be_idle() {
    let config = CoordinatorConfig { term: Term(2), ..CoordinatorConfig::default() };
    let mut machine = Machine::new(config);
    let now = Now { mono: secs(1), wall: 0 };
    let mut astray = testing::status(&worker("a"), 1, WorkerState::Running);
    (astray.run, astray.applied) = (Some(run_id()), (Term(1), 9));
    let effects = machine.handle(now, Input::Report(Report::Status(astray.clone())));
    let [Effect::Assign(to, Assignment { term: Term(2), work: None, .. })] = &effects[..] else {
        panic!("{effects:?}")
    };
    assert_eq!(*to, worker("a"));
    astray.applied.0 = Term(2);
    let effects = machine.handle(now, Input::Report(Report::Status(astray)));
    assert!(effects.is_empty(), "it knows by now: {effects:?}");
}
