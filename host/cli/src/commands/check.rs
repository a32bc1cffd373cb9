//! `loadhost check FILE`: what a component contains, imports and wants, and what is wrong with it.
//!
//! Compiling and describing is done by a child of this program under limits on CPU, memory and time,
//! since a hostile component can make a compiler work for very long.

mod text;

use std::io::Read;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::mpsc;
use std::time::Duration;

use loadhost_engine::scenario::{CheckReport, StructureCaps, check_in_process};
use rustix::process::{Resource, Rlimit, setrlimit};

use crate::args::CheckArgs;
use crate::exit_code::ExitCode;
use crate::failure::{Failure, Outcome};
use crate::output::print;
use crate::scenario_file::{code_of, read};

/// Of the child: seconds of CPU, bytes of memory, wall-clock time.
const CPU_SECONDS: u64 = 60;
const MEMORY: u64 = 2 << 30;
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
    let limit = |resource, value| {
        let wanted = Rlimit { current: Some(value), maximum: Some(value) };
        setrlimit(resource, wanted).map_err(|error| {
            Failure::new(ExitCode::Unexpected, "the limits of the check cannot be set")
                .because(&error)
        })
    };
    limit(Resource::Cpu, CPU_SECONDS)?;
    // Not the address space: the sandbox reserves far more than it uses.
    limit(Resource::Data, MEMORY)?;
    limit(Resource::Core, 0)?;
    let report = check_in_process(&read(file)?, &StructureCaps::default());
    print(&serde_json::to_string(&report).unwrap_or_default());
    Ok(ExitCode::Ok)
}

fn in_a_child(file: &Path) -> Result<CheckReport, Failure> {
    let failed = |error: &std::io::Error| {
        Failure::new(ExitCode::Unexpected, "the check cannot be started in a process of its own")
            .because(error)
    };
    let program = std::env::current_exe().map_err(|error| failed(&error))?;
    let mut child = Command::new(program)
        .arg("check-inside")
        .arg(file)
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::inherit())
        .spawn()
        .map_err(|error| failed(&error))?;
    let answer = answer(&mut child).map_err(|error| failed(&error))?;
    match answer.as_deref().map(serde_json::from_slice) {
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

/// What the child prints until it ends. None: it took too long and was killed.
fn answer(child: &mut Child) -> std::io::Result<Option<Vec<u8>>> {
    let mut stdout = child.stdout.take().ok_or_else(|| std::io::Error::other("no pipe"))?;
    let (sender, answered) = mpsc::channel();
    // The pipe ends with the child, and so does the thread.
    let reader = std::thread::spawn(move || {
        let mut bytes = Vec::new();
        let _ = sender.send(stdout.read_to_end(&mut bytes).map(|_| bytes));
    });
    let answer = answered.recv_timeout(TIME);
    if answer.is_err() {
        child.kill()?;
    }
    child.wait()?;
    reader.join().map_err(|_| std::io::Error::other("the reader panicked"))?;
    answer.ok().transpose()
}
