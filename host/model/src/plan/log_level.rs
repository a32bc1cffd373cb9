//! How important a line of a guest's log is.

use serde::{Deserialize, Serialize};

/// From the least important one up.
#[derive(
    Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize,
)]
#[serde(rename_all = "lowercase")]
pub enum LogLevel {
    /// For whoever writes the scenario.
    Trace,
    /// For whoever looks for a fault.
    Debug,
    /// What a reader of the run's log wants.
    #[default]
    Info,
    /// Something is odd.
    Warn,
    /// Something is wrong.
    Error,
}
