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

use super::{Effect, Input, Machine, NewRun, Now};
use crate::config::CoordinatorConfig;
use crate::error::{ControlError, StartError};
use crate::ports::{ShapeNow, ShapeTarget};
use crate::report::{EndReason, RunReport};
use crate::testing::{self, description, interval, plan, plan_of, run_id, secs, status, worker};
use crate::view::{Liveness, RunState, RunView, ThresholdState};

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

#[test]
fn a_run_goes_through_all_its_steps() {
    let both = ["a", "b"];
    let mut stage = Stage::started(&both, plan(3));
    assert_eq!(stage.started, Some(Ok(())));
    assert_eq!(stage.step("a"), Some(&Step::Prepare));
    let segment = |name: &str| stage.assigned[&worker(name)].work.as_ref().unwrap().segment;
    assert_eq!([segment("a").index(), segment("b").index(), segment("a").of()], [0, 1, 2]);

    stage.says("a", WorkerState::Preparing);
    stage.says("a", WorkerState::Ready);
    assert_eq!(stage.view().state, RunState::Preparing, "b is not ready yet");
    stage.says("b", WorkerState::Ready);
    assert_eq!(stage.step("a"), Some(&Step::Setup));
    assert_eq!(stage.step("b"), Some(&Step::Prepare), "one worker sets up");

    stage.says("a", WorkerState::SetUp { data: "token".into() });
    let run = Step::Run { start: 1_000_000 + 1_000_000, setup_data: "token".into() };
    assert_eq!((stage.step("a"), stage.step("b")), (Some(&run), Some(&run)), "one instant for all");
    assert_eq!(stage.view().state, RunState::Starting);
    stage.passes(secs(1));
    assert_eq!(stage.view().state, RunState::Running);

    stage.seconds(&both, 1..=3);
    assert_eq!(stage.view().state, RunState::Stopping, "the time is over");
    assert_eq!(stage.step("a"), Some(&run), "workers know the time themselves");
    stage.all_say(&both, &WorkerState::Stopped { last_seq: 3 });
    assert_eq!(stage.step("a"), Some(&Step::Teardown { setup_data: "token".into() }));
    stage.says("a", WorkerState::TornDown);

    assert_eq!(stage.ended(), &EndReason::Completed);
    let report = stage.report.clone().unwrap();
    assert_eq!((report.view.total.requests, report.view.elapsed), (12, secs(3)));
    assert_eq!(report.history.len(), 3);
    assert!(report.verdict.passed);
    assert!(
        stage.assigned.values().all(|assignment| assignment.work.is_none()),
        "all are free again"
    );
    assert_eq!(report.view.params["token"], "***");
    assert_eq!(report.view.params["shop"], "de");
}

#[test]
fn workers_that_do_not_stop_by_themselves_are_told() {
    let mut stage = Stage::running(&["a"], plan(1));
    stage.seconds(&["a"], 1..=1);
    assert!(matches!(stage.step("a"), Some(Step::Run { .. })));
    stage.passes(secs(1));
    assert_eq!(stage.step("a"), Some(&Step::Stop { mode: StopMode::Graceful }));
}

#[test]
fn too_few_workers_are_named_after_the_longest_wait() {
    let mut stage = Stage::new();
    stage.hears(status(&worker("a"), 1, WorkerState::Idle));
    stage.hears(WorkerStatus { draining: true, ..status(&worker("b"), 1, WorkerState::Idle) });
    stage.start(plan(3), 2, false);
    for _ in 0..59 {
        stage.now += secs(1);
        stage.hears(status(&worker("a"), 1, WorkerState::Idle));
        stage.hears(WorkerStatus { draining: true, ..status(&worker("b"), 1, WorkerState::Idle) });
    }
    assert_eq!(stage.started, None, "there is still time");
    stage.passes(secs(1));
    let error = stage.started.clone().unwrap().unwrap_err().to_string();
    assert_eq!(
        error,
        "1 of 2 expected workers can take part after 1m: `a`, `b` (draining); start more workers, or lower \
         `expect_workers`"
    );
    assert!(stage.assigned.is_empty());
}

#[test]
fn a_run_begins_when_the_last_expected_worker_comes() {
    let mut stage = Stage::new();
    stage.hears(status(&worker("a"), 1, WorkerState::Idle));
    stage.start(plan(3), 2, false);
    assert_eq!((&stage.started, stage.view().state), (&None, RunState::Waiting));
    stage.hears(status(&worker("b"), 1, WorkerState::Idle));
    assert_eq!((&stage.started, stage.view().state), (&Some(Ok(())), RunState::Preparing));
}

#[test]
fn a_worker_late_to_prepare_is_named() {
    let mut stage = Stage::started(&["a", "b"], plan(3));
    for _ in 0..30 {
        stage.now += secs(1);
        stage.says("a", WorkerState::Ready);
        stage.says("b", WorkerState::Preparing);
        stage.feed(Input::Tick);
    }
    stage.all_stop(&["a", "b"], 0);
    let EndReason::WorkerFailed { worker: Some(late), code, message } = stage.ended() else {
        panic!("{:?}", stage.ended())
    };
    assert_eq!((late.as_str(), code.as_str()), ("b", "prepare-timeout"));
    assert!(message.contains("`b` did not become ready within 30s"), "{message}");
}

#[test]
fn a_failed_worker_ends_the_run_with_its_own_words() {
    let mut stage = Stage::started(&["a", "b"], plan(3));
    stage.says("a", WorkerState::Ready);
    let message = "room for 100 users, not 500: sysctl -w vm.max_map_count=…";
    stage.says("b", WorkerState::Failed { code: "capacity".into(), message: message.into() });
    assert_eq!(stage.step("a"), Some(&Step::Stop { mode: StopMode::Now }));
    stage.says("a", WorkerState::Stopped { last_seq: 0 });
    stage.says("b", WorkerState::Stopped { last_seq: 0 });
    let expected = EndReason::WorkerFailed {
        worker: Some(worker("b")),
        code: "capacity".to_string(),
        message: message.to_string(),
    };
    assert_eq!(stage.ended(), &expected, "and there is no teardown without setup");
}

#[test]
fn a_scenario_may_abort_the_run_and_its_numbers_are_kept() {
    let mut stage = Stage::running(&["a"], plan(60));
    stage.seconds(&["a"], 1..=2);
    stage.says(
        "a",
        WorkerState::Failed { code: "abort-run".into(), message: "stock is empty".into() },
    );
    assert_eq!(stage.step("a"), Some(&Step::Stop { mode: StopMode::Graceful }));
    stage.sends(Interval { last: true, ..interval(&worker("a"), 3, &[("/", &[5])]) });
    stage.says("a", WorkerState::Stopped { last_seq: 3 });
    assert!(matches!(stage.step("a"), Some(Step::Teardown { .. })), "teardown also after an abort");
    stage.says("a", WorkerState::TornDown);
    assert_eq!(
        stage.ended(),
        &EndReason::AbortedByScenario { message: "stock is empty".to_string() }
    );
    assert_eq!(stage.report.as_ref().unwrap().view.total.requests, 5);
}

#[test]
fn a_failed_worker_that_says_no_more_is_waited_for_a_moment_only() {
    let mut stage = Stage::running(&["a"], plan(60));
    stage.says("a", WorkerState::Failed { code: "abort-run".into(), message: "no".into() });
    stage.passes(Duration::from_millis(1_900));
    assert_eq!(stage.view().state, RunState::Stopping);
    stage.passes(Duration::from_millis(200));
    assert_eq!(stage.view().state, RunState::TearingDown);
    stage.says(
        "a",
        WorkerState::Failed { code: "teardown".into(), message: "connection refused".into() },
    );
    assert!(stage.report.is_some(), "a failed teardown ends it");
    assert!(stage.notes().contains("`teardown` failed"), "{}", stage.notes());
}

#[test]
fn the_user_stops_a_run_in_each_of_its_stages() {
    let stop = |stage: &mut Stage, mode| {
        let effects = stage.machine.stop(stage.time(), &run_id(), mode).unwrap();
        stage.apply(effects);
    };
    let mut waiting = Stage::new();
    waiting.start(plan(3), 1, false);
    stop(&mut waiting, StopMode::Graceful);
    assert_eq!(waiting.started, Some(Err(StartError::Stopped)));
    assert_eq!(waiting.ended(), &EndReason::StoppedByUser);

    let mut preparing = Stage::started(&["a"], plan(3));
    stop(&mut preparing, StopMode::Graceful);
    preparing.says("a", WorkerState::Stopped { last_seq: 0 });
    assert_eq!(preparing.ended(), &EndReason::StoppedByUser);

    let mut running = Stage::running(&["a"], plan(60));
    running.seconds(&["a"], 1..=2);
    stop(&mut running, StopMode::Graceful);
    assert_eq!(running.step("a"), Some(&Step::Stop { mode: StopMode::Graceful }));
    stop(&mut running, StopMode::Now);
    assert_eq!(running.step("a"), Some(&Step::Stop { mode: StopMode::Now }), "twice hastens");
    running.all_stop(&["a"], 2);
    assert_eq!(running.ended(), &EndReason::StoppedByUser);
    assert_eq!(running.report.as_ref().unwrap().view.elapsed, secs(2));
    stop(&mut running, StopMode::Now); // over: no harm
    let unknown = running.machine.stop(running.time(), &"other".parse().unwrap(), StopMode::Now);
    assert_eq!(unknown.unwrap_err(), ControlError::UnknownRun("other".parse().unwrap()));
}

#[test]
fn a_worker_that_never_stops_is_stopped_at_once_and_then_given_up() {
    let mut stage = Stage::running(&["a", "b"], plan(60));
    let effects = stage.machine.stop(stage.time(), &run_id(), StopMode::Graceful).unwrap();
    stage.apply(effects);
    stage.says("b", WorkerState::Stopped { last_seq: 0 });
    for second in 1..=25 {
        stage.now += secs(1);
        stage.says("a", WorkerState::Running);
        stage.feed(Input::Tick);
        let graceful = stage.step("a") == Some(&Step::Stop { mode: StopMode::Graceful });
        // 5 s graceful stop, 10 s for on-stop, 5 s margin.
        assert_eq!(graceful, second < 20, "second {second}");
    }
    assert_eq!(stage.view().state, RunState::TearingDown);
    assert!(stage.notes().contains("`a` did not stop and was given up"), "{}", stage.notes());
}

#[test]
fn intervals_said_to_exist_are_waited_for_and_missed() {
    let mut stage = Stage::running(&["a"], plan(3));
    stage.seconds(&["a"], 1..=2);
    stage.now += secs(1);
    stage.says("a", WorkerState::Stopped { last_seq: 4 });
    assert_eq!(stage.view().state, RunState::Stopping, "3 and 4 are still to come");
    stage.sends(interval(&worker("a"), 4, &[("/", &[5])]));
    stage.passes(secs(2));
    assert_eq!(stage.view().state, RunState::Stopping, "3 is still to come");
    for _ in 0..10 {
        stage.now += secs(1);
        stage.says("a", WorkerState::Stopped { last_seq: 4 });
        stage.feed(Input::Tick);
    }
    assert_eq!(stage.view().state, RunState::TearingDown, "long enough");
    assert_eq!(stage.view().collection.missing, 1);
    assert!(stage.notes().contains("1 intervals of worker `a` are missing"), "{}", stage.notes());
}

#[test]
fn a_lost_worker_is_marked_and_welcome_back() {
    let both = ["a", "b"];
    let mut stage = Stage::running(&both, plan(60));
    stage.seconds(&both, 1..=2);
    stage.seconds(&["a"], 3..=9);
    let fleet = stage.machine.show(stage.time());
    assert_eq!(fleet.workers[1].liveness, Liveness::Lost);
    assert_eq!((stage.view().workers_lost, stage.view().state), (1, RunState::Running));
    assert!(stage.notes().contains("worker `b` is lost"), "{}", stage.notes());
    assert!(stage.notes().contains("1/2 of the load"), "{}", stage.notes());
    assert_eq!(stage.view().users, 5, "its users are no longer counted");
    stage.says("b", WorkerState::Running);
    assert_eq!(stage.view().workers_lost, 0);
    for seq in 3..=9 {
        stage.sends(interval(&worker("b"), seq, &[("/", &[1000, 2000])]));
    }
    stage.feed(Input::Tick);
    assert_eq!(stage.view().total.requests, 36, "what it measured meanwhile counts");
}

#[test]
fn a_run_without_any_worker_left_ends() {
    let mut stage = Stage::running(&["a"], plan(60));
    stage.seconds(&["a"], 1..=2);
    stage.passes(secs(6));
    let EndReason::WorkerFailed { code, message, .. } = stage.ended() else {
        panic!("{:?}", stage.ended())
    };
    assert_eq!((code.as_str(), message.as_str()), ("lost", "all workers are lost: `a`"));
    assert_eq!(stage.report.as_ref().unwrap().view.total.requests, 4);
}

#[test]
fn a_restarted_worker_joins_again_and_its_intervals_count_anew() {
    let mut stage = Stage::running(&["a"], plan(60));
    stage.seconds(&["a"], 1..=2);
    stage.now += secs(1);
    stage.says_as("a", 2, WorkerState::Idle);
    assert!(stage.notes().contains("worker `a` was restarted"), "{}", stage.notes());
    assert!(matches!(stage.step("a"), Some(Step::Run { .. })), "its assignment stands");
    stage.says_as("a", 2, WorkerState::Running);
    stage.sends(Interval {
        incarnation: Incarnation(2),
        begin: secs(3),
        end: secs(4),
        ..interval(&worker("a"), 1, &[("/", &[7])])
    });
    stage.says_as("a", 1, WorkerState::Stopped { last_seq: 2 }); // a late word of the old process
    assert_eq!(stage.view().state, RunState::Running);
    assert_eq!(stage.view().total.requests, 5);
}

#[test]
fn old_and_repeated_statuses_change_nothing() {
    let mut stage = Stage::started(&["a"], plan(60));
    let prepared = stage.assigned[&worker("a")].clone();
    stage.says("a", WorkerState::Ready);
    stage.says("a", WorkerState::SetUp { data: "1".into() });
    stage.says("a", WorkerState::Running);
    for state in
        [WorkerState::Preparing, WorkerState::Failed { code: "x".into(), message: "old".into() }]
    {
        let mut old = status(&worker("a"), 1, state);
        old.applied = (prepared.term, prepared.generation);
        old.run = Some(run_id());
        stage.hears(old);
    }
    stage.passes(secs(1));
    assert_eq!(stage.view().state, RunState::Running);
    let mut other_term = status(&worker("a"), 1, WorkerState::Stopped { last_seq: 0 });
    (other_term.applied, other_term.run) = ((Term(0), 99), Some(run_id()));
    stage.hears(other_term);
    assert_eq!(stage.view().state, RunState::Running, "of a former leadership");
}

#[test]
fn a_deposed_coordinator_says_nothing_more() {
    let mut stage = Stage::running(&["a"], plan(60));
    let before = stage.assigned.clone();
    let mut newer = status(&worker("a"), 1, WorkerState::Running);
    newer.applied = (Term(2), 1);
    stage.hears(newer);
    assert_eq!(stage.ended(), &EndReason::Interrupted);
    assert_eq!(stage.assigned, before, "no assignment after a newer term was seen");
    let another = RunPlan { run: "run-2".parse().unwrap(), ..plan(1) };
    let new = NewRun {
        plan: another.into(),
        description: description(),
        expect_workers: 1,
        max_wait: secs(1),
        shaped: false,
    };
    assert_eq!(stage.machine.start(stage.time(), new).unwrap_err(), StartError::Deposed);
}

#[test]
fn iterations_end_the_run_when_all_workers_are_done() {
    let load = Load::SharedIterations { users: 2, iterations: 10, max_duration: None };
    let mut stage = Stage::running(&["a", "b"], plan_of(load, None));
    stage.seconds(&["a", "b"], 1..=1);
    stage.says("a", WorkerState::Stopped { last_seq: 1 });
    stage.passes(secs(1));
    assert_eq!(stage.view().state, RunState::Running);
    assert_eq!(stage.view().remaining, None);
    stage.says("b", WorkerState::Stopped { last_seq: 1 });
    stage.says("a", WorkerState::TornDown);
    assert_eq!(stage.ended(), &EndReason::Completed);
}

#[test]
fn a_change_reaches_all_workers_ahead_of_its_time() {
    let mut stage = Stage::running(&["a", "b"], plan(60));
    stage.seconds(&["a", "b"], 1..=2);
    let change = Change::Users { users: 40, spawn_rate: None };
    let effects = stage.machine.change(stage.time(), &run_id(), None, &change).unwrap();
    stage.apply(effects);
    for name in ["a", "b"] {
        let work = stage.assigned[&worker(name)].work.clone().unwrap();
        let Load::Closed { users } = &work.plan.profile.phases[0].load else {
            panic!("another model")
        };
        assert!(
            matches!(work.step, Step::Run { start: 2_000_000, .. }),
            "the instant stays: {:?}",
            work.step
        );
        assert_eq!(
            users.value_at(Duration::from_millis(2_499)),
            Some(10.0),
            "half a second of lead"
        );
        assert_eq!(users.value_at(Duration::from_millis(2_501)), Some(40.0));
    }
    assert_eq!(stage.view().users_wanted, Some(10));
    stage.passes(secs(1));
    assert_eq!(stage.view().users_wanted, Some(40));
    let refused = Change::Rate { rate: 5.0, over: Duration::ZERO };
    let error = stage.machine.change(stage.time(), &run_id(), None, &refused).unwrap_err();
    assert!(matches!(error, ControlError::Refused(_)), "{error}");
}

#[test]
fn a_load_shape_is_asked_each_second_and_its_none_ends_the_run() {
    let users = Curve { start: 0.0, stages: Vec::new(), hold: true };
    let mut stage = Stage::started_shaped(&["a"], plan_of(Load::Shaped { users }, None), true);
    stage.says("a", WorkerState::Ready);
    stage.says("a", WorkerState::SetUp { data: "".into() });
    assert_eq!(
        stage.asked.len(),
        1,
        "before the start, so that users are there from the first moment"
    );
    let target = ShapeTarget { users: 7, spawn_rate: 2.0 };
    stage.feed(Input::Shape(run_id(), Ok(Some(target))));
    let profile =
        |stage: &Stage| stage.assigned[&worker("a")].work.as_ref().unwrap().plan.profile.clone();
    let Load::Shaped { users } = &profile(&stage).phases[0].load else { panic!("another model") };
    assert_eq!(users.value_at(secs(10)), Some(7.0));
    let generation = stage.assigned[&worker("a")].generation;

    stage.passes(secs(1));
    stage.seconds(&["a"], 1..=1);
    assert_eq!(stage.asked.len(), 2);
    let last = stage.asked[1];
    assert_eq!((last.elapsed, last.users, last.rps, last.failure_ratio), (secs(1), 5, 2.0, 0.0));
    stage.feed(Input::Shape(run_id(), Ok(Some(target))));
    assert_eq!(stage.assigned[&worker("a")].generation, generation, "the same again is no news");

    stage.seconds(&["a"], 2..=2);
    stage.feed(Input::Shape(run_id(), Ok(None)));
    assert_eq!(
        stage.step("a"),
        Some(&Step::Stop { mode: StopMode::Graceful }),
        "workers cannot know"
    );
    stage.all_stop(&["a"], 2);
    assert_eq!(stage.ended(), &EndReason::Completed);
}

#[test]
fn a_broken_threshold_ends_the_run_but_not_before_its_time() {
    let mut broken = plan(60);
    broken.thresholds = vec!["http_req_duration p(95) < 1ms".parse().unwrap()];
    broken.thresholds[0].abort_after = Some(secs(3));
    let mut stage = Stage::running(&["a"], broken);
    stage.seconds(&["a"], 1..=2);
    let threshold = stage.view().thresholds[0].clone();
    assert_eq!((threshold.state, threshold.value), (ThresholdState::Broken, Some(2.0)));
    assert_eq!(threshold.broken_since, Some(secs(1)));
    assert_eq!(stage.view().state, RunState::Running, "too early");
    stage.seconds(&["a"], 3..=3);
    assert_eq!(stage.step("a"), Some(&Step::Stop { mode: StopMode::Graceful }));
    stage.all_stop(&["a"], 3);
    let threshold = "http_req_duration p(95) < 1ms".to_string();
    assert_eq!(stage.ended(), &EndReason::ThresholdAbort { threshold });
    assert!(!stage.report.as_ref().unwrap().verdict.passed);
}

#[test]
fn no_data_never_passes() {
    let mut silent = plan(1);
    silent.thresholds =
        ["http_req_failed rate < 1%", "http_req_duration{name=other} p(95) < 9s", "vus max < 100"]
            .map(|text| text.parse().unwrap())
            .to_vec();
    let mut stage = Stage::running(&["a"], silent);
    stage.now += secs(1);
    stage.says("a", WorkerState::Running);
    stage.sends(interval(&worker("a"), 1, &[]));
    stage.feed(Input::Tick);
    stage.all_stop(&["a"], 1);
    let verdict = &stage.report.as_ref().unwrap().verdict;
    let states: Vec<ThresholdState> =
        verdict.thresholds.iter().map(|threshold| threshold.state).collect();
    assert_eq!(states, [ThresholdState::NoData, ThresholdState::NoData, ThresholdState::Ok]);
    assert!(!verdict.passed);
    assert_eq!(verdict.failed().count(), 2);
}

#[test]
fn a_reset_and_a_warm_up_keep_seconds_out_of_the_totals_but_in_the_history() {
    let mut stage = Stage::running(&["a"], RunPlan { warm_up: Some(secs(2)), ..plan(60) });
    stage.seconds(&["a"], 1..=3);
    assert_eq!(
        (stage.view().total.requests, stage.view().counted),
        (2, secs(1)),
        "one second after the warm-up"
    );
    stage.machine.reset(stage.time(), &run_id()).unwrap();
    assert_eq!(stage.view().total.requests, 0);
    stage.seconds(&["a"], 4..=5);
    assert_eq!(stage.view().total.requests, 4);
    let counted: Vec<bool> = stage.view().history.iter().map(|point| point.counted).collect();
    assert_eq!(counted, [false, false, true, true, true]);
    assert_eq!(stage.view().window.rps, 2.0, "the window knows no reset");
}

#[test]
fn two_processes_under_one_name_are_told_apart() {
    let mut stage = Stage::new();
    for _ in 0..5 {
        stage.now += secs(1);
        stage.hears(status(&worker("a"), 1, WorkerState::Idle));
        stage.hears(status(&worker("a"), 2, WorkerState::Idle));
    }
    let fleet = stage.machine.show(stage.time());
    assert!(fleet.workers[0].name_clash);
    assert_eq!(fleet.workers[0].incarnation, Incarnation(2), "the newer one stays");
    assert_eq!(fleet.ignored["former_process"], 4);
}

#[test]
fn a_busy_worker_is_not_given_a_second_run() {
    let mut stage = Stage::running(&["a"], plan(60));
    stage.hears(status(&worker("b"), 1, WorkerState::Idle));
    stage.started = None;
    stage.start(RunPlan { run: "run-2".parse().unwrap(), ..plan(60) }, 1, false);
    assert_eq!(stage.started, Some(Ok(())));
    assert_eq!(stage.assigned[&worker("b")].work.as_ref().unwrap().plan.run.as_str(), "run-2");
    assert_eq!(stage.assigned[&worker("a")].work.as_ref().unwrap().plan.run, testing::run_id());
}
