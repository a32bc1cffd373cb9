//! Traces on their way to a collector: iterations of users as spans of OpenTelemetry.
//!
//! ```text
//! iteration ── task ──┬─ GET /items        client spans, by the semantic conventions for HTTP
//!                     └─ POST /cart
//! ```
//!
//! Each waits in the engine's bounded queue until a task here has put its spans into a batch. What a collector does
//! not take is lost, counted and told once.

use std::borrow::Cow;
use std::time::{Duration, SystemTime};

use loadhost_engine::watch::{IterationTrace, RequestSpan, Traces};
use opentelemetry::trace::{
    SpanContext, SpanId, SpanKind, Status, TraceFlags, TraceId, TraceState,
};
use opentelemetry::{InstrumentationScope, KeyValue};
use opentelemetry_otlp::SpanExporter;
use opentelemetry_sdk::trace::{SpanData, SpanEvents, SpanExporter as _, SpanLinks};
use tokio::sync::{mpsc, watch};
use tokio::task::JoinHandle;
use tokio::time::{Instant, sleep_until, timeout_at};

use super::otlp::Otlp;
use crate::failure::Failure;

/// Spans that are sent at once, but for the rest of a trace.
const TOGETHER: usize = 512;

/// Sends what [`Traces`] tell.
pub(super) struct TraceExport {
    traces: Traces,
    /// Set once the process is to end: what is not sent by then is lost.
    deadline: watch::Sender<Option<Instant>>,
    /// How many spans were lost.
    task: JoinHandle<u64>,
}

impl TraceExport {
    /// Starts the task, which ends with the last clone of the traces but its own. Without a collector it lets go of
    /// them: then only the target is told.
    pub(super) fn start(
        otlp: Option<&Otlp>,
        traces: Traces,
        told: mpsc::Receiver<IterationTrace>,
    ) -> Result<Self, Failure> {
        let (deadline, follow_deadline) = watch::channel(None);
        let task = match otlp {
            Some(otlp) => {
                let export = Export {
                    exporter: otlp.spans()?,
                    interval: otlp.interval,
                    scope: InstrumentationScope::builder("loadhost")
                        .with_version(env!("CARGO_PKG_VERSION"))
                        .build(),
                    deadline: follow_deadline,
                    lost: 0,
                    told: false,
                };
                tokio::spawn(export.follow(told))
            }
            None => tokio::spawn(forget(told)),
        };
        Ok(Self { traces, deadline, task })
    }

    /// Users are gone: waits until their traces are sent, but no longer than `patience`, and says what is missing.
    pub(super) async fn finish(self, patience: Duration) {
        let dropped = self.traces.dropped();
        drop(self.traces);
        self.deadline.send_replace(Some(Instant::now() + patience));
        // It waits for nothing beyond the deadline; a fault in there would have told of itself.
        let lost = self.task.await.unwrap_or_default();
        if dropped > 0 {
            say!(
                "warning: {dropped} traces were not sent: they came faster than the collector took them (trace_queue)"
            );
        }
        if lost > 0 {
            say!("warning: {lost} spans were not taken by the collector of `--otlp`");
        }
    }
}

async fn forget(mut told: mpsc::Receiver<IterationTrace>) -> u64 {
    while told.recv().await.is_some() {}
    0
}

struct Export {
    exporter: SpanExporter,
    interval: Duration,
    scope: InstrumentationScope,
    deadline: watch::Receiver<Option<Instant>>,
    lost: u64,
    told: bool,
}

impl Export {
    /// Until nobody can make traces any more, but no longer than the deadline. How many spans were lost.
    async fn follow(mut self, mut told: mpsc::Receiver<IterationTrace>) -> u64 {
        let mut is_over = false;
        while !is_over && !self.is_late() {
            let mut batch = Vec::new();
            let due = Instant::now() + self.interval;
            while batch.len() < TOGETHER {
                match timeout_at(due, told.recv()).await {
                    Ok(Some(trace)) => spans(trace, &self.scope, &mut batch),
                    Ok(None) => {
                        is_over = true;
                        break;
                    }
                    Err(_) => break,
                }
            }
            if !batch.is_empty() {
                self.send(batch).await;
            }
        }
        let mut left = Vec::new();
        while let Ok(trace) = told.try_recv() {
            spans(trace, &self.scope, &mut left);
        }
        self.lost + left.len() as u64
    }

    fn is_late(&self) -> bool {
        self.deadline.borrow().is_some_and(|deadline| Instant::now() >= deadline)
    }

    async fn send(&mut self, batch: Vec<SpanData>) {
        let count = batch.len() as u64;
        let sent = tokio::select! {
            sent = self.exporter.export(batch) => sent.map_err(|error| error.to_string()),
            () = passed(self.deadline.clone()) => Err("it does not answer".to_string()),
        };
        if let Err(error) = sent {
            self.lost += count;
            if !std::mem::replace(&mut self.told, true) {
                say!(
                    "warning: the collector of `--otlp` does not take traces: {error}; they are lost until it does"
                );
            }
        }
    }
}

/// Resolves at the deadline, once there is one.
async fn passed(mut deadline: watch::Receiver<Option<Instant>>) {
    let until = deadline.wait_for(Option::is_some).await.ok().and_then(|until| *until);
    match until {
        Some(until) => sleep_until(until).await,
        // Whoever would set one is gone, so there is no end to wait for.
        None => std::future::pending().await,
    }
}

fn spans(trace: IterationTrace, scope: &InstrumentationScope, out: &mut Vec<SpanData>) {
    let make = Make { trace_id: TraceId::from(trace.trace_id), scope };
    let end = trace.start + trace.took;
    let intended = trace.start.checked_sub(trace.lag).unwrap_or(trace.start);
    let status = match &trace.failure {
        None => Status::Unset,
        Some((_, why)) => Status::error(why.to_string()),
    };
    let failure = trace.failure.as_ref();
    let failure = failure.map(|(code, _)| KeyValue::new("error.type", code.to_string()));
    let who = [
        KeyValue::new("loadhost.run", trace.run.to_string()),
        KeyValue::new("loadhost.worker", trace.worker.to_string()),
        KeyValue::new("loadhost.vu", signed(trace.vu)),
        KeyValue::new("loadhost.user_type", trace.user_type.to_string()),
        KeyValue::new("loadhost.task", trace.task.to_string()),
    ];
    let iteration = [
        KeyValue::new("loadhost.iteration", signed(trace.iteration)),
        KeyValue::new("loadhost.lag_us", micros(trace.lag)),
        KeyValue::new("loadhost.requests_omitted", i64::from(trace.omitted)),
    ];
    let root = SpanData {
        attributes: who.iter().cloned().chain(iteration).chain(failure.clone()).collect(),
        status: status.clone(),
        ..make.span((trace.span_id, 0), "iteration".into(), (intended, end))
    };
    let task = SpanData {
        attributes: who.into_iter().chain(failure).collect(),
        status,
        ..make.span(
            (trace.task_span_id, trace.span_id),
            format!("task {}", trace.task).into(),
            (trace.start, end),
        )
    };
    out.extend([root, task]);
    let requests = trace.requests.into_iter();
    out.extend(requests.map(|request| make.request(request, trace.task_span_id, trace.start)));
}

struct Make<'a> {
    trace_id: TraceId,
    scope: &'a InstrumentationScope,
}

impl Make<'_> {
    /// Without attributes and status. A parent of 0: there is none.
    fn span(
        &self,
        (id, parent): (u64, u64),
        name: Cow<'static, str>,
        (start_time, end_time): (SystemTime, SystemTime),
    ) -> SpanData {
        let flags = TraceFlags::SAMPLED;
        let state = TraceState::default();
        SpanData {
            span_context: SpanContext::new(self.trace_id, SpanId::from(id), flags, false, state),
            parent_span_id: SpanId::from(parent),
            parent_span_is_remote: false,
            span_kind: SpanKind::Internal,
            name,
            start_time,
            end_time,
            attributes: Vec::new(),
            dropped_attributes_count: 0,
            events: SpanEvents::default(),
            links: SpanLinks::default(),
            status: Status::Unset,
            instrumentation_scope: self.scope.clone(),
        }
    }

    /// By <https://opentelemetry.io/docs/specs/semconv/http/http-spans/>, of a client.
    fn request(&self, request: RequestSpan, parent: u64, begin: SystemTime) -> SpanData {
        let start = begin + request.start;
        let timings = &request.timings;
        let mut attributes = vec![
            KeyValue::new("http.request.method", request.method.to_string()),
            KeyValue::new("url.full", request.url),
            KeyValue::new("network.protocol.name", "http"),
            KeyValue::new("network.protocol.version", "1.1"),
            KeyValue::new("loadhost.request.name", request.name.to_string()),
            KeyValue::new("loadhost.service_time_us", micros(timings.service())),
            KeyValue::new(
                "loadhost.connect_us",
                micros(timings.dns + timings.connect + timings.tls),
            ),
            KeyValue::new("loadhost.waiting_us", micros(timings.waiting)),
            KeyValue::new("http.request.size", signed(request.bytes_sent)),
            KeyValue::new("http.response.body.size", signed(request.body_bytes)),
        ];
        if request.name.starts_with('/') {
            attributes.push(KeyValue::new("url.template", request.name.to_string()));
        }
        if let Some((host, port)) = request.server {
            attributes.push(KeyValue::new("server.address", host));
            attributes.push(KeyValue::new("server.port", i64::from(port)));
        }
        if request.redirects > 0 {
            attributes
                .push(KeyValue::new("http.request.resend_count", i64::from(request.redirects)));
        }
        if let Some(status) = request.status {
            attributes.push(KeyValue::new("http.response.status_code", i64::from(status)));
        }
        let status = match request.failure {
            None => Status::Unset,
            Some((code, why)) => {
                // By the conventions, a status is its own kind of error.
                let kind = match (code, request.status) {
                    ("http-status", Some(status)) => status.to_string(),
                    _ => code.to_string(),
                };
                attributes.push(KeyValue::new("error.type", kind));
                Status::error(why)
            }
        };
        let name = format!("{} {}", request.method, request.name).into();
        SpanData {
            span_kind: SpanKind::Client,
            attributes,
            status,
            ..self.span((request.span_id, parent), name, (start, start + timings.total))
        }
    }
}

/// OpenTelemetry's numbers have a sign.
fn signed(number: u64) -> i64 {
    i64::try_from(number).unwrap_or(i64::MAX)
}

fn micros(span: Duration) -> i64 {
    i64::try_from(span.as_micros()).unwrap_or(i64::MAX)
}
