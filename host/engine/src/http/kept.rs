//! An answer that the guest looks into: headers, body, and where it came from.

use std::borrow::Cow;
use std::cell::OnceCell;

use super::decode;
use super::head;
use super::pointer;

/// Headers and body of an answer. The body is decompressed when somebody looks.
#[derive(Debug, Default)]
pub struct Kept {
    pub(super) url: String,
    /// Status line and header lines as received.
    pub(super) head: Vec<u8>,
    /// As received, up to the cap.
    pub(super) body: Vec<u8>,
    pub(super) truncated: bool,
    /// Cap of the decompressed body.
    pub(super) cap: usize,
    decoded: OnceCell<Option<decode::Decoded>>,
}

impl Kept {
    /// With this head, and nothing of the body yet.
    pub(super) fn new(head: &[u8], cap: usize) -> Self {
        Self { head: head.to_vec(), cap, ..Self::default() }
    }

    /// Where the answer came from, after redirects.
    pub fn url(&self) -> &str {
        &self.url
    }

    /// Names and values in the order received; values that are not UTF-8 lossily.
    pub fn headers(&self) -> Vec<(String, String)> {
        let mut headers = Vec::new();
        head::for_each_header(&self.head, |name, value| {
            headers.push((name.to_string(), String::from_utf8_lossy(value).into_owned()));
        });
        headers
    }

    /// The first header of that name, whatever its case.
    pub fn header(&self, name: &str) -> Option<String> {
        let mut found = None;
        head::for_each_header(&self.head, |candidate, value| {
            if found.is_none() && candidate.eq_ignore_ascii_case(name) {
                found = Some(String::from_utf8_lossy(value).into_owned());
            }
        });
        found
    }

    /// The body as received, up to the cap.
    pub fn raw_body(&self) -> &[u8] {
        &self.body
    }

    /// Bytes of memory that it takes.
    pub fn held_bytes(&self) -> u64 {
        let decoded = self.decoded.get().and_then(Option::as_ref);
        let decoded = decoded.map_or(0, |decoded| decoded.bytes.capacity());
        (self.url.len() + self.head.len() + self.body.capacity() + decoded) as u64
    }

    /// Whether the body as received is longer than the cap `response_body_bytes` allows to keep.
    pub fn is_cut_as_received(&self) -> bool {
        self.truncated
    }

    /// Whether the body, as received or decompressed, was cut at the cap. A body that merely
    /// ended too early was not.
    pub fn is_cut(&self) -> bool {
        self.truncated
            || self.decoded().is_some_and(|body| body.truncated && body.bytes.len() == self.cap)
    }

    /// The body, decompressed; as received if it is in no coding that loadhost knows.
    pub fn bytes(&self) -> &[u8] {
        match self.decoded() {
            Some(decoded) => &decoded.bytes,
            None => &self.body,
        }
    }

    /// The body, decompressed; lossily if it is not UTF-8.
    pub fn text(&self) -> Cow<'_, str> {
        String::from_utf8_lossy(self.bytes())
    }

    /// Whether the decompressed body has this text in it.
    pub fn contains(&self, needle: &str) -> bool {
        decode::find(self.bytes(), needle.as_bytes())
    }

    /// The value at an RFC 6901 pointer, as JSON text. None: nothing there, or no JSON.
    pub fn json(&self, pointer: &str) -> Option<String> {
        pointer::find(self.bytes(), pointer).ok()?.map(|value| value.to_string())
    }

    fn decoded(&self) -> Option<&decode::Decoded> {
        self.decoded
            .get_or_init(|| {
                let codings = self.codings();
                (!codings.is_empty() && !self.body.is_empty())
                    .then(|| decode::decode(&self.body, &codings, self.cap))
                    .flatten()
            })
            .as_ref()
    }

    /// All `Content-Encoding` lines, lower case, joined with commas.
    fn codings(&self) -> String {
        let mut codings = String::new();
        head::for_each_header(&self.head, |name, value| {
            if name.eq_ignore_ascii_case("content-encoding") {
                if !codings.is_empty() {
                    codings.push(',');
                }
                codings.push_str(&String::from_utf8_lossy(value).to_ascii_lowercase());
            }
        });
        codings
    }
}
