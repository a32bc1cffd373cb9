//! What workers say without insisting: heartbeats. (Log lines go to all masters alike, see
//! `node::shown`.)

use std::collections::BTreeMap;
use std::time::Duration;

use async_nats::Subscriber;
use futures_util::StreamExt;
use loadhost_model::id::WorkerId;
use loadhost_model::wire::{Report, WorkerStatus};
use tokio::sync::mpsc;
use tokio::time::Instant;
use tracing::warn;

use super::JoinError;
use crate::connect::Connection;
use crate::subjects::worker_of;

/// How often workers are spoken for while the broker is away.
const REPEAT: Duration = Duration::from_secs(1);
/// A worker that was silent for longer than this was not there.
const FRESH: Duration = Duration::from_secs(3);
/// Outage during which workers are presumed to be there: their dead-man's default.
const PRESUMED: Duration = Duration::from_secs(30);

/// Who was there when the broker went away. Its silence is not the workers' silence: they go on
/// loading and keep their measurements, so they are presumed to be as they were.
#[derive(Default)]
struct Presence {
    last: BTreeMap<WorkerId, (Instant, WorkerStatus)>,
    cut_off: Option<Instant>,
}

impl Presence {
    fn heard(&mut self, now: Instant, status: &WorkerStatus) {
        self.last.insert(status.worker.clone(), (now, status.clone()));
    }

    /// What is said for workers in an outage: nothing after [`PRESUMED`], because by then they
    /// have stopped the load themselves.
    fn presumed(&mut self, now: Instant, connected: bool) -> Vec<WorkerStatus> {
        if connected {
            self.cut_off = None;
            self.last.retain(|_, (heard, _)| now.saturating_duration_since(*heard) < FRESH);
            return Vec::new();
        }
        let since = *self.cut_off.get_or_insert(now);
        if now.saturating_duration_since(since) >= PRESUMED {
            return Vec::new();
        }
        let was_there = |heard: &Instant| since.saturating_duration_since(*heard) < FRESH;
        let there = self.last.values().filter(|(heard, _)| was_there(heard));
        there.map(|(_, status)| status.clone()).collect()
    }
}

pub(crate) async fn subscribe(
    connection: &Connection,
    subject: String,
) -> Result<Subscriber, JoinError> {
    let subscribed = connection.client.subscribe(subject.clone()).await;
    subscribed.map_err(|error| JoinError::Broker { what: subject, reason: error.to_string() })
}

/// Until nobody reads any more.
pub(super) async fn hear_statuses(
    mut heartbeats: Subscriber,
    connection: Connection,
    reports: mpsc::Sender<Report>,
) {
    let mut presence = Presence::default();
    let mut ticks = tokio::time::interval(REPEAT);
    loop {
        tokio::select! {
            message = heartbeats.next() => {
                let Some(message) = message else { return };
                match status_in(&message) {
                    Ok(status) => {
                        presence.heard(Instant::now(), &status);
                        if reports.send(Report::Status(status)).await.is_err() {
                            return;
                        }
                    }
                    Err(reason) => {
                        connection.counters().statuses_undecodable.one();
                        let subject = message.subject.as_str();
                        warn!(subject, reason, "a worker's status was not understood");
                    }
                }
            }
            _ = ticks.tick() => {
                for status in presence.presumed(Instant::now(), connection.connected()) {
                    connection.counters().statuses_presumed.one();
                    if reports.send(Report::Status(status)).await.is_err() {
                        return;
                    }
                }
            }
        }
    }
}

/// A worker may speak for itself only: an access list ties it to its subject.
fn status_in(message: &async_nats::Message) -> Result<WorkerStatus, String> {
    let status = WorkerStatus::from_json(&message.payload).map_err(|error| error.to_string())?;
    if worker_of(&message.subject) != Some(status.worker.as_str()) {
        return Err(format!("it says it is `{}`", status.worker));
    }
    Ok(status)
}
