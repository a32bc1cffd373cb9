//! What all pages that follow the same run are told: one document, its changes as numbered messages.
//!
//! Each message is made once and shared as bytes. Nobody has a queue: a reader asks for what comes behind the
//! last message it was given, so a slow one costs nothing and gets the whole anew.

use std::collections::VecDeque;
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Instant;

use bytes::Bytes;
use serde::Serialize;
use serde_json::Value;
use tokio::sync::watch;

use super::logs::LogEntry;
use super::patch::diff;
use crate::api::dto::{COLUMNS, Cell};

/// Changes that are held for pages that come back.
pub(super) const HELD: usize = 120;
/// Changes that a page that is connected may be behind before it gets the whole anew.
pub(super) const MAX_BEHIND: u64 = 10;

/// Counters of the stream.
#[derive(Debug, Default)]
pub struct Counters {
    /// Pages that were opened.
    pub opened: AtomicU64,
    /// Changes that were made.
    pub changes: AtomicU64,
    /// Snapshots that were made.
    pub snapshots: AtomicU64,
    /// Pages that came back and went on where they were.
    pub resumed: AtomicU64,
    /// Pages that were too slow for changes and got the whole anew.
    pub slow: AtomicU64,
    /// Pages that were refused because there were too many.
    pub refused: AtomicU64,
}

/// Adds one.
pub(super) fn one(counter: &AtomicU64) {
    counter.fetch_add(1, Ordering::Relaxed);
}

/// What pages that follow one run are told.
#[derive(Debug)]
pub(super) struct Feed {
    /// Of this feed, so that an id of another one means nothing here.
    epoch: String,
    told: Mutex<Told>,
    /// The number of the last message.
    pub(super) last: watch::Sender<u64>,
    readers: AtomicUsize,
    /// What it follows is no more.
    is_over: AtomicBool,
}

#[derive(Debug)]
struct Told {
    doc: Arc<Value>,
    rows: Vec<Vec<Cell>>,
    logs: Vec<LogEntry>,
    n: u64,
    held: VecDeque<(u64, Bytes)>,
    /// Made when somebody wants it; of message `n`.
    snapshot: Option<Bytes>,
    left: Instant,
}

/// What is new.
#[derive(Debug, Serialize)]
pub(super) struct Delta<'a> {
    patch: Value,
    #[serde(skip_serializing_if = "<[_]>::is_empty")]
    points: &'a [Vec<Cell>],
    #[serde(skip_serializing_if = "<[_]>::is_empty")]
    logs: &'a [LogEntry],
}

#[derive(Serialize)]
struct Snapshot<'a> {
    doc: &'a Value,
    points: SnapshotPoints<'a>,
    logs: &'a [LogEntry],
}

#[derive(Serialize)]
struct SnapshotPoints<'a> {
    columns: [&'static str; COLUMNS.len()],
    rows: &'a [Vec<Cell>],
}

/// Everything about a run at one moment.
#[derive(Debug, Default)]
pub(super) struct Whole {
    /// Without nulls.
    pub doc: Arc<Value>,
    /// Of the charts, by time.
    pub rows: Vec<Vec<Cell>>,
    /// Oldest first.
    pub logs: Vec<LogEntry>,
}

impl Feed {
    pub(super) fn new(whole: Whole) -> Self {
        let told = Told {
            doc: whole.doc,
            rows: whole.rows,
            logs: whole.logs,
            n: 1,
            held: VecDeque::new(),
            snapshot: None,
            left: Instant::now(),
        };
        let epoch = format!("{:08x}", fastrand::u32(..));
        Self {
            epoch,
            told: Mutex::new(told),
            last: watch::channel(1).0,
            readers: AtomicUsize::new(0),
            is_over: AtomicBool::new(false),
        }
    }

    fn told(&self) -> MutexGuard<'_, Told> {
        self.told.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// There is nothing more to tell: whoever reads is sent away, and asks anew.
    pub(super) fn end(&self) {
        self.is_over.store(true, Ordering::Release);
        self.last.send_modify(|_| ());
    }

    pub(super) fn is_over(&self) -> bool {
        self.is_over.load(Ordering::Acquire)
    }

    /// Another run, or the beginning of its history came in: everybody gets the whole.
    pub(super) fn replace(&self, whole: Whole) {
        let mut told = self.told();
        (told.doc, told.rows, told.logs) = (whole.doc, whole.rows, whole.logs);
        told.n += 2; // Nothing that is held leads here.
        told.held.clear();
        told.snapshot = None;
        self.last.send_replace(told.n);
    }

    /// Tells what has changed, if anything has.
    pub(super) fn advance(
        &self,
        doc: Arc<Value>,
        points: &[Vec<Cell>],
        logs: &[LogEntry],
        counters: &Counters,
    ) {
        let mut told = self.told();
        let patch = diff(&told.doc, &doc).filter(says_something);
        if patch.is_none() && points.is_empty() && logs.is_empty() {
            return;
        }
        let n = told.n + 1;
        let delta = Delta {
            patch: patch.unwrap_or_else(|| Value::Object(Default::default())),
            points,
            logs,
        };
        let Ok(bytes) = self.message(n, "delta", &delta) else { return };
        one(&counters.changes);
        told.doc = doc;
        told.rows = merged(std::mem::take(&mut told.rows), points);
        told.logs.extend_from_slice(logs);
        let over = told.logs.len().saturating_sub(super::logs::MAX_LINES);
        told.logs.drain(..over);
        told.n = n;
        told.snapshot = None;
        if told.held.len() == HELD {
            told.held.pop_front();
        }
        told.held.push_back((n, bytes));
        self.last.send_replace(n);
    }

    /// What comes behind message `seen` (None: everything), and the number that is reached by it. None: nothing.
    pub(super) fn behind(
        &self,
        seen: Option<u64>,
        patient: bool,
        counters: &Counters,
    ) -> Option<(u64, Vec<Bytes>)> {
        let mut told = self.told();
        let behind = seen.map(|seen| told.n.wrapping_sub(seen));
        if behind == Some(0) {
            return None;
        }
        let first_held = told.held.front().map(|(n, _)| *n);
        let reachable = seen
            .is_some_and(|seen| seen < told.n && first_held.is_some_and(|first| seen + 1 >= first));
        if let Some(seen) = seen.filter(|_| reachable) {
            if patient || told.n - seen <= MAX_BEHIND {
                let missed = told.held.iter().filter(|(n, _)| *n > seen);
                return Some((told.n, missed.map(|(_, bytes)| bytes.clone()).collect()));
            }
            one(&counters.slow);
        }
        let bytes = match &told.snapshot {
            Some(bytes) => bytes.clone(),
            None => {
                let points = SnapshotPoints { columns: COLUMNS, rows: &told.rows };
                let snapshot = Snapshot { doc: &told.doc, points, logs: &told.logs };
                let bytes = self.message(told.n, "snapshot", &snapshot).ok()?;
                one(&counters.snapshots);
                told.snapshot = Some(bytes.clone());
                bytes
            }
        };
        Some((told.n, vec![bytes]))
    }

    fn message(&self, n: u64, event: &str, data: &impl Serialize) -> serde_json::Result<Bytes> {
        let mut text = format!("id: {}-{n}\nevent: {event}\ndata: ", self.epoch).into_bytes();
        serde_json::to_writer(&mut text, data)?;
        text.extend_from_slice(b"\n\n");
        Ok(text.into())
    }

    /// The number of the message that a page saw last, if it was one of this feed.
    pub(super) fn seen_by(&self, last_event_id: &str) -> Option<u64> {
        let (epoch, n) = last_event_id.split_once('-')?;
        if epoch != self.epoch {
            return None;
        }
        n.parse().ok().filter(|n| *n <= self.told().n)
    }

    pub(super) fn enter(&self) {
        self.readers.fetch_add(1, Ordering::Relaxed);
    }

    pub(super) fn leave(&self) {
        self.readers.fetch_sub(1, Ordering::Relaxed);
        self.told().left = Instant::now();
    }

    /// For how long nobody has read.
    pub(super) fn idle(&self) -> Option<std::time::Duration> {
        (self.readers.load(Ordering::Relaxed) == 0).then(|| self.told().left.elapsed())
    }
}

/// That time goes by is not worth a message.
fn says_something(patch: &Value) -> bool {
    let only = |value: &Value, key: &str| {
        value.as_object().is_some_and(|fields| fields.len() == 1 && fields.contains_key(key))
    };
    !(only(patch, "fleet") && only(&patch["fleet"], "at"))
}

/// Rows by time, with some that are new or changed; those are near the end.
fn merged(mut rows: Vec<Vec<Cell>>, changed: &[Vec<Cell>]) -> Vec<Vec<Cell>> {
    let at = |row: &[Cell]| row.first().copied().flatten().unwrap_or_default();
    for row in changed {
        let place = rows.partition_point(|known| at(known) < at(row));
        match rows.get_mut(place) {
            Some(known) if at(known) == at(row) => known.clone_from(row),
            _ => rows.insert(place, row.clone()),
        }
    }
    let over = rows.len().saturating_sub(super::chronicle::MAX_POINTS);
    rows.drain(..over);
    rows
}

#[cfg(test)]
#[path = "feed_tests.rs"]
mod tests;
