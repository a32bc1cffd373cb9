//! Runs scenarios in wasmtime sandboxes, sends their HTTP requests and measures them.
//!
//! ```text
//! agent ── load ── sandbox ── host ── http
//!            │        │         └──── recorder
//!            │     scenario ── bindings      the only rooms that name wasmtime
//!            └── recorder
//! ```
//!
//! An [`agent`] follows the coordinator's assignments. [`scenario`] checks, compiles and caches
//! a component; [`sandbox`] makes one store of it per virtual user; `host` answers the guest's
//! calls; [`load`] decides who runs what and when; [`http`] sends; [`shared`] hands out what users share;
//! [`recorder`] counts; [`watch`] tells of single requests and iterations.
//! [`capacity`] says how many users fit.

pub mod agent;
mod bindings;
pub mod capacity;
mod host;
pub mod http;
pub mod load;
pub mod recorder;
pub mod sandbox;
pub mod scenario;
pub mod shared;
pub mod watch;
