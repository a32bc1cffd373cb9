//! Lines on their way to a slow place: a bounded queue with a thread behind it, so that nobody waits.

use std::io::{self, Write as _};
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::sync::mpsc::{Receiver, SyncSender, TryRecvError, sync_channel};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use tracing_subscriber::fmt::MakeWriter;

/// Lines, and bytes, that may wait to be written; what is beyond is dropped and counted.
const QUEUED_LINES: usize = 8_192;
const QUEUED_BYTES: usize = 8 << 20;
/// Lines that are handed to the place at once.
const TOGETHER: usize = 256;

/// Where lines are put. Clones are the same queue.
#[derive(Debug, Clone)]
pub(crate) struct Outlet {
    to: SyncSender<Item>,
    waiting: Arc<AtomicUsize>,
    put: Arc<AtomicU64>,
    dropped: Arc<AtomicU64>,
    account: Account,
}

/// What a place has done with what it was given. One lock for both, so that nothing is missing from their sum or in it
/// twice.
#[derive(Debug, Clone, Default)]
pub(crate) struct Account(Arc<Mutex<Passed>>);

#[derive(Debug, Default)]
struct Passed {
    all: u64,
    lost: u64,
}

impl Account {
    /// Of `count`, so many could not be written.
    pub(crate) fn pass(&self, count: usize, lost: u64) {
        let mut passed = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        passed.all += count as u64;
        passed.lost += lost;
    }

    /// How many of `put` could not be written or still are not.
    pub(crate) fn missing(&self, put: u64) -> u64 {
        let passed = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        put.saturating_sub(passed.all) + passed.lost
    }
}

#[derive(Debug)]
enum Item {
    Line(Vec<u8>),
    /// All before it is written: an answer is sent.
    Written(SyncSender<()>),
}

impl Outlet {
    /// Starts a thread that puts lines where `place` does, which says how many of them it lost.
    pub(crate) fn new(
        name: &str,
        place: impl FnMut(&[Vec<u8>]) -> u64 + Send + 'static,
    ) -> io::Result<Self> {
        let (to, items) = sync_channel(QUEUED_LINES);
        let waiting = Arc::new(AtomicUsize::new(0));
        let account = Account::default();
        let (bytes, passed) = (Arc::clone(&waiting), account.clone());
        // It ends with the process, since who logs lives as long.
        std::thread::Builder::new()
            .name(name.to_string())
            .spawn(move || pass(&items, &bytes, &passed, place))?;
        Ok(Self { to, waiting, put: Arc::default(), dropped: Arc::default(), account })
    }

    /// Hands over a line with its end.
    pub(crate) fn put(&self, line: Vec<u8>) {
        let bytes = line.len();
        let waiting = self.waiting.fetch_add(bytes, Ordering::Relaxed);
        if waiting.saturating_add(bytes) > QUEUED_BYTES
            || self.to.try_send(Item::Line(line)).is_err()
        {
            self.waiting.fetch_sub(bytes, Ordering::Relaxed);
            self.dropped.fetch_add(1, Ordering::Relaxed);
        } else {
            self.put.fetch_add(1, Ordering::Relaxed);
        }
    }

    /// How many lines that found room could not be written, or are not yet.
    pub(crate) fn missing(&self) -> u64 {
        self.account.missing(self.put.load(Ordering::Relaxed))
    }

    /// How many lines found no room.
    pub(crate) fn dropped(&self) -> u64 {
        self.dropped.load(Ordering::Relaxed)
    }

    /// Waits until all that was put is written, but no longer than `patience`.
    pub(crate) fn flush(&self, patience: Duration) {
        let until = Instant::now() + patience;
        let (answer, written) = sync_channel(1);
        while self.to.try_send(Item::Written(answer.clone())).is_err() {
            if Instant::now() >= until {
                return;
            }
            std::thread::sleep(Duration::from_millis(5));
        }
        let _ = written.recv_timeout(until.saturating_duration_since(Instant::now()));
    }
}

fn pass(
    items: &Receiver<Item>,
    waiting: &AtomicUsize,
    account: &Account,
    mut place: impl FnMut(&[Vec<u8>]) -> u64,
) {
    let mut lines = Vec::new();
    let mut answers = Vec::new();
    while let Ok(first) = items.recv() {
        let mut next = Ok(first);
        loop {
            match next {
                Ok(Item::Line(line)) => lines.push(line),
                Ok(Item::Written(answer)) => answers.push(answer),
                Err(TryRecvError::Empty | TryRecvError::Disconnected) => break,
            }
            if lines.len() >= TOGETHER || !answers.is_empty() {
                break;
            }
            next = items.try_recv();
        }
        account.pass(lines.len(), place(&lines));
        waiting.fetch_sub(lines.iter().map(Vec::len).sum(), Ordering::Relaxed);
        lines.clear();
        for answer in answers.drain(..) {
            let _ = answer.try_send(());
        }
    }
}

/// Of events as text: each is written at once.
impl<'a> MakeWriter<'a> for Outlet {
    type Writer = &'a Outlet;

    fn make_writer(&'a self) -> &'a Outlet {
        self
    }
}

impl io::Write for &Outlet {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.put(bytes.to_vec());
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// Puts lines to stderr, whatever becomes of them there.
pub(crate) fn to_stderr(lines: &[Vec<u8>]) -> u64 {
    let mut stderr = io::stderr().lock();
    let written = lines.iter().take_while(|line| stderr.write_all(line).is_ok()).count();
    (lines.len() - written) as u64
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use std::sync::mpsc::channel;

    #[test]
    fn a_place_that_takes_nothing_holds_nobody_up() {
        let (release, released) = channel::<()>();
        let (seen, lines) = channel();
        let outlet = Outlet::new("test", move |lines: &[Vec<u8>]| {
            if !lines.is_empty() {
                released.recv().ok();
                seen.send(lines.len()).ok();
            }
            0
        })
        .unwrap();
        let count = QUEUED_LINES + 3 * TOGETHER;
        (0..count).for_each(|_| outlet.put(b"x\n".to_vec()));
        let dropped = outlet.dropped();
        assert!(dropped > 0, "the queue has no end");
        outlet.flush(Duration::from_millis(20));
        assert_eq!(outlet.missing() + dropped, count as u64, "nothing is written yet");
        drop(release);
        outlet.flush(Duration::from_secs(20));
        assert_eq!(lines.try_iter().sum::<usize>() as u64 + dropped, count as u64);
        assert_eq!(outlet.missing(), 0);
    }

    #[test]
    fn bytes_are_bounded_as_well_as_lines() {
        let (release, released) = channel::<()>();
        let outlet = Outlet::new("test", move |_: &[Vec<u8>]| {
            released.recv().ok();
            0
        })
        .unwrap();
        (0..20).for_each(|_| outlet.put(vec![b'x'; 1 << 20]));
        assert!(outlet.dropped() >= 10, "{} dropped", outlet.dropped());
        drop(release);
    }
}
