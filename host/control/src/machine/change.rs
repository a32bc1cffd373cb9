//! Changes of a running run: by hand, and by the scenario's load shape.

use std::sync::Arc;

use loadhost_model::id::RunId;
use loadhost_model::plan::RunPlan;
use loadhost_model::profile::{Change, ChangeError, Profile};
use loadhost_model::wire::{Step, StopMode};

use super::run::{Part, Run, Stage};
use super::{Effect, Machine, Now, split};
use crate::error::ControlError;
use crate::ports::ShapeTarget;
use crate::report::EndReason;
use crate::view::NoteKind;

impl Machine {
    /// Takes a run that is not over out, to be put back.
    pub(super) fn take_run(&mut self, id: &RunId) -> Result<Run, ControlError> {
        self.runs.remove(id).ok_or_else(|| match self.report(id) {
            Some(_) => ControlError::NotRunning(id.clone()),
            None => ControlError::UnknownRun(id.clone()),
        })
    }

    /// Changes the load a moment from now, on all workers at once. `phase` names the one to change; None:
    /// the only one that can be changed so.
    pub(crate) fn change(
        &mut self,
        now: Now,
        id: &RunId,
        phase: Option<&str>,
        change: &Change,
    ) -> Result<Vec<Effect>, ControlError> {
        let mut run = self.take_run(id)?;
        let changed = if run.shape.is_some() {
            Err(ControlError::Shaped(id.clone()))
        } else {
            self.change_run(now, &mut run, phase, change)
        };
        if changed.is_ok() {
            run.note(now.mono, NoteKind::Info, format!("load changed: {}", words(change)));
            self.news = true;
        }
        self.runs.insert(id.clone(), run);
        changed.map(|()| self.take_effects())
    }

    fn change_run(
        &mut self,
        now: Now,
        run: &mut Run,
        phase: Option<&str>,
        change: &Change,
    ) -> Result<(), ControlError> {
        let (Stage::Running, Some(start), Some(setup_data)) =
            (&run.stage, run.started, run.setup_data.clone())
        else {
            return Err(ControlError::NotRunning(run.plan.run.clone()));
        };
        let at = now.mono.saturating_add(self.config.change_lead).saturating_sub(start.mono);
        let profile = run.plan.profile.amend(phase, at, change)?;
        self.check_room(run, &profile)?;
        run.plan = Arc::new(RunPlan { profile, ..(*run.plan).clone() });
        self.assign_all(run, &Step::Run { start: start.wall, setup_data });
        Ok(())
    }

    /// Whether the workers have room for the users of a changed profile. Going down is always
    /// possible.
    fn check_room(&self, run: &Run, profile: &Profile) -> Result<(), ControlError> {
        let wanted = profile.planned_users_max();
        if wanted <= run.plan.profile.planned_users_max() {
            return Ok(());
        }
        let rooms = || {
            run.parts
                .iter()
                .filter(|part| !part.lost)
                .filter_map(|part| Some((part, self.registry.get(&part.worker)?.status.capacity)))
        };
        let share = |part: &Part| part.share.count_of(u64::from(wanted));
        match rooms().find(|(part, room)| share(part) > u64::from(*room)) {
            None => Ok(()),
            Some((part, room)) => Err(ControlError::NoRoom {
                wanted,
                worker: part.worker.clone(),
                share: share(part),
                room,
                most: split::fitting(rooms().map(|(part, room)| (&part.share, room)), wanted),
            }),
        }
    }

    /// Goes where the load shape wants to go.
    pub(super) fn shape_answered(
        &mut self,
        now: Now,
        id: &RunId,
        answer: Result<Option<ShapeTarget>, String>,
    ) -> bool {
        let Some(mut run) = self.runs.remove(id) else { return false };
        match answer {
            _ if run.stage != Stage::Running => {}
            Ok(Some(target)) => self.follow_shape(now, &mut run, target),
            Ok(None) => {
                run.note(now.mono, NoteKind::Info, "the load shape ended the run".to_string());
                self.stop_all_completed(now, &mut run);
            }
            Err(message) => {
                let reason =
                    EndReason::AbortedByScenario { message: format!("load shape: {message}") };
                self.end(now, &mut run, reason, StopMode::Graceful);
            }
        }
        self.runs.insert(id.clone(), run);
        true
    }

    fn follow_shape(&mut self, now: Now, run: &mut Run, target: ShapeTarget) {
        let Some(news) = run.shape.as_mut().and_then(|shape| shape.answered(target)) else {
            return;
        };
        let spawn_rate =
            (news.spawn_rate.is_finite() && news.spawn_rate > 0.0).then_some(news.spawn_rate);
        let change = |users| Change::Users { users, spawn_rate };
        let changed = match self.change_run(now, run, None, &change(news.users)) {
            // Less than was asked for, and said, is better than the end of a long run.
            Err(error @ ControlError::NoRoom { wanted, most, .. }) => {
                run.note(now.mono, NoteKind::Warning, format!("load shape: {error}"));
                let users = news.users.saturating_sub(wanted - most);
                self.change_run(now, run, None, &change(users))
            }
            changed => changed,
        };
        match changed {
            Ok(()) | Err(ControlError::Refused(ChangeError::Over(_))) => {}
            Err(error) => {
                let message = format!("load shape: {error}");
                self.end(now, run, EndReason::AbortedByScenario { message }, StopMode::Graceful);
            }
        }
    }

    /// The end came from here and not from the profile, so the workers must be told.
    fn stop_all_completed(&mut self, now: Now, run: &mut Run) {
        self.end(now, run, EndReason::Completed, StopMode::Graceful);
        if let Stage::Stopping { tell, .. } = &mut run.stage {
            *tell = Some(now.mono);
        }
    }
}

/// A change in words.
fn words(change: &Change) -> String {
    match change {
        Change::Users { users, spawn_rate: None } => format!("{users} users at once"),
        Change::Users { users, spawn_rate: Some(rate) } => {
            format!("{users} users, {rate} per second")
        }
        Change::Rate { rate, over } => {
            format!("{rate}/s within {}", loadhost_model::text::format_duration(*over))
        }
        Change::Stages { stages } => {
            format!("stages {}", loadhost_model::text::format_stages(stages))
        }
    }
}
