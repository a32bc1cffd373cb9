//! What users share: rows, numbers, counters and rendezvous, as guests have them.

use std::sync::Arc;
use std::time::Duration;

use loadhost_engine::load::vu::{CallOutcome, Due, Vu};
use loadhost_engine::shared::Commons;
use loadhost_model::data::RowOrder;
use loadhost_model::shared::{Lease, Release, SharedState};
use tokio::time::Instant;

use crate::bench::{Bench, load};

fn lease(blocks: &[(u64, u64)], last: bool) -> Lease {
    Lease { before: 0, blocks: blocks.to_vec(), last }
}

/// What a coordinator says first.
fn first(commons: &Commons) {
    let state = SharedState {
        to: None,
        rows: [(Arc::from("users"), lease(&[(0, 2)], true))].into(),
        numbers: [(Arc::from("order"), lease(&[(70, 5)], false))].into(),
        counters: [(Arc::from("sold"), 40)].into(),
        meetings: Default::default(),
    };
    commons.hear(&state, |_| Instant::now());
}

async fn why(bench: &Bench) -> String {
    match bench.attack().await {
        CallOutcome::Failed(why) => why.to_string(),
        other => panic!("{other:?}"),
    }
}

#[tokio::test]
async fn a_user_has_what_was_leased_to_its_worker() {
    let mut bench = Bench::of_scenario(&load("every-call"), "", 4, |_| {}).await;
    first(&bench.shared);
    let shared = Arc::clone(&bench.shared);
    let mut user = bench.user(0).await;
    let (outcome, ()) = tokio::join!(user.run_task(1, Due::now()), async {
        // Once it is there, so that it is the one who is let go.
        while shared.used(Instant::now()).meetings.values().all(|meeting| meeting.arrived == 0) {
            tokio::task::yield_now().await;
        }
        let meetings = [(Arc::from("sale"), Release { released: 1, at: 0 })].into();
        let state = SharedState { meetings, ..SharedState::default() };
        shared.hear(&state, |_| Instant::now());
    });
    assert_eq!(outcome, CallOutcome::Done);
    let lines = bench.lines();
    assert_eq!(&*lines[0].message, "anna of 41: 70 42 true");
    let failed = bench.failed_checks();
    assert!(failed.is_empty(), "{failed:?}");
    // Both rows are gone.
    assert_eq!(user.run_task(1, Due::now()).await, CallOutcome::Finished);
    let used = bench.shared.used(Instant::now());
    assert_eq!((used.rows["users"].taken, used.numbers["order"].taken), (2, 1));
    assert_eq!(used.counters["sold"], 2);
}

#[tokio::test]
async fn each_order_of_rows_gives_what_it_says() {
    const ANNA: &str = r#"Ok(Some([("name", "anna"), ("age", "41")]))"#;
    const BOB: &str = r#"Ok(Some([("name", "bob"), ("age", "7")]))"#;
    let rows = async |order| {
        let bench = Bench::ordered("row", order).await;
        first(&bench.shared);
        let mut got = Vec::new();
        for number in 0..4 {
            let CallOutcome::Failed(row) = bench.user(number).await.run_task(0, Due::now()).await
            else {
                panic!("it said nothing")
            };
            got.push(row.to_string());
        }
        got
    };
    assert_eq!(rows(RowOrder::Queue).await[..3], [ANNA, BOB, "Ok(None)"]);
    assert_eq!(rows(RowOrder::Circular).await[..2], [ANNA, BOB]);
    let of_users = rows(RowOrder::User).await;
    assert_eq!(of_users[..2], [ANNA, BOB]);
    assert_eq!(of_users[3], "Ok(None)", "there are three rows");
    let random = rows(RowOrder::Random).await;
    assert_eq!(random, rows(RowOrder::Random).await, "by the users' seeds");
}

#[tokio::test]
async fn a_user_takes_all_that_there_is_as_fast_as_it_can() {
    let mut bench = Bench::ordered("drain", RowOrder::Circular).await;
    let rows = [(Arc::from("users"), lease(&[(7, 90_000)], true))].into();
    bench.shared.hear(&SharedState { rows, ..SharedState::default() }, |_| Instant::now());
    assert_eq!(why(&bench).await, "90000 rows");
    println!("{}", bench.lines()[0].message);
}

#[tokio::test]
async fn a_user_that_is_made_anew_keeps_its_row_for_good() {
    let bench = Bench::ordered("row", RowOrder::User).await;
    let row = bench.user(1).await.run_task(0, Due::now()).await;
    assert_eq!(bench.user(1).await.run_task(0, Due::now()).await, row);
}

#[tokio::test]
async fn the_end_of_the_run_ends_a_users_wait_for_a_row_and_at_a_rendezvous() {
    for mode in ["row", "rendezvous"] {
        let bench = Bench::new(mode).await;
        let mut user = bench.user(0).await;
        let interrupt = bench.interrupt.clone();
        let begun = std::time::Instant::now();
        let (outcome, ()) = tokio::join!(user.run_task(0, Due::now()), async {
            tokio::time::sleep(Duration::from_millis(50)).await;
            interrupt.cancel();
        });
        assert_eq!(outcome, CallOutcome::Cancelled, "{mode}");
        assert!(begun.elapsed() < Duration::from_secs(5), "{mode}");
        assert_eq!(user.stop().await, CallOutcome::Done);
    }
}

#[tokio::test(start_paused = true)]
async fn a_row_that_does_not_come_is_told_after_ten_seconds() {
    let bench = Bench::new("row").await;
    let begun = Instant::now();
    let said = "Err(\"no row: none came within 10s; see whether the coordinator is there\")";
    assert_eq!(why(&bench).await, said);
    assert_eq!(begun.elapsed().as_secs(), 10);
}

#[tokio::test(start_paused = true)]
async fn a_rendezvous_that_never_happens_ends_at_the_wall_clock_limit() {
    let mut bench = Bench::new("rendezvous").await;
    assert_eq!(&*bench.crash().await.code, "limit-task_time");
    assert_eq!(bench.capped("task_time"), 1);
    let used = bench.shared.used(Instant::now()).meetings["sale"];
    assert_eq!((used.arrived, used.left), (1, 1), "whoever is gone is not waited for");
}

#[tokio::test]
async fn a_rendezvous_is_for_one_number_of_users() {
    let why = why(&Bench::new("rendezvous-sizes").await).await;
    assert_eq!(
        why,
        "the rendezvous `sale` is one of 2 users, not of 3; give another one another name"
    );
}

#[tokio::test]
async fn names_of_what_is_shared_are_bounded_and_counted() {
    let mut bench = Bench::new("shared-names").await;
    assert_eq!(why(&bench).await, "49900 refused");
    assert_eq!(bench.capped("shared_names"), 49_900);
    let mut bench = Bench::new("shared-long-name").await;
    let why = why(&bench).await;
    assert!(why.starts_with("a name of 1048576 bytes is too long for numbers: 100 "), "{why}");
    assert_eq!(bench.capped("shared_names"), 1);
}

#[tokio::test]
async fn handles_of_data_sets_are_bounded() {
    let bench = Bench::with("feeders", 2, |limits| limits.handles = 100).await;
    assert_eq!(&*bench.crash().await.code, "limit-handles");
    let why = why(&Bench::new("feeder-columns").await).await;
    assert_eq!(why, "50000 columns of data set `users` are asked for, and it has 2");
}

#[tokio::test]
async fn a_user_that_is_done_has_not_failed() {
    let bench = Bench::new("done").await;
    let mut user = bench.user(0).await;
    assert_eq!(user.run_task(0, Due::now()).await, CallOutcome::Finished);
    assert_eq!(user.stop().await, CallOutcome::Done);
}
