//! Workers that are lost, fail, or come back.

mod account;
mod departures;
mod failures;

use std::time::Duration;

use loadhost_model::plan::LossPolicy;
use loadhost_model::text::format_duration;

use account::{left_in_order, told, unconfirmed};

use super::run::{Progress, Run, Stage, Standing};
use super::{Machine, Now};
use crate::view::{Liveness, Loss, NoteKind};

impl Machine {
    /// Looks who has been silent for too long.
    pub(super) fn notice_losses(&mut self, now: Now, run: &mut Run) {
        for at in 0..run.parts.len() {
            let Some(part) = run.parts.get_mut(at) else { continue };
            let liveness =
                self.registry.get(&part.worker).map_or(Liveness::Lost, |worker| worker.liveness);
            let counts =
                !part.lost && part.progress < Progress::Stopped && part.standing != Standing::Out;
            if counts && liveness == Liveness::Lost {
                part.lost = true;
                self.news = true;
                self.lose(now, run, at);
            }
        }
    }

    /// A worker is lost: its share goes to others, if the plan says so and somebody is there.
    fn lose(&mut self, now: Now, run: &mut Run, at: usize) {
        let Some(worker) = run.parts.get(at).map(|part| part.worker.clone()) else { return };
        let silence = format_duration(self.config.lost);
        let is_running = run.stage == Stage::Running;
        let loss = is_running.then(|| self.loss(now, run, at)).flatten();
        run.aggregate.forget_users(&worker);
        // What is lost by now is said now, so it is not said again.
        run.parts[at].measured_from = run.elapsed(now.mono);
        let Some(mut loss) = loss else {
            let message = format!("worker `{worker}` is lost: nothing heard for {silence}");
            return run.note(now.mono, NoteKind::Warning, message);
        };
        loss.moved = self.vacate(now, run, at);
        let rest = told(&loss);
        let iterations = unconfirmed(run, at);
        let message =
            format!("worker `{worker}` is lost: nothing heard for {silence}; {rest}{iterations}");
        run.note(now.mono, NoteKind::Warning, message);
        run.losses.push(loss);
    }

    /// Takes all slots of a part, so that others get them. False: they stay with it, because the plan says so, because
    /// the load cannot change hands, or because there is nobody else.
    fn vacate(&mut self, now: Now, run: &mut Run, at: usize) -> bool {
        let others = run.parts.iter().enumerate().any(|(other, part)| {
            other != at
                && part.is_running()
                && part.standing == Standing::Member
                && self.is_alive(part)
        });
        let policy = run.plan.fleet.on_worker_lost;
        let Some(part) = run.parts.get(at) else { return false };
        if policy != LossPolicy::Rebalance || !run.is_movable() || !others {
            return false;
        }
        run.slots.vacate(part.seat, now.wall);
        if part.standing != Standing::Out {
            // When it is back, it finds that nothing is its own any more.
            self.state_share(run, at, now.wall);
        }
        true
    }

    /// A new process took the place of one that had a part in the run.
    pub(super) fn restart(
        &mut self,
        now: Now,
        run: &mut Run,
        at: usize,
        incarnation: loadhost_model::id::Incarnation,
    ) {
        let is_running = run.stage == Stage::Running;
        let in_order = left_in_order(run, at);
        let loss = is_running.then(|| self.loss(now, run, at)).flatten().map(|loss| {
            let unmeasured = if in_order { Duration::ZERO } else { loss.unmeasured };
            Loss { unmeasured, ..loss }
        });
        let lost_nothing = loss.as_ref().is_some_and(|loss| loss.unmeasured.is_zero());
        let elapsed = run.elapsed(now.mono);
        let Some(part) = run.parts.get_mut(at) else { return };
        let (worker, was_lost) = (part.worker.clone(), part.lost);
        let (kind, message) = if in_order {
            let message = format!("worker `{worker}` had left in good order and is back");
            (NoteKind::Info, message)
        } else {
            let lost = "; what it had measured and not yet sent is lost";
            let rest = if lost_nothing { "" } else { lost };
            (NoteKind::Warning, format!("worker `{worker}` was restarted{rest}"))
        };
        part.restart(incarnation, elapsed);
        if part.standing == Standing::Retrying {
            part.standing = Standing::Member;
        }
        if is_running {
            part.late = true;
            let moved = self.vacate(now, run, at);
            let iterations = unconfirmed(run, at);
            if !run.is_movable() {
                // Its numbers would be worked for twice.
                self.give_up_iterations(now, run, at);
            } else if !moved {
                self.state_share(run, at, now.wall);
            }
            let kind = if iterations.is_empty() { kind } else { NoteKind::Warning };
            run.note(now.mono, kind, format!("{message}{iterations}"));
            if let Some(known) = run.open_losses(&worker).next_back().filter(|_| was_lost) {
                known.returned = Some(elapsed);
            } else {
                let returned = (!moved).then_some(elapsed);
                let is_one = |loss: &Loss| loss.share > 0.0 || !loss.unmeasured.is_zero();
                let loss = loss.filter(is_one).map(|loss| Loss { moved, returned, ..loss });
                run.losses.extend(loss);
            }
        } else {
            run.note(now.mono, kind, message);
        }
    }

    /// A worker that was lost speaks again.
    pub(super) fn welcome(&mut self, now: Now, run: &mut Run, at: usize) {
        let Some(part) = run.parts.get_mut(at) else { return };
        part.lost = false;
        let worker = part.worker.clone();
        let elapsed = run.elapsed(now.mono);
        run.open_losses(&worker).for_each(|loss| loss.returned = Some(elapsed));
        run.note(now.mono, NoteKind::Info, format!("worker `{worker}` is back"));
    }

    fn give_up_iterations(&mut self, now: Now, run: &mut Run, at: usize) {
        if let Some(part) = run.parts.get(at) {
            run.slots.vacate(part.seat, now.wall);
            self.state_share(run, at, 0);
        }
    }
}

/// A worker makes no load any more, and what it has stays with it: others may not have it, or cannot.
fn leave_missing(run: &mut Run, at: usize) {
    let Some(part) = run.parts.get_mut(at) else { return };
    (part.lost, part.progress) = (true, part.progress.max(Progress::Stopped));
    run.aggregate.forget_users(&part.worker);
}
