//! What workers say without insisting: heartbeats and logs.

use async_nats::Subscriber;
use futures_util::StreamExt;
use loadhost_model::wire::{LogLine, Report, WorkerStatus};
use tokio::sync::mpsc;
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;
use tracing::warn;

use super::JoinError;
use crate::connect::Connection;
use crate::subjects::{Names, worker_of};

/// Part of the reports' channel that must be free for a log line: heartbeats come first.
const FREE_FOR_LOGS: usize = super::REPORTS / 2;

/// Subscriptions that are not read yet.
pub(super) struct Heard {
    heartbeats: Subscriber,
    logs: Subscriber,
}

pub(super) async fn listen(connection: &Connection, names: &Names) -> Result<Heard, JoinError> {
    let heartbeats = subscribe(connection, names.all_heartbeats()).await?;
    let logs = subscribe(connection, names.all_logs()).await?;
    Ok(Heard { heartbeats, logs })
}

impl Heard {
    pub(super) fn spawn(
        self,
        tasks: &mut JoinSet<()>,
        connection: &Connection,
        reports: &mpsc::Sender<Report>,
        stop: &CancellationToken,
    ) {
        let statuses = hear_statuses(self.heartbeats, connection.clone(), reports.clone());
        let logs = hear_logs(self.logs, connection.clone(), reports.clone());
        for_as_long_as(stop, tasks, statuses);
        for_as_long_as(stop, tasks, logs);
    }
}

fn for_as_long_as(
    stop: &CancellationToken,
    tasks: &mut JoinSet<()>,
    task: impl Future<Output = ()> + Send + 'static,
) {
    let stop = stop.clone();
    tasks.spawn(async move {
        stop.run_until_cancelled(task).await;
    });
}

pub(crate) async fn subscribe(
    connection: &Connection,
    subject: String,
) -> Result<Subscriber, JoinError> {
    let subscribed = connection.client.subscribe(subject.clone()).await;
    subscribed.map_err(|error| JoinError::Broker { what: subject, reason: error.to_string() })
}

async fn hear_statuses(
    mut heartbeats: Subscriber,
    connection: Connection,
    reports: mpsc::Sender<Report>,
) {
    while let Some(message) = heartbeats.next().await {
        match status_in(&message) {
            Ok(status) => {
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
}

/// A worker may speak for itself only: an access list ties it to its subject.
fn status_in(message: &async_nats::Message) -> Result<WorkerStatus, String> {
    let status = WorkerStatus::from_json(&message.payload).map_err(|error| error.to_string())?;
    if worker_of(&message.subject) != Some(status.worker.as_str()) {
        return Err(format!("it says it is `{}`", status.worker));
    }
    Ok(status)
}

async fn hear_logs(mut logs: Subscriber, connection: Connection, reports: mpsc::Sender<Report>) {
    while let Some(message) = logs.next().await {
        let line = LogLine::from_json(&message.payload).ok();
        let line = line.filter(|line| worker_of(&message.subject) == Some(line.worker.as_str()));
        let room = reports.capacity() > FREE_FOR_LOGS;
        let taken = match line {
            Some(line) if room => reports.try_send(Report::Log(line)).is_ok(),
            _ => false,
        };
        if !taken {
            connection.counters().logs_dropped.one();
        }
    }
}
