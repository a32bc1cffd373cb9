//! What comes back.

use std::rc::Rc;
use std::time::Duration;

use serde::de::DeserializeOwned;

use super::{Cause, Error, Result};
use crate::host;
use crate::metrics;

/// An answer in short, from `send`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Summary {
    /// Of the answer.
    pub status: u16,
    /// Whether the answer is as expected.
    pub ok: bool,
    /// As received, before decompression.
    pub body_size: u64,
    /// From sending to the end of the body.
    pub elapsed: Duration,
}

impl Summary {
    /// Counts a named check and goes on.
    pub fn check(self, name: &str, holds: impl FnOnce(&Self) -> bool) -> Self {
        metrics::check(name, holds(&self));
        self
    }
}

/// An answer with headers and body, from `fetch` or `catch`. They stay in the host until
/// they are asked for, and go when this is dropped.
#[derive(Debug)]
pub struct Response {
    pub(crate) label: Rc<str>,
    pub(crate) raw: host::Response,
}

impl Response {
    /// In short.
    pub fn summary(&self) -> Summary {
        self.raw.summary()
    }

    /// Of the answer.
    pub fn status(&self) -> u16 {
        self.summary().status
    }

    /// From sending to the end of the body.
    pub fn elapsed(&self) -> Duration {
        self.summary().elapsed
    }

    /// The first header of that name, whatever its case.
    pub fn header(&self, name: &str) -> Option<String> {
        self.raw.header(name)
    }

    /// All headers, in order.
    pub fn headers(&self) -> Vec<(String, String)> {
        self.raw.headers()
    }

    /// The body, decompressed.
    pub fn bytes(&self) -> Vec<u8> {
        self.raw.bytes()
    }

    /// The body, decompressed; lossy if it is not UTF-8.
    pub fn text(&self) -> String {
        self.raw.text()
    }

    /// Whether the body has this text; the host looks.
    pub fn contains(&self, needle: &str) -> bool {
        self.raw.contains(needle)
    }

    /// The whole body, read as JSON in the guest.
    pub fn json<T: DeserializeOwned>(&self) -> Result<T> {
        let fault =
            |error| self.fault(format!("the body is not the JSON that was wanted: {error}"));
        serde_json::from_slice(&self.raw.bytes()).map_err(fault)
    }

    /// The value at a JSON pointer such as `/items/0/id`; the host looks, so that the body
    /// need not come over.
    pub fn json_at<T: DeserializeOwned>(&self, pointer: &str) -> Result<T> {
        let text = self.raw.json(pointer);
        let text = text.ok_or_else(|| self.fault(format!("there is no JSON at `{pointer}`")))?;
        let fault =
            |error| self.fault(format!("the JSON at `{pointer}` is something else: {error}"));
        serde_json::from_str(&text).map_err(fault)
    }

    /// Where the answer came from, after redirects.
    pub fn url(&self) -> String {
        self.raw.url()
    }

    /// Time in each phase: dns, connect, tls, sending, waiting, receiving.
    pub fn timings(&self) -> Vec<(String, Duration)> {
        self.raw.timings()
    }

    /// Counts the request as failed after all.
    pub fn mark_failed(&self, why: &str) -> &Self {
        self.raw.mark(Err(why));
        self
    }

    /// Counts the request as succeeded after all.
    pub fn mark_succeeded(&self) -> &Self {
        self.raw.mark(Ok(()));
        self
    }

    /// Counts a named check and goes on.
    pub fn check(&self, name: &str, holds: impl FnOnce(&Self) -> bool) -> &Self {
        metrics::check(name, holds(self));
        self
    }

    fn fault(&self, text: String) -> Error {
        Error::new(&*self.label, Cause::Body(text))
    }
}
