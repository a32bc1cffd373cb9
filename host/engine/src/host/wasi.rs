//! WASI 0.2 as a guest sees it: clocks, seeded random numbers, output to the user's log;
//! no environment, no files, no sockets.

use std::io;
use std::pin::Pin;
use std::task::{Context, Poll};

use tokio::io::AsyncWrite;
use wasmtime::component::{HasData, Linker};
use wasmtime_wasi::cli::{IsTerminal, StdoutStream};
use wasmtime_wasi::p2::bindings::random::{insecure, insecure_seed, random};
use wasmtime_wasi::p2::{OutputStream, Pollable, StreamResult};
use wasmtime_wasi::{WasiCtx, WasiView};

use super::output::{Channel, UserLog};

/// Bytes that one call for random numbers may ask for.
const RANDOM_BYTES: u64 = 64 << 10;
/// Bytes that a guest may write to a stream at once.
const WRITE_BYTES: usize = 64 << 10;

/// A context whose output goes to this log.
pub(crate) fn context(log: &UserLog) -> WasiCtx {
    WasiCtx::builder()
        .stdout(Output { log: log.clone(), channel: Channel::Stdout })
        .stderr(Output { log: log.clone(), channel: Channel::Stderr })
        .allow_tcp(false)
        .allow_udp(false)
        .allow_ip_name_lookup(false)
        .build()
}

/// Seeded random numbers of a store.
pub(crate) trait Seeded {
    fn random(&mut self) -> &mut fastrand::Rng;
}

/// Links all of WASI, with random numbers that a run can repeat.
pub(crate) fn link<T: WasiView + Seeded>(linker: &mut Linker<T>) -> wasmtime::Result<()> {
    wasmtime_wasi::p2::add_to_linker_async(linker)?;
    linker.allow_shadowing(true);
    random::add_to_linker::<T, OfRandom>(linker, random_of)?;
    insecure::add_to_linker::<T, OfRandom>(linker, random_of)?;
    insecure_seed::add_to_linker::<T, OfRandom>(linker, random_of)?;
    linker.allow_shadowing(false);
    Ok(())
}

fn random_of<T: Seeded>(state: &mut T) -> Random<'_> {
    Random(state.random())
}

struct OfRandom;

impl HasData for OfRandom {
    type Data<'a> = Random<'a>;
}

struct Random<'a>(&'a mut fastrand::Rng);

impl Random<'_> {
    fn bytes(&mut self, count: u64) -> wasmtime::Result<Vec<u8>> {
        if count > RANDOM_BYTES {
            wasmtime::bail!(
                "{count} random bytes were asked for in one call; at most {RANDOM_BYTES} are given"
            );
        }
        let mut bytes = vec![0; count as usize];
        self.0.fill(&mut bytes);
        Ok(bytes)
    }
}

impl random::Host for Random<'_> {
    fn get_random_bytes(&mut self, count: u64) -> wasmtime::Result<Vec<u8>> {
        self.bytes(count)
    }

    fn get_random_u64(&mut self) -> wasmtime::Result<u64> {
        Ok(self.0.u64(..))
    }
}

impl insecure::Host for Random<'_> {
    fn get_insecure_random_bytes(&mut self, count: u64) -> wasmtime::Result<Vec<u8>> {
        self.bytes(count)
    }

    fn get_insecure_random_u64(&mut self) -> wasmtime::Result<u64> {
        Ok(self.0.u64(..))
    }
}

impl insecure_seed::Host for Random<'_> {
    fn insecure_seed(&mut self) -> wasmtime::Result<(u64, u64)> {
        Ok((self.0.u64(..), self.0.u64(..)))
    }
}

/// Standard output or standard error.
#[derive(Clone)]
struct Output {
    log: UserLog,
    channel: Channel,
}

impl IsTerminal for Output {
    fn is_terminal(&self) -> bool {
        false
    }
}

impl StdoutStream for Output {
    fn async_stream(&self) -> Box<dyn AsyncWrite + Send + Sync> {
        Box::new(self.clone())
    }

    // The provided one buffers in a task of its own.
    fn p2_stream(&self) -> Box<dyn OutputStream> {
        Box::new(self.clone())
    }
}

#[wasmtime_wasi::async_trait]
impl Pollable for Output {
    async fn ready(&mut self) {}
}

impl OutputStream for Output {
    fn write(&mut self, bytes: bytes::Bytes) -> StreamResult<()> {
        self.log.write(self.channel, &bytes);
        Ok(())
    }

    fn flush(&mut self) -> StreamResult<()> {
        Ok(())
    }

    fn check_write(&mut self) -> StreamResult<usize> {
        Ok(WRITE_BYTES)
    }
}

impl AsyncWrite for Output {
    fn poll_write(
        self: Pin<&mut Self>,
        _: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        self.log.write(self.channel, bytes);
        Poll::Ready(Ok(bytes.len()))
    }

    fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn poll_shutdown(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }
}
