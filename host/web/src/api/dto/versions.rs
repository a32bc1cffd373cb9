//! Versions of a run's scenario.

use loadhost_control::view::{VersionView, VersionsView};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::seconds;

/// Which versions of the scenario users of a run have run, and what comes next.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct Versions {
    /// In order; the last one is in use.
    pub ran: Vec<Version>,
    /// That workers make ready.
    pub next: Option<Next>,
    /// The last that was asked for, if it was refused.
    pub refused: Option<Refused>,
    /// Users that run an older version than the one in use.
    pub behind: u32,
}

/// A version that users run, or have run.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct Version {
    /// SHA-256 of the scenario.
    pub module: String,
    /// As its author counts.
    pub version: Option<String>,
    /// Users went over to it from then on, since the start of the run.
    pub from_seconds: f64,
    /// All users ran it from then on; null: not yet.
    pub complete_seconds: Option<f64>,
}

/// A version that workers make ready beside the one in use.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Next {
    /// SHA-256 of the scenario.
    pub module: String,
    /// As its author counts.
    pub version: Option<String>,
    /// Workers that have made it ready.
    pub ready: u32,
    /// Workers that are to.
    pub of: u32,
}

/// A version that was not used.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct Refused {
    /// SHA-256 of the scenario.
    pub module: String,
    /// Since the start of the run.
    pub at_seconds: f64,
    /// Which worker could not use it, at which step, and why.
    pub message: String,
}

impl From<&VersionsView> for Versions {
    fn from(view: &VersionsView) -> Self {
        let ran = view.ran.iter().map(|one: &VersionView| Version {
            module: one.module.to_string(),
            version: one.version.clone(),
            from_seconds: seconds(one.from),
            complete_seconds: one.complete.map(seconds),
        });
        let next = view.next.as_ref().map(|next| Next {
            module: next.module.to_string(),
            version: next.version.clone(),
            ready: next.ready,
            of: next.of,
        });
        let refused = view.refused.as_ref().map(|refused| Refused {
            module: refused.module.to_string(),
            at_seconds: seconds(refused.at),
            message: refused.message.clone(),
        });
        Self { ran: ran.collect(), next, refused, behind: view.behind }
    }
}
