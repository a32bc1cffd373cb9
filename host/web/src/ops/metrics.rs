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
mod worker;

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Weak};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use loadhost_control::Handle;
use loadhost_control::distribution::Distribution;
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
    distributions: Option<Handle>,
    began: SystemTime,
    exports: Arc<Exports>,
    /// Instruments live as long as it does.
    _provider: SdkMeterProvider,
}

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
        process::observe(&meter, ops, &exports);
        let distributions = match &ops.role {
            Role::Master(handle) => {
                master::observe(&meter, &handle.view(), ops.site.as_ref());
                Some(handle.clone())
            }
            Role::Worker(status) => {
                worker::observe(&meter, status, ops.work.as_ref());
                worker::observe_kept(&meter, ops.kept_modules.clone());
                None
            }
        };
        let began = SystemTime::now();
        Ok(Self { registry, reader, distributions, began, exports, _provider: provider })
    }

    /// In Prometheus' text format.
    pub(super) async fn text(&self) -> Result<String, MetricsError> {
        let mut families = self.registry.gather();
        families.extend(buckets::families(&self.distributions().await));
        Ok(TextEncoder::new().encode_to_string(&families)?)
    }

    /// Since when histograms count: they begin anew with each run.
    fn began_of_run(&self) -> SystemTime {
        let started = self.distributions.as_ref().and_then(|handle| {
            let view = handle.view();
            let started = view.borrow().runs.last().and_then(|run| run.started);
            started.map(|micros| UNIX_EPOCH + Duration::from_micros(micros))
        });
        started.map_or(self.began, |started| started.max(self.began))
    }

    /// Empty for a worker, and where the coordinator does not answer in time.
    async fn distributions(&self) -> Vec<Distribution> {
        let Some(handle) = &self.distributions else { return Vec::new() };
        let asked = tokio::time::timeout(ANSWER_WITHIN, handle.distributions()).await;
        asked.unwrap_or_default()
    }
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
