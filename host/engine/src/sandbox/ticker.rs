//! The thread that counts epochs.
//!
//! Guests check the epoch at loops and calls. Ordinarily it ticks every [`TICK`]; once a guest
//! is seen computing for longer, it ticks every [`FAST_TICK`] for a while, so that the guest's
//! neighbours wait no longer than that for their turn.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::thread::JoinHandle;
use std::time::Duration;

use wasmtime::Engine;

pub(crate) const TICK: Duration = Duration::from_millis(10);
pub(crate) const FAST_TICK: Duration = Duration::from_millis(1);

/// Fast ticks after a guest was last seen computing for long.
const HURRY: u32 = 50;

/// Ticks until it is dropped.
pub(crate) struct Ticker {
    pace: Arc<Pace>,
    thread: Option<JoinHandle<()>>,
}

/// How fast to tick.
#[derive(Default)]
pub(crate) struct Pace {
    fast: AtomicU32,
    stop: AtomicBool,
}

impl Pace {
    /// A guest computes for long: tick fast for a while.
    pub(crate) fn hurry(&self) {
        self.fast.store(HURRY, Ordering::Relaxed);
    }

    fn next(&self) -> Duration {
        let spent = self
            .fast
            .fetch_update(Ordering::Relaxed, Ordering::Relaxed, |left| left.checked_sub(1));
        if spent.is_ok() { FAST_TICK } else { TICK }
    }
}

impl Ticker {
    pub(crate) fn start(engine: &Engine) -> std::io::Result<Self> {
        let pace = Arc::new(Pace::default());
        let (engine, for_thread) = (engine.weak(), Arc::clone(&pace));
        let thread = std::thread::Builder::new().name("epochs".into()).spawn(move || {
            while !for_thread.stop.load(Ordering::Relaxed) {
                std::thread::sleep(for_thread.next());
                match engine.upgrade() {
                    Some(engine) => engine.increment_epoch(),
                    None => break,
                }
            }
        })?;
        Ok(Self { pace, thread: Some(thread) })
    }

    pub(crate) fn pace(&self) -> Arc<Pace> {
        Arc::clone(&self.pace)
    }
}

impl Drop for Ticker {
    fn drop(&mut self) {
        self.pace.stop.store(true, Ordering::Relaxed);
        if let Some(thread) = self.thread.take() {
            // Joining takes one tick at most; a ticker that panicked has nothing left to say.
            let _ = thread.join();
        }
    }
}
