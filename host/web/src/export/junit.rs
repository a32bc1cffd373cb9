//! Thresholds and checks as JUnit XML: one test case each.

use std::time::Duration;

use loadhost_control::view::ThresholdState;
use quick_junit::{NonSuccessKind, Report, TestCase, TestCaseStatus, TestSuite};

use super::format::{grouped, percent};
use super::{Results, threshold_value};

/// Why there is no document.
#[derive(Debug, thiserror::Error)]
#[error("the JUnit document cannot be made: {0}")]
pub struct JunitError(#[from] quick_junit::SerializeError);

/// The whole document.
///
/// # Errors
/// If a text of the run cannot stand in XML.
pub fn junit(results: &Results) -> Result<String, JunitError> {
    let mut document = Report::new(format!("loadhost {}", results.scenario));
    document.set_time(Duration::try_from_secs_f64(results.duration_seconds).unwrap_or_default());
    document.add_test_suite(thresholds(results));
    document.add_test_suite(checks(results));
    Ok(document.to_string()?)
}

fn thresholds(results: &Results) -> TestSuite {
    let mut suite = TestSuite::new("thresholds");
    for threshold in &results.thresholds {
        let value = threshold_value(threshold);
        let value =
            value.map_or_else(|| "no data".to_string(), |value| format!("measured {value}"));
        let status = match threshold.state {
            ThresholdState::Ok => TestCaseStatus::success(),
            ThresholdState::Broken | ThresholdState::NoData => failed(value.clone()),
        };
        let mut case = TestCase::new(threshold.text.as_str(), status);
        case.set_classname(format!("{}.thresholds", results.scenario)).set_system_out(value);
        suite.add_test_case(case);
    }
    suite
}

fn checks(results: &Results) -> TestSuite {
    let mut suite = TestSuite::new("checks");
    for check in &results.checks {
        let all = check.passes + check.failures;
        let text = format!(
            "held in {} of {} cases ({})",
            grouped(check.passes),
            grouped(all),
            percent(check.passes as f64 / all.max(1) as f64)
        );
        let status =
            if check.failures == 0 { TestCaseStatus::success() } else { failed(text.clone()) };
        let name = if check.group.is_empty() {
            check.name.to_string()
        } else {
            format!("{}::{}", check.group, check.name)
        };
        let mut case = TestCase::new(name, status);
        case.set_classname(format!("{}.checks", results.scenario)).set_system_out(text);
        suite.add_test_case(case);
    }
    suite
}

fn failed(message: String) -> TestCaseStatus {
    let mut status = TestCaseStatus::non_success(NonSuccessKind::Failure);
    status.set_message(message);
    status
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use crate::export::fixture;

    #[test]
    fn broken_thresholds_and_checks_are_failures() {
        let text = junit(&fixture::results()).unwrap();
        assert!(
            text.contains(
                r#"<testsuite name="thresholds" tests="3" skipped="0" errors="0" failures="2">"#
            ),
            "{text}"
        );
        assert!(text.contains(r#"<failure message="no data"/>"#), "{text}");
        assert!(text.contains(r#"name="cart::total is right""#), "{text}");
        assert!(
            text.contains(r#"<failure message="held in 598 of 600 cases (99.67 %)"/>"#),
            "{text}"
        );
    }
}
