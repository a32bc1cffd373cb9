//! Users that go over to another version of the scenario.

use super::*;

impl Bench {
    /// From now on users go over to these.
    fn renew(&self, number: u32, users: &FakeFactory) {
        let scenario = description(WaitTime::Constant(secs(1.0)));
        self.shard.renew(number, users.clone(), &scenario);
    }
}

fn begun_by(users: &FakeFactory, seconds: f64) -> usize {
    users.iterations().iter().filter(|call| call.actual < secs(seconds)).count()
}

#[test]
fn each_user_ends_its_iteration_and_stops_on_the_old_and_begins_on_the_new_version() {
    paused(async {
        let (old, new) = (FakeFactory::taking(secs(0.5)), FakeFactory::taking(secs(0.5)));
        let load = || plan(ramp(stages(&[(0.0, 4.0), (6.0, 4.0)])));
        let bench = Bench::new(old.clone(), load(), description(WaitTime::None));
        let run = bench.start();
        bench.at(2.2).await;
        bench.shard.renew(1, new.clone(), &description(WaitTime::None));
        bench.at(2.45).await;
        assert!(old.users_at(What::Stop).is_empty() && new.made.get() == 0);
        assert_eq!(bench.team.behind(1), 4);
        bench.at(2.55).await;
        assert_eq!(old.users_at(What::Stop), [0, 1, 2, 3]);
        assert_eq!((new.users_at(What::Start), bench.users_now()), (vec![0, 1, 2, 3], 4));
        assert_eq!(bench.team.behind(1), 0);
        run.await.unwrap();
        // As many as without the change.
        let unchanged = FakeFactory::taking(secs(0.5));
        Bench::new(unchanged.clone(), load(), description(WaitTime::None)).run().await;
        let (before, after) = (old.iterations().len(), new.iterations().len());
        assert_eq!((before, before + after), (20, unchanged.iterations().len()));
        assert_eq!(new.users_at(What::Stop).len(), 4);
        assert_eq!((old.made.get(), new.made.get()), (4, 4));
    });
}

#[test]
fn who_waits_goes_over_at_once_and_keeps_the_rest_of_its_pause() {
    paused(async {
        let (old, new) = (FakeFactory::taking(secs(0.0)), FakeFactory::taking(secs(0.0)));
        let plan = plan(ramp(Curve::constant(3.0)));
        let bench = Bench::new(old.clone(), plan, description(WaitTime::Constant(secs(10.0))));
        let run = bench.start();
        bench.at(4.0).await;
        bench.shard.renew(1, new.clone(), &description(WaitTime::Constant(secs(10.0))));
        bench.at(4.2).await;
        assert_eq!((new.users_at(What::Start).len(), new.iterations().len()), (3, 0));
        bench.at(9.9).await;
        assert_eq!(new.iterations().len(), 0);
        bench.at(10.2).await;
        assert_eq!((old.iterations().len(), new.iterations().len()), (3, 3));
        bench.stop(StopMode::Now);
        run.await.unwrap();
    });
}

#[test]
fn arrivals_are_served_by_whoever_is_there_and_each_once() {
    paused(async {
        let (old, new) = (FakeFactory::taking(secs(0.03)), FakeFactory::taking(secs(0.03)));
        let rate = stages(&[(0.0, 100.0), (6.0, 100.0)]);
        let bench =
            Bench::new(old.clone(), plan(arrivals(rate, 50, 1.0)), description(WaitTime::None));
        let run = bench.start();
        bench.at(3.0).await;
        bench.renew(1, &new);
        run.await.unwrap();
        let statistics = bench.recorder.drain();
        let served = old.iterations().len() + new.iterations().len();
        assert_eq!((served, statistics.counters.dropped_arrivals), (600, 0));
        assert_eq!(old.users_at(What::Stop).len(), old.made.get() as usize);
        let last = old.iterations().last().unwrap().actual;
        assert!(last > secs(2.9) && last < secs(4.0), "{last:?}");
    });
}

#[test]
fn a_few_users_go_over_at_a_time_and_fewer_if_their_start_takes_long() {
    paused(async {
        let slow = |call: &Call| match call.what {
            What::Start => (secs(5.0), CallOutcome::Done),
            What::Task(_) => (secs(1.0), CallOutcome::Done),
            What::Stop => (secs(0.0), CallOutcome::Done),
        };
        let (old, quick) = (FakeFactory::taking(secs(0.1)), FakeFactory::taking(secs(0.1)));
        let slow = FakeFactory::new(slow);
        let plan = plan(ramp(Curve::constant(1000.0)));
        let bench = Bench::new(old, plan, description(WaitTime::None));
        let run = bench.start();
        bench.at(2.0).await;
        bench.shard.renew(1, quick.clone(), &description(WaitTime::None));
        bench.at(3.0).await;
        let over = quick.made.get();
        assert!((80..=110).contains(&over), "{over} of 1000 after a second");
        bench.at(13.0).await;
        assert_eq!((quick.made.get(), bench.team.behind(1)), (1000, 0));
        bench.shard.renew(2, slow.clone(), &description(WaitTime::None));
        bench.at(17.9).await;
        let over = slow.made.get();
        assert!((95..=110).contains(&over), "{over} of 1000 are being started");
        bench.at(70.0).await;
        assert_eq!((slow.made.get(), bench.users_now()), (1000, 1000));
        bench.stop(StopMode::Now);
        run.await.unwrap();
    });
}

#[test]
fn iterations_that_are_counted_go_on_where_they_were() {
    paused(async {
        let (old, new) = (FakeFactory::taking(secs(0.5)), FakeFactory::taking(secs(0.5)));
        let load = Load::UserIterations { users: 5, iterations: 10, max_duration: None };
        let bench = Bench::new(old.clone(), plan(profile(load)), description(WaitTime::None));
        let run = bench.start();
        bench.at(2.2).await;
        bench.renew(1, &new);
        run.await.unwrap();
        assert_eq!(old.iterations().len() + new.iterations().len(), 50);
        assert!(begun_by(&old, 2.5) == 25 && !new.iterations().is_empty());
    });
}

#[test]
fn who_is_made_anew_after_a_crash_is_made_of_the_newest_version() {
    paused(async {
        let crash = |call: &Call| match call.what {
            What::Task(_) => {
                let crash =
                    Crash { code: message("trap"), message: message("x"), detail: message("") };
                (secs(0.1), CallOutcome::Crashed(crash))
            }
            _ => (secs(0.0), CallOutcome::Done),
        };
        let (old, new) = (FakeFactory::new(crash), FakeFactory::taking(secs(0.1)));
        let plan = plan(ramp(Curve::constant(2.0)));
        let bench = Bench::new(old.clone(), plan, description(WaitTime::None));
        let run = bench.start();
        bench.at(0.5).await;
        bench.renew(1, &new);
        bench.at(1.3).await;
        assert_eq!((old.made.get(), new.made.get(), bench.team.behind(1)), (2, 2, 0));
        bench.stop(StopMode::Now);
        run.await.unwrap();
    });
}
