//! What the coordinator needs from the outside: a fleet to assign work to, a store for what
//! its successor must know, load shapes of scenarios, and the wall clock.
//!
//! The fleet has two forms, channels within one process and the broker. What workers
//! say comes back over one channel of [`loadhost_model::wire::Report`], so there is no port for it.

pub mod shelf;
mod store;

use std::sync::Arc;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use futures_util::future::BoxFuture;
use loadhost_model::id::WorkerId;
use loadhost_model::plan::RunPlan;
use loadhost_model::wire::Assignment;
use serde::{Deserialize, Serialize};

pub use shelf::{Drawer, FolderShelf, Listed, MAX_FILE_BYTES, Shelf, ShelfBounds, ShelfError};
pub use store::{Saved, SavedCheckpoint, StateStore, StoreError};

/// All of them, for [`crate::Coordinator::resume`].
#[derive(Clone)]
pub struct Outside {
    /// Where assignments go.
    pub fleet: Arc<dyn Fleet>,
    /// Where decisions and measurements are kept; None: in one process, which has no successor.
    pub store: Option<Arc<dyn StateStore>>,
    /// For runs that another master began, or that came without a shape of their own.
    pub shapes: Arc<dyn ShapeFactory>,
    /// Wall time.
    pub clock: Arc<dyn Clock>,
    /// Asked before a run is taken.
    pub room: Room,
}

/// Whether this process can take one more run, or why not, for people.
pub type Room = Arc<dyn Fn() -> Result<(), String> + Send + Sync>;

/// Of a process that may take all of its machine.
pub fn boundless() -> Room {
    Arc::new(|| Ok(()))
}

impl Outside {
    /// Of one process: nothing is kept, and each run brings its own load shape.
    pub fn of_one_process(fleet: Arc<dyn Fleet>) -> Self {
        Self {
            fleet,
            store: None,
            shapes: Arc::new(NoShapes),
            clock: Arc::new(SystemClock),
            room: boundless(),
        }
    }
}

/// Why an assignment did not go out. It is tried again until a newer one replaces it.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum FleetError {
    /// Nobody of this name has ever been there.
    #[error("worker `{0}` is not in this fleet")]
    UnknownWorker(WorkerId),
    /// The transport failed; the text says how.
    #[error("the assignment of worker `{worker}` was not delivered: {reason}")]
    Undelivered {
        /// Whose.
        worker: WorkerId,
        /// What the transport said.
        reason: String,
    },
    /// Another coordinator leads now.
    #[error("another master leads this fleet now: {0}")]
    Deposed(String),
}

/// Where assignments go.
pub trait Fleet: Send + Sync {
    /// States what is wanted of a worker. Returns once the fleet will remember it, not once
    /// the worker has done it. The coordinator has at most one call per worker under way.
    fn assign(
        &self,
        worker: &WorkerId,
        assignment: Assignment,
    ) -> BoxFuture<'_, Result<(), FleetError>>;
}

/// What a load shape may look at.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct ShapeNow {
    /// Since the start of the run.
    pub elapsed: Duration,
    /// Users running.
    pub users: u32,
    /// Requests per second over the last second.
    pub rps: f64,
    /// Failed requests among them, 0.0 to 1.0.
    pub failure_ratio: f64,
}

/// What a load shape wants.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct ShapeTarget {
    /// Users to go to.
    pub users: u32,
    /// Users started or stopped per second; not positive or not finite: at once.
    pub spawn_rate: f64,
}

/// A scenario that steers its own load.
pub trait LoadShape: Send {
    /// Asked once a second. None ends the run; an error's text ends it as aborted.
    fn tick(&mut self, now: ShapeNow) -> BoxFuture<'_, Result<Option<ShapeTarget>, String>>;
}

/// Makes the load shape of a run that came without one: from another master, or from a store.
pub trait ShapeFactory: Send + Sync {
    /// The shape of the plan's scenario; None: it has none. An error's text ends the run as aborted.
    fn make(&self, plan: &RunPlan) -> BoxFuture<'_, Result<Option<Box<dyn LoadShape>>, String>>;
}

/// Knows no scenario.
#[derive(Debug, Clone, Copy, Default)]
pub struct NoShapes;

impl ShapeFactory for NoShapes {
    fn make(&self, _: &RunPlan) -> BoxFuture<'_, Result<Option<Box<dyn LoadShape>>, String>> {
        Box::pin(async { Ok(None) })
    }
}

/// Wall time, which is only a label, except for the instant at which all workers start.
pub trait Clock: Send + Sync {
    /// Microseconds since the Unix epoch.
    fn wall_micros(&self) -> u64;
}

/// The clock of the operating system.
#[derive(Debug, Clone, Copy, Default)]
pub struct SystemClock;

impl Clock for SystemClock {
    fn wall_micros(&self) -> u64 {
        let since_epoch = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        u64::try_from(since_epoch.as_micros()).unwrap_or(u64::MAX)
    }
}
