//! Taking a port, with an error that says what to do when it cannot be had.

use std::net::SocketAddr;
use std::time::Duration;

use tokio::net::TcpListener;

/// How long open exchanges may go on after the stop.
pub(super) const GRACE: Duration = Duration::from_millis(300);

/// Who may reach a listener.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Exposure {
    /// This machine.
    Loopback,
    /// Everybody who can reach the address. There is no login yet.
    Anyone,
}

/// Why nobody listens.
#[derive(Debug, thiserror::Error)]
pub enum ListenError {
    /// Somebody else does.
    #[error("port {} is in use ({address}); give another one with {flag} HOST:PORT, or {flag} 127.0.0.1:0 for any free one", address.port())]
    InUse {
        /// Asked for.
        address: SocketAddr,
        /// That sets it.
        flag: &'static str,
    },
    /// Not on this machine alone, and not asked for.
    #[error("{address} can be reached from other machines, and there is no login yet; give {flag} 127.0.0.1:{}, or allow it with {allow}", address.port())]
    Exposed {
        /// Asked for.
        address: SocketAddr,
        /// That sets it.
        flag: &'static str,
        /// That allows it.
        allow: &'static str,
    },
    /// Anything else.
    #[error(
        "{address} cannot be listened on: {reason}; give another address with {flag} HOST:PORT"
    )]
    Refused {
        /// Asked for.
        address: SocketAddr,
        /// That sets it.
        flag: &'static str,
        /// What the system said.
        reason: std::io::Error,
    },
}

/// Listens on `address`, which was set by `flag`. `allow` is the flag that makes
/// `exposure` [`Exposure::Anyone`].
pub async fn bind(
    address: SocketAddr,
    exposure: Exposure,
    flag: &'static str,
    allow: &'static str,
) -> Result<TcpListener, ListenError> {
    if exposure == Exposure::Loopback && !address.ip().is_loopback() {
        return Err(ListenError::Exposed { address, flag, allow });
    }
    TcpListener::bind(address).await.map_err(|reason| match reason.kind() {
        std::io::ErrorKind::AddrInUse => ListenError::InUse { address, flag },
        _ => ListenError::Refused { address, flag, reason },
    })
}
