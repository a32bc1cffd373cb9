//! Cookies of this user. The host keeps them and sends them along by itself.

use super::{Cause, Error, Result};
use crate::host;

/// The value of a cookie that would be sent to this URL.
pub fn cookie(url: &str, name: &str) -> Option<String> {
    host::cookie(url, name)
}

/// Stores a cookie as if this URL had answered `Set-Cookie: <cookie>`.
///
/// Fails if the URL or the cookie is malformed.
pub fn set_cookie(url: &str, cookie: &str) -> Result<()> {
    let fault = |why| Error::new(format!("cookie for {url}"), Cause::Other(why));
    host::set_cookie(url, cookie).map_err(fault)
}

/// Forgets all of them: a new visitor.
pub fn clear_cookies() {
    host::clear_cookies();
}
