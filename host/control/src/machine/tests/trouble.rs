//! Workers that fail, die, come back or say old things.

use loadhost_model::plan::{FleetSettings, LossPolicy};

use super::fleet::{on_loss, plan_with, slots};
use super::*;

#[test]
fn a_failed_worker_that_was_to_be_tried_again_is_so_by_the_next_leader() {
    let mut stage = Stage::running(&["a"], plan(600));
    stage.hears(status(&worker("b"), 1, WorkerState::Idle));
    stage.says("b", WorkerState::Failed { code: "download".into(), message: "no route".into() });
    stage.next_leader();
    assert_eq!(stage.step("b"), None);
    stage.says("b", WorkerState::Idle);
    stage.passes(secs(1));
    assert!(
        matches!(stage.step("b"), Some(Step::Run { .. })),
        "{:?}",
        stage.assigned[&worker("b")]
    );
}

#[test]
fn a_worker_that_a_former_leader_let_go_is_told_so_by_the_next_one() {
    let mut stage = Stage::running(&["a"], plan(600));
    stage.hears(status(&worker("b"), 1, WorkerState::Idle));
    stage.says("b", WorkerState::Failed { code: "compile".into(), message: "no".into() });
    // It may have been saved and never sent.
    stage.next_leader();
    let told = &stage.assigned[&worker("b")];
    assert_eq!((told.term, &told.work), (Term(2), &None));
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
fn a_run_that_came_to_its_end_has_done_so_though_its_only_worker_never_stops() {
    let mut stage = Stage::running(&["a"], plan(3));
    for _ in 0..60 {
        stage.now += secs(1);
        stage.says("a", WorkerState::Running);
        stage.feed(Input::Tick);
    }
    assert!(stage.notes().contains("`a` did not stop and was given up"), "{}", stage.notes());
    assert_eq!(stage.ended(), &EndReason::Completed);
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
fn a_run_without_any_worker_left_ends_but_only_when_it_is_sure() {
    let mut stage = Stage::running(&["a"], plan(60));
    stage.seconds(&["a"], 1..=2);
    stage.passes(secs(6));
    assert_eq!(stage.view().state, RunState::Running, "nobody is heard: the broker may be away");
    assert_eq!(stage.machine.show(stage.time()).workers[0].liveness, Liveness::Suspect);
    stage.passes(secs(24));
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
    stage.passes(secs(120));
    assert!(stage.report.is_none(), "the run goes on under another leader");
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
fn a_share_is_for_the_newer_one_of_two_processes_with_one_name_and_the_run_says_so() {
    let mut stage = Stage::running(&["a", "b"], plan(60));
    let to = |stage: &Stage| stage.assigned[&worker("a")].to;
    assert_eq!(to(&stage), Some(Incarnation(1)));
    for second in 1..=5 {
        stage.seconds(&["b"], second..=second);
        stage.says_as("a", 2, WorkerState::Idle);
        stage.says_as("a", 1, WorkerState::Running);
    }
    assert_eq!(to(&stage), Some(Incarnation(2)));
    assert!(stage.notes().contains("two processes are called worker `a`"), "{}", stage.notes());
}

#[test]
fn a_failure_while_the_run_ends_is_noted() {
    let mut stage = Stage::running(&["a", "b"], plan(1));
    stage.seconds(&["a", "b"], 1..=1);
    stage.says("a", WorkerState::Stopped { last_seq: 1 });
    stage.says(
        "b",
        WorkerState::Failed { code: "abort-run".into(), message: "stock is empty".into() },
    );
    stage.passes(secs(2));
    stage.says("a", WorkerState::TornDown);
    assert_eq!(stage.ended(), &EndReason::Completed);
    assert!(
        stage.notes().contains("`b` failed while the run ended: stock is empty"),
        "{}",
        stage.notes()
    );
}

fn failed(code: &str) -> WorkerState {
    WorkerState::Failed { code: code.into(), message: "no room for threads".into() }
}

fn kept_by_its_own() -> [(RunPlan, &'static [&'static str]); 2] {
    let sole = plan_with(FleetSettings::default());
    [(sole, &["a"]), (on_loss(LossPolicy::Continue), &["a", "b"])]
}

#[test]
fn a_failed_worker_whose_share_nobody_else_may_have_is_tried_again_and_keeps_it() {
    for (plan, names) in kept_by_its_own() {
        let mut stage = Stage::running(names, plan);
        stage.says("a", failed("load"));
        assert_eq!(stage.step("a"), None, "it is to forget what failed: {}", stage.notes());
        let missing = 1.0 / names.len() as f64;
        let loss = stage.view().losses[0].clone();
        assert_eq!((loss.share, loss.moved, loss.returned), (missing, false, None), "{loss:?}");
        stage.says("a", WorkerState::Idle);
        stage.passes(Duration::from_millis(100));
        assert!(matches!(stage.step("a"), Some(Step::Run { .. })));
        assert_eq!(slots(&stage, "a"), 240 / names.len());
        stage.now += secs(1);
        stage.says("a", WorkerState::Running);
        let losses = stage.view().losses.clone();
        assert_eq!(
            (losses.len(), losses[0].returned),
            (1, Some(Duration::from_millis(1_100))),
            "{losses:?}"
        );
    }
}

#[test]
fn a_worker_that_fails_more_often_than_it_is_tried_is_missing_among_others_and_the_end_of_a_run_alone()
 {
    for (plan, names) in kept_by_its_own() {
        let retries = plan.fleet.max_retries;
        let mut stage = Stage::running(names, plan);
        for _ in 0..retries {
            stage.says("a", failed("load"));
            stage.says("a", WorkerState::Idle);
            stage.passes(Duration::from_millis(100));
        }
        for _ in 0..3 {
            stage.says("a", failed("load"));
            stage.now += Duration::from_millis(500);
            stage.all_say(&names[1..], &WorkerState::Running);
        }
        if names.len() == 1 {
            assert_eq!(stage.view().state, RunState::Stopping);
            continue;
        }
        let view = stage.view();
        assert_eq!((view.state, view.workers_lost), (RunState::Running, 1), "{}", stage.notes());
        assert_eq!((view.losses.len(), view.losses[0].returned, view.unserved), (1, None, 0.5));
        assert!(
            stage.notes().contains("worker `a` failed: no room for threads"),
            "{}",
            stage.notes()
        );
    }
}
