//! What others do with a coordinator, wherever it is.
//!
//! A [`Handle`] and a [`Desk`] are the two ends. A coordinator has a desk of its own; a master of
//! a fleet has one too, and passes on what it is asked to the coordinator that leads.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use loadhost_model::description::Description;
use loadhost_model::id::{Digest, RunId, WorkerId};
use loadhost_model::plan::RunPlan;
use loadhost_model::profile::{Change, Load};
use loadhost_model::wire::{LogLine, StopMode};
use tokio::sync::{broadcast, mpsc, oneshot, watch};

use super::Answer;
use crate::distribution::RunTimes;
use crate::error::{ControlError, StartError};
use crate::machine::NewRun;
use crate::ports::LoadShape;
use crate::report::RunReport;
use crate::view::{FleetView, Point};

/// A run to be started.
pub struct StartRequest {
    /// What is to be done; its id must be new.
    pub plan: RunPlan,
    /// What the scenario says of itself.
    pub description: Arc<Description>,
    /// The run begins as soon as so many workers can take part, with all that can. 0 counts as 1.
    pub expect_workers: u32,
    /// How long to wait for them.
    pub max_wait: Duration,
    /// The scenario's own load shape, if the profile has a phase for it.
    pub shape: Option<Box<dyn LoadShape>>,
}

impl StartRequest {
    pub(super) fn into_parts(self) -> (NewRun, Option<Box<dyn LoadShape>>) {
        let phases = &self.plan.profile.phases;
        let shaped = phases.iter().any(|phase| matches!(phase.load, Load::Shaped { .. }));
        let new = NewRun {
            plan: Arc::new(self.plan),
            description: self.description,
            expect_workers: self.expect_workers,
            max_wait: self.max_wait,
            shaped,
        };
        (new, self.shape)
    }
}

/// What handles ask for. Dropping an answer says that whoever could give it is gone.
pub enum Command {
    /// See [`Handle::start`].
    Start(Box<StartRequest>, Answer<Result<(), StartError>>),
    /// See [`Handle::change_phase`]; without a phase, the only one that can be changed so.
    Change(RunId, Option<String>, Change, Answer<Result<(), ControlError>>),
    /// See [`Handle::change_scenario`].
    ChangeScenario(RunId, Digest, Arc<Description>, Answer<Result<(), ControlError>>),
    /// See [`Handle::stop`].
    Stop(RunId, StopMode, Answer<Result<(), ControlError>>),
    /// See [`Handle::reset`].
    Reset(RunId, Answer<Result<(), ControlError>>),
    /// See [`Handle::drain`]; false: [`Handle::undrain`].
    Drain(WorkerId, bool, Answer<Result<(), ControlError>>),
    /// See [`Handle::finished`]; dropping this answer says that there is no such run.
    Finished(RunId, Answer<Arc<RunReport>>),
    /// See [`Handle::times`].
    Times(BTreeSet<RunId>, Answer<Vec<RunTimes>>),
    /// See [`Handle::timeline`].
    Timeline(RunId, Answer<Result<Vec<Point>, ControlError>>),
}

/// Where what handles ask for comes in, and what they see goes out.
pub struct Desk {
    /// At most 64 wait.
    pub commands: mpsc::Receiver<Command>,
    /// For [`Handle::view`].
    pub views: watch::Sender<Arc<FleetView>>,
    /// For [`Handle::logs`].
    pub logs: broadcast::Sender<Arc<LogLine>>,
}

/// Requests of handles that may wait.
pub(super) const COMMANDS: usize = 64;
/// Log lines that a slow watcher may be behind; older ones are skipped for it.
const LOG_LINES: usize = 1_024;

/// A desk's other end. Clones speak to the same one.
#[derive(Debug, Clone)]
pub struct Handle {
    commands: mpsc::Sender<Command>,
    view: watch::Receiver<Arc<FleetView>>,
    logs: broadcast::Sender<Arc<LogLine>>,
}

impl Handle {
    /// Both ends.
    pub fn pair() -> (Handle, Desk) {
        let (commands, inbox) = mpsc::channel(COMMANDS);
        let (views, view) = watch::channel(Arc::default());
        let (logs, _) = broadcast::channel(LOG_LINES);
        let handle = Handle { commands, view, logs: logs.clone() };
        (handle, Desk { commands: inbox, views, logs })
    }

    /// Starts a run. Returns once the expected workers are there and have been given their
    /// shares; what goes wrong later is told by [`Self::finished`].
    pub async fn start(&self, request: StartRequest) -> Result<RunId, StartError> {
        let id = request.plan.run.clone();
        let (answer, answered) = oneshot::channel();
        let command = Command::Start(Box::new(request), answer);
        self.commands.send(command).await.map_err(|_| StartError::Closed)?;
        answered.await.map_err(|_| StartError::Closed)?.map(|()| id)
    }

    /// Changes the load of a running run, in the only phase that can be changed so.
    pub async fn change(&self, run: &RunId, change: Change) -> Result<(), ControlError> {
        self.ask(|answer| Command::Change(run.clone(), None, change, answer)).await
    }

    /// Changes the load of one phase of a running run.
    pub async fn change_phase(
        &self,
        run: &RunId,
        phase: &str,
        change: Change,
    ) -> Result<(), ControlError> {
        self.ask(|answer| Command::Change(run.clone(), Some(phase.to_string()), change, answer))
            .await
    }

    /// Lets the users of a running run go over to another version of its scenario: `module`, which workers can fetch, and
    /// which says `description` of itself. Returns once that is decided. Workers make it ready first, while users go on as
    /// before; [`RunView::versions`](crate::view::RunView::versions) shows how that goes, and why not, if a worker cannot.
    ///
    /// # Errors
    /// If users of the run cannot be users of that version, or another one is on its way.
    pub async fn change_scenario(
        &self,
        run: &RunId,
        module: Digest,
        description: Arc<Description>,
    ) -> Result<(), ControlError> {
        self.ask(|answer| Command::ChangeScenario(run.clone(), module, description, answer)).await
    }

    /// Stops a run, whatever it is doing. Returns at once; [`Self::finished`] tells when it is over.
    /// [`StopMode::Now`] after [`StopMode::Graceful`] hastens it.
    pub async fn stop(&self, run: &RunId, mode: StopMode) -> Result<(), ControlError> {
        self.ask(|answer| Command::Stop(run.clone(), mode, answer)).await
    }

    /// Lets the statistics of a running run begin anew with the next whole second.
    pub async fn reset(&self, run: &RunId) -> Result<(), ControlError> {
        self.ask(|answer| Command::Reset(run.clone(), answer)).await
    }

    /// Takes a worker out of service: it gets no new work, and its share moves to the others. Returns at once;
    /// the worker stays connected, and so does the order under the next leader.
    ///
    /// # Errors
    /// If there is no such worker, or a run would have none left.
    pub async fn drain(&self, worker: &WorkerId) -> Result<(), ControlError> {
        self.ask(|answer| Command::Drain(worker.clone(), true, answer)).await
    }

    /// Lets a worker work again that was drained.
    ///
    /// # Errors
    /// If there is no such worker.
    pub async fn undrain(&self, worker: &WorkerId) -> Result<(), ControlError> {
        self.ask(|answer| Command::Drain(worker.clone(), false, answer)).await
    }

    /// Times of requests in fixed buckets, of each run that goes on and of those that are over and not `known`; nothing
    /// if the coordinator has ended.
    pub async fn times(&self, known: BTreeSet<RunId>) -> Vec<RunTimes> {
        let (answer, answered) = oneshot::channel();
        let _ = self.commands.send(Command::Times(known, answer)).await;
        answered.await.unwrap_or_default()
    }

    /// What is going on; changes at least once a second.
    pub fn view(&self) -> watch::Receiver<Arc<FleetView>> {
        self.view.clone()
    }

    /// Lines of guests' logs as they come in. Who reads too slowly misses some, and is told how many.
    pub fn logs(&self) -> broadcast::Receiver<Arc<LogLine>> {
        self.logs.subscribe()
    }

    /// Waits for the end of a run. The last few reports are kept, so asking late is fine.
    pub async fn finished(&self, run: &RunId) -> Result<Arc<RunReport>, ControlError> {
        let (answer, answered) = oneshot::channel();
        let command = Command::Finished(run.clone(), answer);
        self.commands.send(command).await.map_err(|_| ControlError::Closed)?;
        answered.await.map_err(|_| match self.commands.is_closed() {
            true => ControlError::Closed,
            false => ControlError::UnknownRun(run.clone()),
        })
    }

    /// The whole history of a run so far, second by second, oldest first; also of one that is over, for
    /// as long as its report is kept. In long runs points stand for more than a second each, so that there are at
    /// most about 15,000. A view holds the last of them only.
    ///
    /// # Errors
    /// If there is no such run (any more), or nobody leads.
    pub async fn timeline(&self, run: &RunId) -> Result<Vec<Point>, ControlError> {
        self.ask(|answer| Command::Timeline(run.clone(), answer)).await
    }

    async fn ask<T>(
        &self,
        command: impl FnOnce(oneshot::Sender<Result<T, ControlError>>) -> Command,
    ) -> Result<T, ControlError> {
        let (answer, answered) = oneshot::channel();
        self.commands.send(command(answer)).await.map_err(|_| ControlError::Closed)?;
        answered.await.map_err(|_| ControlError::Closed)?
    }
}
