//! The way to the NATS server as the settings say, and errors of the fleet with their codes.

use std::net::{SocketAddr, ToSocketAddrs};
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use futures_util::future::BoxFuture;
use loadhost_cluster::fleet::JoinError;
use loadhost_cluster::subjects::Names;
use loadhost_cluster::trust::{KeyError, Trust};
use loadhost_cluster::{
    ConnectError, Connection, ModuleStore, PrivateServer, ServerError, Settings, connect,
};
use loadhost_engine::agent::workshop::{ModuleError, ModuleSource};
use loadhost_engine::scenario::StructureCaps;
use loadhost_engine::shared::DataSource;
use loadhost_model::data::MAX_DATA_BYTES;
use loadhost_model::id::{ClusterId, Digest, WorkerId};

use loadhost_web::ops::BrokerState;

use crate::config::{Effective, refuse};
use crate::exit_code::ExitCode;
use crate::failure::Failure;
use crate::scenario_file::user_folder;

/// For a module to go into the broker's store or to come out of it.
pub(crate) const MODULE_TIME: Duration = Duration::from_secs(60);

/// Between attempts to get from the broker what a master needs.
const AGAIN: Duration = Duration::from_millis(500);

/// Connects to `urls`; `role` is shown in the server's list of connections.
pub(crate) async fn join(
    settings: &Effective,
    urls: Vec<String>,
    role: &str,
) -> Result<Connection, Failure> {
    join_with(settings, urls, role, None, patience(settings)?).await
}

/// The same for a question: whoever asks is told at once that nobody answers.
pub(crate) async fn join_to_ask(
    settings: &Effective,
    urls: Vec<String>,
) -> Result<Connection, Failure> {
    join_with(settings, urls, "question", None, Duration::ZERO).await
}

fn patience(settings: &Effective) -> Result<Duration, Failure> {
    Ok(settings.duration("max-wait")?.unwrap_or_default())
}

/// The same for a worker, whose answers come to subjects that only it can read.
pub(crate) async fn join_as_worker(
    settings: &Effective,
    urls: Vec<String>,
    worker: &WorkerId,
) -> Result<Connection, Failure> {
    join_with(settings, urls, "worker", Some(Names::inbox(worker)), patience(settings)?).await
}

async fn join_with(
    settings: &Effective,
    urls: Vec<String>,
    role: &str,
    inbox_prefix: Option<String>,
    patience: Duration,
) -> Result<Connection, Failure> {
    // TLS needs a provider; a second call finds it there.
    let _ = rustls::crypto::ring::default_provider().install_default();
    let certificate = match (settings.path("nats-cert"), settings.path("nats-key")) {
        (Some(certificate), Some(key)) => Some((certificate, key)),
        (None, None) => None,
        _ => {
            return Err(Failure::new(
                ExitCode::Configuration,
                "`nats-cert` and `nats-key` are needed together",
            )
            .hint("give both or none"));
        }
    };
    let wanted = Settings {
        urls,
        user: None, // Stands in the URL.
        token: settings.text("nats-token"),
        credentials: settings.path("nats-creds"),
        nkey: nkey(settings)?,
        inbox_prefix,
        ca: settings.path("nats-ca"),
        client_certificate: certificate,
        name: format!("loadhost {role}"),
        patience,
        reconnect_attempts: settings.number("nats-reconnect-attempts")?.unwrap_or_default(),
        reconnect_interval: settings.duration("nats-reconnect-interval")?,
    };
    connect(&wanted).await.map_err(|error| {
        let code = match error {
            ConnectError::BadAddress { .. }
            | ConnectError::NoAddress
            | ConnectError::Credentials { .. } => ExitCode::Configuration,
            _ => ExitCode::NatsUnreachable,
        };
        Failure::new(code, "the NATS server cannot be used").because(&error).hint(hint(&error))
    })
}

/// Which flags to look at.
fn hint(error: &ConnectError) -> &'static str {
    match error {
        ConnectError::Refused { .. } => {
            "say who this is with `--nats-nkey`, `--nats-creds`, `--nats-token`, or NAME:PASSWORD@ before the host in `--nats`"
        }
        ConnectError::Tls { .. } => {
            "`--nats-ca` says whom to trust, `--nats-cert` and `--nats-key` who this is; of a server without TLS the address is nats://HOST:PORT"
        }
        ConnectError::Credentials { .. } => "check the path that `--nats-creds` gives",
        _ => {
            "check `--nats nats://HOST:PORT`, and that the server there runs with JetStream: nats-server -js"
        }
    }
}

/// The seed in the file of `--nats-nkey`.
fn nkey(settings: &Effective) -> Result<Option<String>, Failure> {
    let Some(path) = settings.path("nats-nkey") else { return Ok(None) };
    let wrong = |reason: &dyn std::error::Error| {
        Failure::new(
            ExitCode::Configuration,
            format!("`nats-nkey`: `{}` holds no nkey", path.display()),
        )
        .hint(format!("{reason}; `loadhost nats-config` makes such files"))
    };
    let text = std::fs::read_to_string(&path).map_err(|error| wrong(&error))?;
    let seed = text.trim().to_string();
    match nkeys::KeyPair::from_seed(&seed) {
        Ok(_) => Ok(Some(seed)),
        Err(error) => Err(wrong(&error)),
    }
}

/// Whose scenarios a worker runs (`--trust`): anybody's without it.
pub(crate) fn trust(settings: &Effective) -> Result<Trust, Failure> {
    let keys = settings.items("worker.trust").iter().map(|item| {
        if item.text.trim().starts_with('S') {
            // Whoever mistakes one half of a key for the other must not find it in a log.
            let message = "`worker.trust` is given the secret half of a key";
            return Err(Failure::new(ExitCode::Configuration, message)
                .hint("`loadhost key show FILE` shows the public one; if this one was logged, make a new key"));
        }
        item.text
            .trim()
            .parse()
            .map_err(|error: KeyError| refuse("worker.trust", item, &error.to_string()))
    });
    Ok(Trust::only(keys.collect::<Result<Vec<_>, _>>()?))
}

/// `--nats` as a list. Secrets in it are never part of an error.
pub(crate) fn urls(settings: &Effective) -> Option<Vec<String>> {
    let text = settings.text("nats")?;
    Some(text.split(',').map(|url| url.trim().to_string()).filter(|url| !url.is_empty()).collect())
}

/// Where the broker's nodes are: what scenarios must not reach.
pub(crate) fn addresses(urls: &[String]) -> Vec<SocketAddr> {
    let of = |url: &String| {
        let rest = url.split_once("://").map_or(url.as_str(), |(_, rest)| rest);
        let host =
            rest.rsplit_once('@').map_or(rest, |(_, host)| host).trim_end_matches('/').to_string();
        let with_port =
            if host.rsplit_once(':').is_some_and(|(_, port)| port.parse::<u16>().is_ok()) {
                host
            } else {
                host + ":4222"
            };
        with_port.to_socket_addrs().map(Iterator::collect).unwrap_or_else(|_| Vec::new())
    };
    urls.iter().flat_map(of).collect()
}

pub(crate) fn cluster(settings: &Effective) -> Result<ClusterId, Failure> {
    let item = settings.item("cluster");
    let text = item.map_or("default", |item| item.text.as_str());
    ClusterId::new(text).map_err(|error| match item {
        Some(item) => refuse("cluster", item, &error.to_string()),
        None => Failure::new(ExitCode::Configuration, error.to_string()),
    })
}

pub(crate) fn not_joined(error: &JoinError) -> Failure {
    Failure::new(ExitCode::NatsUnreachable, "the NATS server does not give what a fleet needs")
        .because(error)
}

/// Tries for so long: nodes of a broker that have just been started do not know each other yet.
pub(crate) async fn insist<T>(
    patience: Duration,
    mut ask: impl AsyncFnMut() -> Result<T, JoinError>,
) -> Result<T, Failure> {
    let until = tokio::time::Instant::now() + patience;
    loop {
        match ask().await {
            Ok(given) => return Ok(given),
            Err(error) if tokio::time::Instant::now() >= until => {
                return Err(not_joined(&error));
            }
            Err(error) => tracing::warn!(%error, "the broker is asked again"),
        }
        tokio::time::sleep(AGAIN).await;
    }
}

/// A NATS server for this process alone, from the program that is named or installed. What it keeps stays
/// in the folder that is given. Without one it stays in the user's state folder if that can be had, else nowhere.
pub(crate) async fn private_server(settings: &Effective) -> Result<PrivateServer, Failure> {
    let program = settings.path("nats-server");
    if let Some(program) = program.as_ref().filter(|program| !program.is_file()) {
        let missing = format!("there is no nats-server at `{}`", program.display());
        return Err(Failure::new(ExitCode::NatsMissing, missing));
    }
    let usual = user_folder("XDG_STATE_HOME", ".local/state");
    let usual = usual.map(|folder| Ok(folder.join(cluster(settings)?.as_str()))).transpose()?;
    let started = match (settings.path("data-dir"), usual) {
        (Some(data), _) => PrivateServer::start_in(program, &data).await,
        (None, None) => temporary_server(program).await,
        (None, Some(data)) => match PrivateServer::start_in(program.clone(), &data).await {
            Err(error @ (ServerError::InUse { .. } | ServerError::Folder { .. })) => {
                tracing::warn!(%error, "runs and uploads of this master go with it");
                temporary_server(program).await
            }
            started => started,
        },
    };
    started.map_err(|error| {
        let code = match error {
            ServerError::NotInstalled => ExitCode::NatsMissing,
            _ => ExitCode::NatsUnreachable,
        };
        // Causes name their remedies.
        Failure::new(code, "there is no NATS server for the fleet").because(&error).hint("")
    })
}

async fn temporary_server(program: Option<PathBuf>) -> Result<PrivateServer, ServerError> {
    match program {
        Some(program) => PrivateServer::start_program(program).await,
        None => PrivateServer::start().await,
    }
}

/// Resolves once a connection that broke was tried again as often as is allowed.
pub(crate) async fn lost(connection: &Connection) -> Failure {
    let error = connection.lost().await;
    Failure::new(ExitCode::NatsUnreachable, "the NATS server is gone").because(&error).hint("")
}

/// Modules out of the broker's store.
pub(crate) struct StoredModules {
    store: ModuleStore,
    fetched: AtomicU64,
    refused: AtomicU64,
}

impl StoredModules {
    pub(crate) fn new(store: ModuleStore) -> Self {
        Self { store, fetched: AtomicU64::new(0), refused: AtomicU64::new(0) }
    }

    /// Modules that were fetched, and those that could not be had or were not trusted.
    pub(crate) fn counts(&self) -> [u64; 2] {
        [self.fetched.load(Ordering::Relaxed), self.refused.load(Ordering::Relaxed)]
    }
}

impl ModuleSource for StoredModules {
    fn fetch(&self, digest: Digest) -> BoxFuture<'_, Result<Vec<u8>, ModuleError>> {
        let most = StructureCaps::default().file_bytes;
        Box::pin(async move {
            let fetched = self.store.fetch(digest, most, MODULE_TIME).await;
            let counter = if fetched.is_ok() { &self.fetched } else { &self.refused };
            counter.fetch_add(1, Ordering::Relaxed);
            fetched.map_err(|error| ModuleError {
                digest,
                code: error.step(),
                reason: error.to_string(),
            })
        })
    }
}

/// Files of data sets out of the same store.
impl DataSource for StoredModules {
    fn fetch(&self, digest: Digest) -> BoxFuture<'_, Result<Arc<[u8]>, String>> {
        Box::pin(async move {
            let fetched = self.store.fetch_file(digest, MAX_DATA_BYTES as u64, MODULE_TIME).await;
            fetched.map(Arc::from).map_err(|error| error.to_string())
        })
    }
}

/// How it stands with the server, for metrics.
pub(crate) fn state(connection: &Connection) -> impl Fn() -> BrokerState + Send + Sync + 'static {
    let connection = connection.clone();
    move || BrokerState {
        connected: connection.connected(),
        reconnects: connection.counters().connects.get().saturating_sub(1),
    }
}

/// Names and values of a connection's counters.
pub(crate) fn counters(
    connection: &Connection,
) -> impl Fn() -> Vec<(&'static str, u64)> + Send + Sync + 'static {
    let counters = Arc::clone(connection.counters());
    move || counters.snapshot()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_brokers_own_addresses_are_found_whatever_else_the_url_has() {
        let of = |url: &str| {
            addresses(&[url.to_string()]).iter().map(ToString::to_string).collect::<Vec<_>>()
        };
        assert_eq!(of("nats://127.0.0.1:4333"), ["127.0.0.1:4333"]);
        assert_eq!(of("nats://user:pa@ss@127.0.0.1"), ["127.0.0.1:4222"]);
        assert_eq!(of("tls://127.0.0.1:4333/"), ["127.0.0.1:4333"]);
        assert_eq!(of("nats://[::1]:4333"), ["[::1]:4333"]);
    }
}
