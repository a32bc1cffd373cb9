//! The life of one virtual user, from its making to its `on-stop`, with everything that is
//! counted on the way.

use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

use fastrand::Rng;
use loadhost_model::interval::{ErrorKey, Origin};
use loadhost_model::metric::SeriesKey;
use tokio::time::Instant;

use crate::load::control::{Activity, Control, Presence};
use crate::load::picker::TaskPicker;
use crate::load::shard::Shard;
use crate::load::source::{Next, Source};
use crate::load::version::Version;
use crate::load::vu::{CallOutcome, Crash, Due, UserIdentity, Vu, VuFactory};
use crate::load::wait::{Pause, pause_after};
use crate::recorder::SeriesId;

/// Before a user is made anew: at first, and at most.
const BACK_OFF: (Duration, Duration) = (Duration::from_secs(1), Duration::from_secs(30));

/// Iterations without a pause after which a user lets its neighbours run, in case that its guest
/// never waits for anything.
const IN_A_ROW: u32 = 32;

/// What the users of one type have in common on one shard.
#[derive(Debug)]
pub(super) struct Role {
    pub(super) name: Arc<str>,
    on_start: Step,
    on_stop: Step,
    tasks: Vec<Step>,
}

/// A task or hook: its name, and the series that it counts under.
#[derive(Debug)]
struct Step {
    name: Arc<str>,
    series: SeriesId,
}

impl Role {
    pub(super) fn new<'a>(
        user_type: &str,
        tasks: impl Iterator<Item = &'a str>,
        series: impl Fn(&SeriesKey) -> SeriesId,
    ) -> Self {
        let name: Arc<str> = user_type.into();
        let step = |task: &str| {
            let task: Arc<str> = task.into();
            let key = SeriesKey::Task { user_type: Arc::clone(&name), task: Arc::clone(&task) };
            Step { name: task, series: series(&key) }
        };
        let (on_start, on_stop) = (step("on_start"), step("on_stop"));
        let tasks = tasks.map(step).collect();
        Self { name, on_start, on_stop, tasks }
    }

    /// A task, or `on-start`.
    fn step(&self, task: Option<u32>) -> &Step {
        task.and_then(|task| self.tasks.get(task as usize)).unwrap_or(&self.on_start)
    }
}

/// What a call's outcome means for the user.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Then {
    /// The next iteration.
    GoOn,
    /// `on-stop`, and the end.
    Leave,
    /// `on-stop`, and a new beginning on the newest version of the scenario.
    GoOver,
    /// To be made anew.
    MakeAnew,
}

/// One user and where it stands.
pub(super) struct User<F: VuFactory> {
    pub(super) shard: Rc<Shard<F>>,
    /// That it runs.
    pub(super) version: Rc<Version<F>>,
    pub(super) role: Rc<Role>,
    pub(super) identity: UserIdentity,
    pub(super) control: Rc<Control>,
    pub(super) picker: TaskPicker,
    pub(super) rng: Rng,
    pub(super) source: Source,
    /// Before its first iteration: what is left of a pause in which it went over to another version.
    pub(super) pause: Pause,
}

impl<F: VuFactory> User<F> {
    /// Lives until the user is asked to leave, wants to, or has no more iterations.
    pub(super) async fn live(mut self, _presence: Presence) {
        let mut back_off = BACK_OFF.0;
        let mut is_first = true;
        while !self.control.is_leaving() {
            self.control.enter(Activity::Starting);
            self.take_newest_version();
            let shard = Rc::clone(&self.shard);
            let aboard = shard.team.aboard(self.version.number);
            // Making a user and parting with it take several times the state of an iteration,
            // which lives as long as the user.
            let (vu, then) = Box::pin(self.make(&mut is_first)).await;
            let then = match (vu, then) {
                (Some(mut vu), Then::GoOn) => {
                    let then = self.iterate(&mut vu, &mut back_off).await;
                    Box::pin(self.leave_unless_crashed(vu, then)).await
                }
                (Some(vu), then) => Box::pin(self.leave_unless_crashed(vu, then)).await,
                (None, then) => then,
            };
            drop(aboard);
            match then {
                Then::MakeAnew => {}
                Then::GoOver => {
                    is_first = true; // of this version
                    continue;
                }
                Then::GoOn | Then::Leave => return,
            }
            self.control.enter(Activity::Waiting);
            tokio::select! {
                biased;
                () = self.control.asked_to_leave() => {}
                () = tokio::time::sleep(back_off) => {}
            }
            back_off = (back_off * 2).min(BACK_OFF.1);
        }
    }

    fn take_newest_version(&mut self) {
        let newest = self.shard.version();
        if newest.number != self.version.number
            && let Some((role, table)) = newest.role(self.identity.user_type)
        {
            (self.role, self.picker, self.version) = (role, TaskPicker::new(table), newest);
        }
        self.control.begin_on(self.version.number);
    }

    /// A started user, if there is one to go on with or to say good-bye to.
    async fn make(&mut self, is_first: &mut bool) -> (Option<F::Vu>, Then) {
        let made = self.version.factory.make(self.identity.clone()).await;
        let (vu, then, failure) = match made {
            Ok(mut vu) => {
                let begin = Instant::now();
                let outcome = vu.start().await;
                let failure = match &outcome {
                    CallOutcome::Crashed(crash) => Some(Arc::clone(&crash.message)),
                    _ => None,
                };
                let then = self.settle(None, begin.elapsed(), outcome);
                (Some(vu), then, failure)
            }
            Err(error) => {
                let crash =
                    Crash { code: error.code, message: error.message, detail: error.detail };
                let role = Rc::clone(&self.role);
                self.count_crash(&role.on_start.name, &crash);
                (None, Then::MakeAnew, Some(crash.message))
            }
        };
        if std::mem::take(is_first) {
            self.shard.team.first_start(failure.as_deref());
        }
        (vu, then)
    }

    async fn iterate(&mut self, vu: &mut F::Vu, back_off: &mut Duration) -> Then {
        let mut pause = std::mem::replace(&mut self.pause, Pause::None);
        let mut now = Instant::now();
        let mut in_a_row = 0;
        loop {
            self.control.enter(Activity::Waiting);
            let shard = &self.shard;
            let due = match self.source.next(pause, now, &self.control, &shard.alarm).await {
                Next::Iterate(due) => due,
                Next::Leave => return Then::Leave,
                Next::GoOver => {
                    self.pause = pause.after(now.elapsed());
                    return Then::GoOver;
                }
            };
            if matches!(pause, Pause::At(_)) || matches!(self.source, Source::Arrivals(_)) {
                shard.context.recorder.start_lag(due.lag());
            }
            let task = self.picker.pick(&mut self.rng);
            self.control.enter(Activity::Iterating);
            let outcome = vu.run_task(task, due).await;
            now = Instant::now();
            match self.settle(Some(task), now - due.actual, outcome) {
                Then::GoOn => *back_off = BACK_OFF.0,
                then => return then,
            }
            pause = self.pause(task, due);
            in_a_row = if pause == Pause::None { in_a_row + 1 } else { 0 };
            if in_a_row == IN_A_ROW {
                tokio::task::yield_now().await;
                (in_a_row, now) = (0, Instant::now());
            }
        }
    }

    fn pause(&mut self, task: u32, due: Due) -> Pause {
        match self.source {
            Source::Arrivals(_) => Pause::None,
            _ => pause_after(self.picker.table().wait_after(task), due.intended, &mut self.rng),
        }
    }

    /// Counts an outcome of `task`, or of `on-start` if there is none.
    fn settle(&mut self, task: Option<u32>, took: Duration, outcome: CallOutcome) -> Then {
        let step = self.role.step(task);
        if outcome == CallOutcome::Done {
            self.shard.context.recorder.task(step.series, took, false);
            return Then::GoOn;
        }
        self.settle_failure(task, took, outcome)
    }

    #[cold]
    fn settle_failure(&mut self, task: Option<u32>, took: Duration, outcome: CallOutcome) -> Then {
        let role = Rc::clone(&self.role);
        let step = role.step(task);
        let recorder = &self.shard.context.recorder;
        if outcome == CallOutcome::Cancelled || self.identity.interrupt.is_cancelled() {
            if task.is_some() {
                recorder.interrupted();
            }
            let is_usable = !matches!(outcome, CallOutcome::Crashed(_));
            return if is_usable { Then::Leave } else { Then::MakeAnew };
        }
        recorder.task(step.series, took, outcome != CallOutcome::Finished);
        match outcome {
            CallOutcome::Done | CallOutcome::Cancelled => Then::GoOn,
            CallOutcome::Finished => {
                self.control.retire();
                Then::Leave
            }
            CallOutcome::Failed(message) => {
                self.count_failure(&step.name, "guest-failed", &message);
                Then::GoOn
            }
            CallOutcome::StopUser(message) => {
                self.count_failure(&step.name, "guest-stop-user", &message);
                self.control.retire();
                Then::Leave
            }
            CallOutcome::AbortRun(message) => {
                self.count_failure(&step.name, "guest-abort-run", &message);
                self.control.retire();
                self.shard.team.abort("abort-run", message);
                Then::Leave
            }
            CallOutcome::Crashed(crash) => {
                self.count_crash(&step.name, &crash);
                Then::MakeAnew
            }
        }
    }

    async fn leave_unless_crashed(&mut self, mut vu: F::Vu, then: Then) -> Then {
        if !matches!(then, Then::Leave | Then::GoOver) {
            return then;
        }
        self.control.enter(Activity::Stopping);
        let begin = Instant::now();
        let outcome = vu.stop().await;
        let role = Rc::clone(&self.role);
        let recorder = &self.shard.context.recorder;
        let failed = !matches!(outcome, CallOutcome::Done | CallOutcome::Finished);
        recorder.task(role.on_stop.series, begin.elapsed(), failed);
        match outcome {
            CallOutcome::Done | CallOutcome::Finished | CallOutcome::Cancelled => {}
            CallOutcome::Failed(message) | CallOutcome::StopUser(message) => {
                self.count_failure(&role.on_stop.name, "guest-failed", &message);
            }
            CallOutcome::AbortRun(message) => {
                self.count_failure(&role.on_stop.name, "guest-abort-run", &message);
                self.shard.team.abort("abort-run", message);
            }
            CallOutcome::Crashed(crash) => {
                self.count_crash(&role.on_stop.name, &crash);
            }
        }
        then
    }

    fn count_crash(&self, step: &Arc<str>, crash: &Crash) {
        self.count_error(step, crash);
        let context = &self.shard.context;
        context.recorder.crashed_user();
        context.logs.crashed(self.identity.number, &self.role.name, step, crash);
    }

    fn count_failure(&self, step: &Arc<str>, code: &str, message: &Arc<str>) {
        let message = without_long_numbers(message);
        self.count_error(step, &Crash { code: code.into(), message, detail: "".into() });
    }

    fn count_error(&self, step: &Arc<str>, crash: &Crash) {
        let (user_type, task) = (Arc::clone(&self.role.name), Arc::clone(step));
        let key = ErrorKey {
            origin: Origin::Task { user_type, task },
            code: Arc::clone(&crash.code),
            message: Arc::clone(&crash.message),
        };
        self.shard.context.recorder.error(&key, || Arc::clone(&crash.detail));
    }
}

/// Failures are grouped by their text, so numbers of four digits and more (ids, times, ports;
/// but no statuses) become `#`.
fn without_long_numbers(message: &Arc<str>) -> Arc<str> {
    let is_long = |run: &[u8]| run.len() >= 4 && run.iter().all(u8::is_ascii_digit);
    if !message.as_bytes().windows(4).any(is_long) {
        return Arc::clone(message);
    }
    let mut out = String::with_capacity(message.len());
    let mut rest = &**message;
    while let Some(begin) = rest.find(|c: char| c.is_ascii_digit()) {
        let run = &rest[begin..];
        let length = run.find(|c: char| !c.is_ascii_digit()).unwrap_or(run.len());
        out.push_str(&rest[..begin]);
        out.push_str(if length >= 4 { "#" } else { &run[..length] });
        rest = &run[length..];
    }
    out.push_str(rest);
    out.into()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn failures_that_differ_in_an_id_are_one() {
        let check = |given: &str, expected: &str| {
            assert_eq!(&*without_long_numbers(&given.into()), expected);
        };
        check("order 17 refused with 409", "order 17 refused with 409");
        check("order 123456 refused with 409", "order # refused with 409");
        check("2024-11-05 8080", "#-11-05 #");
        check("é1234é", "é#é");
    }
}
