//! Function, file and line of places in a scenario.
//!
//! wasmtime can find them too, but reads all debug information anew for each frame of each trap,
//! on the thread of the trap: 130 ms for a guest in Rust, which its neighbours would pay. Here a
//! thread of its own looks up all places of a trap together, and each place only once. Only the
//! user that crashed waits for it.

use std::collections::HashMap;
use std::sync::mpsc::{Receiver, Sender, channel};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread::JoinHandle;
use std::time::Duration;

use tokio::sync::oneshot;

use super::dwarf;

/// Places that are remembered.
const REMEMBERED: usize = 4096;

/// How long debug information stays parsed after a trap: those of a crash loop come in rows.
const KEPT: Duration = Duration::from_secs(2);

/// How much more willingly than a shard the thread waits for the processor.
const NICE: i32 = 10;

/// One function at a place: inlined functions have symbols of their own.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Symbol {
    /// Mangled.
    pub(crate) function: Option<String>,
    pub(crate) file: Option<String>,
    pub(crate) line: u32,
}

/// Innermost function first; empty: there is no debug information.
pub(crate) type Place = Arc<[Symbol]>;

/// The debug information of one scenario. The thread starts with the first question and ends
/// when this is dropped.
pub(crate) struct Symbols {
    wasm: Arc<[u8]>,
    known: Arc<Mutex<HashMap<usize, Place>>>,
    clerk: Mutex<Option<Clerk>>,
}

/// The thread, and how to ask it.
struct Clerk {
    questions: Sender<Question>,
    thread: JoinHandle<()>,
}

/// Offsets that are not known yet. As many wait as users crash at once, and no more.
struct Question {
    offsets: Vec<usize>,
    answered: oneshot::Sender<()>,
}

impl Symbols {
    pub(crate) fn new(wasm: Arc<[u8]>) -> Self {
        Self { wasm, known: Arc::default(), clerk: Mutex::default() }
    }

    /// What stands at these offsets in the scenario's file.
    pub(crate) async fn at(&self, offsets: &[usize]) -> Vec<Place> {
        let new: Vec<usize> = {
            let known = lock(&self.known);
            offsets.iter().copied().filter(|offset| !known.contains_key(offset)).collect()
        };
        if !new.is_empty()
            && let Some(answer) = self.ask(new)
        {
            // An error means that the thread has ended; the places stay unknown.
            let _ = answer.await;
        }
        let known = lock(&self.known);
        offsets.iter().map(|offset| known.get(offset).cloned().unwrap_or_default()).collect()
    }

    /// None: the system gives no thread.
    fn ask(&self, offsets: Vec<usize>) -> Option<oneshot::Receiver<()>> {
        let mut clerk = lock(&self.clerk);
        if clerk.is_none() {
            let (questions, to_answer) = channel();
            let (wasm, known) = (Arc::clone(&self.wasm), Arc::clone(&self.known));
            let thread = std::thread::Builder::new()
                .name("symbols".into())
                .spawn(move || answer_all(&wasm, &known, &to_answer));
            match thread {
                Ok(thread) => *clerk = Some(Clerk { questions, thread }),
                Err(error) => {
                    tracing::warn!(%error, "no thread to look up places of crashes");
                    return None;
                }
            }
        }
        let (answered, answer) = oneshot::channel();
        clerk.as_ref()?.questions.send(Question { offsets, answered }).ok()?;
        Some(answer)
    }
}

impl Drop for Symbols {
    fn drop(&mut self) {
        let clerk = self.clerk.get_mut().unwrap_or_else(PoisonError::into_inner).take();
        if let Some(Clerk { questions, thread }) = clerk {
            drop(questions);
            // It ends after the question it is at; a thread that panicked has nothing to say.
            let _ = thread.join();
        }
    }
}

fn lock<T>(of: &Mutex<T>) -> MutexGuard<'_, T> {
    of.lock().unwrap_or_else(PoisonError::into_inner)
}

fn answer_all(wasm: &[u8], known: &Mutex<HashMap<usize, Place>>, questions: &Receiver<Question>) {
    // On Linux a thread has a niceness of its own. Without it the answer costs the same.
    let _ = rustix::process::nice(NICE);
    while let Ok(first) = questions.recv() {
        let fuel = dwarf::fuel(wasm);
        let modules = dwarf::modules(wasm, &fuel);
        let mut next = Ok(first);
        while let Ok(Question { offsets, answered }) = next {
            for offset in offsets {
                let is_new = !lock(known).contains_key(&offset);
                if is_new {
                    let place = dwarf::look_up(&modules, offset).into();
                    let mut known = lock(known);
                    if known.len() >= REMEMBERED {
                        known.clear();
                    }
                    known.insert(offset, place);
                }
            }
            // Whoever asked may be gone.
            let _ = answered.send(());
            next = questions.recv_timeout(KEPT);
        }
    }
}
