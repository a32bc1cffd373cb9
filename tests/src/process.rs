//! A child process whose output is kept and that ends with its value.

use std::io::{Read, Write};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, anyhow, bail};
use rustix::process::{Pid, Signal};

/// A running program; killed when dropped.
pub struct Process {
    name: String,
    child: Child,
    output: [Arc<Mutex<Vec<u8>>>; 2],
    readers: Vec<JoinHandle<()>>,
}

impl Process {
    /// Starts `command` and keeps what it prints.
    pub fn spawn(name: impl Into<String>, command: &mut Command) -> Result<Process> {
        Self::with_stdin(name, command, Stdio::null())
    }

    /// The same with something to read from; see [`Process::write`].
    pub(crate) fn with_stdin(
        name: impl Into<String>,
        command: &mut Command,
        stdin: Stdio,
    ) -> Result<Process> {
        let name = name.into();
        let mut child = command
            .stdin(stdin)
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .with_context(|| format!("starting {name}"))?;
        let output = [Arc::default(), Arc::default()];
        let stdout = child.stdout.take().context("no stdout")?;
        let stderr = child.stderr.take().context("no stderr")?;
        let readers = vec![keep(stdout, &output[0]), keep(stderr, &output[1])];
        Ok(Process { name, child, output, readers })
    }

    /// Gives it something to read, if it was started with a pipe for that.
    pub(crate) fn write(&mut self, bytes: &[u8]) -> Result<()> {
        let stdin = self.child.stdin.as_mut().context("stdin is no pipe")?;
        stdin.write_all(bytes).and_then(|()| stdin.flush()).context("writing to stdin")
    }

    /// What it printed to stdout so far.
    pub fn stdout(&self) -> String {
        text(&self.output[0])
    }

    /// What it printed to stderr so far.
    pub fn stderr(&self) -> String {
        text(&self.output[1])
    }

    /// Its process id.
    pub fn pid(&self) -> u32 {
        self.child.id()
    }

    /// Waits until a line of its output has `needle` and returns what follows it up to
    /// the next white space.
    pub fn word_after(&mut self, needle: &str, limit: Duration) -> Result<String> {
        self.wait_until(limit, |output| {
            let at = output.find(needle)? + needle.len();
            let rest = &output[at..];
            let end = rest.find(char::is_whitespace)?;
            Some(rest[..end].to_string())
        })
        .with_context(|| format!("waiting for `{needle}`"))
    }

    /// Waits until `find` gives something for all that was printed.
    pub fn wait_until<T>(
        &mut self,
        limit: Duration,
        find: impl Fn(&str) -> Option<T>,
    ) -> Result<T> {
        let deadline = Instant::now() + limit;
        loop {
            let printed = format!("{}\n{}", self.stdout(), self.stderr());
            if let Some(found) = find(&printed) {
                return Ok(found);
            }
            if let Some(status) = self.child.try_wait()? {
                bail!("{} ended early with {status}:\n{printed}", self.name);
            }
            if Instant::now() >= deadline {
                bail!("{} did not say so within {limit:?}:\n{printed}", self.name);
            }
            std::thread::sleep(Duration::from_millis(10));
        }
    }

    /// Sends a signal.
    pub fn signal(&self, signal: Signal) -> Result<()> {
        let pid = i32::try_from(self.child.id()).ok().and_then(Pid::from_raw);
        rustix::process::kill_process(pid.context("no process id")?, signal)
            .with_context(|| format!("signalling {}", self.name))
    }

    /// Waits until it does something of its own with this signal, instead of being ended by it.
    pub fn wait_until_it_catches(&mut self, signal: Signal, limit: Duration) -> Result<()> {
        let status = format!("/proc/{}/status", self.child.id());
        let caught = |text: &str| {
            let mask = text.lines().find_map(|line| line.strip_prefix("SigCgt:"))?;
            let mask = u64::from_str_radix(mask.trim(), 16).ok()?;
            (mask >> (signal.as_raw() - 1) & 1 == 1).then_some(())
        };
        self.wait_until(limit, |_| caught(&std::fs::read_to_string(&status).ok()?))
            .with_context(|| format!("waiting for a handler of {signal:?}"))
    }

    /// Waits for the end, at most `limit`; its output is complete afterwards.
    pub fn wait(&mut self, limit: Duration) -> Result<ExitStatus> {
        let deadline = Instant::now() + limit;
        loop {
            if let Some(status) = self.child.try_wait()? {
                for reader in self.readers.drain(..) {
                    reader.join().map_err(|_| anyhow!("reading {} failed", self.name))?;
                }
                return Ok(status);
            }
            if Instant::now() >= deadline {
                bail!(
                    "{} still runs after {limit:?}:\n{}\n{}",
                    self.name,
                    self.stdout(),
                    self.stderr()
                );
            }
            std::thread::sleep(Duration::from_millis(10));
        }
    }

    /// Ends it without asking.
    pub fn kill(&mut self) -> Result<()> {
        self.child.kill()?;
        self.child.wait()?;
        Ok(())
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn keep(mut stream: impl Read + Send + 'static, into: &Arc<Mutex<Vec<u8>>>) -> JoinHandle<()> {
    let into = into.clone();
    std::thread::spawn(move || {
        let mut chunk = [0; 4096];
        while let Ok(read @ 1..) = stream.read(&mut chunk) {
            into.lock().unwrap_or_else(PoisonError::into_inner).extend(&chunk[..read]);
        }
    })
}

fn text(kept: &Mutex<Vec<u8>>) -> String {
    String::from_utf8_lossy(&kept.lock().unwrap_or_else(PoisonError::into_inner)).into_owned()
}
