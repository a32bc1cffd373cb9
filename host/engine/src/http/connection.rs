//! One connection, and one exchange on it.

use std::future::poll_fn;
use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use futures_util::task::noop_waker_ref;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::TcpStream;
use tokio::time::Instant;
use tokio_rustls::client::TlsStream;

use super::origin::Origin;
use super::outcome::Failure;
use super::reader::{Reader, Reply, Wanted};
use super::request::Request;
use super::scratch;
use super::timer::Timer;

/// How long a server may think about `Expect: 100-continue` before it gets the body anyway.
const CONTINUE_WAIT: Duration = Duration::from_secs(1);

/// An open connection. It has no buffers of its own, but for those of TLS.
#[derive(Debug)]
pub(super) struct Connection {
    pub(super) origin: Arc<Origin>,
    io: Io,
}

#[derive(Debug)]
enum Io {
    Plain(TcpStream),
    Tls(Box<TlsStream<TcpStream>>),
}

/// Limits of one exchange.
#[derive(Debug, Clone, Copy)]
pub(super) struct Deadlines {
    /// Of the whole exchange, from sending.
    pub(super) whole: Duration,
    /// From the end of the request to the first byte.
    pub(super) first_byte: Option<Duration>,
}

/// When the parts of an exchange ended, as far as they were reached.
#[derive(Debug, Clone, Copy)]
pub(super) struct Moments {
    pub(super) sent: Option<Instant>,
    pub(super) first_byte: Option<Instant>,
    pub(super) end: Instant,
}

/// How an exchange ended.
#[derive(Debug)]
pub(super) struct Outcome {
    pub(super) result: Result<Reply, Failure>,
    pub(super) moments: Moments,
    pub(super) bytes_sent: u64,
    pub(super) bytes_received: u64,
    /// The server had closed the connection, and not a byte came back.
    pub(super) vanished: bool,
    /// Another request may follow on the connection.
    pub(super) reusable: bool,
}

impl Connection {
    pub(super) fn plain(origin: Arc<Origin>, stream: TcpStream) -> Self {
        Self { origin, io: Io::Plain(stream) }
    }

    pub(super) fn tls(origin: Arc<Origin>, stream: TlsStream<TcpStream>) -> Self {
        Self { origin, io: Io::Tls(Box::new(stream)) }
    }

    pub(super) fn is_to(&self, origin: &Arc<Origin>) -> bool {
        Arc::ptr_eq(&self.origin, origin) || self.origin == *origin
    }

    /// Whether an idle connection was closed by the server, or has bytes that nobody asked for.
    /// Costs no system call unless something came in.
    pub(super) fn is_stale(&mut self) -> bool {
        let mut byte = [0];
        match &mut self.io {
            Io::Plain(stream) => {
                !matches!(stream.try_read(&mut byte), Err(error) if error.kind() == io::ErrorKind::WouldBlock)
            }
            Io::Tls(stream) => {
                let mut cx = Context::from_waker(noop_waker_ref());
                Pin::new(stream).poll_read(&mut cx, &mut ReadBuf::new(&mut byte)).is_ready()
            }
        }
    }

    fn poll_read(&mut self, cx: &mut Context<'_>, buffer: &mut [u8]) -> Poll<io::Result<usize>> {
        let mut buffer = ReadBuf::new(buffer);
        ready!(match &mut self.io {
            Io::Plain(stream) => Pin::new(stream).poll_read(cx, &mut buffer),
            Io::Tls(stream) => Pin::new(stream).poll_read(cx, &mut buffer),
        })?;
        Poll::Ready(Ok(buffer.filled().len()))
    }

    fn poll_write(&mut self, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        match &mut self.io {
            Io::Plain(stream) => Pin::new(stream).poll_write(cx, bytes),
            Io::Tls(stream) => Pin::new(stream).poll_write(cx, bytes),
        }
    }

    fn poll_flush(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        match &mut self.io {
            Io::Plain(_) => Poll::Ready(Ok(())),
            Io::Tls(stream) => Pin::new(stream).poll_flush(cx),
        }
    }

    /// Sends a request and reads its answer to the end, or to the deadline.
    pub(super) async fn exchange(
        &mut self,
        request: &Request<'_>,
        wanted: Wanted,
        deadlines: Deadlines,
        begun: Instant,
        timer: &mut Timer,
    ) -> Outcome {
        let mut exchange = Exchanging {
            connection: self,
            out: Outgoing::default(),
            reader: Reader::new(wanted),
            begun,
            deadlines,
            sent: None,
            first_byte: None,
            end: begun,
            closed: false,
        };
        let mut started = false;
        let result = poll_fn(|cx| {
            if !started {
                started = true;
                if let Err(failure) = exchange.start(cx, request) {
                    return Poll::Ready(Err(failure));
                }
            }
            exchange.poll(cx, timer)
        })
        .await;
        exchange.finish(result)
    }
}

/// Bytes that the socket would not take at once; mostly none.
#[derive(Debug, Default)]
struct Outgoing {
    rest: Vec<u8>,
    rest_at: usize,
    /// A body that comes after it: a large one, shared with the template, or one that is held.
    body: Option<Arc<[u8]>>,
    body_at: usize,
    /// The body waits for `100 Continue`, until then at most.
    held: Option<Instant>,
    /// The server takes no more.
    broken: bool,
    /// Bytes that were sent.
    count: u64,
}

/// An exchange under way.
struct Exchanging<'a> {
    connection: &'a mut Connection,
    out: Outgoing,
    reader: Reader,
    begun: Instant,
    deadlines: Deadlines,
    sent: Option<Instant>,
    first_byte: Option<Instant>,
    end: Instant,
    /// End of the stream or an error: nothing more will come.
    closed: bool,
}

impl Exchanging<'_> {
    /// Puts the request together in the thread's buffer, and writes what the socket takes.
    fn start(&mut self, cx: &mut Context<'_>, request: &Request<'_>) -> Result<(), Failure> {
        scratch::with_out(|buffer| {
            let assembled = request.assemble(buffer)?;
            self.out.body = assembled.body;
            if request.asks_to_continue() {
                if assembled.head < buffer.len() {
                    self.out.body = Some(buffer.split_off(assembled.head).into());
                }
                self.out.held = self.out.body.is_some().then(|| self.begun + CONTINUE_WAIT);
            }
            let mut at = 0;
            while at < buffer.len() {
                match self.connection.poll_write(cx, &buffer[at..]) {
                    Poll::Ready(Ok(count)) if count > 0 => at += count,
                    Poll::Ready(_) => {
                        self.out.broken = true;
                        break;
                    }
                    Poll::Pending => {
                        self.out.rest = buffer[at..].to_vec();
                        break;
                    }
                }
            }
            self.out.count = at as u64;
            Ok(())
        })
    }

    /// Writes what is left, reads what has come, and looks at the clock.
    fn poll(&mut self, cx: &mut Context<'_>, timer: &mut Timer) -> Poll<Result<(), Failure>> {
        loop {
            if self.sent.is_none() && self.out.poll(cx, self.connection).is_ready() {
                self.sent = Some(Instant::now());
            }
            match self.poll_read(cx) {
                Poll::Ready(Ok(true)) => return Poll::Ready(Ok(())),
                Poll::Ready(Err(failure)) => return Poll::Ready(Err(failure)),
                Poll::Ready(Ok(false)) => {
                    if self.end >= self.begun + self.deadlines.whole {
                        return Poll::Ready(Err(self.timed_out()));
                    }
                }
                Poll::Pending => {
                    let deadline = self.deadline();
                    ready!(timer.poll(cx, deadline));
                    self.end = Instant::now();
                    if self.out.held.is_some_and(|until| self.end >= until) {
                        self.out.held = None;
                        continue;
                    }
                    return Poll::Ready(Err(self.timed_out()));
                }
            }
        }
    }

    /// True: the answer is complete.
    fn poll_read(&mut self, cx: &mut Context<'_>) -> Poll<Result<bool, Failure>> {
        scratch::with_in(|buffer| {
            let read = ready!(self.connection.poll_read(cx, buffer));
            self.end = Instant::now();
            match read {
                Ok(0) => {
                    self.closed = true;
                    Poll::Ready(self.reader.close().map(|()| true))
                }
                Ok(count) => {
                    let done = self.reader.feed(&buffer[..count])?;
                    if self.reader.has_begun() {
                        self.first_byte.get_or_insert(self.end);
                    }
                    if self.reader.continued() {
                        self.out.held = None;
                    }
                    Poll::Ready(Ok(done))
                }
                Err(error) => {
                    self.closed = true;
                    Poll::Ready(Err(read_failure(&error)))
                }
            }
        })
    }

    /// The deadline that counts now.
    fn deadline(&self) -> Instant {
        let whole = self.begun + self.deadlines.whole;
        let first_byte = match (self.deadlines.first_byte, self.sent, self.first_byte) {
            (Some(limit), Some(sent), None) => sent + limit,
            _ => whole,
        };
        whole.min(first_byte).min(self.out.held.unwrap_or(whole))
    }

    fn timed_out(&self) -> Failure {
        if self.sent.is_none() {
            return Failure::timeout("the server did not take the request within the timeout");
        }
        let in_first_byte = self.end < self.begun + self.deadlines.whole;
        match self.first_byte {
            None if in_first_byte => Failure::timeout("no answer within first_byte_timeout"),
            None => Failure::timeout("no answer within the timeout"),
            Some(_) => Failure::timeout("the answer did not end within the timeout"),
        }
    }

    fn finish(self, result: Result<(), Failure>) -> Outcome {
        let vanished = self.closed && self.reader.received() == 0;
        let bytes_received = self.reader.received();
        let result = result.and_then(|()| {
            let incomplete = || Failure::protocol("connection closed before the end of the head");
            self.reader.into_reply().ok_or_else(incomplete)
        });
        let all_sent = self.sent.is_some() && !self.out.broken && self.out.is_empty();
        let reusable = !self.closed
            && all_sent
            && result.as_ref().is_ok_and(|reply| reply.head.keep_alive && !reply.surplus);
        Outcome {
            result,
            moments: Moments { sent: self.sent, first_byte: self.first_byte, end: self.end },
            bytes_sent: self.out.count,
            bytes_received,
            vanished,
            reusable,
        }
    }
}

impl Outgoing {
    fn is_empty(&self) -> bool {
        self.rest_at >= self.rest.len()
            && self.body.as_ref().is_none_or(|body| self.body_at >= body.len())
    }

    /// Ready when everything that may be sent is sent, or the server takes no more.
    /// What the server says about it is found by reading.
    fn poll(&mut self, cx: &mut Context<'_>, connection: &mut Connection) -> Poll<()> {
        while !self.broken && !self.is_empty() {
            let (bytes, at) = if self.rest_at < self.rest.len() {
                (&self.rest[self.rest_at..], &mut self.rest_at)
            } else if self.held.is_some() {
                return Poll::Pending;
            } else {
                let body = self.body.as_deref().unwrap_or_default();
                (&body[self.body_at..], &mut self.body_at)
            };
            match ready!(connection.poll_write(cx, bytes)) {
                Ok(count) if count > 0 => {
                    *at += count;
                    self.count += count as u64;
                }
                _ => self.broken = true,
            }
        }
        if !self.broken && ready!(connection.poll_flush(cx)).is_err() {
            self.broken = true;
        }
        Poll::Ready(())
    }
}

fn read_failure(error: &io::Error) -> Failure {
    match error.kind() {
        io::ErrorKind::ConnectionReset | io::ErrorKind::BrokenPipe => {
            Failure::protocol("connection reset by the server")
        }
        io::ErrorKind::UnexpectedEof => Failure::protocol("connection cut without a TLS farewell"),
        io::ErrorKind::InvalidData => {
            Failure::new(super::FailureKind::Tls, format!("tls: {error}"))
        }
        kind => Failure::protocol(format!("connection failed: {kind}")),
    }
}
