//! Iterations, phases and stops: when the load is over.
#![allow(clippy::unwrap_used)]

use super::*;

#[test]
fn shared_iterations_are_made_exactly_once() {
    paused(async {
        let load = Load::SharedIterations { users: 7, iterations: 1000, max_duration: None };
        let bench = every_second(FakeFactory::taking(secs(0.03)), profile(load));
        bench.run().await;
        assert_eq!(bench.users.iterations().len(), 1000);
        assert_eq!(bench.users.users_at(What::Stop).len(), 7);
    });
}

#[test]
fn each_user_makes_its_own_iterations_and_no_more() {
    paused(async {
        let load = Load::UserIterations { users: 4, iterations: 6, max_duration: None };
        let bench = every_second(FakeFactory::taking(secs(0.03)), profile(load));
        bench.run().await;
        let mut counts = BTreeMap::new();
        for call in bench.users.iterations() {
            *counts.entry(call.user).or_insert(0) += 1;
        }
        assert_eq!(counts, BTreeMap::from([(0, 6), (1, 6), (2, 6), (3, 6)]));
        assert_near(bench.begin.elapsed(), 6.0 * 0.03 + 5.0);
    });
}

#[test]
fn iterations_end_at_their_greatest_duration() {
    paused(async {
        let max_duration = Some(secs(2.5));
        let load = Load::SharedIterations { users: 1, iterations: 1000, max_duration };
        let bench = every_second(FakeFactory::taking(secs(0.5)), profile(load));
        bench.run().await;
        assert_eq!(bench.users.iterations().len(), 2);
        assert_near(bench.begin.elapsed(), 2.5);
    });
}

#[test]
fn phases_run_beside_and_after_each_other() {
    paused(async {
        let phase = |name: &str, start: f64, load| Phase {
            name: name.into(),
            start: secs(start),
            load,
            user_types: vec![],
        };
        let one = Load::UserIterations { users: 1, iterations: 3, max_duration: None };
        let two = Load::Closed { users: stages(&[(0.0, 2.0), (3.0, 2.0)]) };
        let phases = vec![phase("one", 2.0, one), phase("two", 4.0, two)];
        let profile = Profile { phases, run_time: None, max_request_rate: None };
        let bench = every_second(FakeFactory::taking(secs(0.01)), profile);
        bench.run().await;
        let calls = bench.users.iterations();
        let of = |phase: u64| calls.iter().filter(move |call| call.user >> 40 == phase);
        assert_eq!((of(0).count(), of(1).count()), (3, 6));
        assert_eq!(of(0).next().map(|call| call.actual.as_secs()), Some(2));
        assert_eq!(of(1).next().map(|call| call.actual.as_secs()), Some(4));
        assert_near(bench.begin.elapsed(), 7.0);
    });
}

#[test]
fn a_graceful_stop_lets_iterations_end() {
    paused(async {
        let bench = every_second(FakeFactory::taking(secs(3.0)), ramp(Curve::constant(2.0)));
        let run = bench.start();
        bench.at(1.0).await;
        bench.stop(StopMode::Graceful);
        run.await.unwrap();
        assert_near(bench.begin.elapsed(), 3.0);
        let statistics = bench.recorder.drain();
        assert_eq!(statistics.counters.interrupted, 0);
        assert_eq!(bench.users.users_at(What::Stop), [0, 1]);
    });
}

#[test]
fn iterations_beyond_the_graceful_stop_are_interrupted_counted_and_still_stop() {
    paused(async {
        let bench = every_second(FakeFactory::taking(secs(600.0)), ramp(Curve::constant(2.0)));
        let run = bench.start();
        bench.at(1.0).await;
        bench.stop(StopMode::Graceful);
        run.await.unwrap();
        assert_near(bench.begin.elapsed(), 1.0 + 5.0);
        assert_eq!(bench.recorder.drain().counters.interrupted, 2);
        let mut stopped = bench.users.users_at(What::Stop);
        stopped.sort_unstable();
        assert_eq!(stopped, [0, 1]);
    });
}

#[test]
fn a_stop_now_cuts_at_once_even_during_a_graceful_one() {
    paused(async {
        let bench = every_second(FakeFactory::taking(secs(600.0)), ramp(Curve::constant(2.0)));
        let run = bench.start();
        bench.at(1.0).await;
        bench.stop(StopMode::Graceful);
        bench.at(2.0).await;
        bench.stop(StopMode::Now);
        run.await.unwrap();
        assert_near(bench.begin.elapsed(), 2.0);
        assert_eq!(bench.recorder.drain().counters.interrupted, 2);
        assert!(bench.users.users_at(What::Stop).is_empty());
        assert_eq!(bench.users_now(), 0);
    });
}

#[test]
fn the_run_time_ends_all_phases() {
    paused(async {
        let profile = Profile { run_time: Some(secs(4.0)), ..ramp(Curve::constant(3.0)) };
        let bench = every_second(FakeFactory::taking(secs(0.01)), profile);
        bench.run().await;
        assert_near(bench.begin.elapsed(), 4.0);
        assert_eq!(bench.users.users_at(What::Stop).len(), 3);
    });
}
