//! Parameters of scenarios: their kinds, and which values fit.

use std::collections::BTreeMap;
use std::str::FromStr;

use crate::description::Parameter;
use crate::text::{parse_duration, suggestion};

/// What a parameter's value must be.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ParamKind {
    /// Anything.
    String,
    /// A whole number of 64 bits.
    Integer,
    /// A finite number.
    Number,
    /// `true` or `false`.
    Boolean,
    /// As [`parse_duration`].
    Duration,
    /// With a scheme.
    Url,
    /// One of these.
    Choice(Vec<String>),
}

/// What is wrong with a parameter.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ParamError {
    /// The scenario has none of this name.
    #[error("unknown parameter `{name}`{suggestion}; the scenario has {known}")]
    Unknown {
        /// As given.
        name: String,
        /// `, did you mean …?`, or nothing.
        suggestion: String,
        /// All there are.
        known: String,
    },
    /// It has no default and no value was given.
    #[error("parameter `{name}` is missing ({help}); give `--param {name}=VALUE`")]
    Missing {
        /// Of the parameter.
        name: String,
        /// What it is for.
        help: String,
    },
    /// The value is of another kind.
    #[error("parameter `{name}`: {value} is {expected}; give `--param {name}=VALUE`")]
    Value {
        /// Of the parameter.
        name: String,
        /// As given, or `the value`, if it is secret.
        value: String,
        /// Such as `no whole number`.
        expected: String,
    },
    /// The scenario's author wrote a kind that does not exist.
    #[error(
        "parameter `{name}` has the unknown kind `{kind}`; there are `string`, `integer`, `number`, \
         `boolean`, `duration`, `url` and `choice:a|b|c`"
    )]
    Kind {
        /// Of the parameter.
        name: String,
        /// As found.
        kind: String,
    },
}

/// Not one of the kinds.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("unknown kind of parameter")]
pub struct UnknownKind;

impl FromStr for ParamKind {
    type Err = UnknownKind;

    fn from_str(text: &str) -> Result<Self, UnknownKind> {
        match text {
            "string" => Ok(Self::String),
            "integer" => Ok(Self::Integer),
            "number" => Ok(Self::Number),
            "boolean" => Ok(Self::Boolean),
            "duration" => Ok(Self::Duration),
            "url" => Ok(Self::Url),
            _ => {
                let choices = text.strip_prefix("choice:").ok_or(UnknownKind)?;
                let choices: Vec<String> = choices.split('|').map(str::to_string).collect();
                if choices.iter().any(String::is_empty) {
                    Err(UnknownKind)
                } else {
                    Ok(Self::Choice(choices))
                }
            }
        }
    }
}

impl ParamKind {
    /// Whether `value` is of this kind; else what it is not.
    pub fn check(&self, value: &str) -> Result<(), String> {
        let (fits, expected) = match self {
            Self::String => (true, ""),
            Self::Integer => (value.parse::<i64>().is_ok(), "no whole number"),
            Self::Number => (value.parse::<f64>().is_ok_and(f64::is_finite), "no number"),
            Self::Boolean => (matches!(value, "true" | "false"), "neither `true` nor `false`"),
            Self::Duration => {
                (parse_duration(value).is_ok(), "no duration such as `500ms` or `1m30s`")
            }
            Self::Url => (is_url(value), "no URL such as `http://127.0.0.1:8000`"),
            Self::Choice(choices) => {
                let fits = choices.iter().any(|choice| choice == value);
                return if fits {
                    Ok(())
                } else {
                    Err(format!("none of `{}`", choices.join("`, `")))
                };
            }
        };
        if fits { Ok(()) } else { Err(expected.to_string()) }
    }
}

fn is_url(text: &str) -> bool {
    text.split_once("://").is_some_and(|(scheme, rest)| {
        let letters = |b: u8| b.is_ascii_alphanumeric() || b"+-.".contains(&b);
        scheme.starts_with(|c: char| c.is_ascii_alphabetic())
            && scheme.bytes().all(letters)
            && !rest.is_empty()
            && !rest.contains(char::is_whitespace)
    })
}

/// Whether a scenario's parameter makes sense: its kind exists, and its default is of it.
pub fn check_parameter(parameter: &Parameter) -> Result<(), ParamError> {
    let kind: ParamKind = parameter.kind.parse().map_err(|UnknownKind| ParamError::Kind {
        name: parameter.name.clone(),
        kind: parameter.kind.clone(),
    })?;
    match &parameter.default {
        Some(default) => check_value(parameter, &kind, default),
        None => Ok(()),
    }
}

fn check_value(parameter: &Parameter, kind: &ParamKind, value: &str) -> Result<(), ParamError> {
    // An empty default says that the parameter may be left out, whatever its kind.
    if value.is_empty() && parameter.default.as_deref() == Some("") {
        return Ok(());
    }
    kind.check(value).map_err(|expected| ParamError::Value {
        name: parameter.name.clone(),
        value: if parameter.secret { "the value".to_string() } else { format!("`{value}`") },
        expected,
    })
}

/// All that is wrong with the values given to a run.
pub(super) fn check(parameters: &[Parameter], given: &BTreeMap<String, String>) -> Vec<ParamError> {
    let names = || parameters.iter().map(|parameter| parameter.name.as_str());
    let unknown = given.keys().filter(|name| !names().any(|known| known == *name));
    let unknown = unknown.map(|name| ParamError::Unknown {
        name: name.clone(),
        suggestion: suggestion(name, names()),
        known: match parameters {
            [] => "no parameters".to_string(),
            _ => names().map(|name| format!("`{name}`")).collect::<Vec<_>>().join(", "),
        },
    });
    let wrong = parameters.iter().filter_map(|parameter| {
        let Ok(kind) = parameter.kind.parse::<ParamKind>() else {
            return check_parameter(parameter).err();
        };
        match given.get(&parameter.name).or(parameter.default.as_ref()) {
            Some(value) => check_value(parameter, &kind, value).err(),
            None => Some(ParamError::Missing {
                name: parameter.name.clone(),
                help: parameter.help.clone(),
            }),
        }
    });
    unknown.chain(wrong).collect()
}
