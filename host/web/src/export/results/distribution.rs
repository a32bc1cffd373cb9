//! A distribution of times as milliseconds, and whole.

use loadhost_control::view::Times;
use loadhost_model::histogram::Histogram;
use serde::{Deserialize, Serialize};

use super::encode;

/// Milliseconds, and the whole distribution in microseconds.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct Distribution {
    /// Samples.
    pub count: u64,
    /// Least.
    pub min: f64,
    /// Mean.
    pub mean: f64,
    /// Half are at or below.
    pub p50: f64,
    /// 66 %.
    pub p66: f64,
    /// 75 %.
    pub p75: f64,
    /// 80 %.
    pub p80: f64,
    /// 90 %.
    pub p90: f64,
    /// 95 %.
    pub p95: f64,
    /// 98 %.
    pub p98: f64,
    /// 99 %.
    pub p99: f64,
    /// 99.9 %.
    #[serde(rename = "p99.9")]
    pub p99_9: f64,
    /// 99.99 %.
    #[serde(rename = "p99.99")]
    pub p99_99: f64,
    /// Greatest.
    pub max: f64,
    /// HdrHistogram V2 as base64: see [`super::decode`]. Empty: only the numbers above are known.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub histogram: String,
}

impl Distribution {
    /// None if nothing was recorded.
    pub(super) fn of(histogram: &Histogram) -> Option<Self> {
        let times = Times::of(histogram)?;
        Some(Self { histogram: encode(histogram), ..Self::of_times(&times) })
    }

    /// Without the whole of it.
    pub(crate) fn of_times(times: &Times) -> Self {
        Self {
            count: times.count,
            min: ms(times.min),
            mean: times.mean / 1e3,
            p50: ms(times.p50),
            p66: ms(times.p66),
            p75: ms(times.p75),
            p80: ms(times.p80),
            p90: ms(times.p90),
            p95: ms(times.p95),
            p98: ms(times.p98),
            p99: ms(times.p99),
            p99_9: ms(times.p99_9),
            p99_99: ms(times.p99_99),
            max: ms(times.max),
            histogram: String::new(),
        }
    }
}

/// Of microseconds.
pub(super) fn ms(micros: u64) -> f64 {
    micros as f64 / 1e3
}
