//! The verdict over a run: conditions on merged statistics.
//!
//! ```text
//!   metric{tag=value, tag="other value"} aggregate comparison bound
//!
//!   http_req_duration{name=checkout} p(95) < 500ms
//!   http_req_failed rate < 1%
//!   checks > 99%
//!   http_reqs{status=503} count == 0
//! ```
//!
//! | metric | of it | bound | tags |
//! |---|---|---|---|
//! | `http_req_duration` | `p(N)` `med` `avg` `min` `max` `count` of response times, from the intended start | time | `name` `method` `group`, the guest's |
//! | `http_service_time` | the same of service times, from the sending | time | as above |
//! | `http_req_waiting` `http_req_sending` `http_req_receiving` | `avg` per request | time | as above |
//! | `http_req_dns` `http_req_connecting` `http_req_tls` | `avg` per new connection | time | as above |
//! | `http_req_failed` | `rate` of all requests, `count` | share | as above |
//! | `http_reqs` | `count`, `rate` per second | number | as above, and `status` (`503`, `5xx`, `0` for no answer) |
//! | `data_sent` `data_received` | `count` of bytes, `rate` per second | number | as above |
//! | `checks` | `rate` of all that passed, `count` | share | `name` `group` |
//! | `group_duration` | `p(N)` `med` `avg` `min` `max` `count` | time | `group` |
//! | `iterations` | `count`, `rate` per second; hooks are not counted | number | `user_type` `task` |
//! | `iteration_duration` | `p(N)` `med` `avg` `min` `max` `count`, from the actual start | time | as above |
//! | `iteration_failed` | `rate` of all iterations, `count` | share | as above |
//! | `dropped_iterations` | `count`, `rate` per second | number | – |
//! | `vus` | `value` `min` `max` of users | number | – |
//! | a trend of the guest's | `p(N)` `med` `avg` `min` `max` `count` | its unit; a time for milliseconds | the guest's |
//! | a counter of the guest's | `count`, `rate` per second | number | the guest's |
//! | a gauge of the guest's | `value` `min` `max` | its unit | the guest's |
//! | a rate of the guest's | `rate`, `count` | share | the guest's |
//!
//! A time is `500ms`, `1.5s`, `1m`, or a number of milliseconds; a share is `1%` or `0.01`; a
//! number may end in `/s`. Without an aggregate, `rate` is meant. **No data never passes.**

mod built_in;
mod evaluate;
mod parse;

pub use built_in::{USERS, is_built_in};
pub use evaluate::Verdict;
pub use parse::ThresholdError;

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
    /// With what: milliseconds for times, 0..=1 for shares, else the metric's own unit.
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
