//! One user's connections and cookies.

use std::sync::Arc;

use tokio::time::Instant;

use super::outcome::{Exchange, Failure, FailureKind, Keep, Timings};
use super::shared::Shared;
use super::template::Template;

/// One virtual user as servers see it.
#[derive(Debug)]
pub struct Client {
    shared: Arc<Shared>,
}

impl Client {
    /// A user without connections and cookies.
    pub fn new(shared: Arc<Shared>) -> Client {
        Client { shared }
    }

    /// Sends one request, follows redirects, and waits for the end of the answer.
    pub async fn send(
        &mut self,
        _template: &Template,
        _values: &[String],
        _keep: Keep,
    ) -> Exchange {
        let _ = &self.shared;
        Exchange {
            result: Err(Failure::new(FailureKind::Other, "not yet")),
            timings: Timings::default(),
            started: Instant::now(),
            bytes_sent: 0,
            bytes_received: 0,
            redirects: 0,
            capped: None,
        }
    }

    /// Sends several requests at once, as many to one host as the limit `connections` allows.
    /// The answers come in the order of the requests.
    pub async fn send_many(
        &mut self,
        requests: &[(&Template, &[String])],
        keep: Keep,
    ) -> Vec<Exchange> {
        let mut exchanges = Vec::with_capacity(requests.len());
        for (template, values) in requests {
            exchanges.push(self.send(template, values, keep).await);
        }
        exchanges
    }

    /// The value of a cookie that would be sent to this URL.
    pub fn cookie(&self, _url: &str, _name: &str) -> Option<String> {
        None
    }

    /// Stores a cookie as if this URL had answered with `Set-Cookie: <cookie>`.
    pub fn set_cookie(&mut self, _url: &str, _cookie: &str) -> Result<(), String> {
        Ok(())
    }

    /// Forgets all cookies.
    pub fn clear_cookies(&mut self) {}

    /// Closes all connections.
    pub fn close_idle(&mut self) {}
}
