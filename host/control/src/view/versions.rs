//! Versions of a run's scenario, as they are shown.

use std::time::Duration;

use loadhost_model::id::Digest;
use serde::{Deserialize, Serialize};

/// Which versions of the scenario users of a run have run, and what comes next.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct VersionsView {
    /// In order; the last one is in use.
    pub ran: Vec<VersionView>,
    /// That workers make ready.
    pub next: Option<NextVersion>,
    /// The last that was asked for, if it was refused.
    pub refused: Option<RefusedVersion>,
    /// Users that run an older version than the one in use, as far as workers have said.
    pub behind: u32,
}

/// A version that users run, or have run.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct VersionView {
    /// The scenario's bytes.
    pub module: Digest,
    /// As its author counts.
    pub version: Option<String>,
    /// Since the start of the run: from then on users went over to it.
    pub from: Duration,
    /// Since the start of the run: from then on all users ran it. None: not yet.
    pub complete: Option<Duration>,
}

/// A version that workers make ready beside the one in use.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct NextVersion {
    /// The scenario's bytes.
    pub module: Digest,
    /// As its author counts.
    pub version: Option<String>,
    /// Workers that have made it ready.
    pub ready: u32,
    /// Workers that are to.
    pub of: u32,
}

/// A version that was not used.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct RefusedVersion {
    /// The scenario's bytes.
    pub module: Digest,
    /// Since the start of the run.
    pub at: Duration,
    /// Which worker could not use it, at which step, and why.
    pub message: String,
}
