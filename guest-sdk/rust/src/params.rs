//! Typed parameters: `--param NAME=VALUE`, environment, file or web form.

use std::time::Duration;

/// A type that a parameter can have.
#[diagnostic::on_unimplemented(
    message = "a parameter cannot be a `{Self}`",
    note = "parameters are strings, numbers, `bool`, `Duration`, or an `Option` of these"
)]
pub trait ParamValue: Sized {
    /// The kind shown to people and checked by the host.
    const KIND: &'static str;
    /// What an absent value means; None: the run must give one.
    const ABSENT: Option<&'static str> = None;
    /// Reads the text of a run.
    fn parse(text: &str) -> Result<Self, String>;
}

macro_rules! by_from_str {
    ($kind:literal: $($type:ty),*) => {$(
        impl ParamValue for $type {
            const KIND: &'static str = $kind;
            fn parse(text: &str) -> Result<Self, String> {
                let fault = |error| format!("`{text}` is no {}: {error}", stringify!($type));
                text.trim().parse().map_err(fault)
            }
        }
    )*};
}
by_from_str!("integer": u8, u16, u32, u64, usize, i8, i16, i32, i64, isize);
by_from_str!("number": f32, f64);
by_from_str!("boolean": bool);

impl ParamValue for String {
    const KIND: &'static str = "string";
    fn parse(text: &str) -> Result<Self, String> {
        Ok(text.to_string())
    }
}

impl ParamValue for Duration {
    const KIND: &'static str = "duration";
    fn parse(text: &str) -> Result<Self, String> {
        parse_duration(text).ok_or_else(|| format!("`{text}` is no duration such as `1.5s`"))
    }
}

/// An empty text is `None`.
impl<T: ParamValue> ParamValue for Option<T> {
    const KIND: &'static str = T::KIND;
    const ABSENT: Option<&'static str> = Some("");
    fn parse(text: &str) -> Result<Self, String> {
        if text.is_empty() { Ok(None) } else { T::parse(text).map(Some) }
    }
}

/// `250ms`, `1.5s`, `2m`, `1h30m`, `100us`; a bare number is seconds.
fn parse_duration(text: &str) -> Option<Duration> {
    let mut rest = text.trim();
    if rest.is_empty() {
        return None;
    }
    if rest.bytes().all(|byte| byte.is_ascii_digit() || byte == b'.') {
        return Duration::try_from_secs_f64(rest.parse().ok()?).ok();
    }
    let mut total = Duration::ZERO;
    while !rest.is_empty() {
        let digits = rest.find(|c: char| !c.is_ascii_digit() && c != '.')?;
        let (number, after) = rest.split_at(digits);
        let end = after.find(|c: char| c.is_ascii_digit()).unwrap_or(after.len());
        let (unit, next) = after.split_at(end);
        let seconds = match unit.trim() {
            "ns" => 1e-9,
            "us" | "µs" => 1e-6,
            "ms" => 1e-3,
            "s" => 1.0,
            "m" => 60.0,
            "h" => 3600.0,
            "d" => 86400.0,
            _ => return None,
        };
        let number = number.trim();
        let span = Duration::try_from_secs_f64(number.parse::<f64>().ok()? * seconds).ok()?;
        total = total.checked_add(span)?;
        rest = next;
    }
    Some(total)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(text: &str, expected: Option<Duration>) {
        assert_eq!(parse_duration(text), expected, "{text}");
    }

    #[test]
    fn durations_read_like_people_write_them() {
        check("250ms", Some(Duration::from_millis(250)));
        check("1.5s", Some(Duration::from_millis(1500)));
        check("1h30m", Some(Duration::from_secs(5400)));
        check("0", Some(Duration::ZERO));
        check("0s", Some(Duration::ZERO));
        check("12", Some(Duration::from_secs(12)));
        check("s", None);
        check("", None);
        check("1 fortnight", None);
    }

    #[test]
    fn an_optional_parameter_may_be_empty() {
        assert_eq!(Option::<u32>::parse(""), Ok(None));
        assert_eq!(Option::<u32>::parse("7"), Ok(Some(7)));
        assert!(Option::<u32>::parse("seven").is_err());
    }
}
