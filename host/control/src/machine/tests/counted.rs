//! Counted iterations, which nobody else can go on with, when workers end before they have made theirs.

use loadhost_model::interval::{SeriesStats, TaskStats};
use loadhost_model::metric::SeriesKey;

use super::*;

/// Ten iterations of each of two users; beside each worker's, `on-start` and `on-stop` are measured like tasks.
fn counted() -> RunPlan {
    plan_of(Load::UserIterations { users: 2, iterations: 10, max_duration: Some(secs(600)) }, None)
}

/// A second of a worker with so many iterations.
fn made(name: &str, seq: u64, iterations: u64) -> Interval {
    let task = |task: &str, iterations| {
        let key = SeriesKey::Task { user_type: "Shopper".into(), task: task.into() };
        let stats = TaskStats { iterations, ..TaskStats::default() };
        (key, SeriesStats::Task(Box::new(stats)))
    };
    let mut interval = interval(&worker(name), seq, &[("/", &[5])]);
    interval.statistics.series.extend([task("browse", iterations), task("on_start", 5)]);
    interval
}

#[test]
fn a_run_whose_only_worker_was_told_to_end_has_failed_at_once_as_nobody_can_make_up_for_it() {
    let mut stage = Stage::running(&["a"], counted());
    stage.sends(made("a", 1, 16));
    // Its word is faster than its measurements.
    stage.ends("a", 2, true);
    stage.passes(secs(1));
    assert!(stage.report.is_none(), "the last interval may tell of the rest");
    stage.sends(Interval { last: true, ..made("a", 2, 3) });
    stage.passes(secs(1));
    let EndReason::WorkerFailed { code, message, .. } = stage.ended() else {
        panic!("{:?}: {}", stage.ended(), stage.notes())
    };
    assert_eq!((&**code, &**message), ("lost", "all workers are lost: `a`"));
    let notes = stage.notes();
    let told = "worker `a` has left; 100.0 % of the load is missing until it is back; 1 of its 20 iterations were not \
                confirmed and are not made up for";
    assert!(notes.contains(told), "{notes}");
    assert!(notes.contains("`teardown` was not called"), "{notes}");
    assert_eq!(stage.view().losses.len(), 1);
}

#[test]
fn a_worker_that_was_told_to_end_among_others_is_marked_while_they_go_on() {
    let mut stage = Stage::running(&["a", "b"], counted());
    for seq in 1..=2 {
        stage.now += secs(1);
        stage.sends(made("a", seq, 2));
        stage.sends(Interval { last: seq == 2, ..made("b", seq, 2) });
    }
    stage.ends("b", 2, true);
    stage.passes(secs(1));
    let losses = stage.view().losses.clone();
    assert_eq!((losses.len(), losses[0].share, losses[0].moved), (1, 0.5, false), "{losses:?}");
    assert!(
        stage.notes().contains("6 of its 10 iterations were not confirmed"),
        "{}",
        stage.notes()
    );
    stage.sends(Interval { last: true, ..made("a", 3, 6) });
    stage.ends("a", 3, false);
    stage.says("a", WorkerState::TornDown);
    assert_eq!(stage.ended(), &EndReason::Completed);
    assert_eq!(stage.report.as_ref().unwrap().view.unserved, 0.5);
}

/// `a`, alone, ends after so many iterations of its twenty, and that is no loss.
fn ends_well(iterations: u64, draining: bool) {
    let mut stage = Stage::running(&["a"], counted());
    stage.sends(Interval { last: true, ..made("a", 1, iterations) });
    stage.ends("a", 1, draining);
    stage.says("a", WorkerState::TornDown);
    assert_eq!(stage.ended(), &EndReason::Completed);
    assert_eq!(stage.view().losses, []);
}

#[test]
fn a_worker_that_was_told_to_end_after_its_iterations_is_no_loss() {
    ends_well(20, true);
}

#[test]
fn users_that_end_for_good_before_they_have_made_their_iterations_are_no_loss() {
    ends_well(7, false);
}

#[test]
fn a_silent_worker_is_waited_for_when_the_others_have_made_their_iterations() {
    for returns in [true, false] {
        let mut stage = Stage::running(&["a", "b"], counted());
        stage.sends(made("b", 1, 4));
        for seq in 1..=6 {
            stage.now += secs(1);
            let last = seq == 6;
            stage.sends(Interval { last, ..made("a", seq, if last { 5 } else { 1 }) });
            if !last {
                stage.says("a", WorkerState::Running);
            }
            stage.feed(Input::Tick);
        }
        stage.ends("a", 6, false);
        assert_eq!(stage.view().workers_lost, 1, "{}", stage.notes());
        stage.passes(secs(1));
        assert_eq!(stage.view().state, RunState::Running, "b may only be cut off");
        if returns {
            stage.sends(Interval { last: true, ..made("b", 2, 6) });
            stage.ends("b", 2, false);
        } else {
            stage.ends("a", 6, false);
            stage.passes(secs(30));
        }
        stage.ends("a", 6, false);
        stage.says("a", WorkerState::TornDown);
        assert_eq!(stage.ended(), &EndReason::Completed, "{}", stage.notes());
        let total = stage.report.as_ref().unwrap().view.total.requests;
        assert_eq!(total, if returns { 8 } else { 7 });
    }
}
