//! Speaks HTTP to a server that serves for real.

use std::time::Duration;

use axum::Router;
use serde_json::{Value, json};
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio_util::sync::CancellationToken;

use crate::access::{Doors, serve};

pub(super) struct Served {
    pub(super) address: String,
    pub(super) doors: Doors,
    pub(super) stop: CancellationToken,
    pub(super) task: tokio::task::JoinHandle<std::io::Result<()>>,
}

pub(super) struct Answer {
    pub(super) status: u16,
    head: String,
    pub(super) body: String,
}

impl Answer {
    pub(super) fn header(&self, name: &str) -> Option<&str> {
        self.head.lines().skip(1).find_map(|line| {
            let (found, value) = line.split_once(": ")?;
            found.eq_ignore_ascii_case(name).then_some(value)
        })
    }

    pub(super) fn json(&self) -> Value {
        serde_json::from_str(&self.body).unwrap()
    }

    pub(super) fn code(&self) -> String {
        self.json()["code"].as_str().unwrap().to_string()
    }
}

/// Header lines and body.
pub(super) fn json_body(value: &Value) -> (String, String) {
    ("content-type: application/json\r\n".into(), value.to_string())
}

impl Served {
    pub(super) async fn new(app: Router, doors: Doors) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap().to_string();
        let stop = CancellationToken::new();
        let task = tokio::spawn(serve(listener, app, doors.clone(), stop.clone()));
        Self { address, doors, stop, task }
    }

    pub(super) async fn ask(&self, method: &str, path: &str, lines: &str, body: &str) -> Answer {
        let stream = TcpStream::connect(&self.address).await.unwrap();
        exchange(stream, method, path, lines, body).await
    }

    /// A stream of which something has come.
    pub(super) async fn follow(&self, lines: &str) -> TcpStream {
        let mut stream = TcpStream::connect(&self.address).await.unwrap();
        let request = format!(
            "GET /api/v1/live HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\n{lines}\r\n"
        );
        stream.write_all(request.as_bytes()).await.unwrap();
        let mut came = Vec::new();
        while !came.ends_with(b"hello\r\n") {
            assert!(stream.read_buf(&mut came).await.unwrap() > 0, "it has ended");
        }
        stream
    }

    pub(super) async fn try_log_in(&self, user: &str, password: &str, lines: &str) -> Answer {
        let (kind, body) = json_body(&json!({"user": user, "password": password}));
        self.ask("POST", "/api/v1/session", &format!("{kind}{lines}"), &body).await
    }

    /// The cookie.
    pub(super) async fn log_in(&self, user: &str, password: &str) -> String {
        let answer = self.try_log_in(user, password, "").await;
        assert_eq!(answer.status, 200, "{}", answer.body);
        answer.header("set-cookie").unwrap().split(';').next().unwrap().to_string()
    }

    /// Asks until the status is the one that is waited for.
    pub(super) async fn eventually(&self, method: &str, path: &str, lines: &str, status: u16) {
        let deadline = tokio::time::Instant::now() + Duration::from_secs(10);
        loop {
            let found = self.ask(method, path, lines, "").await.status;
            if found == status {
                return;
            }
            assert!(tokio::time::Instant::now() < deadline, "{method} {path} answers {found}");
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    }
}

pub(super) async fn exchange(
    mut stream: impl AsyncRead + AsyncWrite + Unpin,
    method: &str,
    path: &str,
    lines: &str,
    body: &str,
) -> Answer {
    let host = if lines.contains("host:") { "" } else { "host: localhost\r\n" };
    let request = format!(
        "{method} {path} HTTP/1.1\r\n{host}{lines}content-length: {}\r\nconnection: close\r\n\r\n{body}",
        body.len()
    );
    stream.write_all(request.as_bytes()).await.unwrap();
    let mut answer = Vec::new();
    let read = stream.read_to_end(&mut answer);
    let _ = tokio::time::timeout(Duration::from_secs(20), read).await.unwrap();
    let answer = String::from_utf8(answer).unwrap();
    let (head, body) = answer.split_once("\r\n\r\n").unwrap_or_else(|| panic!("{answer:?}"));
    Answer { status: head[9..12].parse().unwrap(), head: head.into(), body: body.into() }
}

/// Reads what comes until nothing more does.
pub(super) async fn to_its_end(stream: &mut TcpStream) {
    let mut rest = Vec::new();
    let read = stream.read_to_end(&mut rest);
    tokio::time::timeout(Duration::from_secs(20), read).await.unwrap().unwrap();
}
