//! Requests and what comes back.
//!
//! The host keeps connections and cookies, sends, measures and judges. Here a request is
//! only described; one that was described before is sent by its handle.

mod batch;
mod body;
mod cookies;
pub(crate) mod encode;
mod error;
pub(crate) mod places;
mod request;
mod response;
pub(crate) mod template;
mod value;

pub use batch::{batch, fetch_all};
pub use body::Multipart;
pub use cookies::{clear_cookies, cookie, set_cookie};
pub use error::{Cause, Error};
pub use request::{Request, Statuses, delete, get, head, options, patch, post, put, request};
pub use response::{Response, Summary};
pub use value::Value;

/// What requests return.
pub type Result<T> = core::result::Result<T, Error>;
