//! The text of a panic, and what of it is the same for each occurrence.

/// A panic, as Rust's panic hook tells it.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Panic {
    /// `panicked at src/lib.rs:10:5: no item #`: place, and the message without its numbers.
    pub(super) kind: String,
    /// The message as it was, if that is another one.
    pub(super) example: Option<String>,
}

/// The last panic among these lines of standard error.
pub(super) fn panic(lines: &[String]) -> Option<Panic> {
    let at = lines.iter().rposition(|line| line.contains("panicked at "))?;
    let (_, place) = lines[at].split_once("panicked at ")?;
    let place = place.trim_end_matches(':');
    let Some(message) = lines.get(at + 1).filter(|line| !line.starts_with("note: ")) else {
        return Some(Panic { kind: format!("panicked at {place}"), example: None });
    };
    let kind = without_numbers(message);
    let example = (kind != *message).then(|| message.clone());
    Some(Panic { kind: format!("panicked at {place}: {kind}"), example })
}

/// Numbers, addresses and ids become `#`, lists of them too; digits within a word
/// (`u32`, `utf8`) stay.
pub(super) fn without_numbers(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(first) = rest.chars().next() {
        let end = |of: fn(char) -> bool| rest.find(|c| !of(c)).unwrap_or(rest.len());
        let is_word = |c: char| c.is_alphanumeric() || c == '_';
        if !is_word(first) {
            let length = end(|c| !(c.is_alphanumeric() || c == '_'));
            out.push_str(&rest[..length]);
            rest = &rest[length..];
            continue;
        }
        let length = end(|c| c.is_alphanumeric() || c == '_');
        let word = &rest[..length];
        rest = &rest[length..];
        let digits = word.find(|c: char| !c.is_ascii_digit()).unwrap_or(length);
        let is_hex = word.trim_start_matches("0x").bytes().all(|byte| byte.is_ascii_hexdigit());
        let has_digit = word.bytes().any(|byte| byte.is_ascii_digit());
        let is_id = is_hex && (length >= 8 || out.ends_with("#-")) && has_digit;
        if digits > 0 || is_id {
            push_number(&mut out);
            out.push_str(if is_hex || is_id { "" } else { &word[digits..] });
        } else {
            out.push_str(word);
        }
    }
    out
}

/// `#` after what was written, unless that ends with one and a separator: `1.5` is one number,
/// and so is `1, 2, 3` for this purpose.
fn push_number(out: &mut String) {
    for separator in [".", "-", ":", ", "] {
        if let Some(before) = out.strip_suffix(separator)
            && before.ends_with('#')
        {
            out.truncate(before.len());
            return;
        }
    }
    if let Some(before) = out.strip_suffix('-')
        && !before.ends_with(char::is_alphanumeric)
    {
        out.truncate(before.len());
    }
    out.push('#');
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    fn kind(text: &str) -> Panic {
        panic(&text.lines().map(str::to_string).collect::<Vec<_>>()).unwrap()
    }

    #[test]
    fn the_text_of_a_panic_is_found_among_the_last_lines() {
        let found = kind(
            "warming up\nthread '<unnamed>' panicked at src/lib.rs:7:9:\nno such item\nnote: run with `RUST_BACKTRACE=1`",
        );
        assert_eq!(found.kind, "panicked at src/lib.rs:7:9: no such item");
        assert_eq!(found.example, None);
        assert_eq!(
            kind("thread 'x' panicked at a.rs:1:2:\nnote: run").kind,
            "panicked at a.rs:1:2"
        );
        assert_eq!(panic(&["all is well".to_string()]), None);
    }

    #[test]
    fn panics_at_one_place_that_differ_in_numbers_are_one() {
        let out_of_bounds = |len: usize, index: usize| {
            kind(&format!(
                "thread '<unnamed>' panicked at src/lib.rs:7:9:\nindex out of bounds: the len is {len} but the index is {index}"
            ))
        };
        let (one, other) = (out_of_bounds(3, 7), out_of_bounds(12, 4_711));
        assert_eq!(one.kind, other.kind);
        assert_eq!(
            one.kind,
            "panicked at src/lib.rs:7:9: index out of bounds: the len is # but the index is #"
        );
        assert_eq!(
            one.example.as_deref(),
            Some("index out of bounds: the len is 3 but the index is 7")
        );
    }

    #[test]
    fn numbers_addresses_and_ids_go_and_words_stay() {
        let cases = [
            ("order 123 of user_7 is -5", "order # of user_7 is #"),
            ("a u32 in utf8, at 0x7ffee4c0", "a u32 in utf8, at #"),
            ("took 1.5s, not 12ms", "took #s, not #ms"),
            ("no [1, 2, 3] and no [4]", "no [#] and no [#]"),
            ("id 550e8400-e29b-41d4-a716-446655440000!", "id #!"),
            ("token deadbeef01 at 10:20:30", "token # at #"),
            ("well-known déjà vu", "well-known déjà vu"),
            ("x-3 and -3", "x-# and #"),
            ("", ""),
        ];
        for (given, expected) in cases {
            assert_eq!(without_numbers(given), expected, "{given}");
        }
    }
}
