//! What is told of single requests and iterations, to whoever asked for it: the access log and traces.
//!
//! [`Watchers`] say what is wanted in this process; each user whose run is watched has a `Watch`. Nobody
//! waits for whoever listens: what finds no room is dropped and counted. A user that is not watched
//! has no `Watch`, which is all that a request asks. Writing, formats and protocols are the listener's.

mod access;
mod secrets;
mod spans;

use std::sync::Arc;

pub use access::{ACCESS_QUEUE, AccessEntry, AccessLog};
pub(crate) use secrets::Secrets;
pub use spans::{IterationTrace, RequestSpan, SPANS_PER_TRACE, TRACE_QUEUE, Traces};

use crate::host::trace::Trace;
use crate::http::{Client, Exchange, Place, Template};
use crate::load::vu::{CallOutcome, Due};
use crate::recorder::Recorder;
use spans::Sampler;

/// What is wanted of all users in this process.
#[derive(Debug, Clone, Default)]
pub struct Watchers {
    /// Each request that is finished.
    pub access: Option<AccessLog>,
    /// A sample of the iterations.
    pub traces: Option<Traces>,
}

/// Whom a user is watched as.
#[derive(Debug, Clone)]
pub(crate) struct Who {
    pub(crate) run: Arc<str>,
    pub(crate) worker: Arc<str>,
    /// None: `setup` or `teardown`.
    pub(crate) vu: Option<u64>,
    pub(crate) user_type: Arc<str>,
}

/// What is told of one user.
pub(crate) struct Watch {
    /// `loadhost trace`.
    pub(crate) printed: Option<Trace>,
    access: Option<AccessLog>,
    spans: Option<Sampler>,
    who: Who,
    secrets: Arc<Secrets>,
    recorder: Arc<Recorder>,
}

/// A request as it is counted.
pub(crate) struct Counted<'a> {
    pub(crate) method: &'a Arc<str>,
    pub(crate) name: &'a Arc<str>,
    /// With the lag that is charged to it, in microseconds.
    pub(crate) response_time_us: u64,
    /// Code and message.
    pub(crate) failure: Option<(&'static str, String)>,
}

impl Watch {
    /// None: nothing is wanted. `seed` is the user's.
    pub(crate) fn new(
        wanted: &Watchers,
        printed: Option<Trace>,
        who: Who,
        seed: u64,
        secrets: Arc<Secrets>,
        recorder: Arc<Recorder>,
    ) -> Option<Box<Self>> {
        let Watchers { access, traces } = wanted.clone();
        let spans = traces.filter(|_| who.vu.is_some()).map(|traces| Sampler::new(traces, seed));
        let is_wanted = printed.is_some() || access.is_some() || spans.is_some();
        is_wanted.then(|| Box::new(Self { printed, access, spans, who, secrets, recorder }))
    }

    /// An iteration begins.
    pub(crate) fn begin(&mut self, due: Due, client: &mut Client) {
        if let Some(sampler) = &mut self.spans
            && let Some(marks) = sampler.begin(due)
        {
            client.mark_requests(Some(marks));
        }
    }

    /// The iteration that began last is over.
    pub(crate) fn end(&mut self, task: &Arc<str>, outcome: &CallOutcome, client: &mut Client) {
        let Some(sampler) = &mut self.spans else { return };
        let Some(mut trace) = sampler.end(task, outcome, &self.who) else { return };
        client.mark_requests(None);
        trace.failure =
            trace.failure.map(|(code, why)| (code, self.secrets.text(&why).into_owned().into()));
        if !sampler.traces().put(trace) {
            self.recorder.capped("trace_queue");
        }
    }

    /// A request is finished. The entry of the access log, if there is one, is to be put there once it is sure
    /// how the request counts.
    #[cold]
    pub(crate) fn request(
        &mut self,
        client: &mut Client,
        (template, values): (&Template, &[String]),
        exchange: &Exchange,
        counted: Counted<'_>,
    ) -> Option<Pending> {
        if let Some(printed) = &mut self.printed {
            printed.request(template, values, exchange);
        }
        let sampled = self.spans.as_mut().filter(|sampler| sampler.is_under_way());
        if self.access.is_none() && sampled.is_none() {
            return None;
        }
        let told = Told::of(client.place_of(template, values), counted, &self.secrets);
        if let Some(sampler) = sampled
            && let Some(id) = client.take_mark()
            && !sampler.add(RequestSpan::new(id, exchange, &told), exchange.started)
        {
            self.recorder.capped("trace_spans");
        }
        let log = self.access.clone()?;
        let entry = AccessEntry::new(&self.who, exchange, told);
        Some(Pending { log, entry, secrets: Arc::clone(&self.secrets) })
    }
}

/// What may be told of a request.
#[derive(Debug)]
struct Told {
    method: Arc<str>,
    name: Arc<str>,
    /// Empty if it could not be made.
    url: String,
    server: Option<(String, u16)>,
    response_time_us: u64,
    failure: Option<(&'static str, String)>,
}

impl Told {
    fn of(place: Option<Place>, counted: Counted<'_>, secrets: &Secrets) -> Self {
        let Counted { method, name, response_time_us, failure } = counted;
        let tidy = secrets.name(name);
        Self {
            method: Arc::clone(method),
            name: if tidy == **name { Arc::clone(name) } else { tidy.into() },
            url: place.as_ref().map(|place| secrets.url(&place.url)).unwrap_or_default(),
            server: place.map(|place| (place.host, place.port)),
            response_time_us,
            failure: failure.map(|(code, why)| (code, secrets.text(&why).into_owned())),
        }
    }
}

/// An entry of the access log that waits for the guest's verdict.
#[derive(Debug)]
pub(crate) struct Pending {
    log: AccessLog,
    entry: AccessEntry,
    secrets: Arc<Secrets>,
}

impl Pending {
    /// As loadhost judged it.
    pub(crate) fn put(self, recorder: &Recorder) {
        if !self.log.put(self.entry) {
            recorder.capped("access_log_dropped");
        }
    }

    /// As the guest judged it.
    pub(crate) fn put_as(mut self, failure: Option<&(&'static str, String)>, recorder: &Recorder) {
        let hidden = |why: &String| self.secrets.text(why).into_owned();
        self.entry.failure = failure.map(|(code, why)| (*code, hidden(why)));
        self.put(recorder);
    }
}

#[cfg(test)]
mod tests;
