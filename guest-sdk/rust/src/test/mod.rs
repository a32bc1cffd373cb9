//! Unit tests of scenarios, without WebAssembly and without a server.
//!
//! A [`World`] is a scripted server and a run around it: it answers requests, keeps cookies,
//! gives parameters and setup data, and remembers what users sent, checked and measured.
//! The scenario under test is compiled as it stands.
//!
//! ```
//! use loadhost_sdk::prelude::*;
//! use loadhost_sdk::test::{Reply, World};
//!
//! #[derive(Default)]
//! struct Reader;
//!
//! #[user(wait = "1s")]
//! impl Reader {
//!     #[task]
//!     fn read(&mut self) -> Outcome {
//!         get("/page/{n}").with(1).fetch()?.check("greets", |page| page.contains("Hello"));
//!         Ok(())
//!     }
//! }
//!
//! let world = World::new().on("GET", "/page/{n}", Reply::text(200, "Hello, reader"));
//! let mut reader = world.user::<Reader>();
//! reader.run("read").unwrap();
//! assert_eq!(world.sent_to("GET", "/page/1").len(), 1);
//! assert_eq!(world.check("greets").passes, 1);
//! ```

mod jar;
mod judge;
mod reply;
mod user;
pub(crate) mod world;

pub use reply::{Reply, Sent};
pub use user::TestUser;
pub use world::{Checks, MetricSample, World};
