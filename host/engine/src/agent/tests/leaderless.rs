//! Workers that hear nobody for a while, end their load, and are found by the next leader.

use super::*;

impl Boss {
    /// The worker makes this load with two users, then hears nobody any more, and has ended. Its last word.
    async fn that_goes(load: Load) -> (Boss, WorkerStatus) {
        let mut boss = Boss::of(Script::default(), load);
        boss.start();
        boss.until(|status| status.users == 2).await;
        boss.assignments.send_replace(None);
        let last = boss.until(|status| status.state == WorkerState::Idle).await;
        (boss, last)
    }
}

#[tokio::test]
async fn a_worker_without_a_master_ends_its_load() {
    let (boss, status) = Boss::that_goes(Load::Closed { users: Curve::constant(2.0) }).await;
    assert_eq!((status.run, status.users), (None, 0));
    assert!(boss.intervals.last().is_some_and(|interval| interval.last));
    boss.finish().await;
}

#[tokio::test]
async fn a_run_that_comes_back_goes_on_numbering_its_intervals() {
    let (mut boss, _) = Boss::that_goes(Load::Closed { users: Curve::constant(2.0) }).await;
    let before = boss.intervals.last().map(|interval| interval.seq).unwrap();
    boss.start();
    boss.until(|status| status.users == 2).await;
    boss.assign(Step::Stop { mode: StopMode::Graceful });
    let last_seq = boss.until_stopped().await;
    assert!(last_seq > before);
    let seqs: Vec<u64> = boss.intervals.iter().map(|interval| interval.seq).collect();
    assert_eq!(seqs, (1..=last_seq).collect::<Vec<_>>());
    boss.finish().await;
}

#[tokio::test]
async fn counted_iterations_are_not_begun_twice() {
    let load = Load::UserIterations { users: 2, iterations: 1_000_000_000, max_duration: None };
    let (mut boss, _) = Boss::that_goes(load).await;
    let before = boss.intervals.len();
    boss.start();
    let said = boss.until(|status| matches!(status.state, WorkerState::Failed { .. })).await;
    let WorkerState::Failed { code, message } = said.state else { unreachable!() };
    assert_eq!(&*code, "begun-twice");
    assert!(message.contains("no leader") && message.contains("`--dead-man`"), "{message}");
    assert_eq!(boss.intervals.len(), before);
    boss.finish().await;
}
