//! Iterations that start by the clock, whether or not earlier ones are over.
//!
//! Each shard computes when its own arrivals are due and hands each to a user that is free. As soon
//! as few are, it makes one more, up to its share of `max_users`. An arrival that finds nobody waits,
//! and is dropped and counted once it has waited for longer than `max_lag`.

use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

use loadhost_model::profile::{Curve, Load, Phase};
use loadhost_model::schedule::{Arrivals, DueTimes, users_of};
use loadhost_model::share::Share;
use tokio::time::{Instant, MissedTickBehavior};

use crate::load::alarm::Alarm;
use crate::load::crew::Crew;
use crate::load::shard::{Post, until};
use crate::load::source::{Arrived, Source};
use crate::load::vu::VuFactory;

/// How often arrivals that waited too long are looked for.
const TICK: Duration = Duration::from_millis(20);

/// One of so many users is to be free, and at least one.
const RESERVE: usize = 8;

/// The settings of an open phase, as far as one shard is concerned.
#[derive(Debug, Clone, PartialEq)]
struct Settings {
    rate: Curve,
    poisson: bool,
    preallocated: u32,
    max_users: u32,
    max_lag: Duration,
    /// None: there are more shards than users, and this one has none, so it has no arrivals.
    arrivals: Option<Share>,
    users: Share,
}

impl Settings {
    fn of(phase: &Phase, share: Share) -> Option<Self> {
        let Load::Arrivals { rate, poisson, preallocated, max_users, max_lag } = &phase.load else {
            return None;
        };
        let stripes = share.of().min(*max_users);
        Some(Self {
            rate: rate.clone(),
            poisson: *poisson,
            preallocated: users_of(&share, (*preallocated).min(*max_users)),
            max_users: users_of(&share, *max_users),
            max_lag: *max_lag,
            arrivals: Share::stripe(share.place().0, stripes).ok(),
            users: share,
        })
    }

    fn due_times(&self, seed: u64) -> Option<DueTimes> {
        let arrivals = Arc::new(Arrivals::new(&self.rate));
        let share = self.arrivals.clone()?;
        Some(match self.poisson {
            true => DueTimes::poisson(arrivals, share, seed),
            false => DueTimes::even(arrivals, share),
        })
    }
}

/// Hands out arrivals until the rate's stages are over or the orders say to stop; then lets the
/// users leave.
pub(super) async fn run<F: VuFactory>(mut post: Post<F>, crew: Crew<F>) {
    let Some((phase, share)) = post.phase() else { return };
    let Some(settings) = Settings::of(&phase, share) else { return };
    let arrived = Arrived::new(settings.max_lag, Arc::clone(&post.shard.context.recorder));
    let mut open = Open { crew, arrived, settings, next_number: 0 };
    while open.crew.size() < open.settings.preallocated as usize {
        open.add_user().await;
    }
    let Some((mut phase, share)) = post.begin().await else {
        return open.crew.dismiss(post.orders).await;
    };
    open.settings = Settings::of(&phase, share).unwrap_or(open.settings);
    let due_times = open.settings.due_times(post.shard.seed);
    if let Some(mut due_times) = due_times {
        open.hand_out(&mut post, &mut phase, &mut due_times).await;
    }
    open.let_waiting_ones_start(&mut post).await;
    open.arrived.drop_all();
    open.crew.dismiss(post.orders).await;
}

struct Open<F: VuFactory> {
    crew: Crew<F>,
    arrived: Rc<Arrived>,
    settings: Settings,
    /// All users of lower numbers of this shard are there.
    next_number: u64,
}

impl<F: VuFactory> Open<F> {
    async fn hand_out(&mut self, post: &mut Post<F>, phase: &mut Phase, due_times: &mut DueTimes) {
        let shard = Rc::clone(&post.shard);
        let mut tick = tokio::time::interval(TICK);
        tick.set_missed_tick_behavior(MissedTickBehavior::Skip);
        loop {
            let due =
                due_times.peek().map(|(_, due)| shard.context.clock.instant(phase.start + due));
            let end =
                phase.length().map(|length| shard.context.clock.instant(phase.start + length));
            tokio::select! {
                biased;
                _ = post.orders.changed() => match post.phase() {
                    None => return,
                    Some((new, share)) => {
                        *phase = new;
                        self.amend(phase, share, due_times, post);
                    }
                },
                () = sleep_until(&shard.alarm, due) => {
                    due_times.next();
                    if let Some(due) = due {
                        self.put(due).await;
                    }
                }
                () = until(end), if due.is_none() => return,
                () = self.crew.someone_left() => self.next_number = 0,
                _ = tick.tick() => self.arrived.drop_late(),
            }
            tokio::task::consume_budget().await;
        }
    }

    async fn put(&mut self, due: Instant) {
        let is_taken = self.arrived.put(due);
        // One that is free now is for the next arrival, which must not wait until one is made.
        let reserve = (self.crew.size() / RESERVE).max(1);
        let missing = match is_taken {
            true => reserve.saturating_sub(self.arrived.free()),
            false => reserve + self.arrived.waiting(),
        };
        let room = self.crew.size() < self.settings.max_users as usize;
        if room && missing > self.crew.starting() {
            self.add_user().await;
        }
    }

    /// Starts the user with the lowest number that is not there.
    async fn add_user(&mut self) {
        let mut number = self.settings.users.nth(self.next_number).unwrap_or(u64::MAX);
        while self.crew.has(number) {
            self.next_number += 1;
            number = self.settings.users.nth(self.next_number).unwrap_or(u64::MAX);
        }
        self.next_number += 1;
        let arrived = Rc::clone(&self.arrived);
        self.crew.ensure(number, || Source::Arrivals(arrived)).await;
    }

    /// Goes over to a changed phase. Arrivals before the change are the same in both, so the
    /// next one follows without gap or double.
    fn amend(&mut self, phase: &Phase, share: Share, due_times: &mut DueTimes, post: &Post<F>) {
        let Some(settings) = Settings::of(phase, share) else { return };
        if settings == self.settings {
            return;
        }
        let is_same_stripe =
            (settings.arrivals.clone(), settings.poisson) == (self.settings.arrivals.clone(), self.settings.poisson);
        if is_same_stripe {
            due_times.replace(Arc::new(Arrivals::new(&settings.rate)));
        } else if let Some(mut new) = settings.due_times(post.shard.seed) {
            new.skip_to(post.elapsed(phase));
            *due_times = new;
        }
        self.arrived.set_max_lag(settings.max_lag);
        self.settings = settings;
        self.next_number = 0;
    }

    /// After the last arrival: those that still wait may start within `max_lag`.
    async fn let_waiting_ones_start(&mut self, post: &mut Post<F>) {
        let mut tick = tokio::time::interval(TICK);
        while self.arrived.waiting() > 0 && post.phase().is_some() {
            tokio::select! {
                _ = tick.tick() => self.arrived.drop_late(),
                () = self.crew.someone_left() => {}
                _ = post.orders.changed() => {}
            }
        }
    }
}

async fn sleep_until(alarm: &Alarm, moment: Option<Instant>) {
    match moment {
        Some(moment) => alarm.sleep_until(moment).await,
        None => std::future::pending().await,
    }
}
