//! Requests parsed once and sent often.

mod weight;

use std::sync::Arc;
use std::time::Duration;

use super::expect::Expect;
use super::text::{Places, Text, has_control_bytes};
use super::url_template::{Base, UrlTemplate};

/// Why a template is malformed, with the remedy.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum TemplateError {
    /// A brace that is neither a place nor doubled.
    #[error(
        "`{0}` begins no place: write `{{name}}` for a place, `{{{{` and `}}}}` for single \
         braces, or set `raw-body` for a body without places"
    )]
    Brace(String),
    /// No method of HTTP.
    #[error(
        "method `{0}` is not supported: use GET, HEAD, POST, PUT, PATCH, DELETE, OPTIONS or a word of capitals"
    )]
    Method(String),
    /// A scheme other than HTTP's.
    #[error("scheme `{0}` is not supported: use http or https")]
    Scheme(String),
    /// The absolute part of the URL does not parse.
    #[error("`{url}` is no URL: {why}")]
    Url {
        /// Scheme and authority.
        url: String,
        /// From the parser.
        why: String,
    },
    /// Not a token, or set by loadhost.
    #[error("header `{name}` {why}")]
    Header {
        /// As given.
        name: String,
        /// What is wrong, with the remedy.
        why: &'static str,
    },
    /// No such key for [`Template::set`].
    #[error("unknown setting `{key}`{hint}")]
    UnknownSetting {
        /// As given.
        key: String,
        /// The keys there are.
        hint: String,
    },
    /// The value does not fit the key.
    #[error("setting `{key}` cannot be `{value}`: give {expected}")]
    Setting {
        /// Of the setting.
        key: &'static str,
        /// As given.
        value: String,
        /// The form it must have.
        expected: &'static str,
    },
}

impl TemplateError {
    pub(super) fn setting(key: &'static str, value: &str, expected: &'static str) -> Self {
        Self::Setting { key, value: value.to_string(), expected }
    }
}

/// What is sent after the headers.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub enum Body {
    /// Nothing.
    #[default]
    None,
    /// With places, unless `raw-body` is set.
    Text(String),
    /// As it is.
    Bytes(Vec<u8>),
}

/// A request with places for values. Places are numbered in the order of first appearance:
/// URL, headers, body.
#[derive(Debug, Clone)]
pub struct Template {
    source: Source,
    places: Vec<String>,
    pub(super) url: UrlTemplate,
    pub(super) headers: Vec<HeaderTemplate>,
    /// All header lines in one text, for the usual case that all of them are sent.
    pub(super) header_block: Text,
    pub(super) body: BodyTemplate,
    pub(super) settings: Settings,
    /// What is wrong with the body; told when it is sent, since `raw-body` may yet mend it.
    pub(super) body_fault: Option<TemplateError>,
    series_name: String,
    tags: Vec<(String, String)>,
}

/// The request as its author gave it, from which the rest is compiled.
#[derive(Debug, Clone)]
struct Source {
    method: String,
    url: String,
    headers: Vec<(String, String)>,
    body: Body,
    /// A request made on the spot has no places.
    has_places: bool,
}

/// One header line.
#[derive(Debug, Clone)]
pub(super) struct HeaderTemplate {
    /// Lower case.
    pub(super) name: String,
    /// `Name: value` with line end.
    pub(super) line: Text,
}

/// The body, ready to be sent.
#[derive(Debug, Clone)]
pub(super) enum BodyTemplate {
    None,
    Fixed(Arc<[u8]>),
    Text(Text),
}

/// Settings of one template over those of the run.
#[derive(Debug, Clone, Default)]
pub(super) struct Settings {
    pub(super) timeout: Option<Duration>,
    pub(super) connect_timeout: Option<Duration>,
    pub(super) first_byte_timeout: Option<Duration>,
    pub(super) max_redirects: Option<u32>,
    pub(super) raw_body: bool,
    pub(super) expect: Expect,
}

/// Keys of [`Template::set`].
const KEYS: [&str; 8] = [
    "timeout",
    "connect-timeout",
    "first-byte-timeout",
    "max-redirects",
    "expect-status",
    "expect-contains",
    "expect-json",
    "raw-body",
];

impl Template {
    /// A request whose URL, headers and text body may have places. A URL without scheme is
    /// relative to the run's target. The URL as given names the series.
    pub fn new(method: &str, url: &str) -> Result<Template, TemplateError> {
        Self::build(method, url, true)
    }

    /// A request made on the spot: braces are braces, and the URL without its query names
    /// the series.
    pub fn once(method: &str, url: &str) -> Result<Template, TemplateError> {
        Self::build(method, url, false)
    }

    fn build(method: &str, url: &str, has_places: bool) -> Result<Template, TemplateError> {
        let method = parse_method(method)?;
        let series_name =
            if has_places { url } else { url.split(['?', '#']).next().unwrap_or(url) };
        let source = Source {
            method,
            url: url.to_string(),
            headers: Vec::new(),
            body: Body::None,
            has_places,
        };
        let mut template = Template {
            source,
            places: Vec::new(),
            url: UrlTemplate { base: Base::Target, path: Text::default() },
            headers: Vec::new(),
            header_block: Text::default(),
            body: BodyTemplate::None,
            settings: Settings::default(),
            body_fault: None,
            series_name: series_name.to_string(),
            tags: Vec::new(),
        };
        template.compile()?;
        Ok(template)
    }

    /// Adds a header line.
    pub fn header(&mut self, name: &str, value: &str) -> Result<(), TemplateError> {
        self.headers([(name.to_string(), value.to_string())])
    }

    /// Adds header lines: all, or on an error none.
    pub fn headers(
        &mut self,
        lines: impl IntoIterator<Item = (String, String)>,
    ) -> Result<(), TemplateError> {
        let before = self.source.headers.len();
        self.source.headers.extend(lines);
        let mut added = self.source.headers[before..].iter();
        let checked = added.try_for_each(|(name, value)| check_header(name, value));
        checked.and_then(|()| self.compile()).inspect_err(|_| self.source.headers.truncate(before))
    }

    /// Sets the body. Braces of a text that are no places fail the sending, unless `raw-body`
    /// is set before or after.
    pub fn body(&mut self, body: Body) -> Result<(), TemplateError> {
        self.source.body = body;
        self.compile()
    }

    /// Names the series, instead of the URL, and tags it.
    pub fn name(&mut self, name: &str, tags: Vec<(String, String)>) {
        self.series_name = name.to_string();
        self.tags = tags;
    }

    /// Sets one of `timeout`, `connect-timeout`, `first-byte-timeout` (`5s`, `300ms`),
    /// `max-redirects`, `expect-status` (`200-299,404`), `expect-contains`, `expect-json`
    /// (`/ok=true`) and `raw-body` (`true`).
    pub fn set(&mut self, key: &str, value: &str) -> Result<(), TemplateError> {
        let settings = &mut self.settings;
        match key {
            "timeout" => settings.timeout = Some(parse_duration("timeout", value)?),
            "connect-timeout" => {
                settings.connect_timeout = Some(parse_duration("connect-timeout", value)?);
            }
            "first-byte-timeout" => {
                settings.first_byte_timeout = Some(parse_duration("first-byte-timeout", value)?);
            }
            "max-redirects" => {
                let number = value.trim().parse();
                let fault = |_| TemplateError::setting("max-redirects", value, "a number");
                settings.max_redirects = Some(number.map_err(fault)?);
            }
            "expect-status" => settings.expect.set_status(value)?,
            "expect-contains" => settings.expect.add_contains(value)?,
            "expect-json" => settings.expect.add_json(value)?,
            "raw-body" => {
                let fault = |_| TemplateError::setting("raw-body", value, "`true` or `false`");
                settings.raw_body = value.trim().parse().map_err(fault)?;
                self.compile()?;
            }
            _ => {
                let hint = format!(": there are {}", KEYS.join(", "));
                return Err(TemplateError::UnknownSetting { key: key.to_string(), hint });
            }
        }
        Ok(())
    }

    /// Names of the places, in the order in which values are given.
    pub fn places(&self) -> &[String] {
        &self.places
    }

    /// Of the series in the report.
    pub fn series_name(&self) -> &str {
        &self.series_name
    }

    /// Upper case.
    pub fn method(&self) -> &str {
        &self.source.method
    }

    /// Of the series in the report.
    pub fn tags(&self) -> &[(String, String)] {
        &self.tags
    }

    pub(super) fn has_header(&self, lower_case: &str) -> bool {
        self.headers.iter().any(|header| header.name == lower_case)
    }

    /// Whether sending it twice is like sending it once (RFC 9110, 9.2.2).
    pub(super) fn is_idempotent(&self) -> bool {
        matches!(self.method(), "GET" | "HEAD" | "PUT" | "DELETE" | "OPTIONS" | "TRACE")
    }

    /// Takes the source apart anew. On error the parts stay as they were.
    fn compile(&mut self) -> Result<(), TemplateError> {
        let mut places = Places::default();
        let mut parse = |text: &str| match self.source.has_places {
            true => Text::parse(text, &mut places),
            false => Ok(Text::literal(text)),
        };
        let url = UrlTemplate::new(parse(&self.source.url)?)?;
        let mut headers = Vec::with_capacity(self.source.headers.len());
        let mut header_block = Text::default();
        for (name, value) in &self.source.headers {
            let mut line = Text::literal(format!("{name}: "));
            line.append(&parse(value)?);
            line.push_literal("\r\n");
            header_block.append(&line);
            headers.push(HeaderTemplate { name: name.to_ascii_lowercase(), line });
        }
        let body = match &self.source.body {
            Body::None => Ok(BodyTemplate::None),
            Body::Bytes(bytes) => Ok(BodyTemplate::Fixed(bytes.as_slice().into())),
            Body::Text(text) if self.settings.raw_body => Ok(BodyTemplate::fixed(text)),
            Body::Text(text) => parse(text).map(|text| match text.as_literal() {
                Some(literal) => BodyTemplate::fixed(literal),
                None => BodyTemplate::Text(text),
            }),
        };
        (self.body, self.body_fault) = match body {
            Ok(body) => (body, None),
            Err(fault) => (BodyTemplate::None, Some(fault)),
        };
        self.places = places.into_names();
        self.url = url;
        self.headers = headers;
        self.header_block = header_block;
        Ok(())
    }
}

impl BodyTemplate {
    fn fixed(text: &str) -> Self {
        Self::Fixed(text.as_bytes().into())
    }
}

fn parse_method(method: &str) -> Result<String, TemplateError> {
    let upper = method.to_ascii_uppercase();
    let fits = !upper.is_empty()
        && upper.len() <= 32
        && upper.bytes().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_'))
        && !matches!(upper.as_str(), "CONNECT");
    if fits { Ok(upper) } else { Err(TemplateError::Method(method.to_string())) }
}

fn check_header(name: &str, value: &str) -> Result<(), TemplateError> {
    let fault = |why| Err(TemplateError::Header { name: name.chars().take(64).collect(), why });
    if !is_header_name(name) {
        return fault("is no header name: use letters, digits and `-`");
    }
    if has_control_bytes(value) {
        return fault("has a control character in its value: remove line ends");
    }
    match name.to_ascii_lowercase().as_str() {
        "content-length" | "transfer-encoding" => fault("is set by loadhost: leave it out"),
        "upgrade" => {
            fault("asks for another protocol, which loadhost does not speak: leave it out")
        }
        _ => Ok(()),
    }
}

/// Whether this is a token of RFC 9110.
pub(super) fn is_header_name(name: &str) -> bool {
    !name.is_empty()
        && name.bytes().all(|b| b.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&b))
}

/// `5s`, `1.5s`, `300ms`, `250us`, `2m`, `1h`; a bare number is seconds.
fn parse_duration(key: &'static str, text: &str) -> Result<Duration, TemplateError> {
    let fault = || TemplateError::setting(key, text, "a time such as `5s` or `300ms`");
    let trimmed = text.trim();
    let end = trimmed.find(|c: char| !c.is_ascii_digit() && c != '.').unwrap_or(trimmed.len());
    let (number, unit) = trimmed.split_at(end);
    let scale = match unit.trim() {
        "us" | "µs" => 1e-6,
        "ms" => 1e-3,
        "" | "s" => 1.0,
        "m" | "min" => 60.0,
        "h" => 3600.0,
        _ => return Err(fault()),
    };
    let seconds = number.parse::<f64>().map_err(|_| fault())? * scale;
    // A day is longer than any request; beyond it, clocks overflow.
    Duration::try_from_secs_f64(seconds)
        .ok()
        .filter(|span| *span <= Duration::from_secs(86_400))
        .ok_or_else(fault)
}
