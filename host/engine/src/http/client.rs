//! One user's connections and cookies.

use std::collections::VecDeque;
use std::sync::Arc;

use futures_util::stream::{FuturesUnordered, StreamExt as _};
use url::Url;

use super::connection::{Connection, Idle};
use super::cookies::Jar;
use super::flight::{Flight, Landing};
use super::marks::Marks;
use super::origin::Origin;
use super::outcome::{Exchange, Failure, Keep};
use super::request::Request;
use super::shared::Shared;
use super::template::Template;
use super::timer::Timer;

/// One virtual user as servers see it: connections, by origin, and cookies.
///
/// Dropping a future of [`Client::send`] closes the connection it was using; the client stays
/// usable.
#[derive(Debug)]
pub struct Client {
    shared: Arc<Shared>,
    jar: Jar,
    /// Idle connections, the one used last at the end.
    idle: Vec<Connection>,
    timer: Timer,
    /// While an iteration is traced.
    marks: Option<Box<Marks>>,
}

/// Where a request goes first.
#[derive(Debug)]
pub(crate) struct Place {
    /// Absolute, without credentials.
    pub(crate) url: String,
    /// IPv6 addresses without brackets.
    pub(crate) host: String,
    pub(crate) port: u16,
}

/// The message that names the cap `batch`.
const BATCH_TOO_LARGE: &str = "more requests at once than the limit batch allows";

impl Client {
    /// A user without connections and cookies.
    pub fn new(shared: Arc<Shared>) -> Client {
        Client {
            shared,
            jar: Jar::default(),
            idle: Vec::new(),
            timer: Timer::default(),
            marks: None,
        }
    }

    /// Sends one request, follows redirects, and waits for the end of the answer.
    // Not an `async fn`, which would hold its arguments twice. The future is allocated for each
    // request, and beyond 1,032 bytes that takes the slow way through the allocator.
    #[allow(clippy::manual_async_fn)]
    pub fn send(
        &mut self,
        template: &Template,
        values: &[String],
        keep: Keep,
    ) -> impl Future<Output = Exchange> {
        async move {
            let shared = Arc::clone(&self.shared);
            let mark = self.marks.as_mut().and_then(|marks| {
                marks.forget();
                marks.issue()
            });
            let mut flight = match Flight::new(&shared, template, values, keep) {
                Ok(flight) => flight,
                Err(failure) => return Exchange::refused(failure, None),
            };
            flight.mark(mark);
            loop {
                let connection = self.depart(&mut flight);
                let landing = flight.fly(connection, &mut self.timer).await;
                if let Some(exchange) = self.land(&mut flight, landing) {
                    return exchange;
                }
            }
        }
    }

    /// Sends several requests at once, as many to one host as the limit `connections` allows.
    /// The answers come in the order of the requests.
    pub async fn send_many(
        &mut self,
        requests: &[(&Template, &[String])],
        keep: Keep,
    ) -> Vec<Exchange> {
        let shared = Arc::clone(&self.shared);
        if requests.len() > shared.limits.batch as usize {
            let refuse = |_| Exchange::refused(Failure::denied(BATCH_TOO_LARGE), Some("batch"));
            return requests.iter().map(refuse).collect();
        }
        let mut exchanges: Vec<Option<Exchange>> = Vec::with_capacity(requests.len());
        let mut waiting = VecDeque::new();
        if let Some(marks) = &mut self.marks {
            marks.forget();
        }
        for (index, (template, values)) in requests.iter().enumerate() {
            let flight = Flight::new(&shared, template, values, keep);
            let mark = self.marks.as_mut().and_then(|marks| marks.issue());
            exchanges.push(None);
            match flight {
                Ok(mut flight) => {
                    flight.mark(mark);
                    waiting.push_back((index, Box::new(flight)));
                }
                Err(failure) => exchanges[index] = Some(Exchange::refused(failure, None)),
            }
        }
        let mut under_way: Vec<Arc<Origin>> = Vec::new();
        let mut flights = FuturesUnordered::new();
        loop {
            for (index, mut flight) in self.cleared(&mut waiting, &mut under_way) {
                let connection = self.depart(&mut flight);
                flights.push(async move {
                    let landing = flight.fly(connection, &mut Timer::default()).await;
                    (index, flight, landing)
                });
            }
            let Some((index, mut flight, landing)) = flights.next().await else { break };
            if let Some(at) = under_way.iter().position(|origin| *origin == *flight.origin()) {
                under_way.swap_remove(at);
            }
            match self.land(&mut flight, landing) {
                Some(exchange) => exchanges[index] = Some(exchange),
                None => waiting.push_front((index, flight)),
            }
        }
        let cancelled = || Exchange::refused(Failure::denied("not sent"), None);
        exchanges.into_iter().map(|exchange| exchange.unwrap_or_else(cancelled)).collect()
    }

    /// Takes those off the queue that may depart under the limit `connections`.
    fn cleared<'a>(
        &self,
        waiting: &mut VecDeque<(usize, Box<Flight<'a>>)>,
        under_way: &mut Vec<Arc<Origin>>,
    ) -> Vec<(usize, Box<Flight<'a>>)> {
        let limit = self.shared.limits.connections.max(1) as usize;
        let mut cleared = Vec::new();
        for _ in 0..waiting.len() {
            let Some((index, flight)) = waiting.pop_front() else { break };
            let origin = flight.origin();
            if under_way.iter().filter(|other| *other == origin).count() < limit {
                under_way.push(Arc::clone(origin));
                cleared.push((index, flight));
            } else {
                waiting.push_back((index, flight));
            }
        }
        cleared
    }

    /// Hands the flight its cookies, and a connection if there is one.
    fn depart(&mut self, flight: &mut Flight<'_>) -> Option<Connection> {
        flight.take_cookies(self.jar.view(flight.origin()));
        let (found, surplus) = self.take_idle(flight.origin());
        flight.surplus += surplus;
        found
    }

    /// A connection to this origin, and on how many others there were bytes that nobody had
    /// asked for.
    fn take_idle(&mut self, origin: &Arc<Origin>) -> (Option<Connection>, u32) {
        let mut surplus = 0;
        while let Some(at) = self.idle.iter().rposition(|idle| idle.is_to(origin)) {
            let mut connection = self.idle.remove(at);
            match connection.idle() {
                Idle::Ready => return (Some(connection), surplus),
                Idle::Closed => {}
                Idle::Surplus => surplus += 1,
            }
        }
        (None, surplus)
    }

    /// Takes back the connection, stores cookies, and says whether that was the end.
    fn land(&mut self, flight: &mut Flight<'_>, mut landing: Landing) -> Option<Exchange> {
        if let Some(connection) = landing.connection.take() {
            self.keep_idle(connection);
        }
        let cookies = landing.reply().map_or(&[][..], |reply| reply.head.cookies());
        if !cookies.is_empty()
            && let Ok(url) = Url::parse(&flight.url_text())
        {
            for cookie in cookies {
                // A cookie that is refused is the server's mistake, and no sample.
                let _ = self.jar.set(&url, cookie);
            }
        }
        flight.land(landing)
    }

    fn keep_idle(&mut self, connection: Connection) {
        let per_host = self.shared.limits.connections.max(1) as usize;
        let same = self.idle.iter().filter(|idle| idle.is_to(&connection.origin)).count();
        if same >= per_host {
            return;
        }
        // Hosts that a user visits once and never again do not pile up.
        if self.idle.len() >= 4 * per_host {
            self.idle.remove(0);
        }
        self.idle.push(connection);
    }

    /// From now on requests are marked as parts of a trace, or not any more.
    #[inline]
    pub(crate) fn mark_requests(&mut self, marks: Option<Box<Marks>>) {
        self.marks = marks;
    }

    /// The mark of the request that was sent last; of several, one after the other.
    pub(crate) fn take_mark(&mut self) -> Option<u64> {
        self.marks.as_mut()?.take()
    }

    /// Where this request goes; None: nowhere.
    pub(crate) fn place_of(&self, template: &Template, values: &[String]) -> Option<Place> {
        let request = Request::new(&self.shared, template, values).ok()?;
        let (url, origin) = (request.url_text(), &request.hop.origin);
        Some(Place { url, host: origin.host.clone(), port: origin.port })
    }

    /// The value of a cookie that would be sent to this URL. A relative one belongs to the target.
    pub fn cookie(&self, url: &str, name: &str) -> Option<String> {
        self.jar.get(&self.absolute(url).ok()?, name)
    }

    /// Stores a cookie as if this URL had answered with `Set-Cookie: <cookie>`.
    pub fn set_cookie(&mut self, url: &str, cookie: &str) -> Result<(), String> {
        let url = self.absolute(url)?;
        self.jar.set(&url, cookie)
    }

    /// Forgets all cookies.
    pub fn clear_cookies(&mut self) {
        self.jar.clear();
    }

    /// Closes all connections.
    pub fn close_idle(&mut self) {
        self.idle = Vec::new();
    }

    fn absolute(&self, url: &str) -> Result<Url, String> {
        let template = Template::once("GET", url).map_err(|error| error.to_string())?;
        let flight = Flight::new(&self.shared, &template, &[], Keep::Summary);
        let text = flight.map(|flight| flight.url_text());
        let text =
            text.map_err(|_| "the URL is relative, but the run has no target".to_string())?;
        Url::parse(&text).map_err(|error| format!("`{text}` is no URL: {error}"))
    }
}
