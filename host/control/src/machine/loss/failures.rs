//! Workers that fail: tried again, left out, or the end of the run.

use std::time::Duration;

use loadhost_model::plan::LossPolicy;
use loadhost_model::text::format_duration;
use loadhost_model::wire::Step;

use super::super::run::{Part, Progress, Run, Standing};
use super::super::{Machine, Now};
use super::account::{told, unconfirmed};
use super::leave_missing;
use crate::report::EndReason;
use crate::view::{Loss, NoteKind};

/// Code by which a worker says that it was the scenario that wanted the end.
const ABORT_RUN: &str = "abort-run";
/// Failures that another attempt may not have, by the codes of workers: the module could not be fetched, a fault
/// of the program, the load could not be begun.
const WORTH_A_RETRY: [&str; 3] = ["download", "fault", "load"];

impl Machine {
    /// Why a running run must end, if a worker failed or was lost. Otherwise whoever failed is
    /// tried again or left out.
    pub(crate) fn settle_failures(&mut self, now: Now, run: &mut Run) -> Option<EndReason> {
        self.abort_on_loss(run)
            .or_else(|| (0..run.parts.len()).find_map(|at| self.settle_failure(now, run, at)))
    }

    /// Why the run must end, if it is to end with the first worker that is lost.
    fn abort_on_loss(&self, run: &Run) -> Option<EndReason> {
        let lost = run.parts.iter().find(|part| part.lost && part.standing != Standing::Out);
        let part = lost.filter(|_| run.plan.fleet.on_worker_lost == LossPolicy::Abort)?;
        let how = if part.has_ended() {
            "has left".to_string()
        } else {
            format!("is lost: nothing heard for {}", format_duration(self.config.lost))
        };
        let worker = part.worker.clone();
        let message = format!("worker `{worker}` {how}; `--on-worker-lost abort` ends the run");
        Some(EndReason::WorkerFailed { worker: Some(worker), code: "lost".to_string(), message })
    }

    /// What becomes of a worker that failed, and of its share: others get it, or it is missing until the worker
    /// is back. If it cannot be tried again and nobody else is there, the run must end.
    fn settle_failure(&mut self, now: Now, run: &mut Run, at: usize) -> Option<EndReason> {
        let part = run.parts.get(at)?;
        let is_settled = part.lost || part.standing == Standing::Out;
        let (code, message) = part.failed.clone().filter(|_| !is_settled)?;
        if &*code == ABORT_RUN || run.plan.fleet.on_worker_lost == LossPolicy::Abort {
            return failure(run, at);
        }
        let (worker, seat) = (part.worker.clone(), part.seat);
        let had = run.slots.held_by(seat) > 0;
        let loss = self.loss(now, run, at).filter(|_| had);
        let moved = !had || self.vacate(now, run, at);
        if moved {
            // Others need not wait until it is tried again.
            run.slots.vacate(seat, now.wall);
        }
        let is_retried = self.retry(run, at);
        let others = run.parts.iter().any(|part| part.is_well());
        match (is_retried, moved) {
            (true, _) => {}
            (false, true) => self.dismiss(now, run, at),
            (false, false) if others => leave_missing(run, at),
            (false, false) => return failure(run, at),
        }
        self.news = true;
        let iterations = if is_retried { String::new() } else { unconfirmed(run, at) };
        let rest = loss.as_ref().filter(|_| !moved);
        let rest = rest.map_or_else(String::new, |loss| format!("; {}{iterations}", told(loss)));
        run.note(now.mono, NoteKind::Warning, format!("worker `{worker}` failed: {message}{rest}"));
        // It may have failed before, and have been missing ever since.
        let is_known = run.open_losses(&worker).next().is_some();
        run.losses.extend(loss.filter(|_| !is_known).map(|loss| Loss { moved, ..loss }));
        None
    }

    /// The same before load is made: whoever is missing is left out if enough are left.
    pub(crate) fn settle_before_start(
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
    pub(crate) fn ask_again(&mut self, run: &mut Run) {
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
