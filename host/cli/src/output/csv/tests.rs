//! The files of a run that goes on.
#![allow(clippy::unwrap_used)]

use super::*;
use crate::fixture;

fn written(names: Names) -> (tempfile::TempDir, impl Fn(&str) -> String) {
    let folder = tempfile::tempdir().unwrap();
    let prefix = folder.path().join("out");
    let mut files = CsvFiles::create(&prefix, names).unwrap();
    let mut view = fixture::view();
    files.second(&view, &[]).unwrap();
    files.second(&view, &[]).unwrap();
    view.elapsed += Duration::from_secs(1);
    files.second(&view, &[]).unwrap();
    let report = fixture::report();
    files.finish(&report, &Results::of(&report, &[], None)).unwrap();
    (folder, move |kind| std::fs::read_to_string(file(&prefix, kind)).unwrap())
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
fn percentiles_of_the_full_history_are_of_the_last_seconds_as_in_locust() {
    let p50 = |names| {
        let (_folder, read) = written(names);
        let history = read("stats_history");
        let row = history.lines().last().unwrap().split(',').nth(6).unwrap();
        row.parse::<f64>().unwrap()
    };
    let view = fixture::view();
    let ms = |times: Option<loadhost_control::view::Times>| times.unwrap().p50 as f64 / 1e3;
    assert_eq!(p50(Names::Total), ms(view.total.response_time));
    assert_eq!(p50(Names::Each), ms(view.total.current_response_time));
}

#[test]
fn the_other_files_hold_the_last_numbers() {
    let (_folder, read) = written(Names::Total);
    assert!(read("stats").lines().last().unwrap().starts_with(",Aggregated,55800,12,"));
    assert!(read("failures").contains("status 500"));
    assert!(read("exceptions").contains("the cart is gone"));
}

#[test]
fn a_folder_that_is_not_there_is_refused_before_the_run() {
    let failure = CsvFiles::create(Path::new("/nowhere/at/all"), Names::Total).err().unwrap();
    assert_eq!(failure.code, crate::exit_code::ExitCode::OutputUnwritable);
}
