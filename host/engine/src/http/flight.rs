//! One request from its first byte to its verdict, over redirects and a retry.

use std::sync::Arc;

use tokio::time::Instant;

use super::connection::{Connection, Deadlines, Outcome};
use super::cookies::View;
use super::dial::dial;
use super::origin::Origin;
use super::outcome::{Answer, Exchange, Failure, Keep, Timings};
use super::reader::{HEAD_TOO_LARGE, Reply, Wanted};
use super::redirect::{Verdict, turn};
use super::request::{REQUEST_TOO_LARGE, Request};
use super::shared::Shared;
use super::template::Template;
use super::timer::Timer;

/// A request that is being sent. It borrows nothing of the user, so several can be under way.
#[derive(Debug)]
pub(super) struct Flight<'a> {
    request: Request<'a>,
    keep: Keep,
    started: Instant,
    timings: Timings,
    bytes_sent: u64,
    bytes_received: u64,
    redirects: u32,
    /// As in [`Exchange::surplus`].
    pub(super) surplus: u32,
    retried: bool,
}

/// What came of one hop.
#[derive(Debug)]
pub(super) struct Landing {
    result: Result<Reply, Failure>,
    /// To be used again.
    pub(super) connection: Option<Connection>,
    /// The connection, idle before, was closed by the server without a byte.
    vanished: bool,
}

impl Landing {
    pub(super) fn reply(&self) -> Option<&Reply> {
        self.result.as_ref().ok()
    }
}

impl<'a> Flight<'a> {
    /// Ready to depart, unless the request cannot be sent.
    pub(super) fn new(
        shared: &'a Shared,
        template: &'a Template,
        values: &'a [String],
        keep: Keep,
    ) -> Result<Self, Failure> {
        let started = Instant::now();
        let request = Request::new(shared, template, values)?;
        Ok(Self {
            request,
            keep,
            started,
            timings: Timings::default(),
            bytes_sent: 0,
            bytes_received: 0,
            redirects: 0,
            surplus: 0,
            retried: false,
        })
    }

    pub(super) fn origin(&self) -> &Arc<Origin> {
        &self.request.hop.origin
    }

    pub(super) fn url_text(&self) -> String {
        self.request.url_text()
    }

    pub(super) fn mark(&mut self, traceparent: Option<Box<str>>) {
        self.request.traceparent = traceparent;
    }

    pub(super) fn take_cookies(&mut self, cookies: Option<Arc<View>>) {
        self.request.cookies = cookies;
    }

    /// One hop: opens a connection if there is none, sends, and reads the answer.
    // Not an `async fn`, which would hold its arguments twice: see `Client::send`.
    #[allow(clippy::manual_async_fn)]
    pub(super) fn fly(
        &mut self,
        connection: Option<Connection>,
        timer: &mut Timer,
    ) -> impl Future<Output = Landing> {
        async move {
            let reused = connection.is_some();
            let mut connection = match connection {
                Some(connection) => connection,
                // Opening takes a hundred times the state of an exchange, and is rare.
                None => match Box::pin(self.open()).await {
                    Ok(connection) => connection,
                    Err(failure) => {
                        self.timings.total = self.started.elapsed();
                        return Landing { result: Err(failure), connection: None, vanished: false };
                    }
                },
            };
            let is_first_hop = self.bytes_sent == 0;
            let begun = if reused && is_first_hop { self.started } else { Instant::now() };
            let (wanted, deadlines) = (self.wanted(), self.deadlines());
            let outcome = connection.exchange(&self.request, wanted, deadlines, begun, timer).await;
            self.account(begun, &outcome);
            let reusable = outcome.reusable && self.request.shared.settings.keep_alive;
            Landing {
                result: outcome.result,
                connection: reusable.then_some(connection),
                vanished: outcome.vanished && reused,
            }
        }
    }

    async fn open(&mut self) -> Result<Connection, Failure> {
        let settings = &self.request.shared.settings;
        let own = self.request.template.settings.connect_timeout;
        let limit = own.unwrap_or(settings.connect_timeout);
        dial(self.request.shared, &self.request.hop.origin, limit, &mut self.timings).await
    }

    fn wanted(&self) -> Wanted {
        let limits = &self.request.shared.limits;
        Wanted {
            bodiless: self.request.method() == "HEAD",
            keep: self.keep == Keep::Response || self.request.template.settings.expect.reads_body(),
            header_cap: limits.header_bytes,
            body_cap: usize::try_from(limits.response_body_bytes).unwrap_or(usize::MAX),
        }
    }

    fn deadlines(&self) -> Deadlines {
        let (settings, own) = (&self.request.shared.settings, &self.request.template.settings);
        Deadlines {
            whole: own.timeout.unwrap_or(settings.timeout),
            first_byte: own.first_byte_timeout.or(settings.first_byte_timeout),
        }
    }

    fn account(&mut self, begun: Instant, outcome: &Outcome) {
        let moments = &outcome.moments;
        let sent = moments.sent.unwrap_or(moments.end);
        let first_byte = moments.first_byte.unwrap_or(moments.end);
        self.timings.sending += sent.saturating_duration_since(begun);
        self.timings.waiting += first_byte.saturating_duration_since(sent);
        self.timings.receiving += moments.end.saturating_duration_since(first_byte);
        self.bytes_sent += outcome.bytes_sent;
        self.bytes_received += outcome.bytes_received;
        self.timings.total = moments.end.saturating_duration_since(self.started);
    }

    /// The end of the exchange; None: it goes on with another hop.
    pub(super) fn land(&mut self, landing: Landing) -> Option<Exchange> {
        if landing.vanished && !self.retried && self.request.is_idempotent() {
            self.retried = true;
            return None;
        }
        let reply = match landing.result {
            Ok(reply) => reply,
            Err(failure) => return Some(self.end(Err(failure))),
        };
        self.surplus += u32::from(reply.surplus);
        let settings = &self.request.shared.settings;
        let limit = self.request.template.settings.max_redirects.unwrap_or(settings.max_redirects);
        match turn(&mut self.request, &reply.head, self.redirects, limit) {
            Verdict::Final => Some(self.finish(reply)),
            Verdict::Refused(failure) => Some(self.end(Err(failure))),
            Verdict::Follow => {
                self.redirects += 1;
                self.retried = false;
                None
            }
        }
    }

    fn finish(&mut self, reply: Reply) -> Exchange {
        let Reply { head, mut kept, body_bytes, .. } = reply;
        let verdict = self.request.template.settings.expect.verdict(head.status, kept.as_deref());
        if self.keep == Keep::Summary {
            kept = None;
        } else if let Some(kept) = &mut kept {
            kept.url = self.request.url_text();
        }
        let truncated = kept.as_ref().is_some_and(|kept| kept.truncated);
        let answer = Answer { status: head.status, body_bytes, verdict, kept };
        let capped = truncated.then_some("response_body_bytes");
        Exchange { capped, ..self.end(Ok(answer)) }
    }

    fn end(&mut self, result: Result<Answer, Failure>) -> Exchange {
        let capped = match &result {
            Err(failure) if failure.message == HEAD_TOO_LARGE => Some("header_bytes"),
            Err(failure) if failure.message == REQUEST_TOO_LARGE => Some("request_body_bytes"),
            _ => None,
        };
        Exchange {
            result,
            timings: self.timings,
            started: self.started,
            bytes_sent: self.bytes_sent,
            bytes_received: self.bytes_received,
            redirects: self.redirects,
            surplus: self.surplus,
            capped,
        }
    }
}
