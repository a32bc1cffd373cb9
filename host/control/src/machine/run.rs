//! One run: where it is, who shares it, and what each of them has done so far.

use std::sync::Arc;
use std::time::Duration;

use loadhost_model::description::Description;
use loadhost_model::id::{Incarnation, Term, WorkerId};
use loadhost_model::plan::RunPlan;
use loadhost_model::share::Share;
use loadhost_model::wire::{Step, StopMode, WorkerState, WorkerStatus};
use serde::{Deserialize, Serialize};

use crate::aggregate::Aggregate;
use crate::report::EndReason;
use crate::view::{Note, NoteKind, RunState};

/// Notes kept per run; later ones are counted in the last.
const MAX_NOTES: usize = 100;

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
    pub(crate) share: Share,
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
}

impl Part {
    pub(crate) fn new(worker: WorkerId, incarnation: Incarnation, share: Share) -> Self {
        Self {
            worker,
            incarnation,
            share,
            told: None,
            assigned: 0,
            applied: 0,
            progress: Progress::Assigned,
            last_seq: None,
            failed: None,
            failing: false,
            lost: false,
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
        if applied_term != term || applied < self.applied {
            return false;
        }
        let before = (self.progress, self.last_seq, self.failed.is_some(), self.applied);
        self.applied = applied;
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
        before != (self.progress, self.last_seq, self.failed.is_some(), self.applied)
    }

    /// A new process took the place of the old one; it starts from the assignment as it stands.
    pub(crate) fn restart(&mut self, incarnation: Incarnation) {
        self.incarnation = incarnation;
        self.applied = 0;
        self.progress = Progress::Assigned;
        self.last_seq = None;
        self.failed = None;
        self.failing = false;
        self.lost = false;
    }

    /// Nothing more is to be expected of it before it is told to tear down.
    pub(crate) fn is_still(&self) -> bool {
        self.lost || self.failed.is_some() || self.progress >= Progress::Stopped
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
    /// Saved apart, less often: see [`super::snapshot`].
    #[serde(skip)]
    pub(crate) aggregate: Aggregate,
    /// When statistics began anew, by elapsed time.
    pub(crate) reset: Option<Duration>,
    pub(crate) notes: Vec<Note>,
    pub(crate) notes_omitted: u32,
    pub(crate) shape: Option<crate::machine::shape::Shape>,
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
    fn position(&self, worker: &WorkerId) -> Option<usize> {
        self.parts.binary_search_by(|part| part.worker.cmp(worker)).ok()
    }

    pub(crate) fn part_mut(&mut self, worker: &WorkerId) -> Option<&mut Part> {
        let at = self.position(worker)?;
        self.parts.get_mut(at)
    }

    pub(crate) fn part(&self, worker: &WorkerId) -> Option<&Part> {
        self.parts.get(self.position(worker)?)
    }

    /// Writes down what happened, once per message.
    pub(crate) fn note(&mut self, now: Duration, kind: NoteKind, message: String) {
        if self.notes.iter().any(|note| note.message == message) {
            return;
        }
        if self.notes.len() >= MAX_NOTES {
            self.notes_omitted += 1;
            return;
        }
        let at = self.started.filter(|start| start.mono <= now).map(|_| self.elapsed(now));
        self.notes.push(Note { at, kind, message });
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
