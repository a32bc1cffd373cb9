//! Bytes out: a template, its values and where it goes become a request.

use std::borrow::Cow;
use std::io::Write as _;
use std::sync::Arc;

use url::{Position, Url};

use super::cookies::View;
use super::origin::{Origin, split_absolute};
use super::outcome::Failure;
use super::shared::Shared;
use super::template::{BodyTemplate, Template};
use super::text::{Encoding, encode_url_literal};
use super::url_template::Base;

/// Fixed bodies beyond this are sent from where they are, not copied behind the head.
const COPIED_BODY: usize = 16 << 10;

/// A request on its way, hop by hop.
#[derive(Debug)]
pub(super) struct Request<'a> {
    pub(super) shared: &'a Shared,
    pub(super) template: &'a Template,
    pub(super) values: &'a [String],
    pub(super) hop: Hop<'a>,
    /// Cookies for the present hop.
    pub(super) cookies: Option<Arc<View>>,
    /// A header line that tells the target which trace this is part of, unless the template has its own.
    pub(super) traceparent: Option<Box<str>>,
}

/// Where the request goes now.
#[derive(Debug)]
pub(super) struct Hop<'a> {
    pub(super) origin: Arc<Origin>,
    /// Stands before the template's path.
    prefix: Cow<'a, str>,
    authorization: Option<Cow<'a, str>>,
    /// After a redirect: replaces the template's path.
    pub(super) url: Option<Box<Url>>,
    /// A redirect turned the request into a GET without body.
    pub(super) as_get: bool,
    /// A redirect led to another origin: what the template says for the first stays behind.
    pub(super) foreign: bool,
}

/// What was put together.
#[derive(Debug)]
pub(super) struct Assembled {
    /// Length of the head; what follows in the buffer is the body.
    pub(super) head: usize,
    /// A large body, to be sent after the buffer.
    pub(super) body: Option<Arc<[u8]>>,
}

impl Hop<'_> {
    /// Goes on at another origin, without what was for the first.
    pub(super) fn leave(&mut self, to: Arc<Origin>) {
        self.origin = to;
        self.authorization = None;
        self.foreign = true;
    }
}

impl<'a> Request<'a> {
    /// Finds the origin, and refuses what cannot be sent.
    pub(super) fn new(
        shared: &'a Shared,
        template: &'a Template,
        values: &'a [String],
    ) -> Result<Self, Failure> {
        if values.len() != template.places().len() {
            let (wanted, given) = (template.places().len(), values.len());
            return Err(Failure::denied(format!(
                "the request has {wanted} places and was given {given} values"
            )));
        }
        if let Some(fault) = &template.body_fault {
            return Err(Failure::denied(fault.to_string()));
        }
        let hop = first_hop(shared, template, values)?;
        Ok(Self { shared, template, values, hop, cookies: None, traceparent: None })
    }

    pub(super) fn method(&self) -> &str {
        if self.hop.as_get { "GET" } else { self.template.method() }
    }

    pub(super) fn is_idempotent(&self) -> bool {
        self.hop.as_get || self.template.is_idempotent()
    }

    /// Where it goes now, as text.
    pub(super) fn url_text(&self) -> String {
        match &self.hop.url {
            Some(url) => url.as_str().to_string(),
            None => {
                let mut path = Vec::new();
                self.write_path(&mut path);
                self.hop.origin.url(&String::from_utf8_lossy(&path))
            }
        }
    }

    /// The body waits until the server agrees.
    pub(super) fn asks_to_continue(&self) -> bool {
        self.template.has_header("expect") && !self.hop.as_get
    }

    pub(super) fn has_body(&self) -> bool {
        !self.hop.as_get && !matches!(self.template.body, BodyTemplate::None)
    }

    /// Appends the request to the buffer.
    pub(super) fn assemble(&self, out: &mut Vec<u8>) -> Result<Assembled, Failure> {
        out.extend_from_slice(self.method().as_bytes());
        out.push(b' ');
        let path = out.len();
        self.write_path(out);
        let path = path..out.len();
        out.extend_from_slice(b" HTTP/1.1\r\n");
        if self.hop.foreign || !self.template.has_header("host") {
            write_line(out, "Host", &self.hop.origin.authority);
        }
        self.write_headers(out)?;
        if let Some(view) = self.cookies.as_deref().filter(|_| !self.sends("cookie")) {
            view.write(path, out);
        }
        self.write_body(out)
    }

    fn write_path(&self, out: &mut Vec<u8>) {
        if let Some(url) = &self.hop.url {
            out.extend_from_slice(url[Position::BeforePath..Position::AfterQuery].as_bytes());
            return;
        }
        let begin = out.len();
        out.extend_from_slice(self.hop.prefix.as_bytes());
        let joint = out.len();
        self.template.url.path.write(self.values, Encoding::Percent, out);
        let needs_slash = |at: usize| !matches!(out.get(at), Some(b'/' | b'?'));
        if joint > begin && joint < out.len() && needs_slash(joint) {
            out.insert(joint, b'/');
        }
        if out.get(begin) != Some(&b'/') {
            out.insert(begin, b'/');
        }
    }

    fn write_headers(&self, out: &mut Vec<u8>) -> Result<(), Failure> {
        let template = self.template;
        if self.shared.headers.iter().any(|header| template.has_header(&header.name)) {
            for header in &self.shared.headers {
                if !self.sends(&header.name) {
                    out.extend_from_slice(header.line.as_bytes());
                }
            }
        } else {
            out.extend_from_slice(&self.shared.header_block);
        }
        if !self.sends("authorization") {
            let authorization = match &self.hop.authorization {
                Some(own) => Some(own.as_ref()),
                None => self.shared.authorization(&self.hop.origin),
            };
            if let Some(authorization) = authorization {
                write_line(out, "Authorization", authorization);
            }
        }
        if let Some(line) = self.traceparent.as_deref().filter(|_| !self.sends("traceparent")) {
            out.extend_from_slice(line.as_bytes());
        }
        if !self.shared.settings.keep_alive && !self.sends("connection") {
            write_line(out, "Connection", "close");
        }
        if template.header_block.has_control_bytes(self.values) {
            return Err(Failure::denied("a value in a header has control characters"));
        }
        if self.hop.url.is_none() {
            template.header_block.write(self.values, Encoding::Raw, out);
        } else {
            for header in template.headers.iter().filter(|header| self.keeps(&header.name)) {
                header.line.write(self.values, Encoding::Raw, out);
            }
        }
        Ok(())
    }

    /// Whether the template's header of that name is sent.
    fn sends(&self, lower_case: &str) -> bool {
        self.template.has_header(lower_case) && self.keeps(lower_case)
    }

    /// Whether headers of that name stay with the request over redirects.
    fn keeps(&self, lower_case: &str) -> bool {
        let is_private =
            matches!(lower_case, "authorization" | "cookie" | "proxy-authorization" | "host");
        let is_of_body = lower_case.starts_with("content-") || lower_case == "expect";
        !(self.hop.foreign && is_private || self.hop.as_get && is_of_body)
    }

    /// The lines that say how long the body is, the end of the head, and the body.
    fn write_body(&self, out: &mut Vec<u8>) -> Result<Assembled, Failure> {
        let body = if self.hop.as_get { &BodyTemplate::None } else { &self.template.body };
        let length = match body {
            BodyTemplate::None => 0,
            BodyTemplate::Fixed(bytes) => bytes.len(),
            BodyTemplate::Text(text) => text.length(self.values),
        };
        if length as u64 > self.shared.limits.request_body_bytes {
            return Err(Failure::denied(REQUEST_TOO_LARGE));
        }
        let says_length = !matches!(body, BodyTemplate::None)
            || matches!(self.method(), "POST" | "PUT" | "PATCH");
        if says_length {
            // Writing to a vector does not fail.
            let _ = write!(out, "Content-Length: {length}\r\n");
        }
        out.extend_from_slice(b"\r\n");
        let head = out.len();
        match body {
            BodyTemplate::None => {}
            BodyTemplate::Fixed(bytes) if bytes.len() > COPIED_BODY => {
                return Ok(Assembled { head, body: Some(Arc::clone(bytes)) });
            }
            BodyTemplate::Fixed(bytes) => out.extend_from_slice(bytes),
            BodyTemplate::Text(text) => text.write(self.values, Encoding::Raw, out),
        }
        Ok(Assembled { head, body: None })
    }
}

/// The message that names the cap `request_body_bytes`.
pub(super) const REQUEST_TOO_LARGE: &str =
    "the request's body is longer than the limit request_body_bytes";

fn write_line(out: &mut Vec<u8>, name: &str, value: &str) {
    for part in [name, ": ", value, "\r\n"] {
        out.extend_from_slice(part.as_bytes());
    }
}

fn first_hop<'a>(
    shared: &'a Shared,
    template: &'a Template,
    values: &[String],
) -> Result<Hop<'a>, Failure> {
    let hop = |origin: &Arc<Origin>, prefix, authorization| Hop {
        origin: Arc::clone(origin),
        prefix,
        authorization,
        url: None,
        as_get: false,
        foreign: false,
    };
    let on_target = |path: Option<&str>| {
        let Some(target) = &shared.target else {
            return Err(Failure::denied(
                "the URL is relative, but the run has no target: give one with --host",
            ));
        };
        let prefix = match path {
            Some(path) if path.starts_with(['/', '?']) || path.is_empty() => {
                Cow::Owned(format!("{}{path}", target.path))
            }
            Some(path) => Cow::Owned(format!("{}/{path}", target.path)),
            None => Cow::Borrowed(target.path.as_str()),
        };
        Ok(hop(&target.origin, prefix, None))
    };
    match &template.url.base {
        Base::Target => on_target(None),
        Base::Fixed { origin, authorization } => {
            Ok(hop(origin, Cow::Borrowed(""), authorization.as_deref().map(Cow::Borrowed)))
        }
        Base::Dynamic(text) => {
            let mut written = Vec::new();
            text.write(values, Encoding::Raw, &mut written);
            let written = String::from_utf8_lossy(&written);
            let before_fragment = written.split('#').next().unwrap_or_default();
            match split_absolute(before_fragment) {
                Ok(Some((site, path))) => Ok(hop(
                    &Arc::new(site.origin),
                    Cow::Owned(encode_url_literal(path)),
                    site.authorization.map(Cow::Owned),
                )),
                Ok(None) => on_target(Some(&encode_url_literal(before_fragment))),
                Err(error) => Err(Failure::denied(error.to_string())),
            }
        }
    }
}
