//! A real nats-server on a free port, with JetStream in a folder of its own.

use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use anyhow::{Context, Result};
use tempfile::TempDir;

use crate::Process;

/// A running nats-server; its store outlives [`Nats::restart`].
pub struct Nats {
    port: u16,
    store: TempDir,
    config: Option<PathBuf>,
    process: Process,
}

impl Nats {
    /// Starts one and waits until it serves.
    pub fn start() -> Result<Nats> {
        Self::serving(None)
    }

    /// The same with this configuration file, but a free port.
    pub fn configured(config: &Path) -> Result<Nats> {
        Self::serving(Some(config.to_path_buf()))
    }

    fn serving(config: Option<PathBuf>) -> Result<Nats> {
        let store = tempfile::tempdir()?;
        let port = TcpListener::bind("127.0.0.1:0")?.local_addr()?.port();
        let process = serve(port, &store, config.as_deref())?;
        Ok(Nats { port, store, config, process })
    }

    /// `nats://127.0.0.1:PORT`
    pub fn url(&self) -> String {
        format!("nats://127.0.0.1:{}", self.port)
    }

    /// Kills it.
    pub fn kill(&mut self) -> Result<()> {
        self.process.kill()
    }

    /// Kills it and starts it again on the same port with the same store.
    pub fn restart(&mut self) -> Result<()> {
        self.kill()?;
        self.process = serve(self.port, &self.store, self.config.as_deref())?;
        Ok(())
    }
}

fn serve(port: u16, store: &TempDir, config: Option<&Path>) -> Result<Process> {
    let mut command = Command::new(program()?);
    command.args(["-a", "127.0.0.1", "-p", &port.to_string()]);
    match config {
        Some(config) => command.arg("-c").arg(config),
        None => command.args(["-js", "-sd"]).arg(store.path()),
    };
    let mut process = Process::spawn("nats-server", &mut command)?;
    process.wait_until(Duration::from_secs(20), |log| log.find("Server is ready"))?;
    Ok(process)
}

pub(crate) fn program() -> Result<PathBuf> {
    let path = std::env::var_os("PATH").unwrap_or_default();
    std::env::split_paths(&path)
        .chain([PathBuf::from("/usr/sbin")])
        .map(|folder| folder.join("nats-server"))
        .find(|file| file.exists())
        .context("nats-server is missing: apt-get install nats-server")
}
