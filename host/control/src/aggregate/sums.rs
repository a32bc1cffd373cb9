//! What an interval amounts to over all its series.

use loadhost_model::interval::{HttpStats, SeriesStats, Statistics};
use loadhost_model::metric::SeriesKey;

use super::rows::is_hook;

/// All requests and iterations of some statistics.
#[derive(Debug, Clone, Default)]
pub(crate) struct Sums {
    pub(crate) http: HttpStats,
    pub(crate) iterations: u64,
}

impl Sums {
    pub(crate) fn of(statistics: &Statistics) -> Self {
        let mut sums = Self::default();
        for (key, stats) in &statistics.series {
            match (key, stats) {
                (_, SeriesStats::Http(http)) => sums.http.merge(http),
                (SeriesKey::Task { task, .. }, SeriesStats::Task(stats)) if !is_hook(task) => {
                    sums.iterations += stats.iterations;
                }
                _ => {}
            }
        }
        sums
    }
}
