//! What an operator asks a master or a worker: `/health`, `/ready`, `/metrics`. A master also has the page and
//! the API, see [`crate::api`].
//!
//! | route | answers |
//! |---|---|
//! | `GET /health` | 200 as long as the process serves |
//! | `GET /ready` | 200, or 503 and why not |
//! | `GET /metrics` | Prometheus' text format |
//! | `GET /` | the page, or what there is |
//!
//! What is refused is answered as `{"code", "message", "hint"}`. Who may ask is [`crate::access`]'s business.

mod listen;
mod metrics;
mod routes;
#[cfg(test)]
mod tests;

use std::sync::Arc;

use loadhost_control::Handle;
use loadhost_model::wire::WorkerStatus;
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;

use crate::access::{self, Front};
use crate::api::Desk;
use crate::site::Site;

pub use listen::{Exposure, ListenError, bind};

/// Why a process is not ready, for people.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum NotReady {
    /// Something that it needs is not there yet, or not any more.
    Waiting(String),
    /// It was taken out of service, or told to stop, and serves until it does.
    Draining(String),
}

impl From<String> for NotReady {
    fn from(why: String) -> Self {
        Self::Waiting(why)
    }
}

/// What is answered at one port.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Shown {
    /// Health, readiness and metrics, and the page if there is one.
    All,
    /// `/health` and `/ready`.
    Health,
    /// `/metrics`.
    Metrics,
}

/// Asked at each `/ready`.
pub type Readiness = Arc<dyn Fn() -> Result<(), NotReady> + Send + Sync>;
/// Names and values of counters that only go up, asked at each `/metrics`.
pub type CounterSource = Arc<dyn Fn() -> Vec<(&'static str, u64)> + Send + Sync>;

/// Whose state is told.
#[derive(Clone)]
pub enum Role {
    /// Of a coordinator and its fleet.
    Master(Handle),
    /// Of one worker: its last status.
    Worker(watch::Receiver<Option<WorkerStatus>>),
}

/// What is served.
#[derive(Clone)]
pub struct Ops {
    /// Whose state is told.
    pub role: Role,
    /// Whether work can be taken.
    pub readiness: Readiness,
    /// Counters of the transport, shown as `loadhost_transport_events_total{event=…}`.
    pub transport: CounterSource,
    /// Page and API; None: there is neither.
    pub site: Option<Site>,
    /// Which of it.
    pub shown: Shown,
}

impl Ops {
    /// Of this role, always ready, without a transport.
    pub fn new(role: Role) -> Self {
        let (readiness, transport) = (Arc::new(|| Ok(())), Arc::new(Vec::new));
        Self { role, readiness, transport, site: None, shown: Shown::All }
    }

    /// Ready when `readiness` says so.
    pub fn ready_if(
        mut self,
        readiness: impl Fn() -> Result<(), NotReady> + Send + Sync + 'static,
    ) -> Self {
        self.readiness = Arc::new(readiness);
        self
    }

    /// Only this part of it.
    pub fn only(mut self, shown: Shown) -> Self {
        self.shown = shown;
        self
    }

    /// With page and API.
    pub fn with_site(mut self, site: Site) -> Self {
        self.site = Some(site);
        self
    }

    /// Showing these counters.
    pub fn counting(
        mut self,
        transport: impl Fn() -> Vec<(&'static str, u64)> + Send + Sync + 'static,
    ) -> Self {
        self.transport = Arc::new(transport);
        self
    }
}

/// Answers at `front` until `stop` is cancelled.
///
/// # Errors
/// If the metrics cannot be set up, or the listener fails.
pub async fn serve(front: Front, mut ops: Ops, stop: CancellationToken) -> std::io::Result<()> {
    let Front { listener, access, doors } = front;
    let (transport, door) = (ops.transport.clone(), doors.counters.clone());
    ops = ops.counting(move || {
        let mut counts = transport();
        counts.extend(door.counts());
        counts
    });
    let desk = ops.site.clone().map(|site| Desk::new(site, stop.clone()));
    if let Some(desk) = desk.clone() {
        let transport = ops.transport.clone();
        ops = ops.counting(move || [transport(), desk.counts()].concat());
    }
    let routes = routes::router(ops, &access, desk.as_ref()).map_err(std::io::Error::other)?;
    let tended = desk.map(|desk| tokio::spawn(desk.tend(stop.clone())));
    let served = access::serve(listener, access::guard(routes, access), doors, stop.clone()).await;
    if let Some(tended) = tended {
        stop.cancel();
        let _ = tended.await;
    }
    served
}
