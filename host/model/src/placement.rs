//! Which workers may take part in a run: expressions over their tags.
//!
//! ```text
//! region=eu && type!=small          both
//! region=eu || region=us            one of them
//! gpu                               has the tag, whatever its value
//! !(zone=a || spare)                not
//! ```
//! `!` binds closer than `&&`, which binds closer than `||`. A worker without the tag is unequal
//! to every value. [`Placement`] is parsed once, at the border; what matches is decided by the
//! coordinator.

mod parse;

use std::collections::BTreeMap;
use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

pub use parse::PlacementError;

/// Bytes of an expression.
pub const MAX_LENGTH: usize = 1_024;
/// Parentheses and `!` within each other.
pub const MAX_DEPTH: usize = 32;

/// An expression over tags.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Placement(Expression);

#[derive(Debug, Clone, PartialEq, Eq)]
enum Expression {
    /// The tag is there.
    Has(String),
    /// The tag is there and has this value.
    Is(String, String),
    Not(Box<Expression>),
    /// At least two.
    All(Vec<Expression>),
    /// At least two.
    Any(Vec<Expression>),
}

impl Placement {
    /// Whether a worker with these tags may take part.
    pub fn matches(&self, tags: &BTreeMap<String, String>) -> bool {
        self.0.matches(tags)
    }
}

impl Expression {
    fn matches(&self, tags: &BTreeMap<String, String>) -> bool {
        match self {
            Self::Has(tag) => tags.contains_key(tag),
            Self::Is(tag, value) => tags.get(tag) == Some(value),
            Self::Not(inner) => !inner.matches(tags),
            Self::All(parts) => parts.iter().all(|part| part.matches(tags)),
            Self::Any(parts) => parts.iter().any(|part| part.matches(tags)),
        }
    }
}

impl fmt::Display for Placement {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl fmt::Display for Expression {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Has(tag) => write!(f, "{}", Word(tag)),
            Self::Is(tag, value) => write!(f, "{}={}", Word(tag), Word(value)),
            Self::Not(inner) => match &**inner {
                Self::Is(tag, value) => write!(f, "{}!={}", Word(tag), Word(value)),
                Self::Has(_) | Self::Not(_) => write!(f, "!{inner}"),
                Self::All(_) | Self::Any(_) => write!(f, "!({inner})"),
            },
            Self::All(parts) => join(f, parts, " && "),
            Self::Any(parts) => join(f, parts, " || "),
        }
    }
}

/// Parts that have parts of their own stand in parentheses.
fn join(f: &mut fmt::Formatter<'_>, parts: &[Expression], sign: &str) -> fmt::Result {
    for (i, part) in parts.iter().enumerate() {
        f.write_str(if i == 0 { "" } else { sign })?;
        match part {
            Expression::All(_) | Expression::Any(_) => write!(f, "({part})")?,
            _ => write!(f, "{part}")?,
        }
    }
    Ok(())
}

/// A name or a value, quoted where it must be.
struct Word<'a>(&'a str);

impl fmt::Display for Word<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if !self.0.is_empty() && self.0.chars().all(parse::is_plain) {
            f.write_str(self.0)
        } else {
            write!(f, "\"{}\"", self.0)
        }
    }
}

impl FromStr for Placement {
    type Err = PlacementError;
    fn from_str(text: &str) -> Result<Self, PlacementError> {
        parse::expression(text).map(Self)
    }
}

impl TryFrom<String> for Placement {
    type Error = PlacementError;
    fn try_from(text: String) -> Result<Self, PlacementError> {
        text.parse()
    }
}

impl From<Placement> for String {
    fn from(placement: Placement) -> String {
        placement.to_string()
    }
}

#[cfg(test)]
mod tests;
