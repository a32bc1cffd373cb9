//! What is said of workers that are lost, leave, come back, or do not do as they are told.

use loadhost_model::plan::{FleetSettings, LossPolicy};

use super::fleet::{on_loss, plan_with, slots};
use super::*;

#[test]
fn durations_in_notes_of_losses_have_no_nanoseconds() {
    let mut stage = Stage::running(&["a", "b"], on_loss(LossPolicy::Rebalance));
    stage.seconds(&["a", "b"], 1..=2);
    stage.now += Duration::from_nanos(12_345_678);
    stage.goes_on(&["a"], 31);
    let exact = stage.view().losses[0].unmeasured;
    assert_eq!(exact, Duration::from_nanos(3_012_345_678), "a bound for programs is exact");
    let notes = stage.notes();
    assert!(notes.contains("; up to 3100ms of its measurements are lost"), "{notes}");
}

#[test]
fn a_worker_lost_before_its_first_interval_lost_no_more_than_since_it_joined() {
    let mut stage = Stage::running(&["a"], plan_with(FleetSettings::default()));
    stage.goes_on(&["a"], 300);
    stage.hears(status(&worker("b"), 1, WorkerState::Idle));
    stage.goes_on(&["a", "b"], 40);
    assert!(slots(&stage, "b") > 0);
    stage.goes_on(&["a"], 32);
    let loss = stage.view().losses[0].clone();
    assert!(loss.share > 0.0 && loss.unmeasured > secs(6), "{loss:?}");
    assert!(loss.unmeasured <= Duration::from_millis(7_200), "{loss:?}");
}

#[test]
fn a_worker_lost_again_before_it_was_measured_is_not_counted_from_the_start() {
    let mut stage = Stage::running(&["a", "b"], on_loss(LossPolicy::Rebalance));
    stage.goes_on(&["a", "b"], 100);
    stage.goes_on(&["a"], 35);
    stage.goes_on(&["a", "b"], 40);
    assert!(slots(&stage, "b") > 0, "it is back");
    stage.goes_on(&["a"], 35);
    let losses = stage.view().losses.clone();
    assert_eq!(losses[1].unmeasured, losses[1].at - losses[0].at, "{losses:?}");
}

#[test]
fn a_lost_worker_whose_share_was_nothing_lost_nothing() {
    let mut stage = Stage::running(&["a"], plan_with(FleetSettings::default()));
    stage.goes_on(&["a"], 300);
    stage.hears(status(&worker("b"), 1, WorkerState::Idle));
    stage.goes_on(&["a"], 35);
    let loss = stage.view().losses[0].clone();
    assert_eq!((loss.worker.as_str(), loss.share), ("b", 0.0));
    assert_eq!((loss.unmeasured, loss.served), (Duration::ZERO, Some(loss.at)));
    let notes = stage.notes();
    let said = "worker `b` is lost: nothing heard for 3s; it had no share of the load";
    assert!(notes.lines().any(|line| line == said), "{notes}");
    assert!(!notes.contains("taken over the share of worker `b`"), "{notes}");
}

#[test]
fn a_new_process_lost_before_it_had_a_share_lost_nothing() {
    let mut stage = Stage::running(&["a", "b"], on_loss(LossPolicy::Rebalance));
    stage.seconds(&["a", "b"], 1..=3);
    stage.says_as("b", 2, WorkerState::Idle);
    stage.goes_on(&["a"], 35);
    let losses = stage.view().losses.clone();
    assert_eq!((losses.len(), losses[1].share), (2, 0.0), "{losses:?}");
    assert_eq!(losses[1].unmeasured, Duration::ZERO);
}

#[test]
fn a_worker_that_has_just_given_its_share_away_may_lose_what_it_has_not_sent() {
    let mut stage = Stage::running(&["a", "b"], on_loss(LossPolicy::Rebalance));
    stage.seconds(&["a", "b"], 1..=2);
    while slots(&stage, "b") > 0 {
        stage.drains("b");
        stage.goes_on(&["a"], 1);
    }
    stage.goes_on(&["a"], 35);
    let loss = stage.view().losses[0].clone();
    assert!(loss.share == 0.0 && loss.unmeasured > secs(3), "{loss:?}");
    let notes = stage.notes();
    assert!(notes.contains("; it had no share of the load any more; up to "), "{notes}");
}

#[test]
fn a_lost_worker_is_expected_until_another_one_comes_in_its_place_or_it_is_back() {
    let mut stage = Stage::running(&["a", "b"], on_loss(LossPolicy::Rebalance));
    stage.goes_on(&["a", "b"], 20);
    assert_eq!(stage.view().workers_expected, 2);
    stage.goes_on(&["a"], 35);
    assert_eq!(stage.view().workers_expected, 2, "b is missed though others have its share");
    stage.hears(status(&worker("c"), 1, WorkerState::Idle));
    stage.goes_on(&["a", "c"], 60);
    assert_eq!(stage.view().workers_expected, 2, "c is there for b");
    stage.goes_on(&["a", "b", "c"], 60);
    assert_eq!(stage.view().workers_expected, 3, "b is back");
}

/// A leader that comes when the workers have stopped their load by themselves, and begun again with it.
fn paused(stage: &mut Stage) {
    stage.seconds(&["a", "b"], 1..=2);
    stage.now = secs(40);
    stage.next_leader();
    stage.sends(Interval { last: true, ..interval(&worker("b"), 3, &[("/", &[5])]) });
    for seq in 3..=5 {
        stage.sends(interval(&worker("a"), seq, &[("/", &[5])]));
    }
}

/// Of `b`, which began again after so many seconds.
fn again(seq: u64, begin: u64) -> Interval {
    let (begin, end) = (secs(begin), secs(begin + 1));
    Interval { begin, end, ..interval(&worker("b"), seq, &[("/", &[5])]) }
}

#[test]
fn load_that_a_worker_stopped_by_itself_while_nobody_led_is_a_loss() {
    let mut stage = Stage::running(&["a", "b"], on_loss(LossPolicy::Rebalance));
    paused(&mut stage);
    for seq in 4..=5 {
        stage.sends(again(seq, 36 + seq));
    }
    let losses = stage.view().losses.clone();
    assert_eq!(losses.len(), 1, "{losses:?}");
    let loss = &losses[0];
    assert_eq!((loss.worker.as_str(), loss.share, loss.moved), ("b", 0.5, false));
    assert_eq!((loss.at, loss.returned, loss.unmeasured), (secs(3), Some(secs(40)), secs(0)));
    let told = "worker `b` heard no leader and stopped its load: 50.0 % of the load is missing from 3 s to 40 s";
    assert!(stage.notes().contains(told), "{}", stage.notes());
}

#[test]
fn a_worker_that_others_stood_in_for_before_it_began_again_has_not_stopped_by_itself() {
    let mut stage = Stage::running(&["a", "b"], on_loss(LossPolicy::Rebalance));
    paused(&mut stage);
    stage.goes_on(&["a"], 50);
    assert_eq!(slots(&stage, "a"), 240, "b is lost: {}", stage.notes());
    let before = stage.view().losses.len();
    stage.goes_on(&["a", "b"], 50);
    stage.sends(again(4, 48));
    assert_eq!(stage.view().losses.len(), before, "{}", stage.notes());
}

#[test]
fn the_rate_of_a_run_that_nobody_works_for_falls_to_nothing() {
    let mut stage = Stage::running(&["a"], on_loss(LossPolicy::Continue));
    stage.seconds(&["a"], 1..=5);
    assert!(stage.view().window.rps > 0.0);
    stage.says("b", WorkerState::Idle);
    for _ in 0..20 {
        stage.says("b", WorkerState::Idle);
        stage.passes(secs(1));
    }
    assert_eq!((stage.view().state, stage.view().window.rps), (RunState::Running, 0.0));
    assert_eq!(stage.view().total.requests, 10);
    let history = stage.view().history.clone();
    let empty = history.iter().filter(|point| point.rps == 0.0 && point.users == 0);
    assert!(empty.count() >= 12, "these seconds are on the charts: {history:?}");
    let apart = history.windows(2).filter(|two| two[1].at > two[0].at + two[0].span);
    assert_eq!(apart.count(), 0, "none is left out");
}

#[test]
fn the_fleet_expects_those_that_share_runs_and_no_more_for_a_run_that_waits() {
    let plans = on_loss(LossPolicy::Rebalance);
    let mut stage = Stage::running(&["a", "b"], plans.clone());
    let expected = |stage: &Stage| stage.machine.show(stage.time()).workers_expected;
    assert_eq!(expected(&stage), 2);
    stage.start(RunPlan { run: "run-2".parse().unwrap(), ..plans.clone() }, 1, false);
    assert_eq!(expected(&stage), 2, "it gets one of these");
    stage.start(RunPlan { run: "run-3".parse().unwrap(), ..plans }, 5, false);
    assert_eq!(expected(&stage), 5, "these two cannot do");
}
