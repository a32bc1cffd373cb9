//! `loadhost change --scenario`: another version of the scenario for users that run.

use std::path::Path;
use std::time::Duration;

use loadhost_control::view::{RunState, RunView, VersionView};
use loadhost_model::id::{Digest, RunId};
use loadhost_model::text::format_duration;
use serde_json::json;

use super::super::runtime;
use crate::client::Client;
use crate::config::Effective;
use crate::exit_code::ExitCode;
use crate::failure::{Failure, Outcome};
use crate::output::format::grouped;
use crate::output::print;
use crate::scenario_file;

/// Between two looks at the run.
const LOOK: Duration = Duration::from_millis(500);

/// Uploads the component, asks for it, and waits until all users run it or it is refused.
pub(super) fn change(file: &Path, run: Option<&str>, settings: &Effective) -> Outcome {
    let component = scenario_file::read(file)?;
    runtime(Some(1))?.block_on(async {
        let client = Client::new(settings)?;
        let module = client.upload(component).await?;
        let what = format!("runs/{}/scenario", run.unwrap_or("current"));
        let run = client.tell(&what, &json!({ "scenario": module })).await?;
        let run = RunId::new(run).map_err(|error| {
            Failure::new(ExitCode::NobodyAnswers, "the answer names no run").because(&error)
        })?;
        wait(&client, &run, module).await
    })
}

/// How far a run is with a version.
#[derive(Debug, PartialEq)]
enum Standing {
    /// On the way, in words.
    Under(String),
    /// All users run it.
    Done(String),
    /// The run goes on without it, or is over.
    Refused(String),
}

/// For as long as it takes: the coordinator itself gives up on workers that take too long.
async fn wait(client: &Client, run: &RunId, module: Digest) -> Outcome {
    let mut said = String::new();
    loop {
        let (_, view) = client.state().await?;
        let standing = match view.run(run) {
            Some(view) => standing(view, module),
            None => Standing::Refused(format!("run {run} is over and forgotten")),
        };
        match standing {
            Standing::Done(words) => {
                print(&format!("{words}\n"));
                return Ok(ExitCode::Ok);
            }
            Standing::Refused(why) => return Err(Failure::new(ExitCode::Refused, why)),
            Standing::Under(words) if words != said => {
                print(&format!("{words}\n"));
                said = words;
            }
            Standing::Under(_) => {}
        }
        tokio::time::sleep(LOOK).await;
    }
}

fn standing(view: &RunView, module: Digest) -> Standing {
    let versions = &view.versions;
    if let Some(next) = versions.next.as_ref().filter(|next| next.module == module) {
        return Standing::Under(format!(
            "run {}: {} of {} workers have made it ready",
            view.run, next.ready, next.of
        ));
    }
    if let Some(refused) = versions.refused.as_ref().filter(|refused| refused.module == module) {
        return Standing::Refused(format!(
            "run {} goes on with the version that it has: {}",
            view.run, refused.message
        ));
    }
    match versions.ran.iter().rev().find(|version| version.module == module) {
        Some(VersionView { complete: Some(complete), version, .. }) => {
            let version =
                version.as_ref().map_or("it".to_string(), |text| format!("version {text}"));
            let since = format_duration(Duration::from_secs(complete.as_secs()));
            Standing::Done(format!("run {}: all users run {version} since {since}", view.run))
        }
        Some(_) if view.state == RunState::Running => {
            let behind = grouped(versions.behind.into());
            Standing::Under(format!("run {}: users go over to it; {behind} are left", view.run))
        }
        _ if view.state == RunState::Running => {
            // What was asked for is decided before it is answered; this view is older.
            Standing::Under(format!("run {}: asked for", view.run))
        }
        _ => Standing::Refused(format!("run {} ended before all users ran it", view.run)),
    }
}
