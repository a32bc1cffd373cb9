//! Iterations that start by the clock, whether or not earlier ones are over.
//!
//! Each shard computes when its own arrivals are due and hands each to a user that is free. If
//! none is, it makes one more, up to its share of `max_users`; the arrival waits meanwhile,
//! and is dropped and counted once it has waited for longer than `max_lag`.

use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

use loadhost_model::profile::{Curve, Load, Phase};
use loadhost_model::schedule::{Arrivals, DueTimes, users_of};
use loadhost_model::segment::Segment;
use tokio::time::{Instant, MissedTickBehavior};

use crate::load::alarm::Alarm;
use crate::load::crew::Crew;
use crate::load::shard::{Post, until};
use crate::load::source::{Arrived, Source};
use crate::load::vu::VuFactory;

/// How often arrivals that waited too long are looked for.
const TICK: Duration = Duration::from_millis(20);

/// The settings of an open phase, as far as one shard is concerned.
#[derive(Debug, Clone, PartialEq)]
struct Share {
    rate: Curve,
    poisson: bool,
    preallocated: u32,
    max_users: u32,
    max_lag: Duration,
    /// None: there are more shards than users, and this one has none, so it has no arrivals.
    arrivals: Option<Segment>,
    users: Segment,
}

impl Share {
    fn of(phase: &Phase, segment: Segment) -> Option<Self> {
        let Load::Arrivals { rate, poisson, preallocated, max_users, max_lag } = &phase.load else {
            return None;
        };
        let stripes = segment.of().min(*max_users);
        Some(Self {
            rate: rate.clone(),
            poisson: *poisson,
            preallocated: users_of(segment, (*preallocated).min(*max_users)),
            max_users: users_of(segment, *max_users),
            max_lag: *max_lag,
            arrivals: Segment::new(segment.index(), stripes).ok(),
            users: segment,
        })
    }

    fn due_times(&self, seed: u64) -> Option<DueTimes> {
        let arrivals = Arc::new(Arrivals::new(&self.rate));
        let segment = self.arrivals?;
        Some(match self.poisson {
            true => DueTimes::poisson(arrivals, segment, seed),
            false => DueTimes::even(arrivals, segment),
        })
    }
}

/// Hands out arrivals until the rate's stages are over or the orders say to stop; then lets the
/// users leave.
pub(super) async fn run<F: VuFactory>(mut post: Post<F>, crew: Crew<F>) {
    let Some((phase, segment)) = post.phase() else { return };
    let Some(share) = Share::of(&phase, segment) else { return };
    let arrived = Arrived::new(share.max_lag, Arc::clone(&post.shard.context.recorder));
    let mut open = Open { crew, arrived, share, next_number: 0 };
    while open.crew.size() < open.share.preallocated as usize {
        open.add_user().await;
    }
    let Some((mut phase, segment)) = post.begin().await else {
        return open.crew.dismiss(post.orders).await;
    };
    open.share = Share::of(&phase, segment).unwrap_or(open.share);
    let due_times = open.share.due_times(post.shard.seed);
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
    share: Share,
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
                    Some((new, segment)) => {
                        *phase = new;
                        self.amend(phase, segment, due_times, post);
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
        let is_taken = self.arrived.has_free_user();
        self.arrived.put(due);
        let room = self.crew.size() < self.share.max_users as usize;
        if !is_taken && room && self.arrived.waiting() > self.crew.starting() {
            self.add_user().await;
        }
    }

    /// Starts the user with the lowest number that is not there.
    async fn add_user(&mut self) {
        let mut number = self.share.users.nth(self.next_number);
        while self.crew.has(number) {
            self.next_number += 1;
            number = self.share.users.nth(self.next_number);
        }
        self.next_number += 1;
        let arrived = Rc::clone(&self.arrived);
        self.crew.ensure(number, || Source::Arrivals(arrived)).await;
    }

    /// Goes over to a changed phase. Arrivals before the change are the same in both, so the
    /// next one follows without gap or double.
    fn amend(&mut self, phase: &Phase, segment: Segment, due_times: &mut DueTimes, post: &Post<F>) {
        let Some(share) = Share::of(phase, segment) else { return };
        if share == self.share {
            return;
        }
        let is_same_stripe =
            (share.arrivals, share.poisson) == (self.share.arrivals, self.share.poisson);
        if is_same_stripe {
            due_times.replace(Arc::new(Arrivals::new(&share.rate)));
        } else if let Some(mut new) = share.due_times(post.shard.seed) {
            new.skip_to(post.elapsed(phase));
            *due_times = new;
        }
        self.arrived.set_max_lag(share.max_lag);
        self.share = share;
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
