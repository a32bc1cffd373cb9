//! Connecting to the broker, and being sure that it is good enough.
//!
//! [`connect`] fails with the reason and the remedy. Once made, a [`Connection`] heals itself:
//! it tries again, for ever unless [`Settings::reconnect_attempts`] says otherwise, counts, and tells
//! those who ask ([`Connection::connected`], [`Connection::lost`]).
//! Secrets are never part of an error or a log line: addresses are shown without user and password.

mod address;
mod write;

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use async_nats::{ConnectErrorKind, ConnectOptions, Event};
use tokio::sync::watch;
use tracing::{info, warn};

use crate::counters::Counters;
use address::Address;
pub(crate) use write::WriteError;

/// The oldest nats-server whose behaviour this crate was proven with.
const OLDEST: (u32, u32) = (2, 9);
/// Between attempts to reconnect, at most, if nothing else is wanted.
const RECONNECT_AT_MOST: Duration = Duration::from_secs(1);
/// Of a stream, on a broker with as many nodes.
pub(crate) const COPIES: usize = 3;
/// For the answer to a request of the store, and for the acknowledgement of a message.
pub(crate) const ANSWER_WITHIN: Duration = Duration::from_secs(3);

/// How to reach the broker. What is not set is left to the URL or to the broker.
#[derive(Clone, Default)]
pub struct Settings {
    /// `nats://` or `tls://` URLs of the nodes of one broker, also several in one text, separated
    /// by commas. User and password, or a token in place of the user, may stand in the first.
    pub urls: Vec<String>,
    /// User and password.
    pub user: Option<(String, String)>,
    /// Token.
    pub token: Option<String>,
    /// File with a JWT and its seed.
    pub credentials: Option<PathBuf>,
    /// Seed of an nkey, such as `SUAB…`.
    pub nkey: Option<String>,
    /// Trust these certificates (PEM) too.
    pub ca: Option<PathBuf>,
    /// Certificate chain and key (PEM) shown to the broker.
    pub client_certificate: Option<(PathBuf, PathBuf)>,
    /// Shown in the broker's list of connections.
    pub name: String,
    /// Prefix of the subjects that answers come to, where an access list asks for one, such as
    /// [`crate::subjects::Names::inbox`]. Without it answers to user `m1` come to `_INBOX.m1.…`.
    pub inbox_prefix: Option<String>,
    /// How long to try for the first connection; zero: once.
    pub patience: Duration,
    /// How often each address is tried again in a row before the connection is given up, see
    /// [`Connection::lost`]; 0: without end.
    pub reconnect_attempts: usize,
    /// Between two attempts to reconnect, at most: the first ones come sooner. None: one second.
    pub reconnect_interval: Option<Duration>,
}

/// Why there is no connection.
#[derive(Debug, thiserror::Error)]
pub enum ConnectError {
    /// Not a URL of a broker.
    #[error("broker address `{address}` is not valid: {reason}; write it as nats://HOST:PORT")]
    BadAddress {
        /// Without secrets.
        address: String,
        /// What is wrong with it.
        reason: String,
    },
    /// No address was given.
    #[error("no broker address is given; give --nats nats://HOST:PORT")]
    NoAddress,
    /// A file could not be read.
    #[error("credentials file {path} cannot be read: {reason}")]
    Credentials {
        /// Which.
        path: PathBuf,
        /// What the system said.
        reason: String,
    },
    /// Nobody answers.
    #[error(
        "no broker answers at {addresses}: {reason}; start one with `nats-server -js`, or check the address"
    )]
    Unreachable {
        /// Without secrets.
        addresses: String,
        /// What the client said.
        reason: String,
    },
    /// It was there, and did not come back.
    #[error(
        "the broker at {addresses} did not come back within {attempts} attempts to reconnect to each \
         address; start it again, or allow more attempts"
    )]
    GivenUp {
        /// Without secrets.
        addresses: String,
        /// As [`Settings::reconnect_attempts`].
        attempts: usize,
    },
    /// Somebody answers, and one side does not trust the other.
    #[error(
        "the broker at {addresses} and this program do not trust each other: {reason}; check the \
         certificate authority, and certificate and key, for this broker"
    )]
    Tls {
        /// Without secrets.
        addresses: String,
        /// What the TLS library said.
        reason: String,
    },
    /// Somebody answers and says no.
    #[error(
        "the broker at {addresses} refuses these credentials; check user, token, nkey or credentials file"
    )]
    Refused {
        /// Without secrets.
        addresses: String,
    },
    /// Too old.
    #[error("the broker at {addresses} is nats-server {found}; loadhost needs {}.{} or newer", OLDEST.0, OLDEST.1)]
    TooOld {
        /// Without secrets.
        addresses: String,
        /// Its version.
        found: String,
    },
    /// No streams.
    #[error(
        "the broker at {addresses} runs without JetStream; start it with `nats-server -js`, or add \
         `jetstream {{}}` to its configuration"
    )]
    NoJetStream {
        /// Without secrets.
        addresses: String,
    },
}

/// A connection that heals itself. Clones share it.
#[derive(Clone)]
pub struct Connection {
    pub(crate) client: async_nats::Client,
    pub(crate) jetstream: async_nats::jetstream::Context,
    counters: Arc<Counters>,
    connects: watch::Receiver<u64>,
    addresses: String,
    attempts: usize,
}

impl Connection {
    /// What happened on this connection and to all that uses it.
    pub fn counters(&self) -> &Arc<Counters> {
        &self.counters
    }

    /// Whether the broker can be spoken to at this moment.
    pub fn connected(&self) -> bool {
        self.client.connection_state() == async_nats::connection::State::Connected
    }

    /// Waits until the connection is given up: all attempts to reconnect have failed. From then on
    /// nothing comes and nothing goes. Waits for ever if there is no bound on attempts.
    pub async fn lost(&self) -> ConnectError {
        let mut connects = self.connects();
        // The client drops its callback when it ends, and with it the sender.
        while connects.changed().await.is_ok() {}
        let (addresses, attempts) = (self.addresses.clone(), self.attempts);
        ConnectError::GivenUp { addresses, attempts }
    }

    /// Changes with each connection made.
    pub(crate) fn connects(&self) -> watch::Receiver<u64> {
        self.connects.clone()
    }

    /// Where the broker is, without secrets.
    pub fn addresses(&self) -> &str {
        &self.addresses
    }

    /// Copies that a stream can have: 3 on a broker of three nodes or more that had met when this
    /// connection was made, else 1.
    pub fn replicas(&self) -> usize {
        let info = self.client.server_info();
        if info.cluster.is_some() && info.connect_urls.len() >= COPIES { COPIES } else { 1 }
    }

    /// Whether what is asked may be answered by a node that is a moment behind the others.
    pub(crate) fn has_several_nodes(&self) -> bool {
        self.client.server_info().cluster.is_some()
    }

    /// The broker's version.
    pub fn server_version(&self) -> String {
        self.client.server_info().version
    }
}

/// Connects and checks that the broker is new enough and has JetStream.
pub async fn connect(settings: &Settings) -> Result<Connection, ConnectError> {
    let addresses: Vec<Address> = settings
        .urls
        .iter()
        .flat_map(|urls| urls.split(',').map(str::trim))
        .map(Address::parse)
        .collect::<Result<_, _>>()?;
    let shown = addresses.iter().map(|a| a.shown.as_str()).collect::<Vec<_>>().join(", ");
    if addresses.is_empty() {
        return Err(ConnectError::NoAddress);
    }
    let counters = Arc::new(Counters::default());
    let (connects, seen) = watch::channel(0);
    let options = options(settings, &addresses).await?;
    let options = with_events(options, counters.clone(), Arc::new(connects), shown.clone());
    let servers: Vec<_> = addresses.iter().map(|a| a.server.clone()).collect();
    let client = connect_within(settings.patience, &options, &servers, &shown).await?;
    check_server(&client.server_info(), &shown)?;
    let jetstream = async_nats::jetstream::context::ContextBuilder::new()
        .timeout(ANSWER_WITHIN)
        .ack_timeout(ANSWER_WITHIN)
        .build(client.clone());
    info!(broker = shown, version = client.server_info().version, "connected");
    let attempts = settings.reconnect_attempts;
    Ok(Connection { client, jetstream, counters, connects: seen, addresses: shown, attempts })
}

async fn connect_within(
    patience: Duration,
    options: &ConnectOptions,
    servers: &[async_nats::ServerAddr],
    shown: &str,
) -> Result<async_nats::Client, ConnectError> {
    let until = tokio::time::Instant::now() + patience;
    loop {
        let error = match Box::pin(options.clone().connect(servers)).await {
            Ok(client) => return Ok(client),
            Err(error) => error,
        };
        let addresses = shown.to_string();
        match error.kind() {
            ConnectErrorKind::Authentication | ConnectErrorKind::AuthorizationViolation => {
                return Err(ConnectError::Refused { addresses });
            }
            _ if tokio::time::Instant::now() >= until && is_tls(&error) => {
                return Err(ConnectError::Tls { addresses, reason: error.to_string() });
            }
            _ if tokio::time::Instant::now() >= until => {
                return Err(ConnectError::Unreachable { addresses, reason: error.to_string() });
            }
            _ => tokio::time::sleep(Duration::from_millis(200)).await,
        }
    }
}

/// Whether certificates or keys are what is wrong. The TLS library says so as invalid data.
fn is_tls(error: &async_nats::ConnectError) -> bool {
    let mut cause: Option<&(dyn std::error::Error + 'static)> = Some(error);
    while let Some(current) = cause {
        let io = current.downcast_ref::<std::io::Error>();
        if io.is_some_and(|io| io.kind() == std::io::ErrorKind::InvalidData) {
            return true;
        }
        cause = current.source();
    }
    error.kind() == ConnectErrorKind::Tls
}

async fn options(
    settings: &Settings,
    addresses: &[Address],
) -> Result<ConnectOptions, ConnectError> {
    let interval = settings.reconnect_interval.unwrap_or(RECONNECT_AT_MOST);
    let mut options = ConnectOptions::new()
        .name(&settings.name)
        .connection_timeout(Duration::from_secs(5))
        .ping_interval(Duration::from_secs(10))
        // The client counts over all addresses, and takes 0 for no bound.
        .max_reconnects(settings.reconnect_attempts.saturating_mul(addresses.len()))
        .reconnect_delay_callback(move |attempt| reconnect_delay(attempt, interval));
    if let Some(ca) = &settings.ca {
        options = options.add_root_certificates(ca.clone()).require_tls(true);
    }
    if let Some((certificate, key)) = &settings.client_certificate {
        options =
            options.add_client_certificate(certificate.clone(), key.clone()).require_tls(true);
    }
    if let Some(path) = &settings.credentials {
        options = options.credentials_file(path).await.map_err(|error| {
            ConnectError::Credentials { path: path.clone(), reason: error.to_string() }
        })?;
    }
    if let Some(seed) = &settings.nkey {
        options = options.nkey(seed.clone());
    }
    let from_url = addresses.first();
    let user = settings.user.clone().or_else(|| from_url.and_then(|a| a.user.clone()));
    let token = settings.token.clone().or_else(|| from_url.and_then(|a| a.token.clone()));
    let own = user.as_ref().filter(|(user, _)| is_token(user));
    let own = own.map(|(user, _)| format!("_INBOX.{user}"));
    if let Some(prefix) = settings.inbox_prefix.clone().or(own) {
        options = options.custom_inbox_prefix(prefix);
    }
    options = match (user, token) {
        (Some((user, password)), _) => options.user_and_password(user, password),
        (None, Some(token)) => options.token(token),
        (None, None) => options,
    };
    Ok(options)
}

/// Whether a text can stand between two dots of a subject.
fn is_token(text: &str) -> bool {
    !text.is_empty() && text.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-' || b == b'_')
}

/// Soon at first, then once each interval, spread a little so that a fleet does not come back at
/// once.
fn reconnect_delay(attempt: usize, interval: Duration) -> Duration {
    let doubled = Duration::from_millis(20) * 2_u32.pow(attempt.clamp(1, 16) as u32 - 1);
    let spread = Duration::from_millis((std::process::id() % 100).into());
    if attempt == 0 { Duration::ZERO } else { doubled.min(interval) + spread }
}

fn with_events(
    options: ConnectOptions,
    counters: Arc<Counters>,
    connects: Arc<watch::Sender<u64>>,
    broker: String,
) -> ConnectOptions {
    options.event_callback(move |event| {
        match event {
            Event::Connected => {
                counters.connects.one();
                if counters.connects.get() > 1 {
                    info!(broker, "connected again");
                }
                connects.send_modify(|count| *count += 1);
            }
            Event::Disconnected => {
                counters.disconnects.one();
                warn!(broker, "connection lost; trying again");
            }
            Event::SlowConsumer(subscription) => {
                counters.slow_consumers.one();
                warn!(broker, subscription, "messages dropped: a subscription is read too slowly");
            }
            Event::ServerError(error) => {
                counters.broker_errors.one();
                warn!(broker, %error, "the broker reports an error");
            }
            Event::ClientError(error) => {
                counters.broker_errors.one();
                tracing::debug!(broker, %error, "client error");
            }
            other => tracing::debug!(broker, event = %other, "broker event"),
        }
        std::future::ready(())
    })
}

fn check_server(info: &async_nats::ServerInfo, shown: &str) -> Result<(), ConnectError> {
    let addresses = shown.to_string();
    if version(&info.version).is_none_or(|found| found < OLDEST) {
        return Err(ConnectError::TooOld { addresses, found: info.version.clone() });
    }
    // A leaf node may offer the JetStream of its hub, and then names a domain.
    if !info.jetstream && info.domain.is_none() {
        return Err(ConnectError::NoJetStream { addresses });
    }
    Ok(())
}

/// Major and minor of `2.10.27` or `v2.11.0-beta.1`.
fn version(text: &str) -> Option<(u32, u32)> {
    let mut parts = text.trim_start_matches('v').split('.');
    Some((parts.next()?.parse().ok()?, parts.next()?.parse().ok()?))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::expect_used)]

    use super::*;

    fn check(version: &str, jetstream: bool) -> Result<(), ConnectError> {
        let info = serde_json::from_value(serde_json::json!({
            "version": version,
            "jetstream": jetstream,
        }));
        check_server(&info.expect("server info"), "nats://127.0.0.1:4222")
    }

    #[test]
    fn a_broker_older_than_2_9_is_refused_with_its_version() {
        for fine in ["2.9.0", "2.9.10", "2.15.1", "v2.11.0-beta.1", "3.0.0"] {
            assert!(check(fine, true).is_ok(), "{fine}");
        }
        for old in ["2.8.4", "1.4.1", "0.9", "", "nonsense"] {
            let error = check(old, true).expect_err(old).to_string();
            assert!(error.contains("needs 2.9"), "{error}");
        }
    }

    #[test]
    fn a_broker_without_jetstream_is_refused_with_the_remedy() {
        let error = check("2.9.10", false).expect_err("no JetStream").to_string();
        assert!(error.contains("nats-server -js"), "{error}");
    }

    #[test]
    fn reconnecting_slows_down_but_never_stops() {
        for interval in [RECONNECT_AT_MOST, Duration::from_secs(10)] {
            assert_eq!(reconnect_delay(0, interval), Duration::ZERO);
            assert!(reconnect_delay(1, interval) < Duration::from_millis(200));
            for attempt in [16, 100, 1_000_000] {
                let delay = reconnect_delay(attempt, interval);
                assert!(delay >= interval && delay < interval * 2, "{attempt}");
            }
        }
    }
}
