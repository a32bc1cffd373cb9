//! One run from its start to its exit code, whoever makes the load: shown while it goes on,
//! stopped by signals, written out at its end.

mod outputs;
mod verdict;

use std::sync::Arc;
use std::time::Duration;

use loadhost_control::{Handle, RunReport, StartError, StartRequest};
use loadhost_model::id::RunId;
use loadhost_model::wire::StopMode;
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

pub(crate) use self::outputs::Outputs;

use crate::commands::signals;
use crate::exit_code::ExitCode;
use crate::failure::{Failure, Outcome};
use crate::progress;

/// For the view to catch up with the end of the run.
const LAST_VIEW: Duration = Duration::from_secs(2);

/// Runs `request` to its end. The first Ctrl-C drains, the second stops at once; both report.
pub(crate) async fn conduct(handle: &Handle, request: StartRequest, outputs: Outputs) -> Outcome {
    let run = request.plan.run.clone();
    let graceful_stop = request.plan.graceful_stop;
    let interrupted = CancellationToken::new();
    let stopper = stop_on_signals(handle.clone(), run.clone(), graceful_stop, interrupted.clone());
    let shown =
        tokio::spawn(progress::follow(outputs.show, run.clone(), handle.view(), handle.logs()));
    let csv = outputs.csv()?.map(|files| tokio::spawn(files.follow(run.clone(), handle.view())));
    let report = match handle.start(request).await {
        Ok(_) => handle.finished(&run).await.map_err(|error| {
            Failure::new(ExitCode::Unexpected, format!("run {run} has no report")).because(&error)
        }),
        Err(error) => Err(not_started(&error)),
    };
    stopper.abort();
    let report = match report {
        Ok(report) => report,
        Err(failure) => {
            shown.abort();
            // The view's terminal is restored when its task is dropped.
            let _ = shown.await;
            return Err(failure);
        }
    };
    let _ = tokio::time::timeout(LAST_VIEW, shown).await;
    let workers = handle.view().borrow().workers.clone();
    let csv = match csv {
        Some(task) => task.await.ok(),
        None => None,
    };
    finish(&report, outputs, &workers, csv, interrupted.is_cancelled())
}

type Csv = (crate::output::csv::CsvFiles, Result<(), Failure>);

fn finish(
    report: &Arc<RunReport>,
    outputs: Outputs,
    workers: &[loadhost_control::view::WorkerView],
    csv: Option<Csv>,
    interrupted: bool,
) -> Outcome {
    let verdict = verdict::verdict(report, interrupted);
    let code = verdict.as_ref().map_or_else(|failure| failure.code, |code| *code);
    let code = outputs.write(report, workers, csv, code)?;
    match verdict {
        // A regression is known only once the outputs are made.
        Ok(_) => Ok(code),
        Err(failure) => Err(failure),
    }
}

fn stop_on_signals(
    handle: Handle,
    run: RunId,
    graceful_stop: Duration,
    interrupted: CancellationToken,
) -> JoinHandle<()> {
    tokio::spawn(async move {
        let at_once = CancellationToken::new();
        let waiting = async {
            interrupted.cancelled().await;
            let patience = loadhost_model::text::format_duration(graceful_stop);
            eprintln!("interrupted: iterations may end within {patience}; once more stops at once");
            let _ = handle.stop(&run, StopMode::Graceful).await;
            at_once.cancelled().await;
            eprintln!("interrupted again: stopping at once");
            let _ = handle.stop(&run, StopMode::Now).await;
        };
        let (signalled, ()) = tokio::join!(signals(interrupted.clone(), at_once.clone()), waiting);
        if let Err(error) = signalled {
            tracing::error!(%error, "signals cannot be waited for");
        }
    })
}

fn not_started(error: &StartError) -> Failure {
    let code = match error {
        StartError::TooFewWorkers { .. } => ExitCode::WorkersMissing,
        StartError::Stopped => ExitCode::Interrupted,
        StartError::Deposed => ExitCode::MasterPresent,
        StartError::Duplicate(_) | StartError::Closed => ExitCode::Unexpected,
    };
    Failure::new(code, "the run did not start").because(error)
}
