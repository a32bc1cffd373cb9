//! One store per virtual user, and what keeps it within its limits.
//!
//! ```text
//! Sandbox (per run: engine with a pool, compiled scenario, ticker)
//!    └── WasmVuFactory (per shard) ── makes ──> WasmVu ── enters ──> cell (store + instance)
//!                                                                      │ cpu, wall, memory: caps
//!                                                                      └ crash: what ended it
//! ```
//!
//! A trap, a timeout or a used-up quota ends one store; the worker and the neighbours go on.

mod cell;
pub(crate) mod cpu;
pub(crate) mod crash;
pub(crate) mod engine;
pub(crate) mod memory;
mod pool;
pub(crate) mod ticker;
pub(crate) mod trap;
mod vu;
mod wall;
mod workshop;

pub use crate::host::trace::{TraceSink, TracedRequest};
pub use pool::{Sandbox, SandboxError};
pub use vu::{WasmVu, WasmVuFactory};
pub use workshop::{WasmStage, WasmWorkshop};
