//! The users of one phase on one shard: who there is, how they come and how they leave.

use std::cell::Cell;
use std::collections::BTreeMap;
use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

use fastrand::Rng;
use loadhost_model::schedule::{UserMix, users_of};
use loadhost_model::share::Share;
use loadhost_model::wire::StopMode;
use tokio::sync::watch;
use tokio::task::{AbortHandle, JoinSet};
use tokio::time::{Instant, Interval, MissedTickBehavior};
use tokio_util::sync::CancellationToken;

use crate::load::control::{Activity, Control, Presence};
use crate::load::picker::TaskPicker;
use crate::load::shard::Shard;
use crate::load::source::Source;
use crate::load::user::User;
use crate::load::vu::{UserIdentity, VuFactory};
use crate::load::wait::Pause;

/// After an interrupt, before a user that has not come back is dropped as it stands.
const CUT: Duration = Duration::from_secs(1);

/// How often crews look around.
const TICK: Duration = Duration::from_millis(20);

/// One each [`TICK`]; those that come too late are left out.
pub(super) fn ticks() -> Interval {
    let mut ticks = tokio::time::interval(TICK);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Skip);
    ticks
}

/// All users of a crew are called over to a newer version within so many ticks, if that many are there: within 10 s.
/// Fewer go over one in each tick.
const TICKS_TO_GO_OVER: usize = 500;

/// No more users are called over while one of so many is being started.
const STARTING_AT_ONCE: usize = 10;

/// Users started before the others get a turn.
const BATCH: u64 = 16;

/// Numbers of users are unique over phases: those of phase `i` begin at `i << 40`.
const PHASE_BITS: u32 = 40;

struct Member {
    control: Rc<Control>,
    abort: AbortHandle,
    interrupt: CancellationToken,
    /// Set for a user that another shard or worker has from now on.
    leave_by: Option<Instant>,
}

/// The users of one phase on one shard, by their number within the phase.
pub(super) struct Crew<F: VuFactory> {
    shard: Rc<Shard<F>>,
    mix: UserMix,
    /// Position of the phase in the first profile.
    phase: u64,
    members: BTreeMap<u64, Member>,
    /// Whose users these are at the moment.
    share: Option<Share>,
    starting: Rc<Cell<usize>>,
    tasks: JoinSet<()>,
    interrupt: CancellationToken,
    /// The first moment at which a user that was handed over is to be interrupted.
    overdue: Option<Instant>,
    /// Users started so far.
    added: u64,
    /// All users run this version or a newer one.
    version: u32,
}

impl<F: VuFactory> Crew<F> {
    pub(super) fn new(shard: Rc<Shard<F>>, mix: UserMix, phase: u64) -> Self {
        Self {
            shard,
            mix,
            phase,
            members: BTreeMap::new(),
            share: None,
            starting: Rc::default(),
            tasks: JoinSet::new(),
            interrupt: CancellationToken::new(),
            overdue: None,
            added: 0,
            version: 0,
        }
    }

    /// Starts user `number`, unless it is there, or was and retired, or is of no type. Also
    /// keeps one that was asked to leave but has not left yet.
    ///
    /// Making a user costs the thread a tenth of a millisecond, so now and then those that
    /// run already get a turn.
    pub(super) async fn ensure(&mut self, number: u64, source: impl FnOnce() -> Source) {
        if self.add(number, source) {
            self.added += 1;
            if self.added.is_multiple_of(BATCH) {
                tokio::task::yield_now().await;
            }
        }
    }

    fn add(&mut self, number: u64, source: impl FnOnce() -> Source) -> bool {
        if let Some(member) = self.members.get_mut(&number) {
            let is_gone = member.control.activity() == Activity::Gone;
            if !is_gone || member.control.is_retired() {
                member.control.stay();
                member.leave_by = None;
                return false;
            }
        }
        let Some(user_type) = self.mix.type_of(number) else { return false };
        let version = self.shard.version();
        let Some((role, table)) = version.role(user_type) else { return false };
        let number_in_run = self.phase << PHASE_BITS | number;
        let control = Control::new(&self.starting);
        let presence = Presence::new(Rc::clone(&control), Arc::clone(&self.shard.team), user_type);
        let seed = seed_of(self.shard.seed, number_in_run);
        let interrupt = self.interrupt.child_token();
        let user = User {
            shard: Rc::clone(&self.shard),
            version,
            role,
            identity: UserIdentity {
                number: number_in_run,
                user_type,
                seed: seed >> 11,
                interrupt: interrupt.clone(),
            },
            control: Rc::clone(&control),
            picker: TaskPicker::new(table),
            rng: Rng::with_seed(seed),
            source: source(),
            pause: Pause::None,
        };
        let abort = self.tasks.spawn_local(user.live(presence));
        self.members.insert(number, Member { control, abort, interrupt, leave_by: None });
        true
    }

    /// Whether user `number` is there, or was and retired.
    pub(super) fn has(&self, number: u64) -> bool {
        self.members.get(&number).is_some_and(|member| {
            member.control.is_retired() || member.control.activity() != Activity::Gone
        })
    }

    /// Asks all users to leave that `stays` does not hold for, the newest first.
    pub(super) fn keep(&mut self, stays: impl Fn(u64) -> bool) {
        for (number, member) in self.members.iter().rev() {
            if !stays(*number) {
                member.control.leave();
            }
        }
        self.members
            .retain(|number, member| stays(*number) || member.control.activity() != Activity::Gone);
    }

    /// Lets users leave that belong to somebody else now that this is the share, and interrupts those
    /// that take longer for it than the graceful stop. Whether it is another share than before.
    pub(super) fn hold(&mut self, share: Option<&Share>) -> bool {
        let is_other = self.share.as_ref() != share;
        if is_other {
            self.share = share.cloned();
            self.hand_over();
        }
        self.interrupt_overdue();
        is_other
    }

    /// Whose users these are.
    pub(super) fn share(&self) -> Option<&Share> {
        self.share.as_ref()
    }

    /// So many of the whole run's users.
    pub(super) fn share_of(&self, users: u32) -> u32 {
        self.share.as_ref().map_or(0, |share| users_of(share, users))
    }

    fn hand_over(&mut self) {
        let owns = |number| self.share.as_ref().is_some_and(|share| share.owns(number));
        let by = Instant::now() + self.shard.graceful_stop;
        for (number, member) in &mut self.members {
            let is_there = member.control.activity() != Activity::Gone;
            if is_there && member.leave_by.is_none() && !owns(*number) {
                member.control.leave();
                member.leave_by = Some(by);
                self.overdue.get_or_insert(by);
            }
        }
    }

    /// Interrupts users that were handed over and have not left in time.
    fn interrupt_overdue(&mut self) {
        let now = Instant::now();
        if self.overdue.is_none_or(|overdue| now < overdue) {
            return;
        }
        self.overdue = None;
        for member in self.members.values_mut() {
            match member.leave_by {
                Some(by) if by <= now => {
                    member.leave_by = None;
                    member.interrupt.cancel();
                }
                Some(by) => self.overdue = Some(self.overdue.map_or(by, |first| first.min(by))),
                None => {}
            }
        }
    }

    /// Lets users go over to the newest version, a few at a time, so that neither load nor memory jumps. To be called
    /// with each tick.
    pub(super) fn call_over(&mut self) {
        let newest = self.shard.version().number;
        if self.version == newest || self.starting() * STARTING_AT_ONCE > self.members.len() {
            return;
        }
        let is_behind = |member: &&Member| {
            member.control.version() < newest && member.control.activity() != Activity::Gone
        };
        let mut behind = self.members.values().filter(is_behind).peekable();
        if behind.peek().is_none() {
            self.version = newest;
        }
        let most = self.members.len().div_ceil(TICKS_TO_GO_OVER);
        for member in behind.filter(|member| !member.control.is_to_go_over()).take(most) {
            member.control.go_over();
        }
    }

    /// Resolves when a user has gone; never if there is none.
    pub(super) async fn someone_left(&mut self) {
        match self.tasks.join_next().await {
            None => std::future::pending().await,
            Some(Ok(())) => {}
            Some(Err(error)) if error.is_cancelled() => {}
            Some(Err(error)) => {
                tracing::error!(%error, "a user's task panicked: this is a fault of loadhost");
                self.shard.context.recorder.crashed_user();
            }
        }
    }

    /// How many users there are, leaving ones included.
    pub(super) fn size(&self) -> usize {
        self.tasks.len()
    }

    /// How many users are being made or started.
    pub(super) fn starting(&self) -> usize {
        self.starting.get()
    }

    /// Lets all users leave: after their iteration; from `graceful` on they are interrupted and
    /// counted; and who does not come back is dropped. [`StopMode::Now`] drops all at once.
    pub(super) async fn dismiss(mut self, mut stop: watch::Receiver<Option<StopMode>>) {
        let now = |stop: &Option<StopMode>| *stop == Some(StopMode::Now);
        self.keep(|_| false);
        let deadline = Instant::now() + self.shard.graceful_stop;
        let leave = async {
            if !self.gone_by(deadline).await {
                self.interrupt.cancel();
                if !self.gone_by(Instant::now() + CUT).await {
                    self.drop_those(|activity| activity != Activity::Stopping);
                    let last = Instant::now() + self.shard.stop_time + CUT;
                    self.gone_by(last).await;
                }
            }
        };
        tokio::select! {
            biased;
            Ok(_) = stop.wait_for(now) => {}
            () = leave => {}
        }
        self.drop_those(|_| true);
        while self.tasks.join_next().await.is_some() {}
    }

    /// Whether all users have gone by then.
    async fn gone_by(&mut self, deadline: Instant) -> bool {
        let all = async {
            while !self.tasks.is_empty() {
                self.someone_left().await;
            }
        };
        tokio::time::timeout_at(deadline, all).await.is_ok()
    }

    fn drop_those(&self, dropped: impl Fn(Activity) -> bool) {
        for member in self.members.values() {
            let activity = member.control.activity();
            if activity != Activity::Gone && dropped(activity) {
                if activity == Activity::Iterating {
                    self.shard.context.recorder.interrupted();
                }
                member.abort.abort();
            }
        }
    }
}

/// SplitMix64 over the run's seed and the user's number.
fn seed_of(run: u64, number: u64) -> u64 {
    let z = run.wrapping_add((number + 1).wrapping_mul(0x9e37_79b9_7f4a_7c15));
    let z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    let z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    z ^ (z >> 31)
}
