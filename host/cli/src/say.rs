//! Lines for people, on stderr.

use std::io::Write as _;

/// Like `eprintln!`, but the line is written at once: several processes that share a stderr do not mix theirs.
macro_rules! say {
    () => { $crate::say::line(String::new()) };
    ($($text:tt)*) => { $crate::say::line(format!($($text)*)) };
}

/// Writes a line with its end. Where nobody reads, nothing is lost but it.
pub(crate) fn line(mut text: String) {
    text.push('\n');
    let _ = std::io::stderr().lock().write_all(text.as_bytes());
}
