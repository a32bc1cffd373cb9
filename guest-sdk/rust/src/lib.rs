//! Write load-test scenarios for loadhost in Rust.
