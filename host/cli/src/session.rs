//! One run from its start to its exit code, whoever makes the load: shown while it goes on,
//! stopped by signals, written out at its end.

mod outputs;
mod steering;
mod verdict;

use std::sync::Arc;
use std::time::Duration;

use loadhost_control::{Handle, RefusalKind, RunReport, StartError, StartRequest};
use loadhost_model::id::RunId;
use loadhost_model::text::format_duration;
use loadhost_model::wire::StopMode;
use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;

pub(crate) use self::outputs::Outputs;
use self::steering::Steering;
pub(crate) use self::verdict::verdict_of;

use crate::exit_code::ExitCode;
use crate::failure::{Failure, Outcome};
use crate::progress;
use crate::signals::Stop;

/// For the view to catch up with the end of the run.
const LAST_VIEW: Duration = Duration::from_secs(2);

/// Runs `request` to its end. The first Ctrl-C drains, the second stops at once; both report.
pub(crate) async fn conduct(
    handle: &Handle,
    request: StartRequest,
    mut outputs: Outputs,
    stop: &Stop,
) -> Outcome {
    let run = request.plan.run.clone();
    let graceful_stop = request.plan.graceful_stop;
    let csv = outputs.csv()?.map(|files| tokio::spawn(files.follow(run.clone(), handle.view())));
    let (notices, to_show) = mpsc::channel(4);
    let notices = Notices(notices);
    let (keys, pressed) = mpsc::channel(64);
    let steering = Steering::new(handle.clone(), run.clone(), notices.clone());
    let steering = tokio::spawn(steering.follow(pressed));
    let stopper = Stopper { handle: handle.clone(), run: run.clone(), graceful_stop, notices };
    let stopper = tokio::spawn(stopper.obey(stop.first.clone(), stop.second.clone()));
    let shown = progress::Source::new(run.clone(), handle.view(), handle.logs(), to_show)
        .with_keys(keys)
        .with_broker(outputs.broker.take());
    let shown = tokio::spawn(shown.follow(outputs.show));
    let report = match handle.start(request).await {
        Ok(_) => handle.finished(&run).await.map_err(|error| {
            Failure::new(ExitCode::Unexpected, format!("run {run} has no report")).because(&error)
        }),
        Err(error) => Err(not_started(&error)),
    };
    stopper.abort();
    steering.abort();
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
    finish(&report, outputs, &workers, csv, stop.first.is_cancelled())
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

/// What signals do to a run.
struct Stopper {
    handle: Handle,
    run: RunId,
    graceful_stop: Duration,
    notices: Notices,
}

/// What the program has to say while a run is shown.
#[derive(Clone)]
struct Notices(mpsc::Sender<String>);

impl Notices {
    /// Through the view, if there is one, since it would draw over anything else.
    fn say(&self, text: String) {
        if let Err(unseen) = self.0.try_send(text) {
            say!("{}", unseen.into_inner());
        }
    }
}

impl Stopper {
    async fn obey(self, interrupted: CancellationToken, at_once: CancellationToken) {
        interrupted.cancelled().await;
        let patience = format_duration(self.graceful_stop);
        self.notices.say(format!(
            "interrupted: iterations may end within {patience}; once more stops at once"
        ));
        let _ = self.handle.stop(&self.run, StopMode::Graceful).await;
        at_once.cancelled().await;
        self.notices.say("interrupted again: stopping at once".to_string());
        let _ = self.handle.stop(&self.run, StopMode::Now).await;
    }
}

fn not_started(error: &StartError) -> Failure {
    let code = match error.kind() {
        RefusalKind::TooFewWorkers => ExitCode::WorkersMissing,
        RefusalKind::Stopped => ExitCode::Interrupted,
        RefusalKind::NoLeader => ExitCode::NoLeader,
        RefusalKind::MasterFull => ExitCode::Capacity,
        _ => ExitCode::Unexpected,
    };
    Failure::new(code, "the run did not start").because(error)
}
