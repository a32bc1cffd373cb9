//! Seconds of a run, as the charts read them.

use loadhost_control::view::{Point, PointTimes};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::{ms, rounded, seconds};

/// What stands in each row, in this order. `t` is when the second began, since the start of the run; times are in
/// milliseconds; `counted` and `saturated` are 0 or 1.
pub const COLUMNS: [&str; 18] = [
    "t",
    "span",
    "users",
    "users_wanted",
    "rate_wanted",
    "rps",
    "fps",
    "response_p50",
    "response_p95",
    "response_p99",
    "service_p50",
    "service_p95",
    "service_p99",
    "dropped",
    "start_lag_p99",
    "cpu",
    "counted",
    "saturated",
];

/// Where `counted` stands in a row.
pub(crate) const COUNTED: usize = 16;

/// One value; null: nothing was measured.
pub type Cell = Option<f64>;

/// The whole history of a run so far.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct Points {
    /// What stands in each row, in this order.
    pub columns: Vec<String>,
    /// By time.
    pub rows: Vec<Vec<Cell>>,
}

impl Points {
    /// Of these rows.
    pub fn new(rows: Vec<Vec<Cell>>) -> Self {
        Self { columns: COLUMNS.map(String::from).into(), rows }
    }
}

/// The values of [`COLUMNS`].
pub fn row_of(point: &Point) -> Vec<Cell> {
    let flag = |on| Some(f64::from(u8::from(on)));
    let [response, service] = [point.response_time, point.service_time].map(|times| {
        let of = |pick: fn(&PointTimes) -> u64| times.as_ref().map(|times| ms(pick(times)));
        [of(|times| times.p50), of(|times| times.p95), of(|times| times.p99)]
    });
    vec![
        Some(seconds(point.at)),
        Some(seconds(point.span)),
        Some(point.users.into()),
        point.users_wanted.map(f64::from),
        point.rate_wanted.map(rounded),
        Some(rounded(point.rps)),
        Some(rounded(point.fps)),
        response[0],
        response[1],
        response[2],
        service[0],
        service[1],
        service[2],
        Some(point.dropped as f64),
        point.start_lag_p99.map(ms),
        Some(rounded(point.cpu)),
        flag(point.counted),
        flag(point.saturated),
    ]
}
