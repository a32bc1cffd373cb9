//! The transport over a real nats-server, which is killed and restarted where that matters.

#![allow(clippy::unwrap_used, clippy::expect_used)]

mod access;
mod assignments;
mod broker;
mod connecting;
mod credentials;
mod intervals;
mod leading;
mod modules;
mod nodes;
mod private_server;
mod shelf;
mod state;
mod words;
