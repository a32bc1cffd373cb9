//! Connections: accepted, encrypted, bounded in number and in time.
//!
//! `axum::serve` gives no deadline to who sends its headers slowly, so the loop is our own, over the same hyper.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use axum::Router;
use axum::body::Body;
use axum::http::{HeaderValue, Request, Response, StatusCode, header};
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::Service as _;
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::service::TowerToHyperService;
use tokio::io::{AsyncRead, AsyncWrite, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::task::JoinSet;
use tokio::time::timeout;
use tokio_util::sync::CancellationToken;

use super::base::{BasePath, Under};
use super::guard::Peer;
use super::tls::Tls;

/// Connections at once, unless it is said otherwise. A page has two or three.
const CONNECTIONS: usize = 2_048;
/// For the headers of a request, and for the next request of a connection that is kept.
const HEADERS_WITHIN: Duration = Duration::from_secs(30);
/// Bytes of them.
const HEADERS_BYTES: usize = 64 * 1024;
/// For TLS to be agreed on, and for a word to those who do not speak it.
const HANDSHAKE_WITHIN: Duration = Duration::from_secs(10);
/// Milliseconds that the other end may not take what we send.
const UNTAKEN_MS: u32 = 60_000;
/// How long open exchanges may go on after the stop.
const GRACE: Duration = Duration::from_millis(300);
/// After a system that had no room for a connection.
const BREATH: Duration = Duration::from_millis(500);

/// The first byte of each TLS connection.
const HANDSHAKE: u8 = 0x16;

/// What was kept out, counted.
#[derive(Debug, Default)]
pub struct DoorCounters {
    full: AtomicU64,
    handshakes: AtomicU64,
    plain: AtomicU64,
    late: AtomicU64,
}

impl DoorCounters {
    /// Names and values, for metrics.
    pub fn counts(&self) -> Vec<(&'static str, u64)> {
        let of = |counter: &AtomicU64| counter.load(Ordering::Relaxed);
        vec![
            ("http_connections_refused", of(&self.full)),
            ("http_handshakes_failed", of(&self.handshakes)),
            ("http_plain_on_tls", of(&self.plain)),
            ("http_headers_too_late", of(&self.late)),
        ]
    }
}

fn count(counter: &AtomicU64) {
    counter.fetch_add(1, Ordering::Relaxed);
}

/// What stands between a listener and the routes.
#[derive(Clone)]
pub struct Doors {
    /// Encrypts, if it is there.
    pub tls: Option<Tls>,
    /// Taken off before routing.
    pub base: BasePath,
    /// Connections at once; more are closed.
    pub connections: usize,
    /// What was kept out.
    pub counters: Arc<DoorCounters>,
}

impl Default for Doors {
    fn default() -> Self {
        Self {
            tls: None,
            base: BasePath::default(),
            connections: CONNECTIONS,
            counters: Arc::default(),
        }
    }
}

/// Serves `app` to all who connect, until `stop`; open exchanges have a moment to end.
///
/// # Errors
/// None yet: what fails is one connection, not all of them.
pub async fn serve(
    listener: TcpListener,
    app: Router,
    doors: Doors,
    stop: CancellationToken,
) -> std::io::Result<()> {
    let places = Arc::new(Semaphore::new(doors.connections));
    let mut connections = JoinSet::new();
    loop {
        let accepted = tokio::select! {
            accepted = listener.accept() => accepted,
            Some(_) = connections.join_next() => continue,
            () = stop.cancelled() => break,
        };
        match accepted {
            Ok((stream, peer)) => match places.clone().try_acquire_owned() {
                Ok(place) => {
                    let connection =
                        Connection { app: app.clone(), doors: doors.clone(), peer, place };
                    connections.spawn(connection.serve(stream, stop.clone()));
                }
                // Dropped: a word about it would need a place, too.
                Err(_) => count(&doors.counters.full),
            },
            Err(error) if is_of_one_connection(&error) => {}
            Err(error) => {
                tracing::warn!(%error, "no connection can be accepted");
                tokio::time::sleep(BREATH).await;
            }
        }
    }
    drop(listener);
    let all = async { while connections.join_next().await.is_some() {} };
    // Who keeps a connection open is not waited for.
    let _ = timeout(GRACE, all).await;
    Ok(())
}

fn is_of_one_connection(error: &std::io::Error) -> bool {
    use std::io::ErrorKind::{ConnectionAborted, ConnectionRefused, ConnectionReset};
    matches!(error.kind(), ConnectionAborted | ConnectionRefused | ConnectionReset)
}

struct Connection {
    app: Router,
    doors: Doors,
    peer: SocketAddr,
    place: OwnedSemaphorePermit,
}

impl Connection {
    async fn serve(self, stream: TcpStream, stop: CancellationToken) {
        let _ = stream.set_nodelay(true);
        // Without it, who reads nothing would keep the connection, and all that waits to be sent.
        let _ = rustix::net::sockopt::set_tcp_user_timeout(&stream, UNTAKEN_MS);
        let Some(tls) = &self.doors.tls else { return self.exchange(stream, stop).await };
        let agreed = timeout(HANDSHAKE_WITHIN, async {
            if !speaks_tls(&stream).await? {
                count(&self.doors.counters.plain);
                say_https(stream).await?;
                return Ok(None);
            }
            tls.acceptor().accept(stream).await.map(Some)
        });
        match agreed.await {
            Ok(Ok(Some(stream))) => self.exchange(stream, stop).await,
            Ok(Ok(None)) => {}
            Ok(Err(_)) | Err(_) => count(&self.doors.counters.handshakes),
        }
    }

    async fn exchange<I>(self, io: I, stop: CancellationToken)
    where
        I: AsyncRead + AsyncWrite + Unpin + Send + 'static,
    {
        let Self { app, doors, peer, place: _place } = self;
        let Doors { base, counters, .. } = doors;
        let inner = TowerToHyperService::new(app);
        let service = hyper::service::service_fn(move |request: Request<Incoming>| {
            let under = base.strip(request.uri());
            let inner = inner.clone();
            async move {
                match under {
                    Under::Inside(uri) => {
                        let mut request = request.map(Body::new);
                        *request.uri_mut() = uri;
                        request.extensions_mut().insert(Peer(peer));
                        inner.call(request).await
                    }
                    Under::Redirect(to) => Ok(redirect(&to)),
                    Under::Outside => Ok(outside()),
                }
            }
        });
        let connection = http1::Builder::new()
            .timer(TokioTimer::new())
            .header_read_timeout(HEADERS_WITHIN)
            .max_buf_size(HEADERS_BYTES)
            .serve_connection(TokioIo::new(io), service);
        tokio::pin!(connection);
        let ended = tokio::select! {
            ended = connection.as_mut() => ended,
            () = stop.cancelled() => {
                connection.as_mut().graceful_shutdown();
                connection.await
            }
        };
        if ended.is_err_and(|error| error.is_timeout()) {
            count(&counters.late);
        }
    }
}

fn redirect(to: &str) -> Response<Body> {
    let mut response = Response::new(Body::empty());
    *response.status_mut() = StatusCode::PERMANENT_REDIRECT;
    if let Ok(to) = HeaderValue::from_str(to) {
        response.headers_mut().insert(header::LOCATION, to);
    }
    response
}

fn outside() -> Response<Body> {
    let said = r#"{"code":"not-found","message":"there is nothing outside of the base path","hint":"ask below the path that --web-base-path gives"}"#;
    let mut response = Response::new(Body::from(said));
    *response.status_mut() = StatusCode::NOT_FOUND;
    let json = HeaderValue::from_static("application/json");
    response.headers_mut().insert(header::CONTENT_TYPE, json);
    response
}

async fn speaks_tls(stream: &TcpStream) -> std::io::Result<bool> {
    let mut first = [0];
    Ok(stream.peek(&mut first).await? == 1 && first[0] == HANDSHAKE)
}

/// Browsers show it to who typed `http://`.
async fn say_https(mut stream: TcpStream) -> std::io::Result<()> {
    const SAID: &str = "this port speaks HTTPS only; ask with https://\n";
    let answer = format!(
        "HTTP/1.1 400 Bad Request\r\ncontent-type: text/plain; charset=utf-8\r\n\
         content-length: {}\r\nconnection: close\r\n\r\n{SAID}",
        SAID.len()
    );
    stream.write_all(answer.as_bytes()).await?;
    stream.shutdown().await?;
    // What was sent is read, else closing would take the answer back.
    let mut rest = [0; 4_096];
    for _ in 0..16 {
        use tokio::io::AsyncReadExt as _;
        if stream.read(&mut rest).await? == 0 {
            break;
        }
    }
    Ok(())
}
