//! What tests of this crate share: a process that serves, and a fleet behind it.
#![allow(clippy::unwrap_used, clippy::expect_used)]

pub(crate) mod fleet;

use std::sync::Arc;
use std::time::Duration;

use loadhost_control::Handle;
use loadhost_control::ports::{FolderShelf, ShelfBounds};
use serde_json::Value;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio_util::sync::CancellationToken;

use crate::access::Front;
use crate::ops::{Exposure, Ops, Role, bind, serve};
use crate::site::Site;

pub(crate) struct Served {
    pub(crate) address: String,
    pub(crate) stop: CancellationToken,
    pub(crate) task: tokio::task::JoinHandle<std::io::Result<()>>,
}

/// A master with page and API, and the folder in which it keeps things.
pub(crate) fn master(handle: Handle) -> (Ops, tempfile::TempDir) {
    let folder = tempfile::tempdir().unwrap();
    let shelf = Arc::new(FolderShelf::open(folder.path(), ShelfBounds::default()).unwrap());
    let site = Site::single_run(handle.clone(), shelf);
    (Ops::new(Role::Master(handle)).with_site(site), folder)
}

pub(crate) async fn served(ops: Ops) -> Served {
    let here = "127.0.0.1:0".parse().unwrap();
    let listener = bind(here, Exposure::Loopback, "--listen", "--expose").await.unwrap();
    let address = listener.local_addr().unwrap().to_string();
    let stop = CancellationToken::new();
    let task = tokio::spawn(serve(Front::open(listener).unwrap(), ops, stop.clone()));
    Served { address, stop, task }
}

impl Served {
    /// Status and body.
    pub(crate) async fn ask(
        &self,
        method: &str,
        path: &str,
        more: &str,
        body: &str,
    ) -> (u16, String) {
        let host = if more.contains("host:") { "" } else { "host: localhost\r\n" };
        let request = format!(
            "{method} {path} HTTP/1.1\r\n{host}{more}content-length: {}\r\nconnection: close\r\n\r\n{body}",
            body.len()
        );
        let mut stream = TcpStream::connect(&self.address).await.unwrap();
        stream.write_all(request.as_bytes()).await.unwrap();
        let mut answer = String::new();
        let read = stream.read_to_string(&mut answer);
        tokio::time::timeout(Duration::from_secs(10), read).await.unwrap().unwrap();
        let (head, body) = answer.split_once("\r\n\r\n").unwrap();
        (head[9..12].parse().unwrap(), body.to_string())
    }

    /// The same with headers as they are given.
    pub(crate) async fn ask_raw(
        &self,
        method: &str,
        path: &str,
        headers: &str,
        body: &str,
    ) -> (u16, String) {
        let request = format!(
            "{method} {path} HTTP/1.1\r\nhost: localhost\r\n{headers}connection: close\r\n\r\n{body}"
        );
        let mut stream = TcpStream::connect(&self.address).await.unwrap();
        stream.write_all(request.as_bytes()).await.unwrap();
        let mut answer = Vec::new();
        let read = stream.read_to_end(&mut answer);
        // Who is refused in the middle of sending may be cut off.
        let _ = tokio::time::timeout(Duration::from_secs(10), read).await;
        let answer = String::from_utf8_lossy(&answer);
        let (head, body) = answer.split_once("\r\n\r\n").unwrap();
        (head[9..12].parse().unwrap(), body.to_string())
    }

    pub(crate) async fn get(&self, path: &str) -> (u16, String) {
        self.ask("GET", path, "", "").await
    }

    pub(crate) async fn post(&self, path: &str, body: &Value) -> (u16, Value) {
        let json = "content-type: application/json\r\n";
        let (status, text) = self.ask("POST", path, json, &body.to_string()).await;
        (status, serde_json::from_str(&text).unwrap())
    }
}
