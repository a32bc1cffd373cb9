//! The words for how a data set is read.

use serde::{Deserialize, Serialize};

use crate::words::words;

/// How a file of data is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum DataFormat {
    /// Commas between cells, names of the columns in the first line (RFC 4180).
    Csv,
    /// One JSON object a line (<https://jsonlines.org>).
    JsonLines,
}

/// Who gets which row.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum RowOrder {
    /// Each row once in the whole run, whoever asks first; then there are none.
    #[default]
    Queue,
    /// As a queue that begins again after its last row.
    Circular,
    /// Any row, at random; by the user's own seed, so that a run can be repeated.
    Random,
    /// Each user has one row for as long as it lives: user 0 the first. Users beyond have none.
    User,
}

/// What becomes of rows that a lost worker had been given, of which nobody knows whether it used them.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum LostRows {
    /// Nobody gets them: no row is used twice, and some may not be used at all.
    #[default]
    Withhold,
    /// Others get them: each row is used, and some may be used twice.
    Repeat,
}

words!(DataFormat, "format of data", Csv = "csv", JsonLines = "json-lines");
words!(
    RowOrder,
    "order of rows",
    Queue = "queue",
    Circular = "circular",
    Random = "random",
    User = "user"
);
words!(LostRows, "word for lost rows", Withhold = "withhold", Repeat = "repeat");
