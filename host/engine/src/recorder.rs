//! What a shard measured since it was last asked.
//!
//! ```text
//! users of a shard ── samples ──> Recorder ── drain, each second ──> Statistics
//!                                    │
//!                        Names (of all shards): key ↔ SeriesId, caps
//! ```
//!
//! A series is looked up once, by [`Recorder::series`], and named by its [`SeriesId`] from then on.
//! Recording a sample then takes one lock that nobody else holds but for the moment of the
//! drain, and touches the memory of that series alone.

mod names;
mod series;

use std::collections::{BTreeMap, HashMap};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use loadhost_model::interval::{ErrorKey, ErrorStats, Statistics, StepTimes};
use loadhost_model::metric::SeriesKey;

pub use names::{Names, SeriesId};
use series::Series;

use crate::load::clock::RunClock;

/// One finished request, successful or not.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct HttpSample {
    /// Intended start to the end of the body, in microseconds.
    pub response_time_us: u64,
    /// Sending to the end of the body, in microseconds.
    pub service_time_us: u64,
    /// Of the answer; 0: there was none.
    pub status: u16,
    /// Whether it counts as failed.
    pub failed: bool,
    /// Sent, with headers.
    pub bytes_sent: u64,
    /// Received, with headers.
    pub bytes_received: u64,
    /// Of the body alone.
    pub body_bytes: u64,
    /// Microseconds in each step.
    pub steps: StepTimes,
}

/// Collects the samples of one shard.
#[derive(Debug)]
pub struct Recorder {
    clock: RunClock,
    names: Arc<Names>,
    inner: Mutex<Inner>,
}

#[derive(Debug, Default)]
struct Inner {
    known: HashMap<SeriesKey, SeriesId>,
    checks: HashMap<Arc<str>, HashMap<Arc<str>, SeriesId>>,
    series: Vec<Series>,
    /// Indices into `series` of those with a sample since the last drain.
    touched: Vec<SeriesId>,
    errors: BTreeMap<ErrorKey, ErrorStats>,
    capped: BTreeMap<&'static str, u64>,
    rest: Statistics,
}

impl Inner {
    fn series(&mut self, id: SeriesId) -> &mut Series {
        let index = id.index();
        if index >= self.series.len() {
            self.series.resize_with(index + 1, Series::default);
        }
        let series = &mut self.series[index];
        if !series.touched {
            series.touched = true;
            self.touched.push(id);
        }
        series
    }

    fn cap(&mut self, name: &'static str) {
        *self.capped.entry(name).or_default() += 1;
    }
}

impl Recorder {
    /// A recorder for one shard; `names` are those of all shards of the worker in this run.
    pub fn new(clock: RunClock, names: Arc<Names>) -> Self {
        Self { clock, names, inner: Mutex::default() }
    }

    fn inner(&self) -> MutexGuard<'_, Inner> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The number of this series, which stays for the run: keep it. Beyond a cap of the run it
    /// is that of the series `other`, and the cap is counted (`names`, `metrics`, `series`).
    pub fn series(&self, key: &SeriesKey) -> SeriesId {
        let mut inner = self.inner();
        if let Some(id) = inner.known.get(key) {
            return *id;
        }
        match self.names.intern(key) {
            Ok(id) => {
                inner.known.insert(key.clone(), id);
                id
            }
            Err(full) => {
                inner.cap(full.cap);
                full.other
            }
        }
    }

    /// Counts a request under a series of kind [`SeriesKey::Http`].
    pub fn http(&self, id: SeriesId, sample: &HttpSample) {
        self.inner().series(id).http(sample);
    }

    /// Counts a check by its name and the path of open groups, and looks its series up.
    pub fn check(&self, name: &str, group: &Arc<str>, passed: bool) {
        let mut inner = self.inner();
        if let Some(&id) = inner.checks.get(group).and_then(|checks| checks.get(name)) {
            return inner.series(id).pass(passed);
        }
        drop(inner);
        let name: Arc<str> = name.into();
        let key = SeriesKey::Check { name: Arc::clone(&name), group: Arc::clone(group) };
        let id = self.series(&key);
        let mut inner = self.inner();
        if inner.known.contains_key(&key) {
            inner.checks.entry(Arc::clone(group)).or_default().insert(name, id);
        }
        inner.series(id).pass(passed);
    }

    /// Adds a value to a series of kind [`SeriesKey::Custom`]. Values that are no finite number
    /// are dropped and counted as `metric_value`, and so are negative ones of trends.
    pub fn custom(&self, id: SeriesId, value: f64) {
        let at = micros(self.clock.elapsed());
        let shape = self.names.shape(id);
        let mut inner = self.inner();
        if !inner.series(id).custom(shape, value, at) {
            inner.cap("metric_value");
        }
    }

    /// Counts how long a group was open, under a series of kind [`SeriesKey::Group`].
    pub fn group(&self, id: SeriesId, open: Duration) {
        self.inner().series(id).trend(micros(open));
    }

    /// Counts an iteration under a series of kind [`SeriesKey::Task`].
    pub fn task(&self, id: SeriesId, duration: Duration, failed: bool) {
        self.inner().series(id).task(micros(duration), failed);
    }

    /// Counts an error. `detail` is asked for only when this key has none yet.
    ///
    /// Beyond the run's cap of distinct errors it counts as `other`, and the cap as `errors`.
    pub fn error(&self, key: &ErrorKey, detail: impl FnOnce() -> Arc<str>) {
        let at = micros(self.clock.elapsed());
        let mut inner = self.inner();
        if let Some(stats) = inner.errors.get_mut(key) {
            stats.count += 1;
            stats.last = at;
            return;
        }
        let (key, fits) = self.names.admit_error(key);
        if !fits {
            inner.cap("errors");
        }
        let stats = inner.errors.entry(key).or_insert_with(|| ErrorStats {
            count: 0,
            first: at,
            last: at,
            detail: if fits { names::bounded(&detail(), names::DETAIL_BYTES) } else { "".into() },
        });
        stats.count += 1;
        stats.last = at;
    }

    /// Counts that a cap refused or cut something; `name` is that of its flag.
    pub fn capped(&self, name: &'static str) {
        self.inner().cap(name);
    }

    /// Counts how late an iteration started that had a time of its own to start at.
    pub fn start_lag(&self, lag: Duration) {
        self.inner().rest.health.start_lag.record(micros(lag));
    }

    /// Counts how late a timer of the shard fired.
    pub fn loop_lag(&self, lag: Duration) {
        self.inner().rest.health.loop_lag.record(micros(lag));
    }

    /// Counts arrivals that were due.
    pub fn arrivals(&self, count: u64) {
        self.inner().rest.counters.arrivals += count;
    }

    /// Counts arrivals that were dropped.
    pub fn dropped_arrivals(&self, count: u64) {
        self.inner().rest.counters.dropped_arrivals += count;
    }

    /// Counts an iteration cut short by the end of its phase.
    pub fn interrupted(&self) {
        self.inner().rest.counters.interrupted += 1;
    }

    /// Counts a user that became unusable.
    pub fn crashed_user(&self) {
        self.inner().rest.counters.crashed_users += 1;
    }

    /// Everything since the last drain. [`Statistics::health`] has no `cpu`: the caller knows
    /// over what time it is to be taken.
    pub fn drain(&self) -> Statistics {
        let mut inner = self.inner();
        let mut statistics = std::mem::take(&mut inner.rest);
        let touched = std::mem::take(&mut inner.touched);
        for &id in &touched {
            let key = self.names.key(id);
            if let Some(stats) = inner.series[id.index()].take() {
                statistics.series.insert(key, stats);
            }
        }
        inner.touched = touched;
        inner.touched.clear();
        statistics.errors = std::mem::take(&mut inner.errors);
        for (name, count) in std::mem::take(&mut inner.capped) {
            statistics.counters.capped.insert(name.into(), count);
        }
        statistics
    }
}

fn micros(span: Duration) -> u64 {
    u64::try_from(span.as_micros()).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests;
