//! `loadhost change`: another load for a run that goes on, or another version of its scenario.

mod version;

use loadhost_model::profile::Change;
use loadhost_model::text::{
    Target, TextError, format_duration, format_stages, parse_duration, parse_rate, parse_stages,
};
use serde_json::json;

use super::{Layers, runtime};
use crate::args::ChangeArgs;
use crate::client::Client;
use crate::exit_code::ExitCode;
use crate::failure::{Failure, Outcome};
use crate::output::{format, print};

/// Asks for it; the coordinator lets it happen on all workers at one instant.
pub(crate) fn change(args: ChangeArgs) -> Outcome {
    if let Some(file) = &args.scenario {
        let settings = Layers::read(args.settings)?.effective();
        return version::change(file, args.run.as_deref(), &settings);
    }
    let change = wanted(&args)?;
    let settings = Layers::read(args.settings)?.effective();
    let what = format!("runs/{}/change", args.run.as_deref().unwrap_or("current"));
    let body = json!({ "phase": args.phase, "change": change });
    let run =
        runtime(Some(1))?.block_on(async { Client::new(&settings)?.tell(&what, &body).await })?;
    print(&format!("run {run} goes to {}\n", words(&change)));
    Ok(ExitCode::Ok)
}

/// Which of the kinds of change was typed; clap saw to it that it is one.
fn wanted(args: &ChangeArgs) -> Result<Change, Failure> {
    if let Some(text) = &args.rate {
        let rate = parse_rate(text).map_err(|error| wrong("rate", &error))?;
        let over = args.over.as_deref().map(parse_duration).transpose();
        let over = over.map_err(|error| wrong("over", &error))?.unwrap_or_default();
        return Ok(Change::Rate { rate, over });
    }
    let stages =
        [("stages", &args.stages, Target::Users), ("rate-stages", &args.rate_stages, Target::Rate)];
    for (flag, text, target) in stages {
        if let Some(text) = text {
            let stages = parse_stages(text, target).map_err(|error| wrong(flag, &error))?;
            return Ok(Change::Stages { stages });
        }
    }
    let spawn_rate = args.spawn_rate.as_deref().map(parse_rate).transpose();
    let spawn_rate = spawn_rate.map_err(|error| wrong("spawn-rate", &error))?;
    Ok(Change::Users { users: args.users.unwrap_or_default(), spawn_rate })
}

fn wrong(flag: &str, error: &TextError) -> Failure {
    Failure::new(ExitCode::Configuration, format!("`--{flag}` makes no sense")).because(error)
}

fn words(change: &Change) -> String {
    match change {
        Change::Users { users, spawn_rate } => {
            let pace = spawn_rate.map(|rate| format!(", {} per second", format::plain(rate)));
            format!("{} users{}", format::grouped((*users).into()), pace.unwrap_or_default())
        }
        Change::Rate { rate, over } if over.is_zero() => format!("{}/s", format::plain(*rate)),
        Change::Rate { rate, over } => {
            format!("{}/s within {}", format::plain(*rate), format_duration(*over))
        }
        Change::Stages { stages } => format!("the stages {}", format_stages(stages)),
    }
}
