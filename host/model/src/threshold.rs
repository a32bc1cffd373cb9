//! The verdict over a run: conditions on merged statistics.

use std::time::Duration;

use serde::{Deserialize, Serialize};

/// One condition, such as `http_req_duration{name=checkout} p(95) < 500ms`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Threshold {
    /// Built-in or custom metric.
    pub metric: String,
    /// Only samples with all of these tags (`name`, `method`, `group`, `status`, or the guest's).
    pub tags: Vec<(String, String)>,
    /// What is compared.
    pub aggregate: Aggregate,
    /// How.
    pub comparison: Comparison,
    /// With what: milliseconds for times, 0..=1 for rates, else the metric's own unit.
    pub bound: f64,
    /// Stop the run as soon as it is broken, not before this much time.
    pub abort_after: Option<Duration>,
}

/// One number out of a distribution.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Aggregate {
    /// `p(95)`.
    Percentile(f64),
    /// `avg`.
    Average,
    /// `min`.
    Min,
    /// `max`.
    Max,
    /// `med`.
    Median,
    /// `count`.
    Count,
    /// `rate`: of failures, passes, or non-zero values; per second for counters.
    Rate,
    /// `value`: the last of a gauge.
    Value,
}

/// How a value is compared with the bound.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Comparison {
    /// `<`
    Below,
    /// `<=`
    AtMost,
    /// `>`
    Above,
    /// `>=`
    AtLeast,
    /// `==`
    Equal,
    /// `!=`
    NotEqual,
}
