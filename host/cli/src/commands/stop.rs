//! `loadhost stop`: the end of a run that somebody else started.

use loadhost_model::wire::StopMode;
use serde_json::json;

use super::{Layers, runtime};
use crate::args::StopArgs;
use crate::client::Client;
use crate::exit_code::ExitCode;
use crate::failure::Outcome;
use crate::output::print;

/// Asks for it; who started the run gets its report as always.
pub(crate) fn stop(args: StopArgs) -> Outcome {
    let settings = Layers::read(args.settings)?.effective();
    let mode = if args.now { StopMode::Now } else { StopMode::Graceful };
    let what = format!("runs/{}/stop", args.run.as_deref().unwrap_or("current"));
    let body = json!({ "mode": mode });
    let run =
        runtime(Some(1))?.block_on(async { Client::new(&settings)?.tell(&what, &body).await })?;
    let how = if args.now { "at once" } else { "when its iterations have ended" };
    print(&format!("run {run} stops {how}\n"));
    Ok(ExitCode::Ok)
}
