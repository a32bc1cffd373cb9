//! What an outcome of a call means for the user and the run.
#![allow(clippy::unwrap_used)]

use super::*;

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
        let bench = every_second(users, ramp(stages(&[(0.0, 2.0), (8.0, 2.0)])));
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
        let bench = every_second(users, ramp(stages(&[(0.0, 1.0), (3.0, 1.0)])));
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
        let bench = every_second(users, ramp(stages(&[(0.0, 2.0), (5.0, 2.0)])));
        let run = bench.start();
        bench.at(4.0).await;
        assert_eq!((bench.users_now(), bench.users.made.get()), (1, 2));
        assert_eq!(bench.users.users_at(What::Stop), [0]);
        run.await.unwrap();
    });
}

#[test]
fn a_user_with_nothing_left_to_do_leaves_without_a_failure() {
    paused(async {
        let users = FakeFactory::new(|call| match call.what {
            What::Task(_) => (secs(0.01), CallOutcome::Finished),
            _ => (Duration::ZERO, CallOutcome::Done),
        });
        let bench = every_second(users, ramp(stages(&[(0.0, 2.0), (5.0, 2.0)])));
        let statistics = bench.run().await;
        assert_eq!(statistics.errors.len(), 0);
        assert_eq!((bench.users.made.get(), bench.users.iterations().len()), (2, 2));
        assert_eq!(bench.users.users_at(What::Stop), [0, 1]);
    });
}

#[test]
fn a_guest_can_abort_the_run() {
    paused(async {
        let users = FakeFactory::new(|call| match call.what {
            What::Task(_) => (secs(0.5), CallOutcome::AbortRun(message("wrong environment"))),
            _ => (Duration::ZERO, CallOutcome::Done),
        });
        let bench = every_second(users, ramp(Curve::constant(1.0)));
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
        let bench = every_second(users, ramp(Curve::constant(20.0)));
        let run = bench.start();
        let abort = bench.team.aborted().await;
        assert_eq!(abort.code, "start-failures");
        assert!(abort.message.contains("index out of bounds"), "{}", abort.message);
        bench.stop(StopMode::Graceful);
        run.await.unwrap();
    });
}
