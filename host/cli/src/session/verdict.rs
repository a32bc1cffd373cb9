//! From how a run went to how the program ends.

use loadhost_control::report::{EndReason, RunReport};
use loadhost_control::view::{ErrorRow, RunView};
use loadhost_model::interval::Origin;

use crate::exit_code::ExitCode;
use crate::failure::Failure;

/// The exit code; an error if there is more to say than the summary does.
pub(super) fn verdict(report: &RunReport, interrupted: bool) -> Result<ExitCode, Failure> {
    match &report.ended {
        EndReason::WorkerFailed { code, .. } => {
            let exit = if code == "capacity" { ExitCode::Capacity } else { ExitCode::WorkerFailed };
            return Err(Failure::new(exit, format!("run {} failed", report.view.run))
                .because(&std::io::Error::other(report.ended.to_string())));
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
    if interrupted || report.ended == EndReason::Interrupted {
        return Ok(ExitCode::Interrupted);
    }
    if let Some(error) = unreachable(&report.view) {
        let target = report.view.target.as_deref().unwrap_or("the target");
        return Err(Failure::new(
            ExitCode::TargetUnreachable,
            format!("no request reached {target}"),
        )
        .because(&std::io::Error::other(error.message.to_string())));
    }
    Ok(if report.verdict.passed { ExitCode::Ok } else { ExitCode::Thresholds })
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
