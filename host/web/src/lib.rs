//! HTTP faces of loadhost: health, metrics, API, page, and the demo shop.

pub mod access;
pub mod api;
pub mod archive;
mod assets;
pub mod demo_shop;
pub mod export;
pub mod library;
pub mod live;
pub mod locust;
mod machine;
pub mod ops;
mod refusal;
pub mod site;
#[cfg(test)]
mod testing;
pub mod workbench;
