//! Healthy users beside guests that are not.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::JoinHandle;
use std::time::Duration;

use loadhost_engine::load::vu::{CallOutcome, Due, Vu, VuFactory};
use loadhost_engine::scenario::{Scenario, StructureCaps};
use rustix::time::{ClockId, clock_gettime};
use tokio::task::LocalSet;
use tokio::time::Instant;

use crate::bench::{Bench, cache, guest};

/// Times that a guest computes beside a crowd, until that has taken time from it.
const TRIES: u32 = 20;

/// CPU time of the thread that passes between two turns of one who always wants one, while these
/// users run: the median, since all are alike but for those in which the machine let the thread
/// wait that ends them. Also how many iterations there were, and how many of them failed.
async fn turns(bench: &Bench, users: std::ops::Range<u64>, span: Duration) -> (Duration, u64, u64) {
    let end = Instant::now() + span;
    let mut tasks = Vec::new();
    for number in users {
        let mut user = bench.user(number).await;
        tasks.push(tokio::task::spawn_local(async move {
            let (mut done, mut failed) = (0, 0);
            while Instant::now() < end {
                match user.run_task(0, Due::now()).await {
                    CallOutcome::Done => done += 1,
                    _ => failed += 1,
                }
            }
            (done, failed)
        }));
    }
    let mut gaps = Vec::new();
    let mut last = cpu_of_this_thread();
    while Instant::now() < end {
        tokio::task::yield_now().await;
        let now = cpu_of_this_thread();
        gaps.push(now - last);
        last = now;
    }
    let (done, failed) = sum(tasks).await;
    gaps.sort_unstable();
    (gaps[gaps.len() / 2], done, failed)
}

async fn sum(tasks: Vec<tokio::task::JoinHandle<(u64, u64)>>) -> (u64, u64) {
    let (mut done, mut failed) = (0, 0);
    for task in tasks {
        let (more, failures) = task.await.unwrap();
        done += more;
        failed += failures;
    }
    (done, failed)
}

#[tokio::test]
async fn an_endless_loop_does_not_slow_its_neighbours_noticeably() {
    LocalSet::new()
        .run_until(async {
            // User 0 loops; 1 to 50 are healthy.
            let bench = Bench::with("1000:loop", 60, |_| {}).await;
            bench.server.delay(Duration::from_millis(20));
            let (quiet, _, failures) = turns(&bench, 1..51, Duration::from_secs(1)).await;
            assert_eq!(failures, 0);
            let hog = tokio::task::spawn_local({
                let mut user = bench.factory.make(bench.identity(0)).await.unwrap();
                async move { user.run_task(0, Due::now()).await }
            });
            let (beside, done, failures) = turns(&bench, 1..51, Duration::from_secs(2)).await;
            assert!(done > 0 && failures == 0, "{done} iterations, {failures} failures");
            assert!(matches!(hog.await.unwrap(), CallOutcome::Crashed(_)));
            assert!(
                beside < quiet.mul_f64(1.2) + Duration::from_millis(3),
                "a turn after {beside:?} beside the loop, after {quiet:?} without"
            );
        })
        .await;
}

/// Iterations of 20 healthy users within this time, and how many failed. Beside them, user 0
/// attacks again and again, made anew after each crash.
async fn iterations(bench: &Bench, span: Duration, attacks: bool) -> (u64, u64) {
    let end = Instant::now() + span;
    let mut healthy = Vec::new();
    for number in 1..21 {
        let mut user = bench.user(number).await;
        healthy.push(tokio::task::spawn_local(async move {
            let (mut done, mut failed) = (0, 0);
            while Instant::now() < end {
                match user.run_task(0, Due::now()).await {
                    CallOutcome::Done => done += 1,
                    _ => failed += 1,
                }
            }
            assert!(done > 0, "a healthy user did nothing in {span:?}");
            (done, failed)
        }));
    }
    while attacks && Instant::now() < end {
        let attack = async {
            if let Ok(mut user) = bench.factory.make(bench.identity(0)).await {
                user.start().await;
                user.run_task(0, Due::now()).await;
            }
        };
        let _ = tokio::time::timeout_at(end, attack).await;
        tokio::task::yield_now().await;
    }
    sum(healthy).await
}

async fn check_neighbours(attack: &str) {
    let (quiet_time, time) = (Duration::from_millis(500), Duration::from_millis(1_500));
    let bench = Bench::with(&format!("1000:{attack}"), 24, |_| {}).await;
    bench.server.delay(Duration::from_millis(20));
    let (quiet, failed) = iterations(&bench, quiet_time, false).await;
    assert_eq!(failed, 0);
    let (beside, failed) = iterations(&bench, time, true).await;
    assert_eq!(failed, 0, "{attack}");
    // The attacker has a share of the processor, and so do other tests; but nobody stands still.
    assert!(
        beside * 5 > quiet * 3,
        "{attack}: {beside} iterations in {time:?}, {quiet} in {quiet_time:?} before"
    );
}

async fn check_each(attacks: &[&str]) {
    let checks = async {
        for attack in attacks {
            check_neighbours(attack).await;
        }
    };
    LocalSet::new().run_until(checks).await;
}

#[tokio::test]
async fn neighbours_of_guests_that_compute_where_the_host_waits_go_on() {
    let attacks = ["realloc-loop", "post-return-loop", "start-loop", "new-loop", "overflow"];
    check_each(&attacks).await;
}

#[tokio::test]
async fn neighbours_of_guests_that_take_what_they_can_go_on() {
    let attacks = ["memory-bomb", "small-grows", "handles", "host-calls", "bodies", "answers"];
    check_each(&attacks).await;
}

#[tokio::test]
async fn neighbours_of_guests_that_flood_go_on() {
    let attacks = ["many-lines", "batch", "batch-templates", "big-names", "tags", "get /endless"];
    check_each(&attacks).await;
}

fn cpu_of_this_thread() -> Duration {
    let now = clock_gettime(ClockId::ThreadCPUTime);
    Duration::new(now.tv_sec as u64, now.tv_nsec as u32)
}

/// Threads that compute until it is dropped.
struct Crowd {
    over: Arc<AtomicBool>,
    threads: Vec<JoinHandle<()>>,
}

impl Crowd {
    fn of(count: usize) -> Self {
        let over = Arc::new(AtomicBool::new(false));
        let compute = |over: Arc<AtomicBool>| {
            move || {
                while !over.load(Ordering::Relaxed) {
                    std::hint::spin_loop();
                }
            }
        };
        let threads = (0..count).map(|_| std::thread::spawn(compute(Arc::clone(&over)))).collect();
        Self { over, threads }
    }
}

impl Drop for Crowd {
    fn drop(&mut self) {
        self.over.store(true, Ordering::Relaxed);
        for thread in self.threads.drain(..) {
            thread.join().unwrap();
        }
    }
}

#[tokio::test]
async fn a_guest_is_not_charged_for_the_time_that_a_busy_machine_gave_to_others() {
    let begun = cpu_of_this_thread();
    let bench = Bench::with("busy", 2, |_| {}).await;
    assert_eq!(bench.attack().await, CallOutcome::Done);
    let needed = cpu_of_this_thread() - begun;
    let bench = Bench::with("busy", 2, |limits| limits.task_cpu = needed * 2).await;
    let processors = std::thread::available_parallelism().unwrap().get();
    let crowd = Crowd::of(processors * 6);
    // How soon the crowd gets in its way is the scheduler's choice.
    let mut took = Duration::ZERO;
    for _ in 0..TRIES {
        let begun = Instant::now();
        let outcome = bench.attack().await;
        took = begun.elapsed();
        assert_eq!(outcome, CallOutcome::Done, "it took {took:?}, of which {needed:?} are its own");
        if took > needed * 2 {
            break;
        }
    }
    drop(crowd);
    assert!(took > needed * 2, "the crowd took nothing from it: {took:?}, {needed:?}");
}

#[tokio::test]
async fn the_first_trap_at_a_place_takes_no_time_from_its_neighbours() {
    LocalSet::new()
        .run_until(async {
            // A scenario of its own, so that no other test has looked the place up already.
            let scenario =
                Scenario::load(&guest("hostile"), &StructureCaps::default(), Some(cache()))
                    .unwrap();
            assert!(scenario.inspection().debug_bytes > 1 << 20, "nothing to look up");
            let bench = Bench::of_scenario(&scenario, "trap", 2, |_| {}).await;
            let mut user = bench.user(0).await;
            let neighbour = tokio::task::spawn_local(async {
                let mut longest = Duration::ZERO;
                let mut before = Instant::now();
                loop {
                    tokio::time::sleep(Duration::from_millis(1)).await;
                    longest = longest.max(before.elapsed());
                    before = Instant::now();
                    if LOOKED_UP.with(std::cell::Cell::get) {
                        return longest;
                    }
                }
            });
            let begun = cpu_of_this_thread();
            let outcome = user.run_task(0, Due::now()).await;
            let cpu = cpu_of_this_thread() - begun;
            LOOKED_UP.with(|done| done.set(true));
            let CallOutcome::Crashed(crash) = outcome else { panic!("{outcome:?}") };
            assert!(crash.detail.contains("src/lib.rs:"), "{}", crash.detail);
            let longest = neighbour.await.unwrap();
            // How long the neighbour waited says little on a busy machine, so that is only told.
            assert!(cpu < Duration::from_millis(80), "{cpu:?}; the neighbour waited {longest:?}");
        })
        .await;
}

thread_local! {
    static LOOKED_UP: std::cell::Cell<bool> = const { std::cell::Cell::new(false) };
}
