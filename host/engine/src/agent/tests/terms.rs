//! Another leader states again what its worker does already.

use super::*;

/// As a new leader does: the same step, under its own term.
fn restate(boss: &mut Boss, step: Step) {
    boss.term = Term(boss.term.0 + 1);
    boss.assign(step);
}

#[tokio::test]
async fn what_another_leader_states_again_is_not_done_again() {
    let script = Script::default();
    let mut boss = Boss::of(script.clone(), users(3.5));
    boss.until_state(WorkerState::Idle).await;
    boss.assign(Step::Prepare);
    boss.until_state(WorkerState::Ready).await;
    restate(&mut boss, Step::Prepare);
    boss.until_state(WorkerState::Ready).await;
    boss.assign(Step::Setup);
    boss.until_state(WorkerState::SetUp { data: "data".into() }).await;
    restate(&mut boss, Step::Setup);
    boss.until_state(WorkerState::SetUp { data: "data".into() }).await;

    let start = wall_micros() + 20_000;
    let run = || Step::Run { start, setup_data: "data".into() };
    boss.assign(run());
    boss.until(|status| status.users == 4).await;
    let made = script.made.load(Ordering::Relaxed);
    for _ in 0..3 {
        restate(&mut boss, run());
        let status = boss.until_state(WorkerState::Running).await;
        assert_eq!(status.users, 4, "users were stopped");
    }
    let last_seq = boss.until_stopped().await;
    assert_eq!(script.made.load(Ordering::Relaxed), made, "users were made anew");
    assert_eq!(boss.iterations(), script.iterations.load(Ordering::Relaxed));
    let seqs: Vec<u64> = boss.intervals.iter().map(|interval| interval.seq).collect();
    assert_eq!(seqs, (1..=last_seq).collect::<Vec<_>>());
    assert_eq!(boss.intervals.last().unwrap().term, boss.term, "the newest leader's");

    // The run is over for it, whatever a leader says that has not heard of it yet.
    restate(&mut boss, run());
    boss.until_state(WorkerState::Stopped { last_seq }).await;
    restate(&mut boss, Step::Stop { mode: StopMode::Graceful });
    boss.until_state(WorkerState::Stopped { last_seq }).await;
    for _ in 0..2 {
        restate(&mut boss, Step::Teardown { setup_data: "data".into() });
        boss.until_state(WorkerState::TornDown).await;
    }
    assert_eq!(script.torn_down.load(Ordering::Relaxed), 1);
    boss.finish().await;
}

#[tokio::test]
async fn a_failure_is_said_again_to_another_leader() {
    let task = |n| match n {
        20 => CallOutcome::AbortRun("stock is empty".into()),
        _ => CallOutcome::Done,
    };
    let mut boss = Boss::of(Script { task, ..Script::default() }, users(30.0));
    boss.until_state(WorkerState::Idle).await;
    let start = wall_micros() + 20_000;
    let run = || Step::Run { start, setup_data: "data".into() };
    boss.assign(run());
    let failed = |status: &WorkerStatus| matches!(status.state, WorkerState::Failed { .. });
    boss.until(failed).await;
    restate(&mut boss, run());
    let term = boss.term;
    boss.until(|status| failed(status) && status.applied.0 == term).await;
    boss.finish().await;
}
