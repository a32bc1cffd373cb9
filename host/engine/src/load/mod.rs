//! Who runs what, and when: shards, executors, waits, lag.
//!
//! A shard is one thread with its users and its recorder; shards share nothing that is
//! hot. Each follows the profile for its own stripe of users and arrivals, which it computes
//! alone, so that the stripes of all shards and workers add up to the run.

pub mod alarm;
pub mod clock;
pub mod gate;
pub mod log;
pub mod vu;
