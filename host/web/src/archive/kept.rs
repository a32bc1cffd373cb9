//! One run as it is kept: a line to list it by, and a file with all of it.

use std::collections::BTreeMap;
use std::io::{Read, Write};

use flate2::Compression;
use flate2::read::GzDecoder;
use flate2::write::GzEncoder;
use loadhost_control::report::RunReport;
use loadhost_model::id::Digest;
use serde::{Deserialize, Serialize};

use crate::api::dto::{Points, RunDetail, RunShort, Worker, row_of};
use crate::export::Results;
use crate::live::{LogEntry, Seen};

/// Of the document and the file; another one is left alone.
const VERSION: u32 = 1;
/// Bytes of an unpacked file that are read: what a hostile store could blow up is cut off.
const MAX_UNPACKED: u64 = 512 << 20;
/// Bytes of log lines that are kept of one run; the oldest go.
pub const MAX_KEPT_LOG_BYTES: usize = 1 << 20;

/// A line to list a run by: document `run.<id>`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Summary {
    version: u32,
    /// The run in a line.
    pub short: RunShort,
    /// The file with all of it.
    pub file: Digest,
    /// Bytes of that file.
    pub size: u64,
}

/// All of a run.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Kept {
    version: u32,
    /// In full, at its end.
    pub detail: RunDetail,
    /// Its whole history.
    pub points: Points,
    /// As `--json` writes them.
    pub results: Results,
    /// Who worked for it, by name, as they were when load ended.
    #[serde(default)]
    pub workers: BTreeMap<String, Worker>,
    /// The last lines of its guests' logs, oldest first.
    #[serde(default)]
    pub logs: Vec<LogEntry>,
}

/// Why a kept run cannot be read.
#[derive(Debug, thiserror::Error)]
pub enum Unreadable {
    /// Damaged, or of another release.
    #[error("what is kept of the run cannot be read: {0}")]
    Malformed(String),
}

impl Summary {
    /// Of this file.
    pub fn new(short: RunShort, file: Digest, size: u64) -> Self {
        Self { version: VERSION, short: RunShort { kept: true, ..short }, file, size }
    }

    /// A document; None: it is of another release, or damaged.
    pub fn read(document: &[u8]) -> Option<Self> {
        serde_json::from_slice(document).ok().filter(|summary: &Self| summary.version == VERSION)
    }
}

impl Kept {
    /// Of a run that is over, with what was seen of it while it went on.
    pub fn new(report: &RunReport, seen: Seen, mut logs: Vec<LogEntry>) -> Self {
        let mut room = MAX_KEPT_LOG_BYTES;
        let fit = logs.iter().rev().take_while(|line| {
            let left = room.checked_sub(line.message.len());
            room = left.unwrap_or_default();
            left.is_some()
        });
        let fit = fit.count();
        logs.drain(..logs.len() - fit);
        let workers: Vec<_> = seen.workers.values().cloned().collect();
        Self {
            version: VERSION,
            detail: RunDetail { breaches: seen.breaches.clone(), ..RunDetail::from(&report.view) },
            points: Points::new(report.history.iter().map(row_of).collect()),
            results: Results::of(report, &workers, None),
            workers: seen.shown(report.view.module),
            logs,
        }
    }

    /// Packed.
    ///
    /// # Errors
    /// Never: memory is written to.
    pub fn pack(&self) -> std::io::Result<Vec<u8>> {
        let mut packer = GzEncoder::new(Vec::new(), Compression::default());
        serde_json::to_writer(&mut packer, self)?;
        packer.flush()?;
        packer.finish()
    }

    /// What [`Self::pack`] made.
    ///
    /// # Errors
    /// If it is damaged, or of another release.
    pub fn unpack(bytes: &[u8]) -> Result<Self, Unreadable> {
        let malformed = |error: &dyn std::fmt::Display| Unreadable::Malformed(error.to_string());
        let mut text = Vec::new();
        let mut unpacked = GzDecoder::new(bytes).take(MAX_UNPACKED);
        unpacked.read_to_end(&mut text).map_err(|error| malformed(&error))?;
        let kept: Self = serde_json::from_slice(&text).map_err(|error| malformed(&error))?;
        match kept.version {
            VERSION => Ok(kept),
            other => Err(malformed(&format!("it has version {other}, not {VERSION}"))),
        }
    }
}
