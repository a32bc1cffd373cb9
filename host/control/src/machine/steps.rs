//! How a run goes from stage to stage.

use std::collections::BTreeSet;
use std::time::Duration;

use loadhost_model::id::{Incarnation, RunId, WorkerId};
use loadhost_model::text::format_duration;
use loadhost_model::wire::{Assignment, Step, StopMode, VERSION, Work};

use super::run::{Part, Progress, Run, Stage, Standing, Started, Told};
use super::slots::Slots;
use super::{Effect, Machine, Now, distribute, split};
use crate::error::StartError;
use crate::ports::ShapeNow;
use crate::report::EndReason;
use crate::view::NoteKind;

/// New workers may be on their way; only after this long others are asked to give some up.
const COMING: Duration = Duration::from_secs(1);
/// Workers stop by themselves when time is over; after this long they are also told.
const TELL_AFTER: Duration = Duration::from_secs(1);

impl Machine {
    /// Moves each run as far as it can go.
    pub(super) fn advance_all(&mut self, now: Now) {
        let ids: Vec<RunId> = self.runs.keys().cloned().collect();
        for id in ids {
            // A run is taken out while it is worked on, since it asks about the others.
            let Some(mut run) = self.runs.remove(&id) else { continue };
            while self.advance(now, &mut run) {
                self.news = true;
            }
            if run.is_finished() {
                self.keep_report(now, run);
            } else {
                self.share_out(now, &mut run);
                self.runs.insert(id, run);
            }
        }
    }

    /// One step. False: there is nothing to do for now.
    fn advance(&mut self, now: Now, run: &mut Run) -> bool {
        self.notice_losses(now, run);
        match run.stage {
            Stage::Waiting { since, deadline } => self.wait_for_workers(now, run, since, deadline),
            Stage::Preparing { deadline } => self.prepare(now, run, deadline),
            Stage::SettingUp { part, deadline } => self.set_up(now, run, part, deadline),
            Stage::Running => self.keep_running(now, run),
            Stage::Stopping { mode, tell, deadline } => {
                self.wait_for_stop(now, run, mode, tell, deadline)
            }
            Stage::Collecting { since, deadline } => self.collect(now, run, since, deadline),
            Stage::TearingDown { part, deadline } => self.tear_down(now, run, part, deadline),
            Stage::Finished => false,
        }
    }

    fn wait_for_workers(
        &mut self,
        now: Now,
        run: &mut Run,
        since: Duration,
        deadline: Duration,
    ) -> bool {
        let (mut able, mut unable, mut busy_with) = (Vec::new(), Vec::new(), BTreeSet::new());
        for (id, worker) in self.registry.iter() {
            let (other, why) = (self.run_of(id), split::obstacle(worker, &run.plan));
            match (why, other) {
                (None, None) => able.push((id.clone(), worker.status.incarnation)),
                (None, Some(other)) => {
                    unable.push(format!("`{id}` (busy with run `{other}`)"));
                    busy_with.insert(other.clone());
                }
                (Some(why), _) => unable.push(format!("`{id}` ({why})")),
            }
        }
        if able.len() < run.expect_workers as usize {
            if now.mono < deadline {
                let missing = run.expect_workers as usize - able.len();
                if now.mono.saturating_sub(since) >= COMING {
                    self.claim(now, run, missing);
                }
                return false;
            }
            let error = StartError::TooFewWorkers {
                expected: run.expect_workers,
                present: u32::try_from(able.len()).unwrap_or(u32::MAX),
                waited: now.mono.saturating_sub(since),
                who: who(&able, &unable),
                busy_with,
            };
            let reason = EndReason::WorkerFailed {
                worker: None,
                code: "too-few-workers".to_string(),
                message: error.to_string(),
            };
            self.effects.push(Effect::Started(run.plan.run.clone(), Err(error)));
            run.ended = Some(reason);
            run.stage = Stage::Finished;
            return true;
        }
        run.parts = split::parts(able);
        run.next_seat = u32::try_from(run.parts.len()).unwrap_or(u32::MAX);
        self.deal(run);
        run.stage =
            Stage::Preparing { deadline: now.mono.saturating_add(self.config.prepare_timeout) };
        self.assign_all(run, &Step::Prepare);
        self.effects.push(Effect::Started(run.plan.run.clone(), Ok(())));
        true
    }

    /// The other run that has the worker.
    pub(super) fn run_of(&self, worker: &WorkerId) -> Option<&RunId> {
        let has = |run: &Run| run.part(worker).is_some_and(|part| part.standing != Standing::Out);
        self.runs.iter().find(|(_, run)| has(run)).map(|(id, _)| id)
    }

    /// Deals all slots anew; only before load is made.
    pub(super) fn deal(&mut self, run: &mut Run) {
        let of = distribute::slots_for(run.parts.iter().filter(|part| part.is_well()).count());
        let counts = self.first_goal(run, of);
        run.slots = Slots::deal(of, &counts);
        for part in &mut run.parts {
            if let Ok(share) = run.slots.share(part.seat) {
                part.share = share;
            }
        }
    }

    fn prepare(&mut self, now: Now, run: &mut Run, deadline: Duration) -> bool {
        self.ask_again(run);
        if let Some(reason) = self.settle_before_start(now, run, None) {
            return self.end(now, run, reason, StopMode::Now);
        }
        let late = |part: &Part| part.standing != Standing::Out && part.progress < Progress::Ready;
        if run.parts.iter().any(late) {
            if now.mono < deadline {
                return false;
            }
            let timeout = format_duration(self.config.prepare_timeout);
            let reason = EndReason::WorkerFailed {
                worker: run.parts.iter().find(|part| late(part)).map(|part| part.worker.clone()),
                code: "prepare-timeout".to_string(),
                message: format!(
                    "worker {} did not become ready within {timeout}; raise `--prepare-timeout`, or look at its log",
                    run.names(late)
                ),
            };
            return self.end(now, run, reason, StopMode::Now);
        }
        let limit = run.plan.limits.start_time.saturating_add(self.config.stop_margin);
        let part = run.parts.iter().position(Part::is_well).unwrap_or(0);
        run.stage = Stage::SettingUp { part, deadline: now.mono.saturating_add(limit) };
        self.assign(run, part, Step::Setup);
        true
    }

    fn set_up(&mut self, now: Now, run: &mut Run, part: usize, deadline: Duration) -> bool {
        if let Some(reason) = self.settle_before_start(now, run, Some(part)) {
            return self.end(now, run, reason, StopMode::Now);
        }
        let done = run.parts.get(part).is_some_and(|part| part.progress >= Progress::SetUp);
        let Some(setup_data) = run.setup_data.clone().filter(|_| done) else {
            if now.mono < deadline {
                return false;
            }
            let worker = run.parts.get(part).map(|part| part.worker.clone());
            let reason = EndReason::WorkerFailed {
                code: "setup-timeout".to_string(),
                message: format!(
                    "`setup` did not end within {}; raise the limit `start_time`",
                    format_duration(run.plan.limits.start_time)
                ),
                worker,
            };
            return self.end(now, run, reason, StopMode::Now);
        };
        let delay = self.config.start_delay;
        let wall = now.wall_after(delay);
        run.started = Some(Started { mono: now.mono.saturating_add(delay), wall });
        run.stage = Stage::Running;
        self.assign_all(run, &Step::Run { start: wall, setup_data });
        true
    }

    fn keep_running(&mut self, now: Now, run: &mut Run) -> bool {
        self.ask_again(run);
        if let Some(reason) = self.settle_failures(now, run) {
            return self.end(now, run, reason, StopMode::Graceful);
        }
        self.notice_departures(now, run);
        if let Some(reason) = self.nobody_left(now, run) {
            return self.end(now, run, reason, StopMode::Now);
        }
        self.follow_versions(now, run);
        let elapsed = run.elapsed(now.mono);
        let over = run.plan.profile.length().is_some_and(|length| elapsed >= length);
        if over || self.is_idle(now, run) {
            return self.end(now, run, EndReason::Completed, StopMode::Graceful);
        }
        self.balance(now, run);
        if self.look_at_numbers(now, run, elapsed) {
            return true;
        }
        self.ask_shape(run, elapsed);
        false
    }

    /// Whether nobody makes load any more, and nobody will: who is only silent may still do so.
    fn is_idle(&self, now: Now, run: &Run) -> bool {
        let may_speak = |part: &Part| {
            part.lost
                && part.takes_part()
                && !part.has_ended()
                && !self.is_silent_for_long(now, part)
        };
        let is_awaited = run.has_time_left(now.mono) && run.parts.iter().any(may_speak);
        run.parts.iter().all(Part::is_still) && !run.has_load_left(now.mono) && !is_awaited
    }

    /// Judges each second that is complete, or late. True if that ended the run.
    fn look_at_numbers(&mut self, now: Now, run: &mut Run, elapsed: Duration) -> bool {
        let live = run.parts.iter().filter(|part| part.is_measuring()).map(|part| &part.worker);
        let broken = if run.aggregate.complete(live, elapsed, &run.plan) {
            self.news = true;
            run.aggregate.judge(elapsed)
        } else {
            run.aggregate.judge_held_up(elapsed)
        };
        match broken {
            Some(threshold) => {
                self.end(now, run, EndReason::ThresholdAbort { threshold }, StopMode::Graceful)
            }
            None => false,
        }
    }

    fn ask_shape(&mut self, run: &mut Run, elapsed: Duration) {
        let Some(shape) = &mut run.shape else { return };
        if shape.ask(elapsed, run.aggregate.known()) {
            let users = run.aggregate.users();
            let (rps, failure_ratio) = run.aggregate.last_second();
            let now = ShapeNow { elapsed, users, rps, failure_ratio };
            self.effects.push(Effect::AskShape(run.plan.run.clone(), now));
        }
    }

    /// Lets a run come to its end. The first reason stays; a later call may only hasten it.
    pub(super) fn end(
        &mut self,
        now: Now,
        run: &mut Run,
        reason: EndReason,
        mode: StopMode,
    ) -> bool {
        let hasten = match run.stage {
            Stage::Waiting { .. } => {
                self.effects.push(Effect::Started(run.plan.run.clone(), Err(StartError::Stopped)));
                run.ended = Some(reason);
                run.stage = Stage::Finished;
                return true;
            }
            Stage::Preparing { .. } | Stage::SettingUp { .. } | Stage::Running => false,
            Stage::Stopping { mode: StopMode::Graceful, .. } if mode == StopMode::Now => true,
            Stage::Collecting { ref mut deadline, .. }
            | Stage::TearingDown { ref mut deadline, .. }
                if mode == StopMode::Now =>
            {
                *deadline = now.mono;
                return true;
            }
            _ => return false,
        };
        run.versions.end();
        let by_itself = reason == EndReason::Completed;
        run.ended.get_or_insert(reason);
        if !hasten {
            let length = run.plan.profile.length().unwrap_or(Duration::MAX);
            let end = run.elapsed(now.mono).min(length);
            run.stood_still = Some(end);
            run.aggregate.end_load(end);
        }
        let patience = match mode {
            StopMode::Now => self.config.stop_margin,
            StopMode::Graceful => {
                let limits = run.plan.graceful_stop.saturating_add(run.plan.limits.stop_time);
                limits.saturating_add(self.config.stop_margin)
            }
        };
        let tell = by_itself.then(|| now.mono.saturating_add(TELL_AFTER));
        run.stage = Stage::Stopping { mode, tell, deadline: now.mono.saturating_add(patience) };
        if tell.is_none() {
            self.assign_all(run, &Step::Stop { mode });
        }
        true
    }

    fn wait_for_stop(
        &mut self,
        now: Now,
        run: &mut Run,
        mode: StopMode,
        tell: Option<Duration>,
        deadline: Duration,
    ) -> bool {
        let elapsed = run.elapsed(now.mono);
        let live = run.parts.iter().filter(|part| part.is_measuring()).map(|part| &part.worker);
        self.news |= run.aggregate.complete(live, elapsed, &run.plan);
        if run.parts.iter().all(Part::is_still) {
            let deadline = now.mono.saturating_add(self.config.collect_timeout);
            run.stage = Stage::Collecting { since: now.mono, deadline };
            return true;
        }
        if tell.is_some_and(|tell| now.mono >= tell) {
            run.stage = Stage::Stopping { mode, tell: None, deadline };
            self.assign_all(run, &Step::Stop { mode });
            return true;
        }
        if now.mono < deadline {
            return false;
        }
        let slow = run.names(|part| !part.is_still());
        if mode == StopMode::Graceful {
            run.note(
                now.mono,
                NoteKind::Warning,
                format!("worker {slow} did not stop in time and was stopped at once"),
            );
            let deadline = now.mono.saturating_add(self.config.stop_margin);
            run.stage = Stage::Stopping { mode: StopMode::Now, tell: None, deadline };
            self.assign_all(run, &Step::Stop { mode: StopMode::Now });
            return true;
        }
        run.note(
            now.mono,
            NoteKind::Warning,
            format!("worker {slow} did not stop and was given up"),
        );
        for part in run.parts.iter_mut().filter(|part| !part.is_still()) {
            part.lost = true;
        }
        true
    }

    /// States a step to everybody who takes part.
    pub(super) fn assign_all(&mut self, run: &mut Run, step: &Step) {
        for part in 0..run.parts.len() {
            self.assign(run, part, step.clone());
        }
    }

    /// States a step to one, unless it has nothing to do with the run any more, or is to be idle for a moment.
    pub(super) fn assign(&mut self, run: &mut Run, at: usize, step: Step) {
        let Some(part) = run.parts.get(at).filter(|part| part.takes_part()) else { return };
        let (worker, told) = (part.worker.clone(), Told::from(&step));
        self.enroll(run, at);
        let Some(part) = run.parts.get(at) else { return };
        let work = Self::work(run, part, step);
        run.shared.was_told(&worker, &work.shared);
        let generation = self.state(worker, Some(work));
        if let Some(part) = run.parts.get_mut(at) {
            (part.assigned, part.told) = (generation, Some(told));
            part.has_worked |= told == Told::Run && !part.share.is_empty();
        }
    }

    /// Sends what is wanted of a worker, under a new generation, which is returned.
    pub(super) fn state(
        &mut self,
        worker: loadhost_model::id::WorkerId,
        work: Option<Work>,
    ) -> u64 {
        self.generation += 1;
        if !self.deposed {
            let (term, generation) = (self.config.term, self.generation);
            let to = self.registry.get(&worker).map(|worker| worker.status.incarnation);
            self.effects.push(Effect::Assign(
                worker,
                Assignment { version: VERSION, term, generation, to, work },
            ));
        }
        self.generation
    }
}

/// Who is there, and who of them cannot take part.
fn who(able: &[(WorkerId, Incarnation)], unable: &[String]) -> String {
    let mut names: Vec<String> = able.iter().map(|(worker, _)| format!("`{worker}`")).collect();
    names.extend_from_slice(unable);
    if names.is_empty() { "nobody is there".to_string() } else { names.join(", ") }
}
