//! `loadhost help`: commands, and tables that are no command's.

use clap::CommandFactory;

use crate::args::Cli;
use crate::config::{reference, similar};
use crate::exit_code::ExitCode;
use crate::failure::{Failure, Outcome};
use crate::output::print;
use crate::plan::limits_table;

/// Explains `topic`, or what there is.
pub(crate) fn help(topic: Option<&str>) -> Outcome {
    let mut command = Cli::command();
    command.build();
    let text = match topic {
        None => command.render_long_help().to_string(),
        Some("exit-codes") => ExitCode::table(),
        Some("limits") => limits_table(),
        Some("settings") => reference(),
        Some(name) => match command.find_subcommand_mut(name) {
            Some(command) => command.render_long_help().to_string(),
            None => return Err(unknown(name, &command)),
        },
    };
    print(&text);
    Ok(ExitCode::Ok)
}

fn unknown(topic: &str, command: &clap::Command) -> Failure {
    let commands = command.get_subcommands().filter(|command| !command.is_hide_set());
    let names: Vec<_> =
        commands.map(clap::Command::get_name).chain(["exit-codes", "limits", "settings"]).collect();
    let failure = Failure::new(ExitCode::Configuration, format!("there is no help on `{topic}`"));
    match similar(topic, names.iter().copied()) {
        Some(like) => failure.hint(format!("did you mean `{like}`?")),
        None => failure.hint(format!("there is help on {}", names.join(", "))),
    }
}
