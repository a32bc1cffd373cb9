//! `loadhost trace`: one user of each type, each task once, every request printed.

mod text;

use std::sync::Arc;

use loadhost_engine::agent::workshop::{Stage, Workshop};
use loadhost_engine::load::alarm::Alarm;
use loadhost_engine::load::clock::RunClock;
use loadhost_engine::load::gate::Gate;
use loadhost_engine::load::log::{LogSink, QUEUED_LINES};
use loadhost_engine::load::vu::{CallOutcome, Due, ShardContext, UserIdentity, Vu};
use loadhost_engine::recorder::{Names, Recorder};
use loadhost_engine::sandbox::{WasmStage, WasmVuFactory};
use loadhost_engine::shared::Commons;
use loadhost_model::description::UserType;
use loadhost_model::id::WorkerId;
use loadhost_model::plan::{RunPlan, UserShare};
use loadhost_model::wire::LogLine;
use tokio::sync::mpsc;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use super::run::{Prepared, prepare, workshop};
use super::runtime;
use crate::args::RunArgs;
use crate::exit_code::ExitCode;
use crate::failure::{Failure, Outcome};
use crate::signals::Stop;

/// Runs them and prints what they do.
pub(crate) fn trace<const COMMAND: u8>(args: RunArgs<COMMAND>) -> Outcome {
    let prepared = prepare(args)?;
    runtime(Some(1))?.block_on(all(prepared))
}

async fn all(prepared: Prepared) -> Outcome {
    let plan = Arc::new(prepared.plan);
    let workshop = workshop(&prepared.scenario, &prepared.settings)?;
    let workshop = workshop.with_data(Arc::new(prepared.data));
    let stage = workshop.prepare(plan.clone(), 2).await.map_err(|error| {
        Failure::new(ExitCode::FaultyScenario, "the scenario cannot be made ready").because(&error)
    })?;
    let stop = Stop::listen()?;
    let tracer = Tracer::new(stage, plan, stop.first.clone());
    let outcome = tokio::select! {
        outcome = tracer.run() => outcome,
        () = stop.second.cancelled() => Ok(ExitCode::Interrupted),
    };
    if stop.first.is_cancelled() { Ok(ExitCode::Interrupted) } else { outcome }
}

struct Tracer {
    stage: WasmStage,
    plan: Arc<RunPlan>,
    interrupt: CancellationToken,
    clock: RunClock,
    recorder: Arc<Recorder>,
    lines: mpsc::Receiver<LogLine>,
    to_lines: mpsc::Sender<LogLine>,
    shared: Arc<Commons>,
    failed: u32,
}

impl Tracer {
    fn new(stage: WasmStage, plan: Arc<RunPlan>, interrupt: CancellationToken) -> Self {
        let clock = RunClock::starting_at(Instant::now());
        let recorder = Arc::new(Recorder::new(clock, Arc::new(Names::new(&plan.limits))));
        let (to_lines, lines) = mpsc::channel(QUEUED_LINES);
        let shared = Commons::alone(&plan);
        Self { stage, plan, interrupt, clock, recorder, lines, to_lines, shared, failed: 0 }
    }

    async fn run(mut self) -> Outcome {
        let factory = self.factory("".into())?;
        println!("setup");
        let data = match factory.setup(self.identity(0)).await {
            Ok(data) => data,
            Err(outcome) => {
                self.said(&outcome);
                return Ok(ExitCode::TraceFailed);
            }
        };
        self.said(&CallOutcome::Done);
        let factory = self.factory(data)?;
        let description = self.stage.description();
        for (index, user_type) in description.user_types.iter().enumerate() {
            if self.takes_part(user_type) {
                self.user(&factory, index as u32, user_type).await;
            }
        }
        println!("teardown");
        let outcome = factory.teardown(self.identity(0)).await;
        self.said(&outcome);
        Ok(if self.failed == 0 { ExitCode::Ok } else { ExitCode::TraceFailed })
    }

    /// `--user-type NAME=0` leaves one out.
    fn takes_part(&self, user_type: &UserType) -> bool {
        let share = self.plan.user_types.get(&user_type.name);
        !matches!(share, Some(UserShare::Weight(0) | UserShare::Count(0)))
    }

    async fn user(&mut self, factory: &WasmVuFactory, index: u32, user_type: &UserType) {
        println!("{}.on_start", user_type.name);
        let secrets = self.secrets();
        let sink = Box::new(move |request| {
            println!("{}", text::redacted(text::request(&request), &secrets))
        });
        let mut user = match factory.make_traced(self.identity(index), sink).await {
            Ok(user) => user,
            Err(error) => {
                self.failed += 1;
                println!("  ✗ {error}{}", text::detail(&error.detail));
                return;
            }
        };
        let outcome = user.start().await;
        self.said(&outcome);
        let (mut carries_on, mut usable) = (carries_on(&outcome), is_usable(&outcome));
        for (task, about) in user_type.tasks.iter().enumerate() {
            let task = task as u32;
            let wanted = self.plan.tasks.admits(user_type, task)
                && (about.weight > 0 || self.plan.tasks.names.contains(&about.name));
            if wanted && carries_on {
                println!("{}.{}", user_type.name, about.name);
                let outcome = user.run_task(task, Due::now()).await;
                self.said(&outcome);
                (carries_on, usable) = (self::carries_on(&outcome), is_usable(&outcome));
            }
        }
        if usable {
            println!("{}.on_stop", user_type.name);
            let outcome = user.stop().await;
            self.said(&outcome);
        }
    }

    /// Logs, checks and metrics since the last call, and how it ended.
    fn said(&mut self, outcome: &CallOutcome) {
        while let Ok(line) = self.lines.try_recv() {
            println!(
                "  {}: {}",
                line.level,
                text::redacted(line.message.to_string(), &self.secrets())
            );
        }
        print!("{}", text::measured(&self.recorder.drain()));
        if let Some(line) = text::outcome(outcome) {
            self.failed += 1;
            println!("  ✗ {line}");
        }
    }

    /// Values of secret parameters. Very short ones would hide too much else.
    fn secrets(&self) -> Vec<String> {
        let values = self.plan.secret_params.iter().filter_map(|name| self.plan.params.get(name));
        values.filter(|value| value.len() >= 4).cloned().collect()
    }

    fn factory(&self, setup_data: Arc<str>) -> Result<WasmVuFactory, Failure> {
        let nobody = |error: &(dyn std::error::Error + 'static)| {
            Failure::new(ExitCode::Unexpected, "no user can be made").because(error)
        };
        let worker = WorkerId::new("trace").map_err(|error| nobody(&error))?;
        let (clock, recorder) = (self.clock, self.recorder.clone());
        let logs = LogSink::new(
            self.plan.run.clone(),
            worker,
            clock,
            recorder.clone(),
            self.to_lines.clone(),
        );
        let gate = Arc::new(Gate::new(Alarm::coarse(), clock, recorder.clone()));
        let (worker, shared) = ((0, 1), self.shared.clone());
        let context =
            ShardContext { shard: 0, worker, clock, setup_data, recorder, gate, logs, shared };
        self.stage.factory(context).map_err(|error| nobody(&error))
    }

    fn identity(&self, user_type: u32) -> UserIdentity {
        UserIdentity {
            number: user_type.into(),
            user_type,
            seed: (self.plan.seed ^ u64::from(user_type)) & ((1 << 53) - 1),
            interrupt: self.interrupt.clone(),
        }
    }
}

/// Who is done, or ends the run, runs no more tasks.
fn carries_on(outcome: &CallOutcome) -> bool {
    matches!(outcome, CallOutcome::Done | CallOutcome::Failed(_))
}

/// After a crash nothing can be called, and who ends the run is not asked again; who is done
/// still stops.
fn is_usable(outcome: &CallOutcome) -> bool {
    carries_on(outcome) || matches!(outcome, CallOutcome::StopUser(_) | CallOutcome::Finished)
}
