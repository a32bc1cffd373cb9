//! Each request of one user, for people who write a scenario.

use std::time::Duration;

use crate::http::{Exchange, Template, Timings};

/// Bytes of a body that are shown.
const BODY_BYTES: usize = 2048;

/// A request that a traced user sent, and what became of it.
#[derive(Debug, Clone)]
pub struct TracedRequest {
    /// Upper case.
    pub method: String,
    /// Of the series.
    pub name: String,
    /// Values of the places, in order.
    pub values: Vec<String>,
    /// Where the answer came from, after redirects; None: there is no answer.
    pub url: Option<String>,
    /// Of the answer, or why there is none.
    pub outcome: Result<u16, String>,
    /// Why the sample counts as failed although there is an answer.
    pub verdict: Result<(), String>,
    /// Sending to the end of the body.
    pub service_time: Duration,
    /// Time in each step.
    pub timings: Timings,
    /// Redirects that were followed.
    pub redirects: u32,
    /// Of the answer.
    pub headers: Vec<(String, String)>,
    /// The begin of the body, decompressed, lossily as text.
    pub body: String,
    /// Bytes of the body as received.
    pub body_bytes: u64,
    /// Sent, with headers.
    pub bytes_sent: u64,
}

/// Where traced requests go.
pub type TraceSink = Box<dyn FnMut(TracedRequest) + Send>;

pub(crate) struct Trace(pub(crate) TraceSink);

impl Trace {
    #[cold]
    pub(crate) fn request(&mut self, template: &Template, values: &[String], exchange: &Exchange) {
        let answer = exchange.result.as_ref();
        let kept = answer.ok().and_then(|answer| answer.kept.as_deref());
        let body = kept.map_or(&[][..], |kept| kept.bytes());
        (self.0)(TracedRequest {
            method: template.method().to_string(),
            name: template.series_name().to_string(),
            values: values.to_vec(),
            url: kept.map(|kept| kept.url().to_string()),
            outcome: answer
                .map(|answer| answer.status)
                .map_err(|failure| failure.message.to_string()),
            verdict: answer
                .map_or(Ok(()), |answer| answer.verdict.clone().map_err(|why| why.to_string())),
            service_time: exchange.timings.service(),
            timings: exchange.timings,
            redirects: exchange.redirects,
            headers: kept.map(|kept| kept.headers()).unwrap_or_default(),
            body: String::from_utf8_lossy(&body[..body.len().min(BODY_BYTES)]).into_owned(),
            body_bytes: answer.map_or(0, |answer| answer.body_bytes),
            bytes_sent: exchange.bytes_sent,
        });
    }
}
