//! What was measured, for monitoring and charts.

use loadhost_model::id::RunId;

use super::Machine;
use crate::distribution::{Distribution, distributions};
use crate::error::ControlError;
use crate::view::Point;

impl Machine {
    /// Of the run that stands last in the view.
    pub(crate) fn distributions(&self) -> Vec<Distribution> {
        if let Some(run) = self.runs.values().next_back() {
            return distributions(run.aggregate.totals());
        }
        let last = self.finished.back();
        last.map(|(_, _, report)| distributions(&report.statistics)).unwrap_or_default()
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
