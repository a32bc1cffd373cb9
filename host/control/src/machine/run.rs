//! One run: where it is, who shares it, and what each of them has done so far.

use std::sync::Arc;
use std::time::Duration;

use loadhost_model::description::Description;
use loadhost_model::id::{Incarnation, Term, WorkerId};
use loadhost_model::plan::RunPlan;
use loadhost_model::share::Share;
use loadhost_model::wire::{EditionStatus, Step, StopMode, WorkerState, WorkerStatus};
use serde::{Deserialize, Serialize};

use super::balance::Balance;
use super::slots::{SeatNumber, Slots};
use crate::aggregate::Aggregate;
use crate::report::EndReason;
use crate::view::{Loss, Note, NoteKind, RunState};

/// Notes kept per run; later ones are counted in the last.
const MAX_NOTES: usize = 100;
/// Workers end their load with the run's own time, and clocks differ a little.
const AT_THE_END: Duration = Duration::from_secs(2);

/// Where a run is, and until when it may stay there.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(crate) enum Stage {
    /// For workers.
    Waiting { since: Duration, deadline: Duration },
    /// Everybody fetches and compiles.
    Preparing { deadline: Duration },
    /// One worker calls `setup`.
    SettingUp { part: usize, deadline: Duration },
    /// The common instant is set; load is made from then on.
    Running,
    /// The end was reached. Workers know by themselves when time is over, so they are
    /// told only at `tell`, in case one of them does not.
    Stopping { mode: StopMode, tell: Option<Duration>, deadline: Duration },
    /// All have stopped; their last intervals come in.
    Collecting { since: Duration, deadline: Duration },
    /// One worker calls `teardown`.
    TearingDown { part: usize, deadline: Duration },
    /// Over.
    Finished,
}

/// How far a worker has come, in the order of its life.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub(crate) enum Progress {
    Assigned,
    Preparing,
    Ready,
    SetUp,
    Running,
    Stopping,
    Stopped,
    TornDown,
}

/// What was stated to a worker last; [`Run::step`] has what all are told alike.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) enum Told {
    Prepare,
    Setup,
    Run,
    Stop(StopMode),
    Teardown,
}

impl From<&Step> for Told {
    fn from(step: &Step) -> Self {
        match step {
            Step::Prepare => Self::Prepare,
            Step::Setup => Self::Setup,
            Step::Run { .. } => Self::Run,
            Step::Stop { mode } => Self::Stop(*mode),
            Step::Teardown { .. } => Self::Teardown,
        }
    }
}

/// A worker's share of a run.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct Part {
    pub(crate) worker: WorkerId,
    pub(crate) incarnation: Incarnation,
    /// Its number among all that ever took part in the run.
    pub(crate) seat: SeatNumber,
    /// What was stated last, and from when on it holds: microseconds since the Unix epoch, 0: from the start.
    pub(crate) share: Share,
    pub(crate) share_from: u64,
    /// Generation of the assignment that stated it first.
    pub(crate) stated: u64,
    /// Since when the worker says that it works by the share of the newest assignment it has applied.
    pub(crate) holds_from: u64,
    /// The last assignment.
    pub(crate) told: Option<Told>,
    /// Generation of the last assignment.
    pub(crate) assigned: u64,
    /// Generation that the worker has applied.
    pub(crate) applied: u64,
    pub(crate) progress: Progress,
    pub(crate) last_seq: Option<u64>,
    /// The first failure.
    pub(crate) failed: Option<(Arc<str>, Arc<str>)>,
    /// Whether its last word was a failure.
    pub(crate) failing: bool,
    pub(crate) lost: bool,
    pub(crate) standing: Standing,
    /// Came when load was being made already.
    pub(crate) late: bool,
    /// How often it was tried again after a failure.
    pub(crate) retries: u32,
    /// Its process was told to work for some of the load.
    #[serde(default = "yes")]
    pub(crate) has_worked: bool,
    /// Elapsed time before which none of its measurements can still be missing: its process joined then, or what
    /// was missing was said to be lost.
    #[serde(default)]
    pub(crate) measured_from: Duration,
    /// Since when something on its way has waited for it while it was heard of.
    #[serde(default)]
    pub(crate) awaited_since: Option<Duration>,
    /// That took too long, and it has not answered yet.
    #[serde(default)]
    pub(crate) overdue: bool,
    /// How it stands with newer versions of the scenario.
    #[serde(default)]
    pub(crate) edition: EditionStatus,
}

/// Of parts that a former leader's program did not say it of.
fn yes() -> bool {
    true
}

/// Whether a worker is to take part.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) enum Standing {
    #[default]
    Member,
    /// It was told to be idle after a failure, and is asked again once it is.
    Retrying,
    /// Its slots go to others; then it is told to stop, and is free.
    Leaving,
    /// It has nothing to do with the run any more; what it measured counts.
    Out,
}

impl Part {
    pub(crate) fn new(
        seat: SeatNumber,
        worker: WorkerId,
        incarnation: Incarnation,
        share: Share,
    ) -> Self {
        Self {
            worker,
            incarnation,
            seat,
            share,
            share_from: 0,
            stated: 0,
            holds_from: 0,
            told: None,
            assigned: 0,
            applied: 0,
            progress: Progress::Assigned,
            last_seq: None,
            failed: None,
            failing: false,
            lost: false,
            standing: Standing::Member,
            late: false,
            retries: 0,
            has_worked: false,
            measured_from: Duration::ZERO,
            awaited_since: None,
            overdue: false,
            edition: EditionStatus::default(),
        }
    }

    /// Follows the worker's own word. Progress only grows: statuses may come late or twice.
    /// True if the worker got further.
    pub(crate) fn follow(
        &mut self,
        term: Term,
        status: &WorkerStatus,
        setup: &mut Option<Arc<str>>,
    ) -> bool {
        let (applied_term, applied) = status.applied;
        if applied_term != term || applied < self.applied || self.standing == Standing::Out {
            return false;
        }
        if self.standing == Standing::Retrying && applied < self.assigned {
            return false; // its last word on what failed
        }
        let before = (self.progress, self.last_seq, self.failed.is_some(), self.applied);
        let has_news = self.edition != *status.edition;
        self.edition.clone_from(&status.edition);
        self.applied = applied;
        self.holds_from = status.share_from;
        self.failing = matches!(status.state, WorkerState::Failed { .. });
        let progress = match &status.state {
            WorkerState::Idle => Progress::Assigned,
            WorkerState::Preparing => Progress::Preparing,
            WorkerState::Ready => Progress::Ready,
            WorkerState::SetUp { data } => {
                setup.get_or_insert_with(|| data.clone());
                Progress::SetUp
            }
            WorkerState::Running => Progress::Running,
            WorkerState::Stopping => Progress::Stopping,
            WorkerState::Stopped { last_seq } => {
                self.last_seq = Some(*last_seq);
                Progress::Stopped
            }
            WorkerState::TornDown => Progress::TornDown,
            WorkerState::Failed { code, message } => {
                self.failed.get_or_insert_with(|| (code.clone(), message.clone()));
                self.progress
            }
        };
        self.progress = self.progress.max(progress);
        has_news || before != (self.progress, self.last_seq, self.failed.is_some(), self.applied)
    }

    /// A new process took the place of the old one; it starts from the assignment as it stands.
    pub(crate) fn restart(&mut self, incarnation: Incarnation, elapsed: Duration) {
        self.incarnation = incarnation;
        (self.has_worked, self.measured_from) = (false, elapsed);
        self.applied = 0;
        self.progress = Progress::Assigned;
        self.last_seq = None;
        self.failed = None;
        self.failing = false;
        self.lost = false;
        self.edition = EditionStatus::default();
        (self.overdue, self.awaited_since) = (false, None);
    }

    /// Its process said that it makes no more load.
    pub(crate) fn has_ended(&self) -> bool {
        self.progress >= Progress::Stopped
    }

    /// Nothing more is to be expected of it before it is told to tear down.
    pub(crate) fn is_still(&self) -> bool {
        self.lost || self.failed.is_some() || self.has_ended() || self.standing == Standing::Out
    }

    /// Takes part, as far as is known.
    pub(crate) fn is_well(&self) -> bool {
        !self.is_still() && self.standing == Standing::Member
    }

    /// Makes load, or would if it had slots.
    pub(crate) fn is_running(&self) -> bool {
        !self.is_still() && self.progress == Progress::Running
    }

    /// Is told what to do in the run.
    pub(crate) fn takes_part(&self) -> bool {
        matches!(self.standing, Standing::Member | Standing::Leaving)
    }

    /// Goes to another run, or away.
    pub(crate) fn is_leaving(&self) -> bool {
        self.standing == Standing::Leaving
    }

    /// Has said that it works, or soon will, by the share that was stated last.
    pub(crate) fn has_confirmed(&self) -> bool {
        self.applied >= self.stated
    }

    /// Since when the share that was stated last holds, once that is confirmed.
    pub(crate) fn holds_since(&self) -> u64 {
        self.share_from.max(self.holds_from)
    }

    /// Works by the share that was stated last. Before, another one must not be stated: it would take the place
    /// of a change that is still ahead.
    pub(crate) fn is_settled(&self, wall: u64) -> bool {
        self.has_confirmed() && self.holds_since() <= wall
    }

    /// Whether its intervals are waited for before a second counts as known.
    pub(crate) fn is_measuring(&self) -> bool {
        !self.is_still() && (!self.late || self.progress >= Progress::Running)
    }
}

/// The common instant.
#[derive(Debug, Clone, Copy, Serialize, Deserialize)]
pub(crate) struct Started {
    /// By the coordinator's own clock.
    pub(crate) mono: Duration,
    /// In microseconds since the Unix epoch.
    pub(crate) wall: u64,
}

/// One run.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct Run {
    pub(crate) plan: Arc<RunPlan>,
    pub(crate) description: Arc<Description>,
    pub(crate) expect_workers: u32,
    pub(crate) stage: Stage,
    pub(crate) parts: Vec<Part>,
    pub(crate) setup_data: Option<Arc<str>>,
    pub(crate) started: Option<Started>,
    /// Elapsed time when load ended.
    pub(crate) stood_still: Option<Duration>,
    pub(crate) ended: Option<EndReason>,
    /// Who has which part of the load.
    pub(crate) slots: Slots,
    pub(crate) next_seat: SeatNumber,
    pub(crate) balance: Balance,
    /// How often a worker took too long to confirm its share.
    #[serde(default)]
    pub(crate) unconfirmed: u64,
    /// Workers that were lost or failed while load was made.
    pub(crate) losses: Vec<Loss>,
    /// Saved apart, less often: see [`super::snapshot`].
    #[serde(skip)]
    pub(crate) aggregate: Aggregate,
    /// When statistics began anew, by elapsed time.
    pub(crate) reset: Option<Duration>,
    pub(crate) notes: Vec<Note>,
    pub(crate) notes_omitted: u32,
    pub(crate) shape: Option<crate::machine::shape::Shape>,
    /// What users share over all workers.
    #[serde(default)]
    pub(crate) shared: super::shared::Shared,
    /// Of the scenario.
    #[serde(default)]
    pub(crate) versions: super::versions::Versions,
}

impl Run {
    /// Since the common instant; zero before it.
    pub(crate) fn elapsed(&self, now: Duration) -> Duration {
        let running = self.started.map_or(Duration::ZERO, |start| now.saturating_sub(start.mono));
        self.stood_still.map_or(running, |end| running.min(end))
    }

    /// What a worker was told, as it is stated. None: it has never come to that.
    pub(crate) fn step(&self, told: Told) -> Option<Step> {
        Some(match told {
            Told::Prepare => Step::Prepare,
            Told::Setup => Step::Setup,
            Told::Run => {
                Step::Run { start: self.started?.wall, setup_data: self.setup_data.clone()? }
            }
            Told::Stop(mode) => Step::Stop { mode },
            Told::Teardown => Step::Teardown { setup_data: self.setup_data.clone()? },
        })
    }

    /// Whether its load can change hands. Iterations are counted, not timed: what one worker has begun no
    /// other can go on with.
    pub(crate) fn is_movable(&self) -> bool {
        self.plan.profile.is_timed()
    }

    /// Whether it is well before the end of its time, if it has one: workers end their load by clocks that differ a little.
    pub(crate) fn has_time_left(&self, now: Duration) -> bool {
        let until = self.elapsed(now).saturating_add(AT_THE_END);
        self.plan.profile.length().is_none_or(|length| until < length)
    }

    /// Whether load that others could make is still to come.
    pub(crate) fn has_load_left(&self, now: Duration) -> bool {
        self.is_movable() && self.has_time_left(now)
    }

    /// How people call where it is.
    pub(crate) fn state(&self, now: Duration) -> RunState {
        match self.stage {
            Stage::Waiting { .. } => RunState::Waiting,
            Stage::Preparing { .. } => RunState::Preparing,
            Stage::SettingUp { .. } => RunState::SettingUp,
            Stage::Running if self.started.is_some_and(|start| now < start.mono) => {
                RunState::Starting
            }
            Stage::Running => RunState::Running,
            Stage::Stopping { .. } | Stage::Collecting { .. } => RunState::Stopping,
            Stage::TearingDown { .. } => RunState::TearingDown,
            Stage::Finished => RunState::Finished,
        }
    }

    pub(crate) fn is_finished(&self) -> bool {
        self.stage == Stage::Finished
    }

    /// Parts are in order of their workers' names.
    pub(crate) fn position(&self, worker: &WorkerId) -> Option<usize> {
        self.parts.binary_search_by(|part| part.worker.cmp(worker)).ok()
    }

    pub(crate) fn part(&self, worker: &WorkerId) -> Option<&Part> {
        self.parts.get(self.position(worker)?)
    }

    /// Writes down what happened, once per message.
    pub(crate) fn note(&mut self, now: Duration, kind: NoteKind, message: String) {
        if !self.notes.iter().any(|note| note.message == message) {
            self.mark(now, kind, message);
        }
    }

    /// Writes down what happened, as often as it does.
    pub(crate) fn mark(&mut self, now: Duration, kind: NoteKind, message: String) {
        if self.notes.len() >= MAX_NOTES {
            self.notes_omitted += 1;
            return;
        }
        let at = self.started.filter(|start| start.mono <= now).map(|_| self.elapsed(now));
        self.notes.push(Note { at, kind, message });
    }

    /// 0 to 1 of the load that nobody makes: slots of nobody, and those of lost workers.
    pub(crate) fn unserved(&self) -> f64 {
        if self.slots.of() == 0 {
            return 0.0;
        }
        let gone = |part: &&Part| part.lost && part.standing != Standing::Out;
        let lost: u32 =
            self.parts.iter().filter(gone).map(|part| self.slots.held_by(part.seat)).sum();
        f64::from(self.slots.unserved().saturating_add(lost)) / f64::from(self.slots.of())
    }

    /// What was lost with a worker that has not come back since, in the order in which it was noticed.
    pub(crate) fn open_losses(
        &mut self,
        worker: &WorkerId,
    ) -> impl DoubleEndedIterator<Item = &mut Loss> {
        let is_open = move |loss: &&mut Loss| loss.worker == *worker && loss.returned.is_none();
        self.losses.iter_mut().filter(is_open)
    }

    /// Names of the parts that `which` is true of, for people.
    pub(crate) fn names(&self, which: impl Fn(&Part) -> bool) -> String {
        let names: Vec<String> = self
            .parts
            .iter()
            .filter(|part| which(part))
            .map(|part| format!("`{}`", part.worker))
            .collect();
        match names.len() {
            0..=5 => names.join(", "),
            more => format!("{} and {} more", names[..5].join(", "), more - 5),
        }
    }
}
