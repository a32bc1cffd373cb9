//! Numbers as people read them.

use std::time::Duration;

/// Microseconds as milliseconds with three digits that matter: `0.041`, `4.12`, `83`, `12,345`.
pub fn millis(micros: u64) -> String {
    let ms = micros as f64 / 1e3;
    match micros {
        0 => "0".to_string(),
        1..1_000 => format!("{ms:.3}"),
        1_000..10_000 => format!("{ms:.2}"),
        10_000..100_000 => format!("{ms:.1}"),
        _ => grouped(ms.round() as u64),
    }
}

/// `-` for nothing.
pub fn millis_or_dash(micros: Option<u64>) -> String {
    micros.map_or_else(|| "-".to_string(), millis)
}

/// `1,234,567`
pub fn grouped(number: u64) -> String {
    let digits = number.to_string();
    let mut text = String::with_capacity(digits.len() + digits.len() / 3);
    for (i, digit) in digits.chars().enumerate() {
        if i > 0 && (digits.len() - i).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

/// Per second: `0.4`, `99.8`, `998`, `12,345`.
pub fn rate(per_second: f64) -> String {
    if per_second >= 99.95 {
        grouped(per_second.round() as u64)
    } else {
        format!("{per_second:.1}")
    }
}

/// A share: `0 %`, `0.02 %`, `1.5 %`, `37 %`. Never `0 %` or `100 %` unless exactly so.
pub fn percent(share: f64) -> String {
    let percent = share * 100.0;
    if percent == 0.0 {
        "0 %".to_string()
    } else if percent < 0.01 {
        "<0.01 %".to_string()
    } else if percent < 1.0 {
        format!("{percent:.2} %")
    } else if percent < 10.0 {
        format!("{percent:.1} %")
    } else if percent < 99.0 {
        format!("{percent:.0} %")
    } else if percent < 100.0 {
        // The last of many nines matter.
        format!("{:.2} %", percent.min(99.99))
    } else {
        "100 %".to_string()
    }
}

/// `00:42`, `1:02:03`
pub fn clock(time: Duration) -> String {
    let seconds = time.as_secs();
    let (hours, minutes, seconds) = (seconds / 3600, seconds / 60 % 60, seconds % 60);
    if hours > 0 {
        format!("{hours}:{minutes:02}:{seconds:02}")
    } else {
        format!("{minutes:02}:{seconds:02}")
    }
}

/// `4.2 s`, `1m 02s`
pub fn span(time: Duration) -> String {
    let seconds = time.as_secs_f64();
    if seconds < 60.0 {
        return format!("{seconds:.1} s");
    }
    let whole = time.as_secs();
    let (hours, minutes, seconds) = (whole / 3600, whole / 60 % 60, whole % 60);
    if hours > 0 {
        format!("{hours}h {minutes:02}m {seconds:02}s")
    } else {
        format!("{minutes}m {seconds:02}s")
    }
}

/// `512 B`, `1.2 MB`
pub fn bytes(count: u64) -> String {
    const UNITS: [&str; 5] = ["kB", "MB", "GB", "TB", "PB"];
    if count < 1_000 {
        return format!("{count} B");
    }
    let mut value = count as f64 / 1e3;
    let mut unit = 0;
    while value >= 999.95 && unit + 1 < UNITS.len() {
        value /= 1e3;
        unit += 1;
    }
    format!("{value:.1} {}", UNITS[unit])
}

/// At most `width` characters; the middle gives way, since both ends of a name matter.
pub fn fit(text: &str, width: usize) -> String {
    let length = text.chars().count();
    if length <= width {
        return text.to_string();
    }
    let head = (width - 1).div_ceil(2);
    let tail = width - 1 - head;
    text.chars().take(head).chain(['…']).chain(text.chars().skip(length - tail)).collect()
}

/// Lines of a long text.
const WRAPPED: usize = 12;

/// The text in lines of `width` characters at most, broken between words, the later ones indented. What is beyond
/// twelve lines is left out; a word that is longer than a line is not broken.
pub fn wrap(text: &str, width: usize) -> String {
    let (mut wrapped, mut length, mut lines) = (String::new(), 0, 1);
    for word in text.split_whitespace() {
        let more = word.chars().count();
        if length > 0 && length + 1 + more > width {
            if lines == WRAPPED {
                wrapped.push_str(" …");
                break;
            }
            wrapped.push_str("\n  ");
            (length, lines) = (2, lines + 1);
        } else if length > 0 {
            wrapped.push(' ');
            length += 1;
        }
        wrapped.push_str(word);
        length += more;
    }
    wrapped
}

/// A number as short as it can be said.
pub fn plain(value: f64) -> String {
    if value.fract() == 0.0 && value.abs() < 1e15 {
        return format!("{value:.0}");
    }
    let digits = if value.abs() >= 100.0 {
        1
    } else if value.abs() >= 1.0 {
        2
    } else {
        4
    };
    let text = format!("{value:.digits$}");
    text.trim_end_matches('0').trim_end_matches('.').to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_long_text_is_broken_between_words_and_not_without_end() {
        assert_eq!(wrap("worker `w1` failed: no room", 12), "worker `w1`\n  failed: no\n  room");
        assert_eq!(wrap("short", 3), "short");
        let endless = "word ".repeat(1_000);
        assert_eq!(wrap(&endless, 10).lines().count(), 12);
        assert!(wrap(&endless, 10).ends_with("word …"));
    }

    #[test]
    fn numbers_have_the_digits_that_matter() {
        let all = |texts: &[u64]| texts.iter().map(|us| millis(*us)).collect::<Vec<_>>();
        assert_eq!(
            all(&[0, 41, 4_123, 83_456, 512_000, 12_345_678]),
            ["0", "0.041", "4.12", "83.5", "512", "12,346"]
        );
        assert_eq!(
            [rate(0.44), rate(99.84), rate(998.4), rate(12_345.0)],
            ["0.4", "99.8", "998", "12,345"]
        );
        assert_eq!(
            [bytes(12), bytes(1_234), bytes(999_999), bytes(5_400_000_000)],
            ["12 B", "1.2 kB", "1.0 MB", "5.4 GB"]
        );
        assert_eq!(
            [plain(3.0), plain(12.3456), plain(0.00051), plain(123.45)],
            ["3", "12.35", "0.0005", "123.5"]
        );
    }

    #[test]
    fn a_share_is_never_rounded_to_none_or_all() {
        let all: Vec<_> = [0.0, 0.000_001, 0.000_2, 0.015, 0.37, 0.999_9, 1.0].map(percent).into();
        assert_eq!(all, ["0 %", "<0.01 %", "0.02 %", "1.5 %", "37 %", "99.99 %", "100 %"]);
    }

    #[test]
    fn long_names_give_way_in_the_middle() {
        assert_eq!(fit("/item/{id}", 12), "/item/{id}");
        assert_eq!(fit("/a/very/long/path/to/item/{id}", 12), "/a/ver…/{id}");
    }

    #[test]
    fn times_are_clocks() {
        assert_eq!(
            [clock(Duration::from_secs(42)), clock(Duration::from_secs(3_723))],
            ["00:42", "1:02:03"]
        );
        assert_eq!(
            [span(Duration::from_millis(4_230)), span(Duration::from_secs(62))],
            ["4.2 s", "1m 02s"]
        );
    }
}
