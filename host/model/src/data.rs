//! Data sets: rows that the users of a run are fed with, from CSV or JSON lines.

mod order;
mod table;

pub use order::{DataFormat, LostRows, RowOrder};
pub use table::{DataError, MAX_CELLS, MAX_COLUMNS, MAX_DATA_BYTES, Row, Table};

use serde::{Deserialize, Serialize};

use crate::id::Digest;

/// A data set of a run: which, and how its rows are handed out.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct DataSet {
    /// Of the file's bytes, by which workers fetch it.
    pub digest: Digest,
    /// Of the file.
    pub format: DataFormat,
    /// As many as the file has; at least 1.
    pub rows: u64,
    /// Who gets which row.
    #[serde(default)]
    pub order: RowOrder,
    /// What becomes of rows that a lost worker had.
    #[serde(default)]
    pub lost: LostRows,
}

impl DataSet {
    /// How many rows there are to lease to workers: None without end, or if none are leased, because
    /// each user knows by itself which row is its own.
    pub fn leased_rows(&self) -> Option<u64> {
        (self.order == RowOrder::Queue).then_some(self.rows)
    }

    /// Whether workers are leased rows, or numbers that stand for rows.
    pub fn is_leased(&self) -> bool {
        matches!(self.order, RowOrder::Queue | RowOrder::Circular)
    }

    /// The row of the n-th number that was leased.
    pub fn row_of(&self, number: u64) -> u64 {
        number % self.rows.max(1)
    }
}

#[cfg(test)]
mod tests;
