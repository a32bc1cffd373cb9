//! Arrivals by the clock.
#![allow(clippy::unwrap_used)]

use super::*;

#[test]
fn arrivals_start_by_the_clock_and_need_no_more_users_than_overlap_and_one_to_spare() {
    paused(async {
        let rate = stages(&[(0.0, 20.0), (10.0, 20.0)]);
        let bench = every_second(FakeFactory::taking(secs(0.24)), arrivals(rate, 100, 1.0));
        let statistics = bench.run().await;
        let calls = bench.users.iterations();
        assert_eq!(calls.len(), 200);
        for (n, call) in calls.iter().enumerate() {
            assert_eq!(call.intended, secs(n as f64 / 20.0), "arrival {n}");
        }
        assert_eq!((statistics.counters.arrivals, statistics.counters.dropped_arrivals), (200, 0));
        assert!((5..=7).contains(&bench.users.made.get()), "{} users", bench.users.made.get());
    });
}

#[test]
fn a_stalled_target_makes_arrivals_late_and_then_drops_them_at_the_greatest_lag() {
    paused(async {
        // 10 per second, two users, and a target that answers nobody from 2 s to 5 s.
        let users = FakeFactory::new(|call| match call.what {
            What::Task(_) => {
                let is_stalled = (secs(2.0)..secs(5.0)).contains(&call.actual);
                (if is_stalled { secs(5.0) - call.actual } else { secs(0.05) }, CallOutcome::Done)
            }
            _ => (Duration::ZERO, CallOutcome::Done),
        });
        let rate = stages(&[(0.0, 10.0), (10.0, 10.0)]);
        let bench = every_second(users, arrivals(rate, 2, 1.5));
        let statistics = bench.run().await;
        let calls = bench.users.iterations();
        let (arrivals, dropped) =
            (statistics.counters.arrivals, statistics.counters.dropped_arrivals);
        assert_eq!((arrivals, calls.len() as u64 + dropped), (100, 100));
        // Those of 2.2 s to 3.5 s waited for more than 1.5 s at 5 s.
        assert!((13..=15).contains(&dropped), "{dropped} dropped");
        let most = calls.iter().map(|call| call.actual - call.intended).max().unwrap();
        assert!(most > secs(1.3) && most <= secs(1.5), "{most:?}");
        assert_eq!(bench.users.made.get(), 2);
    });
}

#[test]
fn users_are_made_before_they_are_needed() {
    paused(async {
        // To start takes 0.3 s, an iteration 0.5 s; from 2 to 20 arrivals per second within 30 s, so from
        // one user to ten.
        let users = FakeFactory::new(|call| match call.what {
            What::Start => (secs(0.3), CallOutcome::Done),
            What::Task(_) => (secs(0.5), CallOutcome::Done),
            What::Stop => (Duration::ZERO, CallOutcome::Done),
        });
        let rate = stages(&[(0.0, 2.0), (30.0, 20.0)]);
        let load = Load::Arrivals {
            rate,
            poisson: false,
            preallocated: 2,
            max_users: 50,
            max_lag: secs(1.0),
        };
        let mut profile = profile(load);
        profile.phases[0].start = secs(1.0);
        let bench = every_second(users, profile);
        let statistics = bench.run().await;
        let most = bench.users.iterations().iter().map(|call| call.actual - call.intended).max();
        assert_near(most.unwrap(), 0.0);
        assert_eq!(statistics.counters.dropped_arrivals, 0);
        assert!(bench.users.made.get() <= 13, "{} users", bench.users.made.get());
    });
}

#[test]
fn preallocated_users_are_made_before_the_phase_begins() {
    paused(async {
        let rate = stages(&[(0.0, 10.0), (2.0, 10.0)]);
        let load = Load::Arrivals {
            rate,
            poisson: true,
            preallocated: 4,
            max_users: 8,
            max_lag: secs(1.0),
        };
        let mut profile = profile(load);
        profile.phases[0].start = secs(3.0);
        let bench = every_second(FakeFactory::taking(secs(0.01)), profile);
        let run = bench.start();
        bench.at(2.9).await;
        assert_eq!((bench.users_now(), bench.users.iterations().len()), (4, 0));
        run.await.unwrap();
        assert!(bench.users.iterations().iter().all(|call| call.intended >= secs(3.0)));
        assert_near(bench.begin.elapsed(), 5.0);
    });
}

#[test]
fn stripes_of_three_workers_add_up_to_one_schedule() {
    paused(async {
        let mut intended = Vec::new();
        for worker in 0..3 {
            let rate = stages(&[(5.0, 30.0), (5.0, 30.0)]);
            let plan = plan(arrivals(rate, 9, 1.0));
            let scenario = description(WaitTime::None);
            let team = Arc::new(Team::new(&scenario, 3));
            let share = Share::stripe(worker, 3).unwrap();
            let users = FakeFactory::taking(secs(0.01));
            let bench = Bench::of_team(users, plan, scenario, share, team);
            bench.run().await;
            intended.extend(bench.users.iterations().iter().map(|call| call.intended));
        }
        intended.sort();
        let whole = loadhost_model::schedule::Arrivals::new(&stages(&[(5.0, 30.0), (5.0, 30.0)]));
        let expected: Vec<Duration> = (0..).map_while(|n| whole.due(n)).collect();
        assert_eq!(intended.len(), expected.len());
        for (one, other) in intended.iter().zip(&expected) {
            assert!(
                one.abs_diff(*other) < Duration::from_micros(1),
                "{one:?} instead of {other:?}"
            );
        }
    });
}

#[test]
fn a_changed_rate_continues_the_grid_without_gap_or_double() {
    paused(async {
        let bench =
            every_second(FakeFactory::taking(secs(0.01)), arrivals(Curve::constant(10.0), 50, 1.0));
        let run = bench.start();
        bench.at(4.97).await;
        bench.amend(5.0, &Change::Rate { rate: 100.0, over: Duration::ZERO });
        bench.at(6.999).await;
        bench.stop(StopMode::Graceful);
        run.await.unwrap();
        let intended: Vec<Duration> =
            bench.users.iterations().iter().map(|call| call.intended).collect();
        let gap = |pair: &[Duration]| (pair[1] - pair[0]).as_secs_f64();
        assert!(intended[..50].windows(2).all(|pair| (gap(pair) - 0.1).abs() < 1e-6));
        assert!(intended[50..].windows(2).all(|pair| (gap(pair) - 0.01).abs() < 1e-6));
        assert_eq!((intended[50], intended.len()), (secs(5.0), 250));
    });
}

/// Every other one of ten arrivals per second for ten seconds, on a shard that asks after a standstill.
fn half_of_a_hundred(pulse: &Arc<Pulse>) -> Bench {
    let rate = stages(&[(0.0, 10.0), (10.0, 10.0)]);
    let plan = plan(arrivals(rate, 50, 30.0));
    let scenario = description(WaitTime::None);
    let team = Arc::new(Team::new(&scenario, 50).with_pulse(Arc::clone(pulse)));
    let share = Share::new(4, [0, 2]).unwrap();
    Bench::of_team(FakeFactory::taking(secs(0.01)), plan, scenario, share, team)
}

#[test]
fn after_a_standstill_arrivals_that_others_were_given_meanwhile_are_not_made_again() {
    paused(async {
        let pulse = Arc::new(Pulse::asking(Arc::default()));
        let bench = half_of_a_hundred(&pulse);
        let run = bench.start();
        bench.at(2.1).await;
        assert_eq!(bench.users.iterations().len(), 11);
        tokio::time::advance(secs(5.0)).await;
        bench.at(7.5).await;
        assert_eq!(bench.users.iterations().len(), 11, "it may have no share any more");
        bench.orders.send_modify(|orders| {
            orders.worker.change(secs(5.1), Share::new(4, [0]).unwrap());
            orders.shares = orders.worker.clone();
        });
        pulse.was_read(Instant::now());
        run.await.unwrap();
        let calls = bench.users.iterations();
        let own = (0..100).filter(|n| n % 4 == 0 || n % 2 == 0 && *n < 51);
        let expected: Vec<_> = own.map(|n| secs(f64::from(n) / 10.0)).collect();
        let intended: Vec<_> = calls.iter().map(|call| call.intended).collect();
        assert_eq!(intended, expected, "what is its own is late at most");
        let counters = bench.recorder.drain().counters;
        assert_eq!(counters.arrivals, 38);
        assert_eq!(counters.capped.get("stood_still"), Some(&1));
    });
}

#[test]
fn after_a_standstill_without_anybody_to_ask_arrivals_go_on_after_five_seconds() {
    paused(async {
        let bench = half_of_a_hundred(&Arc::new(Pulse::asking(Arc::default())));
        let run = bench.start();
        bench.at(2.1).await;
        tokio::time::advance(secs(2.0)).await;
        bench.at(9.0).await;
        assert_eq!(bench.users.iterations().len(), 11);
        run.await.unwrap();
        assert_eq!(bench.users.iterations().len(), 50, "none is missing");
        let last = bench.users.iterations().last().unwrap().intended;
        assert_near(last, 9.8);
    });
}
