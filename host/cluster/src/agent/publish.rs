//! Sending what the engine reports: statuses and logs at once or never, intervals until they
//! have arrived.

use std::sync::Arc;
use std::time::Duration;

use async_nats::jetstream::message::PublishMessage;
use loadhost_model::wire::{MAX_INTERVAL_BYTES, Report, WorkerStatus};
use tokio::sync::{mpsc, watch};
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;
use tracing::{error, warn};

use super::outbox::Outbox;
use crate::connect::{ANSWER_WITHIN, Connection};
use crate::parts::{self, Covering, Outgoing, PART_BYTES};
use crate::subjects::Names;

/// Log lines sent per second; guests are capped before, so this is for the whole worker.
const LOGS_PER_SECOND: u32 = 500;
/// Between attempts, at first and at most.
const RETRY: (Duration, Duration) = (Duration::from_millis(100), Duration::from_secs(2));
/// Left free in a message for headers and protocol.
const OVERHEAD: usize = 16 << 10;

/// Sorts reports until the engine is done. Never waits for the broker.
pub(super) async fn sort(
    connection: Connection,
    log_subject: String,
    mut reports: mpsc::Receiver<Report>,
    status: watch::Sender<Option<WorkerStatus>>,
    outbox: Arc<Outbox>,
) {
    let (mut second, mut lines) = (Instant::now(), 0);
    while let Some(report) = reports.recv().await {
        match report {
            Report::Status(newest) => drop(status.send_replace(Some(newest))),
            Report::Interval(interval) => outbox.push(*interval),
            Report::Position(_) => {} // Not for workers to say.
            Report::Log(line) => {
                if second.elapsed() >= Duration::from_secs(1) {
                    (second, lines) = (Instant::now(), 0);
                }
                lines += 1;
                let sent = lines <= LOGS_PER_SECOND
                    && connection.connected()
                    && connection
                        .client
                        .publish(log_subject.clone(), line.to_json().into())
                        .await
                        .is_ok();
                if !sent {
                    connection.counters().logs_unsent.one();
                }
            }
        }
    }
    outbox.close();
}

/// Publishes each newest status until the engine is done. One that cannot be sent now is
/// replaced by the next.
pub(super) async fn heartbeats(
    connection: Connection,
    subject: String,
    mut statuses: watch::Receiver<Option<WorkerStatus>>,
) {
    while statuses.changed().await.is_ok() {
        let newest = statuses.borrow_and_update().as_ref().map(WorkerStatus::to_json);
        if let Some(status) = newest.filter(|_| connection.connected()) {
            let _ = connection.client.publish(subject.clone(), status.into()).await;
        }
    }
    let _ = tokio::time::timeout(ANSWER_WITHIN, connection.client.flush()).await;
}

/// Publishes intervals one at a time, in order, the same bytes until acknowledged.
pub(super) async fn intervals(
    connection: Connection,
    names: Names,
    outbox: Arc<Outbox>,
    stop: CancellationToken,
) {
    let publish = async {
        loop {
            let covering = outbox.next().await;
            publish_one(&connection, &names, &covering).await;
            outbox.sent();
        }
    };
    stop.run_until_cancelled(publish).await;
}

async fn publish_one(connection: &Connection, names: &Names, covering: &Covering) {
    let interval = &covering.interval;
    let subject = names.stats(&interval.run, &interval.worker);
    let room = connection.client.max_payload().saturating_sub(OVERHEAD).max(OVERHEAD);
    let messages = parts::split(covering, PART_BYTES.min(room));
    let bytes: usize = messages.iter().map(|message| message.body.len()).sum();
    if bytes > MAX_INTERVAL_BYTES {
        connection.counters().intervals_too_large.one();
        error!(
            run = %interval.run, seq = interval.seq, bytes,
            "an interval is too large to be sent and is lost; use fewer names of requests"
        );
        return;
    }
    for message in messages {
        publish_until_acknowledged(connection, &subject, message).await;
    }
    connection.counters().intervals_acknowledged.add(interval.seq - covering.first + 1);
}

async fn publish_until_acknowledged(connection: &Connection, subject: &str, message: Outgoing) {
    let mut connects = connection.connects();
    let mut pause = RETRY.0;
    let since = Instant::now();
    let mut told = false;
    loop {
        connects.mark_unchanged();
        let reason = match attempt(connection, subject, &message, &mut connects).await {
            Ok(()) => return,
            Err(reason) => reason,
        };
        connection.counters().intervals_retried.one();
        if !told && since.elapsed() > Duration::from_secs(5) {
            warn!(reason, "intervals are not taken by the broker; keeping them");
            told = true;
        }
        // A new connection is a reason to try at once.
        let _ = tokio::time::timeout(pause, connects.changed()).await;
        pause = (pause * 2).min(RETRY.1);
    }
}

async fn attempt(
    connection: &Connection,
    subject: &str,
    message: &Outgoing,
    connects: &mut watch::Receiver<u64>,
) -> Result<(), String> {
    if !connection.connected() {
        return Err("not connected".into());
    }
    let publish = PublishMessage::build()
        .payload(message.body.clone().into())
        .headers(message.headers.clone());
    let acknowledged = async {
        let sent = connection.jetstream.send_publish(subject.to_string(), publish).await;
        sent.map_err(|error| error.to_string())?.await.map_err(|error| error.to_string())
    };
    tokio::select! {
        result = acknowledged => result.map(drop),
        _ = connects.changed() => Err("the connection was lost".into()),
    }
}
