//! A worker's load in one run: its shards on their threads, and what they measured.

use std::collections::BTreeMap;
use std::io;
use std::panic::AssertUnwindSafe;
use std::rc::Rc;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::thread;
use std::time::Duration;

use loadhost_model::description::Description;
use loadhost_model::id::WorkerId;
use loadhost_model::interval::Statistics;
use loadhost_model::plan::RunPlan;
use loadhost_model::profile::Profile;
use loadhost_model::share::{Share, ShareError, Spread, Timeline};
use loadhost_model::wire::{LogLine, StopMode};
use tokio::runtime::{Builder, LocalOptions};
use tokio::sync::{mpsc, oneshot, watch};
use tokio::time::Instant;

use crate::load::alarm::Alarm;
use crate::load::clock::RunClock;
use crate::load::gate::{Cap, Gate};
use crate::load::log::LogSink;
use crate::load::pulse::Pulse;
use crate::load::shard::{self, Orders, Shard};
use crate::load::team::Team;
use crate::load::version::{self, Make, Recipe};
use crate::load::vu::{MakeError, ShardContext, VuFactory};
use crate::recorder::{Names, Recorder};
use crate::shared::Commons;

/// Polls of tasks between two looks at sockets and timers, when there is always one to poll:
/// bounds how late an arrival starts on a busy shard. The runtime's own default is 61.
const EVENT_INTERVAL: u32 = 31;

/// What is given away is given away so much later than now at least, so that all shards have heard of
/// it by then.
const HAND_OVER_LEAD: Duration = Duration::from_millis(50);

/// What a worker needs to make load.
#[derive(Debug, Clone)]
pub struct LoadSetup {
    /// Of the whole run.
    pub plan: Arc<RunPlan>,
    /// Of its scenario.
    pub description: Arc<Description>,
    /// This worker.
    pub worker: WorkerId,
    /// This worker's share.
    pub share: Share,
    /// Since when it has that share, counted from the start of the run.
    pub share_from: Duration,
    /// Threads; at least one.
    pub shards: u32,
    /// The run's.
    pub clock: RunClock,
    /// What `setup` returned.
    pub setup_data: Arc<str>,
    /// Where lines of the guests' logs go.
    pub logs: mpsc::Sender<LogLine>,
    /// What the users of the whole run share.
    pub shared: Arc<Commons>,
    /// Tells its shards when they stood still.
    pub pulse: Arc<Pulse>,
}

/// Why load cannot be made.
#[derive(Debug, thiserror::Error)]
pub enum LoadError {
    /// A share that cannot be dealt to the shards.
    #[error("a share of {of} slots cannot be dealt to {shards} shards: {source}")]
    Shards {
        /// Of this worker.
        shards: u32,
        /// Of the run.
        of: u32,
        /// What is wrong with it.
        source: ShareError,
    },
    /// The system gives no more threads.
    #[error("cannot start the thread of shard {shard}: {source}; raise `ulimit -u`")]
    Thread {
        /// Which.
        shard: u32,
        /// What the system said.
        source: io::Error,
    },
}

/// Load that is being made. Dropping it stops the load at once, without waiting for it.
pub struct Loader<F> {
    shards: Vec<Running>,
    /// Of the newest version, if there was more than one.
    recipes: watch::Sender<Option<Recipe<F>>>,
    team: Arc<Team>,
    clock: RunClock,
    /// Of this worker.
    shares: Timeline,
    spread: Spread,
}

#[derive(Debug)]
struct Running {
    recorder: Arc<Recorder>,
    orders: watch::Sender<Orders>,
    /// Of the thread since its start, in microseconds.
    cpu: Arc<AtomicU64>,
    counted_cpu: u64,
    ended: Option<oneshot::Receiver<()>>,
    thread: Option<thread::JoinHandle<()>>,
}

impl<F: VuFactory> Loader<F> {
    /// Starts the shards. `make` is called on the thread of each, within its runtime.
    pub fn start<M>(setup: LoadSetup, make: M) -> Result<Self, LoadError>
    where
        M: Fn(ShardContext) -> Result<F, MakeError> + Send + Sync + 'static,
    {
        let planned = setup.share.count_of(u64::from(setup.plan.profile.planned_users_max()));
        let team = Team::new(&setup.description, planned).with_pulse(Arc::clone(&setup.pulse));
        let team = Arc::new(team);
        let names = Arc::new(Names::new(&setup.plan.limits));
        let make: Arc<Make<F>> = Arc::new(make);
        let recipes = watch::Sender::new(None);
        let cap = Arc::new(Cap::default());
        let mut shards = Vec::new();
        let worker = Timeline::new(setup.share_from, setup.share.clone());
        let mut spread = Spread::new(setup.shards);
        for (index, shares) in (0..).zip(deal(&mut spread, &worker)?) {
            let profile = Arc::new(setup.plan.profile.clone());
            let worker = worker.clone();
            let orders = watch::Sender::new(Orders { profile, worker, shares, stop: None });
            let recorder = Arc::new(Recorder::new(setup.clock, Arc::clone(&names)));
            let cpu = Arc::new(AtomicU64::new(0));
            let (end, ended) = oneshot::channel();
            let body = Body {
                index,
                setup: setup.clone(),
                recorder: Arc::clone(&recorder),
                team: Arc::clone(&team),
                request_cap: Arc::clone(&cap),
                cpu: Arc::clone(&cpu),
                orders: orders.subscribe(),
                make: Arc::clone(&make),
                recipes: recipes.subscribe(),
            };
            let thread = thread::Builder::new().name(format!("shard-{index}")).spawn(move || {
                body.run_guarded();
                end.send(()).ok();
            });
            let thread = thread.map_err(|source| LoadError::Thread { shard: index, source })?;
            let (ended, thread) = (Some(ended), Some(thread));
            shards.push(Running { recorder, orders, cpu, counted_cpu: 0, ended, thread });
        }
        Ok(Loader { shards, recipes, team, clock: setup.clock, shares: worker, spread })
    }

    /// Goes over to another profile, or another share of it, in place. `from` is counted from the
    /// start of the run. Returns from when on the share holds: what is gained, from `from` on, be
    /// it past; what is lost, from a moment on that is still to come, or, if the process stood still, that nothing
    /// was handed out since.
    ///
    /// # Errors
    /// If the share is of another number of slots.
    pub fn amend(
        &mut self,
        profile: &Arc<Profile>,
        share: &Share,
        from: Duration,
    ) -> Result<Duration, LoadError> {
        let stood_still = self.team.pulse().beat();
        let change = self.change_share(share, from, stood_still);
        let begin = change.map_err(|source| self.too_many(source))?;
        let parts = deal(&mut self.spread, &self.shares)?;
        for (shard, shares) in self.shards.iter().zip(parts) {
            shard.orders.send_if_modified(|orders| {
                let is_modified = *orders.profile != **profile || orders.worker != self.shares;
                orders.profile = Arc::clone(profile);
                orders.worker = self.shares.clone();
                orders.shares = shares;
                is_modified
            });
        }
        if stood_still.is_none() && self.clock.elapsed() > begin && begin > from {
            tracing::warn!(
                "a share was given away late: the shards may have served a part of it twice"
            );
        }
        Ok(begin)
    }

    fn change_share(
        &mut self,
        share: &Share,
        from: Duration,
        stood_still: Option<Instant>,
    ) -> Result<Duration, ShareError> {
        let held =
            self.shares.last().map_or_else(|| share.minus(share), |last| Ok(last.clone()))?;
        if held == *share && self.shares.at(self.clock.elapsed()) == Some(share) {
            return Ok(from);
        }
        if held.minus(share)?.is_empty() && held != *share {
            self.shares.gain(from, &share.minus(&held)?)?;
            return Ok(from);
        }
        let handed_out = stood_still.unwrap_or_else(|| Instant::now() + HAND_OVER_LEAD);
        // In whole microseconds, as coordinator and workers tell it each other.
        let next = self.clock.at(handed_out).as_micros() + 1;
        let from = from.max(Duration::from_micros(u64::try_from(next).unwrap_or(u64::MAX)));
        self.shares.change(from, share.clone());
        Ok(from)
    }

    fn too_many(&self, source: ShareError) -> LoadError {
        LoadError::Shards { shards: self.spread.shards(), of: self.shares.of(), source }
    }

    /// Lets users go over to another version of the scenario, a few at a time: each after its iteration. Its user
    /// types must be those of the version that the load began with.
    pub fn renew<M>(&self, description: Arc<Description>, make: M)
    where
        M: Fn(ShardContext) -> Result<F, MakeError> + Send + Sync + 'static,
    {
        let (number, make) = (self.version() + 1, Arc::new(make));
        self.recipes.send_replace(Some(Recipe { number, description, make }));
    }

    fn version(&self) -> u32 {
        self.recipes.borrow().as_ref().map_or(0, |recipe| recipe.number)
    }

    /// Users that run an older version than the newest.
    pub fn behind(&self) -> u32 {
        self.team.behind(self.version())
    }

    /// Ends the load. A stop may become more urgent, but is never taken back.
    pub fn stop(&self, mode: StopMode) {
        for shard in &self.shards {
            shard.orders.send_if_modified(|orders| {
                let is_modified = orders.stop != Some(StopMode::Now) && orders.stop != Some(mode);
                if is_modified {
                    orders.stop = Some(mode);
                }
                is_modified
            });
        }
    }

    /// Resolves when all phases are over and all users have left. May be given up and called again.
    pub async fn ended(&mut self) {
        for shard in &mut self.shards {
            if let Some(ended) = &mut shard.ended {
                ended.await.ok();
                shard.ended = None;
            }
            if let Some(thread) = shard.thread.take() {
                thread.join().ok(); // its last act was to say that it ended
            }
        }
    }

    /// Makes so many thousandths of the load from now on; `cap` is why it is not all of it.
    pub fn allow(&self, thousandths: u32, cap: Option<&'static str>) {
        self.team.allow(thousandths);
        if let (Some(cap), Some(shard)) = (cap, self.shards.first()) {
            shard.recorder.capped(cap);
        }
    }

    /// What all shards of this worker share.
    pub fn team(&self) -> &Arc<Team> {
        &self.team
    }

    /// Users running, by the name of their type.
    pub fn users(&self) -> BTreeMap<Arc<str>, u32> {
        self.team.users()
    }

    /// Everything measured since the last drain, `span` ago.
    pub fn drain(&mut self, span: Duration) -> Statistics {
        let mut sum = Statistics::default();
        for shard in &mut self.shards {
            let mut statistics = shard.recorder.drain();
            let cpu = shard.cpu.load(Ordering::Relaxed);
            let used = cpu.saturating_sub(std::mem::replace(&mut shard.counted_cpu, cpu));
            // The last interval may be a few milliseconds in which all users are dropped: that
            // is no busy second.
            let span = span.as_secs_f64().max(1.0);
            statistics.health.cpu = (used as f64 / 1e6 / span).min(1.0);
            sum.merge(statistics);
        }
        sum
    }
}

/// What each shard does of a worker's shares.
fn deal(spread: &mut Spread, shares: &Timeline) -> Result<Vec<Timeline>, LoadError> {
    spread.follow(shares.spans().iter().map(|(_, share)| share));
    let of = shares.of();
    let part = |shard| {
        let part = shares.try_map(|share| spread.part(share, shard));
        part.map_err(|source| LoadError::Shards { shards: spread.shards(), of, source })
    };
    (0..spread.shards()).map(part).collect()
}

/// What runs on a shard's thread.
struct Body<F> {
    index: u32,
    setup: LoadSetup,
    recorder: Arc<Recorder>,
    team: Arc<Team>,
    request_cap: Arc<Cap>,
    cpu: Arc<AtomicU64>,
    orders: watch::Receiver<Orders>,
    make: Arc<Make<F>>,
    recipes: watch::Receiver<Option<Recipe<F>>>,
}

impl<F: VuFactory> Body<F> {
    /// A panic ends this worker's part of the run, not the worker.
    fn run_guarded(self) {
        let team = Arc::clone(&self.team);
        let setup = &self.setup;
        let shard = self.index;
        let (run, worker) = (&setup.plan.run, &setup.worker);
        let _in_run = tracing::error_span!("run", %run, %worker, shard).entered();
        match std::panic::catch_unwind(AssertUnwindSafe(|| self.run())) {
            Ok(Ok(())) => {}
            Ok(Err(message)) => team.abort("shard", message),
            Err(_) => {
                team.abort("shard", "a shard panicked: this is a fault of loadhost; see its log")
            }
        }
    }

    fn run(self) -> Result<(), String> {
        let mut builder = Builder::new_current_thread();
        let runtime = builder.enable_all().event_interval(EVENT_INTERVAL);
        let runtime = runtime.build_local(LocalOptions::default());
        let runtime = runtime.map_err(|error| format!("cannot make a shard's runtime: {error}"))?;
        runtime.block_on(self.load(Alarm::new()))
    }

    async fn load(self, alarm: Arc<Alarm>) -> Result<(), String> {
        let setup = self.setup;
        let ringer = tokio::task::spawn_local(Arc::clone(&alarm).ring());
        let recorder = self.recorder;
        let gate = Gate::new(Arc::clone(&alarm), setup.clock, Arc::clone(&recorder));
        let context = ShardContext {
            shard: self.index,
            worker: setup.share.place(),
            clock: setup.clock,
            setup_data: setup.setup_data,
            gate: Arc::new(gate.under(self.request_cap)),
            logs: LogSink::new(
                setup.plan.run.clone(),
                setup.worker,
                setup.clock,
                Arc::clone(&recorder),
                setup.logs,
            ),
            shared: setup.shared,
            recorder,
        };
        let factory = (self.make)(context.clone()).map_err(|error| error.to_string())?;
        let shard = Shard::new(factory, context, self.team, alarm, setup.plan, setup.description);
        let monitor = tokio::task::spawn_local(shard::monitor(Rc::clone(&shard), self.cpu));
        let renewal = version::follow(Rc::clone(&shard), self.recipes);
        let renewal = tokio::task::spawn_local(renewal);
        shard::run(shard, self.orders).await;
        renewal.abort();
        monitor.abort();
        ringer.abort();
        Ok(())
    }
}
