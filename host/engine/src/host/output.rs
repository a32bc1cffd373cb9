//! What a guest writes: log lines, standard output and standard error.
//!
//! Lines go to the run's log, escaped, cut and at a bounded rate; what is beyond is dropped and
//! counted. The last lines of standard error are kept, because the text of a panic is there.

use std::collections::VecDeque;
use std::fmt::Write as _;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use loadhost_model::plan::Limits;

use crate::load::vu::ShardContext;
use crate::watch::Secrets;

/// Lines of standard error that are kept.
const KEPT_LINES: usize = 12;

/// Where a guest's text comes from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Channel {
    Trace,
    Debug,
    Info,
    Warn,
    Error,
    Stdout,
    Stderr,
}

impl Channel {
    fn name(self) -> &'static str {
        match self {
            Self::Trace => "trace",
            Self::Debug => "debug",
            Self::Info => "info",
            Self::Warn => "warn",
            Self::Error => "error",
            Self::Stdout => "stdout",
            Self::Stderr => "stderr",
        }
    }
}

/// One user's output. Clones are the same output.
#[derive(Debug, Clone)]
pub(crate) struct UserLog(Arc<Mutex<Inner>>);

#[derive(Debug)]
struct Inner {
    /// None: nobody reads; only the last lines are kept.
    to: Option<(Arc<ShardContext>, u64)>,
    lines_per_second: u32,
    line_bytes: usize,
    /// Second of the run, and lines in it.
    window: (u64, u32),
    /// Begun lines of standard output and standard error.
    partial: [Vec<u8>; 2],
    last: VecDeque<String>,
    /// Not shown.
    secrets: Arc<Secrets>,
}

impl UserLog {
    pub(crate) fn for_user(
        shard: Arc<ShardContext>,
        number: u64,
        limits: &Limits,
        secrets: Arc<Secrets>,
    ) -> Self {
        Self::new(Some((shard, number)), limits, secrets)
    }

    /// Keeps the last lines, and passes nothing on.
    pub(crate) fn unread(limits: &Limits) -> Self {
        Self::new(None, limits, Arc::default())
    }

    fn new(to: Option<(Arc<ShardContext>, u64)>, limits: &Limits, secrets: Arc<Secrets>) -> Self {
        Self(Arc::new(Mutex::new(Inner {
            to,
            lines_per_second: limits.log_lines,
            line_bytes: limits.log_line_bytes as usize,
            window: (0, 0),
            partial: [Vec::new(), Vec::new()],
            last: VecDeque::new(),
            secrets,
        })))
    }

    fn inner(&self) -> MutexGuard<'_, Inner> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// One line, or several with line ends between them.
    pub(crate) fn put(&self, channel: Channel, text: &str) {
        let mut inner = self.inner();
        let mut lines = text.lines();
        // More than a second's lines would be dropped anyway, and looking at each takes time.
        let most = inner.lines_per_second.max(1) as usize;
        lines.by_ref().take(most).for_each(|line| inner.line(channel, line.as_bytes()));
        if lines.next().is_some() {
            inner.drop_line();
        }
    }

    /// Bytes of a stream; lines are put as they end.
    pub(crate) fn write(&self, channel: Channel, bytes: &[u8]) {
        self.inner().write(channel, bytes);
    }

    /// Lines of an earlier call do not explain a fault of this one.
    pub(crate) fn begin_call(&self) {
        let mut inner = self.inner();
        if !inner.last.is_empty() {
            inner.last.clear();
        }
    }

    /// The last lines on standard error since the call began, the unfinished one included.
    pub(crate) fn last_lines(&self) -> Vec<String> {
        let mut inner = self.inner();
        let rest = std::mem::take(&mut inner.partial[1]);
        if !rest.is_empty() {
            inner.line(Channel::Stderr, &rest);
        }
        inner.last.iter().cloned().collect()
    }
}

impl Inner {
    fn write(&mut self, channel: Channel, bytes: &[u8]) {
        let at = usize::from(channel == Channel::Stderr);
        let mut lines = bytes.split(|byte| *byte == b'\n').peekable();
        while let Some(part) = lines.next() {
            let mut line = std::mem::take(&mut self.partial[at]);
            let room = self.line_bytes.saturating_add(1).saturating_sub(line.len());
            line.extend_from_slice(&part[..part.len().min(room)]);
            if lines.peek().is_some() {
                self.line(channel, &line);
                line.clear();
            }
            self.partial[at] = line;
        }
    }

    fn line(&mut self, channel: Channel, bytes: &[u8]) {
        let cut = bytes.len() > self.line_bytes;
        let passes = self.admit(cut);
        if !passes && channel != Channel::Stderr {
            return;
        }
        // A secret that the cut would leave a part of is hidden before.
        let text = String::from_utf8_lossy(bytes);
        let shown = self.secrets.text(&text);
        let shown = shown.as_bytes();
        let line = escape(&shown[..shown.len().min(self.line_bytes)], cut);
        if channel == Channel::Stderr {
            if self.last.len() == KEPT_LINES {
                self.last.pop_front();
            }
            self.last.push_back(line.clone());
        }
        if let Some((shard, number)) = self.to.as_ref().filter(|_| passes) {
            shard.logs.put(*number, channel.name().into(), line.into());
        }
    }

    fn admit(&mut self, cut: bool) -> bool {
        let Some((shard, _)) = &self.to else { return false };
        if cut {
            shard.recorder.capped("log_line_bytes");
        }
        let second = shard.clock.elapsed().as_secs();
        if self.window.0 != second {
            self.window = (second, 0);
        }
        self.window.1 = self.window.1.saturating_add(1);
        let passes = self.window.1 <= self.lines_per_second;
        if !passes {
            shard.recorder.capped("log_lines");
        }
        passes
    }

    fn drop_line(&self) {
        if let Some((shard, _)) = &self.to {
            shard.recorder.capped("log_lines");
        }
    }
}

/// Whether a character moves the cursor, or turns or hides text.
pub(crate) fn is_unsafe(character: char) -> bool {
    let hides = matches!(character, '\u{200e}' | '\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}');
    character.is_control() || hides
}

/// A text of the guest's as it may be shown.
pub(crate) fn escaped(text: &str) -> String {
    escape(text.as_bytes(), false)
}

/// Control characters, and those that turn or hide text, as escapes: a guest must not be able to
/// move the cursor of whoever reads its log.
fn escape(bytes: &[u8], cut: bool) -> String {
    let mut line = String::with_capacity(bytes.len());
    for character in String::from_utf8_lossy(bytes).chars() {
        if character == '\t' {
            line.push_str("    ");
        } else if character == '\r' {
            // The end of a line in other systems.
        } else if is_unsafe(character) {
            let _ = write!(line, "{}", character.escape_default());
        } else {
            line.push(character);
        }
    }
    if cut {
        line.push('…');
    }
    line
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn escapes_of_terminals_lose_their_power() {
        assert_eq!(escape(b"a\x1b[2Jb\tc\r", false), "a\\u{1b}[2Jb    c");
        assert_eq!(escape("x\u{202e}y".as_bytes(), true), "x\\u{202e}y…");
    }

    #[test]
    fn a_panic_text_written_in_pieces_is_kept_as_lines() {
        let log = UserLog::unread(&Limits { log_line_bytes: 8, ..Limits::default() });
        log.write(Channel::Stderr, b"thread ");
        log.write(Channel::Stderr, b"x\nat\n");
        log.write(Channel::Stdout, b"no");
        log.write(Channel::Stderr, b"0123456789");
        assert_eq!(log.last_lines(), ["thread x", "at", "01234567…"]);
        log.begin_call();
        assert!(log.last_lines().is_empty());
    }

    #[test]
    fn only_the_last_lines_are_kept() {
        let log = UserLog::unread(&Limits::default());
        (0..100_000).for_each(|n| log.write(Channel::Stderr, format!("{n}\n").as_bytes()));
        assert_eq!(log.last_lines().len(), KEPT_LINES);
        assert_eq!(log.last_lines().last().map(String::as_str), Some("99999"));
    }
}
