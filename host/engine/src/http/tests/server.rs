//! A server that follows a script, byte for byte.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _};
use tokio::net::TcpListener;

/// What the server does next on a connection. When the script is over, it waits for the
/// client to close.
#[derive(Debug, Clone)]
pub(super) enum Step {
    /// Reads one request, with its body.
    Read,
    /// Reads one request's head.
    ReadHead,
    /// Reads so many bytes.
    ReadExactly(usize),
    Send(Vec<u8>),
    /// Sends the same again and again, until the client closes.
    Flood(Vec<u8>),
    /// Sends byte by byte.
    Trickle(Vec<u8>),
    Pause(Duration),
    /// Sends a reset.
    Reset,
    /// Closes in the usual way.
    Close,
}

pub(super) fn send(bytes: impl AsRef<[u8]>) -> Step {
    Step::Send(bytes.as_ref().to_vec())
}

pub(super) fn trickle(text: &str) -> Step {
    Step::Trickle(text.as_bytes().to_vec())
}

pub(super) fn pause(millis: u64) -> Step {
    Step::Pause(Duration::from_millis(millis))
}

/// Reads a request and answers with these bytes.
pub(super) fn reply(bytes: impl AsRef<[u8]>) -> Vec<Step> {
    vec![Step::Read, send(bytes)]
}

/// A whole answer with a length.
pub(super) fn ok(body: &str) -> String {
    format!("HTTP/1.1 200 OK\r\nContent-Length: {}\r\n\r\n{body}", body.len())
}

/// What the server saw: for each request the number of its connection and its text.
pub(super) type Seen = Arc<Mutex<Vec<(usize, String)>>>;

/// A running server. Its task ends with the runtime of the test.
pub(super) struct Server {
    pub(super) url: String,
    pub(super) port: u16,
    seen: Seen,
}

impl Server {
    /// Serves the first connection by the first script, the second by the second, and so on;
    /// later ones by the last.
    pub(super) async fn start(scripts: Vec<Vec<Step>>) -> Server {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let port = listener.local_addr().unwrap().port();
        let seen = Seen::default();
        let log = Arc::clone(&seen);
        tokio::spawn(async move {
            for number in 0.. {
                let Ok((stream, _)) = listener.accept().await else { break };
                stream.set_nodelay(true).unwrap();
                let script = scripts.get(number).or(scripts.last()).cloned().unwrap_or_default();
                let log = Arc::clone(&log);
                tokio::spawn(async move {
                    let mut stream = stream;
                    if follow(&mut stream, &script, number, &log).await {
                        // With no time to linger, closing is a reset.
                        let _ = stream.set_zero_linger();
                    }
                });
            }
        });
        Server { url: format!("http://127.0.0.1:{port}"), port, seen }
    }

    /// One script for all connections.
    pub(super) async fn of(script: Vec<Step>) -> Server {
        Self::start(vec![script]).await
    }

    /// Texts of the requests so far.
    pub(super) fn requests(&self) -> Vec<String> {
        self.seen.lock().unwrap().iter().map(|(_, text)| text.clone()).collect()
    }

    /// For each request so far, on which connection it came.
    pub(super) fn connections(&self) -> Vec<usize> {
        self.seen.lock().unwrap().iter().map(|(number, _)| *number).collect()
    }
}

/// Plays a script. True: the connection is to end with a reset.
pub(super) async fn follow<S: AsyncRead + AsyncWrite + Unpin>(
    stream: &mut S,
    script: &[Step],
    number: usize,
    seen: &Seen,
) -> bool {
    for step in script {
        let outcome = match step {
            Step::Read => read_request(stream, true).await.map(|text| note(seen, number, text)),
            Step::ReadHead => {
                read_request(stream, false).await.map(|text| note(seen, number, text))
            }
            Step::ReadExactly(count) => {
                stream.read_exact(&mut vec![0; *count]).await.ok().map(drop)
            }
            Step::Send(bytes) => stream.write_all(bytes).await.ok(),
            Step::Flood(bytes) => {
                while stream.write_all(bytes).await.is_ok() {}
                None
            }
            Step::Trickle(bytes) => drip(stream, bytes).await,
            Step::Pause(span) => {
                tokio::time::sleep(*span).await;
                Some(())
            }
            Step::Reset => return true,
            Step::Close => {
                let _ = stream.shutdown().await;
                return false;
            }
        };
        if outcome.is_none() {
            return false;
        }
    }
    let mut rest = [0; 1024];
    while stream.read(&mut rest).await.is_ok_and(|count| count > 0) {}
    false
}

fn note(seen: &Seen, number: usize, text: String) {
    seen.lock().unwrap().push((number, text));
}

async fn drip<S: AsyncWrite + Unpin>(stream: &mut S, bytes: &[u8]) -> Option<()> {
    for byte in bytes {
        stream.write_all(&[*byte]).await.ok()?;
        stream.flush().await.ok()?;
        tokio::task::yield_now().await;
    }
    Some(())
}

/// One request. None: the client closed before its end.
async fn read_request<S: AsyncRead + Unpin>(stream: &mut S, with_body: bool) -> Option<String> {
    let mut bytes = Vec::new();
    let mut byte = [0];
    while !bytes.ends_with(b"\r\n\r\n") {
        if stream.read(&mut byte).await.ok()? == 0 {
            return None;
        }
        bytes.push(byte[0]);
    }
    let head = String::from_utf8_lossy(&bytes).to_ascii_lowercase();
    let length = head
        .lines()
        .find_map(|line| line.strip_prefix("content-length:"))
        .and_then(|value| value.trim().parse::<usize>().ok())
        .filter(|_| with_body)
        .unwrap_or_default();
    let mut body = vec![0; length];
    stream.read_exact(&mut body).await.ok()?;
    bytes.extend_from_slice(&body);
    Some(String::from_utf8_lossy(&bytes).into_owned())
}
