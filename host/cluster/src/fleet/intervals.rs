//! Reading the stream of intervals: each in order, none skipped, whatever the broker does.
//!
//! The place in the stream is kept here. After a reconnect, a gap or a silence the reader is
//! made anew from that place, because a consumer of the client stalls for long after a restart
//! of the broker. How far it has come is told between the intervals, as [`Report::Position`]: once
//! the coordinator has saved what it merged up to there, the stream is purged behind it. Until then a
//! next master reads it again, and the coordinator merges each number once.

use std::time::Duration;

use async_nats::jetstream::consumer::{AckPolicy, DeliverPolicy, pull};
use async_nats::jetstream::{Message, stream::Stream};
use futures_util::{StreamExt, TryFutureExt};
use loadhost_model::wire::Report;
use tokio::sync::mpsc;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;
use tracing::{debug, warn};

use crate::connect::Connection;
use crate::parts::Assembly;
use crate::subjects::Names;

/// Bytes under way to the reader. Without a cap a batch of large messages makes the client drop
/// the connection as a slow consumer.
const BATCH_BYTES: usize = 16 << 20;
/// Messages under way to the reader.
const BATCH: usize = 500;
/// How often the stream is looked at when nothing came.
const ROUND: Duration = Duration::from_secs(2);
/// How often the coordinator is told how far reading has come.
const TELL: Duration = Duration::from_millis(500);

/// Why a reader has come to its end.
enum End {
    Stopped,
    Again(String),
}

struct Reader {
    connection: Connection,
    names: Names,
    reports: mpsc::Sender<Report>,
    assembly: Assembly,
    /// The last message that was read.
    position: u64,
    /// The coordinator was told that this is handed over.
    told: u64,
    last_heard: Instant,
}

/// Reads from behind message `from` on, until `stop`.
pub(super) async fn read(
    connection: Connection,
    names: Names,
    reports: mpsc::Sender<Report>,
    from: u64,
    stop: CancellationToken,
) {
    let mut reader = Reader {
        connection,
        names,
        reports,
        assembly: Assembly::default(),
        position: from,
        told: from,
        last_heard: Instant::now(),
    };
    loop {
        match stop.run_until_cancelled(reader.read_on()).await {
            None | Some(End::Stopped) => break,
            Some(End::Again(reason)) => {
                debug!(reason, "reading intervals anew");
                reader.connection.counters().reader_restarts.one();
            }
        }
        // The broker may be away: neither hurry nor wait for long.
        let pause = tokio::time::sleep(Duration::from_millis(200));
        if stop.run_until_cancelled(pause).await.is_none() {
            break;
        }
    }
}

impl Reader {
    /// From the first message that was not handed over, until something is wrong.
    async fn read_on(&mut self) -> End {
        let mut connects = self.connection.connects();
        connects.mark_unchanged();
        self.position = self.handed_over();
        self.assembly.clear();
        let mut messages = match self.consumer().await {
            Ok(messages) => messages,
            Err(reason) => return End::Again(reason),
        };
        self.last_heard = Instant::now();
        let mut expected = 1;
        let mut rounds = tokio::time::interval(ROUND);
        let mut tells = tokio::time::interval(TELL);
        loop {
            tokio::select! {
                biased;
                changed = connects.changed() => {
                    return if changed.is_ok() { End::Again("connected again".into()) } else { End::Stopped };
                }
                _ = rounds.tick() => {
                    if let Err(reason) = self.round().await {
                        return End::Again(reason);
                    }
                }
                _ = tells.tick() => {
                    if self.tell().await.is_err() {
                        return End::Stopped;
                    }
                }
                message = messages.next() => match message {
                    Some(Ok(message)) => {
                        let Ok(number) = message.info().map(|info| info.consumer_sequence) else {
                            return End::Again("a message without its number".into());
                        };
                        if number != expected {
                            return End::Again(format!("message {number} instead of {expected}"));
                        }
                        expected += 1;
                        if self.take(message).await.is_err() {
                            return End::Stopped; // The coordinator is gone.
                        }
                    }
                    Some(Err(error)) => return End::Again(error.to_string()),
                    None => return End::Again("the reader was closed".into()),
                },
            }
        }
    }

    async fn consumer(&self) -> Result<pull::Stream, String> {
        let stream = self.stream().await?;
        let deliver_policy = match self.position {
            0 => DeliverPolicy::All,
            read => DeliverPolicy::ByStartSequence { start_sequence: read + 1 },
        };
        let config = pull::Config {
            deliver_policy,
            ack_policy: AckPolicy::None,
            inactive_threshold: Duration::from_secs(30),
            memory_storage: true,
            num_replicas: 1,
            ..pull::Config::default()
        };
        let consumer = stream.create_consumer(config).map_err(|error| error.to_string()).await?;
        consumer
            .stream()
            .max_messages_per_batch(BATCH)
            .max_bytes_per_batch(BATCH_BYTES)
            .heartbeat(Duration::from_secs(5))
            .expires(Duration::from_secs(30))
            .messages()
            .await
            .map_err(|error| error.to_string())
    }

    async fn stream(&self) -> Result<Stream, String> {
        let stream = self.connection.jetstream.get_stream(self.names.stats_stream()).await;
        stream.map_err(|error| error.to_string())
    }

    /// Hands over what `message` completes. An error if nobody takes it.
    async fn take(&mut self, message: Message) -> Result<(), mpsc::error::SendError<Report>> {
        let Ok(sequence) = message.info().map(|info| info.stream_sequence) else { return Ok(()) };
        self.last_heard = Instant::now();
        let counters = self.connection.counters().clone();
        let headers = message.headers.clone().unwrap_or_default();
        match self.assembly.take(&message.subject, &headers, &message.payload, sequence) {
            Ok(Some(covering)) => {
                for interval in covering.into_intervals() {
                    self.reports.send(Report::Interval(Box::new(interval))).await?;
                    counters.intervals_received.one();
                }
            }
            Ok(None) => {}
            Err(error) => {
                counters.intervals_undecodable.one();
                warn!(subject = message.subject.as_str(), sequence, %error, "interval skipped");
            }
        }
        self.position = sequence;
        Ok(())
    }

    /// Up to which message everything has been handed over.
    fn handed_over(&self) -> u64 {
        self.assembly.needed_from().map_or(self.position, |first| first - 1)
    }

    /// Tells how far all is handed over, if that is news. An error if nobody listens.
    async fn tell(&mut self) -> Result<(), mpsc::error::SendError<Report>> {
        let upto = self.handed_over();
        if upto != self.told {
            self.reports.send(Report::Position(upto)).await?;
            self.told = upto;
        }
        Ok(())
    }

    /// Gives up what is incomplete, and notices when the stream has gone on without us.
    async fn round(&mut self) -> Result<(), String> {
        let given_up = self.assembly.expire(Instant::now());
        self.connection.counters().intervals_incomplete.add(given_up);
        if self.last_heard.elapsed() < ROUND || !self.connection.connected() {
            return Ok(());
        }
        let state = self.stream().await?.cached_info().state.clone();
        if state.last_sequence < self.position {
            // Somebody made the stream anew.
            self.position = 0;
            self.assembly.clear();
            return Err("the stream began anew".into());
        }
        let unread = state.last_sequence > self.position && state.messages > 0;
        if unread && self.last_heard.elapsed() > ROUND * 2 {
            return Err(format!("nothing came for {:?}", self.last_heard.elapsed()));
        }
        Ok(())
    }
}
