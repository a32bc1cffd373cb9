//! The contract's imports.

use std::time::Duration;

use super::{PlainBody, PlainRequest};
use crate::bindings::scenario::loadhost::scenario::{data, http, log as logging, metrics, time};
use crate::http::{Cause, Summary};
use crate::log::Level;
use crate::metrics::Kind;

/// Nanoseconds of the contract.
pub(crate) fn nanos(span: Duration) -> u64 {
    u64::try_from(span.as_nanos()).unwrap_or(u64::MAX)
}

fn summary(summary: http::Summary) -> Summary {
    let http::Summary { status, ok, body_size, elapsed } = summary;
    Summary { status, ok, body_size, elapsed: Duration::from_nanos(elapsed) }
}

fn cause(error: http::Error) -> Cause {
    match error {
        http::Error::Timeout(text) => Cause::Timeout(text),
        http::Error::Dns(text) => Cause::Dns(text),
        http::Error::Connect(text) => Cause::Connect(text),
        http::Error::Tls(text) => Cause::Tls(text),
        http::Error::Protocol(text) => Cause::Protocol(text),
        http::Error::Denied(text) => Cause::Denied(text),
        http::Error::Cancelled => Cause::Cancelled,
        http::Error::Other(text) => Cause::Other(text),
    }
}

#[derive(Debug)]
pub(crate) struct Template(http::Template);

impl Template {
    pub(crate) fn new(method: &str, url: &str) -> Self {
        Self(http::Template::new(method, url))
    }

    pub(crate) fn header(&self, name: &str, value: &str) {
        self.0.header(name, value);
    }

    pub(crate) fn body(&self, text: &str) {
        self.0.body(http::Body::Text(text));
    }

    pub(crate) fn name(&self, name: &str, tags: &[(String, String)]) {
        self.0.name(name, &tags.iter().collect::<Vec<_>>());
    }

    pub(crate) fn set(&self, key: &str, value: &str) -> Result<(), String> {
        self.0.set(key, value)
    }

    pub(crate) fn send(&self, values: &[&str]) -> Result<Summary, Cause> {
        self.0.send(values).map(summary).map_err(cause)
    }

    pub(crate) fn fetch(&self, values: &[&str]) -> Result<Response, Cause> {
        self.0.fetch(values).map(Response).map_err(cause)
    }
}

#[derive(Debug)]
pub(crate) struct Response(http::Response);

impl Response {
    pub(crate) fn summary(&self) -> Summary {
        summary(self.0.summary())
    }

    pub(crate) fn header(&self, name: &str) -> Option<String> {
        self.0.header(name)
    }

    pub(crate) fn headers(&self) -> Vec<(String, String)> {
        self.0.headers()
    }

    pub(crate) fn bytes(&self) -> Vec<u8> {
        self.0.bytes()
    }

    pub(crate) fn text(&self) -> String {
        self.0.text()
    }

    pub(crate) fn contains(&self, needle: &str) -> bool {
        self.0.contains(needle)
    }

    pub(crate) fn json(&self, pointer: &str) -> Option<String> {
        self.0.json(pointer)
    }

    pub(crate) fn mark(&self, verdict: Result<(), &str>) {
        self.0.mark(verdict);
    }

    pub(crate) fn timings(&self) -> Vec<(String, Duration)> {
        let timings = self.0.timings().into_iter();
        timings.map(|(phase, nanos)| (phase, Duration::from_nanos(nanos))).collect()
    }

    pub(crate) fn url(&self) -> String {
        self.0.url()
    }
}

/// The lists of a request, as the contract's record borrows them.
struct Lists<'a> {
    headers: Vec<&'a http::Header>,
    tags: Vec<&'a http::Tag>,
    options: Vec<(&'a str, &'a str)>,
}

impl<'a> Lists<'a> {
    fn of(request: &'a PlainRequest) -> Self {
        let option = |(key, value): &'a (String, String)| (key.as_str(), value.as_str());
        Self {
            headers: request.headers.iter().collect(),
            tags: request.tags.iter().collect(),
            options: request.options.iter().map(option).collect(),
        }
    }
}

fn record<'a>(request: &'a PlainRequest, lists: &'a Lists<'a>) -> http::Request<'a> {
    http::Request {
        method: &request.method,
        url: &request.url,
        headers: &lists.headers,
        body: match &request.body {
            PlainBody::None => http::Body::None,
            PlainBody::Text(text) => http::Body::Text(text),
            PlainBody::Bytes(bytes) => http::Body::Bytes(bytes),
        },
        name: Some(&request.name),
        tags: &lists.tags,
        options: &lists.options,
    }
}

pub(crate) fn send(request: &PlainRequest) -> Result<Response, Cause> {
    let lists = Lists::of(request);
    http::send(record(request, &lists)).map(Response).map_err(cause)
}

pub(crate) fn send_all(requests: &[&PlainRequest]) -> Vec<Result<Response, Cause>> {
    let lists: Vec<_> = requests.iter().map(|request| Lists::of(request)).collect();
    let records = requests.iter().zip(&lists).map(|(request, lists)| record(request, lists));
    let answers = http::send_all(&records.collect::<Vec<_>>()).into_iter();
    answers.map(|answer| answer.map(Response).map_err(cause)).collect()
}

pub(crate) fn send_templates(requests: &[(&Template, Vec<&str>)]) -> Vec<Result<Summary, Cause>> {
    let requests: Vec<_> =
        requests.iter().map(|(template, values)| (&template.0, values.as_slice())).collect();
    let answers = http::send_templates(&requests).into_iter();
    answers.map(|answer| answer.map(summary).map_err(cause)).collect()
}

pub(crate) fn cookie(url: &str, name: &str) -> Option<String> {
    http::cookie(url, name)
}

pub(crate) fn set_cookie(url: &str, cookie: &str) -> Result<(), String> {
    http::set_cookie(url, cookie)
}

pub(crate) fn clear_cookies() {
    http::clear_cookies();
}

#[derive(Debug)]
pub(crate) struct Metric(metrics::Metric);

impl Metric {
    pub(crate) fn new(name: &str, kind: Kind, unit: &str) -> Self {
        let kind = match kind {
            Kind::Counter => metrics::Kind::Counter,
            Kind::Gauge => metrics::Kind::Gauge,
            Kind::Rate => metrics::Kind::Rate,
            Kind::Trend => metrics::Kind::Trend,
        };
        Self(metrics::Metric::new(name, kind, unit))
    }

    pub(crate) fn add(&self, value: f64, tags: &[(String, String)]) {
        self.0.add(value, &tags.iter().collect::<Vec<_>>());
    }
}

pub(crate) fn check(name: &str, ok: bool) -> bool {
    metrics::check(name, ok)
}

pub(crate) fn group_begin(name: &str) {
    metrics::group_begin(name);
}

pub(crate) fn group_end() {
    metrics::group_end();
}

fn level(level: Level) -> logging::Level {
    match level {
        Level::Trace => logging::Level::Trace,
        Level::Debug => logging::Level::Debug,
        Level::Info => logging::Level::Info,
        Level::Warn => logging::Level::Warn,
        Level::Error => logging::Level::Error,
    }
}

pub(crate) fn log(importance: Level, message: &str) {
    logging::log(level(importance), message);
}

pub(crate) fn log_enabled(importance: Level) -> bool {
    logging::enabled(level(importance))
}

pub(crate) fn param(name: &str) -> Option<String> {
    data::param(name)
}

#[derive(Debug)]
pub(crate) struct Feeder(data::Feeder);

impl Feeder {
    pub(crate) fn open(name: &str, columns: &[&str]) -> Result<Self, String> {
        data::Feeder::open(name, columns).map(Self)
    }

    pub(crate) fn next(&self) -> Result<Option<Vec<(String, String)>>, String> {
        let cells =
            |row: data::Row| row.into_iter().map(|cell| (cell.column, cell.value)).collect();
        self.0.next().map(|row| row.map(cells))
    }
}

pub(crate) fn unique_number(name: &str) -> Result<u64, String> {
    data::unique_number(name)
}

pub(crate) fn counter_add(name: &str, by: i64) -> Result<i64, String> {
    data::counter_add(name, by)
}

pub(crate) fn rendezvous(name: &str, users: u32, timeout: Duration) -> Result<bool, String> {
    data::rendezvous(name, users, nanos(timeout))
}

pub(crate) fn now() -> Duration {
    Duration::from_nanos(time::now())
}

pub(crate) fn sleep(span: Duration) -> Result<(), ()> {
    time::sleep(nanos(span))
}

pub(crate) fn random() -> u64 {
    time::random()
}
