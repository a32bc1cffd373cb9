//! The contract in Rust, written by `guest-sdk/bindgen` from `wit/`.
#![allow(missing_docs, unreachable_pub, unsafe_code, clippy::all, clippy::restriction)]

#[rustfmt::skip]
pub mod scenario;
#[rustfmt::skip]
pub mod shape;
