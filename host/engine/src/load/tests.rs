//! Shards with scripted users, on a paused clock.
#![allow(clippy::unwrap_used)]

use std::collections::BTreeMap;
use std::future::Future;
use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

use loadhost_model::description::{Description, WaitTime};
use loadhost_model::id::WorkerId;
use loadhost_model::interval::{SeriesStats, Statistics};
use loadhost_model::metric::SeriesKey;
use loadhost_model::plan::RunPlan;
use loadhost_model::profile::{Change, Curve, Load, Phase, Profile};
use loadhost_model::segment::Segment;
use loadhost_model::wire::StopMode;
use tokio::runtime::{Builder, LocalOptions};
use tokio::sync::{mpsc, watch};
use tokio::time::Instant;

use crate::load::alarm::Alarm;
use crate::load::clock::RunClock;
use crate::load::fake::{Call, FakeFactory, What, description, message, plan, profile, stages};
use crate::load::gate::Gate;
use crate::load::log::LogSink;
use crate::load::shard::{self, Orders, Shard};
use crate::load::team::Team;
use crate::load::vu::{CallOutcome, Crash, ShardContext};
use crate::recorder::{Names, Recorder};

/// Runs `test` on a runtime such as a shard's, with a paused clock.
fn paused<T>(test: impl Future<Output = T>) -> T {
    let mut builder = Builder::new_current_thread();
    let runtime = builder.enable_all().start_paused(true).build_local(LocalOptions::default());
    runtime.unwrap().block_on(test)
}

/// One shard of a worker.
struct Bench {
    users: FakeFactory,
    orders: watch::Sender<Orders>,
    recorder: Arc<Recorder>,
    team: Arc<Team>,
    shard: Rc<Shard<FakeFactory>>,
    begin: Instant,
}

impl Bench {
    fn new(users: FakeFactory, plan: RunPlan, description: Description) -> Self {
        let team = Arc::new(Team::new(&description, plan.profile.planned_users_max().into()));
        Self::of_team(users, plan, description, Segment::WHOLE, team)
    }

    fn of_team(
        users: FakeFactory,
        plan: RunPlan,
        description: Description,
        segment: Segment,
        team: Arc<Team>,
    ) -> Self {
        let begin = Instant::now();
        let clock = RunClock::starting_at(begin);
        let recorder = Arc::new(Recorder::new(clock, Arc::new(Names::new(&plan.limits))));
        let alarm = Alarm::coarse();
        tokio::task::spawn_local(Arc::clone(&alarm).ring());
        let (logs, _) = mpsc::channel(1);
        let worker = WorkerId::new("w-1").unwrap();
        let context = ShardContext {
            shard: 0,
            worker: segment.into(),
            clock,
            setup_data: "".into(),
            recorder: Arc::clone(&recorder),
            gate: Arc::new(Gate::new(Arc::clone(&alarm), clock, Arc::clone(&recorder))),
            logs: LogSink::new(plan.run.clone(), worker, clock, Arc::clone(&recorder), logs),
        };
        let profile = Arc::new(plan.profile.clone());
        let orders = watch::Sender::new(Orders { profile, segment, stop: None });
        let shard = Shard::new(
            users.clone(),
            context,
            Arc::clone(&team),
            alarm,
            Arc::new(plan),
            Arc::new(description),
        );
        Self { users, orders, recorder, team, shard, begin }
    }

    fn start(&self) -> tokio::task::JoinHandle<()> {
        let shard = shard::run(Rc::clone(&self.shard), self.orders.subscribe());
        tokio::task::spawn_local(shard)
    }

    /// To the end, and what was measured.
    async fn run(&self) -> Statistics {
        self.start().await.unwrap();
        self.recorder.drain()
    }

    async fn at(&self, seconds: f64) {
        tokio::time::sleep_until(self.begin + Duration::from_secs_f64(seconds)).await;
    }

    fn users_now(&self) -> u32 {
        self.team.users().values().sum()
    }

    fn stop(&self, mode: StopMode) {
        self.orders.send_modify(|orders| orders.stop = Some(mode));
    }

    fn amend(&self, seconds: f64, change: &Change) {
        self.orders.send_modify(|orders| {
            let at = Duration::from_secs_f64(seconds);
            orders.profile = Arc::new(orders.profile.amend(None, at, change).unwrap());
        });
    }
}

fn secs(seconds: f64) -> Duration {
    Duration::from_secs_f64(seconds)
}

fn closed(users: Curve) -> Profile {
    profile(Load::Closed { users })
}

fn arrivals(rate: Curve, max_users: u32, max_lag: f64) -> Profile {
    let max_lag = secs(max_lag);
    profile(Load::Arrivals { rate, poisson: false, preallocated: 0, max_users, max_lag })
}

fn every_second(users: FakeFactory, profile: Profile) -> Bench {
    Bench::new(users, plan(profile), description(WaitTime::Constant(secs(1.0))))
}

/// Within two ticks of the executor and a millisecond of the runtime.
fn assert_near(actual: Duration, expected: f64) {
    let off = actual.as_secs_f64() - expected;
    assert!((-1e-6..0.045).contains(&off), "{actual:?} instead of {expected} s");
}

#[test]
fn a_ramp_starts_and_stops_users_smoothly() {
    paused(async {
        let profile = closed(stages(&[(10.0, 10.0), (5.0, 10.0), (10.0, 0.0)]));
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
        let bench = every_second(
            FakeFactory::taking(secs(0.1)),
            closed(stages(&[(0.0, 3.0), (10.0, 3.0)])),
        );
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
fn user_types_and_fixed_counts_hold_over_all_segments() {
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
            let plan = plan(closed(stages(&[(0.0, 42.0), (2.0, 42.0)])));
            let team = Arc::new(Team::new(&scenario, 14));
            let segment = Segment::new(worker, 3).unwrap();
            let bench = Bench::of_team(users, plan, scenario.clone(), segment, team);
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
        let profile = closed(stages(&[(0.0, 1.0), (10.0, 1.0)]));
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
        let bench = every_second(users, closed(stages(&[(0.0, 1.0), (10.0, 1.0)])));
        bench.run().await;
        assert!(bench.users.iterations().iter().all(|call| call.intended == call.actual));
        assert_eq!(bench.users.iterations().len(), 4);
    });
}

#[test]
fn arrivals_start_by_the_clock_and_need_no_more_users_than_overlap() {
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
        assert!((5..=6).contains(&bench.users.made.get()), "{} users", bench.users.made.get());
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
            let segment = Segment::new(worker, 3).unwrap();
            let users = FakeFactory::taking(secs(0.01));
            let bench = Bench::of_team(users, plan, scenario, segment, team);
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

#[test]
fn changed_users_keep_those_that_stay() {
    paused(async {
        let bench = every_second(FakeFactory::taking(secs(0.1)), closed(Curve::constant(5.0)));
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
        let bench = every_second(FakeFactory::taking(secs(3.0)), closed(Curve::constant(2.0)));
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
        let bench = every_second(FakeFactory::taking(secs(600.0)), closed(Curve::constant(2.0)));
        let run = bench.start();
        bench.at(1.0).await;
        bench.stop(StopMode::Graceful);
        run.await.unwrap();
        assert_near(bench.begin.elapsed(), 1.0 + 5.0);
        assert_eq!(bench.recorder.drain().counters.interrupted, 2);
        assert_eq!(bench.users.users_at(What::Stop), [0, 1]);
    });
}

#[test]
fn a_stop_now_cuts_at_once_even_during_a_graceful_one() {
    paused(async {
        let bench = every_second(FakeFactory::taking(secs(600.0)), closed(Curve::constant(2.0)));
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
        let profile = Profile { run_time: Some(secs(4.0)), ..closed(Curve::constant(3.0)) };
        let bench = every_second(FakeFactory::taking(secs(0.01)), profile);
        bench.run().await;
        assert_near(bench.begin.elapsed(), 4.0);
        assert_eq!(bench.users.users_at(What::Stop).len(), 3);
    });
}

fn crash() -> CallOutcome {
    CallOutcome::Crashed(Crash {
        code: message("trap-unreachable"),
        message: message("index out of bounds"),
        detail: message("src/lib.rs:7"),
    })
}

#[test]
fn a_crash_costs_one_user_its_iteration_and_it_comes_back_later_each_time() {
    paused(async {
        let users = FakeFactory::new(|call| match call.what {
            What::Task(_) if call.user == 1 => (secs(0.01), crash()),
            What::Task(_) => (secs(0.01), CallOutcome::Done),
            _ => (Duration::ZERO, CallOutcome::Done),
        });
        let bench = every_second(users, closed(stages(&[(0.0, 2.0), (8.0, 2.0)])));
        let statistics = bench.run().await;
        let crashed: Vec<u64> = bench
            .users
            .iterations()
            .iter()
            .filter(|call| call.user == 1)
            .map(|call| call.actual.as_secs())
            .collect();
        assert_eq!(crashed, [0, 1, 3, 7]);
        assert_eq!(
            bench.users.users_at(What::Task(0)).iter().filter(|user| **user == 0).count(),
            8
        );
        assert_eq!(statistics.counters.crashed_users, 4);
        let (key, stats) = statistics.errors.first_key_value().unwrap();
        assert_eq!(
            (&*key.code, stats.count, &*stats.detail),
            ("trap-unreachable", 4, "src/lib.rs:7")
        );
    });
}

#[test]
fn a_failure_counts_and_the_user_carries_on() {
    paused(async {
        let users = FakeFactory::new(|call| match call.what {
            What::Task(_) => (secs(0.01), CallOutcome::Failed(message("out of stock"))),
            _ => (Duration::ZERO, CallOutcome::Done),
        });
        let bench = every_second(users, closed(stages(&[(0.0, 1.0), (3.0, 1.0)])));
        let statistics = bench.run().await;
        assert_eq!((bench.users.made.get(), bench.users.iterations().len()), (1, 3));
        let (key, stats) = statistics.errors.first_key_value().unwrap();
        assert_eq!((&*key.code, &*key.message, stats.count), ("guest-failed", "out of stock", 3));
    });
}

#[test]
fn a_user_that_wants_to_stop_does_not_come_back() {
    paused(async {
        let users = FakeFactory::new(|call| match call.what {
            What::Task(_) if call.user == 0 => {
                (secs(0.01), CallOutcome::StopUser(message("no money left")))
            }
            _ => (secs(0.01), CallOutcome::Done),
        });
        let bench = every_second(users, closed(stages(&[(0.0, 2.0), (5.0, 2.0)])));
        let run = bench.start();
        bench.at(4.0).await;
        assert_eq!((bench.users_now(), bench.users.made.get()), (1, 2));
        assert_eq!(bench.users.users_at(What::Stop), [0]);
        run.await.unwrap();
    });
}

#[test]
fn a_guest_can_abort_the_run() {
    paused(async {
        let users = FakeFactory::new(|call| match call.what {
            What::Task(_) => (secs(0.5), CallOutcome::AbortRun(message("wrong environment"))),
            _ => (Duration::ZERO, CallOutcome::Done),
        });
        let bench = every_second(users, closed(Curve::constant(1.0)));
        let run = bench.start();
        let abort = bench.team.aborted().await;
        assert_eq!((abort.code, &*abort.message), ("abort-run", "wrong environment"));
        bench.stop(StopMode::Graceful);
        run.await.unwrap();
    });
}

#[test]
fn users_that_all_fail_at_their_start_end_the_run() {
    paused(async {
        let users = FakeFactory::new(|_: &Call| (Duration::ZERO, crash()));
        let bench = every_second(users, closed(Curve::constant(20.0)));
        let run = bench.start();
        let abort = bench.team.aborted().await;
        assert_eq!(abort.code, "start-failures");
        assert!(abort.message.contains("index out of bounds"), "{}", abort.message);
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
            let plan = RunPlan { seed, ..plan(closed(stages(&[(0.0, 5.0), (10.0, 5.0)]))) };
            let bench = Bench::new(FakeFactory::taking(secs(0.05)), plan, scenario);
            bench.run().await;
            bench.users.calls.take()
        })
    };
    assert_eq!(run(7), run(7));
    assert_ne!(run(7), run(8));
}
