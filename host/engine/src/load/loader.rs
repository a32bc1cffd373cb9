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
use loadhost_model::share::{Share, ShareError};
use loadhost_model::wire::{LogLine, StopMode};
use tokio::runtime::{Builder, LocalOptions};
use tokio::sync::{mpsc, oneshot, watch};

use crate::load::alarm::Alarm;
use crate::load::clock::RunClock;
use crate::load::gate::Gate;
use crate::load::log::LogSink;
use crate::load::shard::{self, Orders, Shard};
use crate::load::team::Team;
use crate::load::vu::{MakeError, ShardContext, VuFactory};
use crate::recorder::{Names, Recorder};

/// Polls of tasks between two looks at sockets and timers, when there is always one to poll:
/// bounds how late an arrival starts on a busy shard. The runtime's own default is 61.
const EVENT_INTERVAL: u32 = 31;

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
    /// Threads; at least one.
    pub shards: u32,
    /// The run's.
    pub clock: RunClock,
    /// What `setup` returned.
    pub setup_data: Arc<str>,
    /// Where lines of the guests' logs go.
    pub logs: mpsc::Sender<LogLine>,
}

/// Why load cannot be made.
#[derive(Debug, thiserror::Error)]
pub enum LoadError {
    /// More shards than a share can be dealt to.
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
#[derive(Debug)]
pub struct Loader {
    shards: Vec<Running>,
    team: Arc<Team>,
}

#[derive(Debug)]
struct Running {
    index: u32,
    recorder: Arc<Recorder>,
    orders: watch::Sender<Orders>,
    /// Of the thread since its start, in microseconds.
    cpu: Arc<AtomicU64>,
    counted_cpu: u64,
    ended: Option<oneshot::Receiver<()>>,
    thread: Option<thread::JoinHandle<()>>,
}

impl Loader {
    /// Starts the shards. `make` is called on the thread of each, within its runtime.
    pub fn start<F, M>(setup: LoadSetup, make: M) -> Result<Loader, LoadError>
    where
        F: VuFactory,
        M: Fn(ShardContext) -> Result<F, MakeError> + Send + Sync + 'static,
    {
        let planned = setup.share.count_of(u64::from(setup.plan.profile.planned_users_max()));
        let team = Arc::new(Team::new(&setup.description, planned));
        let names = Arc::new(Names::new(&setup.plan.limits));
        let make = Arc::new(make);
        let mut shards = Vec::new();
        for index in 0..setup.shards.max(1) {
            let orders = watch::Sender::new(Orders {
                profile: Arc::new(setup.plan.profile.clone()),
                share: part(&setup.share, index, setup.shards.max(1))?,
                stop: None,
            });
            let recorder = Arc::new(Recorder::new(setup.clock, Arc::clone(&names)));
            let cpu = Arc::new(AtomicU64::new(0));
            let (end, ended) = oneshot::channel();
            let body = Body {
                index,
                setup: setup.clone(),
                recorder: Arc::clone(&recorder),
                team: Arc::clone(&team),
                cpu: Arc::clone(&cpu),
                orders: orders.subscribe(),
                make: Arc::clone(&make),
            };
            let thread = thread::Builder::new().name(format!("shard-{index}")).spawn(move || {
                body.run_guarded();
                end.send(()).ok();
            });
            let thread = thread.map_err(|source| LoadError::Thread { shard: index, source })?;
            let (ended, thread) = (Some(ended), Some(thread));
            shards.push(Running { index, recorder, orders, cpu, counted_cpu: 0, ended, thread });
        }
        Ok(Loader { shards, team })
    }

    /// Goes over to another profile, or another share of it, in place.
    pub fn amend(&self, profile: &Arc<Profile>, share: &Share) -> Result<(), LoadError> {
        for shard in &self.shards {
            let share = part(share, shard.index, self.shards.len() as u32)?;
            shard.orders.send_if_modified(|orders| {
                let is_modified = *orders.profile != **profile || orders.share != share;
                orders.profile = Arc::clone(profile);
                orders.share = share.clone();
                is_modified
            });
        }
        Ok(())
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

fn part(share: &Share, index: u32, of: u32) -> Result<Share, LoadError> {
    share.part(index, of).map_err(|source| LoadError::Shards {
        shards: of,
        of: share.of(),
        source,
    })
}

/// What runs on a shard's thread.
struct Body<M> {
    index: u32,
    setup: LoadSetup,
    recorder: Arc<Recorder>,
    team: Arc<Team>,
    cpu: Arc<AtomicU64>,
    orders: watch::Receiver<Orders>,
    make: Arc<M>,
}

impl<M> Body<M> {
    /// A panic ends this worker's part of the run, not the worker.
    fn run_guarded<F>(self)
    where
        F: VuFactory,
        M: Fn(ShardContext) -> Result<F, MakeError>,
    {
        let team = Arc::clone(&self.team);
        match std::panic::catch_unwind(AssertUnwindSafe(|| self.run())) {
            Ok(Ok(())) => {}
            Ok(Err(message)) => team.abort("shard", message),
            Err(_) => {
                team.abort("shard", "a shard panicked: this is a fault of loadhost; see its log")
            }
        }
    }

    fn run<F>(self) -> Result<(), String>
    where
        F: VuFactory,
        M: Fn(ShardContext) -> Result<F, MakeError>,
    {
        let mut builder = Builder::new_current_thread();
        let runtime = builder.enable_all().event_interval(EVENT_INTERVAL);
        let runtime = runtime.build_local(LocalOptions::default());
        let runtime = runtime.map_err(|error| format!("cannot make a shard's runtime: {error}"))?;
        runtime.block_on(self.load(Alarm::new()))
    }

    async fn load<F>(self, alarm: Arc<Alarm>) -> Result<(), String>
    where
        F: VuFactory,
        M: Fn(ShardContext) -> Result<F, MakeError>,
    {
        let setup = self.setup;
        let ringer = tokio::task::spawn_local(Arc::clone(&alarm).ring());
        let recorder = self.recorder;
        let context = ShardContext {
            shard: self.index,
            worker: setup.share.place(),
            clock: setup.clock,
            setup_data: setup.setup_data,
            gate: Arc::new(Gate::new(Arc::clone(&alarm), setup.clock, Arc::clone(&recorder))),
            logs: LogSink::new(
                setup.plan.run.clone(),
                setup.worker,
                setup.clock,
                Arc::clone(&recorder),
                setup.logs,
            ),
            recorder,
        };
        let factory = (self.make)(context.clone()).map_err(|error| error.to_string())?;
        let shard = Shard::new(factory, context, self.team, alarm, setup.plan, setup.description);
        let monitor = tokio::task::spawn_local(shard::monitor(Rc::clone(&shard), self.cpu));
        shard::run(shard, self.orders).await;
        monitor.abort();
        ringer.abort();
        Ok(())
    }
}
