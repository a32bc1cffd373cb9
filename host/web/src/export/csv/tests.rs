//! Our files beside Locust's own.
#![allow(clippy::unwrap_used)]

use super::*;
use crate::export::fixture;

/// What Locust 2.47 wrote.
fn golden(kind: &str) -> String {
    std::fs::read_to_string(format!("tests/fixtures/{kind}.csv")).unwrap()
}

fn header(text: &str) -> &str {
    text.lines().next().unwrap().trim_end()
}

#[test]
fn headers_and_line_ends_are_locusts() {
    let results = fixture::results();
    for (kind, text) in [
        ("stats", stats_csv(&results)),
        ("stats_history", stats_history_csv(&results)),
        ("failures", failures_csv(&results)),
        ("exceptions", exceptions_csv(&results)),
    ] {
        assert_eq!(header(&text), header(&golden(kind)), "{kind}");
        assert!(text.ends_with("\r\n"), "{kind}");
        let bare = text.replace("\r\n", "").contains('\n');
        assert_eq!(bare, kind == "exceptions", "only frames have line ends of their own: {kind}");
    }
}

#[test]
fn the_last_row_is_the_sum_as_in_locusts_file() {
    let names = |text: &str| -> Vec<String> {
        let rows = text.lines().skip(1);
        rows.map(|row| row.split(',').take(2).collect::<Vec<_>>().join(",")).collect()
    };
    assert_eq!(names(&golden("stats")).last().unwrap(), ",Aggregated");
    let stats = stats_csv(&fixture::results());
    assert_eq!(
        names(&stats),
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
fn a_run_that_goes_on_has_the_rows_of_one_that_is_over() {
    let live = stats_csv(&Results::so_far(&fixture::view(), &[], &[]));
    assert_eq!(live, stats_csv(&fixture::results()));
}

#[test]
fn a_kept_history_has_the_percentiles_that_were_kept() {
    let history = stats_history_csv(&fixture::results());
    let rows: Vec<Vec<_>> = history.lines().skip(1).map(|row| row.split(',').collect()).collect();
    assert_eq!(rows.len(), 42 + 1);
    assert_eq!(rows[0][..5], ["1795330001", "1400", "", "Aggregated", "500.000000"]);
    assert_eq!(
        rows[0][6..17],
        ["2", "N/A", "N/A", "N/A", "N/A", "5", "N/A", "9", "N/A", "N/A", "N/A"]
    );
    assert_eq!((rows[0][17], rows[0][19]), ("500", "N/A"));
    let last = &rows[42];
    assert_eq!((last[3], last[17], last[18]), ("Aggregated", "55800", "12"));
    assert!(last[6..24].iter().all(|cell| cell.parse::<f64>().is_ok()), "{last:?}");
}

#[test]
fn failures_and_exceptions_are_apart() {
    let results = fixture::results();
    assert_eq!(
        failures_csv(&results).lines().nth(1).unwrap(),
        "GET,/item/{id},status 500,12,2026-11-22T06:46:43Z,2026-11-22T06:47:20Z"
    );
    assert!(exceptions_csv(&results).contains(
        "3,Shopper.buy: panicked: the cart is gone,\"checkout::Shopper::buy at src/lib.rs:31:9"
    ));
}
