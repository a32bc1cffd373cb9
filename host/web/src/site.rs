//! What a master's page and API are about, and what they are made of.

use std::sync::Arc;

use futures_util::future::BoxFuture;
use loadhost_control::Handle;
use loadhost_control::ports::Shelf;

use crate::api::dto::Master;
use crate::workbench::Workbench;

/// Who leads, as far as a master knows.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Standing {
    /// This master.
    pub master: String,
    /// Who leads; None: nobody at the moment.
    pub leader: Option<String>,
    /// Why this master cannot take work.
    pub trouble: Option<String>,
    /// All masters that are heard of.
    pub masters: Vec<Master>,
}

/// Asked at each message.
pub type WhoLeads = Arc<dyn Fn() -> Standing + Send + Sync>;

/// Why a master is not taken out of service, or back.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum MasterRefusal {
    /// There is no such master; says which there are.
    #[error("{0}")]
    Unknown(String),
    /// Nobody else could lead.
    #[error("{0}")]
    Last(String),
    /// It was not reached.
    #[error("{0}")]
    Silent(String),
}

/// Takes the master of a name out of service (`true`), or back.
pub type Drain =
    Arc<dyn Fn(String, bool) -> BoxFuture<'static, Result<(), MasterRefusal>> + Send + Sync>;

/// What page and API are made of.
#[derive(Clone)]
pub struct Site {
    /// The fleet.
    pub handle: Handle,
    /// Scenarios, data sets, results.
    pub shelf: Arc<dyn Shelf>,
    /// Checks uploads and plans runs. None: this process runs one scenario and no other.
    pub workbench: Option<Arc<dyn Workbench>>,
    /// Who leads.
    pub standing: WhoLeads,
    /// Takes masters out of service. None: this process has no others beside it.
    pub drain: Option<Drain>,
    /// The fleet's name; None: one process.
    pub cluster: Option<String>,
}

impl Site {
    /// Of one process that runs one scenario.
    pub fn single_run(handle: Handle, shelf: Arc<dyn Shelf>) -> Self {
        let standing = || Standing {
            master: "this process".into(),
            leader: Some("this process".into()),
            ..Standing::default()
        };
        let standing = Arc::new(standing);
        Self { handle, shelf, workbench: None, standing, drain: None, cluster: None }
    }
}
