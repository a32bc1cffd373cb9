//! The plan's thresholds, judged each second.

use std::time::Duration;

use loadhost_model::interval::Statistics;
use loadhost_model::threshold::{Threshold, USERS};
use serde::{Deserialize, Serialize};

use crate::view::{ThresholdState, ThresholdView};

/// One threshold and where it stands.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
struct Judged {
    threshold: Threshold,
    view: ThresholdView,
}

/// All thresholds of a run.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub(crate) struct Thresholds {
    all: Vec<Judged>,
}

/// Whose measurements there are.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Heard {
    /// Of all workers that make load.
    Everybody,
    /// Somebody's last second is missing.
    NotAll,
}

/// What thresholds are judged by.
pub(crate) struct Evidence<'a> {
    /// All series.
    pub(crate) totals: &'a Statistics,
    /// One series that is the sum of all requests, so that a threshold over all of them
    /// need not merge ten thousand histograms each second; and the users, as [`USERS`].
    pub(crate) sum: &'a Statistics,
    /// Of all series: what ended after the time that rates are over.
    pub(crate) after: Option<&'a Statistics>,
    /// Time that rates are over.
    pub(crate) load_time: Duration,
    /// Time over which all was measured.
    pub(crate) counted: Duration,
    /// Since the start of the run.
    pub(crate) elapsed: Duration,
    pub(crate) heard: Heard,
}

impl Thresholds {
    pub(crate) fn new(thresholds: &[Threshold]) -> Self {
        let all = thresholds
            .iter()
            .map(|threshold| Judged {
                view: ThresholdView {
                    text: threshold.to_string(),
                    state: ThresholdState::NoData,
                    value: None,
                    broken_since: None,
                    abort_after: threshold.abort_after,
                },
                threshold: threshold.clone(),
            })
            .collect();
        Self { all }
    }

    /// Judges anew. The text of the first threshold that asks to stop the run.
    pub(crate) fn judge(&mut self, evidence: &Evidence<'_>) -> Option<String> {
        let mut abort = None;
        for Judged { threshold, view } in &mut self.all {
            if evidence.heard == Heard::NotAll && threshold.is_amount() {
                continue;
            }
            let over_all = threshold.metric == USERS
                || (threshold.tags.is_empty() && threshold.metric.starts_with("http_"));
            let statistics = if over_all { evidence.sum } else { evidence.totals };
            let verdict = threshold.evaluate_load(statistics, evidence.after, evidence.load_time);
            view.value = verdict.value;
            view.state = match (verdict.value, verdict.passed) {
                (None, _) => ThresholdState::NoData,
                (Some(_), true) => ThresholdState::Ok,
                (Some(_), false) => ThresholdState::Broken,
            };
            if view.state != ThresholdState::Broken {
                view.broken_since = None;
                continue;
            }
            view.broken_since.get_or_insert(evidence.elapsed);
            if abort.is_none()
                && threshold.abort_after.is_some_and(|delay| evidence.counted >= delay)
            {
                abort = Some(view.text.clone());
            }
        }
        abort
    }

    pub(crate) fn views(&self) -> Vec<ThresholdView> {
        self.all.iter().map(|judged| judged.view.clone()).collect()
    }
}
