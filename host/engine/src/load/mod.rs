//! Who runs what, and when: shards, executors, waits, lag.
//!
//! ```text
//! Loader ── one thread per shard ── phases: closed, iterations, open
//!   │                                  └── crew ── users ── source (when), picker (what), Vu
//!   └── recorders, team                   the shards' samples and counters, drained each second
//! ```
//!
//! A shard is one thread with its users and its recorder; shards share nothing that is
//! hot. Each follows the profile for its own stripe of users and arrivals, which it computes
//! alone, so that the stripes of all shards and workers add up to the run.

pub mod alarm;
pub mod clock;
mod closed;
mod control;
mod crew;
#[cfg(test)]
pub(crate) mod fake;
pub mod gate;
pub mod governor;
mod iterations;
pub mod loader;
pub mod log;
mod open;
pub mod picker;
pub mod pulse;
pub mod shard;
mod source;
pub mod team;
mod user;
mod version;
pub mod vu;
pub mod wait;

#[cfg(test)]
mod tests;
