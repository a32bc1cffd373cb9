//! Workers that end their work by themselves, and runs that nobody works for any more.

use std::time::Duration;

use loadhost_model::interval::Interval;

use super::super::run::{Part, Progress, Run, Standing};
use super::super::{Machine, Now};
use super::account::{left_in_order, open_iterations, told, unconfirmed};
use super::leave_missing;
use crate::report::EndReason;
use crate::view::{Loss, NoteKind};

impl Machine {
    /// Workers that ended their work by themselves: their process was told to end, or heard no leader for too long.
    pub(crate) fn notice_departures(&mut self, now: Now, run: &mut Run) {
        if !run.has_time_left(now.mono) {
            return;
        }
        for at in 0..run.parts.len() {
            let Some(part) = run.parts.get(at) else { continue };
            let is_settled = part.lost || part.standing == Standing::Out || part.failed.is_some();
            if is_settled || !self.has_departed(run, at) {
                continue;
            }
            let (worker, had) = (part.worker.clone(), run.slots.held_by(part.seat));
            self.news = true;
            // It ended in good order, so nothing of what it measured is missing.
            let loss = self.loss(now, run, at).filter(|_| had > 0);
            let loss = loss.map(|loss| Loss { unmeasured: Duration::ZERO, ..loss });
            let iterations = unconfirmed(run, at);
            let moved = had == 0 || self.vacate(now, run, at);
            if moved {
                self.dismiss(now, run, at);
            } else {
                leave_missing(run, at);
            }
            let Some(loss) = loss else { continue };
            let (kind, rest) = if moved {
                (NoteKind::Info, "its share of the load goes to others".to_string())
            } else {
                (NoteKind::Warning, format!("{}{iterations}", told(&loss)))
            };
            run.note(now.mono, kind, format!("worker `{worker}` has left; {rest}"));
            run.losses.push(Loss { moved, ..loss });
        }
    }

    /// Whether a worker makes no more load, though some of its own is left.
    fn has_departed(&self, run: &Run, at: usize) -> bool {
        let Some(part) = run.parts.get(at) else { return false };
        let status = self.registry.get(&part.worker).map(|worker| &worker.status);
        let status = status.filter(|status| status.incarnation == part.incarnation);
        let has_left = status.is_some_and(|status| {
            status.run.is_none()
                && status.applied >= (self.config.term, part.assigned)
                && part.progress >= Progress::Running
        });
        if run.is_movable() {
            return has_left || part.has_ended();
        }
        // Who has made its iterations has ended as well, and users may end for good before they have made theirs.
        let is_told_to_end = has_left || status.is_some_and(|status| status.draining);
        let (open, _) = open_iterations(run, at);
        part.has_ended() && is_told_to_end && open > 0 && left_in_order(run, at)
    }

    /// Gives what lost workers kept, because nobody else was there, to who has come since.
    pub(crate) fn share_out_kept(&mut self, now: Now, run: &mut Run) {
        for at in 0..run.parts.len() {
            let part = &run.parts[at];
            let keeps = part.lost && part.standing != Standing::Out;
            if !keeps || run.slots.held_by(part.seat) == 0 || !self.vacate(now, run, at) {
                continue;
            }
            let (worker, has_ended) = (run.parts[at].worker.clone(), run.parts[at].has_ended());
            run.open_losses(&worker).for_each(|loss| loss.moved = true);
            let message = format!("the share of worker `{worker}` goes to others that have come");
            run.note(now.mono, NoteKind::Info, message);
            if has_ended {
                self.dismiss(now, run, at);
            }
        }
    }

    /// Why a run without anybody left must end. Whoever left in good order may have a successor on
    /// its way, which is waited for as long as for all that are silent.
    pub(crate) fn nobody_left(&self, now: Now, run: &Run) -> Option<EndReason> {
        let takes_part = || run.parts.iter().filter(|part| part.standing != Standing::Out);
        let is_gone = |part: &Part| !part.has_ended() && self.is_silent_for_long(now, part);
        let are_gone = takes_part().next().is_some() && takes_part().all(is_gone);
        let newest = run.losses.iter().map(|loss| loss.at).max().unwrap_or_default();
        let waited = run.elapsed(now.mono).saturating_sub(newest);
        let may_be_back = run.is_movable() || takes_part().any(|part| !part.has_ended());
        let is_awaited = run.has_time_left(now.mono) && may_be_back;
        let is_over = !is_awaited || waited >= self.config.all_lost;
        let all_lost = takes_part().all(|part| part.lost);
        (all_lost && (are_gone || is_over)).then(|| EndReason::WorkerFailed {
            worker: None,
            code: "lost".to_string(),
            message: format!("all workers are lost: {}", run.names(|part| part.lost)),
        })
    }

    /// Nothing has been heard of it for so long that nobody waits for it any more.
    pub(crate) fn is_silent_for_long(&self, now: Now, part: &Part) -> bool {
        let worker = self.registry.get(&part.worker);
        worker.is_none_or(|worker| now.mono.saturating_sub(worker.heard) >= self.config.all_lost)
    }
}

impl Run {
    /// A worker that heard no leader for too long ends its load, all of which is measured, and begins again once one
    /// leads: in between its share was missing.
    pub(crate) fn note_pause(&mut self, now: Duration, interval: &Interval) {
        let Some(part) = self.part(&interval.worker) else { return };
        let (from, to) = (self.aggregate.measured(&interval.worker), interval.begin);
        let is_resumed = self.aggregate.ledger.resumes(interval);
        // What others made, or was said to be lost, is not missing.
        let was_its_own = part.measured_from <= from && !part.share.is_empty();
        if !is_resumed || !was_its_own || from >= to {
            return;
        }
        let (worker, share) = (part.worker.clone(), part.share.fraction());
        let message = format!(
            "worker `{worker}` heard no leader and stopped its load: {:.1} % of the load is missing from {} s to {} s",
            100.0 * share,
            from.as_secs(),
            to.as_secs()
        );
        self.note(now, NoteKind::Warning, message);
        let unmeasured = Duration::ZERO;
        let (moved, served, returned) = (false, None, Some(to));
        self.losses.push(Loss { worker, at: from, share, unmeasured, moved, served, returned });
    }
}
