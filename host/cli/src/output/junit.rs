//! Thresholds and checks as JUnit XML: one test case each.

use loadhost_control::report::RunReport;
use loadhost_control::view::ThresholdState;
use quick_junit::{NonSuccessKind, Report, TestCase, TestCaseStatus, TestSuite};

use super::format::{grouped, percent};
use super::summary::threshold_value;

/// The whole document.
pub(crate) fn junit(report: &RunReport) -> Result<String, quick_junit::SerializeError> {
    let mut document = Report::new(format!("loadhost {}", report.view.scenario));
    document.set_time(report.view.elapsed);
    document.add_test_suite(thresholds(report));
    document.add_test_suite(checks(report));
    document.to_string()
}

fn thresholds(report: &RunReport) -> TestSuite {
    let mut suite = TestSuite::new("thresholds");
    for threshold in &report.verdict.thresholds {
        let value = threshold_value(threshold);
        let value =
            value.map_or_else(|| "no data".to_string(), |value| format!("measured {value}"));
        let status = match threshold.state {
            ThresholdState::Ok => TestCaseStatus::success(),
            ThresholdState::Broken | ThresholdState::NoData => failed(value.clone()),
        };
        let mut case = TestCase::new(threshold.text.as_str(), status);
        case.set_classname(format!("{}.thresholds", report.view.scenario)).set_system_out(value);
        suite.add_test_case(case);
    }
    suite
}

fn checks(report: &RunReport) -> TestSuite {
    let mut suite = TestSuite::new("checks");
    for check in &report.view.checks {
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
        case.set_classname(format!("{}.checks", report.view.scenario)).set_system_out(text);
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
    use crate::fixture;

    #[test]
    fn broken_thresholds_and_checks_are_failures() {
        let text = junit(&fixture::report()).unwrap();
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
