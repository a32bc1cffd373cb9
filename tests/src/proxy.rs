//! A way to a server that can be cut without anybody being told, as when a cable is pulled.

use std::net::{SocketAddr, TcpListener};
use std::thread::JoinHandle;

use anyhow::{Context, Result};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::sync::watch;
use tokio::task::JoinSet;

/// Bytes that are under way in one direction of one connection.
const CHUNK: usize = 16 << 10;

/// A TCP proxy in a thread of its own, so that tests may wait as they like.
///
/// What is sent while it is blocked arrives afterwards, connections that are made or closed
/// meanwhile are made or closed afterwards: so do TCP's repetitions after a short cut.
pub struct Proxy {
    scheme: String,
    address: SocketAddr,
    passes: Option<watch::Sender<bool>>,
    thread: Option<JoinHandle<()>>,
}

impl Proxy {
    /// In front of the server at `url`, such as `nats://127.0.0.1:4222`, on a free port.
    pub fn before(url: &str) -> Result<Proxy> {
        Self::at("127.0.0.1", url)
    }

    /// The same on another address of this machine.
    pub fn at(ip: &str, url: &str) -> Result<Proxy> {
        let (scheme, target) = url.split_once("://").context("a URL has `://`")?;
        let target: SocketAddr = target.parse().with_context(|| format!("the address of {url}"))?;
        let listener = TcpListener::bind((ip, 0))?;
        listener.set_nonblocking(true)?;
        let address = listener.local_addr()?;
        let (passes, passing) = watch::channel(true);
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
        let thread = std::thread::spawn(move || {
            if let Err(error) = runtime.block_on(serve(listener, target, passing)) {
                eprintln!("the proxy at {address} has ended: {error}");
            }
        });
        let (passes, thread) = (Some(passes), Some(thread));
        Ok(Proxy { scheme: scheme.to_string(), address, passes, thread })
    }

    /// Where it listens, in the scheme of what is behind it.
    pub fn url(&self) -> String {
        format!("{}://{}", self.scheme, self.address)
    }

    /// Nothing passes any more, in either direction; nothing is closed.
    pub fn block(&self) {
        self.pass(false);
    }

    /// Everything passes again, that which has waited first.
    pub fn unblock(&self) {
        self.pass(true);
    }

    fn pass(&self, passes: bool) {
        if let Some(sender) = &self.passes {
            sender.send_replace(passes);
        }
    }
}

impl Drop for Proxy {
    fn drop(&mut self) {
        // Without its sender all ends.
        self.passes = None;
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

async fn serve(
    listener: TcpListener,
    target: SocketAddr,
    passes: watch::Receiver<bool>,
) -> std::io::Result<()> {
    let listener = tokio::net::TcpListener::from_std(listener)?;
    let mut links = JoinSet::new();
    let mut proxy = passes.clone();
    let is_gone = proxy.wait_for(|_| false);
    tokio::pin!(is_gone);
    loop {
        tokio::select! {
            _ = &mut is_gone => return Ok(()),
            accepted = listener.accept() => drop(links.spawn(link(accepted?.0, target, passes.clone()))),
            Some(_) = links.join_next() => {}
        }
    }
}

async fn link(near: TcpStream, target: SocketAddr, mut passes: watch::Receiver<bool>) {
    if passes.wait_for(|passes| *passes).await.is_err() {
        return;
    }
    let Ok(far) = TcpStream::connect(target).await else { return };
    let _ = (near.set_nodelay(true), far.set_nodelay(true));
    let ((from_near, to_near), (from_far, to_far)) = (near.into_split(), far.into_split());
    tokio::join!(pass(from_near, to_far, passes.clone()), pass(from_far, to_near, passes));
}

/// One direction, until its end, which is passed on as well.
async fn pass(
    mut from: impl AsyncReadExt + Unpin,
    mut to: impl AsyncWriteExt + Unpin,
    mut passes: watch::Receiver<bool>,
) {
    let mut chunk = vec![0; CHUNK];
    loop {
        let read = from.read(&mut chunk).await;
        if passes.wait_for(|passes| *passes).await.is_err() {
            return;
        }
        match read {
            Ok(read @ 1..) if to.write_all(&chunk[..read]).await.is_ok() => {}
            _ => break,
        }
    }
    let _ = to.shutdown().await;
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use std::io::{Read, Write};
    use std::time::Duration;

    use super::*;

    #[test]
    fn what_is_sent_while_it_is_blocked_arrives_afterwards() {
        let server = TcpListener::bind("127.0.0.1:0").unwrap();
        let url = format!("nats://{}", server.local_addr().unwrap());
        let proxy = Proxy::before(&url).unwrap();
        let address = proxy.url().replace("nats://", "");
        let mut client = std::net::TcpStream::connect(address).unwrap();
        let (mut served, _) = server.accept().unwrap();
        let mut two = [0; 2];
        client.write_all(b"ab").unwrap();
        served.read_exact(&mut two).unwrap();

        proxy.block();
        client.write_all(b"cd").unwrap();
        served.write_all(b"ef").unwrap();
        for side in [&mut client, &mut served] {
            side.set_read_timeout(Some(Duration::from_millis(200))).unwrap();
            assert!(side.read_exact(&mut two).is_err(), "it passed");
            side.set_read_timeout(None).unwrap();
        }
        proxy.unblock();
        served.read_exact(&mut two).unwrap();
        assert_eq!(&two, b"cd");
        client.read_exact(&mut two).unwrap();
        assert_eq!(&two, b"ef");
        drop(served);
        assert_eq!(client.read(&mut two).unwrap(), 0);
    }
}
