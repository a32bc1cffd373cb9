//! What the load is, and what its numbers lead to.

use super::*;

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
fn more_users_than_fit_are_refused_with_the_figure_and_fewer_never() {
    let mut stage = Stage::running(&["a", "b"], plan(60));
    stage.seconds(&["a", "b"], 1..=2);
    let mut change = |users| {
        let change = Change::Users { users, spawn_rate: None };
        let changed = stage.machine.change(stage.time(), &run_id(), None, &change);
        changed.map(|effects| stage.apply(effects))
    };
    change(2000).unwrap(); // a thousand fit on each
    let error = change(2001).unwrap_err();
    assert_eq!(
        error.to_string(),
        "the change is refused: of 2001 users worker `a` would run 1001 and has room for 1000; ask for at most 2000, \
         or start a new run with more workers or larger ones"
    );
    change(10).unwrap();
    let mut small = status(&worker("a"), 1, WorkerState::Running);
    small.applied = (Term(1), u64::MAX);
    small.capacity = 3;
    stage.hears(small);
    for users in [10, 5] {
        let change = Change::Users { users, spawn_rate: None };
        let changed = stage.machine.change(stage.time(), &run_id(), None, &change);
        assert!(changed.is_ok(), "no more than there were before: {changed:?}");
    }
}

#[test]
fn a_load_shape_that_asks_for_too_much_gets_what_fits_and_a_warning() {
    let users = Curve { start: 0.0, stages: Vec::new(), hold: true };
    let mut stage = Stage::started_shaped(&["a"], plan_of(Load::Shaped { users }, None), true);
    stage.says("a", WorkerState::Ready);
    stage.says("a", WorkerState::SetUp { data: "".into() });
    let target = ShapeTarget { users: 5000, spawn_rate: 0.0 };
    stage.feed(Input::Shape(run_id(), Ok(Some(target))));
    let work = stage.assigned[&worker("a")].work.clone().unwrap();
    assert_eq!(work.plan.profile.planned_users_max(), 1000);
    assert!(stage.notes().contains("ask for at most 1000"), "{}", stage.notes());
    stage.passes(secs(1));
    assert_eq!(stage.view().state, RunState::Running);
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

/// Second 3 passes and only `a` of two workers says what it measured. How long after its end the run is aborted.
fn abort_without_b(threshold: &str) -> Option<Duration> {
    let mut broken = plan(60);
    broken.thresholds = vec![threshold.parse().unwrap()];
    broken.thresholds[0].abort_after = Some(secs(3));
    let mut stage = Stage::running(&["a", "b"], broken);
    stage.seconds(&["a", "b"], 1..=2);
    stage.seconds(&["a"], 3..=3);
    let end = stage.now;
    let is_aborted = |stage: &Stage| matches!(stage.step("a"), Some(Step::Stop { .. }));
    while !is_aborted(&stage) && stage.now < end + secs(1) {
        stage.passes(Duration::from_millis(100));
    }
    is_aborted(&stage).then(|| stage.now - end)
}

#[test]
fn a_silent_worker_holds_up_an_abort_for_half_a_second_only() {
    let half = Some(Duration::from_millis(500));
    assert_eq!(abort_without_b("http_req_duration p(95) < 1ms"), half);
    assert_eq!(abort_without_b("http_req_failed rate > 1%"), half);
}

#[test]
fn what_a_silent_worker_has_not_said_yet_is_not_held_against_the_target() {
    // Four of each second, if both are heard.
    assert_eq!(abort_without_b("http_reqs rate > 3.5/s"), None);
    assert_eq!(abort_without_b("http_reqs count >= 12"), None);
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
    assert_eq!(counted, [false, false, false, true, true], "also the second that was over by then");
    assert_eq!(stage.view().window.rps, 2.0, "the window knows no reset");
}
