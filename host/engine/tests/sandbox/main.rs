//! Guests compiled to WebAssembly in the real sandbox, against a real server on loopback.
//!
//! The guests are built by `make guests`.
#![allow(clippy::unwrap_used, clippy::expect_used)]

mod bench;
mod bodies;
mod files;
mod hostile;
mod modules;
mod neighbours;
mod raw;
mod server;
mod sharing;
mod users;
