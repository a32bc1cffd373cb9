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
#[cfg(test)]
mod metrics_doc_tests;
mod routes;
#[cfg(test)]
mod tests;

use std::sync::{Arc, Mutex, PoisonError};

use loadhost_control::Handle;
use loadhost_model::wire::WorkerStatus;
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;

use crate::access::{self, Front};
use crate::api::Desk;
use crate::site::Site;

use metrics::Metrics;
pub use metrics::{Collector, MetricsError, push};

pub use listen::{Exposure, ListenError, bind, may_listen};

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

/// Sources of counters, which may come one by one.
#[derive(Clone, Default)]
pub(crate) struct Counters(Arc<Mutex<Vec<CounterSource>>>);

impl Counters {
    fn add(&self, source: CounterSource) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).push(source);
    }

    /// Of all sources; two may have the same name.
    pub(crate) fn all(&self) -> Vec<(&'static str, u64)> {
        let sources = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        sources.iter().flat_map(|source| source()).collect()
    }
}

/// How it stands with the NATS server.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct BrokerState {
    /// Whether it is connected at this moment.
    pub connected: bool,
    /// How often it was connected again.
    pub reconnects: u64,
}

/// Asked at each `/metrics`.
pub type BrokerSource = Arc<dyn Fn() -> BrokerState + Send + Sync>;

/// What a worker counts itself, over all of its runs.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Work {
    /// Finished requests, failed ones included.
    pub requests: u64,
    /// Failed among them.
    pub failures: u64,
    /// Arrivals dropped because no user was free.
    pub dropped_arrivals: u64,
    /// Users that ended with a trap, a timeout or a panic.
    pub crashed_users: u64,
    /// Modules by what was done for them: `hit`, `compiled`, `fetched`, `refused`.
    pub modules: Vec<(&'static str, u64)>,
    /// Bytes above which load is shed; None: there is no limit.
    pub memory_limit: Option<u64>,
}

/// Asked at each `/metrics`.
pub type WorkSource = Arc<dyn Fn() -> Work + Send + Sync>;

/// Bytes of compiled modules on disk; None: they are not kept. It looks into their folder, so it is asked once for each `/metrics`.
pub type KeptModules = Arc<dyn Fn() -> Option<u64> + Send + Sync>;

/// What is served.
#[derive(Clone)]
pub struct Ops {
    /// Whose state is told.
    pub role: Role,
    /// Whether work can be taken.
    pub readiness: Readiness,
    /// Shown as `loadhost_transport_events_total{event=…}`.
    pub(crate) counters: Counters,
    /// How it stands with the broker; None: there is none.
    pub broker: Option<BrokerSource>,
    /// What a worker counts.
    pub work: Option<WorkSource>,
    /// What a worker keeps of modules.
    pub kept_modules: Option<KeptModules>,
    /// Where metrics are pushed to; None: nowhere.
    pub collector: Option<Collector>,
    /// One for all clones, made when it is needed first.
    metrics: Arc<Mutex<Option<Arc<Metrics>>>>,
    /// Page and API; None: there is neither.
    pub site: Option<Site>,
    /// Which of it.
    pub shown: Shown,
}

impl Ops {
    /// Of this role, always ready, without a transport.
    pub fn new(role: Role) -> Self {
        Self {
            role,
            readiness: Arc::new(|| Ok(())),
            counters: Counters::default(),
            broker: None,
            work: None,
            kept_modules: None,
            collector: None,
            metrics: Arc::default(),
            site: None,
            shown: Shown::All,
        }
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

    /// Showing these counters too.
    pub fn counting(
        self,
        counters: impl Fn() -> Vec<(&'static str, u64)> + Send + Sync + 'static,
    ) -> Self {
        self.counters.add(Arc::new(counters));
        self
    }

    /// Showing how it stands with the broker.
    pub fn with_broker(mut self, broker: impl Fn() -> BrokerState + Send + Sync + 'static) -> Self {
        self.broker = Some(Arc::new(broker));
        self
    }

    /// Showing what a worker counts.
    pub fn with_work(mut self, work: impl Fn() -> Work + Send + Sync + 'static) -> Self {
        self.work = Some(Arc::new(work));
        self
    }

    /// Showing what a worker keeps of modules.
    pub fn keeping_modules(
        mut self,
        bytes: impl Fn() -> Option<u64> + Send + Sync + 'static,
    ) -> Self {
        self.kept_modules = Some(Arc::new(bytes));
        self
    }

    /// Whose metrics [`push`] sends.
    pub fn pushed_to(mut self, collector: Option<Collector>) -> Self {
        self.collector = collector;
        self
    }

    /// The one meter provider that all clones read.
    fn metrics(&self) -> Result<Arc<Metrics>, MetricsError> {
        let mut made = self.metrics.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(metrics) = &*made {
            return Ok(metrics.clone());
        }
        let metrics = Arc::new(Metrics::new(self)?);
        *made = Some(metrics.clone());
        Ok(metrics)
    }
}

/// Answers at `front` until `stop` is cancelled.
///
/// # Errors
/// If the metrics cannot be set up, or the listener fails.
pub async fn serve(front: Front, ops: Ops, stop: CancellationToken) -> std::io::Result<()> {
    let Front { listener, access, doors } = front;
    let door = doors.counters.clone();
    let ops = ops.counting(move || door.counts());
    let desk = ops.site.clone().map(|site| Desk::new(site, stop.clone()));
    if let Some(desk) = desk.clone() {
        ops.counters.add(Arc::new(move || desk.counts()));
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
