//! What was measured, for monitoring and charts.

use std::collections::BTreeSet;

use loadhost_model::id::RunId;

use super::Machine;
use crate::distribution::{RunTimes, distributions};
use crate::error::ControlError;
use crate::view::Point;

impl Machine {
    /// Of all runs but those that are over and `known`.
    pub(crate) fn times(&self, known: &BTreeSet<RunId>) -> Vec<RunTimes> {
        let finished = self.finished.iter().filter(|(id, ..)| !known.contains(id));
        let finished = finished.map(|(id, view, report)| RunTimes {
            run: id.clone(),
            started: view.started,
            counted_from: view.counted_from,
            is_over: true,
            times: distributions(&report.statistics),
        });
        let going = self.runs.iter().map(|(id, run)| RunTimes {
            run: id.clone(),
            started: run.started.map(|start| start.wall),
            counted_from: run.aggregate.counted_from(),
            is_over: false,
            times: distributions(run.aggregate.totals()),
        });
        finished.chain(going).collect()
    }

    /// The whole history of a run so far.
    pub(crate) fn timeline(&self, id: &RunId) -> Result<Vec<Point>, ControlError> {
        match (self.runs.get(id), self.report(id)) {
            (Some(run), _) => Ok(run.aggregate.history()),
            (None, Some(report)) => Ok(report.history.clone()),
            (None, None) => Err(ControlError::UnknownRun(id.clone())),
        }
    }
}
