//! Describing a request.

use std::borrow::Cow;
use std::ops::{Range, RangeInclusive};
use std::rc::Rc;
use std::time::Duration;

use serde::Serialize;

use super::template::{Part, Spec, Template};
use super::{Cause, Error, Multipart, Response, Result, Summary, Value, body, encode, places};
use crate::host;

/// A request that is being described; made by [`get`], [`post`] and their like.
///
/// The URL names the series in the report, so values go into places: `get("/item/{id}").with(7)`.
/// A URL without scheme is relative to the run's target.
///
/// ```no_run
/// # use loadhost_sdk::prelude::*;
/// # fn example() -> Outcome {
/// get("/item/{id}").with(7).send()?;
/// let items: Vec<u32> = get("/items").fetch()?.json_at("/ids")?;
/// post("/cart").json(&serde_json::json!({ "item": items[0] })).expect_status(201).send()?;
/// post("/login").form([("user", "ann"), ("password", "secret")]).send()?;
/// # Ok(())
/// # }
/// ```
#[derive(Debug)]
#[must_use = "a request is not sent before `.send()`, `.fetch()` or `.catch()`"]
pub struct Request<'a> {
    spec: Spec<'a>,
    places: Vec<Cow<'a, str>>,
    headers: Vec<Cow<'a, str>>,
    body: Body<'a>,
    fault: Option<String>,
}

#[derive(Debug)]
enum Body<'a> {
    None,
    Text(Cow<'a, str>),
    Bytes(Vec<u8>),
}

/// A request with this method.
pub fn request<'a>(method: impl Into<Cow<'a, str>>, url: impl Into<Cow<'a, str>>) -> Request<'a> {
    let spec = Spec { method: method.into(), url: url.into(), parts: Vec::new() };
    Request { spec, places: Vec::new(), headers: Vec::new(), body: Body::None, fault: None }
}

macro_rules! methods {
    ($($name:ident $method:literal),* $(,)?) => {$(
        #[doc = concat!("A `", $method, "` request.")]
        pub fn $name<'a>(url: impl Into<Cow<'a, str>>) -> Request<'a> {
            request($method, url)
        }
    )*};
}
methods!(
    get "GET", post "POST", put "PUT", patch "PATCH", delete "DELETE", head "HEAD", options "OPTIONS",
);

impl<'a> Request<'a> {
    /// Fills the next place of the URL.
    pub fn with(mut self, value: impl Value<'a>) -> Self {
        self.places.push(value.into_text());
        self
    }

    /// Adds a header.
    pub fn header(mut self, name: impl Into<Cow<'a, str>>, value: impl Value<'a>) -> Self {
        self.spec.parts.push(Part::Header(name.into()));
        self.headers.push(value.into_text());
        self
    }

    /// `Authorization: Bearer <token>`.
    pub fn bearer(self, token: &str) -> Self {
        self.header("Authorization", format!("Bearer {token}"))
    }

    /// `Authorization: Basic …`.
    pub fn basic_auth(self, user: &str, password: &str) -> Self {
        let pair = encode::base64(format!("{user}:{password}").as_bytes());
        self.header("Authorization", format!("Basic {pair}"))
    }

    /// Sends this as JSON.
    pub fn json<T: Serialize + ?Sized>(mut self, value: &T) -> Self {
        match serde_json::to_string(value) {
            Ok(text) => self.typed_text("application/json", text.into()),
            Err(error) => {
                self.fault = Some(format!("the value has no JSON form: {error}"));
                self
            }
        }
    }

    /// Sends these fields as a form.
    pub fn form<'v, K: AsRef<str>, V: Value<'v>>(
        self,
        fields: impl IntoIterator<Item = (K, V)>,
    ) -> Self {
        let text = body::urlencoded(fields);
        self.typed_text("application/x-www-form-urlencoded", text.into())
    }

    /// Sends a form with files.
    pub fn multipart(self, form: Multipart) -> Self {
        let (content_type, bytes) = form.finish();
        self.header("Content-Type", content_type).bytes(bytes)
    }

    /// Sends this text; its type is up to `.header("Content-Type", …)`.
    pub fn text(mut self, text: impl Into<Cow<'a, str>>) -> Self {
        if !matches!(self.body, Body::Text(_)) {
            self.spec.parts.push(Part::Body);
        }
        self.body = Body::Text(text.into());
        self
    }

    /// Sends these bytes; their type is up to `.header("Content-Type", …)`.
    pub fn bytes(mut self, bytes: impl Into<Vec<u8>>) -> Self {
        self.spec.parts.retain(|part| *part != Part::Body);
        self.body = Body::Bytes(bytes.into());
        self
    }

    fn typed_text(mut self, content_type: &'static str, text: Cow<'a, str>) -> Self {
        self.spec.parts.push(Part::Fixed("Content-Type", content_type));
        self.text(text)
    }

    /// The name of the series, instead of the URL.
    pub fn name(mut self, name: impl Into<Cow<'a, str>>) -> Self {
        self.spec.parts.push(Part::Name(name.into()));
        self
    }

    /// A tag of the series. Use few different values.
    pub fn tag(mut self, key: impl Into<Cow<'a, str>>, value: impl Value<'a>) -> Self {
        self.spec.parts.push(Part::Tag(key.into(), value.into_text()));
        self
    }

    /// Anything else fails: `201`, `200..=299`, `[200, 404]`, `"200-299,404"`.
    pub fn expect_status(self, statuses: impl Into<Statuses<'a>>) -> Self {
        self.setting("expect-status", statuses.into().0)
    }

    /// A body without this text fails.
    pub fn expect_contains(self, needle: impl Into<Cow<'a, str>>) -> Self {
        self.setting("expect-contains", needle.into())
    }

    /// A body with another value at the JSON pointer fails: `.expect_json("/ok", true)`.
    pub fn expect_json(self, pointer: &str, value: impl Into<serde_json::Value>) -> Self {
        self.setting("expect-json", format!("{pointer}={}", value.into()).into())
    }

    /// Longer fails.
    pub fn timeout(self, span: Duration) -> Self {
        self.setting("timeout", format!("{}us", span.as_micros()).into())
    }

    /// How many redirects are followed; 0: the redirect is the answer.
    pub fn max_redirects(self, count: u32) -> Self {
        self.setting("max-redirects", count.to_string().into())
    }

    fn setting(mut self, key: &'static str, value: Cow<'a, str>) -> Self {
        self.spec.parts.push(Part::Setting(key, value));
        self
    }

    /// Sends; the body is discarded while it arrives. The cheapest way.
    ///
    /// Fails without an answer, and with one that is not as expected.
    pub fn send(self) -> Result<Summary> {
        if self.has_bytes() {
            let response = self.send_plain()?;
            return as_expected(response.summary(), &response.label);
        }
        let template = self.template()?;
        let answer = template.handle.send(&self.values());
        let summary = answer.map_err(|cause| Error::new(&*template.label, cause))?;
        as_expected(summary, &template.label)
    }

    /// Sends, and keeps headers and body to look into.
    ///
    /// Fails without an answer, and with one that is not as expected.
    pub fn fetch(self) -> Result<Response> {
        let response = self.catch()?;
        as_expected(response.summary(), &response.label)?;
        Ok(response)
    }

    /// As [`Self::fetch`], but any answer will do: look into it and call
    /// [`Response::mark_failed`] or [`Response::mark_succeeded`].
    ///
    /// Fails without an answer.
    pub fn catch(self) -> Result<Response> {
        if self.has_bytes() {
            return self.send_plain();
        }
        let template = self.template()?;
        match template.handle.fetch(&self.values()) {
            Ok(raw) => Ok(Response { label: template.label.clone(), raw }),
            Err(cause) => Err(Error::new(&*template.label, cause)),
        }
    }

    pub(super) fn has_bytes(&self) -> bool {
        matches!(self.body, Body::Bytes(_))
    }

    /// The template, once it is sure that the values fit.
    pub(super) fn template(&self) -> Result<Rc<Template>> {
        let template = Template::of(&self.spec)?;
        self.check(template.places)?;
        Ok(template)
    }

    fn check(&self, places: usize) -> Result<()> {
        let denied = |why: String| Error::new(self.spec.label(), Cause::Denied(why));
        if let Some(fault) = &self.fault {
            return Err(denied(fault.clone()));
        }
        let given = self.places.len();
        if places != given {
            let why =
                format!("`{}` takes {places} values by `.with(…)`, {given} given", self.spec.url);
            return Err(denied(why));
        }
        Ok(())
    }

    /// In the order that the template wants: URL, headers, body.
    pub(super) fn values(&self) -> Vec<&str> {
        let body = match &self.body {
            Body::Text(text) => Some(&**text),
            Body::None | Body::Bytes(_) => None,
        };
        self.places.iter().chain(&self.headers).map(|value| &**value).chain(body).collect()
    }

    fn send_plain(self) -> Result<Response> {
        let plain = self.into_plain()?;
        let label: Rc<str> = plain.label().into();
        match host::send(&plain) {
            Ok(raw) => Ok(Response { label, raw }),
            Err(cause) => Err(Error::new(&*label, cause)),
        }
    }

    /// With all values filled in, for what cannot be sent by handle.
    pub(super) fn into_plain(self) -> Result<host::PlainRequest> {
        let malformed = || {
            let why = format!("the URL `{}` has a brace without partner", self.spec.url);
            Error::new(self.spec.label(), Cause::Denied(why))
        };
        self.check(places::count(&self.spec.url).ok_or_else(malformed)?)?;
        let url = places::fill(&self.spec.url, &self.places).ok_or_else(malformed)?;
        let name = self.spec.name().unwrap_or(&self.spec.url).to_string();
        let (mut headers, mut options) = (Vec::new(), Vec::new());
        let mut values = self.headers.iter();
        for part in &self.spec.parts {
            match part {
                Part::Header(header) => {
                    headers.extend(values.next().map(|v| (header.to_string(), v.to_string())))
                }
                Part::Fixed(header, value) => headers.push((header.to_string(), value.to_string())),
                Part::Setting(key, value) => options.push((key.to_string(), value.to_string())),
                Part::Body | Part::Name(_) | Part::Tag(..) => {}
            }
        }
        Ok(host::PlainRequest {
            tags: self.spec.tags(),
            method: self.spec.method.into_owned(),
            url,
            headers,
            body: match self.body {
                Body::None => host::PlainBody::None,
                Body::Text(text) => host::PlainBody::Text(text.into_owned()),
                Body::Bytes(bytes) => host::PlainBody::Bytes(bytes),
            },
            name,
            options,
        })
    }
}

pub(super) fn as_expected(summary: Summary, label: &str) -> Result<Summary> {
    if summary.ok { Ok(summary) } else { Err(Error::new(label, Cause::Unexpected(summary))) }
}

/// Which statuses are right.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Statuses<'a>(Cow<'a, str>);

impl From<u16> for Statuses<'_> {
    fn from(status: u16) -> Self {
        Self(status.to_string().into())
    }
}

impl From<RangeInclusive<u16>> for Statuses<'_> {
    fn from(range: RangeInclusive<u16>) -> Self {
        Self(format!("{}-{}", range.start(), range.end()).into())
    }
}

impl From<Range<u16>> for Statuses<'_> {
    fn from(range: Range<u16>) -> Self {
        Self::from(range.start..=range.end.saturating_sub(1))
    }
}

impl<const N: usize> From<[u16; N]> for Statuses<'_> {
    fn from(statuses: [u16; N]) -> Self {
        Self(statuses.map(|status| status.to_string()).join(",").into())
    }
}

impl<'a> From<&'a str> for Statuses<'a> {
    fn from(text: &'a str) -> Self {
        Self(text.into())
    }
}
