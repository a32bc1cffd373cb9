//! `loadhost check FILE`: what a component contains, imports and wants, and what is wrong with it.
//!
//! Compiling and describing is done by a child of this program under limits on CPU, memory and time,
//! since a hostile component can make a compiler work for very long.

mod text;

use std::path::Path;
use std::process::{Command, Stdio};
use std::time::Duration;

use loadhost_engine::scenario::{
    CheckReport, StructureCaps, THIS_PROGRAM, answer_of, check_in_process, limit_this_process,
};

use crate::args::CheckArgs;
use crate::exit_code::ExitCode;
use crate::failure::{Failure, Outcome};
use crate::output::print;
use crate::scenario_file::{code_of, read};

/// Of the child.
const TIME: Duration = Duration::from_secs(90);

/// Prints what the file is; fails if it cannot be run.
pub(crate) fn check(args: CheckArgs) -> Outcome {
    // Unreadable files are told apart here, where the exit code is known.
    read(&args.file)?;
    let report = in_a_child(&args.file)?;
    if args.json {
        print(&(serde_json::to_string_pretty(&report).unwrap_or_default() + "\n"));
    } else {
        print(&text::report(&args.file, &report));
    }
    let Some(code) = &report.code else { return Ok(ExitCode::Ok) };
    let cause = report.error.clone().unwrap_or_default();
    Err(Failure::new(
        code_of(code),
        format!("`{}` cannot be run as a scenario", args.file.display()),
    )
    .because(&std::io::Error::other(cause)))
}

/// The child's half: limits itself, then prints a [`CheckReport`] as JSON.
pub(crate) fn check_inside(file: &Path) -> Outcome {
    limit_this_process().map_err(|error| {
        Failure::new(ExitCode::Unexpected, "the limits of the check cannot be set").because(&error)
    })?;
    let report = check_in_process(&read(file)?, &StructureCaps::default());
    print(&serde_json::to_string(&report).unwrap_or_default());
    Ok(ExitCode::Ok)
}

fn in_a_child(file: &Path) -> Result<CheckReport, Failure> {
    let failed = |error: &std::io::Error| {
        Failure::new(ExitCode::Unexpected, "the check cannot be started in a process of its own")
            .because(error)
    };
    let mut child = Command::new(THIS_PROGRAM)
        .arg("check-inside")
        .arg(file)
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::inherit())
        .spawn()
        .map_err(|error| failed(&error))?;
    let answer = answer_of(&mut child, TIME).map_err(|error| failed(&error))?;
    match answer.map(|(answer, _)| serde_json::from_slice(&answer)) {
        Some(Ok(report)) => Ok(report),
        Some(Err(_)) => Err(too_much(
            "it made the check end early, so it needs too much CPU or memory to compile or to describe itself",
        )),
        None => Err(too_much("it was not compiled and described within 90 s")),
    }
}

fn too_much(what: &str) -> Failure {
    Failure::new(ExitCode::FaultyScenario, "the scenario cannot be checked")
        .because(&std::io::Error::other(what.to_string()))
        .hint("make it smaller, and `describe` quick")
}
