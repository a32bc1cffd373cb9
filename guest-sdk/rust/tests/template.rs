//! What `loadhost new` writes compiles and passes its own tests.

#![allow(clippy::unwrap_used)]

#[path = "../../template/src/lib.rs"]
mod template;
