//! The way to the NATS server as the settings say, and errors of the fleet with their codes.

use std::net::{SocketAddr, ToSocketAddrs};
use std::sync::Arc;
use std::time::Duration;

use futures_util::future::BoxFuture;
use loadhost_cluster::fleet::JoinError;
use loadhost_cluster::lease::LeaseError;
use loadhost_cluster::{
    ConnectError, Connection, ModuleStore, PrivateServer, ServerError, Settings, connect,
};
use loadhost_engine::agent::workshop::{ModuleError, ModuleSource};
use loadhost_engine::scenario::StructureCaps;
use loadhost_model::id::{ClusterId, Digest};

use crate::config::{Effective, refuse};
use crate::exit_code::ExitCode;
use crate::failure::Failure;

/// For a module to go into the broker's store or to come out of it.
pub(crate) const MODULE_TIME: Duration = Duration::from_secs(60);

/// Connects to `urls`; `role` is shown in the server's list of connections.
pub(crate) async fn join(
    settings: &Effective,
    urls: Vec<String>,
    role: &str,
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
        token: settings.text("nats-token"),
        credentials: settings.path("nats-creds"),
        ca: settings.path("nats-ca"),
        client_certificate: certificate,
        name: format!("loadhost {role}"),
        patience: settings.duration("max-wait")?.unwrap_or_default(),
        ..Settings::default()
    };
    connect(&wanted).await.map_err(|error| {
        let code = match error {
            ConnectError::BadAddress { .. } | ConnectError::NoAddress | ConnectError::Credentials { .. } => ExitCode::Configuration,
            _ => ExitCode::NatsUnreachable,
        };
        Failure::new(code, "the NATS server cannot be used").because(&error).hint(
            "check `--nats nats://HOST:PORT`, and that the server there runs with JetStream: nats-server -js",
        )
    })
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
    match error {
        JoinError::Lease(LeaseError::Taken { .. }) => {
            // The cause names the remedy for this very cluster.
            Failure::new(ExitCode::MasterPresent, "this master cannot lead").because(error).hint("")
        }
        _ => Failure::new(
            ExitCode::NatsUnreachable,
            "the NATS server does not give what a fleet needs",
        )
        .because(error),
    }
}

/// A NATS server for this process alone, from the program that is named or installed.
pub(crate) async fn private_server(settings: &Effective) -> Result<PrivateServer, Failure> {
    let started = match settings.path("nats-server") {
        Some(program) if !program.is_file() => {
            let missing = format!("there is no nats-server at `{}`", program.display());
            return Err(Failure::new(ExitCode::NatsMissing, missing));
        }
        Some(program) => PrivateServer::start_program(program).await,
        None => PrivateServer::start().await,
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

/// Modules out of the broker's store.
pub(crate) struct StoredModules(pub(crate) ModuleStore);

impl ModuleSource for StoredModules {
    fn fetch(&self, digest: Digest) -> BoxFuture<'_, Result<Vec<u8>, ModuleError>> {
        let most = StructureCaps::default().file_bytes;
        Box::pin(async move {
            let fetched = self.0.fetch(digest, most, MODULE_TIME).await;
            fetched.map_err(|error| ModuleError { digest, reason: error.to_string() })
        })
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
