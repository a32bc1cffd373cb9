//! `loadhost health`: whether a master or a worker is well, for images and scripts that have no other way to ask.

use super::{Layers, runtime};
use crate::args::HealthArgs;
use crate::client::Client;
use crate::exit_code::ExitCode;
use crate::failure::Outcome;
use crate::output::print;

/// Asks the process at `--url`; without one, the master of this machine, or the worker if there is none.
pub(crate) fn health(args: HealthArgs) -> Outcome {
    let settings = Layers::read(args.settings)?.effective();
    let what = if args.ready { "ready" } else { "health" };
    runtime(Some(1))?.block_on(async {
        match Client::new(&settings)?.well(what).await {
            Err(nobody)
                if nobody.code == ExitCode::NobodyAnswers && settings.item("url").is_none() =>
            {
                let worker = Client::of_worker(&settings)?.well(what).await;
                worker.map_err(|failure| match failure.code {
                    ExitCode::NobodyAnswers => nobody,
                    _ => failure,
                })
            }
            asked => asked,
        }
    })?;
    print(if args.ready { "ready\n" } else { "alive\n" });
    Ok(ExitCode::Ok)
}
