//! The way of a guest's log line from its shard to the coordinator: lossy and bounded.

use std::sync::Arc;

use loadhost_model::id::{RunId, WorkerId};
use loadhost_model::wire::LogLine;
use tokio::sync::mpsc;

use crate::load::clock::RunClock;
use crate::recorder::Recorder;

/// Lines that may wait to be taken before more of them are dropped.
pub const QUEUED_LINES: usize = 256;

/// Where the users of a shard put their lines. A line that finds no room is dropped and
/// counted as `log_queue`.
#[derive(Debug, Clone)]
pub struct LogSink {
    run: RunId,
    worker: WorkerId,
    clock: RunClock,
    recorder: Arc<Recorder>,
    lines: mpsc::Sender<LogLine>,
}

impl LogSink {
    /// A sink for the lines of one shard.
    pub fn new(
        run: RunId,
        worker: WorkerId,
        clock: RunClock,
        recorder: Arc<Recorder>,
        lines: mpsc::Sender<LogLine>,
    ) -> Self {
        Self { run, worker, clock, recorder, lines }
    }

    /// Hands on one line of user `number`. Length, rate and control characters are the
    /// caller's business.
    pub fn put(&self, number: u64, level: Arc<str>, message: Arc<str>) {
        let line = LogLine {
            run: self.run.clone(),
            at: self.clock.elapsed(),
            worker: self.worker.clone(),
            user: number,
            level,
            message,
        };
        if self.lines.try_send(line).is_err() {
            self.recorder.capped("log_queue");
        }
    }
}
