//! Integration tests, in one binary because linking is what costs.
#![allow(clippy::unwrap_used, clippy::expect_used)]

mod abort;
mod access;
mod authoring;
mod data;
mod faults;
mod fleet;
mod hostile;
mod house;
mod local;
mod locust;
mod lone_master;
mod masters;
mod modules;
mod operating;
mod service;
mod setup;
mod signals;
mod steering;
mod versions;
mod web_access;
mod workers;
mod wrong_inputs;
