//! Sessions: cookies that any master with the same users file can check, and no memory of them.
//!
//! A cookie says who, until when, and of which password (a fingerprint), signed by the file's
//! secret. Another password, another secret or a removed user ends it. Logging out lets the browser forget it.

use std::time::Duration;

use axum::http::{HeaderMap, HeaderValue, header};
use jiff::Timestamp;

use super::base::BasePath;
use super::role::{Identity, Means};
use super::secret;
use super::users::User;
use super::users::live::Version;

/// How long a login lasts: a working day.
pub const LASTS: Duration = Duration::from_secs(12 * 60 * 60);
/// Letters of a value that is looked at: a name of 64, and what we add.
const LONGEST: usize = 512;

const SESSION: &str = "session 1";
const FINGERPRINT: &str = "fingerprint 1";

/// The value of a cookie for `name`, who has just shown the password of `user`.
pub(super) fn seal(version: &Version, name: &str, user: &User, now: Timestamp) -> String {
    let expires = now.as_second() + LASTS.as_secs() as i64;
    let said = format!("{expires}.{}.{name}", fingerprint(version, name, user));
    format!("{}.{said}", secret::encode(&version.signer.sign(SESSION, &said)))
}

/// Whose cookie it is, if it is good at `now`. The role is the one of now.
pub(super) fn open(version: &Version, value: &str, now: Timestamp) -> Option<Identity> {
    if value.len() > LONGEST {
        return None;
    }
    let (signature, said) = value.split_once('.')?;
    if !version.signer.is_ours(SESSION, said, &secret::decode(signature)?) {
        return None;
    }
    let (expires, rest) = said.split_once('.')?;
    let (print, name) = rest.split_once('.')?;
    let user = version.user(name)?;
    let is_on = now.as_second() < expires.parse::<i64>().ok()?;
    let is_same = print == fingerprint(version, name, user);
    (is_on && is_same).then(|| Identity {
        name: name.into(),
        role: user.role,
        means: Means::Session,
    })
}

/// Changes with the password, and tells nothing about its hash.
fn fingerprint(version: &Version, name: &str, user: &User) -> String {
    let said = format!("{name}\n{}", user.password.as_str());
    secret::encode(&version.signer.sign(FINGERPRINT, &said)[..12])
}

/// Whether exchanges are encrypted, as far as we know.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Wire {
    /// By our own TLS.
    Encrypted,
    /// Not by us.
    Plain,
}

/// Name and attributes of the session's cookie.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Cookie {
    name: &'static str,
    attributes: String,
}

impl Cookie {
    /// `__Host-` binds it to this host and to `/`; `__Secure-` at least to TLS.
    pub(super) fn new(wire: Wire, base: &BasePath) -> Self {
        let (name, secure) = match wire {
            Wire::Encrypted if base.is_root() => ("__Host-loadhost", "; Secure"),
            Wire::Encrypted => ("__Secure-loadhost", "; Secure"),
            Wire::Plain => ("loadhost-session", ""),
        };
        let path = base.cookie_path();
        Self { name, attributes: format!("; Path={path}; HttpOnly; SameSite=Strict{secure}") }
    }

    /// Values that a request has under our name: a browser may send several.
    pub(super) fn values<'a>(&self, headers: &'a HeaderMap) -> impl Iterator<Item = &'a str> {
        let name = self.name;
        let lines = headers.get_all(header::COOKIE).into_iter();
        let pairs = lines.filter_map(|line| line.to_str().ok()).flat_map(|line| line.split(';'));
        let ours = pairs.filter_map(move |pair| {
            let (key, value) = pair.trim().split_once('=')?;
            (key == name).then_some(value)
        });
        // Each costs two signatures.
        ours.take(4)
    }

    /// For `set-cookie`.
    pub(super) fn set(&self, value: &str) -> Option<HeaderValue> {
        let seconds = LASTS.as_secs();
        let line = format!("{}={value}{}; Max-Age={seconds}", self.name, self.attributes);
        HeaderValue::from_str(&line).ok()
    }

    /// For `set-cookie`: the browser forgets it.
    pub(super) fn forget(&self) -> Option<HeaderValue> {
        let line = format!("{}={}; Max-Age=0", self.name, self.attributes);
        HeaderValue::from_str(&line).ok()
    }
}

#[cfg(test)]
mod tests;
