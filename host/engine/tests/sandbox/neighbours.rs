//! Healthy users beside a guest that computes without end.

use std::time::Duration;

use loadhost_engine::load::vu::{CallOutcome, Due, Vu, VuFactory};
use tokio::task::LocalSet;
use tokio::time::Instant;

use crate::bench::Bench;

/// The time that 99 % of the iterations of 50 users take, and how many failed.
async fn p99(bench: &Bench, users: std::ops::Range<u64>, span: Duration) -> (Duration, usize) {
    let mut tasks = Vec::new();
    for number in users {
        let mut user = bench.user(number).await;
        tasks.push(tokio::task::spawn_local(async move {
            let (mut times, mut failures) = (Vec::new(), 0);
            let end = Instant::now() + span;
            while Instant::now() < end {
                let begun = Instant::now();
                failures += usize::from(user.run_task(0, Due::now()).await != CallOutcome::Done);
                times.push(begun.elapsed());
            }
            (times, failures)
        }));
    }
    let (mut times, mut failures) = (Vec::new(), 0);
    for task in tasks {
        let (more, failed) = task.await.unwrap();
        times.extend(more);
        failures += failed;
    }
    times.sort_unstable();
    (times[times.len() * 99 / 100], failures)
}

#[tokio::test]
async fn an_endless_loop_does_not_slow_its_neighbours_noticeably() {
    LocalSet::new()
        .run_until(async {
            // User 0 loops; 1 to 50 are healthy.
            let bench = Bench::with("1000:loop", 60, |_| {}).await;
            bench.server.delay(Duration::from_millis(20));
            let (quiet, failures) = p99(&bench, 1..51, Duration::from_secs(2)).await;
            assert_eq!(failures, 0);
            let hog = tokio::task::spawn_local({
                let mut user = bench.factory.make(bench.identity(0)).await.unwrap();
                async move { user.run_task(0, Due::now()).await }
            });
            let (beside, failures) = p99(&bench, 1..51, Duration::from_secs(2)).await;
            assert_eq!(failures, 0);
            assert!(matches!(hog.await.unwrap(), CallOutcome::Crashed(_)));
            assert!(
                beside < quiet.mul_f64(1.2) + Duration::from_millis(5),
                "p99 {beside:?} beside the loop, {quiet:?} without"
            );
        })
        .await;
}
