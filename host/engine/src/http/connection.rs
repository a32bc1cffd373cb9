//! One connection, and one exchange on it.

use std::future::{Future, poll_fn};
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
use super::request::{Assembled, Request};
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

/// What became of a connection while it was idle.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Idle {
    /// To be used again.
    Ready,
    /// By the server.
    Closed,
    /// There are bytes that nobody asked for.
    Surplus,
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

    /// What happened while it was idle. Costs no system call unless something came in.
    pub(super) fn idle(&mut self) -> Idle {
        let mut byte = [0];
        let mut cx = Context::from_waker(noop_waker_ref());
        let read = match &mut self.io {
            Io::Plain(stream) => match stream.try_read(&mut byte) {
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => Poll::Pending,
                read => Poll::Ready(read),
            },
            Io::Tls(stream) => {
                let mut buffer = ReadBuf::new(&mut byte);
                let read = Pin::new(stream).poll_read(&mut cx, &mut buffer);
                read.map_ok(|()| buffer.filled().len())
            }
        };
        match read {
            Poll::Pending => Idle::Ready,
            Poll::Ready(Ok(1..)) => Idle::Surplus,
            Poll::Ready(_) => Idle::Closed,
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
    ///
    /// Not an `async fn`, because that would hold its arguments beside what is made of them.
    pub(super) fn exchange<'a>(
        &'a mut self,
        request: &'a Request<'_>,
        wanted: Wanted,
        deadlines: Deadlines,
        begun: Instant,
        timer: &'a mut Timer,
    ) -> impl Future<Output = Outcome> + 'a {
        let mut exchange = Exchanging {
            connection: self,
            out: Outgoing::default(),
            reader: Reader::new(wanted),
            deadline: begun + deadlines.whole,
            first_byte_limit: deadlines.first_byte,
            sent: None,
            first_byte: None,
            end: begun,
            closed: false,
        };
        let mut unsent = Some(request);
        poll_fn(move |cx| {
            let result = match unsent.take().map(|request| exchange.start(cx, request)) {
                Some(Err(failure)) => Err(failure),
                _ => ready!(exchange.poll(cx, timer)),
            };
            Poll::Ready(exchange.finish(result))
        })
    }
}

/// What of the request is still to be sent; mostly nothing.
#[derive(Debug, Default)]
struct Outgoing {
    rest: Option<Box<Rest>>,
    /// The server takes no more.
    broken: bool,
    /// Bytes that were sent.
    count: u64,
}

/// Bytes that the socket would not take at once, or that it shall not have yet.
#[derive(Debug, Default)]
struct Rest {
    bytes: Vec<u8>,
    bytes_at: usize,
    /// Comes after them: a large body, shared with the template, or one that is held.
    body: Option<Arc<[u8]>>,
    body_at: usize,
    /// The body waits for `100 Continue`, until then at most.
    held: Option<Instant>,
}

/// An exchange under way.
struct Exchanging<'a> {
    connection: &'a mut Connection,
    out: Outgoing,
    reader: Reader,
    /// Of the whole exchange.
    deadline: Instant,
    /// From the end of the request.
    first_byte_limit: Option<Duration>,
    sent: Option<Instant>,
    first_byte: Option<Instant>,
    /// When something last happened: at first, the beginning.
    end: Instant,
    /// End of the stream or an error: nothing more will come.
    closed: bool,
}

impl Exchanging<'_> {
    /// Puts the request together in the thread's buffer, and writes what the socket takes.
    fn start(&mut self, cx: &mut Context<'_>, request: &Request<'_>) -> Result<(), Failure> {
        scratch::with_out(|buffer| {
            let Assembled { head, body } = request.assemble(buffer)?;
            if body.is_some() {
                self.out.rest().body = body;
            }
            if request.asks_to_continue() && request.has_body() {
                if head < buffer.len() {
                    self.out.rest().body = Some(buffer.split_off(head).into());
                }
                self.out.rest().held = Some(self.end + CONTINUE_WAIT);
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
                        self.out.rest().bytes = buffer[at..].to_vec();
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
                    if self.end >= self.deadline {
                        return Poll::Ready(Err(self.timed_out()));
                    }
                }
                Poll::Pending => {
                    let deadline = self.deadline();
                    ready!(timer.poll(cx, deadline));
                    self.end = Instant::now();
                    if self.out.held().is_some_and(|until| self.end >= until) {
                        self.out.release();
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
                        self.out.release();
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
        let whole = self.deadline;
        let first_byte = match (self.first_byte_limit, self.sent, self.first_byte) {
            (Some(limit), Some(sent), None) => sent + limit,
            _ => whole,
        };
        whole.min(first_byte).min(self.out.held().unwrap_or(whole))
    }

    fn timed_out(&self) -> Failure {
        if self.sent.is_none() {
            return Failure::timeout("the server did not take the request within the timeout");
        }
        let in_first_byte = self.end < self.deadline;
        match self.first_byte {
            None if in_first_byte => Failure::timeout("no answer within first_byte_timeout"),
            None => Failure::timeout("no answer within the timeout"),
            Some(_) => Failure::timeout("the answer did not end within the timeout"),
        }
    }

    fn finish(&mut self, result: Result<(), Failure>) -> Outcome {
        let vanished = self.closed && self.reader.received() == 0;
        let bytes_received = self.reader.received();
        let result = result.and_then(|()| {
            let incomplete = || Failure::protocol("connection closed before the end of the head");
            self.reader.take_reply().ok_or_else(incomplete)
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
    fn rest(&mut self) -> &mut Rest {
        self.rest.get_or_insert_default()
    }

    fn held(&self) -> Option<Instant> {
        self.rest.as_ref()?.held
    }

    /// The body need not wait any longer.
    fn release(&mut self) {
        if let Some(rest) = &mut self.rest {
            rest.held = None;
        }
    }

    fn is_empty(&self) -> bool {
        self.rest.as_ref().is_none_or(|rest| rest.is_empty())
    }

    /// Ready when everything is sent, or the server takes no more. What the server says
    /// about it is found by reading.
    fn poll(&mut self, cx: &mut Context<'_>, connection: &mut Connection) -> Poll<()> {
        if let Some(rest) = &mut self.rest {
            while !self.broken && !rest.is_empty() {
                let Some((bytes, at)) = rest.next() else { return Poll::Pending };
                match ready!(connection.poll_write(cx, bytes)) {
                    Ok(count) if count > 0 => {
                        *at += count;
                        self.count += count as u64;
                    }
                    _ => self.broken = true,
                }
            }
        }
        if !self.broken && ready!(connection.poll_flush(cx)).is_err() {
            self.broken = true;
        }
        Poll::Ready(())
    }
}

impl Rest {
    fn is_empty(&self) -> bool {
        self.bytes_at >= self.bytes.len()
            && self.body.as_ref().is_none_or(|body| self.body_at >= body.len())
    }

    /// The bytes to send next, and where to count them. None: they are held.
    fn next(&mut self) -> Option<(&[u8], &mut usize)> {
        if self.bytes_at < self.bytes.len() {
            return Some((&self.bytes[self.bytes_at..], &mut self.bytes_at));
        }
        if self.held.is_some() {
            return None;
        }
        let body = self.body.as_deref().unwrap_or_default();
        Some((&body[self.body_at..], &mut self.body_at))
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
