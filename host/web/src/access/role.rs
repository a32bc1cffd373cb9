//! Who asks, and how much they may do.

use std::fmt;
use std::str::FromStr;
use std::sync::Arc;

use serde::{Deserialize, Serialize};

/// How much somebody may do. Each role may do what the ones before it may.
#[derive(
    Debug,
    Clone,
    Copy,
    PartialEq,
    Eq,
    PartialOrd,
    Ord,
    Hash,
    Serialize,
    Deserialize,
    utoipa::ToSchema,
)]
#[serde(rename_all = "lowercase")]
pub enum Role {
    /// Look at everything, and try out plans.
    View,
    /// Upload, start, change and stop.
    Operate,
    /// Take workers out of service.
    Admin,
}

impl Role {
    /// All of them, from the least to the most.
    pub const ALL: [Role; 3] = [Role::View, Role::Operate, Role::Admin];

    /// As it is written in files and on command lines.
    pub fn as_str(self) -> &'static str {
        match self {
            Role::View => "view",
            Role::Operate => "operate",
            Role::Admin => "admin",
        }
    }
}

impl fmt::Display for Role {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// Not the name of a role.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{0}` is no role; give view, operate or admin")]
pub struct NoRole(String);

impl FromStr for Role {
    type Err = NoRole;

    fn from_str(text: &str) -> Result<Self, NoRole> {
        let role = Role::ALL.into_iter().find(|role| role.as_str() == text);
        role.ok_or_else(|| NoRole(text.chars().take(40).collect()))
    }
}

/// How somebody showed who they are.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Means {
    /// Not at all: there is no login.
    Nothing,
    /// With the cookie of a login.
    Session,
    /// With a bearer token.
    Token,
}

impl Means {
    /// As audit lines have it.
    pub fn as_str(self) -> &'static str {
        match self {
            Means::Nothing => "nothing",
            Means::Session => "session",
            Means::Token => "token",
        }
    }
}

/// Who asks. The guard puts it into each request's extensions.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Identity {
    /// Of the user or the token.
    pub name: Arc<str>,
    /// How much they may do.
    pub role: Role,
    /// How they showed it.
    pub means: Means,
}

impl Identity {
    /// Anybody, where there is no login.
    pub fn anybody() -> Self {
        Self { name: "anybody".into(), role: Role::Admin, means: Means::Nothing }
    }
}
