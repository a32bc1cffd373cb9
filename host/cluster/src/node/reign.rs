//! From an election won to the next leader: the coordinator of one term.

use std::sync::Arc;
use std::time::Duration;

use async_nats::Subscriber;
use loadhost_control::ports::{Outside, StoreError, SystemClock};
use loadhost_control::{AtEnd, Coordinator, CoordinatorConfig, Handle, RestoreError, Restored};
use loadhost_model::id::Term;
use tokio::sync::watch;
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;
use tracing::{info, warn};

use super::NodeParts;
use crate::connect::Connection;
use crate::copies;
use crate::ctl;
use crate::fleet::{JoinError, Membership, NatsFleet};
use crate::lease::{Leadership, Standing};

/// Between attempts to take over.
const AGAIN: Duration = Duration::from_millis(500);

/// This master leads.
#[derive(Debug, Clone)]
pub(super) struct Reign {
    pub(super) handle: Handle,
    standing: Standing,
}

impl Reign {
    pub(super) fn acts(&self) -> bool {
        self.standing.may_act()
    }

    pub(super) fn term(&self) -> Term {
        self.standing.term()
    }
}

/// Why a term that was won is not used.
#[derive(Debug, thiserror::Error)]
enum TakeOverError {
    #[error(transparent)]
    Store(#[from] StoreError),
    #[error("what a former leader saved cannot be read: {0}")]
    Restore(#[from] RestoreError),
    #[error(transparent)]
    Join(#[from] JoinError),
}

/// Why this master cannot take over. What kept it from that in a term that is over says nothing.
pub(super) fn trouble_of(
    leadership: &Leadership,
    trouble: &watch::Receiver<Option<String>>,
) -> Option<String> {
    leadership.term().and_then(|_| trouble.borrow().clone())
}

/// Leads whenever this master is elected.
pub(super) struct Government {
    pub(super) connection: Connection,
    pub(super) membership: Arc<Membership>,
    pub(super) config: CoordinatorConfig,
    pub(super) parts: NodeParts,
    pub(super) reigns: watch::Sender<Option<Reign>>,
    /// Why this master could not take over when it tried last, for people.
    pub(super) troubles: watch::Sender<Option<String>>,
}

impl Government {
    pub(super) async fn govern(self, stop: CancellationToken) {
        let mut draining = self.membership.draining();
        loop {
            if *draining.borrow_and_update() {
                // What is needed is saved by now, so the next leader may have the term.
                self.membership.abstain();
            } else {
                self.membership.stand_again();
            }
            let standing = tokio::select! {
                () = stop.cancelled() => return,
                Ok(()) = draining.changed() => continue,
                standing = self.membership.elected() => standing,
            };
            if let Err(error) = self.reign(&standing, &stop).await {
                warn!(term = standing.term().0, %error, "the fleet cannot be taken over");
                self.troubles.send_replace(Some(error.to_string()));
            }
            tokio::select! {
                () = stop.cancelled() => return,
                Ok(_) = draining.wait_for(|draining| *draining) => {}
                () = tokio::time::sleep(AGAIN) => {}
            }
        }
    }

    async fn reign(
        &self,
        standing: &Standing,
        stop: &CancellationToken,
    ) -> Result<(), TakeOverError> {
        let end = CancellationToken::new();
        let mut draining = self.membership.draining();
        let taken = tokio::select! {
            () = stop.cancelled() => return Ok(()),
            leader = standing.over() => {
                info!(leader, "deposed while taking over");
                return Ok(());
            }
            taken = self.take_over(standing, &end) => taken?,
        };
        let Taken { fleet, questions, handle, mut coordinator } = taken;
        let answers = ctl::answer(self.connection.clone(), questions, handle.clone(), end.clone());
        let answers = tokio::spawn(answers);
        let names = self.membership.names().clone();
        let copies = tokio::spawn(copies::keep(self.connection.clone(), names, end.clone()));
        self.troubles.send_replace(None);
        let reign = Reign { handle, standing: standing.clone() };
        self.reigns.send_replace(Some(reign));
        tokio::select! {
            () = stop.cancelled() => info!(term = standing.term().0, "handing over"),
            Ok(_) = draining.wait_for(|draining| *draining) => {
                info!(term = standing.term().0, "out of service: handing over");
            }
            leader = standing.over() => info!(leader, "another master leads"),
            _ = &mut coordinator => warn!(term = standing.term().0, "the coordinator has ended"),
        }
        self.reigns.send_replace(None);
        end.cancel();
        if !coordinator.is_finished() {
            let _ = coordinator.await;
        }
        let _ = tokio::join!(answers, copies);
        fleet.close().await;
        Ok(())
    }

    async fn take_over(
        &self,
        standing: &Standing,
        end: &CancellationToken,
    ) -> Result<Taken, TakeOverError> {
        let began = tokio::time::Instant::now();
        let term = standing.term();
        let saved = self.parts.store.load(term).await?;
        let restored = Restored::read(saved)?;
        let from = restored.as_ref().map_or(0, Restored::position);
        let runs = restored.as_ref().map_or(0, |restored| restored.runs().count());
        let opened =
            NatsFleet::open(&self.connection, &self.membership, standing.clone(), from).await;
        let (fleet, reports) = opened?;
        // Nothing may fail once there is a coordinator: nobody would own it.
        let questions = ctl::listen(&self.connection, self.membership.names()).await?;
        let config = CoordinatorConfig { term, at_end: AtEnd::HandOver, ..self.config.clone() };
        let outside = Outside {
            fleet: fleet.clone(),
            store: Some(self.parts.store.clone()),
            shapes: self.parts.shapes.clone(),
            clock: Arc::new(SystemClock),
            room: self.parts.room.clone(),
        };
        let (handle, coordinator) =
            Coordinator::resume(config, outside, reports, restored, end.clone());
        info!(term = term.0, runs, position = from, after = ?began.elapsed(), "took over");
        Ok(Taken { fleet, questions, handle, coordinator })
    }
}

struct Taken {
    fleet: Arc<NatsFleet>,
    /// Those that came meanwhile wait here.
    questions: Subscriber,
    handle: Handle,
    coordinator: JoinHandle<()>,
}
