//! Runs `setup` or `teardown`: once per run, on a thread and a shard of its own, so that a
//! guest that takes long holds nobody up.

use std::sync::Arc;
use std::thread;

use loadhost_model::id::WorkerId;
use loadhost_model::plan::RunPlan;
use loadhost_model::wire::LogLine;
use tokio::runtime::{Builder, LocalOptions};
use tokio::sync::{mpsc, oneshot};
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use crate::agent::workshop::{RunFactory, Stage};
use crate::load::alarm::Alarm;
use crate::load::clock::RunClock;
use crate::load::gate::Gate;
use crate::load::log::LogSink;
use crate::load::vu::{CallOutcome, ShardContext, UserIdentity};
use crate::recorder::{Names, Recorder};
use crate::shared::Commons;

/// Which of the two.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Hook {
    /// Answers with the data for all users.
    Setup,
    /// Takes that data.
    Teardown(Arc<str>),
}

/// What a hook needs.
pub(super) struct Once<S> {
    pub(super) stage: S,
    pub(super) hook: Hook,
    pub(super) plan: Arc<RunPlan>,
    pub(super) worker: WorkerId,
    pub(super) place: (u32, u32),
    pub(super) logs: mpsc::Sender<LogLine>,
    pub(super) shared: Arc<Commons>,
    /// Makes the guest's host calls fail, so that it ends.
    pub(super) interrupt: CancellationToken,
}

impl<S: Stage> Once<S> {
    /// What `setup` returned, or nothing; or why it failed. Its requests are not part of the
    /// run's statistics.
    pub(super) async fn run(self) -> Result<Arc<str>, String> {
        let (answer, answered) = oneshot::channel();
        let name = match self.hook {
            Hook::Setup => "setup",
            Hook::Teardown(_) => "teardown",
        };
        let spawned = thread::Builder::new().name(name.to_string()).spawn(move || {
            let _in_run =
                tracing::error_span!("run", run = %self.plan.run, worker = %self.worker).entered();
            let runtime =
                Builder::new_current_thread().enable_all().build_local(LocalOptions::default());
            let result = match runtime {
                Ok(runtime) => runtime.block_on(self.call()),
                Err(error) => Err(format!("cannot make a runtime: {error}")),
            };
            answer.send(result).ok();
        });
        let thread = spawned
            .map_err(|error| format!("cannot start a thread: {error}; raise `ulimit -u`"))?;
        let result = answered.await;
        thread.join().ok(); // its last act was to answer, or to panic
        result.unwrap_or_else(|_| Err("it ended by a fault of loadhost; see the log".to_string()))
    }

    async fn call(self) -> Result<Arc<str>, String> {
        let clock = RunClock::starting_at(Instant::now());
        let recorder = Arc::new(Recorder::new(clock, Arc::new(Names::new(&self.plan.limits))));
        let alarm = Alarm::new();
        let setup_data = match &self.hook {
            Hook::Setup => "".into(),
            Hook::Teardown(data) => Arc::clone(data),
        };
        let run = self.plan.run.clone();
        let context = ShardContext {
            shard: 0,
            worker: self.place,
            clock,
            setup_data,
            gate: Arc::new(Gate::new(alarm, clock, Arc::clone(&recorder))),
            logs: LogSink::new(run, self.worker, clock, Arc::clone(&recorder), self.logs),
            shared: self.shared,
            recorder,
        };
        let factory = self.stage.factory(context).map_err(|error| error.to_string())?;
        let identity = UserIdentity {
            number: 0,
            user_type: 0,
            seed: self.plan.seed >> 11,
            interrupt: self.interrupt,
        };
        let outcome = match self.hook {
            Hook::Setup => match factory.setup(identity).await {
                Ok(data) => return Ok(data),
                Err(outcome) => outcome,
            },
            Hook::Teardown(_) => factory.teardown(identity).await,
        };
        match outcome {
            CallOutcome::Done | CallOutcome::Finished => Ok("".into()),
            CallOutcome::Failed(message)
            | CallOutcome::StopUser(message)
            | CallOutcome::AbortRun(message) => Err(message.to_string()),
            CallOutcome::Crashed(crash) => {
                Err(format!("{} ({})\n{}", crash.message, crash.code, crash.detail)
                    .trim_end()
                    .to_string())
            }
            CallOutcome::Cancelled => {
                Err("it was interrupted because the run was stopped".to_string())
            }
        }
    }
}
