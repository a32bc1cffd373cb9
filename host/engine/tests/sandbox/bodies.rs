//! Large bodies both ways: within the limits they work, beyond them they are refused or cut by
//! name, and what the host keeps for a guest is bounded.

use std::time::{Duration, Instant};

use loadhost_engine::load::vu::{CallOutcome, Due, Vu};
use loadhost_model::plan::Limits;

use crate::bench::{Bench, crash};

/// Copying so much takes its time where other tests run beside.
fn patient(limits: &mut Limits) {
    limits.task_cpu = Duration::from_secs(60);
}

async fn failure(bench: &Bench) -> String {
    match bench.attack().await {
        CallOutcome::Failed(why) => why.to_string(),
        other => panic!("it did not fail: {other:?}"),
    }
}

#[tokio::test]
async fn a_request_body_within_its_limit_arrives_whole() {
    let body = 8 << 20;
    let bench = Bench::new(&format!("post {body}")).await;
    assert_eq!(bench.attack().await, CallOutcome::Done);
    assert_eq!(bench.server.requests(), 1);
    let received = bench.server.bytes_received();
    assert!(received > body && received < body + 2_000, "{received} bytes");
}

#[tokio::test]
async fn a_request_body_beyond_its_limit_is_refused_by_name_and_the_user_goes_on() {
    let mut bench = Bench::new(&format!("post {}", (8 << 20) + 1)).await;
    let why = failure(&bench).await;
    assert!(why.contains("request_body_bytes"), "{why}");
    assert_eq!(bench.server.requests(), 0);
    assert_eq!((bench.requests(), bench.capped("request_body_bytes")), ((1, 1), 1));
}

#[tokio::test]
async fn a_raised_body_limit_needs_no_other() {
    let bench = Bench::with(&format!("post {}", 12 << 20), 2, |limits| {
        limits.request_body_bytes = 16 << 20;
    })
    .await;
    assert_eq!(bench.attack().await, CallOutcome::Done);
}

#[tokio::test]
async fn a_decompression_bomb_is_cut_and_counted_once() {
    for path in ["/bomb", "/layers"] {
        let mut bench = Bench::with(&format!("get {path}"), 2, patient).await;
        assert_eq!(failure(&bench).await, format!("{} bytes", 4 << 20), "{path}");
        assert_eq!(bench.capped("response_body_bytes"), 1, "{path}");
        assert_eq!(bench.requests(), (1, 0), "{path}");
    }
}

#[tokio::test]
async fn a_body_without_end_ends_at_the_timeout() {
    for path in ["/endless", "/drip"] {
        let mut bench = Bench::new(&format!("get {path}")).await;
        let begun = Instant::now();
        let why = failure(&bench).await;
        assert!(why.contains("did not end within the timeout"), "{path}: {why}");
        assert!(begun.elapsed() < Duration::from_secs(15), "{path}: {:?}", begun.elapsed());
        assert_eq!(bench.requests(), (1, 1), "{path}");
    }
}

#[tokio::test]
async fn what_the_host_keeps_for_a_guest_is_bounded() {
    for mode in ["bodies", "answers"] {
        let mut bench = Bench::with(mode, 2, patient).await;
        let crash = bench.crash().await;
        assert_eq!(&*crash.code, "limit-kept_bytes", "{mode}: {crash:?}");
        assert!(crash.message.contains("--limit kept_bytes=VALUE"), "{}", crash.message);
        assert_eq!(bench.capped("kept_bytes"), 1, "{mode}");
    }
}

#[tokio::test]
async fn little_text_that_takes_much_room_in_the_host_counts_as_what_it_takes() {
    for mode in ["kept-tags", "kept-places", "kept-json"] {
        let bench = Bench::with(mode, 2, patient).await;
        let crash = bench.crash().await;
        assert_eq!(&*crash.code, "limit-kept_bytes", "{mode}: {crash:?}");
    }
}

#[tokio::test]
async fn json_is_not_taken_apart_if_it_is_long() {
    let bench = Bench::with("long-json", 2, patient).await;
    let why = failure(&bench).await;
    assert!(why.contains("at most 64 KiB") && why.len() < 200, "{why}");
}

#[tokio::test]
async fn many_places_or_headers_cost_the_host_no_more_than_their_length() {
    for mode in ["many-places", "many-headers"] {
        let bench = Bench::with(mode, 2, patient).await;
        let begun = Instant::now();
        assert_eq!(bench.attack().await, CallOutcome::Done, "{mode}");
        assert!(begun.elapsed() < Duration::from_secs(5), "{mode}: {:?}", begun.elapsed());
    }
}

#[tokio::test]
async fn what_a_guest_replaces_or_lets_go_of_is_not_held_against_it() {
    let bench = Bench::with("body-again", 2, patient).await;
    assert_eq!(bench.attack().await, CallOutcome::Done);
}

#[tokio::test]
async fn bytes_that_nobody_asked_for_are_counted() {
    let mut bench = Bench::new("get /surplus").await;
    failure(&bench).await;
    assert_eq!((bench.requests(), bench.capped("surplus_bytes")), ((1, 0), 1));

    let mut bench = Bench::new("get /late-surplus").await;
    let mut user = bench.user(0).await;
    user.run_task(0, Due::now()).await;
    assert_eq!(bench.capped("surplus_bytes"), 0);
    tokio::time::sleep(Duration::from_millis(200)).await;
    user.run_task(0, Due::now()).await;
    assert_eq!((bench.requests(), bench.capped("surplus_bytes")), ((2, 0), 1));
}

#[tokio::test]
async fn an_answer_of_the_host_that_finds_no_memory_in_the_guest_ends_only_the_guest() {
    let bench = Bench::with("get /bomb", 2, |limits| limits.memory_bytes = 5 << 20).await;
    let crash = crash(bench.attack().await);
    assert_eq!(&*crash.code, "limit-memory_bytes", "{crash:?}");
}
