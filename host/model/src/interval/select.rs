//! Parts of statistics: by tags, in sum, and below a cap.

use std::sync::Arc;

use super::{ErrorKey, HttpStats, Origin, PassStats, SeriesStats, Statistics, TaskStats};
use crate::metric::{OTHER, SeriesKey};
use crate::plan::Limits;

/// How many series and kinds of errors are kept apart; what is beyond goes to [`OTHER`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SeriesCap {
    /// As [`Limits::series`].
    pub series: usize,
    /// As [`Limits::errors`].
    pub errors: usize,
}

impl From<&Limits> for SeriesCap {
    fn from(limits: &Limits) -> Self {
        Self { series: limits.series as usize, errors: limits.errors as usize }
    }
}

impl Statistics {
    /// As [`Statistics::merge_ref`], but a series or error that is new and beyond the cap is
    /// added to its kind's [`OTHER`], and counted in `counters.capped` as `series` or `errors`.
    pub fn merge_within(&mut self, other: &Statistics, cap: SeriesCap) {
        let (mut lost_series, mut lost_errors) = (0, 0);
        for (key, stats) in &other.series {
            if let Some(mine) = self.series.get_mut(key) {
                mine.merge(stats);
                continue;
            }
            let full = self.series.len() >= cap.series && !key.is_other();
            lost_series += u64::from(full);
            let key = if full { key.other() } else { key.clone() };
            match self.series.get_mut(&key) {
                Some(mine) => mine.merge(stats),
                None => drop(self.series.insert(key, stats.clone())),
            }
        }
        for (key, stats) in &other.errors {
            let full = self.errors.len() >= cap.errors && !self.errors.contains_key(key);
            lost_errors += u64::from(full && !key.is_other());
            let key = if full { key.other() } else { key.clone() };
            match self.errors.get_mut(&key) {
                Some(mine) => mine.merge(stats),
                None => drop(self.errors.insert(key, stats.clone())),
            }
        }
        self.health.merge(&other.health);
        self.counters.merge(&other.counters);
        self.count_capped("series", lost_series);
        self.count_capped("errors", lost_errors);
    }

    /// Counts what a cap refused, by the cap's name.
    pub fn count_capped(&mut self, name: &str, count: u64) {
        if count == 0 {
            return;
        }
        match self.counters.capped.get_mut(name) {
            Some(mine) => *mine += count,
            None => drop(self.counters.capped.insert(Arc::from(name), count)),
        }
    }

    /// The HTTP series.
    pub fn http(&self) -> impl Iterator<Item = (&SeriesKey, &HttpStats)> {
        self.series.iter().filter_map(|(key, stats)| match stats {
            SeriesStats::Http(stats) => Some((key, &**stats)),
            _ => None,
        })
    }

    /// The HTTP series that have all of these tags.
    pub fn http_with<'a>(
        &'a self,
        tags: &'a [(String, String)],
    ) -> impl Iterator<Item = (&'a SeriesKey, &'a HttpStats)> {
        self.http().filter(move |(key, _)| key.has_tags(tags))
    }

    /// All HTTP series in one.
    pub fn total(&self) -> HttpStats {
        self.total_with(&[])
    }

    /// The HTTP series that have all of these tags, in one.
    pub fn total_with(&self, tags: &[(String, String)]) -> HttpStats {
        self.http_with(tags).fold(HttpStats::default(), |mut total, (_, stats)| {
            total.merge(stats);
            total
        })
    }

    /// The tasks, hooks included: `on_start`, `on_stop`.
    pub fn tasks(&self) -> impl Iterator<Item = (&SeriesKey, &TaskStats)> {
        self.series.iter().filter_map(|(key, stats)| match stats {
            SeriesStats::Task(stats) => Some((key, &**stats)),
            _ => None,
        })
    }

    /// The checks.
    pub fn checks(&self) -> impl Iterator<Item = (&SeriesKey, PassStats)> {
        self.series.iter().filter_map(|(key, stats)| match (key, stats) {
            (SeriesKey::Check { .. }, SeriesStats::Pass(stats)) => Some((key, *stats)),
            _ => None,
        })
    }
}

impl SeriesKey {
    /// The series of the same kind that takes what is beyond a cap.
    pub fn other(&self) -> SeriesKey {
        let other = || Arc::<str>::from(OTHER);
        let none = || Arc::<str>::from("");
        match self {
            Self::Http { .. } => {
                Self::Http { method: none(), name: other(), tags: Arc::default(), group: none() }
            }
            Self::Task { .. } => Self::Task { user_type: other(), task: other() },
            Self::Check { .. } => Self::Check { name: other(), group: none() },
            Self::Group { .. } => Self::Group { path: other() },
            Self::Custom { kind, .. } => {
                Self::Custom { name: other(), kind: *kind, unit: none(), tags: Arc::default() }
            }
        }
    }

    /// Whether this is what [`SeriesKey::other`] makes.
    pub fn is_other(&self) -> bool {
        *self == self.other()
    }

    /// The value of a tag: the guest's own, or `name`, `method`, `group`, `user_type`, `task`.
    pub fn tag(&self, tag: &str) -> Option<&str> {
        match (self, tag) {
            (Self::Http { method, .. }, "method") => Some(method),
            (Self::Http { name, .. } | Self::Check { name, .. }, "name") => Some(name),
            (Self::Http { group, .. } | Self::Check { group, .. }, "group") => Some(group),
            (Self::Group { path }, "group" | "name") => Some(path),
            (Self::Task { user_type, .. }, "user_type") => Some(user_type),
            (Self::Task { task, .. }, "task" | "name") => Some(task),
            (Self::Http { tags, .. } | Self::Custom { tags, .. }, tag) => {
                tags.iter().find(|(key, _)| &**key == tag).map(|(_, value)| &**value)
            }
            _ => None,
        }
    }

    /// Whether it has all of these tags, with these values.
    pub fn has_tags(&self, tags: &[(String, String)]) -> bool {
        tags.iter().all(|(key, value)| self.tag(key) == Some(value))
    }

    /// Whether statistics of this form belong to the key.
    pub fn fits(&self, stats: &SeriesStats) -> bool {
        use crate::metric::Kind;
        match self {
            Self::Http { .. } => matches!(stats, SeriesStats::Http(_)),
            Self::Task { .. } => matches!(stats, SeriesStats::Task(_)),
            Self::Check { .. } => matches!(stats, SeriesStats::Pass(_)),
            Self::Group { .. } => matches!(stats, SeriesStats::Trend(_)),
            Self::Custom { kind, .. } => match kind {
                Kind::Counter => matches!(stats, SeriesStats::Counter(_)),
                Kind::Gauge => matches!(stats, SeriesStats::Gauge(_)),
                Kind::Rate => matches!(stats, SeriesStats::Pass(_)),
                Kind::Trend => matches!(stats, SeriesStats::Trend(_)),
            },
        }
    }
}

impl ErrorKey {
    /// The error that takes what is beyond a cap.
    pub fn other(&self) -> ErrorKey {
        let other = || Arc::<str>::from(OTHER);
        let origin = match &self.origin {
            Origin::Request { .. } => Origin::Request { method: Arc::from(""), name: other() },
            Origin::Task { .. } => Origin::Task { user_type: other(), task: other() },
        };
        ErrorKey { origin, code: other(), message: Arc::from("beyond the cap `errors`") }
    }

    /// Whether this is what [`ErrorKey::other`] makes.
    pub fn is_other(&self) -> bool {
        *self == self.other()
    }
}
