//! Coordinates runs: splits load, follows workers, merges intervals, offers one view.
//!
//! A [`Coordinator`] serves one process and a whole fleet alike; [`ports::Fleet`] is all that
//! differs. What it decides is decided in `machine`, which is pure: inputs and the time go in,
//! effects come out.

mod actor;
mod aggregate;
pub mod config;
pub mod distribution;
pub mod election;
mod error;
mod machine;
pub mod ports;
pub mod report;
mod restored;
#[cfg(test)]
mod simulation;
#[cfg(test)]
mod testing;
pub mod view;

pub use actor::{Command, Coordinator, Desk, Handle, StartRequest};
pub use config::{AtEnd, CoordinatorConfig};
pub use error::{ControlError, Refusal, RefusalKind, StartError, Unreadable};
pub use report::{EndReason, RunReport, Verdict};
pub use restored::{RestoreError, Restored};
pub use view::{FleetView, RunView};
