//! What scenarios measure by themselves.

use std::collections::BTreeMap;

use loadhost_control::view::{MetricRow, MetricValue};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::rounded;

/// A metric of the scenario's own.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct Metric {
    /// As the scenario wrote it.
    pub name: String,
    /// "", "ms", "bytes", …
    pub unit: String,
    /// The scenario's.
    pub tags: BTreeMap<String, String>,
    /// `counter`, `gauge`, `rate` or `trend`.
    pub kind: String,
    /// What came out.
    pub value: MetricCame,
}

/// What a metric came to, in its own unit.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize, ToSchema)]
#[serde(untagged)]
pub enum MetricCame {
    /// Of a counter.
    Counter {
        /// Sum.
        sum: f64,
        /// Per second.
        rate: f64,
    },
    /// Of a trend.
    Trend {
        /// Values.
        count: u64,
        /// Least.
        min: f64,
        /// Mean.
        mean: f64,
        /// Half are at or below.
        p50: f64,
        /// 90 %.
        p90: f64,
        /// 95 %.
        p95: f64,
        /// 99 %.
        p99: f64,
        /// Greatest.
        max: f64,
    },
    /// Of a gauge.
    Gauge {
        /// Most recent.
        last: f64,
        /// Least.
        min: f64,
        /// Greatest.
        max: f64,
    },
    /// Of a rate.
    Rate {
        /// Values that were not zero.
        passes: u64,
        /// Values that were.
        failures: u64,
    },
}

impl From<&MetricRow> for Metric {
    fn from(row: &MetricRow) -> Self {
        let (kind, value) = match row.value {
            MetricValue::Counter { sum, rate } => {
                ("counter", MetricCame::Counter { sum: rounded(sum), rate: rounded(rate) })
            }
            MetricValue::Gauge { last, min, max } => {
                ("gauge", MetricCame::Gauge { last, min, max })
            }
            MetricValue::Rate { passes, failures } => {
                ("rate", MetricCame::Rate { passes, failures })
            }
            MetricValue::Trend { count, min, mean, p50, p90, p95, p99, max } => {
                let mean = rounded(mean);
                ("trend", MetricCame::Trend { count, min, mean, p50, p90, p95, p99, max })
            }
        };
        let tags = row.tags.iter().map(|(key, value)| (key.to_string(), value.to_string()));
        Self {
            name: row.name.to_string(),
            unit: row.unit.to_string(),
            tags: tags.collect(),
            kind: kind.to_string(),
            value,
        }
    }
}
