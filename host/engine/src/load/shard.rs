//! One shard: a thread's worth of users, with the phases that call them up.
//!
//! ```text
//! Orders ──> shard ──┬─ phase (closed, iterations, open) ── crew ── users ── Vu
//!                    ├─ monitor: how late its timers fire, how much CPU it uses
//!                    └─ alarm: wakes pacing users and arrivals to the microsecond
//! ```

use std::cell::RefCell;
use std::rc::Rc;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use loadhost_model::description::Description;
use loadhost_model::plan::RunPlan;
use loadhost_model::profile::{Load, Phase, Profile};
use loadhost_model::schedule::UserMix;
use loadhost_model::share::{Share, Timeline};
use loadhost_model::wire::StopMode;
use tokio::sync::watch;
use tokio::task::JoinSet;
use tokio::time::Instant;

use crate::load::alarm::Alarm;
use crate::load::clock::cpu_of_thread;
use crate::load::crew::Crew;
use crate::load::team::Team;
use crate::load::version::Version;
use crate::load::vu::{ShardContext, VuFactory};
use crate::load::{closed, iterations, open};

/// How often a shard looks how late it is.
const MONITOR_PERIOD: Duration = Duration::from_millis(10);

/// What a shard is to do. Replacing it while the run goes on changes the load in place.
#[derive(Debug, Clone, PartialEq)]
pub struct Orders {
    /// The whole run's load.
    pub profile: Arc<Profile>,
    /// This worker's share of it.
    pub worker: Timeline,
    /// This shard's part of that, which holds from the same moments on.
    pub shares: Timeline,
    /// Set once the load is to end.
    pub stop: Option<StopMode>,
}

/// Everything that the users of one shard share.
#[derive(Debug)]
pub(super) struct Shard<F> {
    pub(super) context: ShardContext,
    pub(super) team: Arc<Team>,
    pub(super) alarm: Arc<Alarm>,
    pub(super) seed: u64,
    pub(super) graceful_stop: Duration,
    pub(super) stop_time: Duration,
    plan: Arc<RunPlan>,
    /// Of the version that the run began with: user types stay as they are.
    description: Arc<Description>,
    version: RefCell<Rc<Version<F>>>,
}

impl<F: VuFactory> Shard<F> {
    /// A shard of the run, whose orders are given to [`run`].
    pub(super) fn new(
        factory: F,
        context: ShardContext,
        team: Arc<Team>,
        alarm: Arc<Alarm>,
        plan: Arc<RunPlan>,
        description: Arc<Description>,
    ) -> Rc<Self> {
        let version = Version::new(0, factory, &description, &plan.tasks, &context);
        Rc::new(Self {
            context,
            team,
            alarm,
            seed: plan.seed,
            graceful_stop: plan.graceful_stop,
            stop_time: plan.limits.stop_time,
            plan,
            description,
            version: RefCell::new(version),
        })
    }

    /// The newest, which new users run.
    pub(super) fn version(&self) -> Rc<Version<F>> {
        Rc::clone(&self.version.borrow())
    }

    /// From now on users go over to this version.
    pub(super) fn renew(&self, number: u32, factory: F, description: &Description) {
        let filter = &self.plan.tasks;
        let version = Version::new(number, factory, description, filter, &self.context);
        self.version.replace(version);
    }

    /// Who runs in this phase. A user type of which no task is left has no users.
    fn mix(&self, phase: &Phase) -> Option<UserMix> {
        let version = self.version();
        let types = self.description.user_types.iter().enumerate();
        let only: Vec<String> = types
            .filter(|(place, user_type)| {
                let is_wanted =
                    phase.user_types.is_empty() || phase.user_types.contains(&user_type.name);
                version.has_tasks(*place) && is_wanted
            })
            .map(|(_, user_type)| user_type.name.clone())
            .collect();
        if only.is_empty() {
            return None;
        }
        UserMix::new(&self.description, &self.plan.user_types, &only).ok()
    }
}

/// Runs the phases until all are over, the run's time is up, or the orders say to stop; and
/// all users have left.
pub(super) async fn run<F: VuFactory>(shard: Rc<Shard<F>>, mut given: watch::Receiver<Orders>) {
    let stop = watch::Sender::new(None);
    let (mut phases, mut known) = (JoinSet::new(), Vec::new());
    let mut is_given = true;
    loop {
        let orders = given.borrow_and_update().clone();
        // Nobody left to give orders means nobody left to report to.
        urge(&stop, if is_given { orders.stop } else { Some(StopMode::Now) });
        begin_phases(&shard, &orders, (&given, &stop), &mut known, &mut phases);
        let end = run_end(&shard, &orders, &stop);
        tokio::select! {
            ended = phases.join_next() => match ended {
                None => return,
                Some(Ok(())) => {}
                Some(Err(error)) => {
                    let message = format!("a phase of the load ended by a fault of loadhost: {error}");
                    shard.team.abort("shard", message);
                }
            },
            changed = given.changed(), if is_given => is_given = changed.is_ok(),
            () = until(end) => urge(&stop, Some(StopMode::Graceful)),
        }
    }
}

/// A stop is never taken back, and may only become more urgent.
fn urge(stop: &watch::Sender<Option<StopMode>>, wanted: Option<StopMode>) {
    stop.send_if_modified(|stop| {
        let is_urgent = match (*stop, wanted) {
            (_, None) | (Some(StopMode::Now), _) => false,
            (stop, wanted) => stop != wanted,
        };
        if is_urgent {
            *stop = wanted;
        }
        is_urgent
    });
}

/// When the run's time is up. None: it is unlimited, or the shard is stopping already.
fn run_end<F>(
    shard: &Shard<F>,
    orders: &Orders,
    stop: &watch::Sender<Option<StopMode>>,
) -> Option<Instant> {
    let run_time = orders.profile.run_time?;
    stop.borrow().is_none().then(|| shard.context.clock.instant(run_time))
}

pub(super) async fn until(moment: Option<Instant>) {
    match moment {
        Some(moment) => tokio::time::sleep_until(moment).await,
        None => std::future::pending().await,
    }
}

fn begin_phases<F: VuFactory>(
    shard: &Rc<Shard<F>>,
    orders: &Orders,
    (given, stop): (&watch::Receiver<Orders>, &watch::Sender<Option<StopMode>>),
    known: &mut Vec<String>,
    phases: &mut JoinSet<()>,
) {
    let users = orders.profile.phases.iter().map(Phase::users_max).max().unwrap_or(0);
    shard.context.gate.limit(orders.profile.max_request_rate, &orders.worker, users);
    if stop.borrow().is_some() {
        return;
    }
    for phase in &orders.profile.phases {
        if known.contains(&phase.name) {
            continue;
        }
        let index = known.len() as u64;
        known.push(phase.name.clone());
        let Some(mix) = shard.mix(phase) else {
            tracing::warn!(phase = phase.name, "no user type of this phase has a task to run");
            continue;
        };
        let crew = Crew::new(Rc::clone(shard), mix, index);
        let (given, stop) = (given.clone(), stop.subscribe());
        let post = Post { shard: Rc::clone(shard), given, stop, name: phase.name.clone() };
        match phase.load {
            Load::Closed { .. } | Load::Shaped { .. } => {
                phases.spawn_local(closed::run(post, crew));
            }
            Load::SharedIterations { .. } | Load::UserIterations { .. } => {
                phases.spawn_local(iterations::run(post, crew));
            }
            Load::Arrivals { .. } => {
                phases.spawn_local(open::run(post, crew));
            }
        }
    }
}

/// Where one phase's executor stands: its shard, its orders, its name in the profile.
pub(super) struct Post<F> {
    pub(super) shard: Rc<Shard<F>>,
    /// As they were given: nobody may act on older ones once they are there.
    given: watch::Receiver<Orders>,
    /// Given, or the shard's own word.
    pub(super) stop: watch::Receiver<Option<StopMode>>,
    name: String,
}

impl<F> Post<F> {
    /// The phase as it is now. None: it is to end.
    pub(super) fn phase(&mut self) -> Option<Phase> {
        let given = self.given.borrow_and_update();
        if self.stop.borrow_and_update().is_some() {
            return None;
        }
        given.profile.phases.iter().find(|phase| phase.name == self.name).cloned()
    }

    /// This shard's part of the load.
    pub(super) fn shares(&self) -> Timeline {
        self.given.borrow().shares.clone()
    }

    /// What this worker has at a moment, counted from the start of the run.
    pub(super) fn share_of_worker(&self, at: Duration) -> Option<Share> {
        self.given.borrow().worker.at(at).cloned()
    }

    /// How many slots the run has.
    pub(super) fn slots(&self) -> u32 {
        self.given.borrow().worker.of()
    }

    /// Resolves when the orders have changed.
    pub(super) async fn changed(&mut self) {
        tokio::select! {
            biased;
            Ok(()) = self.given.changed() => {}
            _ = self.stop.changed() => {}
        }
    }

    /// Whether there are orders that nobody has looked at yet.
    pub(super) fn is_behind(&self) -> bool {
        self.given.has_changed().unwrap_or(false)
    }

    /// Waits for the phase's start. None: it is to end before.
    pub(super) async fn begin(&mut self) -> Option<Phase> {
        loop {
            let phase = self.phase()?;
            let shard = Rc::clone(&self.shard);
            let start = shard.context.clock.instant(phase.start);
            tokio::select! {
                () = shard.alarm.sleep_until(start) => return Some(phase),
                () = self.changed() => {}
            }
        }
    }

    /// Since the start of the run.
    pub(super) fn now(&self) -> Duration {
        self.shard.context.clock.elapsed()
    }

    /// Since the start of the phase.
    pub(super) fn elapsed(&self, phase: &Phase) -> Duration {
        self.shard.context.clock.elapsed().saturating_sub(phase.start)
    }
}

/// Watches how late the shard's timers fire, and adds up its thread's CPU time in microseconds.
pub(super) async fn monitor<F>(shard: Rc<Shard<F>>, cpu: Arc<AtomicU64>) {
    let mut next = Instant::now();
    loop {
        next += MONITOR_PERIOD;
        shard.alarm.sleep_until(next).await;
        shard.team.pulse().beat();
        let now = Instant::now();
        // Users made before the start make timers late that nobody measures by.
        if next >= shard.context.clock.start() {
            shard.context.recorder.loop_lag(now.saturating_duration_since(next));
        }
        let used = u64::try_from(cpu_of_thread().as_micros()).unwrap_or(u64::MAX);
        cpu.store(used, Ordering::Relaxed);
        // A stall counts once, with its whole length.
        next = next.max(now - MONITOR_PERIOD);
    }
}
