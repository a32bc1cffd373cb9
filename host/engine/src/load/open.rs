//! Iterations that start by the clock, whether or not earlier ones are over.
//!
//! Each shard computes when its own arrivals are due and hands each to a user that is free. As soon
//! as few are, it makes one more, up to its share of `max_users`. An arrival that finds nobody waits,
//! and is dropped and counted once it has waited for longer than `max_lag`.

use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

use loadhost_model::profile::{Curve, Load, Phase};
use loadhost_model::schedule::{Arrivals, DueTimes, Gaps};
use loadhost_model::share::Timeline;
use tokio::time::Instant;

use crate::load::alarm::Alarm;
use crate::load::crew::{Crew, ticks};
use crate::load::governor::ALL;
use crate::load::shard::{Post, until};
use crate::load::source::{Arrived, Source};
use crate::load::vu::VuFactory;

/// One of so many users is to be free, and at least one.
const RESERVE: usize = 8;

/// The settings of an open phase, for the whole run.
#[derive(Debug, Clone, PartialEq)]
struct Settings {
    rate: Curve,
    poisson: bool,
    preallocated: u32,
    max_users: u32,
    max_lag: Duration,
}

impl Settings {
    fn of(phase: &Phase) -> Option<Self> {
        let Load::Arrivals { rate, poisson, preallocated, max_users, max_lag } = &phase.load else {
            return None;
        };
        Some(Self {
            rate: rate.clone(),
            poisson: *poisson,
            preallocated: (*preallocated).min(*max_users),
            max_users: *max_users,
            max_lag: *max_lag,
        })
    }

    /// What a shard has of the arrivals: there may be more slots and shards than users, and who
    /// has no user has no arrivals.
    fn shares<F>(&self, post: &Post<F>, phase: &Phase) -> Timeline {
        let (slots, users) = (post.slots(), self.max_users);
        post.shares().since(phase.start).map(|share| share.crewed(slots, users))
    }

    fn due_times<F>(&self, post: &Post<F>, phase: &Phase) -> DueTimes {
        let arrivals = Arc::new(Arrivals::new(&self.rate));
        let gaps = match self.poisson {
            true => {
                Gaps::Exponential { seed: post.shard.seed, slots: post.slots().min(self.max_users) }
            }
            false => Gaps::Even,
        };
        DueTimes::new(arrivals, gaps, self.shares(post, phase))
    }
}

/// Hands out arrivals until the rate's stages are over or the orders say to stop; then lets the
/// users leave.
pub(super) async fn run<F: VuFactory>(mut post: Post<F>, crew: Crew<F>) {
    let Some(phase) = post.phase() else { return };
    let Some(settings) = Settings::of(&phase) else { return };
    let arrived = Arrived::new(settings.max_lag, Arc::clone(&post.shard.context.recorder));
    let mut open = Open { crew, arrived, settings, next_number: 0, shed: 0 };
    open.crew.hold(post.shares().at(post.now().max(phase.start)));
    for _ in 0..open.crew.share_of(open.settings.preallocated) {
        open.add_user().await;
    }
    let Some(mut phase) = open.begin(&mut post).await else {
        return open.crew.dismiss(post.stop).await;
    };
    open.settings = Settings::of(&phase).unwrap_or(open.settings);
    let mut due_times = open.settings.due_times(&post, &phase);
    open.hand_out(&mut post, &mut phase, &mut due_times).await;
    open.let_waiting_ones_start(&mut post).await;
    open.arrived.drop_all();
    open.crew.dismiss(post.stop).await;
}

struct Open<F: VuFactory> {
    crew: Crew<F>,
    arrived: Rc<Arrived>,
    settings: Settings,
    /// All users of lower numbers of this shard are there.
    next_number: u64,
    /// Thousandths of an arrival that were shed and do not make up a whole one yet.
    shed: u32,
}

impl<F: VuFactory> Open<F> {
    /// Waits for the phase's start with the users that are there already.
    async fn begin(&mut self, post: &mut Post<F>) -> Option<Phase> {
        let mut tick = ticks();
        loop {
            tokio::select! {
                biased;
                phase = post.begin() => return phase,
                _ = tick.tick() => self.crew.call_over(),
            }
        }
    }

    async fn hand_out(&mut self, post: &mut Post<F>, phase: &mut Phase, due_times: &mut DueTimes) {
        let shard = Rc::clone(&post.shard);
        let mut shares = post.shares();
        let mut tick = ticks();
        let mut stood_still = false;
        loop {
            let due =
                due_times.peek().map(|(_, due)| shard.context.clock.instant(phase.start + due));
            let end =
                phase.length().map(|length| shard.context.clock.instant(phase.start + length));
            tokio::select! {
                biased;
                () = post.changed() => match post.phase() {
                    None => return,
                    Some(new) => {
                        *phase = new;
                        shares = post.shares();
                        self.amend(phase, due_times, post);
                    }
                },
                () = sleep_until(&shard.alarm, due), if !stood_still => {
                    stood_still = shard.team.pulse().beat().is_some();
                    if stood_still {
                        shard.context.recorder.capped("stood_still");
                    }
                    // Since this moment came, another worker may have been given the arrival.
                    if let Some(due) = due.filter(|_| !stood_still && !post.is_behind()) {
                        due_times.next();
                        match self.is_shed(shard.team.allowed()) {
                            true => self.arrived.shed(),
                            false => self.put(due).await,
                        }
                    }
                }
                () = until(end), if due.is_none() => return,
                () = self.crew.someone_left() => self.next_number = 0,
                _ = tick.tick() => {
                    stood_still = stood_still && shard.team.pulse().beat().is_some();
                    self.arrived.drop_late();
                    self.crew.call_over();
                    if self.crew.hold(shares.at(post.now())) {
                        self.next_number = 0;
                    }
                }
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
        if missing > self.crew.starting()
            && self.crew.size() < self.crew.share_of(self.settings.max_users) as usize
        {
            self.add_user().await;
        }
    }

    /// Whether the next arrival is not made, since only so many thousandths are.
    fn is_shed(&mut self, allowed: u32) -> bool {
        self.shed += ALL - allowed;
        let is_shed = self.shed >= ALL;
        self.shed -= if is_shed { ALL } else { 0 };
        is_shed
    }

    /// Starts the user with the lowest number that is not there.
    async fn add_user(&mut self) {
        let Some(share) = self.crew.share() else { return };
        let mut numbers = (self.next_number..).map_while(|k| Some((k, share.nth(k)?)));
        let Some((k, number)) = numbers.find(|(_, number)| !self.crew.has(*number)) else { return };
        self.next_number = k + 1;
        let arrived = Rc::clone(&self.arrived);
        self.crew.ensure(number, || Source::Arrivals(arrived)).await;
    }

    /// Goes over to a changed phase or share. Arrivals before the change are the same in both, so the
    /// next one follows without gap or double.
    fn amend(&mut self, phase: &Phase, due_times: &mut DueTimes, post: &Post<F>) {
        let Some(settings) = Settings::of(phase) else { return };
        if settings.rate != self.settings.rate {
            due_times.replace(Arc::new(Arrivals::new(&settings.rate)));
        }
        due_times.follow(&settings.shares(post, phase));
        self.arrived.set_max_lag(settings.max_lag);
        self.settings = settings;
        self.next_number = 0;
    }

    /// After the last arrival: those that still wait may start within `max_lag`.
    async fn let_waiting_ones_start(&mut self, post: &mut Post<F>) {
        let mut tick = ticks();
        while self.arrived.waiting() > 0 && post.phase().is_some() {
            tokio::select! {
                _ = tick.tick() => self.arrived.drop_late(),
                () = self.crew.someone_left() => {}
                () = post.changed() => {}
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
