//! HTTP faces of loadhost: health, metrics, API, page, and the demo shop.

pub mod access;
pub mod demo_shop;
pub mod export;
pub mod ops;
pub mod workbench;
