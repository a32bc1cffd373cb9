//! One file per command, and what several of them need.

pub(crate) mod build;
pub(crate) mod change;
pub(crate) mod check;
pub(crate) mod cluster;
pub(crate) mod completions;
pub(crate) mod config;
pub(crate) mod demo_shop;
pub(crate) mod drain;
pub(crate) mod health;
pub(crate) mod help;
pub(crate) mod key;
pub(crate) mod man;
pub(crate) mod master;
pub(crate) mod nats_config;
pub(crate) mod new;
pub(crate) mod push;
pub(crate) mod report;
pub(crate) mod run;
pub(crate) mod runs;
mod secret_file;
pub(crate) mod start;
pub(crate) mod status;
pub(crate) mod stop;
pub(crate) mod trace;
pub(crate) mod user;
pub(crate) mod worker;

use std::net::SocketAddr;
use std::path::{Path, PathBuf};

use tokio::net::TcpListener;

use crate::args::Settings;
use crate::config::{DEFAULT_FILE, Effective, Layer, from_environment, from_file};
use crate::exit_code::ExitCode;
use crate::failure::Failure;
use crate::telemetry;

/// File, environment and flags: what does not depend on a scenario.
#[derive(Debug, Clone)]
pub(crate) struct Layers([Layer; 3]);

impl Layers {
    /// Reads them and starts logging as they say.
    pub(crate) fn read<const COMMAND: u8>(settings: Settings<COMMAND>) -> Result<Self, Failure> {
        let file = file_layer(settings.file)?;
        let layers = Self([file, from_environment(variables())?, settings.layer]);
        telemetry::start(&layers.effective(), COMMAND)?;
        Ok(layers)
    }

    /// Without a scenario's proposals.
    pub(crate) fn effective(&self) -> Effective {
        Effective::of(self.0.clone())
    }

    /// Weakest first.
    #[cfg(test)]
    pub(crate) fn of(layers: [Layer; 3]) -> Self {
        Self(layers)
    }

    /// Weakest first.
    pub(crate) fn each(&self) -> impl Iterator<Item = &Layer> {
        self.0.iter()
    }

    /// Over a scenario's proposals.
    pub(crate) fn over(&self, scenario: Layer) -> Effective {
        Effective::of(std::iter::once(scenario).chain(self.0.clone()))
    }
}

/// Names and values that are no Unicode are nobody's settings.
fn variables() -> impl Iterator<Item = (String, String)> {
    std::env::vars_os()
        .filter_map(|(name, value)| Some((name.into_string().ok()?, value.into_string().ok()?)))
}

fn file_layer(named: Option<PathBuf>) -> Result<Layer, Failure> {
    let named = named.or_else(|| std::env::var_os("LOADHOST_CONFIG").map(PathBuf::from));
    let path = named.clone().unwrap_or_else(|| PathBuf::from(DEFAULT_FILE));
    match std::fs::read_to_string(&path) {
        Ok(text) => from_file(&path, &text),
        Err(error) if named.is_none() && error.kind() == std::io::ErrorKind::NotFound => {
            Ok(Layer::default())
        }
        Err(error) => Err(unreadable(&path, &error)),
    }
}

fn unreadable(path: &Path, error: &std::io::Error) -> Failure {
    Failure::new(
        ExitCode::Configuration,
        format!("the settings in `{}` cannot be read", path.display()),
    )
    .because(error)
    .hint("check the path given to `--config` or LOADHOST_CONFIG")
}

/// Listens, or says why not.
pub(crate) async fn listen(address: SocketAddr) -> Result<TcpListener, Failure> {
    TcpListener::bind(address).await.map_err(|error| match error.kind() {
        std::io::ErrorKind::AddrInUse => {
            Failure::new(ExitCode::PortInUse, format!("the port of {address} is in use"))
                .because(&error)
        }
        _ => Failure::new(ExitCode::Configuration, format!("{address} cannot be listened on"))
            .because(&error)
            .hint("give an address of this machine to `--listen`, such as 127.0.0.1:0"),
    })
}

/// A runtime of `threads` threads; None: one per core.
pub(crate) fn runtime(threads: Option<usize>) -> Result<tokio::runtime::Runtime, Failure> {
    let made = match threads {
        Some(1) => tokio::runtime::Builder::new_current_thread().enable_all().build(),
        Some(threads) => tokio::runtime::Builder::new_multi_thread()
            .worker_threads(threads.max(1))
            .enable_all()
            .build(),
        None => tokio::runtime::Builder::new_multi_thread().enable_all().build(),
    };
    made.map_err(|error| {
        Failure::new(ExitCode::Unexpected, "the runtime cannot be made").because(&error)
    })
}

/// What this machine is called, in characters that can stand in a name.
pub(crate) fn machine_name() -> String {
    let name = std::fs::read_to_string("/proc/sys/kernel/hostname").unwrap_or_default();
    let name: String = name
        .trim()
        .chars()
        .map(|c| if c.is_ascii_alphanumeric() || c == '-' { c } else { '-' })
        .take(48)
        .collect();
    if name.is_empty() { "worker".to_string() } else { name }
}
