//! The same calls, answered by the current [`World`] of a test.

use std::rc::Rc;
use std::time::Duration;

use super::{PlainBody, PlainRequest};
use crate::http::{Cause, Summary, places};
use crate::log::Level;
use crate::metrics::Kind;
use crate::test::world::{Exchange, World};

#[derive(Debug)]
pub(crate) struct Template {
    world: World,
    request: std::cell::RefCell<PlainRequest>,
}

impl Template {
    pub(crate) fn new(method: &str, url: &str) -> Self {
        let request = PlainRequest {
            method: method.to_string(),
            url: url.to_string(),
            headers: Vec::new(),
            body: PlainBody::None,
            name: url.to_string(),
            tags: Vec::new(),
            options: Vec::new(),
        };
        let world = World::current();
        world.count_template();
        Self { world, request: request.into() }
    }

    pub(crate) fn header(&self, name: &str, value: &str) {
        self.request.borrow_mut().headers.push((name.to_string(), value.to_string()));
    }

    pub(crate) fn body(&self, text: &str) {
        self.request.borrow_mut().body = PlainBody::Text(text.to_string());
    }

    pub(crate) fn name(&self, name: &str, tags: &[(String, String)]) {
        let mut request = self.request.borrow_mut();
        request.name = name.to_string();
        request.tags = tags.to_vec();
    }

    pub(crate) fn set(&self, key: &str, value: &str) -> Result<(), String> {
        self.request.borrow_mut().options.push((key.to_string(), value.to_string()));
        Ok(())
    }

    pub(crate) fn send(&self, values: &[&str]) -> Result<Summary, Cause> {
        self.fetch(values).map(|response| response.summary())
    }

    pub(crate) fn fetch(&self, values: &[&str]) -> Result<Response, Cause> {
        let mut request = self.request.borrow().clone();
        let malformed = || Cause::Denied(format!("`{}` cannot be filled in", request.url));
        let taken = places::count(&request.url).ok_or_else(malformed)?;
        let url = places::fill(&request.url, values).ok_or_else(malformed)?;
        request.url = url;
        // The SDK's own templates have one place in each header that varies, and one in the body.
        let mut rest = values.iter().skip(taken);
        for (_, value) in &mut request.headers {
            if value.starts_with("{_header_") {
                *value = rest.next().map(ToString::to_string).unwrap_or_default();
            }
        }
        if let PlainBody::Text(text) = &mut request.body {
            *text = rest.next().map(ToString::to_string).unwrap_or_default();
        }
        self.world.exchange(&request).map(Response)
    }
}

#[derive(Debug)]
pub(crate) struct Response(Rc<Exchange>);

impl Response {
    pub(crate) fn summary(&self) -> Summary {
        self.0.summary()
    }

    pub(crate) fn header(&self, name: &str) -> Option<String> {
        self.0.reply.find_header(name).map(str::to_string)
    }

    pub(crate) fn headers(&self) -> Vec<(String, String)> {
        self.0.reply.headers.clone()
    }

    pub(crate) fn bytes(&self) -> Vec<u8> {
        self.0.reply.body.clone()
    }

    pub(crate) fn text(&self) -> String {
        String::from_utf8_lossy(&self.0.reply.body).into_owned()
    }

    pub(crate) fn contains(&self, needle: &str) -> bool {
        self.0.reply.contains(needle)
    }

    pub(crate) fn json(&self, pointer: &str) -> Option<String> {
        self.0.reply.json_at(pointer).map(|value| value.to_string())
    }

    pub(crate) fn mark(&self, verdict: Result<(), &str>) {
        self.0.mark(verdict);
    }

    pub(crate) fn timings(&self) -> Vec<(String, Duration)> {
        vec![("waiting".to_string(), self.0.summary().elapsed)]
    }

    pub(crate) fn url(&self) -> String {
        self.0.url.clone()
    }
}

pub(crate) fn send(request: &PlainRequest) -> Result<Response, Cause> {
    World::current().exchange(request).map(Response)
}

pub(crate) fn send_all(requests: &[&PlainRequest]) -> Vec<Result<Response, Cause>> {
    requests.iter().map(|request| send(request)).collect()
}

pub(crate) fn send_templates(requests: &[(&Template, Vec<&str>)]) -> Vec<Result<Summary, Cause>> {
    requests.iter().map(|(template, values)| template.send(values)).collect()
}

pub(crate) fn cookie(_url: &str, name: &str) -> Option<String> {
    World::current().cookie(name)
}

pub(crate) fn set_cookie(_url: &str, cookie: &str) -> Result<(), String> {
    World::current().set_cookie(cookie)
}

pub(crate) fn clear_cookies() {
    World::current().clear_cookies();
}

#[derive(Debug)]
pub(crate) struct Metric {
    world: World,
    name: String,
    kind: Kind,
}

impl Metric {
    pub(crate) fn new(name: &str, kind: Kind, _unit: &str) -> Self {
        let world = World::current();
        world.declare_metric(name, kind);
        Self { world, name: name.to_string(), kind }
    }

    pub(crate) fn add(&self, value: f64, tags: &[(String, String)]) {
        self.world.add_sample(&self.name, self.kind, value, tags);
    }
}

pub(crate) fn check(name: &str, ok: bool) -> bool {
    World::current().add_check(name, ok);
    ok
}

pub(crate) fn group_begin(name: &str) {
    World::current().begin_group(name);
}

pub(crate) fn group_end() {
    World::current().end_group();
}

pub(crate) fn log(level: Level, message: &str) {
    World::current().add_log(level, message);
}

pub(crate) fn log_enabled(_level: Level) -> bool {
    true
}

pub(crate) fn param(name: &str) -> Option<String> {
    World::try_current().and_then(|world| world.param_value(name))
}

#[derive(Debug)]
pub(crate) struct Feeder {
    world: World,
    name: String,
    columns: Vec<String>,
}

impl Feeder {
    pub(crate) fn open(name: &str, columns: &[&str]) -> Result<Self, String> {
        let world = World::current();
        world.open_rows(name, columns)?;
        let columns = columns.iter().map(ToString::to_string).collect();
        Ok(Self { world, name: name.to_string(), columns })
    }

    pub(crate) fn next(&self) -> Result<Option<Vec<(String, String)>>, String> {
        self.world.next_row(&self.name, &self.columns)
    }
}

pub(crate) fn unique_number(name: &str) -> Result<u64, String> {
    World::current().next_number(name)
}

pub(crate) fn counter_add(name: &str, by: i64) -> Result<i64, String> {
    Ok(World::current().add_to_counter(name, by))
}

pub(crate) fn rendezvous(name: &str, _users: u32, timeout: Duration) -> Result<bool, String> {
    World::current().meet(name, timeout)
}

pub(crate) fn now() -> Duration {
    World::current().elapsed()
}

pub(crate) fn sleep(span: Duration) -> Result<(), ()> {
    World::current().pause(span)
}

pub(crate) fn random() -> u64 {
    World::try_current().map_or(0, |world| world.seed())
}
