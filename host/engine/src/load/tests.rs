//! Shards with scripted users, on a paused clock.
#![allow(clippy::unwrap_used)]

mod closed;
mod ends;
mod moves;
mod open;
mod outcomes;
mod versions;

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
use loadhost_model::share::{Share, Timeline};
use loadhost_model::wire::StopMode;
use tokio::runtime::{Builder, LocalOptions};
use tokio::sync::{mpsc, watch};
use tokio::time::Instant;

use crate::load::alarm::Alarm;
use crate::load::clock::RunClock;
use crate::load::fake::{Call, FakeFactory, What, description, message, plan, profile, stages};
use crate::load::gate::{Cap, Gate};
use crate::load::log::LogSink;
use crate::load::pulse::Pulse;
use crate::load::shard::{self, Orders, Shard};
use crate::load::team::Team;
use crate::load::vu::{CallOutcome, Crash, ShardContext};
use crate::recorder::{Names, Recorder};
use crate::shared::Commons;

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
        Self::of_team(users, plan, description, Share::whole(), team)
    }

    fn of_team(
        users: FakeFactory,
        plan: RunPlan,
        description: Description,
        share: Share,
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
            worker: share.place(),
            clock,
            setup_data: "".into(),
            recorder: Arc::clone(&recorder),
            gate: Arc::new(Gate::new(Arc::clone(&alarm), clock, Arc::clone(&recorder))),
            logs: LogSink::new(plan.run.clone(), worker, clock, Arc::clone(&recorder), logs),
            shared: Commons::alone(&plan),
        };
        let profile = Arc::new(plan.profile.clone());
        let worker = Timeline::always(share);
        let shares = worker.clone();
        let orders = watch::Sender::new(Orders { profile, worker, shares, stop: None });
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

fn ramp(users: Curve) -> Profile {
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
