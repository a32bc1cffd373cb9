//! A fleet of one: the coordinator's port over channels to an agent in this process.

use std::sync::Arc;
use std::time::Duration;

use futures_util::future::{BoxFuture, ready};
use loadhost_control::ports::{Fleet, FleetError};
use loadhost_engine::agent::workshop::{ModuleError, ModuleSource, Workshop};
use loadhost_engine::agent::{self, AgentConfig, AgentError, Channels};
use loadhost_engine::scenario::Scenario;
use loadhost_model::id::{Digest, Incarnation, WorkerId};
use loadhost_model::wire::{Assignment, Report};
use tokio::sync::{mpsc, watch};
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

/// Reports under way. A full channel holds intervals back, and nothing is lost.
const REPORTS: usize = 1024;

/// The only worker.
pub(crate) struct LocalFleet {
    worker: WorkerId,
    wanted: watch::Sender<Option<Assignment>>,
}

/// What belongs to it.
pub(crate) struct LocalWorker {
    pub(crate) fleet: Arc<LocalFleet>,
    pub(crate) reports: mpsc::Receiver<Report>,
    pub(crate) agent: JoinHandle<Result<(), AgentError>>,
}

/// Starts the agent, which ends when `stop` is cancelled.
pub(crate) fn start<W: Workshop>(
    worker: WorkerId,
    shards: u32,
    workshop: W,
    stop: CancellationToken,
) -> LocalWorker {
    let (wanted, assignments) = watch::channel(None);
    let (to_coordinator, reports) = mpsc::channel(REPORTS);
    // One process has one clock.
    let (_, clock_offset) = watch::channel(0);
    let config = AgentConfig {
        worker: worker.clone(),
        incarnation: Incarnation(std::process::id().into()),
        shards,
        tags: Default::default(),
        max_users: None,
        ceilings: Default::default(),
        weight: 1,
        heartbeat: Duration::from_millis(250),
        drain: Duration::ZERO,
        // The run's own graceful stop ends it.
        leave: Duration::from_secs(24 * 3600),
        activity: Arc::default(),
    };
    let channels = Channels { assignments, reports: to_coordinator, clock_offset, reading: None };
    let agent = tokio::spawn(agent::run(config, workshop, channels, stop));
    LocalWorker { fleet: Arc::new(LocalFleet { worker, wanted }), reports, agent }
}

impl Fleet for LocalFleet {
    fn assign(
        &self,
        worker: &WorkerId,
        assignment: Assignment,
    ) -> BoxFuture<'_, Result<(), FleetError>> {
        if *worker != self.worker {
            return Box::pin(ready(Err(FleetError::UnknownWorker(worker.clone()))));
        }
        self.wanted.send_replace(Some(assignment));
        Box::pin(ready(Ok(())))
    }
}

/// The module that this process has loaded.
pub(crate) struct LoadedModule(pub(crate) Arc<Scenario>);

impl ModuleSource for LoadedModule {
    fn fetch(&self, digest: Digest) -> BoxFuture<'_, Result<Vec<u8>, ModuleError>> {
        let found = if digest == self.0.digest() {
            Ok(self.0.bytes().to_vec())
        } else {
            Err(ModuleError {
                digest,
                code: "download",
                reason: "this process runs another one".to_string(),
            })
        };
        Box::pin(ready(found))
    }
}
