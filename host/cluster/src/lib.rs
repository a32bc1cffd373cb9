//! The fleet over NATS: connections, subjects, modules, assignments and streamed intervals.
//!
//! ```text
//! master                            broker                              worker
//! NatsFleet::assign ── CAS ──▶ KV_lh_<c> ── republish ──▶ lh.<c>.assign.<w> ──▶ AgentLink
//!      renewals ────── CAS ──▶     "      ── republish ──▶ lh.<c>.leader      ──▶ dead-man
//!      reports  ◀── in order ── LH_STATS_<c> ◀── until acknowledged ───────────── intervals
//!      reports  ◀── core ────── lh.<c>.hb.<w>  ◀───────────────────────────────── status
//! each master   ◀── core ────── lh.<c>.log.<w> ◀───────────────────────────────── logs
//! ModuleStore::put ─────────▶ OBJ_lh_mod_<c> ──────────────────────▶ ModuleStore::fetch
//! ```
//!
//! [`connect()`] makes a [`Connection`]; [`NatsFleet`] is the master's side and implements the
//! coordinator's port, [`AgentLink`] is the worker's side and gives the engine's agent its
//! channels. [`lease`] lets a master stand for election; each message and document carries the term
//! of whoever leads.

pub mod agent;
pub mod connect;
mod copies;
pub mod counters;
pub mod ctl;
mod documents;
pub mod fleet;
pub mod lease;
pub mod masters;
pub mod node;
pub mod overview;
mod parts;
mod pieces;
pub mod server;
pub mod server_config;
pub mod shelf;
pub mod state;
pub mod store;
pub mod subjects;
pub mod trust;

pub use agent::{AgentConfig, AgentLink};
pub use connect::{ConnectError, Connection, Settings, connect};
pub use counters::Counters;
pub use fleet::{FleetConfig, JoinError, Membership, NatsFleet};
pub use node::{Node, NodeConfig, NodeParts};
pub use server::{PrivateServer, ServerError};
pub use shelf::NatsShelf;
pub use state::NatsState;
pub use store::{ModuleStore, StoreError};
