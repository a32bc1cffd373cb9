//! The live stream: what a page that is open is told, at most once a second.
//!
//! ```text
//! views ──> Hub ──┬── Chronicle   all seconds of each run
//!                 ├── Witness     who worked for it, which thresholds were broken when
//!                 └── Feed        one document; its changes, numbered ──> Reader, one per page
//! ```
//!
//! A message is made once for all pages that follow the same run and shared as bytes. `docs/api.md`
//! describes the protocol. It holds no state for a page beyond its connection.

mod chronicle;
mod doc;
mod feed;
mod hub;
mod logs;
mod patch;
mod reader;
mod witness;

pub use doc::Maker;
pub use hub::{Hub, MAX_FEEDS, MAX_PAGES, NotTold};
pub use logs::LogEntry;
pub use reader::KEEP_ALIVE;
pub use witness::{Seen, Witness};
