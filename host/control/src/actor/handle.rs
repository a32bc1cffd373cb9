//! What others do with a coordinator.

use std::sync::Arc;
use std::time::Duration;

use loadhost_model::description::Description;
use loadhost_model::id::RunId;
use loadhost_model::plan::RunPlan;
use loadhost_model::profile::Change;
use loadhost_model::wire::{LogLine, StopMode};
use tokio::sync::{broadcast, mpsc, oneshot, watch};

use super::Command;
use crate::error::{ControlError, StartError};
use crate::machine::NewRun;
use crate::ports::LoadShape;
use crate::report::RunReport;
use crate::view::FleetView;

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

/// A coordinator's other end. Clones speak to the same one.
#[derive(Debug, Clone)]
pub struct Handle {
    commands: mpsc::Sender<Command>,
    view: watch::Receiver<Arc<FleetView>>,
    logs: broadcast::Sender<Arc<LogLine>>,
}

impl Handle {
    pub(super) fn new(
        commands: mpsc::Sender<Command>,
        view: watch::Receiver<Arc<FleetView>>,
        logs: broadcast::Sender<Arc<LogLine>>,
    ) -> Self {
        Self { commands, view, logs }
    }

    /// Starts a run. Returns once the expected workers are there and have been given their
    /// shares; what goes wrong later is told by [`Self::finished`].
    pub async fn start(&self, request: StartRequest) -> Result<RunId, StartError> {
        let id = request.plan.run.clone();
        let new = NewRun {
            plan: Arc::new(request.plan),
            description: request.description,
            expect_workers: request.expect_workers,
            max_wait: request.max_wait,
            shaped: request.shape.is_some(),
        };
        let (answer, answered) = oneshot::channel();
        let command = Command::Start(Box::new(new), request.shape, answer);
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

    /// Stops a run, whatever it is doing. Returns at once; [`Self::finished`] tells when it is over.
    /// [`StopMode::Now`] after [`StopMode::Graceful`] hastens it.
    pub async fn stop(&self, run: &RunId, mode: StopMode) -> Result<(), ControlError> {
        self.ask(|answer| Command::Stop(run.clone(), mode, answer)).await
    }

    /// Lets the statistics of a running run begin anew with the next whole second.
    pub async fn reset(&self, run: &RunId) -> Result<(), ControlError> {
        self.ask(|answer| Command::Reset(run.clone(), answer)).await
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

    async fn ask(
        &self,
        command: impl FnOnce(oneshot::Sender<Result<(), ControlError>>) -> Command,
    ) -> Result<(), ControlError> {
        let (answer, answered) = oneshot::channel();
        self.commands.send(command(answer)).await.map_err(|_| ControlError::Closed)?;
        answered.await.map_err(|_| ControlError::Closed)?
    }
}
