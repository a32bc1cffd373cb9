//! The attribute and derive macros of loadhost-sdk.
