//! Plans, schedules, histograms, intervals and thresholds of loadhost.
//!
//! Pure data and arithmetic: this crate does no IO, reads no clock and spawns
//! nothing, so that everything in it can be tested by giving it values.

pub mod data;
pub mod description;
pub mod histogram;
pub mod id;
pub mod interval;
pub mod metric;
pub mod placement;
pub mod plan;
pub mod profile;
pub mod schedule;
pub mod share;
pub mod shared;
pub mod text;
pub mod threshold;
pub mod wire;
pub mod words;
