//! What the API says, in types of its own: made from the coordinator's views, never holding secrets.
//!
//! Names carry their units: `…_seconds`, `…_ms`, `…_bytes`. Fields that are nothing are `null` over plain requests, and
//! left out of the live stream, whose patches use `null` for what went away.

mod fleet;
mod metrics;
mod point;
mod rows;
mod run;
mod scenario;
mod shared;
mod short;
mod versions;

pub use fleet::{Fleet, Master, Worker};
pub use metrics::{Metric, MetricCame};
pub(crate) use point::COUNTED;
pub use point::{COLUMNS, Cell, Points, row_of};
pub use rows::{Check, Failure, FailureOrigin, Group, HttpLine, StepsMs, Task, TimesMs, WindowOf};
pub use run::{
    Breach, Collection, Ended, Generator, LossOf, NoteOf, RunDetail, SandboxCounters, ThresholdOf,
};
pub use scenario::{
    Columns, DataSetInfo, ParameterOf, ScenarioInfo, SdkOf, TaskOf, ThresholdText, UserTypeOf,
};
pub use shared::{Leased, Meeting, SharedThings};
pub use short::RunShort;
pub use versions::Versions;

use std::time::Duration;

/// Seconds with at most three decimals.
pub(crate) fn seconds(time: Duration) -> f64 {
    time.as_millis() as f64 / 1e3
}

/// Three decimals, so that a patch does not speak of what nobody sees.
pub(crate) fn rounded(value: f64) -> f64 {
    if value.is_finite() { (value * 1e3).round() / 1e3 } else { 0.0 }
}

/// Milliseconds of whole microseconds.
pub(crate) fn ms(micros: u64) -> f64 {
    micros as f64 / 1e3
}

/// Microseconds since the Unix epoch as RFC 3339, to the millisecond.
pub(crate) fn instant(micros: u64) -> String {
    let millis = i64::try_from(micros / 1_000).unwrap_or_default();
    jiff::Timestamp::from_millisecond(millis).map(|at| format!("{at:.3}")).unwrap_or_default()
}
