//! The text forms that people write: durations, rates, stages.
//!
//! One grammar for flags, files, scenarios and the page. Each parser's counterpart writes
//! what the parser reads back to the same value.

use std::fmt::Write;
use std::time::Duration;

use crate::profile::Stage;

/// Why a text has no meaning.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum TextError {
    /// No duration.
    #[error("`{0}` is no duration; write it like `500ms`, `10s`, `1m30s` or `2h`")]
    Duration(String),
    /// No rate.
    #[error("`{0}` is no rate; write it like `100/s`, `6000/m` or `50`, which is per second")]
    Rate(String),
    /// No stage.
    #[error(
        "`{0}` is no stage; write stages like `10s->100, 1m->100`: a duration, and the \
         value that is reached after it"
    )]
    Stage(String),
    /// Half a user.
    #[error("`{0}` is no number of users; it must be a whole number from 0 to 4294967295")]
    Users(String),
}

/// What the targets of stages are.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Target {
    /// Whole numbers of users.
    Users,
    /// Arrivals per second, or `6000/m`.
    Rate,
}

/// In nanoseconds, longest first.
const UNITS: [(&str, u64); 7] = [
    ("d", 86_400_000_000_000),
    ("h", 3_600_000_000_000),
    ("m", 60_000_000_000),
    ("s", 1_000_000_000),
    ("ms", 1_000_000),
    ("us", 1_000),
    ("ns", 1),
];

/// `500ms`, `10s`, `1.5s`, `1m30s`, `2h`, `1d`; a bare number is seconds.
pub fn parse_duration(text: &str) -> Result<Duration, TextError> {
    let bad = || TextError::Duration(text.to_string());
    let mut rest = text.trim();
    if let Ok(seconds) = rest.parse::<f64>()
        && rest.bytes().all(|b| b.is_ascii_digit() || b == b'.')
    {
        return Duration::try_from_secs_f64(seconds).map_err(|_| bad());
    }
    if rest.is_empty() {
        return Err(bad());
    }
    let mut sum = Duration::ZERO;
    while !rest.is_empty() {
        let digits = rest.find(|c: char| !c.is_ascii_digit() && c != '.').ok_or_else(bad)?;
        let (number, tail) = rest.split_at(digits);
        let letters = tail.find(|c: char| !c.is_alphabetic()).unwrap_or(tail.len());
        let (unit, tail) = tail.split_at(letters);
        sum = sum.checked_add(span(number, unit).ok_or_else(bad)?).ok_or_else(bad)?;
        rest = tail.trim_start();
    }
    Ok(sum)
}

fn span(number: &str, unit: &str) -> Option<Duration> {
    let unit = if unit == "µs" { "us" } else { unit };
    let (_, nanos) = UNITS.iter().find(|(name, _)| *name == unit)?;
    if let Ok(whole) = number.parse::<u64>() {
        return whole.checked_mul(*nanos).map(Duration::from_nanos);
    }
    let seconds = number.parse::<f64>().ok()? * *nanos as f64 / 1e9;
    Duration::try_from_secs_f64(seconds).ok()
}

/// The shortest form that [`parse_duration`] reads back: `1m30s`, `1500ms`, `0s`.
pub fn format_duration(duration: Duration) -> String {
    let Ok(mut nanos) = u64::try_from(duration.as_nanos()) else {
        // Beyond 584 years.
        return format!("{}s", duration.as_secs());
    };
    if nanos == 0 {
        return "0s".to_string();
    }
    // `1500ms` reads better than `1s500ms`.
    let in_millis = nanos < 10_000_000_000 && nanos % 1_000_000_000 != 0;
    let mut text = String::new();
    for (unit, size) in UNITS {
        if nanos >= size && !(unit == "s" && in_millis) {
            let _ = write!(text, "{}{unit}", nanos / size);
            nanos %= size;
        }
    }
    text
}

/// `100/s`, `6000/m`, `3600/h`, or a bare number per second. Per second; finite, not negative.
pub fn parse_rate(text: &str) -> Result<f64, TextError> {
    let bad = || TextError::Rate(text.to_string());
    let (number, per) = match text.split_once('/') {
        Some((number, unit)) => (number.trim(), unit.trim()),
        None => (text.trim(), "s"),
    };
    let seconds = match per {
        "s" | "sec" | "second" => 1.0,
        "m" | "min" | "minute" => 60.0,
        "h" | "hour" => 3600.0,
        _ => return Err(bad()),
    };
    let number: f64 = number.parse().map_err(|_| bad())?;
    if number.is_finite() && number >= 0.0 { Ok(number / seconds) } else { Err(bad()) }
}

/// What [`parse_rate`] reads back, per second: `100/s`.
pub fn format_rate(rate: f64) -> String {
    format!("{rate}/s")
}

/// `10s->100, 20s->100`: each a duration, and the value that is reached after it.
pub fn parse_stages(text: &str, target: Target) -> Result<Vec<Stage>, TextError> {
    let stages = text.split(',').map(str::trim).filter(|stage| !stage.is_empty());
    let stages = stages.map(|stage| parse_stage(stage, target)).collect::<Result<Vec<_>, _>>()?;
    if stages.is_empty() { Err(TextError::Stage(text.to_string())) } else { Ok(stages) }
}

fn parse_stage(text: &str, target: Target) -> Result<Stage, TextError> {
    let parts = text.split_once("->");
    let (duration, value) = parts.ok_or_else(|| TextError::Stage(text.to_string()))?;
    let value = value.trim();
    let target = match target {
        Target::Users => {
            value.parse::<u32>().map(f64::from).map_err(|_| TextError::Users(value.to_string()))?
        }
        Target::Rate => parse_rate(value)?,
    };
    Ok(Stage { duration: parse_duration(duration)?, target })
}

/// What [`parse_stages`] reads back.
pub fn format_stages(stages: &[Stage]) -> String {
    let stages = stages.iter();
    let texts =
        stages.map(|stage| format!("{}->{}", format_duration(stage.duration), stage.target));
    texts.collect::<Vec<_>>().join(", ")
}

/// `, did you mean `…`?` if one of `known` is close enough, else nothing.
pub fn suggestion<'a>(given: &str, known: impl IntoIterator<Item = &'a str>) -> String {
    let close = known.into_iter().map(|name| (strsim::damerau_levenshtein(given, name), name));
    let nearest = close.min_by_key(|(distance, _)| *distance);
    match nearest {
        Some((distance, name)) if distance <= given.chars().count().max(3) / 3 => {
            format!(", did you mean `{name}`?")
        }
        _ => String::new(),
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::expect_used)]

    use super::*;

    #[test]
    fn durations_mean_what_people_write() {
        let check = |text: &str, millis: u64| {
            assert_eq!(parse_duration(text), Ok(Duration::from_millis(millis)), "{text}");
        };
        check("500ms", 500);
        check("10s", 10_000);
        check("1m30s", 90_000);
        check("1m 30s", 90_000);
        check("2h", 7_200_000);
        check("1.5s", 1_500);
        check("30", 30_000);
        check("0", 0);
        for text in ["", "s", "10x", "-1s", "1s2", "1e3s", "..", "NaN", "99999999999999999999h"] {
            assert_eq!(parse_duration(text), Err(TextError::Duration(text.to_string())), "{text}");
        }
    }

    #[test]
    fn durations_are_written_as_people_do() {
        let check = |nanos: u64, text: &str| {
            let duration = Duration::from_nanos(nanos);
            assert_eq!(format_duration(duration), text);
            assert_eq!(parse_duration(text), Ok(duration));
        };
        check(0, "0s");
        check(500_000_000, "500ms");
        check(1_500_000_000, "1500ms");
        check(90_000_000_000, "1m30s");
        check(7_200_000_000_000, "2h");
        check(86_400_000_000_001, "1d1ns");
        check(61_000_500_000, "1m1s500us");
    }

    #[test]
    fn stages_survive_being_written() {
        for text in ["10s->100, 20s->100", "0s->5", "1m30s->0.5"] {
            assert_eq!(format_stages(&parse_stages(text, Target::Rate).unwrap()), text);
        }
        assert_eq!(parse_stages("1m->6000/m", Target::Rate).unwrap()[0].target, 100.0);
    }

    #[test]
    fn a_wrong_stage_says_how_to_write_one() {
        let error = |text| parse_stages(text, Target::Users).unwrap_err().to_string();
        assert!(error("10s:100").contains("write stages like `10s->100, 1m->100`"));
        assert!(error("10->1.5").contains("`1.5` is no number of users"));
        assert!(error("x->1").contains("`x` is no duration"));
        assert!(error("").contains("is no stage"));
    }
}
