#![allow(clippy::unwrap_used)]

mod announce;
mod tables;

use std::time::Duration;

use loadhost_model::data::{DataFormat, DataSet, RowOrder};
use loadhost_model::id::Digest;
use loadhost_model::plan::RunPlan;
use loadhost_model::profile::Profile;
use loadhost_model::shared::{Attendance, Draw, Lease, MAX_NAMES, Release, SharedState};
use tokio::task::JoinHandle;

use super::*;
use crate::load::fake;

fn secs(seconds: f64) -> Duration {
    Duration::from_secs_f64(seconds)
}

/// A run whose users read this data set.
fn plan(order: RowOrder) -> RunPlan {
    let mut plan = fake::plan(Profile { phases: vec![], run_time: None, max_request_rate: None });
    let set = DataSet {
        digest: Digest::new([1; 32]),
        format: DataFormat::Csv,
        rows: 3,
        order,
        lost: Default::default(),
    };
    plan.data.insert("users".to_string(), set);
    plan
}

fn commons() -> Arc<Commons> {
    Commons::of_run(&plan(RowOrder::Queue), 2)
}

fn lease(before: u64, blocks: &[(u64, u64)], last: bool) -> Lease {
    Lease { before, blocks: blocks.to_vec(), last }
}

/// The coordinator says what is leased of the number `order`.
fn leased(commons: &Commons, lease: Lease) {
    let numbers = [(Arc::from("order"), lease)].into();
    commons.hear(&SharedState { numbers, ..Default::default() }, |_| Instant::now());
}

fn released(commons: &Commons, released: u64, at: Instant) {
    let meetings = [(Arc::from("sale"), Release { released, at: 0 })].into();
    commons.hear(&SharedState { meetings, ..Default::default() }, |_| at);
}

fn orders(commons: &Commons) -> Arc<Stock> {
    commons.numbers("order").unwrap()
}

fn drawn(commons: &Commons) -> Draw {
    commons.used(Instant::now()).numbers["order"]
}

fn all(stock: &Stock) -> Vec<u64> {
    let next = || match stock.take() {
        Taken::Number(number) => Some(number),
        Taken::UsedUp | Taken::NotYet => None,
    };
    std::iter::from_fn(next).collect()
}

/// Lets all tasks run that can.
async fn settle() {
    for _ in 0..10 {
        tokio::task::yield_now().await;
    }
}

fn waiter(commons: &Commons) -> JoinHandle<Result<Option<u64>, NotInTime>> {
    let stock = orders(commons);
    tokio::spawn(async move { stock.wait().await })
}

fn visitor(commons: &Commons, timeout: Duration) -> JoinHandle<bool> {
    let meeting = commons.meeting("sale", 3).unwrap().unwrap();
    tokio::spawn(async move { meeting.wait(timeout).await })
}

fn attendance(commons: &Commons) -> Attendance {
    commons.used(Instant::now()).meetings["sale"]
}

#[tokio::test(start_paused = true)]
async fn what_is_heard_twice_or_late_is_handed_out_once() {
    let commons = commons();
    let stock = orders(&commons);
    leased(&commons, lease(0, &[(10, 3)], false));
    leased(&commons, lease(0, &[(10, 3)], false));
    assert_eq!(stock.take(), Taken::Number(10));
    leased(&commons, lease(1, &[(11, 2), (40, 2)], false));
    leased(&commons, lease(0, &[(10, 3)], false)); // older
    assert_eq!(all(&stock), [11, 12, 40, 41]);
    assert_eq!(stock.take(), Taken::NotYet);
    assert_eq!(drawn(&commons).taken, 5);
    leased(&commons, lease(5, &[], true));
    assert_eq!(stock.take(), Taken::UsedUp);
}

#[tokio::test(start_paused = true)]
async fn what_was_used_before_this_process_heard_of_it_counts_as_taken() {
    let commons = commons();
    leased(&commons, lease(7, &[(50, 2)], false));
    assert_eq!(all(&orders(&commons)), [50, 51]);
    assert_eq!(drawn(&commons).taken, 9);
}

#[tokio::test(start_paused = true)]
async fn who_waits_gets_what_comes_and_no_more_than_that() {
    let commons = commons();
    let waiters: Vec<_> = (0..3).map(|_| waiter(&commons)).collect();
    settle().await;
    assert_eq!(drawn(&commons).wanted, 23, "ten for each shard, and those that wait");
    leased(&commons, lease(0, &[(0, 2)], false));
    settle().await;
    let done: Vec<_> = waiters.iter().map(JoinHandle::is_finished).collect();
    assert_eq!(done, [true, true, false], "who came first gets it first");
    leased(&commons, lease(2, &[(9, 5)], false));
    let mut got = Vec::new();
    for waiter in waiters {
        got.push(waiter.await.unwrap().unwrap().unwrap());
    }
    assert_eq!(got, [0, 1, 9]);
    assert_eq!(all(&orders(&commons)), [10, 11, 12, 13]);
}

#[tokio::test(start_paused = true)]
async fn a_waiting_user_hears_that_there_will_be_no_more() {
    let commons = commons();
    let waiters = [waiter(&commons), waiter(&commons)];
    settle().await;
    leased(&commons, lease(0, &[(0, 1)], true));
    let mut got = Vec::new();
    for waiter in waiters {
        got.push(waiter.await.unwrap());
    }
    assert_eq!(got, [Ok(Some(0)), Ok(None)]);
}

#[tokio::test(start_paused = true)]
async fn what_was_taken_back_while_the_worker_was_away_is_not_handed_out() {
    let commons = commons();
    let stock = orders(&commons);
    leased(&commons, lease(0, &[(10, 3)], false));
    assert_eq!(stock.take(), Taken::Number(10));
    commons.close();
    assert_eq!(stock.take(), Taken::UsedUp);
    commons.reopen();
    leased(&commons, lease(3, &[(70, 1)], false));
    assert_eq!(all(&stock), [70]);
    assert_eq!(drawn(&commons).taken, 4);
}

#[tokio::test(start_paused = true)]
async fn who_waits_when_the_load_ends_waits_no_longer() {
    let commons = commons();
    let waiting = waiter(&commons);
    settle().await;
    commons.close();
    assert_eq!(waiting.await.unwrap(), Ok(None));
}

#[tokio::test(start_paused = true)]
async fn a_user_waits_ten_seconds_at_most() {
    let commons = commons();
    let begin = Instant::now();
    assert_eq!(orders(&commons).wait().await, Err(NotInTime));
    assert_eq!(begin.elapsed(), secs(10.0));
    assert_eq!(drawn(&commons), Draw { taken: 0, wanted: 20 });
}

#[tokio::test(start_paused = true)]
async fn what_a_user_waited_for_that_was_dropped_is_for_the_next() {
    let commons = commons();
    let (gone, stays) = (waiter(&commons), waiter(&commons));
    settle().await;
    leased(&commons, lease(0, &[(4, 1)], false));
    // Woken, and dropped before it could take anything.
    gone.abort();
    assert_eq!(stays.await.unwrap(), Ok(Some(4)));
}

#[tokio::test(start_paused = true)]
async fn a_worker_asks_for_what_it_needs_in_ten_seconds() {
    let commons = commons();
    let stock = orders(&commons);
    leased(&commons, lease(0, &[(0, 1_000_000)], false));
    drawn(&commons);
    for _ in 0..3 {
        (0..500).for_each(|_| {
            stock.take();
        });
        tokio::time::advance(secs(1.0)).await;
        drawn(&commons);
    }
    assert_eq!(drawn(&commons), Draw { taken: 1500, wanted: 5000 });
    (0..400_000).for_each(|_| {
        stock.take();
    });
    tokio::time::advance(secs(1.0)).await;
    assert_eq!(drawn(&commons).wanted, 100_000, "and no more than that");
    for _ in 0..30 {
        tokio::time::advance(secs(1.0)).await;
        drawn(&commons);
    }
    assert_eq!(drawn(&commons).wanted, 20, "it forgets");
}

#[tokio::test(start_paused = true)]
async fn a_stock_that_ran_out_is_to_be_twice_as_large() {
    let commons = commons();
    orders(&commons);
    drawn(&commons);
    let waiting = waiter(&commons);
    settle().await;
    leased(&commons, lease(0, &[(0, 1)], false));
    waiting.await.unwrap().unwrap();
    tokio::time::advance(secs(1.0)).await;
    assert_eq!(drawn(&commons).wanted, 40);
}

#[tokio::test(start_paused = true)]
async fn users_go_on_from_a_rendezvous_together_in_the_order_they_came() {
    let commons = commons();
    let begin = Instant::now();
    let visitors: Vec<_> = (0..4).map(|_| visitor(&commons, secs(60.0))).collect();
    settle().await;
    assert_eq!(attendance(&commons), Attendance { size: 3, arrived: 4, left: 0, missed: 0 });
    released(&commons, 3, begin + secs(0.5));
    released(&commons, 3, begin + secs(0.5));
    tokio::time::sleep(secs(0.4)).await;
    assert!(visitors.iter().all(|visitor| !visitor.is_finished()), "not before the moment");
    tokio::time::sleep(secs(0.2)).await;
    let done: Vec<_> = visitors.iter().map(JoinHandle::is_finished).collect();
    assert_eq!(done, [true, true, true, false]);
    for visitor in visitors {
        let is_last = !visitor.is_finished();
        assert_eq!(visitor.await.unwrap(), !is_last, "the last one waits in vain");
    }
    assert_eq!(begin.elapsed(), secs(60.0));
    assert_eq!(attendance(&commons), Attendance { size: 3, arrived: 4, left: 1, missed: 0 });
}

#[tokio::test(start_paused = true)]
async fn who_leaves_a_rendezvous_is_counted_and_not_let_go() {
    let commons = commons();
    let first = visitor(&commons, secs(1.0));
    let stopped = visitor(&commons, secs(60.0));
    let stays = visitor(&commons, secs(60.0));
    settle().await;
    stopped.abort();
    assert!(!first.await.unwrap());
    assert_eq!(attendance(&commons), Attendance { size: 3, arrived: 3, left: 2, missed: 0 });
    released(&commons, 1, Instant::now());
    assert!(stays.await.unwrap());
    assert_eq!(attendance(&commons).left, 2);
}

#[tokio::test(start_paused = true)]
async fn a_user_that_was_told_to_go_on_goes_on_though_its_time_is_up() {
    let commons = commons();
    let begin = Instant::now();
    let visitor = visitor(&commons, secs(1.0));
    settle().await;
    tokio::time::advance(secs(0.99)).await;
    released(&commons, 1, begin + secs(1.2));
    assert!(visitor.await.unwrap());
    assert_eq!(begin.elapsed(), secs(1.2));
    assert_eq!(attendance(&commons).left, 0);
}

#[tokio::test(start_paused = true)]
async fn nobody_takes_the_place_of_who_left_while_the_word_was_under_way() {
    let commons = commons();
    assert!(!visitor(&commons, secs(1.0)).await.unwrap());
    released(&commons, 1, Instant::now());
    let late = visitor(&commons, secs(1.0));
    assert!(!late.await.unwrap());
    assert_eq!(attendance(&commons), Attendance { size: 3, arrived: 2, left: 2, missed: 1 });
}

#[tokio::test(start_paused = true)]
async fn a_counter_is_what_was_added_here_and_elsewhere() {
    let commons = commons();
    assert_eq!(commons.count("stock", 5), Ok(5));
    let counters = [(Arc::from("stock"), 100), (Arc::from("other"), -7)].into();
    commons.hear(&SharedState { counters, ..Default::default() }, |_| Instant::now());
    assert_eq!(commons.count("stock", -1), Ok(104));
    assert_eq!(commons.count("other", 0), Ok(-7));
    assert_eq!(commons.used(Instant::now()).counters["stock"], 4);
    assert_eq!(commons.count("most", i64::MAX), Ok(i64::MAX));
    assert_eq!(commons.count("most", 1), Ok(i64::MAX));
}

#[tokio::test(start_paused = true)]
async fn there_are_not_endlessly_many_names() {
    let commons = commons();
    for name in 0..1_000_000 {
        let counted = commons.count(&format!("n{name}"), 1);
        assert_eq!(counted.is_ok(), name < MAX_NAMES, "{name}");
    }
    assert!(commons.count("n0", 1).is_ok());
    let error = commons.count("new", 1).unwrap_err().to_string();
    assert!(error.contains("a run has 100 counters at most (`shared_names`)"), "{error}");
    let error = commons.numbers(&"x".repeat(101)).unwrap_err().to_string();
    assert!(error.contains("a name of 101 bytes is too long for numbers: 100"), "{error}");
    assert!(commons.meeting("sale", 3).is_ok(), "names of other kinds are not touched");
}

#[tokio::test(start_paused = true)]
async fn a_user_that_is_tried_out_alone_waits_for_nobody() {
    let commons = Commons::alone(&plan(RowOrder::Queue));
    assert_eq!(all(commons.rows("users").unwrap()), [0, 1, 2]);
    assert_eq!(commons.rows("users").unwrap().take(), Taken::UsedUp);
    assert!(commons.meeting("sale", 50).unwrap().is_none());
    assert_eq!(orders(&commons).take(), Taken::Number(0));
    let circular = Commons::alone(&plan(RowOrder::Circular));
    let stock = circular.rows("users").unwrap();
    assert!((0..10).all(|number| stock.take() == Taken::Number(number)));
    assert!(Commons::alone(&plan(RowOrder::User)).rows("users").is_none());
}
