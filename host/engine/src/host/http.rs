//! `http`: templates, and requests made on the spot, one at a time.
// The generated bindings re-export the types of handles.
#![allow(unreachable_pub)]

use std::pin::pin;

use wasmtime::component::Resource;

use super::response::HostResponse;
use super::sample::{self, Finished, Series};
use super::state::VuState;
use super::template::{HostTemplate, converted};
use crate::bindings::http as wit;
use crate::http::{Exchange, Keep};
use crate::load::vu::ShardContext;

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
        let exchange = {
            let sending = pin!(self.client.send(request, values, keep));
            self.interrupt.wait(sending).await
        };
        let Some(exchange) = exchange else {
            return Ok(Err(wit::Error::Cancelled));
        };
        self.cpu.waited(exchange.started, exchange.started + exchange.timings.total);
        let lag = std::mem::take(&mut self.lag);
        sample::record(&self.shard, series, &exchange, lag);
        if let Some(watch) = &mut self.watch {
            let counted = series.counted(&exchange, lag);
            let pending = watch.request(&mut self.client, (request, values), &exchange, counted);
            if let Some(pending) = pending {
                pending.put(&self.shard.recorder);
            }
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
        let lag = std::mem::take(&mut self.lag);
        let pending = self.watch.as_mut().and_then(|watch| {
            let counted = series.counted(&exchange, lag);
            watch.request(&mut self.client, (request, values), &exchange, counted)
        });
        let finished = Finished::new(series.clone(), &exchange, lag).with_pending(pending);
        self.hand_out(exchange, finished)
    }

    /// Hands an answer to the guest. It is counted when the guest lets go of it.
    pub(super) fn hand_out(
        &mut self,
        exchange: Exchange,
        finished: Finished,
    ) -> wasmtime::Result<Result<Resource<HostResponse>, wit::Error>> {
        sample::count_caps(&self.shard.recorder, &exchange);
        let summary = match sample::summary(&exchange) {
            Ok(summary) => summary,
            Err(error) => {
                finished.record(&self.shard.recorder);
                return Ok(Err(error));
            }
        };
        let kept = exchange.result.ok().and_then(|answer| answer.kept).unwrap_or_default();
        let response = HostResponse::new(summary, exchange.timings, kept, finished);
        let held = response.held();
        let pushed = self.table.push(response);
        let Ok(resource) = pushed else {
            return Err(self.exceeded("handles", self.plan.limits.handles));
        };
        self.unrecorded += 1;
        self.hold(held)?;
        Ok(Ok(resource))
    }

    pub(super) fn keep(&self, keep: Keep) -> Keep {
        if self.is_printed() { Keep::Response } else { keep }
    }

    fn push_template(
        &mut self,
        template: HostTemplate,
    ) -> wasmtime::Result<Resource<HostTemplate>> {
        let pushed = self.table.push(template);
        let resource = pushed.map_err(|_| self.exceeded("handles", self.plan.limits.handles))?;
        self.weigh(&resource)?;
        Ok(resource)
    }

    /// Holds against the user what the template takes by now.
    fn weigh(&mut self, this: &Resource<HostTemplate>) -> wasmtime::Result<()> {
        let template = self.table.get_mut(this)?;
        let now = template.kept_bytes();
        let before = std::mem::replace(&mut template.held, now);
        self.let_go(before);
        self.hold(now)
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
pub(super) fn refuse(shard: &ShardContext, series: &Series, why: &str) -> wit::Error {
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
        self.weigh(&this)
    }

    fn body(&mut self, this: Resource<HostTemplate>, body: wit::Body) -> wasmtime::Result<()> {
        self.call()?;
        self.table.get_mut(&this)?.change_or_spoil(|template| template.body(converted(body)));
        self.weigh(&this)
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
        self.weigh(&this)
    }

    fn set(
        &mut self,
        this: Resource<HostTemplate>,
        key: String,
        value: String,
    ) -> wasmtime::Result<Result<(), String>> {
        self.call()?;
        let outcome = self.table.get_mut(&this)?.set(&key, &value);
        self.weigh(&this)?;
        Ok(outcome)
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
        let template = self.table.delete(this)?;
        self.let_go(template.held);
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
        self.fetch_all(requests).await
    }

    async fn send_templates(
        &mut self,
        requests: Vec<(Resource<HostTemplate>, Vec<String>)>,
    ) -> wasmtime::Result<Vec<Result<wit::Summary, wit::Error>>> {
        self.call()?;
        self.send_by_all(&requests).await
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
