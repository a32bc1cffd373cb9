//! What Prometheus reads. All instruments are observed when they are asked for: a master's
//! from the coordinator's view, a worker's from its last status.
//!
//! | name | labels | of |
//! |---|---|---|
//! | `loadhost_leader` | | master: 1 if it leads |
//! | `loadhost_term` | | master |
//! | `loadhost_workers` | `liveness` | master |
//! | `loadhost_users`, `loadhost_capacity_users` | | master: of all workers that are not lost; worker |
//! | `loadhost_requests_total`, `loadhost_request_failures_total` | `method`, `name` | latest run |
//! | `loadhost_request_duration_seconds` | `time`, `quantile` | latest run, last ten seconds |
//! | `loadhost_response_time_seconds`, `loadhost_service_time_seconds` | `method`, `name`, `le` | latest run, from its start: histograms |
//! | `loadhost_response_time_quantile_seconds` | `method`, `name`, `quantile` | latest run, from its start |
//! | `loadhost_intervals_total` | `outcome` | latest run |
//! | `loadhost_dropped_arrivals_total` | | latest run |
//! | `loadhost_generator_saturated` | | latest run: 1 if its numbers are not to be trusted |
//! | `loadhost_run_state` | `state` | latest run: 1 for the one it is in |
//! | `loadhost_worker_state` | `state` | worker: 1 for the one it is in |
//! | `loadhost_cpu_ratio`, `loadhost_memory_bytes` | | worker |
//! | `loadhost_transport_events_total` | `event` | both |
//!
//! `time` is `response` (from the intended start) or `service` (from the sending).

mod buckets;
mod master;
mod worker;

use std::time::Duration;

use loadhost_control::Handle;
use opentelemetry::KeyValue;
use opentelemetry::metrics::{AsyncInstrument, Meter, MeterProvider as _};
use opentelemetry_sdk::metrics::{Instrument, SdkMeterProvider, Stream};
use prometheus::{Registry, TextEncoder};

use super::{Ops, Role};

/// Series per instrument: the rows of a view, times quantiles. Beyond, the SDK sums in one.
const CARDINALITY: usize = 4_096;

/// For histograms, which only the coordinator knows. It saves before it answers, so without its
/// store it would keep Prometheus waiting; then they are left out.
const ANSWER_WITHIN: Duration = Duration::from_secs(1);

/// Why there are no metrics.
#[derive(Debug, thiserror::Error)]
pub(super) enum MetricsError {
    #[error("metrics cannot be set up: {0}")]
    Setup(String),
    #[error("metrics cannot be written: {0}")]
    Encode(#[from] prometheus::Error),
}

/// Instruments, and the registry that is read.
pub(super) struct Metrics {
    registry: Registry,
    /// Of a master.
    distributions: Option<Handle>,
    /// Instruments live as long as it does.
    _provider: SdkMeterProvider,
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
        let provider = SdkMeterProvider::builder().with_reader(exporter).with_view(wide).build();
        let meter = provider.meter("loadhost");
        let distributions = match &ops.role {
            Role::Master(handle) => {
                master::observe(&meter, &handle.view());
                Some(handle.clone())
            }
            Role::Worker(status) => {
                worker::observe(&meter, status);
                None
            }
        };
        let transport = ops.transport.clone();
        counter(&meter, "loadhost_transport_events", "Events of the transport", move |observer| {
            for (event, count) in transport() {
                observer.observe(count, &[KeyValue::new("event", event)]);
            }
        });
        Ok(Self { registry, distributions, _provider: provider })
    }

    /// In Prometheus' text format.
    pub(super) async fn text(&self) -> Result<String, MetricsError> {
        let mut families = self.registry.gather();
        if let Some(handle) = &self.distributions {
            let asked = tokio::time::timeout(ANSWER_WITHIN, handle.distributions()).await;
            families.extend(buckets::families(&asked.unwrap_or_default()));
        }
        Ok(TextEncoder::new().encode_to_string(&families)?)
    }
}

/// Only goes up; `_total` is added to the name.
fn counter(
    meter: &Meter,
    name: &'static str,
    help: &'static str,
    observe: impl Fn(&dyn AsyncInstrument<u64>) + Send + Sync + 'static,
) {
    meter.u64_observable_counter(name).with_description(help).with_callback(observe).build();
}

/// Goes up and down.
fn gauge(
    meter: &Meter,
    name: &'static str,
    help: &'static str,
    observe: impl Fn(&dyn AsyncInstrument<f64>) + Send + Sync + 'static,
) {
    meter.f64_observable_gauge(name).with_description(help).with_callback(observe).build();
}
