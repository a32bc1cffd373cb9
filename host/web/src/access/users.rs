//! The users file: who may log in, which tokens are good, and the secret that signs sessions.
//!
//! ```toml
//! secret = "…"                      # 256 bits; whoever changes it ends all sessions
//!
//! [users.alice]
//! role = "admin"
//! password = "$argon2id$v=19$m=19456,t=2,p=1$…"
//!
//! [tokens.ci]
//! role = "operate"
//! sha256 = "…"                      # of the token, which is shown once and kept nowhere
//! expires = "2027-01-01T00:00:00Z"  # never, if it is left out
//! ```
//!
//! [`UserFile`] is what `loadhost user` reads, changes and writes. A server reads it through
//! [`live::Users`], which notices changes. Everything is checked here, once.

pub(super) mod disk;
mod edit;
pub(super) mod live;
#[cfg(test)]
pub(super) mod tests;

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::str::FromStr as _;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};

use super::password::{Hashed, PasswordError};
use super::role::Role;
use super::secret::{self, LENGTH, NoRandomness};

pub use edit::{UserFile, UserToken};

/// Users, and tokens, that a file may have.
pub(super) const MOST: usize = 1_000;
/// Letters of a name.
const LONGEST_NAME: usize = 64;
/// What tokens begin with, so that scanners of repositories can find them.
pub(super) const TOKEN_PREFIX: &str = "lh_";

/// What is wrong with a users file, or with what is asked of it.
#[derive(Debug, thiserror::Error)]
pub enum UsersError {
    /// It is not there.
    #[error("there is no users file `{}`; `loadhost user add NAME` makes one", .0.display())]
    Missing(PathBuf),
    /// The system said so.
    #[error("the users file `{}` cannot be {what}: {reason}", path.display())]
    Io {
        /// Asked for.
        path: PathBuf,
        /// "read" or "written".
        what: &'static str,
        /// What the system said.
        reason: std::io::Error,
    },
    /// Others than its owner may use it.
    #[error("the users file `{}` may be read or written by others (mode {mode:03o}); run `chmod 600 {}`", path.display(), path.display())]
    Open {
        /// Of the file.
        path: PathBuf,
        /// Permission bits.
        mode: u32,
    },
    /// Not what a users file looks like.
    #[error("the users file `{}` is not understood: {reason}", path.display())]
    Malformed {
        /// Of the file.
        path: PathBuf,
        /// Names the thing and the remedy.
        reason: String,
    },
    /// Somebody else wrote it in the meantime.
    #[error("the users file `{}` was changed meanwhile; do it again", .0.display())]
    ChangedMeanwhile(PathBuf),
    /// Not a name.
    #[error(
        "`{0}` is no name; give 1 to {LONGEST_NAME} of a-z, A-Z, 0-9, `.`, `_`, `-` and `@`, not starting with `-` or `.`"
    )]
    BadName(String),
    /// It is there already.
    #[error("there is a {kind} `{name}` already; remove it first, or give another name")]
    Exists {
        /// "user" or "token".
        kind: &'static str,
        /// Asked for.
        name: String,
    },
    /// Nobody has that name.
    #[error("there is no {kind} `{name}`; there are: {known}")]
    Nobody {
        /// "user" or "token".
        kind: &'static str,
        /// Asked for.
        name: String,
        /// Those that there are.
        known: String,
    },
    /// No more fit.
    #[error("the users file has {MOST} {0}s already; remove one first")]
    Full(&'static str),
    /// Not good enough.
    #[error(transparent)]
    Password(#[from] PasswordError),
    /// No secret could be drawn.
    #[error(transparent)]
    NoRandomness(#[from] NoRandomness),
}

/// A user, checked.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct User {
    pub(super) role: Role,
    pub(super) password: Hashed,
}

/// A token, checked.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Token {
    pub(super) role: Role,
    pub(super) digest: [u8; 32],
    pub(super) expires: Option<Timestamp>,
}

/// All of a users file, checked.
#[derive(Clone, PartialEq, Eq)]
pub(super) struct Content {
    pub(super) secret: [u8; LENGTH],
    pub(super) users: BTreeMap<String, User>,
    pub(super) tokens: BTreeMap<String, Token>,
}

/// As it stands in the file.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Raw {
    secret: String,
    #[serde(default)]
    users: BTreeMap<String, RawUser>,
    #[serde(default)]
    tokens: BTreeMap<String, RawToken>,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct RawUser {
    role: Role,
    password: String,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct RawToken {
    role: Role,
    sha256: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    expires: Option<String>,
}

impl Content {
    /// Without anybody, under a new secret.
    fn new() -> Result<Self, NoRandomness> {
        let secret = secret::random()?;
        Ok(Self { secret, users: BTreeMap::new(), tokens: BTreeMap::new() })
    }

    /// What the text of a file says, or what is wrong with it. No secret stands in the reason.
    fn parse(text: &str) -> Result<Self, String> {
        // The error's own text shows the line, which may hold a secret.
        let raw: Raw = toml::from_str(text).map_err(|error| {
            let line = error
                .span()
                .map(|span| text[..span.start.min(text.len())].matches('\n').count() + 1);
            let place = line.map(|line| format!(" in line {line}")).unwrap_or_default();
            format!("{}{place}", error.message())
        })?;
        let secret = secret::decode(&raw.secret).and_then(|bytes| bytes.try_into().ok());
        let secret = secret.ok_or_else(|| {
            format!(
                "`secret` is not {LENGTH} bytes in base64url; remove the file and make a new one"
            )
        })?;
        for (kind, count) in [("users", raw.users.len()), ("tokens", raw.tokens.len())] {
            if count > MOST {
                return Err(format!("it has {count} {kind}; {MOST} are the most"));
            }
        }
        let mut content = Self { secret, users: BTreeMap::new(), tokens: BTreeMap::new() };
        for (name, user) in raw.users {
            let name = name_of(&name).map_err(|error| error.to_string())?;
            let password = Hashed::parse(&user.password).map_err(|why| {
                format!("the password of `{name}` is no hash that is checked here: {why}; run `loadhost user passwd {name}`")
            })?;
            content.users.insert(name, User { role: user.role, password });
        }
        for (name, token) in raw.tokens {
            let name = name_of(&name).map_err(|error| error.to_string())?;
            let token = token.checked().map_err(|why| format!("token `{name}`: {why}"))?;
            content.tokens.insert(name, token);
        }
        Ok(content)
    }

    /// As it stands in the file.
    fn text(&self) -> Result<String, toml::ser::Error> {
        let user = |(name, user): (&String, &User)| {
            (name.clone(), RawUser { role: user.role, password: user.password.as_str().into() })
        };
        let token = |(name, token): (&String, &Token)| {
            let expires = token.expires.map(|expires| expires.to_string());
            (name.clone(), RawToken { role: token.role, sha256: hex(&token.digest), expires })
        };
        let raw = Raw {
            secret: secret::encode(&self.secret),
            users: self.users.iter().map(user).collect(),
            tokens: self.tokens.iter().map(token).collect(),
        };
        let text = toml::to_string(&raw)?;
        Ok(format!("# Who may use this fleet. Written by `loadhost user`; keep it secret.\n{text}"))
    }
}

impl RawToken {
    fn checked(self) -> Result<Token, String> {
        let digest = unhex(&self.sha256).ok_or("`sha256` is not 64 hexadecimal digits")?;
        let expires = self.expires.as_deref().map(Timestamp::from_str).transpose();
        let expires = expires.map_err(|error| {
            format!("`expires` is no time such as 2027-01-01T00:00:00Z: {error}")
        })?;
        Ok(Token { role: self.role, digest, expires })
    }
}

/// What a token is known by.
pub(super) fn digest_of(token: &str) -> [u8; 32] {
    Sha256::digest(token.as_bytes()).into()
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

fn unhex(text: &str) -> Option<[u8; 32]> {
    if text.len() != 64 || !text.is_ascii() {
        return None;
    }
    let digits = |at: usize| u8::from_str_radix(text.get(at..at + 2)?, 16).ok();
    let bytes: Option<Vec<u8>> = (0..64).step_by(2).map(digits).collect();
    bytes?.try_into().ok()
}

/// A name of a user or a token, checked.
fn name_of(text: &str) -> Result<String, UsersError> {
    let fits = |c: char| c.is_ascii_alphanumeric() || "._-@".contains(c);
    let good = !text.is_empty()
        && text.len() <= LONGEST_NAME
        && text.chars().all(fits)
        && !text.starts_with(['-', '.']);
    match good {
        true => Ok(text.into()),
        false => Err(UsersError::BadName(text.chars().take(LONGEST_NAME).collect())),
    }
}
