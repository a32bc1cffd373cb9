//! Shares that change hands: workers that come, go, are lost and come back.

mod drain;

use loadhost_model::plan::{FleetSettings, LossPolicy};

use super::*;

pub(super) fn slots(stage: &Stage, name: &str) -> usize {
    stage.assigned[&worker(name)].work.as_ref().map_or(0, |work| work.share.slots().len())
}

fn share_from(stage: &Stage, name: &str) -> u64 {
    stage.assigned[&worker(name)].work.as_ref().unwrap().share_from
}

pub(super) fn plan_with(fleet: FleetSettings) -> RunPlan {
    RunPlan { fleet, ..plan(600) }
}

pub(super) fn on_loss(policy: LossPolicy) -> RunPlan {
    plan_with(FleetSettings { on_worker_lost: policy, ..FleetSettings::default() })
}

impl Stage {
    /// Tenths of a second in which these workers do as they are told at once.
    pub(super) fn goes_on(&mut self, names: &[&str], tenths: u32) {
        for _ in 0..tenths {
            self.now += Duration::from_millis(100);
            for name in names {
                self.obeys(name);
            }
            self.feed(Input::Tick);
        }
    }

    pub(super) fn obeys(&mut self, name: &str) {
        let said = self.obedient(name);
        self.hears(said);
    }

    /// The same of a worker that is to go away.
    pub(super) fn drains(&mut self, name: &str) {
        let said = WorkerStatus { draining: true, ..self.obedient(name) };
        self.hears(said);
    }

    /// Says that it has ended, as a process that was told to end or as one that goes on.
    pub(super) fn ends(&mut self, name: &str, last_seq: u64, draining: bool) {
        let said = self.obedient(name);
        self.hears(WorkerStatus { state: WorkerState::Stopped { last_seq }, draining, ..said });
    }

    /// What a worker says that does as it is told.
    pub(super) fn obedient(&self, name: &str) -> WorkerStatus {
        let id = worker(name);
        let mut said = status(&id, 1, WorkerState::Idle);
        if let Some(assignment) = self.assigned.get(&id) {
            said.applied = (assignment.term, assignment.generation);
            if let Some(work) = &assignment.work {
                said.run = Some(work.plan.run.clone());
                said.share_from = work.share_from;
                said.state = match work.step {
                    Step::Prepare => WorkerState::Ready,
                    Step::Setup => WorkerState::SetUp { data: "token".into() },
                    Step::Run { .. } => WorkerState::Running,
                    Step::Stop { .. } => WorkerState::Stopped { last_seq: 0 },
                    Step::Teardown { .. } => WorkerState::TornDown,
                };
            }
        }
        said
    }
}

#[test]
fn the_share_of_a_lost_worker_goes_to_the_others_within_three_seconds_and_a_bit() {
    let mut stage = Stage::running(&["a", "b"], on_loss(LossPolicy::Rebalance));
    stage.seconds(&["a", "b"], 1..=2);
    stage.goes_on(&["a"], 28);
    assert_eq!(slots(&stage, "a"), 120, "b is only suspect");
    stage.goes_on(&["a"], 4);
    assert_eq!((slots(&stage, "a"), slots(&stage, "b")), (240, 0));
    assert!(
        share_from(&stage, "a") >= stage.time().wall - 300_000,
        "from now on, not from the start"
    );
    stage.goes_on(&["a"], 1);
    let view = stage.view();
    assert_eq!((view.workers_lost, view.unserved, view.losses.len()), (1, 0.0, 1));
    let loss = &view.losses[0];
    assert_eq!((loss.worker.as_str(), loss.share, loss.moved), ("b", 0.5, true));
    assert!(loss.served.unwrap() - loss.at < Duration::from_millis(300), "{loss:?}");
    assert!(loss.unmeasured >= secs(3) && loss.unmeasured <= secs(4), "{loss:?}");
    assert!(stage.notes().contains("worker `b` is lost: nothing heard for 3s; its share, 50.0 % of the load, goes to others"), "{}", stage.notes());
}

#[test]
fn a_worker_that_was_cut_off_gives_up_its_old_share_and_gets_a_new_one() {
    let mut stage = Stage::running(&["a", "b"], on_loss(LossPolicy::Rebalance));
    stage.goes_on(&["a", "b"], 20);
    stage.goes_on(&["a"], 35);
    assert_eq!((slots(&stage, "a"), slots(&stage, "b")), (240, 0));
    stage.sends(Interval {
        begin: secs(3),
        end: secs(4),
        ..interval(&worker("b"), 1, &[("/", &[5])])
    });
    assert_eq!(stage.view().total.requests, 1, "what it measured while it was cut off counts");
    stage.goes_on(&["a", "b"], 2);
    assert!(stage.notes().contains("worker `b` is back"), "{}", stage.notes());
    assert!(stage.view().losses[0].returned.is_some());
    stage.goes_on(&["a", "b"], 80);
    assert_eq!((slots(&stage, "a"), slots(&stage, "b")), (120, 120));
}

#[test]
fn with_continue_the_share_waits_for_its_worker_and_with_abort_the_run_ends() {
    let mut stage = Stage::running(&["a", "b"], on_loss(LossPolicy::Continue));
    stage.goes_on(&["a", "b"], 20);
    stage.goes_on(&["a"], 40);
    assert_eq!((slots(&stage, "a"), stage.view().unserved), (120, 0.5));
    assert!(
        stage.notes().contains("50.0 % of the load is missing until it is back"),
        "{}",
        stage.notes()
    );
    stage.goes_on(&["a", "b"], 2);
    assert_eq!((stage.view().unserved, slots(&stage, "b")), (0.0, 120));

    let mut stage = Stage::running(&["a", "b"], on_loss(LossPolicy::Abort));
    stage.goes_on(&["a", "b"], 20);
    stage.goes_on(&["a"], 60);
    let EndReason::WorkerFailed { worker: Some(lost), code, .. } = stage.ended() else {
        panic!("{:?}", stage.ended())
    };
    assert_eq!((lost.as_str(), code.as_str()), ("b", "lost"));
}

#[test]
fn a_newcomer_gets_its_part_step_by_step_and_from_instants_that_givers_have_confirmed() {
    let mut stage = Stage::running(&["a", "b"], plan_with(FleetSettings::default()));
    stage.goes_on(&["a", "b"], 20);
    stage.hears(status(&worker("c"), 1, WorkerState::Idle));
    assert!(matches!(stage.step("c"), Some(Step::Run { .. })));
    assert_eq!(slots(&stage, "c"), 0);
    let mut most = 0;
    for _ in 0..60 {
        let before = slots(&stage, "c");
        stage.goes_on(&["a", "b", "c"], 1);
        most = most.max(slots(&stage, "c") - before);
        let held = slots(&stage, "a") + slots(&stage, "b") + slots(&stage, "c");
        assert!((216..=240).contains(&held), "{held}: a tenth is on its way at most");
        if slots(&stage, "c") > 0 {
            let givers = share_from(&stage, "a").max(share_from(&stage, "b"));
            assert!(share_from(&stage, "c") <= givers);
        }
    }
    assert_eq!([slots(&stage, "a"), slots(&stage, "b"), slots(&stage, "c")], [80, 80, 80]);
    assert!(most <= 24, "{most} at once");
}

#[test]
fn a_taker_begins_when_the_giver_says_that_it_has_let_go() {
    let mut stage = Stage::running(&["a"], plan_with(FleetSettings::default()));
    stage.goes_on(&["a"], 20);
    stage.hears(status(&worker("b"), 1, WorkerState::Idle));
    stage.goes_on(&["b"], 1);
    let told = share_from(&stage, "a");
    assert!(told > stage.time().wall, "a little ahead");
    assert_eq!((slots(&stage, "a"), slots(&stage, "b")), (216, 0));
    stage.passes(secs(1));
    assert_eq!(slots(&stage, "b"), 0, "the giver has not said anything");
    let mut late = status(&worker("a"), 1, WorkerState::Running);
    let assignment = stage.assigned[&worker("a")].clone();
    (late.applied, late.run) = ((assignment.term, assignment.generation), Some(run_id()));
    late.share_from = told + 700_000;
    stage.hears(late);
    assert_eq!((slots(&stage, "b"), share_from(&stage, "b")), (24, told + 700_000));
}

#[test]
fn slots_on_their_way_to_a_newcomer_that_fails_go_back() {
    let mut stage = Stage::running(&["a"], plan_with(FleetSettings::default()));
    stage.goes_on(&["a"], 20);
    stage.hears(status(&worker("b"), 1, WorkerState::Idle));
    stage.goes_on(&["b"], 1);
    assert_eq!((slots(&stage, "a"), slots(&stage, "b")), (216, 0));
    stage.says("b", WorkerState::Failed { code: "compile".into(), message: "no room".into() });
    stage.goes_on(&["a"], 30);
    assert_eq!((slots(&stage, "a"), stage.view().unserved), (240, 0.0));
    stage.hears(status(&worker("c"), 1, WorkerState::Idle));
    stage.goes_on(&["a", "c"], 80);
    assert_eq!((slots(&stage, "a"), slots(&stage, "c")), (120, 120), "and are levelled again");
}

#[test]
fn slots_on_their_way_from_a_worker_that_goes_without_a_last_word_arrive() {
    let mut stage = Stage::running(&["a", "b"], plan_with(FleetSettings::default()));
    stage.goes_on(&["a", "b"], 20);
    while slots(&stage, "b") > 0 {
        stage.drains("b");
        stage.goes_on(&["a"], 1);
    }
    assert!(slots(&stage, "a") < 240, "the last slots of b are on their way");
    // It is gone before it says that it has let go of them.
    stage.goes_on(&["a"], 1);
    let gone = stage.assigned[&worker("b")].clone();
    let mut idle = WorkerStatus { draining: true, ..status(&worker("b"), 1, WorkerState::Idle) };
    idle.applied = (gone.term, gone.generation);
    stage.hears(idle);
    stage.goes_on(&["a"], 30);
    assert_eq!((slots(&stage, "a"), stage.view().unserved), (240, 0.0));
}

#[test]
fn a_draining_worker_gives_its_share_away_and_is_let_go() {
    let mut stage = Stage::running(&["a", "b"], plan_with(FleetSettings::default()));
    stage.goes_on(&["a", "b"], 20);
    for _ in 0..90 {
        stage.drains("b");
        stage.goes_on(&["a"], 1);
    }
    assert_eq!(slots(&stage, "a"), 240);
    assert_eq!(stage.assigned[&worker("b")].work, None, "it is free");
    assert_eq!((stage.view().workers, stage.view().state), (1, RunState::Running));
}

#[test]
fn a_second_run_gets_its_fair_share_of_the_workers() {
    let mut stage = Stage::running(&["a", "b"], plan_with(FleetSettings::default()));
    stage.goes_on(&["a", "b"], 20);
    stage.started = None;
    stage.start(RunPlan { run: "run-2".parse().unwrap(), ..plan(600) }, 1, false);
    stage.goes_on(&["a", "b"], 120);
    assert_eq!(stage.started, Some(Ok(())));
    let run_of =
        |name: &str| stage.assigned[&worker(name)].work.as_ref().unwrap().plan.run.to_string();
    assert_eq!((run_of("a"), run_of("b")), ("run-1".to_string(), "run-2".to_string()));
    assert_eq!((slots(&stage, "a"), slots(&stage, "b")), (240, 240));
    assert_eq!(stage.machine.show(stage.time()).runs.len(), 2);
}

#[test]
fn a_waiting_run_gets_another_worker_when_the_one_that_leaves_for_it_is_lost() {
    let mut stage = Stage::running(&["a", "b", "c"], plan_with(FleetSettings::default()));
    stage.goes_on(&["a", "b", "c"], 20);
    stage.started = None;
    stage.start(RunPlan { run: "run-2".parse().unwrap(), ..plan(600) }, 1, false);
    stage.goes_on(&["a", "b", "c"], 15);
    let views = stage.machine.show(stage.time()).runs;
    let notes: Vec<&String> =
        views.iter().flat_map(|run| &run.notes).map(|note| &note.message).collect();
    assert!(notes.iter().any(|note| note.contains("worker `c` goes to run `run-2`")), "{notes:?}");
    stage.goes_on(&["a", "b"], 200);
    assert_eq!(stage.started, Some(Ok(())), "b goes in its place");
    let work = stage.assigned[&worker("b")].work.as_ref().unwrap();
    assert_eq!(work.plan.run.as_str(), "run-2");
    assert_eq!(slots(&stage, "a"), 240);
}

#[test]
fn only_workers_whose_tags_match_take_part() {
    let mut stage = Stage::new();
    for (name, region) in [("a", "eu"), ("b", "us")] {
        let tags = BTreeMap::from([("region".to_string(), region.to_string())]);
        stage.hears(WorkerStatus { tags, ..status(&worker(name), 1, WorkerState::Idle) });
    }
    let placement = Some("region=eu".parse().unwrap());
    stage.start(plan_with(FleetSettings { placement, ..FleetSettings::default() }), 1, false);
    assert_eq!(stage.assigned.keys().map(WorkerId::as_str).collect::<Vec<_>>(), ["a"]);
    stage.passes(secs(1));
    assert_eq!(stage.assigned.len(), 1);
}

#[test]
fn a_failed_worker_is_tried_again_and_then_left_out() {
    let mut stage = Stage::running(
        &["a"],
        plan_with(FleetSettings { max_retries: 1, ..FleetSettings::default() }),
    );
    stage.goes_on(&["a"], 5);
    let failed = WorkerState::Failed { code: "download".into(), message: "no route".into() };
    stage.hears(status(&worker("b"), 1, WorkerState::Idle));
    stage.says("b", failed.clone());
    assert_eq!(stage.assigned[&worker("b")].work, None, "it is to forget what failed");
    stage.says("b", failed.clone());
    stage.says("b", WorkerState::Idle);
    assert!(matches!(stage.step("b"), Some(Step::Run { .. })), "and is asked again");
    stage.says("b", failed);
    stage.says("b", WorkerState::Idle);
    stage.goes_on(&["a"], 20);
    assert_eq!(stage.assigned[&worker("b")].work, None, "once was enough");
    assert_eq!((slots(&stage, "a"), stage.view().state), (240, RunState::Running));
    assert!(stage.notes().contains("worker `b` failed: no route"), "{}", stage.notes());
}

#[test]
fn what_workers_say_that_may_go_by_itself_is_tried_again_and_nothing_else() {
    let codes = [
        ("download", true),
        ("fault", true),
        ("load", true),
        ("digest", false),
        ("compile", false),
    ];
    for (code, again) in codes {
        let mut stage = Stage::running(&["a"], plan_with(FleetSettings::default()));
        stage.hears(status(&worker("b"), 1, WorkerState::Idle));
        stage.says("b", WorkerState::Failed { code: code.into(), message: "no".into() });
        stage.says("b", WorkerState::Idle);
        stage.goes_on(&["a"], 5);
        assert_eq!(stage.assigned[&worker("b")].work.is_some(), again, "{code}");
    }
}

#[test]
fn iterations_of_a_lost_worker_are_named_and_not_repeated() {
    let load = Load::SharedIterations { users: 2, iterations: 100, max_duration: None };
    let mut stage = Stage::running(&["a", "b"], plan_of(load, None));
    stage.goes_on(&["a", "b"], 10);
    stage.goes_on(&["a"], 40);
    assert_eq!(slots(&stage, "a"), 120, "counted load does not change hands");
    assert!(
        stage.notes().contains("50 of its 50 iterations were not confirmed"),
        "{}",
        stage.notes()
    );
    stage.says_as("b", 2, WorkerState::Idle);
    assert_eq!(slots(&stage, "b"), 0, "a new process does not begin them anew");
}
