//! What is left of a run when it is over.

use std::fmt;
use std::sync::Arc;

use loadhost_model::description::Description;
use loadhost_model::id::WorkerId;
use loadhost_model::interval::Statistics;
use loadhost_model::plan::RunPlan;
use serde::{Deserialize, Serialize};

mod saved;

use crate::view::{Point, RunView, ThresholdState, ThresholdView};

/// Why a run is over.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", tag = "reason")]
pub enum EndReason {
    /// Its time, its stages, its iterations or its load shape came to their end.
    Completed,
    /// Somebody stopped it.
    StoppedByUser,
    /// A threshold with `abort_after` was broken.
    ThresholdAbort {
        /// Which.
        threshold: String,
    },
    /// The scenario asked for it, or its load shape failed.
    AbortedByScenario {
        /// What it said.
        message: String,
    },
    /// A worker could not do its part.
    WorkerFailed {
        /// Which; None: all of them.
        worker: Option<WorkerId>,
        /// Stable: what the worker gave, or `lost`, `prepare-timeout`, `setup-timeout`.
        code: String,
        /// What and why, with the remedy.
        message: String,
    },
    /// The coordinator was ended, or another one leads now.
    Interrupted,
}

impl fmt::Display for EndReason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Completed => f.write_str("completed"),
            Self::StoppedByUser => f.write_str("stopped by the user"),
            Self::ThresholdAbort { threshold } => {
                write!(f, "stopped by the broken threshold `{threshold}`")
            }
            Self::AbortedByScenario { message } => write!(f, "aborted by the scenario: {message}"),
            Self::WorkerFailed { worker: Some(worker), message, .. } => {
                write!(f, "worker `{worker}` failed: {message}")
            }
            Self::WorkerFailed { worker: None, message, .. } => f.write_str(message),
            Self::Interrupted => f.write_str("interrupted"),
        }
    }
}

/// Whether the run met its thresholds.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct Verdict {
    /// All thresholds hold; also if there are none.
    pub passed: bool,
    /// In the order of the plan.
    pub thresholds: Vec<ThresholdView>,
}

impl Verdict {
    /// A threshold without data does not hold.
    pub fn new(thresholds: Vec<ThresholdView>) -> Self {
        let passed = thresholds.iter().all(|threshold| threshold.state == ThresholdState::Ok);
        Self { passed, thresholds }
    }

    /// Those that do not hold.
    pub fn failed(&self) -> impl Iterator<Item = &ThresholdView> {
        self.thresholds.iter().filter(|threshold| threshold.state != ThresholdState::Ok)
    }
}

/// A run that is over.
#[derive(Debug, Clone, PartialEq)]
pub struct RunReport {
    /// The last view, with at most [`crate::view::MAX_ROWS`] rows.
    pub view: RunView,
    /// All series, merged, with their whole distributions.
    pub statistics: Statistics,
    /// Of these, what ended after [`RunView::load_time`]: rates are without it.
    pub after_load: Statistics,
    /// From the start, also what is not counted.
    pub history: Vec<Point>,
    /// What was asked for, amended by changes. Holds secrets: see [`RunPlan::secret_params`].
    pub plan: Arc<RunPlan>,
    /// What the scenario said of itself.
    pub description: Arc<Description>,
    /// Whether thresholds were met.
    pub verdict: Verdict,
    /// Why it is over.
    pub ended: EndReason,
}
