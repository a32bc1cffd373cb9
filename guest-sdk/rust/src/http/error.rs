//! Requests that did not do what they should.

use std::fmt;

use super::Summary;

/// A request that failed. The host has counted it; `?` makes it the task's failure too.
#[derive(Debug, Clone, PartialEq)]
pub struct Error {
    request: Box<str>,
    cause: Cause,
}

/// Why a request failed.
#[derive(Debug, Clone, PartialEq)]
pub enum Cause {
    /// There was an answer, but its status, or something else that the request expects, is
    /// not as expected. Without `expect_…`: a status of 400 or above.
    Unexpected(Summary),
    /// A phase took too long.
    Timeout(String),
    /// The name was not found.
    Dns(String),
    /// No connection.
    Connect(String),
    /// No agreement on encryption.
    Tls(String),
    /// The answer is no HTTP, or ended too early.
    Protocol(String),
    /// The host does not send this request.
    Denied(String),
    /// The run is stopping.
    Cancelled,
    /// The body is not what the scenario reads it as.
    Body(String),
    /// Anything else.
    Other(String),
}

impl Error {
    pub(crate) fn new(request: impl Into<Box<str>>, cause: Cause) -> Self {
        Self { request: request.into(), cause }
    }

    /// Method and name of the request: `GET /item/{id}`.
    pub fn request(&self) -> &str {
        &self.request
    }

    /// Why.
    pub fn cause(&self) -> &Cause {
        &self.cause
    }

    /// The status, if there was an answer.
    pub fn status(&self) -> Option<u16> {
        match &self.cause {
            Cause::Unexpected(summary) => Some(summary.status),
            _ => None,
        }
    }

    /// The run is stopping; nothing is wrong.
    pub fn is_cancelled(&self) -> bool {
        self.cause == Cause::Cancelled
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.request, self.cause)
    }
}

impl fmt::Display for Cause {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Unexpected(summary) => write!(f, "answered {}, not as expected", summary.status),
            Self::Timeout(text) => write!(f, "timeout: {text}"),
            Self::Dns(text) => write!(f, "name not resolved: {text}"),
            Self::Connect(text) => write!(f, "not connected: {text}"),
            Self::Tls(text) => write!(f, "TLS: {text}"),
            Self::Protocol(text) => write!(f, "no proper HTTP: {text}"),
            Self::Denied(text) => write!(f, "not sent: {text}"),
            Self::Cancelled => f.write_str("the run is stopping"),
            Self::Body(text) | Self::Other(text) => f.write_str(text),
        }
    }
}

impl std::error::Error for Error {}
