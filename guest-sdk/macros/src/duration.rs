//! Durations as people write them.
//!
//! The same file stands in `loadhost-sdk` and in `loadhost-sdk-macros`, since a crate of macros has nothing
//! else to offer, and a third crate would be one more for authors to fetch. A test keeps them equal.

use std::time::Duration;

/// In seconds.
const UNITS: [(&str, f64); 8] = [
    ("ns", 1e-9),
    ("us", 1e-6),
    ("µs", 1e-6),
    ("ms", 1e-3),
    ("s", 1.0),
    ("m", 60.0),
    ("h", 3_600.0),
    ("d", 86_400.0),
];

/// `250ms`, `1.5s`, `2m`, `1h30m`, `100us`; a bare number is seconds.
pub(crate) fn read(text: &str) -> Option<Duration> {
    let mut rest = text.trim();
    if !rest.is_empty() && rest.bytes().all(|byte| byte.is_ascii_digit() || byte == b'.') {
        return Duration::try_from_secs_f64(rest.parse().ok()?).ok();
    }
    let mut total = None;
    while !rest.is_empty() {
        let digits = rest.find(|c: char| !c.is_ascii_digit() && c != '.')?;
        let (number, after) = rest.split_at(digits);
        let end = after.find(|c: char| c.is_ascii_digit()).unwrap_or(after.len());
        let (unit, next) = after.split_at(end);
        let (_, seconds) = UNITS.iter().find(|(name, _)| *name == unit.trim())?;
        let span = Duration::try_from_secs_f64(number.parse::<f64>().ok()? * seconds).ok()?;
        total = Some(total.unwrap_or(Duration::ZERO).checked_add(span)?);
        rest = next;
    }
    total
}

#[cfg(test)]
mod tests {
    use super::read;
    use std::time::Duration;

    #[test]
    fn durations_read_like_people_write_them() {
        for (text, millis) in [
            ("250ms", 250),
            ("1.5s", 1_500),
            ("1h30m", 5_400_000),
            ("1m 30s", 90_000),
            ("0", 0),
            ("0s", 0),
            (" 12 ", 12_000),
        ] {
            assert_eq!(read(text), Some(Duration::from_millis(millis)), "{text}");
        }
        for text in ["", " ", "s", "1 fortnight", "1.2.3s", "1e3", "inf", "-1s", "1s2"] {
            assert_eq!(read(text), None, "{text}");
        }
    }
}
