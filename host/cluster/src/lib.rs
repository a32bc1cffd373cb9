//! The fleet over NATS: connections, subjects, modules, assignments and streamed intervals.
//!
//! ```text
//! master                            broker                              worker
//! NatsFleet::assign ── CAS ──▶ KV_lh_<c> ── republish ──▶ lh.<c>.assign.<w> ──▶ AgentLink
//!      renewals ────── CAS ──▶     "      ── republish ──▶ lh.<c>.leader      ──▶ dead-man
//!      reports  ◀── in order ── LH_STATS_<c> ◀── until acknowledged ───────────── intervals
//!      reports  ◀── core ────── lh.<c>.hb.<w>, lh.<c>.log.<w> ◀───────────────── status, logs
//! ModuleStore::put ─────────▶ OBJ_lh_mod_<c> ──────────────────────▶ ModuleStore::fetch
//! ```
//!
//! [`connect()`] makes a [`Connection`]; [`NatsFleet`] is the master's side and implements the
//! coordinator's port, [`AgentLink`] is the worker's side and gives the engine's agent its
//! channels. Election of a new leader while a run goes on is not here yet: [`lease`] takes a
//! term at start, and each message and document carries it.

pub mod agent;
pub mod connect;
pub mod counters;
mod documents;
pub mod fleet;
pub mod lease;
mod parts;
pub mod server;
pub mod state;
pub mod store;
pub mod subjects;

pub use agent::{AgentConfig, AgentLink};
pub use connect::{ConnectError, Connection, Settings, connect};
pub use counters::Counters;
pub use fleet::{FleetConfig, JoinError, NatsFleet};
pub use server::{PrivateServer, ServerError};
pub use state::NatsState;
pub use store::{ModuleStore, StoreError};
