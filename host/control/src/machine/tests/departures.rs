//! Workers that go away in good order, and come back as a new process.

use loadhost_model::plan::LossPolicy;

use super::fleet::{on_loss, slots};
use super::*;

/// `b` gives its share away until so many slots are left; what it has applied by then.
fn drained_to(stage: &mut Stage, left: usize) -> (Term, u64) {
    let mut applied = (Term(0), 0);
    while slots(stage, "b") > left {
        applied = stage.obedient("b").applied;
        stage.drains("b");
        stage.goes_on(&["a"], 1);
    }
    assert!(applied < stage.obedient("b").applied, "its last assignment has not reached it");
    applied
}

/// Of `b`, third second.
fn last_interval() -> Interval {
    Interval { last: true, ..interval(&worker("b"), 3, &[("/", &[5])]) }
}

#[test]
fn a_worker_that_left_in_good_order_and_comes_back_under_its_name_is_no_loss() {
    for says_idle in [true, false] {
        let mut stage = Stage::running(&["a", "b"], on_loss(LossPolicy::Rebalance));
        stage.seconds(&["a", "b"], 1..=2);
        let applied = drained_to(&mut stage, 0);
        if says_idle {
            let gone = status(&worker("b"), 1, WorkerState::Idle);
            stage.hears(WorkerStatus { draining: true, applied, ..gone });
        }
        stage.sends(last_interval());
        stage.hears(status(&worker("b"), 2, WorkerState::Idle));
        let notes = stage.notes();
        assert_eq!(stage.view().losses, [], "{says_idle}: {notes}");
        assert!(notes.contains("worker `b` had left in good order and is back"), "{notes}");
        assert!(!notes.contains("was restarted"), "{notes}");
        stage.goes_on(&["a"], 10);
    }
}

#[test]
fn the_rest_of_a_share_of_a_worker_that_left_in_good_order_is_served_by_others_and_nothing_is_lost()
{
    let mut stage = Stage::running(&["a", "b"], on_loss(LossPolicy::Rebalance));
    stage.seconds(&["a", "b"], 1..=2);
    drained_to(&mut stage, 80);
    stage.sends(last_interval());
    stage.hears(status(&worker("b"), 2, WorkerState::Idle));
    stage.goes_on(&["a"], 10);
    let loss = stage.view().losses[0].clone();
    assert!(loss.share > 0.0 && loss.served.is_some(), "{loss:?}");
    assert_eq!(loss.unmeasured, Duration::ZERO);
}

#[test]
fn a_worker_killed_while_it_was_going_away_is_a_loss() {
    for missing in [false, true] {
        let mut stage = Stage::running(&["a", "b"], on_loss(LossPolicy::Rebalance));
        stage.seconds(&["a", "b"], 1..=2);
        drained_to(&mut stage, 80);
        if missing {
            stage.sends(Interval { seq: 4, ..last_interval() });
        }
        stage.hears(status(&worker("b"), 2, WorkerState::Idle));
        let loss = stage.view().losses[0].clone();
        assert!(missing || loss.unmeasured > Duration::ZERO, "{loss:?}");
        assert!(stage.notes().contains("worker `b` was restarted"), "{}", stage.notes());
    }
}

/// `a`, alone, is told to end and does so in its third second.
fn the_only_one_leaves(stage: &mut Stage) {
    stage.seconds(&["a"], 1..=2);
    stage.drains("a");
    stage.sends(Interval { last: true, ..interval(&worker("a"), 3, &[("/", &[5])]) });
    let applied = stage.obedient("a").applied;
    stage.ends("a", 3, true);
    let idle = status(&worker("a"), 1, WorkerState::Idle);
    for _ in 0..3 {
        stage.hears(WorkerStatus { draining: true, applied, ..idle.clone() });
        stage.passes(Duration::from_millis(10));
    }
}

#[test]
fn a_run_whose_only_worker_was_told_to_end_has_failed_once_nobody_has_come_in_its_place() {
    let mut stage = Stage::running(&["a"], on_loss(LossPolicy::Rebalance));
    the_only_one_leaves(&mut stage);
    stage.passes(secs(10));
    assert!(stage.report.is_none(), "another one may be on its way: {}", stage.notes());
    let losses = stage.view().losses.clone();
    assert_eq!(losses.len(), 1, "{losses:?}");
    let loss = &losses[0];
    assert_eq!((loss.share, loss.unmeasured, loss.returned), (1.0, Duration::ZERO, None));
    stage.passes(secs(30));
    let EndReason::WorkerFailed { code, message, .. } = stage.ended() else {
        panic!("{:?}", stage.ended())
    };
    assert_eq!((&**code, &**message), ("lost", "all workers are lost: `a`"));
    assert!(stage.notes().contains("`teardown` was not called"), "{}", stage.notes());
    assert_eq!(stage.report.as_ref().unwrap().view.unserved, 1.0);
}

#[test]
fn a_run_whose_only_worker_left_goes_on_with_the_next_one_under_its_name_or_another() {
    for name in ["a", "b"] {
        let mut stage = Stage::running(&["a"], on_loss(LossPolicy::Rebalance));
        the_only_one_leaves(&mut stage);
        stage.passes(secs(4));
        stage.hears(status(&worker(name), 2, WorkerState::Idle));
        stage.now += secs(1);
        for _ in 0..20 {
            let said = WorkerStatus { incarnation: Incarnation(2), ..stage.obedient(name) };
            stage.hears(said);
            stage.passes(Duration::from_millis(100));
        }
        assert_eq!(slots(&stage, name), 240, "{name}: {}", stage.notes());
        assert_eq!(stage.view().unserved, 0.0, "{name}");
        assert!(stage.report.is_none());
    }
}
