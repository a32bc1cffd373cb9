//! What the scripted server answers, and what it was sent.

use std::time::Duration;

use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::Value;

use crate::http::Cause;

/// An answer of the scripted server.
#[derive(Debug, Clone, PartialEq)]
pub struct Reply {
    pub(crate) status: u16,
    pub(crate) headers: Vec<(String, String)>,
    pub(crate) body: Vec<u8>,
    pub(crate) elapsed: Duration,
    pub(crate) broken: Option<Cause>,
}

impl Reply {
    /// Without a body.
    pub fn status(status: u16) -> Self {
        let elapsed = Duration::from_millis(1);
        Self { status, headers: Vec::new(), body: Vec::new(), elapsed, broken: None }
    }

    /// With a text.
    pub fn text(status: u16, text: impl Into<String>) -> Self {
        Self { body: text.into().into_bytes(), ..Self::status(status) }
            .header("Content-Type", "text/plain; charset=utf-8")
    }

    /// With bytes.
    pub fn bytes(status: u16, bytes: impl Into<Vec<u8>>) -> Self {
        Self { body: bytes.into(), ..Self::status(status) }
    }

    /// With JSON: `Reply::json(200, json!({ "id": 7 }))`.
    ///
    /// # Panics
    /// If the value has no JSON form.
    #[allow(clippy::expect_used)] // For tests only; the author sees the line of the test.
    #[track_caller]
    pub fn json(status: u16, value: impl Serialize) -> Self {
        let body = serde_json::to_vec(&value).expect("the value has a JSON form");
        Self { body, ..Self::status(status) }.header("Content-Type", "application/json")
    }

    /// No answer: the request fails for this cause.
    pub fn broken(cause: Cause) -> Self {
        Self { broken: Some(cause), ..Self::status(0) }
    }

    /// No answer in time.
    pub fn timeout() -> Self {
        Self::broken(Cause::Timeout("no answer in time".to_string()))
    }

    /// Adds a header.
    pub fn header(mut self, name: &str, value: &str) -> Self {
        self.headers.push((name.to_string(), value.to_string()));
        self
    }

    /// Adds `Set-Cookie`: `.cookie("session=abc; Path=/")`.
    pub fn cookie(self, cookie: &str) -> Self {
        self.header("Set-Cookie", cookie)
    }

    /// How long the answer seems to have taken; otherwise 1 ms.
    pub fn after(mut self, elapsed: Duration) -> Self {
        self.elapsed = elapsed;
        self
    }

    pub(crate) fn find_header(&self, name: &str) -> Option<&str> {
        find(&self.headers, name)
    }

    pub(crate) fn contains(&self, needle: &str) -> bool {
        String::from_utf8_lossy(&self.body).contains(needle)
    }

    pub(crate) fn json_at(&self, pointer: &str) -> Option<Value> {
        serde_json::from_slice::<Value>(&self.body).ok()?.pointer(pointer).cloned()
    }
}

/// A request that a user sent.
#[derive(Debug, Clone, PartialEq)]
pub struct Sent {
    /// Upper case.
    pub method: String,
    /// With values filled in.
    pub url: String,
    /// Of the series: the URL before values were filled in, unless it has a name of its own.
    pub name: String,
    /// Cookies included.
    pub headers: Vec<(String, String)>,
    /// Empty if there is none.
    pub body: Vec<u8>,
    /// Of the series.
    pub tags: Vec<(String, String)>,
    /// Open groups, joined with `::`.
    pub group: String,
    /// Of the answer; 0: there was none.
    pub status: u16,
    /// Why the request counts as failed, if it does.
    pub failure: Option<String>,
}

impl Sent {
    /// The first header of that name, whatever its case.
    pub fn header(&self, name: &str) -> Option<&str> {
        find(&self.headers, name)
    }

    /// The body as text.
    pub fn text(&self) -> String {
        String::from_utf8_lossy(&self.body).into_owned()
    }

    /// The body as JSON.
    ///
    /// # Panics
    /// If it is none.
    #[allow(clippy::panic)] // For tests only.
    #[track_caller]
    pub fn json<T: DeserializeOwned>(&self) -> T {
        match serde_json::from_slice(&self.body) {
            Ok(value) => value,
            Err(error) => {
                panic!("the body of {} {} is not that JSON: {error}", self.method, self.url)
            }
        }
    }

    /// The path of the URL, without scheme, host and query.
    pub fn path(&self) -> &str {
        let rest = match self.url.split_once("://") {
            Some((_, rest)) => rest.find('/').map_or("/", |at| &rest[at..]),
            None => &self.url,
        };
        rest.split(['?', '#']).next().unwrap_or(rest)
    }

    /// Whether method and path are these; `{name}` in `pattern` stands for one segment.
    pub(crate) fn is_to(&self, method: &str, pattern: &str) -> bool {
        let mut segments = self.path().split('/');
        let fits = pattern.split('/').all(|wanted| {
            let place = wanted.starts_with('{') && wanted.ends_with('}');
            segments
                .next()
                .is_some_and(|segment| if place { !segment.is_empty() } else { segment == wanted })
        });
        self.method.eq_ignore_ascii_case(method) && fits && segments.next().is_none()
    }
}

fn find<'a>(headers: &'a [(String, String)], name: &str) -> Option<&'a str> {
    headers.iter().find(|(key, _)| key.eq_ignore_ascii_case(name)).map(|(_, value)| value.as_str())
}
