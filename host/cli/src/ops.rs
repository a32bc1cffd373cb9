//! Where a process is asked how it is, and told what to do: health, metrics and API.

use std::net::{Ipv4Addr, SocketAddr};

use loadhost_web::ops::{Exposure, ListenError, Ops};
use tokio::net::TcpListener;
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

use crate::config::Effective;
use crate::exit_code::ExitCode;
use crate::failure::Failure;

/// Where a master listens unless it is told otherwise, and where it is looked for.
pub(crate) const MASTER: SocketAddr =
    SocketAddr::new(std::net::IpAddr::V4(Ipv4Addr::LOCALHOST), 8089);

/// What was spawned; ends when its token is cancelled.
pub(crate) type Served = JoinHandle<std::io::Result<()>>;

/// Listens at the address that the option `key` gives, or else at `default`, and says where. None:
/// nowhere.
pub(crate) async fn bind(
    settings: &Effective,
    key: &str,
    default: Option<SocketAddr>,
) -> Result<Option<TcpListener>, Failure> {
    let Some(address) = settings.address(key)?.or(default) else { return Ok(None) };
    let open = settings.switch("listen-beyond-loopback")?;
    let exposure = if open { Exposure::Anyone } else { Exposure::Loopback };
    let bound =
        loadhost_web::ops::bind(address, exposure, "--listen", "--listen-beyond-loopback").await;
    let listener = bound.map_err(|error| {
        let code = match error {
            ListenError::InUse { .. } => ExitCode::PortInUse,
            ListenError::Exposed { .. } | ListenError::Refused { .. } => ExitCode::Configuration,
        };
        Failure::new(code, "/health, /ready and /metrics cannot be served").because(&error)
    })?;
    if let Ok(address) = listener.local_addr() {
        eprintln!("listening on http://{address}");
    }
    Ok(Some(listener))
}

/// Serves where [`bind`] listens, if it does. Who asked before waits until now.
pub(crate) fn serve(
    listener: Option<TcpListener>,
    ops: Ops,
    stop: CancellationToken,
) -> Option<Served> {
    listener.map(|listener| tokio::spawn(loadhost_web::ops::serve(listener, ops, stop)))
}

/// Waits for the end of what [`serve`] started.
pub(crate) async fn ended(served: Option<Served>) {
    if let Some(served) = served {
        let _ = served.await;
    }
}
