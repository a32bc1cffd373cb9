//! Harness of the integration tests: the real program, real servers, real guests.
//!
//! [`Program`] runs `loadhost`, [`Shop`] is a target with counts of its own, [`Nats`]
//! a broker on a free port, [`Member`] a master or worker to be treated badly, [`Proxy`] a way
//! to a server that can be cut, and [`scenario`] finds what `make guests` built. Everything
//! started here ends when its value is dropped.

mod island;
mod member;
mod nats;
mod nats_cluster;
mod process;
mod program;
mod proxy;
mod shop;
mod terminal;

use std::path::PathBuf;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};

pub use island::{Cable, Island, in_a_network_of_its_own};
pub use member::Member;
pub use nats::Nats;
pub use nats_cluster::NatsCluster;
pub use process::Process;
pub use program::{Outcome, Program, workspace_root};
pub use proxy::Proxy;
pub use shop::Shop;
pub use terminal::Terminal;

/// The compiled scenario `name`, such as `checkout`.
pub fn scenario(name: &str) -> Result<PathBuf> {
    let folder = match std::env::var_os("LOADHOST_GUESTS") {
        Some(folder) => PathBuf::from(folder),
        None => program::target_folder()?.join("guests/wasm32-wasip2/release"),
    };
    let file = folder.join(format!("{}.wasm", name.replace('-', "_")));
    if !file.exists() {
        bail!("{} is missing: run `make guests`", file.display());
    }
    Ok(file)
}

/// Asks `probe` again and again until it gives a value; fails after `limit` with what it
/// said last.
pub async fn eventually<T, F>(limit: Duration, mut probe: impl FnMut() -> F) -> Result<T>
where
    F: Future<Output = Result<T>>,
{
    let deadline = Instant::now() + limit;
    loop {
        match probe().await {
            Ok(value) => return Ok(value),
            Err(error) if Instant::now() >= deadline => {
                return Err(error).with_context(|| format!("not so within {limit:?}"));
            }
            Err(_) => tokio::time::sleep(Duration::from_millis(20)).await,
        }
    }
}
