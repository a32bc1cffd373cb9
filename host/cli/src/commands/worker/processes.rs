//! `loadhost worker --processes`: one worker process per core or so, under a parent that passes
//! signals on and waits.
//!
//! Several processes have room for more users than one (memory maps and open files are
//! counted by process), and a crash takes only a part of them. Each is a worker of its own, `ID-1`
//! to `ID-N`. A process that ends is not started again: its load goes where the master gives it.

use std::convert::Infallible;
use std::io::Read;
use std::process::{ExitStatus, Stdio};

use loadhost_model::id::WorkerId;
use rustix::process::{Pid, Signal, kill_process};
use tokio::process::{Child, Command};
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

use super::super::run::cores;
use super::super::runtime;
use super::faces::PORTS;
use crate::config::{Effective, Origin, refuse};
use crate::exit_code::ExitCode;
use crate::failure::{Failure, Outcome};
use crate::signals::Stop;

/// How the parent tells a process which one it is: `INDEX/COUNT/ID`.
const PART: &str = "_LOADHOST_WORKER_PART";

/// Processes at most: names and ports of more of them are more than one machine should need.
const MOST: u32 = 1024;

/// One of several processes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Part {
    index: u32,
    pub(super) count: u32,
    /// Of all of them together.
    id: WorkerId,
}

impl Part {
    /// What the parent said. None: this is no child of one.
    pub(super) fn given() -> Option<Part> {
        Self::read(&std::env::var(PART).ok()?)
    }

    fn read(text: &str) -> Option<Part> {
        let (index, rest) = text.split_once('/')?;
        let (count, id) = rest.split_once('/')?;
        Some(Self { index: index.parse().ok()?, count: count.parse().ok()?, id: id.parse().ok()? })
    }

    fn text(&self) -> String {
        format!("{}/{}/{}", self.index, self.count, self.id)
    }

    /// Which it is, from 1 on.
    pub(super) fn number(&self) -> u32 {
        self.index + 1
    }

    /// Its own name.
    fn name(&self) -> String {
        format!("{}-{}", self.id, self.number())
    }

    /// The settings of the whole, made those of this process: a name and a port of its own, and its
    /// part of the cores.
    pub(super) fn of(&self, settings: Effective) -> Result<Effective, Failure> {
        let origin = || Origin::Flag("--processes".to_string());
        let shards = (cores() / self.count).max(1).to_string();
        let has_shards = settings.item("shards").is_some();
        let mut settings = settings.with("worker.id", self.name(), origin());
        if !has_shards {
            settings = settings.with("shards", shards, origin());
        }
        for key in PORTS {
            let Some(mut address) = settings.address(key)?.filter(|address| address.port() != 0)
            else {
                continue;
            };
            let port = u32::from(address.port()) + self.index;
            address.set_port(u16::try_from(port).unwrap_or(0));
            // A default stays one, so that it is done without where it is taken.
            let origin = settings.item(key).map_or_else(origin, |item| item.origin.clone());
            settings = settings.with(key, address.to_string(), origin);
        }
        Ok(settings)
    }
}

/// How many processes are wanted.
pub(super) fn wanted(settings: &Effective) -> Result<u32, Failure> {
    let key = "worker.processes";
    let Some(item) = settings.item(key) else { return Ok(1) };
    let count = match item.text.as_str() {
        "auto" => Some(cores()),
        number => number.parse().ok().filter(|count| (1..=MOST).contains(count)),
    };
    count.ok_or_else(|| {
        refuse(key, item, &format!("it is a number from 1 to {MOST}, or `auto` for one per core"))
    })
}

/// Cancels `stop` once the parent is gone, however it ended: nobody passes signals on any more.
///
/// It is a thread that waits, since a read of stdin cannot be given up; it ends with the process.
pub(super) fn stop_with_parent(stop: CancellationToken) -> Result<(), Failure> {
    let wait = move || {
        let mut nothing = [0; 16];
        // The parent writes nothing, so whatever comes is the end.
        while matches!(std::io::stdin().read(&mut nothing), Ok(1..)) {}
        stop.cancel();
    };
    let spawned = std::thread::Builder::new().name("parent".to_string()).spawn(wait);
    spawned.map(drop).map_err(|error| {
        Failure::new(ExitCode::Unexpected, "a thread cannot be started")
            .because(&error)
            .hint("raise `ulimit -u`")
    })
}

/// Runs `count` workers with the arguments of this process until all of them have ended.
///
/// The exit code is that of the first that failed.
pub(super) fn supervise(id: &WorkerId, count: u32) -> Outcome {
    runtime(Some(1))?.block_on(async {
        let stop = Stop::listen()?;
        let mut children = JoinSet::new();
        for index in 0..count {
            let part = Part { index, count, id: id.clone() };
            let child = start(&part)?;
            children.spawn(ended(part.name(), child, [stop.first.clone(), stop.second.clone()]));
        }
        say!("worker {id}: {count} processes, {id}-1 to {id}-{count}");
        let mut code = ExitCode::Ok;
        while let Some(ended) = children.join_next().await {
            match ended.unwrap_or(Some(ExitCode::Unexpected)) {
                Some(failed) if code == ExitCode::Ok => code = failed,
                _ => {}
            }
        }
        Ok(code)
    })
}

/// Starts one. A group of its own keeps a terminal's Ctrl-C from it, which the parent passes on; an open
/// stdin tells it that the parent is there.
fn start(part: &Part) -> Result<Child, Failure> {
    let failed = |error: std::io::Error| {
        Failure::new(ExitCode::Unexpected, format!("worker {} cannot be started", part.name()))
            .because(&error)
            .hint("lower `--processes`, or raise `ulimit -u`")
    };
    let program = std::env::current_exe().map_err(failed)?;
    let mut command = Command::new(program);
    command.args(std::env::args_os().skip(1)).env(PART, part.text());
    command.stdin(Stdio::piped()).process_group(0).kill_on_drop(true);
    command.spawn().map_err(failed)
}

/// Waits for the end of one, and says what was wrong with it. Its stdin stays open until then.
async fn ended(name: String, mut child: Child, asked: [CancellationToken; 2]) -> Option<ExitCode> {
    let stdin = child.stdin.take();
    let pid = child.id().and_then(|id| Pid::from_raw(i32::try_from(id).ok()?));
    let status = tokio::select! {
        status = child.wait() => status,
        never = pass_on(pid, asked) => match never {},
    };
    drop(stdin);
    let failed = status.map_or(Some(ExitCode::Unexpected), failure_of);
    if let Some(code) = failed {
        say!("worker {name} failed ({}); the others go on", code.meaning());
    }
    failed
}

/// Tells a process to stop as often as this one is told. It has not been waited for yet, so the
/// number is still its own.
async fn pass_on(pid: Option<Pid>, asked: [CancellationToken; 2]) -> Infallible {
    for token in &asked {
        token.cancelled().await;
        if let Some(pid) = pid {
            kill_process(pid, Signal::TERM).ok();
        }
    }
    std::future::pending().await
}

fn failure_of(status: ExitStatus) -> Option<ExitCode> {
    match status.code() {
        Some(0) => None,
        Some(number) => {
            let known = ExitCode::ALL.iter().find(|code| i32::from(code.number()) == number);
            Some(known.copied().unwrap_or(ExitCode::Unexpected))
        }
        None => Some(ExitCode::WorkerFailed),
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use crate::config::tests::flags;

    fn settings(items: &[(&str, &str)]) -> Effective {
        Effective::of([flags(items)])
    }

    #[test]
    fn each_process_has_a_name_and_a_port_of_its_own() {
        let part = Part { index: 2, count: 4, id: WorkerId::new("a/b".replace('/', "-")).unwrap() };
        assert_eq!(Part::read(&part.text()), Some(part.clone()));
        let own = part.of(settings(&[("worker.id", "a-b"), ("shards", "3")])).unwrap();
        assert_eq!(own.text("worker.id").unwrap(), "a-b-3");
        assert_eq!(own.text("worker.health-listen").unwrap(), "127.0.0.1:8082");
        assert_eq!(own.text("worker.metrics-listen").unwrap(), "127.0.0.1:9092");
        assert_eq!(own.item("worker.metrics-listen").unwrap().origin, Origin::Default);
        assert_eq!(own.text("worker.listen"), None);
        assert_eq!(own.text("shards").unwrap(), "3");
        let own = part.of(settings(&[("worker.listen", "127.0.0.1:0")])).unwrap();
        assert_eq!(own.text("worker.listen").unwrap(), "127.0.0.1:0");
        assert_eq!(own.text("shards").unwrap(), (cores() / 4).max(1).to_string());
    }

    #[test]
    fn as_many_processes_as_were_asked_for() {
        let wanted = |text| wanted(&settings(&[("worker.processes", text)]));
        assert_eq!(wanted("3").unwrap(), 3);
        assert_eq!(wanted("auto").unwrap(), cores());
        for wrong in ["0", "-1", "many", "5000"] {
            let error = wanted(wrong).unwrap_err().to_string();
            assert!(error.contains("`auto` for one per core"), "{error}");
        }
    }
}
