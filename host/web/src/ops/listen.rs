//! Taking a port, with an error that says what to do when it cannot be had.

use std::net::SocketAddr;

use tokio::net::TcpListener;

/// Who may reach a listener.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Exposure {
    /// This machine.
    Loopback,
    /// Everybody who can reach the address: there is a login, or nothing to hide.
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
    #[error("{address} can be reached from other machines, and nobody would have to log in; give {flag} 127.0.0.1:{}, or {allow}", address.port())]
    Exposed {
        /// Asked for.
        address: SocketAddr,
        /// That sets it.
        flag: &'static str,
        /// What else could be given.
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

/// Whether [`bind`] would listen there, as far as that is known without doing it.
///
/// # Errors
/// If the address would be open to others.
pub fn may_listen(
    address: SocketAddr,
    exposure: Exposure,
    flag: &'static str,
    allow: &'static str,
) -> Result<(), ListenError> {
    if exposure == Exposure::Loopback && !address.ip().is_loopback() {
        return Err(ListenError::Exposed { address, flag, allow });
    }
    Ok(())
}

/// Listens on `address`, which was set by `flag`. `allow` says what would make `exposure`
/// [`Exposure::Anyone`].
///
/// # Errors
/// If the address is taken, cannot be had, or would be open to others.
pub async fn bind(
    address: SocketAddr,
    exposure: Exposure,
    flag: &'static str,
    allow: &'static str,
) -> Result<TcpListener, ListenError> {
    may_listen(address, exposure, flag, allow)?;
    TcpListener::bind(address).await.map_err(|reason| match reason.kind() {
        std::io::ErrorKind::AddrInUse => ListenError::InUse { address, flag },
        _ => ListenError::Refused { address, flag, reason },
    })
}
