//! What became of a request.

use std::borrow::Cow;
use std::time::Duration;

use tokio::time::Instant;

use super::kept::Kept;

/// What is left of an answer once it has arrived.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Keep {
    /// Status, sizes and times.
    Summary,
    /// Headers and body too, up to the limits.
    Response,
}

/// One request as the report sees it, redirects included.
#[derive(Debug)]
pub struct Exchange {
    /// An answer, or why there is none. Both are samples.
    pub result: Result<Answer, Failure>,
    /// Where the time went.
    pub timings: Timings,
    /// When work on the request began: the start of [`Timings::total`].
    pub started: Instant,
    /// Sent, with headers; of all hops.
    pub bytes_sent: u64,
    /// Received, with headers; of all hops.
    pub bytes_received: u64,
    /// Redirects that were followed.
    pub redirects: u32,
    /// Connections on which there were bytes that nobody had asked for, after this answer or the
    /// one before it. They were closed.
    pub surplus: u32,
    /// The field of [`loadhost_model::plan::Limits`] that cut this exchange short, if one did.
    pub capped: Option<&'static str>,
}

impl Exchange {
    /// Of a request that was not sent.
    pub(super) fn refused(failure: Failure, capped: Option<&'static str>) -> Self {
        Self {
            result: Err(failure),
            timings: Timings::default(),
            started: Instant::now(),
            bytes_sent: 0,
            bytes_received: 0,
            redirects: 0,
            surplus: 0,
            capped,
        }
    }

    /// Whether the sample counts as succeeded.
    pub fn ok(&self) -> bool {
        self.result.as_ref().is_ok_and(|answer| answer.verdict.is_ok())
    }

    /// Of the answer; 0: there is none.
    pub fn status(&self) -> u16 {
        self.result.as_ref().map_or(0, |answer| answer.status)
    }
}

/// An answer that arrived to its end.
#[derive(Debug)]
pub struct Answer {
    /// 200 to 999.
    pub status: u16,
    /// Of the body as received, before decompression.
    pub body_bytes: u64,
    /// Why the sample counts as failed: by the template's expectations, or, if it names no
    /// status, because of a status from 400 up. Of few distinct texts.
    pub verdict: Result<(), Cow<'static, str>>,
    /// With [`Keep::Response`].
    pub kept: Option<Box<Kept>>,
}

/// Why there is no answer.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{message}")]
pub struct Failure {
    /// For programs.
    pub kind: FailureKind,
    /// For people; without ports, ids and other parts that differ from case to case.
    pub message: Cow<'static, str>,
}

impl Failure {
    pub(super) fn new(kind: FailureKind, message: impl Into<Cow<'static, str>>) -> Self {
        Self { kind, message: message.into() }
    }

    pub(super) fn denied(message: impl Into<Cow<'static, str>>) -> Self {
        Self::new(FailureKind::Denied, message)
    }

    pub(super) fn protocol(message: impl Into<Cow<'static, str>>) -> Self {
        Self::new(FailureKind::Protocol, message)
    }

    pub(super) fn timeout(message: &'static str) -> Self {
        Self::new(FailureKind::Timeout, message)
    }
}

/// Kinds of failures; the variants of `http.error` in `wit/`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum FailureKind {
    /// A time limit passed.
    Timeout,
    /// The name does not resolve.
    Dns,
    /// No connection.
    Connect,
    /// No agreement on encryption.
    Tls,
    /// The answer is no HTTP, or ended too early.
    Protocol,
    /// Refused before sending: malformed, too large, or not allowed.
    Denied,
    /// The run is stopping.
    Cancelled,
    /// Anything else.
    Other,
}

impl FailureKind {
    /// A stable code, as in the report.
    pub fn code(self) -> &'static str {
        match self {
            Self::Timeout => "timeout",
            Self::Dns => "dns",
            Self::Connect => "connect",
            Self::Tls => "tls",
            Self::Protocol => "protocol",
            Self::Denied => "denied",
            Self::Cancelled => "cancelled",
            Self::Other => "other",
        }
    }
}

/// Time in each step, summed over redirects and retries.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Timings {
    /// Name resolution.
    pub dns: Duration,
    /// TCP handshake.
    pub connect: Duration,
    /// TLS handshake.
    pub tls: Duration,
    /// Writing the request.
    pub sending: Duration,
    /// End of the request to the first byte of the answer.
    pub waiting: Duration,
    /// First to last byte of the answer.
    pub receiving: Duration,
    /// From [`Exchange::started`] to the end, connecting included.
    pub total: Duration,
    /// Connections opened.
    pub new_connections: u32,
}

impl Timings {
    /// Service time: from sending to the end of the body, without the time to connect.
    pub fn service(&self) -> Duration {
        self.sending + self.waiting + self.receiving
    }
}
