//! Rust types of the contract in `wit/`.
