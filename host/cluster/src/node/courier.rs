//! Carries what a handle asks for to whoever leads, and again if that changes meanwhile.

use std::sync::Arc;
use std::time::Duration;

use loadhost_control::ports::StateStore;
use loadhost_control::view::{Point, RunState};
use loadhost_control::{
    Command, ControlError, FleetView, Handle, RefusalKind, RunReport, StartError, StartRequest,
};
use loadhost_model::id::RunId;
use tokio::sync::watch;
use tokio::time::Instant;
use tracing::warn;

use super::LOOK;
use super::reign::{Reign, trouble_of};
use crate::connect::Connection;
use crate::ctl::{self, Ask, Order, Start, Told};
use crate::lease::Leadership;
use crate::subjects::Names;

/// For a coordinator in this process. It saves before it answers, so an outage of the store
/// keeps it from answering.
const OWN_ANSWER: Duration = Duration::from_secs(10);

/// One per master; clones are alike.
#[derive(Clone)]
pub(super) struct Courier {
    pub(super) connection: Connection,
    pub(super) names: Names,
    pub(super) reigning: watch::Receiver<Option<Reign>>,
    pub(super) leadership: watch::Receiver<Leadership>,
    /// See [`trouble_of`].
    pub(super) trouble: watch::Receiver<Option<String>>,
    pub(super) views: watch::Receiver<Arc<FleetView>>,
    pub(super) store: Arc<dyn StateStore>,
    /// How long a leader is waited for before it is said that there is none.
    pub(super) patience: Duration,
}

impl Courier {
    /// Until there is an answer.
    pub(super) async fn carry(mut self, command: Command) {
        // Whoever asked may have gone away.
        match command {
            Command::Start(request, answer) => drop(answer.send(self.start(*request).await)),
            Command::Change(run, phase, change, answer) => {
                drop(answer.send(self.control(Order::Change { run, phase, change }).await));
            }
            Command::ChangeScenario(run, module, description, answer) => {
                let order = Order::ChangeScenario { run, module, description };
                drop(answer.send(self.control(order).await));
            }
            Command::Stop(run, mode, answer) => {
                drop(answer.send(self.control(Order::Stop { run, mode }).await));
            }
            Command::Reset(run, answer) => {
                drop(answer.send(self.control(Order::Reset { run }).await));
            }
            Command::Drain(worker, drained, answer) => {
                drop(answer.send(self.control(Order::Drain { worker, drained }).await));
            }
            Command::Times(known, answer) => {
                // Known only where the run's numbers are merged; elsewhere there are none.
                if let Some(reign) = self.reign() {
                    drop(answer.send(reign.handle.times(known).await));
                }
            }
            Command::Timeline(run, answer) => drop(answer.send(self.timeline(run).await)),
            Command::Finished(run, answer) => {
                if let Some(report) = self.finished(&run).await {
                    drop(answer.send(report));
                }
            }
        }
    }

    async fn start(mut self, request: StartRequest) -> Result<(), StartError> {
        let start = Start {
            plan: Arc::new(request.plan),
            description: request.description,
            expect_workers: request.expect_workers,
            max_wait: request.max_wait,
        };
        let until = Instant::now() + start.max_wait + self.patience * 2;
        let mut asked_before = false;
        loop {
            let result = match self.reign() {
                Some(reign) => reign.handle.start(start.request()).await.map(drop),
                None => self.start_elsewhere(&start).await,
            };
            match result {
                // The former leader had taken it.
                Err(error) if asked_before && error.kind() == RefusalKind::Duplicate => {
                    return Ok(());
                }
                Err(error) if is_no_leader(error.kind()) => {
                    if Instant::now() >= until {
                        return Err(StartError::NoLeader(self.why(&error.to_string())));
                    }
                    asked_before = true;
                    self.change().await;
                }
                result => return result,
            }
        }
    }

    async fn start_elsewhere(&self, start: &Start) -> Result<(), StartError> {
        match ctl::ask(&self.connection, &self.names, &Ask::Start(Box::new(start.clone()))).await {
            Ok(Told::Refused(refusal)) => Err(StartError::Told(refusal)),
            Ok(_) => Ok(()),
            Err(unanswered) => Err(StartError::NoLeader(unanswered.to_string())),
        }
    }

    async fn control(mut self, order: Order) -> Result<(), ControlError> {
        let until = Instant::now() + self.patience;
        loop {
            let result = match self.reign() {
                Some(reign) => here(&reign.handle, order.clone()).await,
                None => self.elsewhere(order.clone()).await,
            };
            match result {
                Err(error) if is_no_leader(error.kind()) => {
                    if Instant::now() >= until {
                        return Err(ControlError::NoLeader(self.why(&error.to_string())));
                    }
                    self.change().await;
                }
                result => return result,
            }
        }
    }

    async fn elsewhere(&self, order: Order) -> Result<(), ControlError> {
        match ctl::ask(&self.connection, &self.names, &Ask::Order(order)).await {
            Ok(Told::Refused(refusal)) => Err(ControlError::Told(refusal)),
            Ok(_) => Ok(()),
            Err(unanswered) => Err(ControlError::NoLeader(unanswered.to_string())),
        }
    }

    /// From whoever leads; of a run that it does not know (any more) from what was kept.
    async fn timeline(mut self, run: RunId) -> Result<Vec<Point>, ControlError> {
        let until = Instant::now() + self.patience;
        loop {
            let result = match self.reign() {
                Some(reign) => reign.handle.timeline(&run).await,
                None => self.timeline_elsewhere(&run).await,
            };
            match result {
                Err(error) if is_no_leader(error.kind()) => {
                    if Instant::now() >= until {
                        return Err(ControlError::NoLeader(self.why(&error.to_string())));
                    }
                    self.change().await;
                }
                Err(error) if error.kind() == RefusalKind::UnknownRun => {
                    let stored = self.stored(&run).await.ok().flatten();
                    return stored.map(|report| report.history.clone()).ok_or(error);
                }
                result => return result,
            }
        }
    }

    async fn timeline_elsewhere(&self, run: &RunId) -> Result<Vec<Point>, ControlError> {
        let ask = Ask::Timeline { run: run.clone() };
        match ctl::ask(&self.connection, &self.names, &ask).await {
            Ok(Told::Timeline(points)) => Ok(points),
            Ok(Told::Refused(refusal)) => Err(ControlError::Told(refusal)),
            Ok(_) => Err(ControlError::NoLeader("the leader is of another release".into())),
            Err(unanswered) => Err(ControlError::NoLeader(unanswered.to_string())),
        }
    }

    /// None: there is no such run.
    async fn finished(mut self, run: &RunId) -> Option<Arc<RunReport>> {
        loop {
            if let Some(reign) = self.reign() {
                match reign.handle.finished(run).await {
                    Ok(report) => return Some(report),
                    Err(ControlError::UnknownRun(_)) => return self.stored(run).await.ok()?,
                    Err(_) => {} // It leads no longer.
                }
            } else {
                let state = self.views.borrow().run(run).map(|run| run.state);
                match (state, self.leader_is_seen()) {
                    (Some(RunState::Finished), _) => {
                        if let Ok(Some(report)) = self.stored(run).await {
                            return Some(report);
                        }
                    }
                    // The view may be of a moment before the run.
                    (None, true) => match self.stored(run).await {
                        Ok(Some(report)) => return Some(report),
                        Ok(None) if self.is_unknown(run).await => return None,
                        Ok(None) | Err(()) => {}
                    },
                    _ => {}
                }
            }
            self.change().await;
        }
    }

    async fn stored(&self, run: &RunId) -> Result<Option<Arc<RunReport>>, ()> {
        let bytes = self.store.report(run.clone()).await.map_err(|error| {
            warn!(%run, %error, "the report is not read; trying again");
        })?;
        let Some(bytes) = bytes else { return Ok(None) };
        match RunReport::from_bytes(&bytes) {
            Ok(report) => Ok(Some(Arc::new(report))),
            Err(error) => {
                warn!(%run, %error, "the report cannot be read");
                Ok(None)
            }
        }
    }

    /// Whether the leader itself does not know the run.
    async fn is_unknown(&self, run: &RunId) -> bool {
        match ctl::ask(&self.connection, &self.names, &Ask::Fleet).await {
            Ok(Told::Fleet(fleet)) => !fleet.runs.iter().any(|(known, _)| known == run),
            _ => false,
        }
    }

    fn reign(&mut self) -> Option<Reign> {
        self.reigning.borrow_and_update().clone()
    }

    fn leader_is_seen(&self) -> bool {
        self.leadership.borrow().leader().is_some()
    }

    /// Waits until trying again may lead to something else.
    async fn change(&mut self) {
        tokio::select! {
            _ = self.reigning.changed() => {}
            () = tokio::time::sleep(LOOK) => {}
        }
    }

    fn why(&self, last: &str) -> String {
        let trouble = trouble_of(&self.leadership.borrow(), &self.trouble);
        trouble.unwrap_or_else(|| last.to_string())
    }
}

fn is_no_leader(kind: RefusalKind) -> bool {
    matches!(kind, RefusalKind::NoLeader | RefusalKind::Closed)
}

async fn here(handle: &Handle, order: Order) -> Result<(), ControlError> {
    let late =
        || ControlError::NoLeader("this master leads and cannot save what it decides".into());
    let given = tokio::time::timeout(OWN_ANSWER, order.give(handle)).await;
    given.unwrap_or_else(|_| Err(late()))
}
