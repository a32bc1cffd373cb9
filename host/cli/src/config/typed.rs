//! Values of options by type. An error names the option, where the value came from, and what would do.

use std::net::SocketAddr;
use std::ops::RangeInclusive;
use std::path::PathBuf;
use std::str::FromStr;
use std::time::Duration;

use loadhost_model::text::{format_duration, parse_duration, parse_rate};

use super::{Effective, Item, Origin};
use crate::exit_code::ExitCode;
use crate::failure::Failure;

/// Refuses a value.
pub(crate) fn refuse(key: &str, item: &Item, reason: &str) -> Failure {
    let name = item.name.as_ref().map(|name| format!(".{name}")).unwrap_or_default();
    Failure::new(
        ExitCode::Configuration,
        format!("`{key}{name}` from {} cannot be `{}`", item.origin, item.text),
    )
    .because(&std::io::Error::other(reason.to_string()))
    .hint(match item.origin {
        // What was wrong is said; there is nothing to look up.
        Origin::Request => "",
        _ => "`loadhost config` shows where each value comes from",
    })
    .of(format!("{key}{name}"))
}

/// Like [`refuse`], for values that must not be shown.
pub(crate) fn refuse_secret(key: &str, item: &Item, reason: &str) -> Failure {
    refuse(key, &Item { text: "***".to_string(), ..item.clone() }, reason)
}

/// As [`parse_duration`] has it.
pub(crate) fn as_duration(key: &str, item: &Item) -> Result<Duration, Failure> {
    parse_duration(&item.text).map_err(|error| refuse(key, item, &error.to_string()))
}

/// As [`parse_rate`] has it.
pub(crate) fn as_rate(key: &str, item: &Item) -> Result<f64, Failure> {
    parse_rate(&item.text).map_err(|error| refuse(key, item, &error.to_string()))
}

/// A number of some type.
pub(crate) fn as_number<T: FromStr>(key: &str, item: &Item) -> Result<T, Failure>
where
    T::Err: std::fmt::Display,
{
    item.text.parse().map_err(|error: T::Err| refuse(key, item, wanted(&error.to_string())))
}

/// What a number of the wanted type is, from what the standard library says of one that is none.
fn wanted(error: &str) -> &str {
    match error {
        "invalid digit found in string" => "it is a whole number, 0 or more",
        "number too large to fit in target type" => "it is a smaller number",
        "cannot parse integer from empty string" | "cannot parse float from empty string" => {
            "it is a number, and there is none"
        }
        "invalid float literal" => "it is a number such as `2` or `0.5`",
        other => other,
    }
}

/// On or off.
pub(crate) fn as_switch(key: &str, item: &Item) -> Result<bool, Failure> {
    match item.text.to_ascii_lowercase().as_str() {
        "true" | "1" | "yes" | "on" => Ok(true),
        "false" | "0" | "no" | "off" | "" => Ok(false),
        _ => Err(refuse(key, item, "it is either `true` or `false`")),
    }
}

impl Effective {
    pub(crate) fn text(&self, key: &str) -> Option<String> {
        self.item(key).map(|item| item.text.clone()).filter(|text| !text.is_empty())
    }

    pub(crate) fn texts(&self, key: &str) -> Vec<String> {
        self.items(key).iter().map(|item| item.text.clone()).collect()
    }

    pub(crate) fn path(&self, key: &str) -> Option<PathBuf> {
        self.text(key).map(PathBuf::from)
    }

    pub(crate) fn switch(&self, key: &str) -> Result<bool, Failure> {
        self.item(key).map_or(Ok(false), |item| as_switch(key, item))
    }

    pub(crate) fn duration(&self, key: &str) -> Result<Option<Duration>, Failure> {
        self.item(key).map(|item| as_duration(key, item)).transpose()
    }

    /// The same, of `least` at least.
    pub(crate) fn duration_from(
        &self,
        key: &str,
        least: Duration,
    ) -> Result<Option<Duration>, Failure> {
        let duration = self.duration(key)?;
        match self.item(key) {
            Some(item) if duration < Some(least) => {
                let least = format_duration(least);
                Err(refuse(key, item, &format!("it must be {least} at least")))
            }
            _ => Ok(duration),
        }
    }

    /// The same, within these bounds.
    pub(crate) fn duration_within(
        &self,
        key: &str,
        bounds: RangeInclusive<Duration>,
    ) -> Result<Option<Duration>, Failure> {
        let duration = self.duration(key)?;
        match (self.item(key), duration) {
            (Some(item), Some(duration)) if !bounds.contains(&duration) => {
                let (least, most) =
                    (format_duration(*bounds.start()), format_duration(*bounds.end()));
                Err(refuse(key, item, &format!("it is from {least} to {most}")))
            }
            _ => Ok(duration),
        }
    }

    pub(crate) fn number<T: FromStr>(&self, key: &str) -> Result<Option<T>, Failure>
    where
        T::Err: std::fmt::Display,
    {
        self.item(key).map(|item| as_number(key, item)).transpose()
    }

    pub(crate) fn address(&self, key: &str) -> Result<Option<SocketAddr>, Failure> {
        self.item(key)
            .map(|item| {
                item.text.parse().map_err(|_| {
                    refuse(key, item, "it is no address; write it as `127.0.0.1:8000`")
                })
            })
            .transpose()
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn a_number_that_is_none_is_told_what_one_is() {
        let item =
            |text: &str| Item { name: None, text: text.to_string(), origin: Origin::Request };
        for text in ["-1", "ten", "1.5", "", "99999999999"] {
            let told = as_number::<u32>("users", &item(text)).unwrap_err().to_string();
            let wanted = told.contains("it is a ") && told.contains(&format!("`{text}`"));
            assert!(wanted, "{text}: {told}");
        }
        for text in ["ten", ""] {
            let told = as_number::<f64>("spread", &item(text)).unwrap_err().to_string();
            assert!(told.contains("it is a number"), "{text}: {told}");
        }
    }
}
