//! From an exchange to what is counted, and to what the guest sees.

use std::sync::Arc;
use std::time::Duration;

use loadhost_model::interval::{ErrorKey, Origin, StepTimes};
use loadhost_model::metric::SeriesKey;

use super::names::{self, tidy};
use crate::bindings::http as wit;
use crate::http::{Exchange, Failure, FailureKind};
use crate::load::vu::ShardContext;
use crate::recorder::{HttpSample, Recorder, SeriesId};
use crate::watch::{Counted, Pending};

/// Under what a request is counted. Cheap to clone.
#[derive(Debug, Clone)]
pub(super) struct Series {
    pub(super) id: SeriesId,
    method: Arc<str>,
    name: Arc<str>,
}

impl Series {
    pub(super) fn new(
        recorder: &Recorder,
        method: &str,
        name: &str,
        tags: &[(String, String)],
        group: &Arc<str>,
    ) -> Self {
        let (method, name) = (tidy(recorder, method), tidy(recorder, name));
        let (method, name): (Arc<str>, Arc<str>) = (method.into(), name.into());
        let key = SeriesKey::Http {
            method: Arc::clone(&method),
            name: Arc::clone(&name),
            tags: names::sorted(recorder, tags),
            group: Arc::clone(group),
        };
        Self { id: recorder.series(&key), method, name }
    }

    /// How an exchange counts under it, as loadhost judges it.
    #[cold]
    pub(super) fn counted(&self, exchange: &Exchange, lag: Duration) -> Counted<'_> {
        Counted {
            method: &self.method,
            name: &self.name,
            response_time_us: micros(lag + exchange.timings.total),
            failure: failure_of(exchange),
        }
    }

    fn error(&self, recorder: &Recorder, code: &str, message: &str) {
        let origin =
            Origin::Request { method: Arc::clone(&self.method), name: Arc::clone(&self.name) };
        let key = ErrorKey { origin, code: code.into(), message: message.into() };
        recorder.error(&key, || "".into());
    }
}

/// A finished exchange that is to be counted: at once, or when the guest has looked at it.
#[derive(Debug)]
pub(super) struct Finished {
    pub(super) series: Series,
    sample: HttpSample,
    /// Code and message, if it failed.
    failure: Option<(&'static str, String)>,
    /// For the access log, if there is one.
    pending: Option<Box<Pending>>,
}

impl Finished {
    /// `lag`: how much later than intended the request was sent.
    pub(super) fn new(series: Series, exchange: &Exchange, lag: Duration) -> Self {
        let failure = failure_of(exchange);
        Self { series, sample: sample(exchange, lag, failure.is_some()), failure, pending: None }
    }

    /// To be put into the access log once it is counted.
    pub(super) fn with_pending(self, pending: Option<Pending>) -> Self {
        Self { pending: pending.map(Box::new), ..self }
    }

    /// The guest's own verdict takes the place of loadhost's.
    pub(super) fn mark(&mut self, verdict: Result<(), String>) {
        self.sample.failed = verdict.is_err();
        self.failure = verdict.err().map(|why| ("marked", why));
    }

    pub(super) fn record(self, recorder: &Recorder) {
        recorder.http(self.series.id, &self.sample);
        if let Some(pending) = self.pending {
            pending.put_as(self.failure.as_ref(), recorder);
        }
        if let Some((code, message)) = &self.failure {
            self.series.error(recorder, code, message);
        }
    }
}

/// Code and message, if it failed.
fn failure_of(exchange: &Exchange) -> Option<(&'static str, String)> {
    match &exchange.result {
        Err(failure) => Some((failure.kind.code(), failure.message.to_string())),
        Ok(answer) => answer.verdict.as_ref().err().map(|why| {
            let code = if why.starts_with("status") { "http-status" } else { "expectation" };
            (code, why.to_string())
        }),
    }
}

/// Counts what a cap cut, and bytes that nobody had asked for.
#[inline]
pub(super) fn count_caps(recorder: &Recorder, exchange: &Exchange) {
    if let Some(name) = exchange.capped {
        recorder.capped(name);
    }
    for _ in 0..exchange.surplus {
        recorder.capped("surplus_bytes");
    }
}

/// Counts an exchange at once: the hot path, without a copy of anything.
#[inline]
pub(super) fn record(shard: &ShardContext, series: &Series, exchange: &Exchange, lag: Duration) {
    count_caps(&shard.recorder, exchange);
    if exchange.ok() {
        shard.recorder.http(series.id, &sample(exchange, lag, false));
    } else {
        Finished::new(series.clone(), exchange, lag).record(&shard.recorder);
    }
}

/// Counts a request that was refused before it was sent.
pub(super) fn record_refusal(shard: &ShardContext, series: &Series, why: &str) {
    shard.recorder.http(series.id, &HttpSample { failed: true, ..HttpSample::default() });
    series.error(&shard.recorder, FailureKind::Denied.code(), why);
}

fn sample(exchange: &Exchange, lag: Duration, failed: bool) -> HttpSample {
    let timings = &exchange.timings;
    HttpSample {
        response_time_us: micros(lag + timings.total),
        service_time_us: micros(timings.service()),
        status: exchange.status(),
        failed,
        bytes_sent: exchange.bytes_sent,
        bytes_received: exchange.bytes_received,
        body_bytes: exchange.result.as_ref().map_or(0, |answer| answer.body_bytes),
        steps: StepTimes {
            dns: micros(timings.dns),
            connect: micros(timings.connect),
            tls: micros(timings.tls),
            sending: micros(timings.sending),
            waiting: micros(timings.waiting),
            receiving: micros(timings.receiving),
            connections: u64::from(timings.new_connections),
        },
    }
}

fn micros(span: Duration) -> u64 {
    u64::try_from(span.as_micros()).unwrap_or(u64::MAX)
}

pub(super) fn nanos(span: Duration) -> u64 {
    u64::try_from(span.as_nanos()).unwrap_or(u64::MAX)
}

/// What the guest gets of an exchange that has an answer.
pub(super) fn summary(exchange: &Exchange) -> Result<wit::Summary, wit::Error> {
    match &exchange.result {
        Ok(answer) => Ok(wit::Summary {
            status: answer.status,
            ok: answer.verdict.is_ok(),
            body_size: answer.body_bytes,
            elapsed: nanos(exchange.timings.service()),
        }),
        Err(failure) => Err(error(failure)),
    }
}

pub(super) fn error(failure: &Failure) -> wit::Error {
    let message = failure.message.to_string();
    match failure.kind {
        FailureKind::Timeout => wit::Error::Timeout(message),
        FailureKind::Dns => wit::Error::Dns(message),
        FailureKind::Connect => wit::Error::Connect(message),
        FailureKind::Tls => wit::Error::Tls(message),
        FailureKind::Protocol => wit::Error::Protocol(message),
        FailureKind::Denied => wit::Error::Denied(message),
        FailureKind::Cancelled => wit::Error::Cancelled,
        FailureKind::Other => wit::Error::Other(message),
    }
}
