//! Lines for the run's log.
//!
//! The host caps rate and length per user; the text is only made if somebody reads it.

use std::fmt;

use crate::host;

/// How important a line is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Level {
    /// Steps of a step.
    Trace,
    /// Steps.
    Debug,
    /// What people may want to know.
    Info,
    /// What they should know.
    Warn,
    /// What went wrong.
    Error,
}

/// Writes a line, if this level is wanted.
pub fn log(level: Level, text: fmt::Arguments<'_>) {
    if host::log_enabled(level) {
        match text.as_str() {
            Some(text) => host::log(level, text),
            None => host::log(level, &text.to_string()),
        }
    }
}

/// A line for those who look into the details: `debug!("token {token}")`.
#[macro_export]
macro_rules! debug {
    ($($text:tt)+) => { $crate::log::log($crate::log::Level::Debug, ::core::format_args!($($text)+)) };
}

/// A line that people may want to know: `info!("{} items", items.len())`.
#[macro_export]
macro_rules! info {
    ($($text:tt)+) => { $crate::log::log($crate::log::Level::Info, ::core::format_args!($($text)+)) };
}

/// A line that people should know.
#[macro_export]
macro_rules! warn {
    ($($text:tt)+) => { $crate::log::log($crate::log::Level::Warn, ::core::format_args!($($text)+)) };
}

/// A line about what went wrong.
#[macro_export]
macro_rules! error {
    ($($text:tt)+) => { $crate::log::log($crate::log::Level::Error, ::core::format_args!($($text)+)) };
}
