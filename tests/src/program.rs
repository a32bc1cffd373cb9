//! The `loadhost` program as a user runs it.

use std::ffi::OsStr;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use anyhow::{Context, Result, bail};
use serde_json::Value;
use tempfile::TempDir;

use crate::Process;

/// One invocation of `loadhost`, in a folder of its own and with an empty configuration.
pub struct Program {
    command: Command,
    folder: TempDir,
}

/// How an invocation ended.
#[derive(Debug)]
pub struct Outcome {
    /// Exit code; None: ended by a signal.
    pub code: Option<i32>,
    /// All of it.
    pub stdout: String,
    /// All of it.
    pub stderr: String,
    folder: TempDir,
}

/// The root of the checkout that the tests run in. Not of the one that they were compiled in: checkouts
/// share what is compiled.
pub fn workspace_root() -> PathBuf {
    let tests = std::env::var_os("CARGO_MANIFEST_DIR").map(PathBuf::from);
    let tests = tests.or_else(|| std::env::current_dir().ok()).unwrap_or_default();
    tests.parent().map(Path::to_path_buf).unwrap_or_default()
}

/// Where cargo puts compiled files: found from the running test.
pub(crate) fn target_folder() -> Result<PathBuf> {
    let test = std::env::current_exe()?;
    let folder = test.ancestors().nth(3).context("the test stands in no target folder")?;
    Ok(folder.to_path_buf())
}

fn binary() -> Result<PathBuf> {
    let file = match std::env::var_os("LOADHOST_BIN") {
        Some(file) => PathBuf::from(file),
        None => target_folder()?.join("debug/loadhost"),
    };
    if !file.exists() {
        bail!("{} is missing: run `make build`", file.display());
    }
    Ok(file)
}

impl Program {
    /// Where it lies.
    ///
    /// # Errors
    /// If it was not built.
    pub fn path() -> Result<PathBuf> {
        binary()
    }

    /// `loadhost ARGS…`
    pub fn new<A: AsRef<OsStr>>(args: impl IntoIterator<Item = A>) -> Result<Program> {
        Self::of(&binary()?, args)
    }

    /// The same with a program that lies elsewhere.
    ///
    /// # Errors
    /// If there is no folder for it.
    pub fn of<A: AsRef<OsStr>>(
        binary: &Path,
        args: impl IntoIterator<Item = A>,
    ) -> Result<Program> {
        let folder = tempfile::tempdir()?;
        let mut command = Command::new(binary);
        for (name, _) in std::env::vars().filter(|(name, _)| name.starts_with("LOADHOST_")) {
            command.env_remove(name);
        }
        command.args(args).current_dir(folder.path()).env("NO_COLOR", "1");
        // What a master keeps is of this program alone.
        command.env("XDG_STATE_HOME", folder.path().join("state"));
        Ok(Program { command, folder })
    }

    /// The same behind the words of another command, such as `ip netns exec NAME`; none of them: as it is.
    pub(crate) fn behind(self, words: &[String]) -> Program {
        let [first, others @ ..] = words else { return self };
        let mut command = Command::new(first);
        command.args(others).arg(self.command.get_program()).args(self.command.get_args());
        command.current_dir(self.folder.path());
        for (name, value) in self.command.get_envs() {
            match value {
                Some(value) => command.env(name, value),
                None => command.env_remove(name),
            };
        }
        Program { command, folder: self.folder }
    }

    /// More arguments.
    pub fn args<A: AsRef<OsStr>>(mut self, args: impl IntoIterator<Item = A>) -> Program {
        self.command.args(args);
        self
    }

    /// With this environment variable.
    pub fn env(mut self, name: &str, value: &str) -> Program {
        self.command.env(name, value);
        self
    }

    /// With this file in the folder it runs in.
    pub fn file(self, name: &str, content: impl AsRef<[u8]>) -> Result<Program> {
        std::fs::write(self.folder.path().join(name), content)?;
        Ok(self)
    }

    /// Starts it and hands out the process and the folder it runs in.
    pub fn spawn(mut self) -> Result<(Process, TempDir)> {
        Ok((Process::spawn("loadhost", &mut self.command)?, self.folder))
    }

    /// As a line for a shell, and the folder to run it in.
    pub(crate) fn on_a_terminal(self) -> (String, TempDir) {
        let words = std::iter::once(self.command.get_program()).chain(self.command.get_args());
        let quoted = words.map(|word| format!("'{}'", word.to_string_lossy()));
        (quoted.collect::<Vec<_>>().join(" "), self.folder)
    }

    /// Runs it to its end, at most two minutes.
    pub fn run(self) -> Result<Outcome> {
        let (process, folder) = self.spawn()?;
        Outcome::of(process, folder, Duration::from_secs(120))
    }
}

impl Outcome {
    /// Waits for the end of `process`.
    pub fn of(mut process: Process, folder: TempDir, limit: Duration) -> Result<Outcome> {
        let status = process.wait(limit)?;
        Ok(Outcome {
            code: status.code(),
            stdout: process.stdout(),
            stderr: process.stderr(),
            folder,
        })
    }

    /// A file that it wrote.
    pub fn read(&self, name: &str) -> Result<String> {
        let file = self.folder.path().join(name);
        std::fs::read_to_string(&file).with_context(|| {
            format!("reading {name}; the program said:\n{}\n{}", self.stdout, self.stderr)
        })
    }

    /// A JSON file that it wrote.
    pub fn json(&self, name: &str) -> Result<Value> {
        Ok(serde_json::from_str(&self.read(name)?)?)
    }

    /// Itself, if it ended with `code`.
    pub fn expect_code(self, code: i32) -> Result<Outcome> {
        if self.code != Some(code) {
            bail!("ended with {:?}, not {code}:\n{}\n{}", self.code, self.stdout, self.stderr);
        }
        Ok(self)
    }

    /// Itself, if its stderr has each of these texts.
    pub fn expect_said(self, texts: &[&str]) -> Result<Outcome> {
        for text in texts {
            if !self.stderr.contains(text) {
                bail!("did not say `{text}`:\n{}", self.stderr);
            }
        }
        Ok(self)
    }
}
