//! Reading an uploaded file of rows.

use std::fmt::Display;

use loadhost_model::data::{DataFormat, MAX_DATA_BYTES, Table};

use crate::api::dto::DataSetInfo;
use crate::workbench::Fault;

/// Rows that are shown.
pub const MAX_PREVIEW: u64 = 10;
/// Columns that are shown.
const MAX_SHOWN_COLUMNS: usize = 50;
/// Characters of a cell that are shown.
const MAX_SHOWN: usize = 60;

/// What is in a file of rows; without digest and date.
///
/// # Errors
/// Why it cannot be read.
pub fn examine(bytes: &[u8], name: &str, format: Option<DataFormat>) -> Result<DataSetInfo, Fault> {
    let Some(format) = format.or_else(|| by_name(name)) else {
        let message = format!("`{name}` says neither CSV nor JSON lines");
        let hint = "name it `….csv` or `….jsonl`, or give `format=csv` or `format=json-lines`";
        return Err(Fault { hint: hint.into(), ..fault("format", &message) });
    };
    if bytes.len() > MAX_DATA_BYTES {
        let message = format!("`{name}` is larger than {} MiB", MAX_DATA_BYTES >> 20);
        return Err(fault("too-large", &message));
    }
    let table = Table::parse(bytes, format).map_err(|error| fault("malformed", &error))?;
    let shown = |text: &str| text.chars().take(MAX_SHOWN).collect::<String>();
    let columns = table.columns().iter().take(MAX_SHOWN_COLUMNS).map(|name| shown(name));
    let rows = (0..table.rows().min(MAX_PREVIEW)).filter_map(|number| table.row(number));
    let preview = rows.map(|row| {
        let cells = (0..table.columns().len().min(MAX_SHOWN_COLUMNS)).map(|column| row.at(column));
        cells.map(|cell| shown(cell.unwrap_or_default())).collect()
    });
    Ok(DataSetInfo {
        digest: String::new(),
        name: name.to_string(),
        size_bytes: bytes.len() as u64,
        format: format.to_string(),
        rows: table.rows(),
        columns: columns.collect(),
        uploaded_at: String::new(),
        uploaded_by: None,
        preview: preview.collect(),
    })
}

fn by_name(name: &str) -> Option<DataFormat> {
    let (_, ending) = name.rsplit_once('.')?;
    match ending.to_ascii_lowercase().as_str() {
        "csv" => Some(DataFormat::Csv),
        "jsonl" | "ndjson" | "json" => Some(DataFormat::JsonLines),
        _ => None,
    }
}

pub(super) fn fault(code: &str, error: &impl Display) -> Fault {
    let hint = "correct the file, and upload it again";
    Fault { key: None, code: code.into(), message: error.to_string(), hint: hint.into() }
}
