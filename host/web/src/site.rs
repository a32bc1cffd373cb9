//! What a master's page and API are about, and what they are made of.

use std::sync::Arc;

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
        Self { handle, shelf, workbench: None, standing: Arc::new(standing), cluster: None }
    }
}
