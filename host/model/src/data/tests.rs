#![allow(clippy::unwrap_used)]
use proptest::prelude::*;

use super::*;

fn cells(table: &Table, row: u64) -> Vec<(String, String)> {
    let row = table.row(row).unwrap();
    row.cells().map(|(name, cell)| (name.to_string(), cell.to_string())).collect()
}

fn pairs(of: &[(&str, &str)]) -> Vec<(String, String)> {
    of.iter().map(|(name, cell)| (name.to_string(), cell.to_string())).collect()
}

#[test]
fn rows_of_csv_have_the_names_of_the_first_line() {
    let text = "\u{feff}name, password\nanna,\"se\"\"cret, really\"\nbob,\n";
    let table = Table::parse(text.as_bytes(), DataFormat::Csv).unwrap();
    assert_eq!(table.rows(), 2);
    assert_eq!(cells(&table, 0), pairs(&[("name", "anna"), ("password", "se\"cret, really")]));
    assert_eq!(table.row(1).unwrap().get("password"), Some(""));
    assert_eq!(table.row(1).unwrap().get("pasword"), None);
    assert!(table.row(2).is_none());
}

#[test]
fn rows_of_json_lines_may_lack_columns() {
    let text = "{\"id\": 7, \"tags\": [\"a\"]}\n\n{\"id\": null, \"name\": \"x\"}\r\n";
    let table = Table::parse(text.as_bytes(), DataFormat::JsonLines).unwrap();
    assert_eq!(cells(&table, 0), pairs(&[("id", "7"), ("tags", "[\"a\"]")]));
    assert_eq!(cells(&table, 1), pairs(&[("name", "x")]));
    assert_eq!(table.columns().len(), 3);
}

#[test]
fn what_is_wrong_with_a_file_is_named() {
    for (format, text, said) in [
        (DataFormat::Csv, "", "it has no row"),
        (DataFormat::Csv, "a,b\n", "it has no row"),
        (
            DataFormat::Csv,
            "a,a\n1,2\n",
            "column 2 is named `a`: each column needs a name of its own",
        ),
        (DataFormat::Csv, "a,\n1,2\n", "column 2 is named ``: each column needs a name of its own"),
        (
            DataFormat::Csv,
            "a,b\n1,2\n3\n",
            "line 3: it has 1 cells, and the first line names 2 columns",
        ),
        (
            DataFormat::JsonLines,
            "{\"a\": 1}\n[]",
            "line 2: invalid type: sequence, expected a map at line 1 column 0",
        ),
        (DataFormat::JsonLines, "{\"a\": ", "line 1: EOF while parsing a value at line 1 column 6"),
        (DataFormat::JsonLines, "{}\n", "it has no row"),
    ] {
        let error = Table::parse(text.as_bytes(), format).unwrap_err().to_string();
        assert_eq!(error, said, "{text}");
    }
    let latin = Table::parse(b"a\n\xe4\n", DataFormat::Csv).unwrap_err().to_string();
    assert!(latin.starts_with("line 2: it is not UTF-8"), "{latin}");
}

#[test]
fn a_file_beyond_a_bound_is_refused_by_its_name() {
    let long = vec![b'a'; MAX_DATA_BYTES + 1];
    let error = Table::parse(&long, DataFormat::Csv).unwrap_err();
    assert_eq!(error, DataError::TooLarge { what: "bytes", limit: MAX_DATA_BYTES });
    let wide: Vec<String> = (0..=MAX_COLUMNS).map(|column| format!("c{column}")).collect();
    let error = Table::parse(wide.join(",").as_bytes(), DataFormat::Csv).unwrap_err();
    assert_eq!(error, DataError::TooLarge { what: "columns", limit: MAX_COLUMNS });
    // Few bytes, but a cell of each column for each line.
    let names: Vec<String> = (0..MAX_COLUMNS).map(|column| format!("\"c{column}\":1")).collect();
    let sparse = format!("{{{}}}\n{}", names.join(","), "{}\n".repeat(MAX_CELLS / MAX_COLUMNS + 1));
    let error = Table::parse(sparse.as_bytes(), DataFormat::JsonLines).unwrap_err();
    assert_eq!(error, DataError::TooLarge { what: "cells", limit: MAX_CELLS });
}

#[test]
fn words_are_read_as_they_are_written() {
    assert_eq!("circular".parse(), Ok(RowOrder::Circular));
    assert_eq!(LostRows::Repeat.to_string(), "repeat");
    let error = "json".parse::<DataFormat>().unwrap_err().to_string();
    assert!(error.contains("is one of `csv`, `json-lines`"), "{error}");
}

proptest! {
    #[test]
    fn what_was_written_as_csv_is_read_again(
        rows in prop::collection::vec(prop::collection::vec("[a-z\",\n é]{0,6}", 3), 1..20),
    ) {
        let mut writer = csv::Writer::from_writer(Vec::new());
        writer.write_record(["a", "b", "c"]).unwrap();
        for row in &rows {
            writer.write_record(row).unwrap();
        }
        let table = Table::parse(&writer.into_inner().unwrap(), DataFormat::Csv).unwrap();
        prop_assert_eq!(table.rows(), rows.len() as u64);
        for (number, row) in (0..).zip(&rows) {
            let found: Vec<&str> = table.row(number).unwrap().cells().map(|(_, cell)| cell).collect();
            prop_assert_eq!(&found, row);
        }
    }

    #[test]
    fn bytes_from_anywhere_do_no_harm(bytes in prop::collection::vec(any::<u8>(), 0..300)) {
        for format in [DataFormat::Csv, DataFormat::JsonLines] {
            if let Ok(table) = Table::parse(&bytes, format) {
                prop_assert!((0..table.rows()).all(|row| table.row(row).is_some()));
            }
        }
    }
}
