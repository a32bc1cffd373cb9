//! Follows a run to its end through a master, any master: whoever leads meanwhile.

use std::path::PathBuf;
use std::time::Duration;

use loadhost_control::RunView;
use loadhost_control::view::{RunState, ThresholdState};
use loadhost_model::id::RunId;
use tokio::time::Instant;

use super::super::report::{Form, fetch};
use crate::client::Client;
use crate::config::Effective;
use crate::exit_code::ExitCode;
use crate::failure::{Failure, Outcome};
use crate::output::probe;
use crate::progress;
use crate::session::verdict_of;
use crate::signals::Stop;

/// Between two looks at the run.
const LOOK: Duration = Duration::from_millis(500);
/// Between two lines about it.
const LINE: Duration = Duration::from_secs(5);
/// For a master that does not answer to be there again: longer than a leader takes to follow another.
const AWAY: Duration = Duration::from_secs(60);
/// For a master that stands by to hear of the run: behind a balancer, each look may be at another master.
const UNHEARD: Duration = Duration::from_secs(10);
/// For the results of a run that is over to be kept.
const KEPT_WITHIN: Duration = Duration::from_secs(15);

/// What is written at the end.
pub(super) struct Outputs {
    files: Vec<(Form, PathBuf)>,
    quiet: bool,
}

impl Outputs {
    /// Files that cannot be written are refused now.
    pub(super) fn new(settings: &Effective, waits: bool) -> Result<Self, Failure> {
        let forms = [("html", Form::Html), ("json", Form::Json), ("junit", Form::Junit)];
        let files = forms.into_iter().filter_map(|(key, form)| Some((form, settings.path(key)?)));
        let files: Vec<_> = files.collect();
        if let Some((_, path)) = files.first().filter(|_| !waits) {
            let message = format!("`{}` can be written only at the end of the run", path.display());
            return Err(Failure::new(ExitCode::Configuration, message)
                .hint("give `--wait`, or fetch it later with `loadhost report RUN`"));
        }
        for (_, path) in files.iter().filter(|(_, path)| path.as_os_str() != "-") {
            probe(path)?;
        }
        Ok(Self { files, quiet: settings.switch("quiet")? })
    }
}

/// To the end of the run, whose verdict is the outcome. The first Ctrl-C stops the run, the second leaves it.
pub(super) async fn to_the_end(client: &Client, run: &str, outputs: Outputs) -> Outcome {
    let stop = Stop::listen()?;
    let id = RunId::new(run).map_err(|error| {
        Failure::new(ExitCode::NobodyAnswers, "the answer names no run").because(&error)
    })?;
    let view = tokio::select! {
        view = follow(client, &id, outputs.quiet) => view?,
        () = asked_to_stop(client, run, &stop) => return Ok(ExitCode::Interrupted),
    };
    let passed = view.thresholds.iter().all(|threshold| threshold.state == ThresholdState::Ok);
    let Some(ended) = &view.ended else {
        return Err(Failure::new(ExitCode::Unexpected, format!("run {run} has no end")));
    };
    let verdict = verdict_of(&view, ended, passed, stop.first.is_cancelled());
    for (form, path) in &outputs.files {
        let until = Instant::now() + KEPT_WITHIN;
        while let Err(failure) = fetch(client, run, *form, path).await {
            if Instant::now() >= until {
                return Err(failure);
            }
            tokio::time::sleep(LOOK).await;
        }
    }
    verdict
}

/// Ends only with the second signal.
async fn asked_to_stop(client: &Client, run: &str, stop: &Stop) {
    stop.first.cancelled().await;
    say!("interrupted: the run stops; once more leaves it alone");
    let what = format!("runs/{run}/stop");
    if let Err(failure) = client.tell(&what, &serde_json::json!({ "mode": "graceful" })).await {
        say!("{failure}");
    }
    stop.second.cancelled().await;
}

/// The run once it is over.
async fn follow(client: &Client, run: &RunId, quiet: bool) -> Result<RunView, Failure> {
    let (mut said, mut heard) = (None::<Instant>, Instant::now());
    // Since when masters that answer know nothing of it.
    let mut unknown = None::<Instant>;
    loop {
        match client.state().await {
            Ok((_, fleet)) => {
                heard = Instant::now();
                match fleet.run(run) {
                    Some(view) if view.state == RunState::Finished => return Ok(view.clone()),
                    Some(view) => {
                        unknown = None;
                        if !quiet && said.is_none_or(|said| said.elapsed() >= LINE) {
                            say!("{}", progress::words(view));
                            said = Some(Instant::now());
                        }
                    }
                    None if unknown.get_or_insert(heard).elapsed() < UNHEARD => {}
                    None => {
                        let message = format!("run {run} is not there any more");
                        return Err(Failure::new(ExitCode::Unexpected, message)
                            .hint("`loadhost runs` lists those that are kept"));
                    }
                }
            }
            Err(failure) if heard.elapsed() >= AWAY => return Err(failure),
            // Another master may be about to take over.
            Err(failure) => tracing::warn!(%failure, "the master does not answer"),
        }
        tokio::time::sleep(LOOK).await;
    }
}
