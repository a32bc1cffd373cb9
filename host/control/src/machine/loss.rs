//! Workers that are lost, fail, or come back.

mod account;

use std::time::Duration;

use loadhost_model::plan::LossPolicy;
use loadhost_model::text::format_duration;
use loadhost_model::wire::Step;

use account::{left_in_order, told, unconfirmed};

use super::run::{Part, Progress, Run, Stage, Standing};
use super::{Machine, Now};
use crate::report::EndReason;
use crate::view::{Liveness, Loss, NoteKind};

/// Code by which a worker says that it was the scenario that wanted the end.
const ABORT_RUN: &str = "abort-run";
/// Failures that another attempt may not have, by the codes of workers: the module could not be fetched, a fault
/// of the program, the load could not be begun.
const WORTH_A_RETRY: [&str; 3] = ["download", "fault", "load"];
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

    /// Gives to others what a part has that works no longer. None: its slots stay with it.
    fn give_away(&mut self, now: Now, run: &mut Run, at: usize) -> Option<Loss> {
        let loss = self.loss(now, run, at)?;
        self.vacate(now, run, at).then_some(Loss { moved: true, ..loss })
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

    /// Why a running run must end, if a worker failed or was lost. Otherwise whoever failed is
    /// tried again or left out.
    pub(super) fn settle_failures(&mut self, now: Now, run: &mut Run) -> Option<EndReason> {
        let lost = run.parts.iter().find(|part| part.lost && part.standing != Standing::Out);
        if let Some(part) = lost.filter(|_| run.plan.fleet.on_worker_lost == LossPolicy::Abort) {
            let how = if part.has_ended() {
                "has left".to_string()
            } else {
                format!("is lost: nothing heard for {}", format_duration(self.config.lost))
            };
            let worker = &part.worker;
            let message = format!("worker `{worker}` {how}; `--on-worker-lost abort` ends the run");
            let code = "lost".to_string();
            return Some(EndReason::WorkerFailed {
                worker: Some(part.worker.clone()),
                code,
                message,
            });
        }
        for at in 0..run.parts.len() {
            let Some(part) = run.parts.get(at) else { continue };
            let Some((code, message)) =
                part.failed.clone().filter(|_| part.standing != Standing::Out)
            else {
                continue;
            };
            let (worker, seat) = (part.worker.clone(), part.seat);
            let has_none = run.slots.held_by(seat) == 0;
            let is_final =
                code.as_ref() == ABORT_RUN || run.plan.fleet.on_worker_lost == LossPolicy::Abort;
            if is_final {
                return failure(run, at);
            }
            if !has_none {
                let Some(loss) = self.give_away(now, run, at) else { return failure(run, at) };
                run.losses.push(loss);
            }
            // Others need not wait until it is tried again.
            run.slots.vacate(seat, now.wall);
            let message = format!("worker `{worker}` failed: {message}");
            run.note(now.mono, NoteKind::Warning, message);
            if !self.retry(run, at) {
                self.dismiss(now, run, at);
            }
            self.news = true;
        }
        None
    }

    /// The same before load is made: whoever is missing is left out if enough are left.
    pub(super) fn settle_before_start(
        &mut self,
        now: Now,
        run: &mut Run,
        setup: Option<usize>,
    ) -> Option<EndReason> {
        let mut left_out = false;
        for at in 0..run.parts.len() {
            let Some(part) = run.parts.get(at).filter(|part| part.standing != Standing::Out) else {
                continue;
            };
            let Some(reason) = failure(run, at).or_else(|| loss_before_start(part)) else {
                continue;
            };
            let is_final = part.failed.as_ref().is_some_and(|(code, _)| &**code == ABORT_RUN)
                || run.plan.fleet.on_worker_lost == LossPolicy::Abort;
            if !is_final && setup != Some(at) && self.retry(run, at) {
                continue;
            }
            let others = run.parts.iter().filter(|part| part.is_well()).count();
            let is_enough = others >= run.expect_workers as usize && others > 0;
            if is_final || setup.is_some() || !is_enough {
                // A few beats may be lost on the way, and the run cannot do without it.
                if run.parts[at].failed.is_some() || self.is_silent_for_long(now, &run.parts[at]) {
                    return Some(reason);
                }
                continue;
            }
            run.note(
                Duration::ZERO,
                NoteKind::Warning,
                format!("{reason}; the run goes on without it"),
            );
            self.dismiss(now, run, at);
            left_out = true;
        }
        if left_out {
            self.deal(run);
            self.assign_all(run, &Step::Prepare);
        }
        None
    }

    fn is_silent_for_long(&self, now: Now, part: &Part) -> bool {
        let worker = self.registry.get(&part.worker);
        worker.is_none_or(|worker| now.mono.saturating_sub(worker.heard) >= self.config.all_lost)
    }

    /// Lets a worker that failed begin anew, unless that would be of no use. It is told to be idle
    /// first: only then does it forget what failed.
    fn retry(&mut self, run: &mut Run, at: usize) -> bool {
        let most = run.plan.fleet.max_retries;
        let Some(part) = run.parts.get_mut(at) else { return false };
        let is_of_use =
            part.failed.as_ref().is_some_and(|(code, _)| WORTH_A_RETRY.contains(&&**code));
        // Intervals are numbered per process and run: what has begun cannot be begun again.
        let has_measured = run.aggregate.ledger.knows(&part.worker, part.incarnation);
        if !is_of_use || part.lost || has_measured || part.retries >= most {
            return false;
        }
        part.retries += 1;
        part.standing = Standing::Retrying;
        (part.failed, part.failing, part.progress) = (None, false, Progress::Assigned);
        (part.overdue, part.awaited_since) = (false, None);
        part.assigned = self.state(part.worker.clone(), None);
        true
    }

    /// Asks those that are idle by now again.
    pub(super) fn ask_again(&mut self, run: &mut Run) {
        for at in 0..run.parts.len() {
            let Some(part) =
                run.parts.get_mut(at).filter(|part| part.standing == Standing::Retrying)
            else {
                continue;
            };
            let is_idle = self.registry.get(&part.worker).is_some_and(|worker| {
                worker.status.run.is_none()
                    && worker.status.applied >= (self.config.term, part.assigned)
            });
            if !is_idle {
                continue;
            }
            part.standing = Standing::Member;
            part.applied = part.assigned;
            let step = match (run.started, run.setup_data.clone()) {
                (Some(start), Some(setup_data)) => Step::Run { start: start.wall, setup_data },
                _ => Step::Prepare,
            };
            self.assign(run, at, step);
        }
    }

    /// Workers that ended their work by themselves: their process was told to end, or heard no leader for too long.
    pub(super) fn notice_departures(&mut self, now: Now, run: &mut Run) {
        if !run.has_load_left(now.mono) {
            return;
        }
        for at in 0..run.parts.len() {
            let Some(part) = run.parts.get(at) else { continue };
            let has_left = self.registry.get(&part.worker).is_some_and(|worker| {
                worker.status.incarnation == part.incarnation
                    && worker.status.run.is_none()
                    && worker.status.applied >= (self.config.term, part.assigned)
                    && part.progress >= Progress::Running
            });
            let is_over = has_left || part.progress >= Progress::Stopped;
            if !is_over || part.lost || part.standing == Standing::Out || part.failed.is_some() {
                continue;
            }
            let (worker, had) = (part.worker.clone(), run.slots.held_by(part.seat));
            self.news = true;
            // It ended in good order, so nothing of what it measured is missing.
            let loss = self.loss(now, run, at).filter(|_| had > 0);
            let loss = loss.map(|loss| Loss { unmeasured: Duration::ZERO, ..loss });
            let moved = had == 0 || self.vacate(now, run, at);
            if moved {
                self.dismiss(now, run, at);
            } else {
                let part = &mut run.parts[at];
                (part.lost, part.progress) = (true, part.progress.max(Progress::Stopped));
                run.aggregate.forget_users(&worker);
            }
            let Some(loss) = loss else { continue };
            let (kind, rest) = if moved {
                (NoteKind::Info, "its share of the load goes to others".to_string())
            } else {
                (NoteKind::Warning, told(&loss))
            };
            run.note(now.mono, kind, format!("worker `{worker}` has left; {rest}"));
            run.losses.push(Loss { moved, ..loss });
        }
    }

    /// Gives what lost workers kept, because nobody else was there, to who has come since.
    pub(super) fn share_out_kept(&mut self, now: Now, run: &mut Run) {
        for at in 0..run.parts.len() {
            let part = &run.parts[at];
            let keeps = part.lost && part.standing != Standing::Out;
            if !keeps || run.slots.held_by(part.seat) == 0 || !self.vacate(now, run, at) {
                continue;
            }
            let (worker, has_ended) = (run.parts[at].worker.clone(), run.parts[at].has_ended());
            let is_open = |loss: &&mut Loss| loss.worker == worker && loss.returned.is_none();
            run.losses.iter_mut().filter(is_open).for_each(|loss| loss.moved = true);
            let message = format!("the share of worker `{worker}` goes to others that have come");
            run.note(now.mono, NoteKind::Info, message);
            if has_ended {
                self.dismiss(now, run, at);
            }
        }
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
            let is_known = |loss: &&mut Loss| loss.worker == worker && loss.returned.is_none();
            match run.losses.iter_mut().rev().find(is_known) {
                Some(known) if was_lost => known.returned = Some(elapsed),
                _ => {
                    let returned = (!moved).then_some(elapsed);
                    let is_one = |loss: &Loss| loss.share > 0.0 || !loss.unmeasured.is_zero();
                    let loss = loss.filter(is_one).map(|loss| Loss { moved, returned, ..loss });
                    run.losses.extend(loss);
                }
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
        for loss in
            run.losses.iter_mut().filter(|loss| loss.worker == worker && loss.returned.is_none())
        {
            loss.returned = Some(elapsed);
        }
        run.note(now.mono, NoteKind::Info, format!("worker `{worker}` is back"));
    }

    fn give_up_iterations(&mut self, now: Now, run: &mut Run, at: usize) {
        if let Some(part) = run.parts.get(at) {
            run.slots.vacate(part.seat, now.wall);
            self.state_share(run, at, 0);
        }
    }

    /// Why a run without anybody left must end. Whoever left in good order may have a successor on
    /// its way, which is waited for as long as for all that are silent.
    pub(super) fn nobody_left(&self, now: Now, run: &Run) -> Option<EndReason> {
        let takes_part = || run.parts.iter().filter(|part| part.standing != Standing::Out);
        let is_gone = |part: &Part| !part.has_ended() && self.is_silent_for_long(now, part);
        let are_gone = takes_part().next().is_some() && takes_part().all(is_gone);
        let newest = run.losses.iter().map(|loss| loss.at).max().unwrap_or_default();
        let waited = run.elapsed(now.mono).saturating_sub(newest);
        let is_over = !run.has_load_left(now.mono) || waited >= self.config.all_lost;
        let all_lost = !run.losses.is_empty() && takes_part().all(|part| part.lost);
        (all_lost && (are_gone || is_over)).then(|| EndReason::WorkerFailed {
            worker: None,
            code: "lost".to_string(),
            message: format!("all workers are lost: {}", run.names(|part| part.lost)),
        })
    }
}

/// Why the run must end, if this worker failed.
fn failure(run: &Run, at: usize) -> Option<EndReason> {
    let part = run.parts.get(at)?;
    let (code, message) = part.failed.as_ref()?;
    Some(if &**code == ABORT_RUN {
        EndReason::AbortedByScenario { message: message.to_string() }
    } else {
        EndReason::WorkerFailed {
            worker: Some(part.worker.clone()),
            code: code.to_string(),
            message: message.to_string(),
        }
    })
}

fn loss_before_start(part: &Part) -> Option<EndReason> {
    part.lost.then(|| EndReason::WorkerFailed {
        worker: Some(part.worker.clone()),
        code: "lost".to_string(),
        message: format!("worker `{}` was lost before the run began; start it again", part.worker),
    })
}
