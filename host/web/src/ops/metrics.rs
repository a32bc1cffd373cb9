//! What monitoring reads, by one meter provider: Prometheus asks for it at `/metrics`, and it is pushed to an OTLP collector if there
//! is one (`push`). All instruments are observed when they are asked for: a master's from the coordinator's view, a worker's
//! from its last status and its own counts. `docs/metrics.md` lists them; a test holds it true.
//!
//! Histograms of times are merged by the coordinator and cannot be observed through an instrument, so both ways take them
//! from it in their own form (`buckets`, [why](../../../../docs/adr/0013-one-meter-provider.md)).

mod buckets;
mod master;
mod process;
mod push;
mod sums;
mod worker;

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError, Weak};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use loadhost_control::Handle;
use loadhost_control::distribution::{Buckets, Distribution, RunTimes};
use opentelemetry::KeyValue;
use opentelemetry::metrics::{AsyncInstrument, Meter, MeterProvider as _};
use opentelemetry_sdk::error::OTelSdkResult;
use opentelemetry_sdk::metrics::data::ResourceMetrics;
use opentelemetry_sdk::metrics::reader::MetricReader;
use opentelemetry_sdk::metrics::{
    Instrument, InstrumentKind, ManualReader, Pipeline, SdkMeterProvider, Stream, Temporality,
};
use prometheus::{Registry, TextEncoder};

use super::{Ops, Role};

pub use push::{Collector, push};
use sums::{Look, Sums};

/// Series per instrument: the rows of a view, times percentiles. Beyond, the SDK sums in one.
const CARDINALITY: usize = 4_096;

/// For histograms, which only the coordinator knows. It saves before it answers, so without its
/// store it would keep Prometheus waiting; then they are left out.
const ANSWER_WITHIN: Duration = Duration::from_secs(1);

/// Why there are no metrics.
#[derive(Debug, thiserror::Error)]
pub enum MetricsError {
    /// The SDK refuses its own instruments.
    #[error("metrics cannot be set up: {0}")]
    Setup(String),
    /// They have no text form.
    #[error("metrics cannot be written: {0}")]
    Encode(#[from] prometheus::Error),
}

/// Instruments, and those who read them.
pub(super) struct Metrics {
    registry: Registry,
    /// For those who are pushed to.
    reader: Reader,
    /// Of a master.
    times: Option<(Handle, Mutex<TimesByName>)>,
    began: SystemTime,
    exports: Arc<Exports>,
    /// Instruments live as long as it does.
    _provider: SdkMeterProvider,
}

/// By method and name: response and service times.
type TimesByName = Sums<(Arc<str>, Arc<str>), [Buckets; 2]>;

/// What became of pushing.
#[derive(Debug, Default)]
struct Exports {
    sent: AtomicU64,
    failed: AtomicU64,
}

impl Metrics {
    pub(super) fn new(ops: &Ops) -> Result<Self, MetricsError> {
        let registry = Registry::new();
        let exporter = opentelemetry_prometheus::exporter()
            .with_registry(registry.clone())
            .scope_info_enabled(false)
            .without_target_info()
            .without_units()
            .build()
            .map_err(|error| MetricsError::Setup(error.to_string()))?;
        let wide =
            |_: &Instrument| Stream::builder().with_cardinality_limit(CARDINALITY).build().ok();
        let mut builder = SdkMeterProvider::builder().with_reader(exporter).with_view(wide);
        let reader = Reader::default();
        if let Some(collector) = &ops.collector {
            builder = builder.with_resource(collector.resource.clone()).with_reader(reader.clone());
        }
        let provider = builder.build();
        let meter = provider.meter("loadhost");
        let exports = Arc::new(Exports::default());
        let began = SystemTime::now();
        process::observe(&meter, ops, &exports);
        let times = match &ops.role {
            Role::Master(handle) => {
                let began = micros(began);
                master::observe(&meter, (&handle.view(), began), ops.site.as_ref());
                Some((handle.clone(), Mutex::new(Sums::since(began, master::other()))))
            }
            Role::Worker(status) => {
                worker::observe(&meter, status, ops.work.as_ref());
                worker::observe_kept(&meter, ops.kept_modules.clone());
                None
            }
        };
        Ok(Self { registry, reader, times, began, exports, _provider: provider })
    }

    /// In Prometheus' text format.
    pub(super) async fn text(&self) -> Result<String, MetricsError> {
        let mut families = self.registry.gather();
        families.extend(buckets::families(&self.distributions().await));
        Ok(TextEncoder::new().encode_to_string(&families)?)
    }

    /// Of all runs; empty for a worker. Where the coordinator does not answer in time they are as they were.
    async fn distributions(&self) -> Vec<Distribution> {
        let Some((handle, sums)) = &self.times else { return Vec::new() };
        let lock = || sums.lock().unwrap_or_else(PoisonError::into_inner);
        let known = lock().over().cloned().collect();
        let asked = tokio::time::timeout(ANSWER_WITHIN, handle.times(known)).await;
        let mut sums = lock();
        if let Ok(runs) = asked {
            sums.take(runs.into_iter().map(look));
        }
        let all = sums.sums().iter().map(|((method, name), [response_time, service_time])| {
            let (method, name) = (method.clone(), name.clone());
            let (response_time, service_time) = (*response_time, *service_time);
            Distribution { method, name, response_time, service_time }
        });
        all.collect()
    }
}

fn look(run: RunTimes) -> Look<(Arc<str>, Arc<str>), [Buckets; 2]> {
    let RunTimes { run, started, counted_from, is_over, times } = run;
    let of = |one: Distribution| ((one.method, one.name), [one.response_time, one.service_time]);
    Look { run, started, counted_from, is_over, amounts: times.into_iter().map(of).collect() }
}

/// Since the Unix epoch.
fn micros(time: SystemTime) -> u64 {
    let since = time.duration_since(UNIX_EPOCH).unwrap_or_default();
    u64::try_from(since.as_micros()).unwrap_or(u64::MAX)
}

/// Asked by this program when it is time. Shared, since the provider keeps its readers.
#[derive(Debug, Clone)]
struct Reader(Arc<ManualReader>);

impl Default for Reader {
    fn default() -> Self {
        Self(Arc::new(ManualReader::builder().build()))
    }
}

impl MetricReader for Reader {
    fn register_pipeline(&self, pipeline: Weak<Pipeline>) {
        self.0.register_pipeline(pipeline);
    }

    fn collect(&self, into: &mut ResourceMetrics) -> OTelSdkResult {
        self.0.collect(into)
    }

    fn force_flush(&self) -> OTelSdkResult {
        self.0.force_flush()
    }

    fn shutdown_with_timeout(&self, timeout: Duration) -> OTelSdkResult {
        self.0.shutdown_with_timeout(timeout)
    }

    fn temporality(&self, kind: InstrumentKind) -> Temporality {
        self.0.temporality(kind)
    }
}

impl Exports {
    fn count(&self, done: &Result<(), String>) {
        let counter = if done.is_ok() { &self.sent } else { &self.failed };
        counter.fetch_add(1, Ordering::Relaxed);
    }
}

/// What an instrument is called, and what it tells.
#[derive(Clone, Copy)]
struct About {
    name: &'static str,
    /// As OpenTelemetry writes it: `s`, `By`, `1`, `{user}`, …
    unit: &'static str,
    help: &'static str,
}

fn about(name: &'static str, unit: &'static str, help: &'static str) -> About {
    About { name, unit, help }
}

/// Only goes up; `_total` is added to the name for Prometheus.
fn counter(
    meter: &Meter,
    about: About,
    observe: impl Fn(&dyn AsyncInstrument<u64>) + Send + Sync + 'static,
) {
    let instrument = meter.u64_observable_counter(about.name).with_unit(about.unit);
    instrument.with_description(about.help).with_callback(observe).build();
}

/// The same, of seconds.
fn seconds(meter: &Meter, about: About, observe: impl Fn() -> Duration + Send + Sync + 'static) {
    let instrument = meter.f64_observable_counter(about.name).with_unit(about.unit);
    let callback =
        move |observer: &dyn AsyncInstrument<f64>| observer.observe(observe().as_secs_f64(), &[]);
    instrument.with_description(about.help).with_callback(callback).build();
}

/// Goes up and down.
fn gauge(
    meter: &Meter,
    about: About,
    observe: impl Fn(&dyn AsyncInstrument<f64>) + Send + Sync + 'static,
) {
    let instrument = meter.f64_observable_gauge(about.name).with_unit(about.unit);
    instrument.with_description(about.help).with_callback(observe).build();
}

/// Goes up and down, without labels; None: it is not told.
fn single(meter: &Meter, about: About, value: impl Fn() -> Option<f64> + Send + Sync + 'static) {
    gauge(meter, about, move |observer| {
        if let Some(value) = value() {
            observer.observe(value, &[]);
        }
    });
}

/// Counts by event, each name once.
fn events(
    meter: &Meter,
    about: About,
    label: &'static str,
    counts: impl Fn() -> Vec<(&'static str, u64)> + Send + Sync + 'static,
) {
    counter(meter, about, move |observer| {
        let mut sums = BTreeMap::new();
        for (name, count) in counts() {
            *sums.entry(name).or_insert(0_u64) += count;
        }
        for (name, count) in sums {
            observer.observe(count, &[KeyValue::new(label, name)]);
        }
    });
}

/// 1 for the one of `names` that is `current`, 0 for the others.
fn one_of(observer: &dyn AsyncInstrument<f64>, names: &[&'static str], current: Option<&str>) {
    for name in names {
        let here = f64::from(u8::from(current == Some(name)));
        observer.observe(here, &[KeyValue::new("state", *name)]);
    }
}
