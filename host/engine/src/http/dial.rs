//! Opens connections: policy, addresses, TCP, TLS.

use std::io;
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use futures_util::stream::{FuturesUnordered, StreamExt as _};
use rustls_pki_types::ServerName;
use tokio::net::TcpStream;
use tokio::time::{Instant, timeout};
use tokio_rustls::TlsConnector;

use super::connection::Connection;
use super::origin::Origin;
use super::outcome::{Failure, FailureKind, Timings};
use super::shared::Shared;

/// How long an address may take before the next one is tried beside it (RFC 8305, 8).
const ATTEMPT_DELAY: Duration = Duration::from_millis(250);
/// Addresses tried at most.
const MAX_ADDRESSES: usize = 8;

/// Opens a connection within the limit. Adds what each step took to `timings`.
pub(super) async fn dial(
    shared: &Shared,
    origin: &Arc<Origin>,
    limit: Duration,
    timings: &mut Timings,
) -> Result<Connection, Failure> {
    shared.policy.check_name(origin)?;
    let opened = timeout(limit, open(shared, origin, timings)).await;
    opened.unwrap_or_else(|_| Err(Failure::timeout("no connection within connect_timeout")))
}

async fn open(
    shared: &Shared,
    origin: &Arc<Origin>,
    timings: &mut Timings,
) -> Result<Connection, Failure> {
    let begun = Instant::now();
    let resolved = shared.resolver.resolve(origin).await?;
    let resolved_at = Instant::now();
    // An address is no name, so nothing was looked up.
    if origin.host.parse::<IpAddr>().is_err() {
        timings.dns += resolved_at - begun;
    }
    let addresses = permitted(shared, origin, resolved)?;
    let stream = connect_any(&addresses).await.map_err(|error| connect_failure(&error))?;
    let connected_at = Instant::now();
    timings.connect += connected_at - resolved_at;
    timings.new_connections += 1;
    // A request is written at once, so there is nothing to wait for.
    stream.set_nodelay(true).map_err(|error| connect_failure(&error))?;
    if !origin.secure {
        return Ok(Connection::plain(Arc::clone(origin), stream));
    }
    let connector = TlsConnector::from(shared.tls.config()?);
    let name = ServerName::try_from(origin.host.clone()).map_err(|_| {
        Failure::new(FailureKind::Tls, "the host's name cannot be in a certificate")
    })?;
    let stream = connector.connect(name, stream).await.map_err(|error| tls_failure(&error))?;
    timings.tls += connected_at.elapsed();
    Ok(Connection::tls(Arc::clone(origin), stream))
}

/// The addresses that may be dialled; if there is none, why.
fn permitted(
    shared: &Shared,
    origin: &Origin,
    resolved: Vec<SocketAddr>,
) -> Result<Vec<SocketAddr>, Failure> {
    let mut refusal = None;
    let mut permitted = Vec::with_capacity(resolved.len());
    for address in resolved {
        match shared.policy.check_address(origin, address) {
            Ok(()) if permitted.len() < MAX_ADDRESSES => permitted.push(address),
            Ok(()) => {}
            Err(failure) => refusal = Some(failure),
        }
    }
    match refusal {
        Some(failure) if permitted.is_empty() => Err(failure),
        _ => Ok(permitted),
    }
}

/// The first connection that stands. The next address is tried when one fails or is slow.
async fn connect_any(addresses: &[SocketAddr]) -> io::Result<TcpStream> {
    if let [address] = addresses {
        return TcpStream::connect(address).await;
    }
    let mut waiting = addresses.iter();
    let mut attempts = FuturesUnordered::new();
    let mut last_error = io::Error::from(io::ErrorKind::AddrNotAvailable);
    attempts.extend(waiting.next().map(TcpStream::connect));
    while !attempts.is_empty() {
        match timeout(ATTEMPT_DELAY, attempts.next()).await {
            Ok(Some(Ok(stream))) => return Ok(stream),
            Ok(Some(Err(error))) => last_error = error,
            Ok(None) => break,
            Err(_) => {}
        }
        attempts.extend(waiting.next().map(TcpStream::connect));
    }
    Err(last_error)
}

fn connect_failure(error: &io::Error) -> Failure {
    let message: std::borrow::Cow<'static, str> = match error.raw_os_error() {
        Some(code) if code == rustix::io::Errno::MFILE.raw_os_error() => {
            "too many open files: raise the limit with `ulimit -n`".into()
        }
        Some(code) if code == rustix::io::Errno::ADDRNOTAVAIL.raw_os_error() => {
            "no free local port: too many connections to one address".into()
        }
        _ => match error.kind() {
            io::ErrorKind::ConnectionRefused => "connection refused".into(),
            io::ErrorKind::ConnectionReset => "connection reset while connecting".into(),
            io::ErrorKind::TimedOut => "the server does not answer to connect".into(),
            kind => format!("cannot connect: {kind}").into(),
        },
    };
    Failure::new(FailureKind::Connect, message)
}

fn tls_failure(error: &io::Error) -> Failure {
    let inner = error.get_ref().and_then(|inner| inner.downcast_ref::<rustls::Error>());
    match inner {
        Some(error) => Failure::new(FailureKind::Tls, tls_message(error)),
        None => Failure::new(FailureKind::Tls, format!("tls handshake failed: {}", error.kind())),
    }
}

/// Without the parts that differ from case to case, such as dates.
fn tls_message(error: &rustls::Error) -> String {
    use rustls::{CertificateError, Error};
    match error {
        Error::InvalidCertificate(CertificateError::UnknownIssuer) => {
            "the server's certificate is from an unknown issuer: trust it with `extra_roots`, or \
             set `insecure`"
                .to_string()
        }
        Error::InvalidCertificate(
            CertificateError::NotValidForName | CertificateError::NotValidForNameContext { .. },
        ) => "the server's certificate is for another name".to_string(),
        Error::InvalidCertificate(
            CertificateError::Expired | CertificateError::ExpiredContext { .. },
        ) => "the server's certificate has expired".to_string(),
        Error::InvalidMessage(_) => "the server does not speak TLS".to_string(),
        other => format!("tls: {other}"),
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::expect_used)]
    use tokio::net::{TcpListener, TcpSocket};

    use super::*;

    async fn listener() -> (TcpListener, SocketAddr) {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        (listener, address)
    }

    /// An address where nobody listens.
    async fn closed() -> SocketAddr {
        listener().await.1
    }

    /// An address that does not answer: its queue is full, so the kernel drops what comes.
    async fn silent() -> (SocketAddr, Vec<TcpStream>, TcpListener) {
        let socket = TcpSocket::new_v4().unwrap();
        socket.bind("127.0.0.1:0".parse().unwrap()).unwrap();
        let listener = socket.listen(0).unwrap();
        let address = listener.local_addr().unwrap();
        let mut queued = Vec::new();
        for _ in 0..8 {
            match timeout(Duration::from_millis(100), TcpStream::connect(address)).await {
                Ok(stream) => queued.push(stream.unwrap()),
                Err(_) => return (address, queued, listener),
            }
        }
        (address, queued, listener)
    }

    #[tokio::test]
    async fn an_address_that_refuses_is_followed_by_the_next() {
        let (_listener, open) = listener().await;
        let stream = connect_any(&[closed().await, closed().await, open]).await.unwrap();
        assert_eq!(stream.peer_addr().unwrap(), open);
        let error = connect_any(&[closed().await, closed().await]).await.unwrap_err();
        let failure = connect_failure(&error);
        assert_eq!((failure.kind, &*failure.message), (FailureKind::Connect, "connection refused"));
    }

    #[tokio::test]
    async fn an_address_that_is_slow_gets_a_rival() {
        let (slow, _queued, _full) = silent().await;
        let (_listener, open) = listener().await;
        let begun = Instant::now();
        let stream = connect_any(&[slow, open]).await.unwrap();
        assert_eq!(stream.peer_addr().unwrap(), open);
        // Alone, the first one would have taken the kernel's two minutes.
        assert!(begun.elapsed() >= ATTEMPT_DELAY && begun.elapsed() < 40 * ATTEMPT_DELAY);
    }

    #[tokio::test]
    async fn connecting_ends_at_its_own_limit() {
        let (slow, _queued, _full) = silent().await;
        let target = format!("http://{slow}/");
        let settings = loadhost_model::plan::HttpSettings::default();
        let limits = loadhost_model::plan::Limits::default();
        let grants = super::super::Grants::default();
        let shared = Shared::new(&settings, Some(&target), &limits, &grants).unwrap();
        let origin = Arc::clone(&shared.target.as_ref().unwrap().origin);
        let limit = Duration::from_millis(80);
        let failure =
            dial(&shared, &origin, limit, &mut Timings::default()).await.map(drop).unwrap_err();
        let expected = "no connection within connect_timeout";
        assert_eq!((failure.kind, &*failure.message), (FailureKind::Timeout, expected));
    }

    #[tokio::test]
    async fn an_address_of_ipv6_is_dialled_as_it_is_written() {
        // Machines without IPv6 have no such address to bind.
        let Ok(listener) = TcpListener::bind("[::1]:0").await else { return };
        let target = format!("http://{}/", listener.local_addr().unwrap());
        let settings = loadhost_model::plan::HttpSettings::default();
        let limits = loadhost_model::plan::Limits::default();
        let grants = super::super::Grants::default();
        let shared = Shared::new(&settings, Some(&target), &limits, &grants).unwrap();
        let origin = Arc::clone(&shared.target.as_ref().unwrap().origin);
        assert_eq!(format!("http://{}/", origin.authority), target);
        let mut timings = Timings::default();
        assert!(dial(&shared, &origin, Duration::from_secs(5), &mut timings).await.is_ok());
        assert_eq!((timings.new_connections, timings.dns), (1, Duration::ZERO));
    }
}
