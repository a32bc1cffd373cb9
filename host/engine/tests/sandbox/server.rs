//! A server on loopback: most paths answer with a short body, some misbehave.

use std::io::Write as _;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};

const OK: &[u8] = b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok";

/// Ends with the process.
pub(crate) struct Server {
    pub(crate) url: String,
    shared: Arc<Shared>,
}

#[derive(Default)]
struct Shared {
    delay: AtomicU64,
    requests: AtomicU64,
    bytes_received: AtomicU64,
}

impl Server {
    pub(crate) async fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let shared = Arc::<Shared>::default();
        let (for_task, listener) = (Arc::clone(&shared), listener.into_std().unwrap());
        // On a thread of its own: what a guest does to its shard must not hide in the server.
        std::thread::spawn(move || {
            let runtime =
                tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
            runtime.block_on(async move {
                let listener = TcpListener::from_std(listener).unwrap();
                while let Ok((stream, _)) = listener.accept().await {
                    tokio::spawn(serve(stream, Arc::clone(&for_task)));
                }
            });
        });
        Self { url, shared }
    }

    /// Answers come after this time.
    pub(crate) fn delay(&self, delay: Duration) {
        self.shared.delay.store(delay.as_millis() as u64, Ordering::Relaxed);
    }

    /// Requests that arrived.
    pub(crate) fn requests(&self) -> u64 {
        self.shared.requests.load(Ordering::Relaxed)
    }

    /// Of all requests, with heads.
    pub(crate) fn bytes_received(&self) -> u64 {
        self.shared.bytes_received.load(Ordering::Relaxed)
    }
}

/// One connection. A request is what comes in one read, or with a body, all of the body.
async fn serve(mut stream: TcpStream, shared: Arc<Shared>) -> Option<()> {
    let mut buffer = vec![0; 64 << 10];
    loop {
        let head = stream.read(&mut buffer).await.ok().filter(|read| *read > 0)?;
        let request = String::from_utf8_lossy(&buffer[..head]).into_owned();
        let path = request.split(' ').nth(1).unwrap_or_default().to_string();
        let mut rest = request_bytes(&request).saturating_sub(head as u64);
        shared.bytes_received.fetch_add(head as u64, Ordering::Relaxed);
        while rest > 0 {
            let read = stream.read(&mut buffer).await.ok().filter(|read| *read > 0)? as u64;
            shared.bytes_received.fetch_add(read, Ordering::Relaxed);
            rest = rest.saturating_sub(read);
        }
        shared.requests.fetch_add(1, Ordering::Relaxed);
        let wait = shared.delay.load(Ordering::Relaxed);
        if wait > 0 {
            tokio::time::sleep(Duration::from_millis(wait)).await;
        }
        answer(&mut stream, &path).await.ok()?;
    }
}

/// Of the whole request whose head this is.
fn request_bytes(head: &str) -> u64 {
    let end = head.find("\r\n\r\n").map_or(head.len(), |at| at + 4) as u64;
    let length = head.to_ascii_lowercase();
    let length = length.split("content-length: ").nth(1).and_then(|rest| rest.lines().next());
    end + length.and_then(|text| text.trim().parse::<u64>().ok()).unwrap_or(0)
}

async fn answer(stream: &mut TcpStream, path: &str) -> std::io::Result<()> {
    match path {
        // Without end, as fast as it is taken.
        "/endless" => {
            stream.write_all(b"HTTP/1.1 200 OK\r\n\r\n").await?;
            let bytes = vec![b'x'; 64 << 10];
            loop {
                stream.write_all(&bytes).await?;
            }
        }
        // Without end, a byte at a time.
        "/drip" => {
            stream.write_all(b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n").await?;
            loop {
                stream.write_all(b"1\r\nx\r\n").await?;
                tokio::time::sleep(Duration::from_millis(20)).await;
            }
        }
        "/bomb" | "/layers" => {
            let coding = if path == "/bomb" { "gzip" } else { "gzip, gzip" };
            let body = if path == "/bomb" { gzip(&zeros()) } else { gzip(&gzip(&zeros())) };
            let head = format!(
                "HTTP/1.1 200 OK\r\ncontent-encoding: {coding}\r\ncontent-length: {}\r\n\r\n",
                body.len()
            );
            stream.write_all(head.as_bytes()).await?;
            stream.write_all(&body).await
        }
        // Another answer that nobody asked for, at once or when the connection is idle.
        "/surplus" => stream.write_all(&[OK, OK].concat()).await,
        "/late-surplus" => {
            stream.write_all(OK).await?;
            tokio::time::sleep(Duration::from_millis(20)).await;
            stream.write_all(b"x").await
        }
        _ => stream.write_all(OK).await,
    }
}

/// More than is kept of an answer.
fn zeros() -> Vec<u8> {
    vec![0; 64 << 20]
}

fn gzip(bytes: &[u8]) -> Vec<u8> {
    let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
    encoder.write_all(bytes).unwrap();
    encoder.finish().unwrap()
}
