//! Answers the guest's calls.
pub(crate) mod http;
pub(crate) mod metrics;
