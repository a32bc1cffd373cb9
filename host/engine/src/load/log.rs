//! The way of a guest's log line from its shard to the coordinator: lossy and bounded.

use std::sync::{Arc, Mutex, PoisonError};

use loadhost_model::id::{RunId, WorkerId};
use loadhost_model::wire::LogLine;
use tokio::sync::mpsc;

use crate::load::clock::RunClock;
use crate::load::vu::Crash;
use crate::recorder::Recorder;

/// Lines that may wait to be taken before more of them are dropped.
pub const QUEUED_LINES: usize = 256;

/// Crashes of a shard in a second that are logged; those beyond are counted as `log_lines`, and all stand in
/// the report.
const CRASH_LINES: u32 = 10;

/// Under which lines of guests, and crashes of users, stand in the log of the process.
pub const GUEST: &str = "guest";

/// Where the users of a shard put their lines. A line that finds no room is dropped and
/// counted as `log_queue`.
#[derive(Debug, Clone)]
pub struct LogSink {
    run: RunId,
    worker: WorkerId,
    clock: RunClock,
    recorder: Arc<Recorder>,
    lines: mpsc::Sender<LogLine>,
    /// Second of the run, and crashes logged in it.
    crashes: Arc<Mutex<(u64, u32)>>,
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
        Self { run, worker, clock, recorder, lines, crashes: Arc::default() }
    }

    /// Whose lines these are.
    pub fn source(&self) -> (&RunId, &WorkerId) {
        (&self.run, &self.worker)
    }

    /// Logs that user `number` has crashed in a task or hook.
    #[cold]
    pub fn crashed(&self, number: u64, user_type: &str, task: &str, crash: &Crash) {
        let second = self.clock.elapsed().as_secs();
        let is_logged = {
            let mut crashes = self.crashes.lock().unwrap_or_else(PoisonError::into_inner);
            if crashes.0 != second {
                *crashes = (second, 0);
            }
            crashes.1 = crashes.1.saturating_add(1);
            crashes.1 <= CRASH_LINES
        };
        if !is_logged {
            return self.recorder.capped("log_lines");
        }
        tracing::error!(
            target: GUEST, run = %self.run, worker = %self.worker, vu = number, user_type, task,
            code = &*crash.code, "the user crashed: {}", crash.message
        );
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

/// Puts a guest's line into the log of this process as well.
pub(crate) fn tell(line: &LogLine) {
    // The level of an event is a constant.
    macro_rules! tell {
        ($level:ident $(, $field:ident)?) => {
            tracing::event!(
                target: GUEST, tracing::Level::$level, run = %line.run, worker = %line.worker, vu = line.user,
                $($field = &*line.level,)? "{}", line.message
            )
        };
    }
    match &*line.level {
        "trace" => tell!(TRACE),
        "debug" => tell!(DEBUG),
        "info" => tell!(INFO),
        "warn" => tell!(WARN),
        "error" => tell!(ERROR),
        "stderr" => tell!(WARN, channel),
        _ => tell!(INFO, channel),
    }
}
