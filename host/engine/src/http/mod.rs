//! Sends HTTP/1.1 requests and times them.
//!
//! A [`Client`] is one virtual user's: its connections and cookies. It sends a [`Template`] and
//! returns an [`Exchange`], whose failure is a sample too. What all users of a shard have in
//! common is in [`Shared`].
//!
//! ```text
//! client ── flight ── connection ── request (bytes out: template, text)
//!   │          │            └────── reader  (bytes in: head, body)
//! cookies   redirect, dial ── policy, resolve, tls
//! ```
//!
//! The cost per request decides the design: no task and no buffer of its own waits for an answer.
//! Bytes pass through scratch buffers of the thread, a timer is armed once per time limit and
//! not once per request, and nothing is kept of a body unless somebody looks at it.
//!
//! Deliberately absent: HTTP/2 (a second kind of connection beside `connection`, chosen by
//! ALPN in `dial`), request bodies of unknown length, proxies.

mod body;
mod client;
mod connection;
mod cookies;
mod decode;
mod dial;
mod expect;
mod flight;
mod head;
mod kept;
mod marks;
mod origin;
mod outcome;
mod pointer;
mod policy;
mod reader;
mod redirect;
mod request;
mod resolve;
mod scratch;
mod shared;
mod template;
#[cfg(test)]
mod tests;
mod text;
mod timer;
mod tls;
mod url_template;

pub use client::Client;
pub(crate) use client::Place;
pub use kept::Kept;
pub(crate) use marks::Marks;
pub use outcome::{Answer, Exchange, Failure, FailureKind, Keep, Timings};
pub use shared::{Grants, SetupError, Shared};
pub use template::{Body, Template, TemplateError};
pub(crate) use text::percent_encoded;
