//! What is measured, and under which names.

use std::sync::Arc;

use serde::{Deserialize, Serialize};

/// What a custom metric does with its values.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Kind {
    /// Their sum.
    Counter,
    /// The last, the least and the greatest.
    Gauge,
    /// How many of them are not zero.
    Rate,
    /// Their distribution.
    Trend,
}

/// Key and value pairs, sorted by key, each key once.
pub type Tags = Arc<[(Arc<str>, Arc<str>)]>;

/// A line of the statistics. Within one process each series has one index; on the
/// wire each interval carries the keys of the series that it speaks of.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum SeriesKey {
    /// HTTP requests of one method and name.
    Http {
        /// Upper case.
        method: Arc<str>,
        /// The URL template, or the name that the guest gave.
        name: Arc<str>,
        /// The guest's.
        tags: Tags,
        /// Path of open groups, joined with `::`; empty outside of groups.
        group: Arc<str>,
    },
    /// Iterations of one task.
    Task {
        /// Name of the user type.
        user_type: Arc<str>,
        /// Name of the task, or `on_start` and `on_stop`.
        task: Arc<str>,
    },
    /// A check.
    Check {
        /// As the guest wrote it.
        name: Arc<str>,
        /// Path of open groups.
        group: Arc<str>,
    },
    /// A group: how long it was open.
    Group {
        /// Its path, joined with `::`.
        path: Arc<str>,
    },
    /// A metric of the guest's.
    Custom {
        /// As the guest wrote it.
        name: Arc<str>,
        /// What it does.
        kind: Kind,
        /// "", "ms", "bytes", …
        unit: Arc<str>,
        /// The guest's.
        tags: Tags,
    },
}

/// Where the series beyond a cap go.
pub const OTHER: &str = "other";

/// Scale of trends, gauges and counters of guests in a histogram: values are
/// kept as thousandths, so that `0.5` is not lost.
pub const CUSTOM_SCALE: f64 = 1000.0;
