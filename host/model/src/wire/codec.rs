//! Messages as bytes: intervals in postcard behind a version byte, for there are many of
//! them; assignments and states in JSON, for people read them.
//!
//! What comes in may be anything. Decoding allocates in proportion to the bytes it was
//! given, and refuses more than [`MAX_INTERVAL_BYTES`] of them.

use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::error::Category;

use super::{Assignment, LogLine, VERSION, WorkerStatus};
use crate::interval::Interval;

/// The longest interval that is decoded. With 20,000 series, ten samples of each, it is
/// about a third of that.
pub const MAX_INTERVAL_BYTES: usize = 8 << 20;

/// Why bytes are no message.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum WireError {
    /// Sent by another release.
    #[error(
        "{what} has message version {theirs}, this loadhost speaks version {ours}; run the \
         same release on all workers and masters"
    )]
    Version {
        /// Which message.
        what: &'static str,
        /// As found.
        theirs: u16,
        /// [`VERSION`].
        ours: u16,
    },
    /// Longer than is believed.
    #[error("{what} of {bytes} bytes is longer than {limit}")]
    TooLong {
        /// Which message.
        what: &'static str,
        /// As found.
        bytes: usize,
        /// The cap.
        limit: usize,
    },
    /// Cut off, altered, or something else altogether.
    #[error("{what} cannot be read: {why}")]
    Malformed {
        /// Which message.
        what: &'static str,
        /// Of the decoder.
        why: String,
    },
}

/// The interval as bytes for the broker.
pub fn encode_interval(interval: &Interval) -> Vec<u8> {
    // Lengths are known and nothing is written to but memory.
    postcard::to_extend(interval, vec![VERSION as u8]).unwrap_or_default()
}

/// What [`encode_interval`] made, elsewhere.
pub fn decode_interval(bytes: &[u8]) -> Result<Interval, WireError> {
    const WHAT: &str = "interval";
    if bytes.len() > MAX_INTERVAL_BYTES {
        let (bytes, limit) = (bytes.len(), MAX_INTERVAL_BYTES);
        return Err(WireError::TooLong { what: WHAT, bytes, limit });
    }
    let malformed = |why: String| WireError::Malformed { what: WHAT, why };
    let Some((version, body)) = bytes.split_first() else {
        return Err(malformed("it is empty".to_string()));
    };
    check_version(WHAT, u16::from(*version))?;
    let (interval, rest) = postcard::take_from_bytes::<Interval>(body)
        .map_err(|error| malformed(error.to_string()))?;
    if !rest.is_empty() {
        return Err(malformed(format!("{} bytes follow its end", rest.len())));
    }
    match interval.statistics.series.iter().find(|(key, stats)| !key.fits(stats)) {
        Some((key, _)) => Err(malformed(format!("{key:?} has statistics of another kind"))),
        None => Ok(interval),
    }
}

fn check_version(what: &'static str, theirs: u16) -> Result<(), WireError> {
    if theirs == VERSION { Ok(()) } else { Err(WireError::Version { what, theirs, ours: VERSION }) }
}

macro_rules! json {
    ($type:ident, $what:literal, $check:expr) => {
        impl $type {
            /// As JSON.
            pub fn to_json(&self) -> Vec<u8> {
                json_of(self)
            }

            /// From JSON. A message of another version is refused as such, even if it cannot
            /// be read otherwise.
            pub fn from_json(bytes: &[u8]) -> Result<Self, WireError> {
                from_json($what, $check, bytes)
            }
        }
    };
}

json!(Assignment, "assignment", Check::Version);
json!(WorkerStatus, "worker status", Check::Version);
json!(LogLine, "log line", Check::Nothing);

#[derive(Clone, Copy)]
enum Check {
    Version,
    Nothing,
}

fn json_of(message: &impl Serialize) -> Vec<u8> {
    // Messages have text keys only, and memory does not refuse to be written to.
    serde_json::to_vec(message).unwrap_or_default()
}

fn from_json<T: DeserializeOwned>(
    what: &'static str,
    check: Check,
    bytes: &[u8],
) -> Result<T, WireError> {
    #[derive(serde::Deserialize)]
    struct Head {
        version: u16,
    }
    let malformed = |error: serde_json::Error| {
        let why = match error.classify() {
            Category::Eof => format!("it is cut off: {error}"),
            _ => error.to_string(),
        };
        WireError::Malformed { what, why }
    };
    if let Check::Version = check {
        let head: Head = serde_json::from_slice(bytes).map_err(malformed)?;
        check_version(what, head.version)?;
    }
    serde_json::from_slice(bytes).map_err(malformed)
}

#[cfg(test)]
#[path = "codec_tests.rs"]
mod tests;
