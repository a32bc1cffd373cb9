//! Metrics on their way to an OTLP collector, in protobuf.
//!
//! Counters and histograms are cumulative, so an export that fails or comes late loses nothing: the next one says it all.
//! One export is under way at a time; ticks that pass meanwhile are left out.

use std::sync::Arc;
use std::time::{Duration, SystemTime};

use futures_util::future::BoxFuture;
use opentelemetry_proto::tonic::collector::metrics::v1::ExportMetricsServiceRequest;
use opentelemetry_sdk::Resource;
use opentelemetry_sdk::metrics::data::ResourceMetrics;
use opentelemetry_sdk::metrics::reader::MetricReader as _;
use prost::Message as _;
use tokio::time::{MissedTickBehavior, interval, timeout};
use tokio_util::sync::CancellationToken;

use super::{Metrics, MetricsError, buckets};
use crate::ops::Ops;

/// For the last export, when the process ends.
const FAREWELL: Duration = Duration::from_secs(2);

/// Where metrics are pushed to.
#[derive(Clone)]
pub struct Collector {
    /// Sends the body of one request, with a time limit of its own.
    pub send: Sender,
    /// Between two exports.
    pub every: Duration,
    /// What the process says of itself.
    pub resource: Resource,
}

/// Says why it failed.
pub(super) type Sender =
    Arc<dyn Fn(Vec<u8>) -> BoxFuture<'static, Result<(), String>> + std::marker::Send + Sync>;

/// Pushes the metrics of `ops` to its collector until `stop`, and once more then. Returns at once if there is no collector.
///
/// # Errors
/// If the metrics cannot be set up.
pub async fn push(ops: Ops, stop: CancellationToken) -> Result<(), MetricsError> {
    let Some(collector) = ops.collector.clone() else { return Ok(()) };
    let metrics = ops.metrics()?;
    let mut ticks = interval(collector.every);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Skip);
    let mut trouble = None;
    loop {
        tokio::select! {
            () = stop.cancelled() => break,
            _ = ticks.tick() => {}
        }
        let done = tokio::select! {
            () = stop.cancelled() => break,
            done = metrics.export(&collector) => done,
        };
        note(done, &mut trouble);
    }
    let late = || Err("it did not answer in time".to_string());
    let last = timeout(FAREWELL, metrics.export(&collector)).await.unwrap_or_else(|_| late());
    if let Err(error) = last {
        tracing::warn!(%error, "the collector did not take the last metrics");
    }
    Ok(())
}

/// Says it once when it begins to fail, and once when it is well again.
fn note(done: Result<(), String>, trouble: &mut Option<String>) {
    match (done, trouble.is_some()) {
        (Err(error), false) => {
            tracing::warn!(%error, "metrics cannot be pushed to the collector; trying again");
            *trouble = Some(error);
        }
        (Ok(()), true) => {
            tracing::warn!("metrics are pushed to the collector again");
            *trouble = None;
        }
        _ => {}
    }
}

impl Metrics {
    async fn export(&self, collector: &Collector) -> Result<(), String> {
        let done = match self.encoded().await {
            Ok(body) => (collector.send)(body).await,
            Err(error) => Err(error),
        };
        self.exports.count(&done);
        done
    }

    async fn encoded(&self) -> Result<Vec<u8>, String> {
        let mut collected = ResourceMetrics::default();
        self.reader.collect(&mut collected).map_err(|error| error.to_string())?;
        let mut request = ExportMetricsServiceRequest::from(&collected);
        let times = (self.began, SystemTime::now());
        let histograms = buckets::pushed(&self.distributions().await, times);
        let scopes = request.resource_metrics.iter_mut().flat_map(|one| &mut one.scope_metrics);
        if let Some(scope) = scopes.into_iter().next() {
            scope.metrics.extend(histograms);
        }
        Ok(request.encode_to_vec())
    }
}
