//! The summary as people see it.

use super::summary;
use crate::fixture;

#[test]
fn a_run_in_a_summary() {
    let text = summary(&fixture::report());
    let widest = text.lines().map(|line| line.chars().count()).max();
    assert!(widest <= Some(100), "{widest:?} columns:\n{text}");
    insta::assert_snapshot!(text);
}

#[test]
fn a_run_without_requests_says_so() {
    let mut report = fixture::report();
    report.view.total.requests = 0;
    report.view.tasks.clear();
    assert!(summary(&report).contains("no request was made"));
}
