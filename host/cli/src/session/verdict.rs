//! From how a run went to how the program ends.

use loadhost_control::report::{EndReason, RunReport};
use loadhost_control::view::{ErrorRow, RunView};
use loadhost_model::interval::Origin;

use crate::exit_code::ExitCode;
use crate::failure::Failure;

/// The exit code; an error if there is more to say than the summary does.
pub(super) fn verdict(report: &RunReport, interrupted: bool) -> Result<ExitCode, Failure> {
    verdict_of(&report.view, &report.ended, report.verdict.passed, interrupted)
}

/// The same of a run that somebody else has the report of.
pub(crate) fn verdict_of(
    view: &RunView,
    ended: &EndReason,
    passed: bool,
    interrupted: bool,
) -> Result<ExitCode, Failure> {
    match ended {
        EndReason::WorkerFailed { code, .. } => {
            let exit = match code.as_str() {
                "capacity" => ExitCode::Capacity,
                "too-few-workers" => ExitCode::WorkersMissing,
                _ => ExitCode::WorkerFailed,
            };
            return Err(Failure::new(exit, format!("run {} failed", view.run))
                .because(&std::io::Error::other(ended.to_string())));
        }
        EndReason::AbortedByScenario { message } => {
            return Err(Failure::new(ExitCode::ScenarioAborted, "the scenario ended the run")
                .because(&std::io::Error::other(message.clone())));
        }
        EndReason::Completed
        | EndReason::StoppedByUser
        | EndReason::ThresholdAbort { .. }
        | EndReason::Interrupted => {}
    }
    if interrupted || *ended == EndReason::Interrupted {
        return Ok(ExitCode::Interrupted);
    }
    if view.unserved > 0.0 {
        let RunView { run, workers_lost, workers, unserved, .. } = view;
        let percent = 100.0 * unserved;
        return Err(Failure::new(
            ExitCode::WorkerFailed,
            format!("run {run} lost {workers_lost} of its {workers} workers: {percent:.1} % of the load was missing"),
        )
        .hint("see their logs; with `--on-worker-lost rebalance` and room enough, others take their share over"));
    }
    if let Some(error) = unreachable(view) {
        let target = view.target.as_deref().unwrap_or("the target");
        return Err(Failure::new(
            ExitCode::TargetUnreachable,
            format!("no request reached {target}"),
        )
        .because(&std::io::Error::other(error.message.to_string())));
    }
    Ok(if passed { ExitCode::Ok } else { ExitCode::Thresholds })
}

/// The first of the errors, if every request failed before it could be sent.
fn unreachable(view: &RunView) -> Option<&ErrorRow> {
    let answered = view.total.statuses.keys().any(|status| *status != 0);
    if view.total.requests == 0 || answered || view.total.failures < view.total.requests {
        return None;
    }
    let mut of_requests =
        view.errors.iter().filter(|error| matches!(error.origin, Origin::Request { .. }));
    let first = of_requests.next()?;
    let before_sending =
        |error: &ErrorRow| matches!(&*error.code, "connect" | "dns" | "tls" | "denied");
    (before_sending(first) && of_requests.all(before_sending)).then_some(first)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use crate::fixture;

    fn code(change: impl FnOnce(&mut RunReport)) -> ExitCode {
        let mut report = fixture::report();
        change(&mut report);
        verdict(&report, false).unwrap_or_else(|failure| failure.code)
    }

    #[test]
    fn each_end_has_its_code() {
        assert_eq!(code(|_| ()), ExitCode::Thresholds);
        assert_eq!(code(|report| report.verdict.passed = true), ExitCode::Ok);
        assert_eq!(code(|report| report.ended = EndReason::Interrupted), ExitCode::Interrupted);
        assert_eq!(code(|report| report.view.unserved = 0.5), ExitCode::WorkerFailed);
        let taken_over = |report: &mut RunReport| report.view.workers_lost = 1;
        assert_eq!(code(taken_over), ExitCode::Thresholds, "others took its share over");
        let aborted = EndReason::AbortedByScenario { message: "enough".into() };
        assert_eq!(code(|report| report.ended = aborted), ExitCode::ScenarioAborted);
        let failed = |code: &str| EndReason::WorkerFailed {
            worker: None,
            code: code.into(),
            message: "no".into(),
        };
        assert_eq!(code(|report| report.ended = failed("capacity")), ExitCode::Capacity);
        let missing = failed("too-few-workers");
        assert_eq!(code(|report| report.ended = missing), ExitCode::WorkersMissing);
        assert_eq!(code(|report| report.ended = failed("lost")), ExitCode::WorkerFailed);
        assert_eq!(verdict(&fixture::report(), true), Ok(ExitCode::Interrupted));
    }

    #[test]
    fn a_target_that_never_answered_is_told_apart_from_one_that_fails() {
        let refused = |report: &mut RunReport| {
            report.view.total.failures = report.view.total.requests;
            report.view.total.statuses = [(0, report.view.total.requests)].into();
            report.view.errors.truncate(1);
            report.view.errors[0].code = "connect".into();
            report.view.errors[0].message = "connection refused".into();
        };
        assert_eq!(code(refused), ExitCode::TargetUnreachable);
        assert_eq!(
            code(|report| {
                refused(report);
                report.view.errors[0].code = "timeout".into();
            }),
            ExitCode::Thresholds,
            "a target that takes too long was reached"
        );
    }
}
