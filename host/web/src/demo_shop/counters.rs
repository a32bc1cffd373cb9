//! What the shop saw, counted where it happened.

use std::collections::BTreeMap;
use std::sync::atomic::AtomicU64;
use std::sync::atomic::Ordering::Relaxed;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use axum::http::Method;
use loadhost_model::histogram::Histogram;
use serde::{Deserialize, Serialize};

use super::routes::Endpoint;
use crate::machine::cpu_time;

/// Methods that are counted apart; the rest count as the last.
const METHODS: [&str; 7] = ["GET", "POST", "PUT", "PATCH", "DELETE", "HEAD", "OTHER"];

/// Counters of the whole shop; one lock per path and method, held for tens of nanoseconds.
pub(super) struct Counters {
    paths: Vec<Mutex<PathCounters>>,
    since: Mutex<(Instant, Duration)>,
    /// Microseconds since the Unix epoch; 0: none yet.
    first_request: AtomicU64,
    pub(super) accepted: AtomicU64,
    pub(super) open: AtomicU64,
}

#[derive(Default, Clone)]
struct PathCounters {
    begun: u64,
    statuses: BTreeMap<u16, u64>,
    latency: Histogram,
}

/// What `GET /_stats` answers, since the start or the last reset.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct ShopReport {
    /// How long that is.
    pub seconds: f64,
    /// Requests that were read completely up to their headers, control paths excluded.
    pub requests: u64,
    /// On which they came.
    pub connections: Connections,
    /// CPU time of the shop's process.
    pub cpu_seconds: f64,
    /// When the first of the requests came.
    pub first_request_unix_micros: Option<u64>,
    /// By method and path, such as `GET /item/{id}`.
    pub paths: BTreeMap<String, PathReport>,
}

/// Connections of clients.
#[derive(Debug, Clone, Copy, Serialize, Deserialize)]
pub struct Connections {
    /// Open now.
    pub open: u64,
    /// Accepted since the start or the last reset.
    pub total: u64,
}

/// One path of the shop.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct PathReport {
    /// Requests begun, given-up ones included.
    pub count: u64,
    /// Answers with status 400 or above.
    pub failures: u64,
    /// Answers by status.
    pub statuses: BTreeMap<u16, u64>,
    /// From the request's head to the answer's head; delays and stalls included.
    pub mean_us: f64,
    /// Median.
    pub p50_us: u64,
    /// 95th percentile.
    pub p95_us: u64,
    /// 99th percentile.
    pub p99_us: u64,
    /// Greatest.
    pub max_us: u64,
    /// The distribution: pairs of microseconds and count.
    pub histogram: Vec<(u64, u64)>,
}

impl Counters {
    pub(super) fn new() -> Self {
        let places = Endpoint::ALL.len() * METHODS.len();
        Self {
            paths: (0..places).map(|_| Mutex::default()).collect(),
            since: Mutex::new((Instant::now(), cpu_time())),
            first_request: AtomicU64::new(0),
            accepted: AtomicU64::new(0),
            open: AtomicU64::new(0),
        }
    }

    pub(super) fn begin(
        &self,
        endpoint: Endpoint,
        method: &Method,
        started: Instant,
    ) -> Counted<'_> {
        if self.first_request.load(Relaxed) == 0 {
            // Of two at once, either may win.
            self.first_request.store(unix_micros(), Relaxed);
        }
        let other = METHODS.len() - 1;
        let method = METHODS.iter().position(|known| *known == method.as_str()).unwrap_or(other);
        let path = &self.paths[endpoint.index() * METHODS.len() + method];
        locked(path).begun += 1;
        Counted { path, started }
    }

    /// Forget everything; open connections stay open.
    pub(super) fn reset(&self) {
        for path in &self.paths {
            *locked(path) = PathCounters::default();
        }
        self.accepted.store(0, Relaxed);
        self.first_request.store(0, Relaxed);
        *locked(&self.since) = (Instant::now(), cpu_time());
    }

    pub(super) fn report(&self) -> ShopReport {
        let (since, cpu_before) = *locked(&self.since);
        let names = Endpoint::ALL
            .iter()
            .flat_map(|endpoint| METHODS.map(|method| format!("{method} {}", endpoint.name())));
        let paths: BTreeMap<_, _> = names
            .zip(&self.paths)
            .map(|(name, path)| (name, locked(path).clone()))
            .filter(|(_, path)| path.begun > 0)
            .map(|(name, path)| (name, path.report()))
            .collect();
        ShopReport {
            seconds: since.elapsed().as_secs_f64(),
            requests: paths.values().map(|path| path.count).sum(),
            connections: Connections {
                open: self.open.load(Relaxed),
                total: self.accepted.load(Relaxed),
            },
            cpu_seconds: cpu_time().saturating_sub(cpu_before).as_secs_f64(),
            first_request_unix_micros: Some(self.first_request.load(Relaxed)).filter(|at| *at > 0),
            paths,
        }
    }
}

impl PathCounters {
    fn report(&self) -> PathReport {
        let quantile = |q| self.latency.quantile(q).unwrap_or(0);
        PathReport {
            count: self.begun,
            failures: self.statuses.range(400..).map(|(_, count)| count).sum(),
            statuses: self.statuses.clone(),
            mean_us: self.latency.mean().unwrap_or(0.0),
            p50_us: quantile(0.5),
            p95_us: quantile(0.95),
            p99_us: quantile(0.99),
            max_us: self.latency.max().unwrap_or(0),
            histogram: self.latency.iter().collect(),
        }
    }
}

fn locked<T>(value: &Mutex<T>) -> MutexGuard<'_, T> {
    value.lock().unwrap_or_else(PoisonError::into_inner)
}

fn unix_micros() -> u64 {
    let since_epoch = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    u64::try_from(since_epoch.as_micros()).unwrap_or(u64::MAX)
}

/// A request that was begun.
pub(super) struct Counted<'a> {
    path: &'a Mutex<PathCounters>,
    started: Instant,
}

impl Counted<'_> {
    pub(super) fn end(self, status: u16) {
        let micros = u64::try_from(self.started.elapsed().as_micros()).unwrap_or(u64::MAX);
        let mut path = locked(self.path);
        *path.statuses.entry(status).or_default() += 1;
        path.latency.record(micros);
    }
}
