//! Shares that change while a worker makes load.

use super::*;

fn slots(slots: &[u32]) -> Share {
    Share::new(4, slots.iter().copied()).unwrap()
}

impl Boss {
    async fn running(share: Share) -> (Self, Step) {
        let mut boss = Self::of(Script::default(), Load::Closed { users: Curve::constant(8.0) });
        let step = Step::Run { start: wall_micros(), setup_data: "data".into() };
        let users = share.count_of(8) as u32;
        boss.generation += 1;
        boss.send_share(boss.generation, step.clone(), (share, 0));
        boss.until(|status| status.state == WorkerState::Running && status.users == users).await;
        (boss, step)
    }

    async fn hold(&mut self, step: &Step, share: Share, from: u64) -> u64 {
        self.generation += 1;
        self.send_share(self.generation, step.clone(), (share, from));
        let generation = self.generation;
        self.until(|status| status.applied.1 == generation).await.share_from
    }
}

#[tokio::test]
async fn a_worker_says_since_when_its_share_holds() {
    let (mut boss, step) = Boss::running(slots(&[0, 1])).await;
    // What is given away too late holds from a moment on that all shards can know of in time.
    let told = wall_micros();
    let from = boss.hold(&step, slots(&[0]), told - 1_000_000).await;
    assert!((told..told + 1_000_000).contains(&from), "{from} after {told}");
    assert_eq!(boss.hold(&step, slots(&[0]), told - 1_000_000).await, from, "a repeat");
    boss.until(|status| status.users == 2).await;
    // What is gained holds from whenever it was given.
    let since = wall_micros() - 500_000;
    assert_eq!(boss.hold(&step, slots(&[0, 2, 3]), since).await, since);
    boss.until(|status| status.users == 6).await;
    // What is to come is as it was wanted, and does not end the load.
    let ahead = wall_micros() + 500_000;
    assert_eq!(boss.hold(&step, slots(&[]), ahead).await, ahead);
    let status = boss.until(|status| status.users == 0).await;
    assert!(wall_micros() >= ahead && status.state == WorkerState::Running);
    boss.assign(Step::Stop { mode: StopMode::Graceful });
    boss.until_stopped().await;
    boss.finish().await;
}

#[tokio::test]
async fn a_share_that_is_stated_while_the_scenario_is_made_ready_is_not_missed() {
    let script = Script { prepares_for: Duration::from_millis(300), ..Script::default() };
    let mut boss = Boss::of(script, Load::Closed { users: Curve::constant(8.0) });
    let step = Step::Run { start: wall_micros(), setup_data: "data".into() };
    boss.generation = 1;
    boss.send_share(1, step.clone(), (slots(&[]), 0));
    boss.until_state(WorkerState::Preparing).await;
    boss.send_share(2, step, (slots(&[0, 1]), 0));
    boss.until(|status| status.applied.1 == 2 && status.users == 4).await;
    boss.finish().await;
}

#[tokio::test]
async fn a_worker_that_is_to_end_goes_on_until_others_have_its_share() {
    for is_taken_over in [true, false] {
        let (mut boss, step) = Boss::running(slots(&[0, 1, 2])).await;
        boss.stop.cancel();
        let begin = tokio::time::Instant::now();
        let status = boss.until(|status| status.draining).await;
        assert_eq!((status.state, status.users), (WorkerState::Running, 6));
        if is_taken_over {
            boss.generation += 1;
            boss.send_share(boss.generation, step, (slots(&[]), 0));
        }
        let status = boss.until(|status| status.state == WorkerState::Idle).await;
        assert_eq!((status.users, status.draining), (0, true));
        let waited = begin.elapsed();
        assert_eq!(waited < Duration::from_millis(450), is_taken_over, "{waited:?}");
        assert!(boss.intervals.last().is_some_and(|interval| interval.last));
        boss.finish().await;
    }
}

#[tokio::test]
async fn a_worker_that_is_to_end_cuts_off_what_goes_on_at_its_deadline() {
    let script = Script { task_takes: Duration::from_secs(60), ..Script::default() };
    let mut boss = Boss::of(script, Load::Closed { users: Curve::constant(4.0) });
    boss.start();
    boss.until(|status| status.users == 4).await;
    boss.stop.cancel();
    let begin = tokio::time::Instant::now();
    boss.until(|status| status.draining && status.state == WorkerState::Idle).await;
    let waited = begin.elapsed();
    assert!(waited > Duration::from_millis(1_900) && waited < Duration::from_secs(4), "{waited:?}");
    assert!(boss.intervals.last().is_some_and(|interval| interval.last));
    boss.finish().await;
}

#[tokio::test]
async fn a_process_that_joins_in_the_middle_repeats_nothing_of_its_predecessor() {
    let load = Load::Arrivals {
        rate: Curve::constant(100.0),
        poisson: false,
        preallocated: 5,
        max_users: 50,
        max_lag: Duration::from_secs(60),
    };
    let mut boss = Boss::of(Script::default(), load);
    let began = wall_micros();
    boss.assign(Step::Run { start: began - 3_000_000, setup_data: "data".into() });
    let status = boss.until_state(WorkerState::Running).await;
    assert!(status.share_from >= began, "{} before {began}", status.share_from);
    boss.until(|status| status.users > 0).await;
    boss.assign(Step::Stop { mode: StopMode::Graceful });
    boss.until_stopped().await;
    let lived = Duration::from_micros(wall_micros() - began);
    let arrivals: u64 =
        boss.intervals.iter().map(|interval| interval.statistics.counters.arrivals).sum();
    assert!(arrivals as f64 <= lived.as_secs_f64() * 100.0 + 1.0, "{arrivals} in {lived:?}");
    boss.finish().await;
}
