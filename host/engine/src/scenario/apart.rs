//! Compiling in a process of its own, under limits on CPU and memory: a module within all caps can
//! still keep a compiler busy for very long, and that is to end neither a worker nor a master.
//!
//! The child is this program. It gets the module on its standard input and hands the compiled code
//! back on its standard output, which nobody else can write.

use std::ffi::OsString;
use std::io::{self, Read, Write};
use std::os::unix::process::ExitStatusExt as _;
use std::path::PathBuf;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::mpsc;
use std::time::Duration;

use rustix::process::{Resource, Rlimit, Signal, getrlimit, setrlimit};

use super::ScenarioError;
use super::cache::Artefact;
use crate::sandbox::engine::Recipe;

/// Of the child: seconds of CPU over all threads, bytes of memory, wall-clock time.
const CPU_SECONDS: u64 = 60;
const MEMORY: u64 = 2 << 30;
const TIME: Duration = Duration::from_secs(300);

/// First byte of an answer: compiled code follows, or what is wrong with the module.
const CODE: u8 = b'+';
const FAULT: u8 = b'-';

/// The file that this process runs, also after another release was put in its place.
pub const THIS_PROGRAM: &str = "/proc/self/exe";

/// How to start the child.
#[derive(Debug, Clone)]
pub(super) struct Apart {
    program: PathBuf,
    args: Vec<OsString>,
}

/// Limits this process for compiling what comes from a stranger: 60 s of CPU, 2 GiB of memory.
///
/// # Errors
/// If the system refuses.
pub fn limit_this_process() -> io::Result<()> {
    let limit = |resource, value: u64| {
        let most = getrlimit(resource).maximum.unwrap_or(u64::MAX).min(value);
        setrlimit(resource, Rlimit { current: Some(most), maximum: Some(most) })
    };
    let hard = getrlimit(Resource::Cpu).maximum.unwrap_or(u64::MAX);
    let (soft, hard) = (hard.min(CPU_SECONDS), hard.min(CPU_SECONDS + 1));
    // At the soft limit the system says which it is.
    setrlimit(Resource::Cpu, Rlimit { current: Some(soft), maximum: Some(hard) })?;
    // Not the address space: the sandbox reserves far more than it uses.
    limit(Resource::Data, MEMORY)?;
    limit(Resource::Core, 0)?;
    Ok(())
}

/// The child's half of compiling: call it with the last argument that the child was given.
///
/// # Errors
/// If the limits cannot be set, or the parent is gone.
pub fn compile_inside(recipe: &str) -> io::Result<()> {
    limit_this_process()?;
    answer(recipe, &mut io::stdin().lock(), &mut io::stdout().lock())
}

fn answer(recipe: &str, input: &mut dyn Read, output: &mut dyn Write) -> io::Result<()> {
    let recipe: Recipe = serde_json::from_str(recipe)?;
    let mut wasm = Vec::new();
    input.read_to_end(&mut wasm)?;
    let compiled = recipe.engine().and_then(|engine| Artefact::compile(&engine, &wasm));
    match &compiled {
        Ok(artefact) => {
            output.write_all(&[CODE])?;
            output.write_all(artefact.code())?;
        }
        Err(error) => write!(output, "{}{error:#}", char::from(FAULT))?,
    }
    output.flush()
}

impl Apart {
    pub(super) fn new(program: PathBuf, args: Vec<OsString>) -> Self {
        Self { program, args }
    }

    /// Compiles, in a child. Blocks.
    pub(super) fn compile(&self, recipe: Recipe, wasm: &[u8]) -> Result<Artefact, ScenarioError> {
        let fault = |error: io::Error| ScenarioError::Compiler(format!("cannot be used ({error})"));
        let recipe = serde_json::to_string(&recipe).map_err(|error| fault(error.into()))?;
        let mut child = Command::new(&self.program)
            .args(&self.args)
            .arg(recipe)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .map_err(fault)?;
        if let Some(mut stdin) = child.stdin.take() {
            // A child that has ended says why by its status.
            let _ = stdin.write_all(wasm);
        }
        let Some((answer, status)) = answer_of(&mut child, TIME).map_err(fault)? else {
            return Err(ScenarioError::Costly { cap: format!("{TIME:?}") });
        };
        match answer.split_first() {
            Some((&CODE, code)) if status.success() => Ok(Artefact::of_child(code)),
            Some((&FAULT, why)) if status.success() => {
                Err(ScenarioError::Compile(String::from_utf8_lossy(why).into_owned()))
            }
            _ => Err(of_status(status)),
        }
    }
}

/// Why a child did not answer.
fn of_status(status: ExitStatus) -> ScenarioError {
    let ended_by = |signal: Signal| status.signal() == Some(signal.as_raw());
    if ended_by(Signal::XCPU) {
        return ScenarioError::Costly { cap: format!("{CPU_SECONDS} s of CPU") };
    }
    // Whoever finds no memory aborts.
    if ended_by(Signal::ABORT) {
        return ScenarioError::Costly { cap: format!("{} GiB of memory", MEMORY >> 30) };
    }
    ScenarioError::Compiler(format!("ended early ({status})"))
}

/// What a child prints until it ends, and how it ends. None: it took too long and was killed.
///
/// # Errors
/// If the child cannot be read or waited for.
pub fn answer_of(child: &mut Child, time: Duration) -> io::Result<Option<(Vec<u8>, ExitStatus)>> {
    let mut stdout = child.stdout.take().ok_or_else(|| io::Error::other("no pipe"))?;
    let (sender, answered) = mpsc::channel();
    // The pipe ends with the child, and so does the thread.
    let reader = std::thread::spawn(move || {
        let mut bytes = Vec::new();
        let _ = sender.send(stdout.read_to_end(&mut bytes).map(|_| bytes));
    });
    let answer = answered.recv_timeout(time);
    if answer.is_err() {
        child.kill()?;
    }
    let status = child.wait()?;
    reader.join().map_err(|_| io::Error::other("the reader panicked"))?;
    answer.ok().map(|bytes| Ok((bytes?, status))).transpose()
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use loadhost_model::plan::Limits;

    use super::*;
    use crate::sandbox::engine::Reservation;

    fn recipe() -> Recipe {
        Recipe::of(&Limits::default(), Reservation::Full)
    }

    fn compiled_by(script: &str) -> String {
        let apart = Apart::new("/bin/sh".into(), vec!["-c".into(), script.into()]);
        apart.compile(recipe(), b"(component)").unwrap_err().to_string()
    }

    #[test]
    fn a_child_that_needs_too_much_is_told_by_the_limit_that_ended_it() {
        let cpu = compiled_by("ulimit -St 1; while :; do :; done");
        assert!(cpu.contains("more than 60 s of CPU"), "{cpu}");
        let memory = compiled_by("kill -ABRT $$");
        assert!(memory.contains("more than 2 GiB of memory"), "{memory}");
        let killed = compiled_by("kill -KILL $$");
        assert!(killed.contains("ended early (signal: 9"), "{killed}");
        assert!(compiled_by("printf x").contains("ended early"));
        // Half an answer is none.
        assert!(compiled_by("printf +code; exit 1").contains("ended early"));
    }

    #[test]
    fn what_a_child_compiles_is_what_this_process_would_compile() {
        let mut output = Vec::new();
        let recipe = recipe();
        let text = serde_json::to_string(&recipe).unwrap();
        let wasm = b"\0asm\x0d\0\x01\0";
        answer(&text, &mut &wasm[..], &mut output).unwrap();
        let engine = recipe.engine().unwrap();
        let (tag, code) = output.split_first().unwrap();
        assert_eq!(*tag, CODE);
        assert!(Artefact::of_child(code).load(&engine).is_ok());
    }

    #[test]
    fn what_is_wrong_with_a_module_comes_back_in_words() {
        let mut output = Vec::new();
        let text = serde_json::to_string(&recipe()).unwrap();
        answer(&text, &mut &b"no module"[..], &mut output).unwrap();
        assert_eq!(output[0], FAULT);
        assert!(output.len() > 10, "{}", String::from_utf8_lossy(&output));
    }
}
