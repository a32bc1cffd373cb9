//! What an interval amounts to over all its series.

use loadhost_model::interval::{HttpStats, SeriesStats, Statistics};

/// All requests and iterations of some statistics.
#[derive(Debug, Clone, Default)]
pub(crate) struct Sums {
    pub(crate) http: HttpStats,
    pub(crate) iterations: u64,
}

impl Sums {
    pub(crate) fn of(statistics: &Statistics) -> Self {
        let mut sums = Self::default();
        for stats in statistics.series.values() {
            match stats {
                SeriesStats::Http(http) => sums.http.merge(http),
                SeriesStats::Task(task) => sums.iterations += task.iterations,
                _ => {}
            }
        }
        sums
    }
}
