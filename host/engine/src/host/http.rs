//! `http`: templates, and requests made on the spot.
// The generated bindings re-export the types of handles.
#![allow(unreachable_pub)]

use std::pin::pin;
use std::sync::Arc;

use tokio::time::Instant;
use wasmtime::component::Resource;

use super::response::HostResponse;
use super::sample::{self, Finished, Series};
use super::state::VuState;
use crate::bindings::http as wit;
use crate::http::{Body, Exchange, Keep, Template, TemplateError};
use crate::load::vu::ShardContext;

/// A request that the guest made once to send it often.
pub struct HostTemplate {
    /// A request, or what is wrong with it: the guest is told when it sends.
    request: Result<Template, Faulty>,
    /// Under which it was counted last, and the path of groups that were open then.
    series: Option<(Arc<str>, Series)>,
}

struct Faulty {
    method: String,
    name: String,
    why: String,
}

impl Default for HostTemplate {
    /// Stands in the table while a template is being sent.
    fn default() -> Self {
        let why = "the template is being sent".to_string();
        Self {
            request: Err(Faulty { method: String::new(), name: String::new(), why }),
            series: None,
        }
    }
}

impl HostTemplate {
    fn new(method: String, url: String) -> Self {
        let request = Template::new(&method, &url).map_err(|error| Faulty {
            method,
            name: url,
            why: error.to_string(),
        });
        Self { request, series: None }
    }

    /// A request made on the spot.
    fn once(from: wit::Request) -> Self {
        let wit::Request { method, url, headers, body, name, tags, options } = from;
        let build = || -> Result<Template, TemplateError> {
            let mut template = Template::once(&method, &url)?;
            headers.iter().try_for_each(|(name, value)| template.header(name, value))?;
            template.body(converted(body))?;
            options.iter().try_for_each(|(key, value)| template.set(key, value))?;
            if name.is_some() || !tags.is_empty() {
                let series = name.unwrap_or_else(|| template.series_name().to_string());
                template.name(&series, tags);
            }
            Ok(template)
        };
        let request = build().map_err(|error| {
            let name = url.split(['?', '#']).next().unwrap_or_default().to_string();
            Faulty { method, name, why: error.to_string() }
        });
        Self { request, series: None }
    }

    fn change(
        &mut self,
        change: impl FnOnce(&mut Template) -> Result<(), TemplateError>,
    ) -> Result<(), String> {
        // Whatever is changed may be the name of the series.
        self.series = None;
        match &mut self.request {
            Ok(template) => change(template).map_err(|error| error.to_string()),
            Err(faulty) => Err(faulty.why.clone()),
        }
    }

    /// As above, where the contract has no way to tell the guest before it sends.
    fn change_or_spoil(&mut self, change: impl FnOnce(&mut Template) -> Result<(), TemplateError>) {
        if let Err(why) = self.change(change)
            && let Ok(template) = &self.request
        {
            let (method, name) =
                (template.method().to_string(), template.series_name().to_string());
            self.request = Err(Faulty { method, name, why });
        }
    }

    /// The request, or what is wrong with it, and under what it is counted while these
    /// groups are open.
    #[inline]
    fn resolve(
        &mut self,
        shard: &ShardContext,
        group: &Arc<str>,
    ) -> (Result<&Template, &str>, &Series) {
        let Self { request, series } = self;
        let request = request.as_ref();
        if series.as_ref().is_some_and(|(known, _)| !Arc::ptr_eq(known, group)) {
            *series = None;
        }
        let (_, series) = series.get_or_insert_with(|| {
            let (method, name, tags) = match request {
                Ok(template) => (template.method(), template.series_name(), template.tags()),
                Err(faulty) => (&*faulty.method, &*faulty.name, &[][..]),
            };
            (Arc::clone(group), Series::new(&shard.recorder, method, name, tags, group))
        });
        (request.map_err(|faulty| &*faulty.why), series)
    }
}

fn converted(body: wit::Body) -> Body {
    match body {
        wit::Body::None => Body::None,
        wit::Body::Text(text) => Body::Text(text),
        wit::Body::Bytes(bytes) => Body::Bytes(bytes),
    }
}

impl VuState {
    /// The hot path.
    async fn send_by(
        &mut self,
        template: &Resource<HostTemplate>,
        values: &[String],
    ) -> wasmtime::Result<Result<wit::Summary, wit::Error>> {
        let keep = self.keep(Keep::Summary);
        let host = self.table.get_mut(template)?;
        let group = self.groups.path();
        let (request, series) = host.resolve(&self.shard, group);
        let request = match request {
            Ok(request) => request,
            Err(why) => return Ok(Err(refuse(&self.shard, series, why))),
        };
        if self.interrupt.or(pin!(self.shard.gate.ready())).await.is_none() {
            return Ok(Err(wit::Error::Cancelled));
        }
        let sending = pin!(self.client.send(request, values, keep));
        let Some(exchange) = self.interrupt.wait(sending).await else {
            return Ok(Err(wit::Error::Cancelled));
        };
        self.cpu.waited(exchange.started, exchange.started + exchange.timings.total);
        let lag = std::mem::take(&mut self.lag);
        sample::record(&self.shard, series, &exchange, lag);
        if let Some(trace) = &mut self.trace {
            trace.request(request, values, &exchange);
        }
        Ok(sample::summary(&exchange))
    }

    /// Keeps headers and body too, until the guest lets go of the answer.
    async fn fetch_by(
        &mut self,
        host: &mut HostTemplate,
        values: &[String],
    ) -> wasmtime::Result<Result<Resource<HostResponse>, wit::Error>> {
        let (request, series) = host.resolve(&self.shard, self.groups.path());
        let request = match request {
            Ok(request) => request,
            Err(why) => return Ok(Err(refuse(&self.shard, series, why))),
        };
        if self.interrupt.or(pin!(self.shard.gate.ready())).await.is_none() {
            return Ok(Err(wit::Error::Cancelled));
        }
        let exchange = {
            let sending = pin!(self.client.send(request, values, Keep::Response));
            self.interrupt.wait(sending).await
        };
        let Some(exchange) = exchange else {
            return Ok(Err(wit::Error::Cancelled));
        };
        self.cpu.waited(exchange.started, exchange.started + exchange.timings.total);
        if let Some(trace) = &mut self.trace {
            trace.request(request, values, &exchange);
        }
        let series = series.clone();
        self.hand_out(exchange, series)
    }

    /// Hands an answer to the guest. It is counted when the guest lets go of it.
    fn hand_out(
        &mut self,
        exchange: Exchange,
        series: Series,
    ) -> wasmtime::Result<Result<Resource<HostResponse>, wit::Error>> {
        let lag = std::mem::take(&mut self.lag);
        if let Some(name) = exchange.capped {
            self.shard.recorder.capped(name);
        }
        let finished = Finished::new(series, &exchange, lag);
        let summary = match sample::summary(&exchange) {
            Ok(summary) => summary,
            Err(error) => {
                finished.record(&self.shard.recorder);
                return Ok(Err(error));
            }
        };
        let kept = exchange.result.ok().and_then(|answer| answer.kept).unwrap_or_default();
        let response = HostResponse::new(summary, exchange.timings, kept, finished);
        match self.table.push(response) {
            Ok(resource) => {
                self.unrecorded += 1;
                Ok(Ok(resource))
            }
            Err(_) => Err(self.exceeded("handles", self.plan.limits.handles)),
        }
    }

    /// Sends several at once.
    async fn send_several(
        &mut self,
        hosts: &[&HostTemplate],
        values: &[&[String]],
        keep: Keep,
    ) -> Option<Vec<Exchange>> {
        let requests: Vec<(&Template, &[String])> = hosts
            .iter()
            .zip(values)
            .filter_map(|(host, values)| Some((host.request.as_ref().ok()?, *values)))
            .collect();
        let (shard, client) = (&self.shard, &mut self.client);
        let began = Instant::now();
        let sending = pin!(async {
            for _ in &requests {
                shard.gate.ready().await;
            }
            client.send_many(&requests, keep).await
        });
        let exchanges = self.interrupt.or(sending).await;
        self.cpu.waited(began, Instant::now());
        exchanges
    }

    fn keep(&self, keep: Keep) -> Keep {
        if self.trace.is_some() { Keep::Response } else { keep }
    }

    fn push_template(
        &mut self,
        template: HostTemplate,
    ) -> wasmtime::Result<Resource<HostTemplate>> {
        self.table.push(template).map_err(|_| self.exceeded("handles", self.plan.limits.handles))
    }

    /// Counts, as if the guest let go of it, each answer that it still holds.
    pub(super) fn record_held_answers(&mut self) {
        if self.unrecorded == 0 {
            return;
        }
        for entry in self.table.iter_mut() {
            if let Some(response) = entry.downcast_mut::<HostResponse>() {
                response.record(&self.shard.recorder);
            }
        }
        self.unrecorded = 0;
    }
}

/// Counts a request that is refused before it is sent, and tells the guest.
fn refuse(shard: &ShardContext, series: &Series, why: &str) -> wit::Error {
    sample::record_refusal(shard, series, why);
    wit::Error::Denied(why.to_string())
}

impl wit::HostTemplate for VuState {
    fn new(&mut self, method: String, url: String) -> wasmtime::Result<Resource<HostTemplate>> {
        self.call()?;
        self.push_template(HostTemplate::new(method, url))
    }

    fn header(
        &mut self,
        this: Resource<HostTemplate>,
        name: String,
        value: String,
    ) -> wasmtime::Result<()> {
        self.call()?;
        self.table.get_mut(&this)?.change_or_spoil(|template| template.header(&name, &value));
        Ok(())
    }

    fn body(&mut self, this: Resource<HostTemplate>, body: wit::Body) -> wasmtime::Result<()> {
        self.call()?;
        self.table.get_mut(&this)?.change_or_spoil(|template| template.body(converted(body)));
        Ok(())
    }

    fn name(
        &mut self,
        this: Resource<HostTemplate>,
        name: String,
        tags: Vec<(String, String)>,
    ) -> wasmtime::Result<()> {
        self.call()?;
        self.table.get_mut(&this)?.change_or_spoil(|template| {
            template.name(&name, tags);
            Ok(())
        });
        Ok(())
    }

    fn set(
        &mut self,
        this: Resource<HostTemplate>,
        key: String,
        value: String,
    ) -> wasmtime::Result<Result<(), String>> {
        self.call()?;
        Ok(self.table.get_mut(&this)?.change(|template| template.set(&key, &value)))
    }

    async fn send(
        &mut self,
        this: Resource<HostTemplate>,
        values: Vec<String>,
    ) -> wasmtime::Result<Result<wit::Summary, wit::Error>> {
        self.call()?;
        self.send_by(&this, &values).await
    }

    async fn fetch(
        &mut self,
        this: Resource<HostTemplate>,
        values: Vec<String>,
    ) -> wasmtime::Result<Result<Resource<HostResponse>, wit::Error>> {
        self.call()?;
        // The answer goes into the table that holds the template, so the template steps
        // out of it meanwhile.
        let mut template = std::mem::take(self.table.get_mut(&this)?);
        let answer = self.fetch_by(&mut template, &values).await;
        *self.table.get_mut(&this)? = template;
        answer
    }

    fn drop(&mut self, this: Resource<HostTemplate>) -> wasmtime::Result<()> {
        self.table.delete(this)?;
        Ok(())
    }
}

impl wit::Host for VuState {
    async fn send(
        &mut self,
        request: wit::Request,
    ) -> wasmtime::Result<Result<Resource<HostResponse>, wit::Error>> {
        self.call()?;
        self.fetch_by(&mut HostTemplate::once(request), &[]).await
    }

    async fn send_all(
        &mut self,
        requests: Vec<wit::Request>,
    ) -> wasmtime::Result<Vec<Result<Resource<HostResponse>, wit::Error>>> {
        self.call()?;
        let mut hosts: Vec<HostTemplate> = requests.into_iter().map(HostTemplate::once).collect();
        let values = vec![&[][..]; hosts.len()];
        let sent =
            self.send_several(&hosts.iter().collect::<Vec<_>>(), &values, Keep::Response).await;
        let Some(sent) = sent else {
            return Ok(hosts.iter().map(|_| Err(wit::Error::Cancelled)).collect());
        };
        let mut sent = sent.into_iter();
        let mut answers = Vec::with_capacity(hosts.len());
        for host in &mut hosts {
            let (request, series) = host.resolve(&self.shard, self.groups.path());
            let series = series.clone();
            answers.push(match request {
                Err(why) => Err(refuse(&self.shard, &series, why)),
                Ok(request) => match sent.next() {
                    None => Err(wit::Error::Cancelled),
                    Some(exchange) => {
                        if let Some(trace) = &mut self.trace {
                            trace.request(request, &[], &exchange);
                        }
                        self.hand_out(exchange, series)?
                    }
                },
            });
        }
        Ok(answers)
    }

    async fn send_templates(
        &mut self,
        requests: Vec<(Resource<HostTemplate>, Vec<String>)>,
    ) -> wasmtime::Result<Vec<Result<wit::Summary, wit::Error>>> {
        self.call()?;
        let keep = self.keep(Keep::Summary);
        // As above. The same template may be in the list twice.
        let mut taken: Vec<Option<HostTemplate>> = Vec::with_capacity(requests.len());
        let mut places: Vec<usize> = Vec::with_capacity(requests.len());
        for (index, (resource, _)) in requests.iter().enumerate() {
            let earlier =
                requests[..index].iter().position(|(other, _)| other.rep() == resource.rep());
            places.push(earlier.unwrap_or(index));
            taken.push(match earlier {
                Some(_) => None,
                None => Some(std::mem::take(self.table.get_mut(resource)?)),
            });
        }
        let mut hosts: Vec<HostTemplate> =
            taken.into_iter().map(Option::unwrap_or_default).collect();
        let values: Vec<&[String]> = requests.iter().map(|(_, values)| &**values).collect();
        let listed: Vec<&HostTemplate> = places.iter().map(|place| &hosts[*place]).collect();
        let sent = self.send_several(&listed, &values, keep).await;
        let answers = match sent {
            None => requests.iter().map(|_| Err(wit::Error::Cancelled)).collect(),
            Some(sent) => {
                let mut sent = sent.into_iter();
                let mut answers = Vec::with_capacity(requests.len());
                for (place, values) in places.iter().zip(&values) {
                    let (request, series) = hosts[*place].resolve(&self.shard, self.groups.path());
                    answers.push(match (request, &mut sent) {
                        (Err(why), _) => Err(refuse(&self.shard, series, why)),
                        (Ok(request), sent) => match sent.next() {
                            None => Err(wit::Error::Cancelled),
                            Some(exchange) => {
                                let lag = std::mem::take(&mut self.lag);
                                sample::record(&self.shard, series, &exchange, lag);
                                if let Some(trace) = &mut self.trace {
                                    trace.request(request, values, &exchange);
                                }
                                sample::summary(&exchange)
                            }
                        },
                    });
                }
                answers
            }
        };
        for ((resource, _), (index, place)) in requests.iter().zip(places.iter().enumerate()) {
            if index == *place {
                *self.table.get_mut(resource)? = std::mem::take(&mut hosts[index]);
            }
        }
        Ok(answers)
    }

    fn cookie(&mut self, url: String, name: String) -> wasmtime::Result<Option<String>> {
        self.call()?;
        Ok(self.client.cookie(&url, &name))
    }

    fn set_cookie(&mut self, url: String, cookie: String) -> wasmtime::Result<Result<(), String>> {
        self.call()?;
        Ok(self.client.set_cookie(&url, &cookie))
    }

    fn clear_cookies(&mut self) -> wasmtime::Result<()> {
        self.call()?;
        self.client.clear_cookies();
        Ok(())
    }
}
