//! What a well-behaved guest relies on.

use std::time::Duration;

use loadhost_engine::load::vu::{CallOutcome, Due, Vu};
use loadhost_model::interval::SeriesStats;
use tokio::time::Instant;

use crate::bench::Bench;

#[tokio::test]
async fn a_users_requests_are_counted_as_the_server_counts_them() {
    let mut bench = Bench::new("healthy").await;
    let mut user = bench.user(0).await;
    assert_eq!(user.start().await, CallOutcome::Done);
    for _ in 0..25 {
        assert_eq!(user.run_task(0, Due::now()).await, CallOutcome::Done);
    }
    assert_eq!(user.stop().await, CallOutcome::Done);
    assert_eq!(bench.requests(), (25, 0));
    assert_eq!(bench.server.requests(), 25);
}

#[tokio::test]
async fn lag_is_charged_to_the_first_request_of_the_iteration() {
    let mut bench = Bench::new("healthy").await;
    let mut user = bench.user(0).await;
    let actual = Instant::now();
    let intended = actual - Duration::from_millis(400);
    assert_eq!(user.run_task(0, Due { intended, actual }).await, CallOutcome::Done);
    let stats = bench.recorded();
    let Some(SeriesStats::Http(http)) = stats.series.values().next() else { panic!("no request") };
    let response = http.response_time.max().unwrap();
    assert!((400_000..500_000).contains(&response), "{response} µs");
    assert!(http.service_time.max().unwrap() < 100_000);
}

#[tokio::test]
async fn an_answer_that_is_still_held_at_the_end_of_the_task_is_counted() {
    let mut bench = Bench::new("hold").await;
    let mut user = bench.user(0).await;
    for _ in 0..3 {
        assert_eq!(user.run_task(0, Due::now()).await, CallOutcome::Done);
    }
    assert_eq!(bench.requests(), (3, 0));
}

#[tokio::test]
async fn a_guest_can_mark_an_answer_as_failed() {
    let mut bench = Bench::new("mark").await;
    assert_eq!(bench.attack().await, CallOutcome::Done);
    assert_eq!(bench.requests(), (1, 1));
    let errors = &bench.recorded().errors;
    let key = errors.keys().next().unwrap();
    assert_eq!((&*key.code, &*key.message), ("marked", "no price"));
}

#[tokio::test]
async fn failures_say_iteration_user_or_run() {
    let outcome = |mode: &'static str| async move { Bench::new(mode).await.attack().await };
    assert_eq!(outcome("fail").await, CallOutcome::Failed("the cart is empty".into()));
    assert_eq!(outcome("stop").await, CallOutcome::StopUser("done here".into()));
    assert_eq!(outcome("abort").await, CallOutcome::AbortRun("the shop is gone".into()));
}

#[tokio::test]
async fn setup_hands_its_text_on_to_teardown() {
    let bench = Bench::new("healthy").await;
    assert_eq!(&*bench.factory.setup(bench.identity(0)).await.unwrap(), "from setup");
    assert_eq!(bench.factory.teardown(bench.identity(0)).await, CallOutcome::Done);
    let bench = Bench::new("setup-fail").await;
    let outcome = bench.factory.setup(bench.identity(0)).await.unwrap_err();
    assert_eq!(outcome, CallOutcome::AbortRun("the shop is closed".into()));
}

#[tokio::test]
async fn the_end_of_the_run_wakes_a_sleeping_guest_and_on_stop_still_runs() {
    let bench = Bench::new("sleep").await;
    let mut user = bench.user(0).await;
    let begun = std::time::Instant::now();
    let interrupt = bench.interrupt.clone();
    let (outcome, ()) = tokio::join!(user.run_task(0, Due::now()), async {
        tokio::time::sleep(Duration::from_millis(50)).await;
        interrupt.cancel();
    });
    assert_eq!(outcome, CallOutcome::Cancelled);
    assert!(begun.elapsed() < Duration::from_secs(5));
    assert_eq!(user.stop().await, CallOutcome::Done);
}

#[tokio::test]
async fn the_end_of_the_run_cuts_a_slow_request_short_and_it_is_not_counted() {
    let mut bench = Bench::new("healthy").await;
    bench.server.delay(Duration::from_secs(20));
    let mut user = bench.user(0).await;
    let interrupt = bench.interrupt.clone();
    let (outcome, ()) = tokio::join!(user.run_task(0, Due::now()), async {
        tokio::time::sleep(Duration::from_millis(50)).await;
        interrupt.cancel();
    });
    assert_eq!(outcome, CallOutcome::Cancelled);
    assert_eq!(bench.requests(), (0, 0));
    // And none begins after the end.
    assert_eq!(user.run_task(0, Due::now()).await, CallOutcome::Cancelled);
}

#[tokio::test]
async fn more_users_than_places_wait_and_are_refused_by_name() {
    let bench = Bench::with("idle", 1, |_| {}).await;
    let mut users = Vec::new();
    let error = loop {
        let made = loadhost_engine::load::vu::VuFactory::make(
            &bench.factory,
            bench.identity(users.len() as u64),
        );
        match tokio::time::timeout(Duration::from_secs(20), made).await.unwrap() {
            Ok(user) => users.push(user),
            Err(error) => break error,
        }
    };
    assert_eq!(&*error.code, "pool-exhausted");
    users.pop();
    let next = loadhost_engine::load::vu::VuFactory::make(&bench.factory, bench.identity(9)).await;
    assert!(next.is_ok(), "a place that is left can be taken");
}
