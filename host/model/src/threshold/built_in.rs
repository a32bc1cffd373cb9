//! The metrics that every run has, and what can be asked of them.

use crate::threshold::{Aggregate, Threshold};

/// What a metric's numbers are.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Shape {
    /// A distribution of times.
    Times,
    /// A sum of times over so many cases.
    AverageTime,
    /// Cases among all.
    Share,
    /// Cases, or bytes, over time.
    Count,
    /// A value that goes up and down.
    Level,
}

const BUILT_IN: [(&str, Shape); 18] = [
    ("http_req_duration", Shape::Times),
    ("http_service_time", Shape::Times),
    ("http_req_waiting", Shape::AverageTime),
    ("http_req_sending", Shape::AverageTime),
    ("http_req_receiving", Shape::AverageTime),
    ("http_req_dns", Shape::AverageTime),
    ("http_req_connecting", Shape::AverageTime),
    ("http_req_tls", Shape::AverageTime),
    ("http_req_failed", Shape::Share),
    ("http_reqs", Shape::Count),
    ("data_sent", Shape::Count),
    ("data_received", Shape::Count),
    ("checks", Shape::Share),
    ("group_duration", Shape::Times),
    ("iterations", Shape::Count),
    ("iteration_duration", Shape::Times),
    ("iteration_failed", Shape::Share),
    ("dropped_iterations", Shape::Count),
];

/// Users, which the coordinator puts into the statistics as a gauge.
pub const USERS: &str = "vus";

/// Whether a metric of this name is loadhost's own, so that a guest must not make one.
pub fn is_built_in(metric: &str) -> bool {
    shape_of(metric).is_some()
}

/// None: not built in.
pub(super) fn shape_of(metric: &str) -> Option<Shape> {
    if metric == USERS {
        return Some(Shape::Level);
    }
    BUILT_IN.iter().find(|(name, _)| *name == metric).map(|(_, shape)| *shape)
}

impl Threshold {
    /// Whether its number adds up, so that it is too low while somebody's measurements are missing: shares and times are
    /// about the same without them.
    pub fn is_amount(&self) -> bool {
        use Aggregate::{Average, Count, Max, Median, Min, Percentile, Rate, Value};
        let shape = shape_of(&self.metric);
        match self.aggregate {
            Percentile(_) | Average | Median | Min | Max => shape == Some(Shape::Level),
            Rate => shape != Some(Shape::Share),
            Count | Value => true,
        }
    }
}

pub(super) fn names() -> impl Iterator<Item = &'static str> {
    BUILT_IN.iter().map(|(name, _)| *name).chain([USERS])
}

impl Shape {
    pub(super) fn allows(self, aggregate: Aggregate) -> bool {
        use Aggregate::{Average, Count, Max, Median, Min, Percentile, Rate, Value};
        match self {
            Self::Times => {
                matches!(aggregate, Percentile(_) | Average | Min | Max | Median | Count)
            }
            Self::AverageTime => matches!(aggregate, Average),
            Self::Share | Self::Count => matches!(aggregate, Rate | Count),
            Self::Level => matches!(aggregate, Value | Min | Max),
        }
    }

    /// For errors.
    pub(super) fn aggregates(self) -> &'static str {
        match self {
            Self::Times => "`p(95)`, `med`, `avg`, `min`, `max` or `count`",
            Self::AverageTime => "`avg` only",
            Self::Share | Self::Count => "`rate` or `count`",
            Self::Level => "`value`, `min` or `max`",
        }
    }
}
