//! A run from its start to its end.

use loadhost_model::id::RunId;

use super::*;

#[test]
fn a_run_goes_through_all_its_steps() {
    let both = ["a", "b"];
    let mut stage = Stage::started(&both, plan(3));
    assert_eq!(stage.started, Some(Ok(())));
    assert_eq!(stage.step("a"), Some(&Step::Prepare));
    let slots = |name: &str| stage.assigned[&worker(name)].work.as_ref().unwrap().share.place();
    assert_eq!([slots("a"), slots("b")], [(0, 2), (1, 2)]);

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
         `--expect-workers`"
    );
    assert!(stage.assigned.is_empty());
}

#[test]
fn a_run_that_got_no_worker_because_others_have_them_all_names_those_runs() {
    let mut stage = Stage::running(&["a"], plan(600));
    stage.now += Duration::from_millis(40);
    let plan = RunPlan { run: RunId::new("second").unwrap(), ..plan(3) };
    stage.start(plan, 1, false);
    stage.seconds(&["a"], 1..=60);
    let error = stage.started.clone().unwrap().unwrap_err().to_string();
    let first = run_id();
    assert_eq!(
        error,
        format!(
            "0 of 1 expected workers can take part after 1m: `a` (busy with run `{first}`); start this run again \
             after the end of run `{first}`, or with a longer `--max-wait`; or choose other workers by their tags \
             (`--placement`); or start more workers"
        )
    );
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
fn a_run_beyond_the_bound_is_refused_and_counted() {
    let mut stage = Stage::new();
    stage.machine.config.max_runs = 1;
    stage.start(plan(3), 1, false);
    let second = || {
        let plan = RunPlan { run: RunId::new("run-2").unwrap(), ..plan(3) };
        let (plan, description) = (Arc::new(plan), description());
        NewRun { plan, description, expect_workers: 1, max_wait: secs(60), shaped: false }
    };
    let refused = stage.machine.start(stage.time(), second()).map(|_| ());
    assert_eq!(refused, Err(StartError::TooManyRuns(1)));
    assert_eq!(stage.machine.show(stage.time()).ignored["max_runs"], 1);
    let effects = stage.machine.stop(stage.time(), &run_id(), StopMode::Now).unwrap();
    stage.apply(effects);
    assert!(stage.machine.start(stage.time(), second()).is_ok(), "there is room again");
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
fn a_busy_worker_is_not_given_a_second_run() {
    let mut stage = Stage::running(&["a"], plan(60));
    stage.started = None;
    stage.start(RunPlan { run: "run-2".parse().unwrap(), ..plan(60) }, 1, false);
    assert_eq!(stage.started, None);
    stage.hears(status(&worker("b"), 1, WorkerState::Idle));
    assert_eq!(stage.started, Some(Ok(())));
    assert_eq!(stage.assigned[&worker("b")].work.as_ref().unwrap().plan.run.as_str(), "run-2");
    assert_eq!(stage.assigned[&worker("a")].work.as_ref().unwrap().plan.run, testing::run_id());
}

#[test]
fn a_teardown_that_hangs_is_cut_short_by_the_user() {
    let mut stage = Stage::running(&["a"], plan(1));
    stage.seconds(&["a"], 1..=1);
    stage.says("a", WorkerState::Stopped { last_seq: 1 });
    assert_eq!(stage.view().state, RunState::TearingDown);
    let effects = stage.machine.stop(stage.time(), &run_id(), StopMode::Graceful).unwrap();
    stage.apply(effects);
    assert!(stage.report.is_none(), "gracefully means with teardown");
    let effects = stage.machine.stop(stage.time(), &run_id(), StopMode::Now).unwrap();
    stage.apply(effects);
    assert_eq!(stage.ended(), &EndReason::Completed, "the load was over before");
    assert!(stage.notes().contains("`teardown` did not end"), "{}", stage.notes());
}
