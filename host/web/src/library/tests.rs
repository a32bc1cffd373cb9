#![allow(clippy::unwrap_used)]

use super::*;

#[test]
fn names_are_data_and_never_paths() {
    for (given, shown) in [
        ("users.csv", "users.csv"),
        ("../../etc/passwd", "passwd"),
        ("C:\\Users\\a\\b.wasm", "b.wasm"),
        ("a\nb\u{7}.csv", "ab.csv"),
        ("<img src=x>.csv", "<img src=x>.csv"),
    ] {
        assert_eq!(shown_name(given), shown, "{given:?}");
    }
    assert_eq!(shown_name(&"ä".repeat(500)).chars().count(), MAX_NAME);
}

#[test]
fn a_file_of_rows_is_read_by_its_name_or_by_what_is_said() {
    let csv = b"user,pin\nann,1\nbob,2\n";
    let info = examine(csv, "users.csv", None).unwrap();
    assert_eq!((info.rows, info.columns.as_slice()), (2, &["user".to_string(), "pin".into()][..]));
    assert_eq!(info.preview, [["ann", "1"], ["bob", "2"]]);
    assert_eq!(examine(csv, "users.txt", None).unwrap_err().code, "format");
    assert_eq!(examine(csv, "users.txt", Some(DataFormat::Csv)).unwrap().format, "csv");
    let lines = b"{\"user\": \"ann\"}\n";
    assert_eq!(examine(lines, "users.jsonl", None).unwrap().format, "json-lines");
    assert_eq!(examine(b"{", "users.jsonl", None).unwrap_err().code, "malformed");
}

#[test]
fn a_preview_is_short_whatever_the_file_holds() {
    let text = format!("a\n{}\n", "x".repeat(10_000));
    let info = examine(text.as_bytes(), "a.csv", None).unwrap();
    assert!(info.preview[0][0].len() < 100);
}
