//! Keeps the load shared as the plan says, while workers come, go and slow down.
//!
//! Slots change hands in the two steps of [`super::slots`]: no slot is worked for twice, and none
//! is left out. At most [`CoordinatorConfig::rebalance_percent`] of the load moves at a time, but for what
//! nobody works for, which is given away at once.
//!
//! [`CoordinatorConfig::rebalance_percent`]: crate::config::CoordinatorConfig::rebalance_percent

mod overdue;
mod weigh;

use std::sync::Arc;
use std::time::Duration;

use loadhost_model::plan::Distribution;
use loadhost_model::wire::{Step, StopMode, Work};
use serde::{Deserialize, Serialize};

use super::distribute::{self, Seat};
use super::registry::Worker;
use super::run::{Part, Progress, Run, Stage, Standing};
use super::slots::SeatNumber;
use super::split;
use super::{Machine, Now};
use weigh::{half_way, slots_per_cpu};

use crate::view::{Liveness, NoteKind};

/// Between two moves of load: givers and takers need a moment each.
const STEP: Duration = Duration::from_secs(1);
/// With so little time left nothing is moved and nobody is taken in.
const TOO_LATE: Duration = Duration::from_secs(3);
/// Of the slots that a seat should have: shares by measured load are not moved for less.
const WORTH_A_MOVE: f64 = 0.05;

/// When load is moved next.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Balance {
    /// Not before.
    next_step: Duration,
    /// Shares are weighed anew then.
    next_interval: Option<Duration>,
    /// Who shared the load when it was weighed last, and how many slots each should have.
    goal: Vec<(SeatNumber, u32)>,
    /// Who among them did not answer then.
    #[serde(default)]
    overdue: Vec<SeatNumber>,
}

impl Machine {
    /// Takes in who came, hands on what moves, and begins moves. Only while load is made.
    pub(super) fn balance(&mut self, now: Now, run: &mut Run) {
        if !run.is_movable() || run.is_nearly_over(now.mono) {
            return;
        }
        self.take_in(now, run);
        self.share_out_kept(now, run);
        self.see_off(run);
        for giver in run.slots.givers().collect::<Vec<_>>() {
            if let Some(part) =
                run.parts.iter().find(|part| part.seat == giver && part.has_confirmed())
            {
                run.slots.confirm(giver, part.holds_since());
            }
        }
        self.hand_over(now, run);
        self.notice_overdue(now, run);
        if run.slots.free() > 0 {
            let goal = self.goal(run);
            self.begin_moves(now, run, &goal, 0);
            self.hand_over(now, run);
        }
        self.level(now, run);
        self.let_go(now, run);
        note_served(now, run);
    }

    /// Idle workers that fit join a run that makes load already, as long as no other run waits for them.
    fn take_in(&mut self, now: Now, run: &mut Run) {
        let is_waiting = |other: &Run| matches!(other.stage, Stage::Waiting { .. });
        let (Some(start), Some(setup_data)) = (run.started, run.setup_data.clone()) else { return };
        if self.runs.values().any(is_waiting) {
            return;
        }
        let mut newcomers = Vec::new();
        for (id, worker) in self.registry.iter() {
            let known = run.part(id).is_some_and(|part| {
                // Whoever was dismissed for a failure must begin anew before it is asked again.
                let has_failed =
                    part.failed.is_some() && part.incarnation == worker.status.incarnation;
                part.standing != Standing::Out || has_failed
            });
            let is_free = worker.status.run.is_none() && self.run_of(id).is_none();
            if !known && is_free && split::obstacle(worker, &run.plan).is_none() {
                newcomers.push((id.clone(), worker.status.incarnation));
            }
        }
        for (worker, incarnation) in newcomers {
            let Ok(share) = run.slots.share(SeatNumber::MAX) else { return };
            let seat = run.next_seat;
            run.next_seat += 1;
            run.parts.retain(|part| part.worker != worker);
            let measured_from = run.elapsed(now.mono);
            let part =
                Part { late: true, measured_from, ..Part::new(seat, worker, incarnation, share) };
            let at = run.parts.partition_point(|other| other.worker < part.worker);
            run.parts.insert(at, part);
            let step = Step::Run { start: start.wall, setup_data: Arc::clone(&setup_data) };
            self.assign(run, at, step);
        }
    }

    /// Workers that are going away leave, if there are others.
    fn see_off(&mut self, run: &mut Run) {
        let is_draining = |part: &Part| {
            let worker = self.registry.get(&part.worker);
            part.is_well() && worker.is_some_and(Worker::is_draining)
        };
        let leaving: Vec<usize> =
            (0..run.parts.len()).filter(|at| is_draining(&run.parts[*at])).collect();
        if self.members(run).next().is_some() {
            leaving.into_iter().for_each(|at| run.leave(at));
        }
    }

    /// Tells takers of what is ready for them.
    fn hand_over(&mut self, now: Now, run: &mut Run) {
        for at in 0..run.parts.len() {
            let Some(part) =
                run.parts.get(at).filter(|part| part.is_settled(now.wall) && part.is_running())
            else {
                continue;
            };
            if let Some(from) = run.slots.receive(part.seat) {
                self.state_share(run, at, from);
            }
        }
    }

    /// States what a part has now, to be held from an instant on.
    pub(super) fn state_share(&mut self, run: &mut Run, at: usize, from: u64) {
        let Some(part) = run.parts.get_mut(at) else { return };
        let Ok(share) = run.slots.share(part.seat) else { return };
        (part.share, part.share_from) = (share, from);
        let Some(step) = part.told.and_then(|told| run.step(told)) else { return };
        self.assign(run, at, step);
        if let Some(part) = run.parts.get_mut(at) {
            part.stated = part.assigned;
        }
    }

    /// Brings shares nearer to where they should be, one step at a time.
    fn level(&mut self, now: Now, run: &mut Run) {
        let overdue = run.overdue();
        if now.mono < run.balance.next_step || run.slots.are_moving_but(&overdue) {
            return;
        }
        // Who is silent can neither give nor take; it is heard of again or lost within seconds.
        let is_silent = |part: &Part| !part.is_still() && !self.is_alive(part);
        if run.parts.iter().any(is_silent) {
            return;
        }
        let interval = run.plan.fleet.rebalance_interval;
        let members: Vec<SeatNumber> = self.members(run).map(|part| part.seat).collect();
        let is_due = run.balance.next_interval.is_some_and(|next| now.mono >= next);
        if is_due || run.balance.goal.is_empty() {
            run.balance.next_interval = interval.map(|interval| now.mono.saturating_add(interval));
        }
        if run.balance.goal.is_empty() {
            // As it was dealt; loads that were never made cannot be weighed.
            let held = run.slots.counter();
            run.balance.goal = members.iter().map(|seat| (*seat, held(*seat))).collect();
            return;
        }
        let answers = |seat: &&SeatNumber| !overdue.contains(*seat);
        let weighed = run.balance.goal.iter().map(|(seat, _)| seat).filter(answers);
        let same = overdue == run.balance.overdue && weighed.eq(members.iter().filter(answers));
        if is_due || !same {
            let goal = self.goal(run);
            if !same || worth_it(run, &goal) {
                run.balance.goal = goal;
                run.balance.overdue = overdue;
            }
        }
        let percent = self.config.rebalance_percent.clamp(1, 100);
        let most = u32::try_from(u64::from(run.slots.of()) * u64::from(percent) / 100);
        let goal = run.balance.goal.clone();
        if self.begin_moves(now, run, &goal, most.unwrap_or(u32::MAX).max(1)) {
            run.balance.next_step = now.mono.saturating_add(STEP);
        }
    }

    /// Begins to move slots towards a goal; true if any do.
    fn begin_moves(
        &mut self,
        now: Now,
        run: &mut Run,
        goal: &[(SeatNumber, u32)],
        most: u32,
    ) -> bool {
        // With each tick this is asked, and mostly all have what they should.
        let has = run.slots.counter();
        if !goal.iter().any(|(seat, count)| has(*seat) < *count) {
            return false;
        }
        let mut moves = distribute::moves(run.slots.holders(), goal, most);
        let on_their_way: Vec<bool> = run.slots.on_their_way();
        let part = |seat: SeatNumber| run.parts.iter().find(|part| part.seat == seat);
        moves.retain(|a_move| {
            let gives = a_move.from.is_none_or(|from| {
                part(from).is_some_and(|part| part.is_running() && part.is_settled(now.wall))
            });
            let takes =
                part(a_move.to).is_some_and(|part| part.is_running() && self.is_alive(part));
            gives && takes && !on_their_way[a_move.slot as usize]
        });
        run.slots.send(&moves, now.wall);
        for giver in run.slots.givers().collect::<std::collections::BTreeSet<_>>() {
            let gives_now = moves.iter().any(|a_move| a_move.from == Some(giver));
            let at = run.parts.iter().position(|part| part.seat == giver && gives_now);
            if let Some(at) = at {
                self.state_share(run, at, now.wall_after(self.config.change_lead));
            }
        }
        !moves.is_empty()
    }

    /// Whoever has given all away is told to stop, and then is free.
    fn let_go(&mut self, now: Now, run: &mut Run) {
        for at in 0..run.parts.len() {
            let Some(part) = run.parts.get(at) else { continue };
            if part.standing != Standing::Leaving || !part.is_settled(now.wall) {
                continue;
            }
            if run.slots.held_by(part.seat) > 0 || run.slots.are_moving_at(part.seat) {
                continue;
            }
            match part.progress {
                Progress::Stopped => self.dismiss(now, run, at),
                Progress::Running => self.assign(run, at, Step::Stop { mode: StopMode::Graceful }),
                _ => {}
            }
        }
    }

    /// A worker has nothing to do with the run any more, nor gets what is on its way to it.
    pub(super) fn dismiss(&mut self, now: Now, run: &mut Run, at: usize) {
        if let Some(part) = run.parts.get_mut(at) {
            run.slots.vacate(part.seat, now.wall);
            part.standing = Standing::Out;
            part.assigned = self.state(part.worker.clone(), None);
            run.aggregate.forget_users(&part.worker);
        }
    }

    /// Parts among which the load is to be shared, in the order of their seats.
    fn members<'a>(&'a self, run: &'a Run) -> impl Iterator<Item = &'a Part> {
        let is_member = |part: &&Part| {
            part.is_well()
                && (part.is_running() || run.slots.held_by(part.seat) > 0)
                && !self.registry.get(&part.worker).is_some_and(Worker::is_draining)
        };
        let mut members: Vec<&Part> = run.parts.iter().filter(is_member).collect();
        members.sort_by_key(|part| part.seat);
        members.into_iter()
    }

    /// How many slots each member should have. Who does not answer keeps what it has.
    fn goal(&self, run: &Run) -> Vec<(SeatNumber, u32)> {
        let held = run.overdue().into_iter().map(|seat| (seat, run.slots.held_by(seat)));
        let mut goal: Vec<(SeatNumber, u32)> = held.collect();
        let seats = self.seats(run, self.members(run).filter(|part| !part.overdue));
        let all = run.slots.of();
        let of = all.saturating_sub(goal.iter().map(|(_, held)| held).sum());
        // A slot stands for as many users as ever.
        let users = u64::from(run.plan.profile.planned_users_max()) * u64::from(of);
        let users = users.div_ceil(u64::from(all.max(1)));
        let counts = distribute::apportion(of, u32::try_from(users).unwrap_or(u32::MAX), &seats);
        goal.extend(seats.iter().map(|seat| seat.seat).zip(counts));
        goal.sort_unstable();
        goal
    }

    /// How many of `of` slots each part gets before load is made. If they have not room enough together, they get
    /// all the same what would be theirs, and say themselves what they lack.
    pub(super) fn first_goal(&self, run: &Run, of: u32) -> Vec<(SeatNumber, u32)> {
        let mut seats = self.seats(run, run.parts.iter().filter(|part| part.is_well()));
        let users = run.plan.profile.planned_users_max();
        let mut counts = distribute::apportion(of, users, &seats);
        if counts.iter().sum::<u32>() < of {
            seats.iter_mut().for_each(|seat| seat.room = u32::MAX);
            counts = distribute::apportion(of, users, &seats);
        }
        seats.iter().map(|seat| seat.seat).zip(counts).collect()
    }

    fn seats<'a>(&self, run: &Run, parts: impl Iterator<Item = &'a Part>) -> Vec<Seat> {
        let distribution = run.plan.fleet.distribution;
        let has = run.slots.counter();
        let seat = |part: &Part| {
            let status = &self.registry.get(&part.worker)?.status;
            let weight = match distribution {
                Distribution::RoundRobin => 1.0,
                Distribution::Weighted => f64::from(status.weight),
                Distribution::LeastLoaded => slots_per_cpu(has(part.seat), status.cpu),
            };
            Some(Seat { seat: part.seat, room: status.capacity, weight })
        };
        let seats = parts.filter_map(seat).collect();
        if distribution == Distribution::LeastLoaded { half_way(seats, has) } else { seats }
    }

    pub(super) fn is_alive(&self, part: &Part) -> bool {
        self.registry.get(&part.worker).is_some_and(|worker| worker.liveness == Liveness::Alive)
    }

    /// Work as it is stated to a part.
    pub(super) fn work(run: &Run, part: &Part, step: Step) -> Work {
        let plan = Arc::clone(&run.plan);
        Work {
            plan,
            share: part.share.clone(),
            share_from: part.share_from,
            step,
            next: run.versions.next(),
            shared: Box::new(run.shared.state(&part.worker, part.incarnation)),
        }
    }
}

impl Run {
    fn is_nearly_over(&self, now: Duration) -> bool {
        let length = self.plan.profile.length();
        length.is_some_and(|length| self.elapsed(now).saturating_add(TOO_LATE) >= length)
    }

    /// Marks workers that are to give their slots away.
    pub(crate) fn leave(&mut self, at: usize) {
        if let Some(part) = self.parts.get_mut(at)
            && part.standing == Standing::Member
        {
            part.standing = Standing::Leaving;
        }
    }
}

/// Whether a new goal differs enough from what is.
fn worth_it(run: &Run, goal: &[(SeatNumber, u32)]) -> bool {
    if run.plan.fleet.distribution != Distribution::LeastLoaded {
        return true;
    }
    let has = run.slots.counter();
    goal.iter().any(|(seat, count)| {
        let apart = f64::from(has(*seat).abs_diff(*count));
        apart > WORTH_A_MOVE * f64::from(*count)
    })
}

/// What a lost worker had is served by others now.
fn note_served(now: Now, run: &mut Run) {
    if run.slots.unserved() > 0 {
        return;
    }
    let elapsed = run.elapsed(now.mono);
    let mut served = Vec::new();
    for loss in run.losses.iter_mut().filter(|loss| loss.moved && loss.served.is_none()) {
        loss.served = Some(elapsed);
        served.push(format!("others have taken over the share of worker `{}`", loss.worker));
    }
    for message in served {
        run.note(now.mono, NoteKind::Info, message);
    }
}
