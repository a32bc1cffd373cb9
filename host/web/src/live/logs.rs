//! The last lines of guests' logs.

use std::collections::VecDeque;

use loadhost_model::wire::LogLine;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::api::dto::seconds;

/// Lines kept, of all runs together.
pub(super) const MAX_LINES: usize = 1_000;
/// Bytes of a line that are kept.
pub(super) const MAX_LINE_BYTES: usize = 4_096;
/// Lines that one message of the stream holds.
pub(super) const MAX_LINES_PER_MESSAGE: usize = 200;

/// A line of a guest's log.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct LogEntry {
    /// Counts lines that this master has seen.
    pub n: u64,
    /// Of this run.
    pub run: String,
    /// Since the start of the run.
    pub at_seconds: f64,
    /// On this worker.
    pub worker: String,
    /// Which user.
    pub user: u64,
    /// `trace`, `debug`, `info`, `warn`, `error`, `stdout` or `stderr`.
    pub level: String,
    /// Control characters are escaped.
    pub message: String,
}

/// A ring of lines.
#[derive(Debug, Default)]
pub(super) struct Logs {
    lines: VecDeque<LogEntry>,
    seen: u64,
    /// Lines that came too fast to be seen here.
    pub missed: u64,
}

impl Logs {
    /// Keeps a line; the oldest goes.
    pub(super) fn push(&mut self, line: &LogLine) {
        self.seen += 1;
        if self.lines.len() == MAX_LINES {
            self.lines.pop_front();
        }
        let cut = line.message.floor_char_boundary(MAX_LINE_BYTES);
        self.lines.push_back(LogEntry {
            n: self.seen,
            run: line.run.to_string(),
            at_seconds: seconds(line.at),
            worker: line.worker.to_string(),
            user: line.user,
            level: line.level.to_string(),
            message: line.message[..cut].to_string(),
        });
    }

    /// The number of the last line.
    pub(super) fn seen(&self) -> u64 {
        self.seen
    }

    /// The newest `limit` lines of a run (None: of all) behind line `after`, oldest first.
    pub(super) fn newest(&self, run: Option<&str>, after: u64, limit: usize) -> Vec<LogEntry> {
        let wanted = self.lines.iter().rev().take_while(|line| line.n > after);
        let of_run = wanted.filter(|line| run.is_none_or(|run| line.run == run));
        let mut lines: Vec<_> = of_run.take(limit).cloned().collect();
        lines.reverse();
        lines
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use std::time::Duration;

    use loadhost_model::id::{RunId, WorkerId};

    use super::*;

    #[test]
    fn the_newest_lines_stay_and_long_ones_are_cut() {
        let mut logs = Logs::default();
        for n in 0..MAX_LINES + 5 {
            logs.push(&LogLine {
                run: RunId::new(if n % 2 == 0 { "even" } else { "odd" }).unwrap(),
                at: Duration::from_millis(1_500),
                worker: WorkerId::new("w1").unwrap(),
                user: 3,
                level: "info".into(),
                message: "ä".repeat(MAX_LINE_BYTES).into(),
            });
        }
        let all = logs.newest(None, 0, usize::MAX);
        assert_eq!((all.len(), all[0].n, all[0].message.len()), (MAX_LINES, 6, MAX_LINE_BYTES));
        let odd = logs.newest(Some("odd"), 1_000, 10);
        assert_eq!(odd.iter().map(|line| line.n).collect::<Vec<_>>(), [1_002, 1_004]);
        assert_eq!(logs.newest(None, 0, 2).last().unwrap().n, 1_005);
    }
}
