//! A data set in memory.

use std::sync::Arc;

use super::DataFormat;

/// The longest file of data that is read.
pub const MAX_DATA_BYTES: usize = 64 << 20;
/// The most columns of a data set.
pub const MAX_COLUMNS: usize = 1_000;
/// The most cells of a data set: rows times columns.
pub const MAX_CELLS: usize = 16 << 20;

/// Why a file is no data set.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum DataError {
    /// A bound of this module.
    #[error("it has more than {limit} {what}; split it, or leave out what no scenario reads")]
    TooLarge {
        /// `bytes`, `columns` or `cells`.
        what: &'static str,
        /// The bound.
        limit: usize,
    },
    /// Nothing to hand out.
    #[error("it has no row")]
    Empty,
    /// A column without a name, or with that of another.
    #[error("column {number} is named `{name}`: each column needs a name of its own")]
    Column {
        /// From 1.
        number: usize,
        /// As found.
        name: String,
    },
    /// A line that cannot be read.
    #[error("line {line}: {why}")]
    Line {
        /// From 1.
        line: u64,
        /// What is wrong with it.
        why: String,
    },
}

/// Rows with named cells. All text is kept in one piece, with four bytes per cell beside it.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Table {
    columns: Vec<Arc<str>>,
    text: String,
    /// Where each cell ends, row by row.
    ends: Vec<u32>,
    /// Which cells are not there at all, in order: some rows of JSON lines lack some columns.
    absent: Vec<u32>,
}

/// A row of a [`Table`].
#[derive(Debug, Clone, Copy)]
pub struct Row<'a> {
    table: &'a Table,
    first: usize,
}

impl Table {
    /// Reads a file.
    ///
    /// # Errors
    /// Names the line and what is wrong with it, or the bound that the file is beyond.
    pub fn parse(bytes: &[u8], format: DataFormat) -> Result<Self, DataError> {
        if bytes.len() > MAX_DATA_BYTES {
            return Err(DataError::TooLarge { what: "bytes", limit: MAX_DATA_BYTES });
        }
        let bytes = bytes.strip_prefix(b"\xef\xbb\xbf").unwrap_or(bytes);
        let table = match format {
            DataFormat::Csv => Self::from_csv(bytes)?,
            DataFormat::JsonLines => Self::from_json_lines(bytes)?,
        };
        if table.rows() == 0 { Err(DataError::Empty) } else { Ok(table) }
    }

    /// Names of the columns.
    pub fn columns(&self) -> &[Arc<str>] {
        &self.columns
    }

    /// How many rows.
    pub fn rows(&self) -> u64 {
        self.ends.len().checked_div(self.columns.len()).unwrap_or(0) as u64
    }

    /// One of them, from 0; None beyond the last.
    pub fn row(&self, number: u64) -> Option<Row<'_>> {
        let number = usize::try_from(number).ok()?;
        let first = number.checked_mul(self.columns.len())?;
        (first < self.ends.len()).then_some(Row { table: self, first })
    }

    fn from_csv(bytes: &[u8]) -> Result<Self, DataError> {
        let mut reader = csv::ReaderBuilder::new().from_reader(bytes);
        let fault = |error: csv::Error| match error.kind() {
            csv::ErrorKind::UnequalLengths { pos, expected_len, len } => DataError::Line {
                line: pos.as_ref().map_or(0, csv::Position::line),
                why: format!("it has {len} cells, and the first line names {expected_len} columns"),
            },
            csv::ErrorKind::Utf8 { pos, err } => DataError::Line {
                line: pos.as_ref().map_or(0, csv::Position::line),
                why: format!("it is not UTF-8: {err}"),
            },
            _ => DataError::Line {
                line: error.position().map_or(0, csv::Position::line),
                why: error.to_string(),
            },
        };
        let mut table = Self::default();
        for name in reader.headers().map_err(fault)? {
            table.add_column(name.trim())?;
        }
        let mut record = csv::StringRecord::new();
        while reader.read_record(&mut record).map_err(fault)? {
            for cell in &record {
                table.add_cell(Some(cell))?;
            }
        }
        Ok(table)
    }

    /// Columns are named by the keys of all lines, so the lines are read twice.
    fn from_json_lines(bytes: &[u8]) -> Result<Self, DataError> {
        type Object = serde_json::Map<String, serde_json::Value>;
        let objects = || {
            let lines = (1..).zip(bytes.split(|byte| *byte == b'\n'));
            lines.filter(|(_, line)| !line.trim_ascii().is_empty()).map(|(line, text)| {
                serde_json::from_slice::<Object>(text)
                    .map_err(|error| DataError::Line { line, why: error.to_string() })
            })
        };
        let mut table = Self::default();
        let mut known = std::collections::BTreeSet::new();
        for object in objects() {
            for name in object?.keys() {
                if !known.contains(name) {
                    table.add_column(name)?;
                    known.insert(name.clone());
                }
            }
        }
        let columns = table.columns.clone();
        for object in objects() {
            let object = object?;
            for column in &columns {
                match object.get(&**column) {
                    None | Some(serde_json::Value::Null) => table.add_cell(None)?,
                    Some(serde_json::Value::String(text)) => table.add_cell(Some(text))?,
                    Some(value) => table.add_cell(Some(&value.to_string()))?,
                }
            }
        }
        Ok(table)
    }

    fn add_column(&mut self, name: &str) -> Result<(), DataError> {
        if self.columns.len() >= MAX_COLUMNS {
            return Err(DataError::TooLarge { what: "columns", limit: MAX_COLUMNS });
        }
        if name.is_empty() || self.columns.iter().any(|known| **known == *name) {
            let number = self.columns.len() + 1;
            return Err(DataError::Column { number, name: name.to_string() });
        }
        self.columns.push(name.into());
        Ok(())
    }

    fn add_cell(&mut self, cell: Option<&str>) -> Result<(), DataError> {
        if self.ends.len() >= MAX_CELLS {
            return Err(DataError::TooLarge { what: "cells", limit: MAX_CELLS });
        }
        if cell.is_none() {
            self.absent.push(self.ends.len() as u32);
        }
        self.text.push_str(cell.unwrap_or_default());
        let end = u32::try_from(self.text.len());
        self.ends
            .push(end.map_err(|_| DataError::TooLarge { what: "bytes", limit: MAX_DATA_BYTES })?);
        Ok(())
    }

    fn cell(&self, at: usize) -> Option<&str> {
        if self.absent.binary_search(&(at as u32)).is_ok() {
            return None;
        }
        let begin = at.checked_sub(1).map_or(0, |before| self.ends[before] as usize);
        self.text.get(begin..self.ends[at] as usize)
    }
}

impl<'a> Row<'a> {
    /// Names and cells in the order of the columns; a row of JSON lines may lack some.
    pub fn cells(self) -> impl Iterator<Item = (&'a Arc<str>, &'a str)> {
        let cells = self.first..self.first + self.table.columns.len();
        let named = self.table.columns.iter().zip(cells);
        named.filter_map(|(name, at)| Some((name, self.table.cell(at)?)))
    }

    /// The cell of the n-th column.
    pub fn at(self, column: usize) -> Option<&'a str> {
        if column < self.table.columns.len() { self.table.cell(self.first + column) } else { None }
    }

    /// The cell of a column.
    pub fn get(self, column: &str) -> Option<&'a str> {
        let at = self.table.columns.iter().position(|name| **name == *column)?;
        self.table.cell(self.first + at)
    }
}
