//! What `loadhost new` writes compiles and passes its own tests.

#[path = "../../template/src/lib.rs"]
mod template;
