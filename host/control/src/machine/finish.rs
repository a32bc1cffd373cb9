//! The end of a run: the last intervals, `teardown`, the report.

use std::sync::Arc;
use std::time::Duration;

use loadhost_model::text::format_duration;
use loadhost_model::wire::{Step, StopMode};

use super::run::{Part, Progress, Run, Stage, Standing};
use super::{Effect, Machine, Now};
use crate::report::{EndReason, RunReport, Verdict};
use crate::view::NoteKind;

/// A worker that failed may not be able to say which interval was its last; so long is
/// waited for it.
const FAILED_GRACE: Duration = Duration::from_secs(2);

impl Machine {
    /// Waits for the intervals that workers say they have sent.
    pub(super) fn collect(
        &mut self,
        now: Now,
        run: &mut Run,
        since: Duration,
        deadline: Duration,
    ) -> bool {
        let ledger = &run.aggregate.ledger;
        let settled = |part: &Part| match part.last_seq {
            Some(_) => ledger.is_complete(&part.worker, part.incarnation),
            None => part.failed.is_none() || now.mono.saturating_sub(since) >= FAILED_GRACE,
        };
        let all_here = run
            .parts
            .iter()
            .all(|part| part.lost || part.standing == Standing::Out || settled(part));
        if !all_here && now.mono < deadline {
            return false;
        }
        run.aggregate.close();
        self.note_missing(now, run);
        note_late_failures(now, run);
        self.look_whether_all_was_made(now, run);
        run.stage = Stage::Finished;
        match (teardown_part(run), run.setup_data.clone()) {
            (Some(part), Some(setup_data)) => {
                let limit = run.plan.limits.stop_time.saturating_add(self.config.stop_margin);
                run.stage = Stage::TearingDown { part, deadline: now.mono.saturating_add(limit) };
                self.assign(run, part, Step::Teardown { setup_data });
            }
            (None, Some(_)) => {
                let message = "`teardown` was not called: no worker is left".to_string();
                run.note(now.mono, NoteKind::Warning, message);
            }
            (_, None) => {}
        }
        true
    }

    /// Last words on counted iterations may come in only now.
    fn look_whether_all_was_made(&mut self, now: Now, run: &mut Run) {
        if run.ended != Some(EndReason::Completed) {
            return;
        }
        let known = run.losses.len();
        self.notice_departures(now, run);
        if run.losses.len() > known {
            run.ended = self.nobody_left(now, run).or(run.ended.take());
        }
    }

    fn note_missing(&mut self, now: Now, run: &mut Run) {
        let missing: Vec<(String, u64)> = run
            .parts
            .iter()
            .map(|part| (part.worker.to_string(), run.aggregate.ledger.missing_of(&part.worker)))
            .filter(|(_, missing)| *missing > 0)
            .collect();
        for (worker, missing) in missing {
            let message =
                format!("{missing} intervals of worker `{worker}` are missing: totals are too low");
            run.note(now.mono, NoteKind::Warning, message);
        }
    }

    /// Waits for `teardown`.
    pub(super) fn tear_down(
        &mut self,
        now: Now,
        run: &mut Run,
        part: usize,
        deadline: Duration,
    ) -> bool {
        let Some(part) = run.parts.get(part) else {
            run.stage = Stage::Finished;
            return true;
        };
        let failed = part.failing && part.applied >= part.assigned;
        if !(part.progress == Progress::TornDown || part.lost || failed) && now.mono < deadline {
            return false;
        }
        let trouble = match &part.failed {
            _ if part.progress == Progress::TornDown => None,
            Some((_, message)) if failed => Some(format!("`teardown` failed: {message}")),
            _ if part.lost => Some(format!("worker `{}` was lost during `teardown`", part.worker)),
            _ => Some(format!(
                "`teardown` did not end and is no longer waited for; its limit `stop_time` is {}",
                format_duration(run.plan.limits.stop_time)
            )),
        };
        if let Some(message) = trouble {
            run.note(now.mono, NoteKind::Warning, message);
        }
        run.stage = Stage::Finished;
        true
    }

    /// Writes the report, frees the workers, and keeps what is shown of finished runs.
    pub(super) fn keep_report(&mut self, now: Now, mut run: Run) {
        let elapsed = run.elapsed(now.mono);
        run.aggregate.judge(elapsed);
        run.shared.end();
        for part in std::mem::take(&mut run.parts) {
            if part.standing != Standing::Out {
                self.state(part.worker.clone(), None);
            }
            run.parts.push(part);
        }
        let ended = run.ended.get_or_insert(EndReason::Completed).clone();
        let view = Arc::new(self.show_run(now, &run));
        let history = run.aggregate.history();
        let (statistics, after_load) = run.aggregate.take_totals();
        let report = Arc::new(RunReport {
            view: (*view).clone(),
            verdict: Verdict::new(run.aggregate.thresholds()),
            history,
            statistics,
            after_load,
            plan: run.plan.clone(),
            description: run.description.clone(),
            ended,
        });
        let id = run.plan.run.clone();
        self.effects.push(Effect::Finished(id.clone(), report.clone()));
        self.finished.push_back((id, view, report));
        while self.finished.len() > self.config.max_finished_runs.max(1) {
            self.finished.pop_front();
        }
        self.news = true;
    }

    /// Everything ends here and now; for the end of the coordinator itself.
    pub(crate) fn give_up(&mut self, now: Now) -> Vec<Effect> {
        for (_, mut run) in std::mem::take(&mut self.runs) {
            self.end(now, &mut run, EndReason::Interrupted, StopMode::Now);
            run.aggregate.close();
            self.note_missing(now, &mut run);
            run.stage = Stage::Finished;
            self.keep_report(now, run);
        }
        self.take_effects()
    }
}

/// Failures that came too late to be the reason for the end.
fn note_late_failures(now: Now, run: &mut Run) {
    let is_reason = |reason: &EndReason| {
        matches!(reason, EndReason::WorkerFailed { .. } | EndReason::AbortedByScenario { .. })
    };
    if run.ended.as_ref().is_some_and(is_reason) {
        return;
    }
    let failed = |part: &Part| {
        let (_, message) = part.failed.as_ref().filter(|_| part.standing != Standing::Out)?;
        Some(format!("worker `{}` failed while the run ended: {message}", part.worker))
    };
    let messages: Vec<String> = run.parts.iter().filter_map(failed).collect();
    for message in messages {
        run.note(now.mono, NoteKind::Warning, message);
    }
}

/// A worker that is well, else one that failed.
fn teardown_part(run: &Run) -> Option<usize> {
    let there = |part: &&Part| !part.lost && part.standing != Standing::Out;
    let well = |part: &Part| there(&part) && part.failed.is_none();
    // Whoever was there from the start has the scenario ready for sure.
    let first = run.parts.iter().position(|part| well(part) && !part.late);
    first
        .or_else(|| run.parts.iter().position(well))
        .or_else(|| run.parts.iter().position(|part| there(&part)))
}
