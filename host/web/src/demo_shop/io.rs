//! Connections whose bytes can be spoilt.
//!
//! A handler that wants to answer with something that is no HTTP leaves it in its
//! [`Connection`]; the stream then writes that in place of the server's own answer
//! and ends as it says.

use std::io::{self, IoSlice};
use std::net::SocketAddr;
use std::pin::Pin;
use std::sync::atomic::Ordering::{AcqRel, Acquire, Relaxed, Release};
use std::sync::atomic::{AtomicBool, AtomicU64};
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll, ready};

use axum::extract::connect_info::Connected;
use axum::serve::{IncomingStream, Listener};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::{TcpListener, TcpStream};

use super::counters::Counters;

/// Bytes instead of an answer, and how the connection ends after them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Spoilt {
    pub(super) bytes: Vec<u8>,
    pub(super) end: End,
}

/// How a spoilt connection ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum End {
    /// In good order (FIN).
    Close,
    /// RST.
    Reset,
}

/// The handler's end of a connection.
#[derive(Clone)]
pub(super) struct Connection(Arc<Spoiler>);

#[derive(Default)]
struct Spoiler {
    armed: AtomicBool,
    spoilt: Mutex<Option<Spoilt>>,
}

impl Connection {
    /// The next thing that is written on this connection is this, and the last.
    pub(super) fn spoil(&self, spoilt: Spoilt) {
        *self.0.spoilt.lock().unwrap_or_else(PoisonError::into_inner) = Some(spoilt);
        self.0.armed.store(true, Release);
    }
}

impl Connected<IncomingStream<'_, ShopListener>> for Connection {
    fn connect_info(stream: IncomingStream<'_, ShopListener>) -> Self {
        Self(Arc::clone(&stream.io().spoiler))
    }
}

/// Counts what it accepts.
pub(super) struct ShopListener {
    inner: TcpListener,
    counters: Arc<Counters>,
}

impl ShopListener {
    pub(super) fn new(inner: TcpListener, counters: Arc<Counters>) -> Self {
        Self { inner, counters }
    }
}

impl Listener for ShopListener {
    type Io = ShopStream;
    type Addr = SocketAddr;

    async fn accept(&mut self) -> (ShopStream, SocketAddr) {
        let (stream, peer) = Listener::accept(&mut self.inner).await;
        // Answers are one segment; waiting for more only adds 40 ms to some of them.
        let _ = stream.set_nodelay(true);
        self.counters.accepted.fetch_add(1, Relaxed);
        self.counters.open.fetch_add(1, Relaxed);
        let open = OpenGuard(Arc::clone(&self.counters));
        (ShopStream { stream, spoiler: Arc::default(), spoiling: None, _open: open }, peer)
    }

    fn local_addr(&self) -> io::Result<SocketAddr> {
        self.inner.local_addr()
    }
}

struct OpenGuard(Arc<Counters>);

impl Drop for OpenGuard {
    fn drop(&mut self) {
        let open: &AtomicU64 = &self.0.open;
        open.fetch_sub(1, Relaxed);
    }
}

/// A connection to the shop.
pub(super) struct ShopStream {
    stream: TcpStream,
    spoiler: Arc<Spoiler>,
    spoiling: Option<(Spoilt, usize)>,
    _open: OpenGuard,
}

impl ShopStream {
    /// Whether the connection is being spoilt, in which case its bytes are written first.
    fn poll_spoil(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        if self.spoiler.armed.load(Acquire) && self.spoiler.armed.swap(false, AcqRel) {
            let spoilt = self.spoiler.spoilt.lock().unwrap_or_else(PoisonError::into_inner).take();
            self.spoiling = spoilt.map(|spoilt| (spoilt, 0));
        }
        let Some((spoilt, written)) = &mut self.spoiling else { return Poll::Ready(Ok(())) };
        while *written < spoilt.bytes.len() {
            *written +=
                ready!(Pin::new(&mut self.stream).poll_write(cx, &spoilt.bytes[*written..]))?;
        }
        match spoilt.end {
            End::Reset => rustix::net::sockopt::set_socket_linger(
                &self.stream,
                Some(std::time::Duration::ZERO),
            )?,
            End::Close => ready!(Pin::new(&mut self.stream).poll_shutdown(cx))?,
        }
        // The server drops the connection on an error of its own write.
        Poll::Ready(Err(io::ErrorKind::ConnectionAborted.into()))
    }
}

impl AsyncRead for ShopStream {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_read(cx, buf)
    }
}

impl AsyncWrite for ShopStream {
    fn poll_write(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        ready!(self.poll_spoil(cx))?;
        Pin::new(&mut self.stream).poll_write(cx, bytes)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bytes: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        ready!(self.poll_spoil(cx))?;
        Pin::new(&mut self.stream).poll_write_vectored(cx, bytes)
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(cx)
    }
}
