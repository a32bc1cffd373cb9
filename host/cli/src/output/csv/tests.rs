//! Our files beside Locust's own.
#![allow(clippy::unwrap_used)]

use super::*;
use crate::fixture;

/// What Locust 2.47 wrote.
fn golden(kind: &str) -> String {
    std::fs::read_to_string(format!("tests/fixtures/{kind}.csv")).unwrap()
}

fn written(names: Names) -> (tempfile::TempDir, impl Fn(&str) -> String) {
    let folder = tempfile::tempdir().unwrap();
    let prefix = folder.path().join("out");
    let mut files = CsvFiles::create(&prefix, names).unwrap();
    let mut view = fixture::view();
    files.second(&view, &[]).unwrap();
    files.second(&view, &[]).unwrap();
    view.elapsed += Duration::from_secs(1);
    files.second(&view, &[]).unwrap();
    files.finish(&fixture::report(), &[]).unwrap();
    (folder, move |kind| std::fs::read_to_string(file(&prefix, kind)).unwrap())
}

fn header(text: &str) -> &str {
    text.lines().next().unwrap().trim_end()
}

#[test]
fn headers_and_line_ends_are_locusts() {
    let (_folder, read) = written(Names::Total);
    for kind in ["stats", "stats_history", "failures", "exceptions"] {
        let text = read(kind);
        assert_eq!(header(&text), header(&golden(kind)), "{kind}");
        assert!(text.ends_with("\r\n"), "{kind}");
        let bare = text.replace("\r\n", "").contains('\n');
        assert_eq!(bare, kind == "exceptions", "only frames have line ends of their own: {kind}");
    }
}

#[test]
fn the_last_row_is_the_sum_as_in_locusts_file() {
    let (_folder, read) = written(Names::Total);
    let names = |text: &str| -> Vec<String> {
        let rows = text.lines().skip(1);
        rows.map(|row| row.split(',').take(2).collect::<Vec<_>>().join(",")).collect()
    };
    assert_eq!(names(&golden("stats")).last().unwrap(), ",Aggregated");
    let stats = read("stats");
    let mine = names(&stats);
    assert_eq!(
        mine,
        [
            "GET,/a/rather/long/path/that/does/not/fit/{id}",
            "GET,/item/{id}",
            "POST,/login",
            ",Aggregated"
        ]
    );
    let total: Vec<_> = stats.lines().last().unwrap().split(',').collect();
    assert_eq!((total[2], total[3]), ("55800", "12"));
}

#[test]
fn the_history_has_one_row_a_second() {
    let (_folder, read) = written(Names::Total);
    let history = read("stats_history");
    let times: Vec<_> =
        history.lines().skip(1).map(|row| row.split(',').next().unwrap().to_string()).collect();
    assert_eq!(times, ["1795330042", "1795330043", "1795330060"]);
    let row: Vec<_> = history.lines().nth(1).unwrap().split(',').collect();
    assert_eq!(row[1..4], ["1400", "", "Aggregated"]);
    assert_eq!(row[17], "55800", "Total Request Count");
}

#[test]
fn the_full_history_has_each_name() {
    let (_folder, read) = written(Names::Each);
    assert_eq!(read("stats_history").lines().count(), 1 + 3 * 4);
}

#[test]
fn failures_and_exceptions_are_apart() {
    let (_folder, read) = written(Names::Total);
    assert_eq!(
        read("failures").lines().nth(1).unwrap(),
        "GET,/item/{id},status 500,12,2026-11-22T06:46:43Z,2026-11-22T06:47:20Z"
    );
    assert!(read("exceptions").contains(
        "3,Shopper.buy: panicked: the cart is gone,\"checkout::Shopper::buy at src/lib.rs:31:9"
    ));
}

#[test]
fn a_folder_that_is_not_there_is_refused_before_the_run() {
    let failure = CsvFiles::create(Path::new("/nowhere/at/all"), Names::Total).err().unwrap();
    assert_eq!(failure.code, crate::exit_code::ExitCode::OutputUnwritable);
}
