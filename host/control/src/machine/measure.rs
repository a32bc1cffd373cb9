//! Merged times of the latest run, for monitoring.

use super::Machine;
use crate::distribution::{Distribution, distributions};

impl Machine {
    /// Of the run that stands last in the view.
    pub(crate) fn distributions(&self) -> Vec<Distribution> {
        if let Some(run) = self.runs.values().next_back() {
            return distributions(run.aggregate.totals());
        }
        let last = self.finished.back();
        last.map(|(_, _, report)| distributions(&report.statistics)).unwrap_or_default()
    }
}
