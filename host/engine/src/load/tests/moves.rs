//! Slots that come and go while load is made.

use super::*;

fn slots(of: u32, slots: &[u32]) -> Share {
    Share::new(of, slots.iter().copied()).unwrap()
}

impl Bench {
    /// From `from` on this is the worker's share, and that of its only shard.
    fn holds(&self, from: f64, share: Share) {
        self.orders.send_modify(|orders| {
            orders.worker.change(secs(from), share);
            orders.shares = orders.worker.clone();
        });
    }

    fn gains(&self, from: f64, more: &Share) {
        self.orders.send_modify(|orders| {
            orders.worker.gain(secs(from), more).unwrap();
            orders.shares = orders.worker.clone();
        });
    }

    fn sharing(users: FakeFactory, plan: RunPlan, share: Share) -> Self {
        let scenario = description(WaitTime::None);
        let team = Arc::new(Team::new(&scenario, 10));
        Self::of_team(users, plan, scenario, share, team)
    }
}

#[test]
fn users_that_are_given_away_end_their_iteration_and_others_begin() {
    paused(async {
        let users = FakeFactory::taking(secs(1.0));
        let profile = ramp(stages(&[(0.0, 6.0), (8.0, 6.0)]));
        let bench = Bench::sharing(users, plan(profile), slots(3, &[0, 1]));
        let run = bench.start();
        bench.at(2.5).await;
        bench.holds(3.5, slots(3, &[1, 2]));
        bench.at(3.4).await;
        assert!(bench.users.users_at(What::Stop).is_empty());
        bench.at(3.6).await;
        // The iterations of those that go, begun at the third second, last until the fourth.
        assert_eq!(bench.users.users_at(What::Start), [0, 1, 3, 4, 2, 5]);
        assert_eq!((bench.users_now(), bench.users.users_at(What::Stop)), (6, vec![]));
        bench.at(4.1).await;
        assert_eq!((bench.users_now(), bench.users.users_at(What::Stop)), (4, vec![0, 3]));
        run.await.unwrap();
        let mut stopped = bench.users.users_at(What::Stop);
        stopped.sort_unstable();
        assert_eq!(stopped, [0, 1, 2, 3, 4, 5]);
        assert_eq!(bench.recorder.drain().counters.interrupted, 0);
    });
}

#[test]
fn a_user_that_is_given_away_does_not_run_for_longer_than_the_graceful_stop() {
    paused(async {
        let users = FakeFactory::taking(secs(100.0));
        let bench = Bench::sharing(users, plan(ramp(Curve::constant(4.0))), slots(2, &[0, 1]));
        let run = bench.start();
        bench.at(2.0).await;
        bench.holds(2.0, slots(2, &[1]));
        bench.at(6.9).await;
        assert_eq!(bench.users_now(), 4);
        bench.at(7.1).await;
        assert_eq!((bench.users_now(), bench.users.users_at(What::Stop)), (2, vec![0, 2]));
        // Who was taken back in time stays.
        bench.holds(7.2, slots(2, &[]));
        bench.at(9.0).await;
        bench.gains(8.0, &slots(2, &[1]));
        bench.at(60.0).await;
        assert_eq!((bench.users_now(), bench.users.made.get()), (2, 4));
        bench.stop(StopMode::Now);
        run.await.unwrap();
    });
}

#[test]
fn a_worker_without_a_share_waits_for_one() {
    paused(async {
        for load in [
            Load::Closed { users: stages(&[(0.0, 2.0), (10.0, 2.0)]) },
            Load::Arrivals {
                rate: stages(&[(0.0, 2.0), (10.0, 2.0)]),
                poisson: false,
                preallocated: 1,
                max_users: 8,
                max_lag: secs(9.0),
            },
        ] {
            let users = FakeFactory::taking(secs(0.1));
            let bench = Bench::sharing(users, plan(profile(load)), slots(2, &[]));
            let run = bench.start();
            bench.at(5.0).await;
            assert_eq!((bench.users_now(), run.is_finished()), (0, false));
            bench.gains(4.0, &slots(2, &[1]));
            bench.at(6.0).await;
            assert!(bench.users_now() > 0);
            run.await.unwrap();
            assert!(bench.users.iterations().len() > 5);
        }
    });
}

#[test]
fn arrivals_that_change_hands_start_once_each() {
    paused(async {
        let rate = || stages(&[(0.0, 20.0), (10.0, 20.0)]);
        let users = FakeFactory::taking(secs(0.01));
        let bench = |share| Bench::sharing(users.clone(), plan(arrivals(rate(), 100, 5.0)), share);
        let (a, b) = (bench(slots(4, &[0, 1, 2])), bench(slots(4, &[3])));
        let runs = [a.start(), b.start()];
        a.at(2.0).await;
        a.holds(3.0, slots(4, &[0]));
        // The other hears of it a second late, so what was due meanwhile is late.
        a.at(4.0).await;
        b.gains(3.0, &slots(4, &[1, 2]));
        a.at(7.0).await;
        b.holds(7.2, slots(4, &[]));
        a.gains(7.2, &slots(4, &[1, 2, 3]));
        for run in runs {
            run.await.unwrap();
        }
        let mut all: Vec<Duration> = users.iterations().iter().map(|call| call.intended).collect();
        all.sort();
        let whole = loadhost_model::schedule::Arrivals::new(&rate());
        let expected: Vec<Duration> = (0..).map_while(|n| whole.due(n)).collect();
        let close = |(one, other): (&Duration, &Duration)| one.abs_diff(*other) < secs(1e-6);
        assert_eq!(all.len(), expected.len());
        assert!(all.iter().zip(&expected).all(close), "{all:?}");
        let late = users
            .iterations()
            .iter()
            .filter(|call| call.actual > call.intended + secs(0.1))
            .count();
        assert_eq!(
            late, 9,
            "half of the arrivals of the second from 3 to 4, but for the last tenth"
        );
        // Users that had nothing to do any more have left.
        assert_eq!((a.users_now(), b.users_now()), (0, 0));
    });
}

#[test]
fn iterations_stay_with_whom_they_began() {
    paused(async {
        let load = Load::SharedIterations { users: 4, iterations: 40, max_duration: None };
        let users = FakeFactory::taking(secs(0.1));
        let bench = |share| Bench::sharing(users.clone(), plan(profile(load.clone())), share);
        let (a, b) = (bench(slots(4, &[0, 1])), bench(slots(4, &[2, 3])));
        let runs = [a.start(), b.start()];
        a.at(0.55).await;
        a.holds(0.6, slots(4, &[]));
        b.gains(0.6, &slots(4, &[0, 1]));
        for run in runs {
            run.await.unwrap();
        }
        assert_eq!(users.iterations().len(), 40);
        // One that came in the middle, such as a worker that was started again.
        let late = bench(slots(4, &[0, 1]));
        late.orders.send_modify(|orders| {
            orders.worker = Timeline::new(secs(0.6), slots(4, &[0, 1]));
            orders.shares = orders.worker.clone();
        });
        late.run().await;
        assert_eq!(users.iterations().len(), 40);
    });
}

#[test]
fn a_request_that_waits_for_a_slot_takes_one_of_the_new_share() {
    paused(async {
        let clock = RunClock::starting_at(Instant::now());
        let plan = plan(ramp(Curve::constant(1.0)));
        let recorder = Arc::new(Recorder::new(clock, Arc::new(Names::new(&plan.limits))));
        let alarm = Alarm::coarse();
        tokio::task::spawn_local(Arc::clone(&alarm).ring());
        let gate = Rc::new(Gate::new(alarm, clock, recorder));
        let mut shares = Timeline::always(slots(10, &[9]));
        gate.limit(Some(1.0), &shares, 10);
        let waiting = tokio::task::spawn_local({
            let gate = Rc::clone(&gate);
            async move {
                gate.ready().await;
                clock.elapsed()
            }
        });
        tokio::time::sleep(secs(2.5)).await;
        shares.gain(secs(2.0), &slots(10, &[2, 4])).unwrap();
        gate.limit(Some(1.0), &shares, 10);
        assert_near(waiting.await.unwrap(), 4.0);
        shares.change(secs(4.0), slots(10, &[]));
        gate.limit(Some(1.0), &shares, 10);
        let none = tokio::time::timeout(secs(100.0), gate.ready()).await;
        assert!(none.is_err(), "there is no slot");
    });
}

#[test]
fn a_shard_takes_what_its_neighbour_leaves_of_the_cap() {
    paused(async {
        let plan = plan(ramp(Curve::constant(1.0)));
        let cap = Arc::new(Cap::default());
        let clock = RunClock::starting_at(Instant::now());
        let shard = || {
            let recorder = Arc::new(Recorder::new(clock, Arc::new(Names::new(&plan.limits))));
            let alarm = Alarm::coarse();
            tokio::task::spawn_local(Arc::clone(&alarm).ring());
            let gate = Gate::new(alarm, clock, recorder).under(Arc::clone(&cap));
            gate.limit(Some(100.0), &Timeline::always(Share::whole()), 2);
            gate
        };
        let (one, other) = (shard(), shard());
        let passed = async |gate: &Gate, until: f64| {
            let mut count = 0;
            while tokio::time::timeout_at(clock.instant(secs(until)), gate.ready()).await.is_ok() {
                count += 1;
            }
            count
        };
        let alone = passed(&one, 1.0).await;
        assert!((99..=101).contains(&alone), "{alone} of 100");
        let (one, other) = tokio::join!(passed(&one, 2.0), passed(&other, 2.0));
        assert!((97..=101).contains(&(one + other)), "{one} and {other} of 100");
    });
}

#[test]
fn a_worker_that_takes_too_much_sheds_users_and_arrivals() {
    paused(async {
        let users = FakeFactory::taking(secs(0.1));
        let bench = Bench::sharing(users, plan(ramp(Curve::constant(20.0))), Share::whole());
        let run = bench.start();
        bench.at(1.0).await;
        assert_eq!(bench.users_now(), 20);
        bench.team.allow(610);
        bench.at(2.0).await;
        assert_eq!(bench.users_now(), 12);
        bench.team.allow(1000);
        bench.at(3.0).await;
        assert_eq!(bench.users_now(), 20);
        bench.stop(StopMode::Now);
        run.await.unwrap();

        let rate = stages(&[(0.0, 100.0), (10.0, 100.0)]);
        let users = FakeFactory::taking(secs(0.01));
        let bench = Bench::sharing(users, plan(arrivals(rate, 50, 1.0)), Share::whole());
        bench.team.allow(810);
        let statistics = bench.run().await;
        assert_eq!(bench.users.iterations().len(), 810);
        let counters = statistics.counters;
        assert_eq!((counters.arrivals, counters.dropped_arrivals), (1000, 190));
    });
}
