//! The seconds of a run, few enough to be drawn.
//!
//! A chart is some hundred pixels wide. Of a longer run, each [`Points::bucket`] of seconds becomes two
//! points with the least and the greatest value of each line, in the order in which they came. Both were
//! measured; a percentile is never averaged.

use serde::Serialize;
use serde_json::{Number, Value};

use crate::export::results::Second;

/// Points of a chart at most: two for each bucket, and the last second.
pub(super) const MOST: usize = 601;

/// Columns by name, as the charts take them.
#[derive(Debug, Default, PartialEq, Serialize)]
pub(super) struct Points {
    /// Seconds that two points stand for; 1: each second has one of its own.
    #[serde(skip)]
    pub(super) bucket: usize,
    t: Vec<Value>,
    users: Vec<Value>,
    users_wanted: Vec<Value>,
    rate_wanted: Vec<Value>,
    rps: Vec<Value>,
    fps: Vec<Value>,
    response_p50: Vec<Value>,
    response_p95: Vec<Value>,
    response_p99: Vec<Value>,
    service_p50: Vec<Value>,
    service_p95: Vec<Value>,
    service_p99: Vec<Value>,
    dropped: Vec<Value>,
    cpu: Vec<Value>,
    counted: Vec<Value>,
    saturated: Vec<Value>,
}

impl Points {
    pub(super) fn of(history: &[Second]) -> Self {
        let bucket = if history.len() <= MOST { 1 } else { history.len().div_ceil(MOST / 2) };
        let mut points = Self { bucket, ..Self::default() };
        if bucket == 1 {
            history.iter().for_each(|second| points.add(second));
            return points;
        }
        let Some((last, earlier)) = history.split_last() else { return points };
        for seconds in earlier.chunks(bucket) {
            match seconds {
                [one] => points.add(one),
                more => points.add_extremes(more),
            }
        }
        points.add(last);
        points
    }

    /// Whether some column has a value.
    pub(super) fn is_empty(&self) -> bool {
        self.t.is_empty()
    }

    pub(super) fn has_arrivals(&self) -> bool {
        self.rate_wanted.iter().any(|value| !value.is_null())
            || self.dropped.iter().any(|value| value.as_f64() > Some(0.0))
    }

    fn add(&mut self, second: &Second) {
        self.t.push(number(Some(second.at)));
        for (column, pick) in self.columns() {
            column.push(number(pick(second)));
        }
        self.counted.push(flag(second.counted));
        self.saturated.push(flag(second.saturated));
    }

    /// Of two seconds at least, two stand for all: the earlier and the later extreme of each line.
    fn add_extremes(&mut self, seconds: &[Second]) {
        let at = [0, seconds.len() / 2].map(|index| seconds[index].at);
        self.t.extend(at.map(|at| number(Some(at))));
        for (column, pick) in self.columns() {
            column.extend(extremes(seconds.iter().map(pick)).map(number));
        }
        // A whole bucket is marked if one of its seconds is.
        let counted = seconds.iter().any(|second| second.counted);
        let saturated = seconds.iter().any(|second| second.saturated);
        self.counted.extend([flag(counted), flag(counted)]);
        self.saturated.extend([flag(saturated), flag(saturated)]);
    }

    fn columns(&mut self) -> [(&mut Vec<Value>, Pick); 13] {
        [
            (&mut self.users, |second| Some(second.users.into())),
            (&mut self.users_wanted, |second| second.users_wanted.map(f64::from)),
            (&mut self.rate_wanted, |second| second.rate_wanted),
            (&mut self.rps, |second| Some(second.rps)),
            (&mut self.fps, |second| Some(second.fps)),
            (&mut self.response_p50, |second| second.response_p50),
            (&mut self.response_p95, |second| second.response_p95),
            (&mut self.response_p99, |second| second.response_p99),
            (&mut self.service_p50, |second| second.service_p50),
            (&mut self.service_p95, |second| second.service_p95),
            (&mut self.service_p99, |second| second.service_p99),
            (&mut self.dropped, |second| Some(second.dropped as f64 / second.span.max(1.0))),
            (&mut self.cpu, |second| Some(second.cpu)),
        ]
    }
}

type Pick = fn(&Second) -> Option<f64>;

/// Least and greatest, the earlier one first.
fn extremes(values: impl Iterator<Item = Option<f64>>) -> [Option<f64>; 2] {
    let mut found: Option<[(usize, f64); 2]> = None;
    for (i, value) in values.enumerate() {
        let Some(value) = value else { continue };
        let [least, greatest] = found.get_or_insert([(i, value); 2]);
        if value < least.1 {
            *least = (i, value);
        }
        if value > greatest.1 {
            *greatest = (i, value);
        }
    }
    match found {
        None => [None, None],
        Some([least, greatest]) if least.0 <= greatest.0 => [Some(least.1), Some(greatest.1)],
        Some([least, greatest]) => [Some(greatest.1), Some(least.1)],
    }
}

/// With four digits that matter, which is more than a chart shows.
fn number(value: Option<f64>) -> Value {
    let Some(value) = value.filter(|value| value.is_finite()) else { return Value::Null };
    if value.fract() == 0.0 && value.abs() < 1e15 {
        return Value::from(value as i64);
    }
    let digits = (3 - value.abs().log10().floor() as i32).clamp(0, 6);
    let scale = 10_f64.powi(digits);
    Number::from_f64((value * scale).round() / scale).map_or(Value::Null, Value::Number)
}

fn flag(is: bool) -> Value {
    Value::from(u8::from(is))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    fn seconds(count: u32, p99: fn(u32) -> f64) -> Vec<Second> {
        let second = |at: u32| Second {
            at: at.into(),
            span: 1.0,
            rps: 100.0,
            response_p99: Some(p99(at)),
            counted: true,
            ..Second::default()
        };
        (0..count).map(second).collect()
    }

    #[test]
    fn a_short_run_keeps_each_second() {
        let points = Points::of(&seconds(600, f64::from));
        assert_eq!((points.bucket, points.t.len()), (1, 600));
        assert_eq!(points.response_p99[599], 599);
    }

    #[test]
    fn no_second_is_drawn_twice_however_long_the_run() {
        for count in 590..1_300 {
            let points = Points::of(&seconds(count, f64::from));
            let times: Vec<_> = points.t.iter().map(|t| t.as_f64().unwrap()).collect();
            assert!(times.is_sorted_by(|a, b| a < b), "{count} seconds");
            assert_eq!(times.last(), Some(&f64::from(count - 1)));
        }
    }

    #[test]
    fn a_long_run_keeps_least_and_greatest_and_the_last_second() {
        let points = Points::of(&seconds(36_000, |at| if at == 20_003 { 9_000.0 } else { 7.0 }));
        assert!(points.t.len() <= MOST, "{}", points.t.len());
        assert_eq!(points.response_p99.iter().filter(|ms| **ms == 9_000).count(), 1);
        assert!(
            points.response_p99.iter().all(|ms| *ms == 7 || *ms == 9_000),
            "nothing in between"
        );
        assert_eq!(*points.t.last().unwrap(), 35_999);
        let times: Vec<_> = points.t.iter().map(|t| t.as_f64().unwrap()).collect();
        assert!(times.is_sorted_by(|a, b| a < b), "each point is later than the one before");
    }

    #[test]
    fn extremes_come_in_the_order_of_their_seconds() {
        let of = |values: &[f64]| extremes(values.iter().map(|value| Some(*value)));
        assert_eq!(of(&[3.0, 9.0, 1.0]), [Some(9.0), Some(1.0)]);
        assert_eq!(of(&[3.0, 1.0, 9.0]), [Some(1.0), Some(9.0)]);
        assert_eq!(extremes([None, Some(2.0), None].into_iter()), [Some(2.0), Some(2.0)]);
        assert_eq!(extremes([None].into_iter()), [None, None]);
    }

    #[test]
    fn four_digits_matter() {
        let all = [12.345_678, 0.012_345_6, 1_234.567, 5.0].map(|value| number(Some(value)));
        assert_eq!(all.map(|value| value.to_string()), ["12.35", "0.01235", "1235.0", "5"]);
        assert_eq!(number(Some(f64::NAN)), Value::Null);
    }
}
