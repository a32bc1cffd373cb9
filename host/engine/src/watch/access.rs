//! The access log: one entry for each finished request.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::SystemTime;

use tokio::sync::mpsc;

use super::{Told, Who};
use crate::http::Exchange;

/// Entries that may wait to be written before more of them are dropped; each of about 300 bytes.
pub const ACCESS_QUEUE: usize = 16_384;

/// Where finished requests are told. Clones are the same log.
#[derive(Debug, Clone)]
pub struct AccessLog {
    to: mpsc::Sender<AccessEntry>,
    told: Arc<AtomicU64>,
    dropped: Arc<AtomicU64>,
}

impl AccessLog {
    /// A log, and its entries for whoever writes them.
    pub fn new() -> (Self, mpsc::Receiver<AccessEntry>) {
        let (to, entries) = mpsc::channel(ACCESS_QUEUE);
        (Self { to, told: Arc::default(), dropped: Arc::default() }, entries)
    }

    /// How many entries found room, so far.
    pub fn told(&self) -> u64 {
        self.told.load(Ordering::Relaxed)
    }

    /// How many entries found no room, so far: `access_log_dropped`, as which the run counts them too.
    pub fn dropped(&self) -> u64 {
        self.dropped.load(Ordering::Relaxed)
    }

    /// Whether there was room.
    pub(super) fn put(&self, entry: AccessEntry) -> bool {
        let there_is = self.to.try_send(entry).is_ok();
        let counter = if there_is { &self.told } else { &self.dropped };
        counter.fetch_add(1, Ordering::Relaxed);
        there_is
    }
}

/// A finished request. There are neither headers nor bodies in it, and no values of queries.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AccessEntry {
    /// Of the end of the answer.
    pub time: SystemTime,
    /// Of this run.
    pub run: Arc<str>,
    /// On this worker.
    pub worker: Arc<str>,
    /// Which user; None: `setup` or `teardown`.
    pub vu: Option<u64>,
    /// Its type.
    pub user_type: Arc<str>,
    /// Upper case.
    pub method: Arc<str>,
    /// Of the series.
    pub name: Arc<str>,
    /// As it was asked for, before redirects; empty if it could not be made.
    pub url: String,
    /// None: there is no answer.
    pub status: Option<u16>,
    /// Sent, with headers; of all hops.
    pub bytes_sent: u64,
    /// Received, with headers; of all hops.
    pub bytes_received: u64,
    /// Sent to the end of the body.
    pub service_time_us: u64,
    /// Intended start to the end of the body.
    pub response_time_us: u64,
    /// Why it counts as failed: a stable code, and a message for people.
    pub failure: Option<(&'static str, String)>,
}

impl AccessEntry {
    pub(super) fn new(who: &Who, exchange: &Exchange, told: Told) -> Self {
        let Who { run, worker, vu, user_type } = who.clone();
        let service_time = exchange.timings.service().as_micros();
        Self {
            time: SystemTime::now(),
            run,
            worker,
            vu,
            user_type,
            method: told.method,
            name: told.name,
            url: told.url,
            status: exchange.result.as_ref().ok().map(|answer| answer.status),
            bytes_sent: exchange.bytes_sent,
            bytes_received: exchange.bytes_received,
            service_time_us: u64::try_from(service_time).unwrap_or(u64::MAX),
            response_time_us: told.response_time_us,
            failure: told.failure,
        }
    }
}
