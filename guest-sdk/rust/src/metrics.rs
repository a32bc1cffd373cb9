//! Checks, groups and metrics of one's own.
//!
//! A metric is made in the host when it is first used, and found again by its name.

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::rc::Rc;

use crate::host;

/// A named condition, counted as held or not; returns `ok`.
///
/// ```no_run
/// # use loadhost_sdk::prelude::*;
/// # let items = vec![1];
/// if !check("shop has items", !items.is_empty()) { return; }
/// ```
pub fn check(name: &str, ok: bool) -> bool {
    host::check(name, ok)
}

/// Runs `body`; what it sends and checks counts under this name. Groups nest.
pub fn group<T>(name: &str, body: impl FnOnce() -> T) -> T {
    struct Guard;
    impl Drop for Guard {
        fn drop(&mut self) {
            host::group_end();
        }
    }
    host::group_begin(name);
    let _guard = Guard;
    body()
}

/// What a metric does with its values.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Kind {
    /// Their sum.
    Counter,
    /// The last, the least and the greatest.
    Gauge,
    /// The share of values that are not zero.
    Rate,
    /// Their distribution.
    Trend,
}

/// A metric, with tags for what is added next.
#[derive(Debug)]
#[must_use = "nothing is measured before `.add(…)`"]
pub struct Metric<'a> {
    name: &'a str,
    kind: Kind,
    unit: &'a str,
    tags: Vec<(String, String)>,
}

/// Adds up: `counter("carts").add(1)`.
pub fn counter(name: &str) -> Metric<'_> {
    Metric::new(name, Kind::Counter)
}

/// Keeps the last value: `gauge("queue").add(17)`.
pub fn gauge(name: &str) -> Metric<'_> {
    Metric::new(name, Kind::Gauge)
}

/// Share of true values: `rate("cache_hit").add(hit)`.
pub fn rate(name: &str) -> Metric<'_> {
    Metric::new(name, Kind::Rate)
}

/// A distribution: `trend("basket").unit("eur").add(12.5)`.
pub fn trend(name: &str) -> Metric<'_> {
    Metric::new(name, Kind::Trend)
}

impl<'a> Metric<'a> {
    fn new(name: &'a str, kind: Kind) -> Self {
        Self { name, kind, unit: "", tags: Vec::new() }
    }

    /// Such as `ms` or `bytes`; counts when the metric is first used.
    pub fn unit(mut self, unit: &'a str) -> Self {
        self.unit = unit;
        self
    }

    /// Splits the metric: `counter("carts").tag("kind", "gift").add(1)`.
    pub fn tag(mut self, key: &str, value: impl ToString) -> Self {
        self.tags.push((key.to_string(), value.to_string()));
        self
    }

    /// Counts a value.
    pub fn add(self, value: impl Sample) {
        self.handle().add(value.sample(), &self.tags);
    }

    fn handle(&self) -> Rc<host::Metric> {
        METRICS.with_borrow_mut(|metrics| {
            if let Some((kind, metric)) = metrics.get(self.name) {
                if *kind == self.kind {
                    return metric.clone();
                }
            }
            // A second kind under one name: the host explains it.
            let metric = Rc::new(host::Metric::new(self.name, self.kind, self.unit));
            metrics.insert(self.name.to_string(), (self.kind, metric.clone()));
            metric
        })
    }
}

thread_local! {
    static METRICS: RefCell<BTreeMap<String, (Kind, Rc<host::Metric>)>> = RefCell::default();
}

/// Forgets handles, which belong to a world of a test.
#[cfg(not(target_arch = "wasm32"))]
pub(crate) fn forget() {
    METRICS.with_borrow_mut(BTreeMap::clear);
}

/// A value of a metric: any number, or a `bool`.
pub trait Sample {
    /// As the host takes it.
    fn sample(self) -> f64;
}

macro_rules! samples {
    ($($type:ty),*) => {$(
        impl Sample for $type {
            fn sample(self) -> f64 {
                self as f64
            }
        }
    )*};
}
samples!(u8, u16, u32, u64, usize, i8, i16, i32, i64, isize, f32, f64);

impl Sample for bool {
    fn sample(self) -> f64 {
        if self { 1.0 } else { 0.0 }
    }
}

/// In milliseconds.
impl Sample for std::time::Duration {
    fn sample(self) -> f64 {
        self.as_secs_f64() * 1e3
    }
}
