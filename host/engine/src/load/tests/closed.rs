//! Users that follow a curve.
#![allow(clippy::unwrap_used)]

use super::*;

#[test]
fn a_ramp_starts_and_stops_users_smoothly() {
    paused(async {
        let profile = ramp(stages(&[(10.0, 10.0), (5.0, 10.0), (10.0, 0.0)]));
        let bench = every_second(FakeFactory::taking(secs(0.01)), profile);
        let run = bench.start();
        for (at, users) in [(0.5, 1), (4.5, 5), (9.5, 10), (14.0, 10), (16.5, 9), (24.5, 1)] {
            bench.at(at).await;
            assert_eq!(bench.users_now(), users, "after {at} s");
        }
        run.await.unwrap();
        assert_eq!(bench.users_now(), 0);
        assert_near(bench.begin.elapsed(), 25.0);
        let newest_first: Vec<u64> = (0..10).rev().collect();
        assert_eq!(bench.users.users_at(What::Stop), newest_first);
    });
}

#[test]
fn each_user_starts_runs_and_stops_in_this_order() {
    paused(async {
        let bench =
            every_second(FakeFactory::taking(secs(0.1)), ramp(stages(&[(0.0, 3.0), (10.0, 3.0)])));
        let statistics = bench.run().await;
        for user in 0..3 {
            let calls = bench.users.calls.borrow();
            let calls: Vec<What> =
                calls.iter().filter(|call| call.user == user).map(|call| call.what).collect();
            let (first, rest) = calls.split_first().unwrap();
            let (last, tasks) = rest.split_last().unwrap();
            assert_eq!((*first, *last), (What::Start, What::Stop));
            assert!(tasks.iter().all(|task| *task == What::Task(0)));
            assert_eq!(tasks.len(), 10, "one per 1.1 s");
        }
        let key = SeriesKey::Task { user_type: "User".into(), task: "task".into() };
        let SeriesStats::Task(stats) = &statistics.series[&key] else { panic!("{statistics:?}") };
        assert_eq!((stats.iterations, stats.failures), (30, 0));
        assert_eq!(stats.duration.min().map(|us| us / 1000), Some(100));
    });
}

#[test]
fn user_types_and_fixed_counts_hold_over_all_shares() {
    paused(async {
        let mut scenario = description(WaitTime::Constant(secs(1.0)));
        let base = scenario.user_types.remove(0);
        for (name, weight, fixed_count) in
            [("Admin", 1, Some(2)), ("Buyer", 1, None), ("Guest", 3, None)]
        {
            let user_type = loadhost_model::description::UserType {
                name: name.into(),
                weight,
                fixed_count,
                ..base.clone()
            };
            scenario.user_types.push(user_type);
        }
        let mut seen = BTreeMap::new();
        for worker in 0..3 {
            let users = FakeFactory::taking(secs(0.1));
            let plan = plan(ramp(stages(&[(0.0, 42.0), (2.0, 42.0)])));
            let team = Arc::new(Team::new(&scenario, 14));
            let share = Share::stripe(worker, 3).unwrap();
            let bench = Bench::of_team(users, plan, scenario.clone(), share, team);
            bench.run().await;
            for call in bench.users.calls.borrow().iter().filter(|call| call.what == What::Start) {
                *seen.entry(call.user_type).or_insert(0) += 1;
            }
        }
        assert_eq!(seen, BTreeMap::from([(0, 2), (1, 10), (2, 30)]));
    });
}

#[test]
fn pacing_is_a_grid_and_a_stall_is_charged_to_the_iterations_behind_it() {
    paused(async {
        // The third iteration of the only user takes 3.5 s instead of 0.1 s.
        let users = FakeFactory::new(|call| match call.what {
            What::Task(_) if call.intended == secs(2.0) => (secs(3.5), CallOutcome::Done),
            What::Task(_) => (secs(0.1), CallOutcome::Done),
            _ => (Duration::ZERO, CallOutcome::Done),
        });
        let profile = ramp(stages(&[(0.0, 1.0), (10.0, 1.0)]));
        let bench = Bench::new(users, plan(profile), description(WaitTime::Pacing(secs(1.0))));
        let statistics = bench.run().await;
        let lags: Vec<f64> = bench
            .users
            .iterations()
            .iter()
            .map(|call| ((call.actual - call.intended).as_secs_f64() * 10.0).round() / 10.0)
            .collect();
        // Started at 0, 1, 2 | 5.5, 5.6, 5.7 | 6, 7, 8, 9 for 0, 1, 2 | 3, 4, 5 | 6, 7, 8, 9.
        assert_eq!(lags, [0.0, 0.0, 0.0, 2.5, 1.6, 0.7, 0.0, 0.0, 0.0, 0.0]);
        assert_near(Duration::from_micros(statistics.health.start_lag.max().unwrap()), 2.5);
    });
}

#[test]
fn without_pacing_a_stall_shifts_what_follows() {
    paused(async {
        let users = FakeFactory::taking(secs(2.0));
        let bench = every_second(users, ramp(stages(&[(0.0, 1.0), (10.0, 1.0)])));
        bench.run().await;
        assert!(bench.users.iterations().iter().all(|call| call.intended == call.actual));
        assert_eq!(bench.users.iterations().len(), 4);
    });
}

#[test]
fn changed_users_keep_those_that_stay() {
    paused(async {
        let bench = every_second(FakeFactory::taking(secs(0.1)), ramp(Curve::constant(5.0)));
        let run = bench.start();
        bench.at(2.0).await;
        bench.amend(2.0, &Change::Users { users: 8, spawn_rate: None });
        bench.at(4.0).await;
        assert_eq!((bench.users_now(), bench.users.made.get()), (8, 8));
        bench.amend(4.0, &Change::Users { users: 3, spawn_rate: None });
        bench.at(6.0).await;
        assert_eq!((bench.users_now(), bench.users.made.get()), (3, 8));
        assert_eq!(bench.users.users_at(What::Stop), [7, 6, 5, 4, 3]);
        bench.stop(StopMode::Graceful);
        run.await.unwrap();
    });
}

#[test]
fn a_user_that_never_waits_lets_its_neighbours_run() {
    paused(async {
        let users = FakeFactory::new(|call| match call.what {
            What::Task(_) if call.user > 0 => (secs(0.1), CallOutcome::Done),
            _ => (Duration::ZERO, CallOutcome::Done),
        });
        let scenario = description(WaitTime::None);
        // A paused clock stands still while a task can run, so the count ends this one.
        let load = Load::UserIterations { users: 2, iterations: 50_000, max_duration: None };
        let bench = Bench::new(users, plan(profile(load)), scenario);
        let run = bench.start();
        bench.at(0.35).await;
        assert!(bench.users.users_at(What::Task(0)).contains(&1));
        bench.stop(StopMode::Now);
        run.await.unwrap();
    });
}

#[test]
fn the_same_seed_makes_the_same_run() {
    let run = |seed| {
        paused(async {
            let mut scenario = description(WaitTime::Between(secs(0.1), secs(1.0)));
            let task = scenario.user_types[0].tasks[0].clone();
            let other = loadhost_model::description::Task { name: "other".into(), ..task };
            scenario.user_types[0].tasks.push(other);
            let plan = RunPlan { seed, ..plan(ramp(stages(&[(0.0, 5.0), (10.0, 5.0)]))) };
            let bench = Bench::new(FakeFactory::taking(secs(0.05)), plan, scenario);
            bench.run().await;
            bench.users.calls.take()
        })
    };
    assert_eq!(run(7), run(7));
    assert_ne!(run(7), run(8));
}
