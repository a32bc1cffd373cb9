//! Texts with places for values: `/item/{id}`.

use std::collections::HashMap;

use super::template::TemplateError;

/// A text whose places are numbered over the whole template.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Text {
    parts: Vec<Part>,
}

/// A piece of a [`Text`].
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Part {
    Literal(String),
    /// Index into the values.
    Place(usize),
}

/// Names of the places of a template, numbered in the order of first appearance.
#[derive(Debug, Default)]
pub(super) struct Places {
    names: Vec<String>,
    /// By name: a text may have a million places.
    numbers: HashMap<String, usize>,
}

impl Places {
    /// The number of this place.
    fn number(&mut self, name: &str) -> usize {
        if let Some(number) = self.numbers.get(name) {
            return *number;
        }
        let number = self.names.len();
        self.names.push(name.to_string());
        self.numbers.insert(name.to_string(), number);
        number
    }

    pub(super) fn into_names(self) -> Vec<String> {
        self.names
    }
}

/// How a value gets into the text.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Encoding {
    /// As it is.
    Raw,
    /// Percent-encoded, but for the unreserved characters of RFC 3986.
    Percent,
}

impl Text {
    /// A text without places, whatever its braces.
    pub(super) fn literal(text: impl Into<String>) -> Self {
        let text = text.into();
        Self { parts: if text.is_empty() { Vec::new() } else { vec![Part::Literal(text)] } }
    }

    /// Reads `{name}` as a place and `{{`, `}}` as single braces. Names new to `places` are added.
    pub(super) fn parse(text: &str, places: &mut Places) -> Result<Self, TemplateError> {
        let mut parsed = Self::default();
        let mut literal = String::new();
        let mut rest = text;
        while let Some(at) = rest.find(['{', '}']) {
            literal.push_str(&rest[..at]);
            rest = &rest[at..];
            if let Some(after) = rest.strip_prefix("{{") {
                literal.push('{');
                rest = after;
            } else if let Some(after) = rest.strip_prefix("}}") {
                literal.push('}');
                rest = after;
            } else {
                let (name, after) = place_name(rest)?;
                parsed.push_literal(&std::mem::take(&mut literal));
                parsed.parts.push(Part::Place(places.number(name)));
                rest = after;
            }
        }
        literal.push_str(rest);
        parsed.push_literal(&literal);
        Ok(parsed)
    }

    /// Appends text, joined to a literal that stands at the end.
    pub(super) fn push_literal(&mut self, text: &str) {
        match self.parts.last_mut() {
            _ if text.is_empty() => {}
            Some(Part::Literal(last)) => last.push_str(text),
            _ => self.parts.push(Part::Literal(text.to_string())),
        }
    }

    /// Appends a whole text.
    pub(super) fn append(&mut self, other: &Text) {
        for part in &other.parts {
            match part {
                Part::Literal(text) => self.push_literal(text),
                Part::Place(_) => self.parts.push(part.clone()),
            }
        }
    }

    pub(super) fn parts(&self) -> &[Part] {
        &self.parts
    }

    pub(super) fn has_places(&self) -> bool {
        self.parts.iter().any(|part| matches!(part, Part::Place(_)))
    }

    /// The text of the literals, if there is nothing else.
    pub(super) fn as_literal(&self) -> Option<&str> {
        match self.parts.as_slice() {
            [] => Some(""),
            [Part::Literal(text)] => Some(text),
            _ => None,
        }
    }

    /// Literals changed by `change`.
    pub(super) fn map_literals(&mut self, change: impl Fn(&str) -> String) {
        for part in &mut self.parts {
            if let Part::Literal(text) = part {
                *text = change(text);
            }
        }
    }

    /// Cuts the text in two at a byte of a literal part.
    pub(super) fn split_at(&self, part: usize, byte: usize) -> (Text, Text) {
        let mut before = Text { parts: self.parts.iter().take(part).cloned().collect() };
        let mut after = Text::default();
        if let Some(Part::Literal(text)) = self.parts.get(part) {
            before.push_literal(&text[..byte]);
            after.push_literal(&text[byte..]);
            after.parts.extend(self.parts.iter().skip(part + 1).cloned());
        }
        (before, after)
    }

    /// Appends the text with the values in their places. A place without a value stays
    /// empty; the caller has counted them.
    pub(super) fn write(&self, values: &[String], encoding: Encoding, out: &mut Vec<u8>) {
        for part in &self.parts {
            match part {
                Part::Literal(text) => out.extend_from_slice(text.as_bytes()),
                Part::Place(index) => {
                    let value = values.get(*index).map_or("", String::as_str);
                    match encoding {
                        Encoding::Raw => out.extend_from_slice(value.as_bytes()),
                        Encoding::Percent => percent_encode(value, out),
                    }
                }
            }
        }
    }

    /// Bytes of memory that it takes beside itself.
    pub(super) fn kept_bytes(&self) -> u64 {
        let literal = |part: &Part| match part {
            Part::Literal(text) => text.capacity(),
            Part::Place(_) => 0,
        };
        let literals: usize = self.parts.iter().map(literal).sum();
        (self.parts.capacity() * size_of::<Part>() + literals) as u64
    }

    /// Bytes of the text with the values in their places, as they are.
    pub(super) fn length(&self, values: &[String]) -> usize {
        let length = |part: &Part| match part {
            Part::Literal(text) => text.len(),
            Part::Place(index) => values.get(*index).map_or(0, String::len),
        };
        self.parts.iter().map(length).sum()
    }

    /// Whether a value that stands in this text has bytes that may not be in a header.
    pub(super) fn has_control_bytes(&self, values: &[String]) -> bool {
        self.parts.iter().any(|part| match part {
            Part::Literal(_) => false,
            Part::Place(index) => values.get(*index).is_some_and(|value| has_control_bytes(value)),
        })
    }
}

/// Bytes that end or garble a header line.
pub(super) fn has_control_bytes(value: &str) -> bool {
    value.bytes().any(|byte| (byte < 0x20 && byte != b'\t') || byte == 0x7f)
}

/// The name in `{name}…`, and what follows.
fn place_name(text: &str) -> Result<(&str, &str), TemplateError> {
    let fault = || TemplateError::Brace(text.chars().take(24).collect());
    let (name, after) =
        text.strip_prefix('{').and_then(|rest| rest.split_once('}')).ok_or_else(fault)?;
    let fits = |c: char| c.is_alphanumeric() || matches!(c, '_' | '-' | '.');
    if name.is_empty() || !name.chars().all(fits) {
        return Err(fault());
    }
    Ok((name, after))
}

const HEX: &[u8; 16] = b"0123456789ABCDEF";

fn push_encoded(byte: u8, out: &mut Vec<u8>) {
    out.extend_from_slice(&[b'%', HEX[usize::from(byte >> 4)], HEX[usize::from(byte & 15)]]);
}

/// A value as it stands in a path segment or a query value.
pub(crate) fn percent_encoded(value: &str) -> String {
    let mut out = Vec::with_capacity(value.len());
    percent_encode(value, &mut out);
    String::from_utf8_lossy(&out).into_owned()
}

/// Encodes a value for a path segment or a query value.
pub(super) fn percent_encode(value: &str, out: &mut Vec<u8>) {
    for byte in value.bytes() {
        if byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'.' | b'_' | b'~') {
            out.push(byte);
        } else {
            push_encoded(byte, out);
        }
    }
}

/// Encodes what may not stand in a request line, and leaves the rest of a URL as its
/// author wrote it.
pub(super) fn encode_url_literal(text: &str) -> String {
    let mut out = Vec::with_capacity(text.len());
    for byte in text.bytes() {
        match byte {
            0..=0x20 | 0x7f.. | b'"' | b'<' | b'>' | b'`' | b'\\' | b'{' | b'}' => {
                push_encoded(byte, &mut out);
            }
            _ => out.push(byte),
        }
    }
    String::from_utf8_lossy(&out).into_owned()
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::expect_used)]
    use super::*;

    fn check(text: &str, values: &[&str], expected: &str) {
        let values: Vec<String> = values.iter().map(ToString::to_string).collect();
        let mut out = Vec::new();
        let mut places = Places::default();
        Text::parse(text, &mut places).unwrap().write(&values, Encoding::Percent, &mut out);
        assert_eq!(String::from_utf8(out).unwrap(), expected, "{text}");
    }

    #[test]
    fn values_go_to_their_places() {
        check("/item/{id}", &["7"], "/item/7");
        check("{a}{b}{a}", &["1", "2"], "121");
        check("no places", &["unused"], "no places");
        check("", &[], "");
    }

    #[test]
    fn values_are_percent_encoded() {
        check("/q?{q}", &["a b&c=d/ü"], "/q?a%20b%26c%3Dd%2F%C3%BC");
        check("{x}", &["A-z_0.~"], "A-z_0.~");
    }

    #[test]
    fn doubled_braces_are_single_ones() {
        check(r#"{{"id": {id}}}"#, &["7"], r#"{"id": 7}"#);
        check("}}{{", &[], "}{");
    }

    #[test]
    fn a_brace_that_names_no_place_is_refused() {
        for text in ["{", "}", "{}", "{a b}", "{\"a\": 1}", "{a", "a}"] {
            assert!(Text::parse(text, &mut Places::default()).is_err(), "{text}");
        }
    }

    #[test]
    fn places_are_numbered_by_first_appearance() {
        let mut places = Places::default();
        Text::parse("{url}", &mut places).unwrap();
        Text::parse("{b}{url}{c}{b}", &mut places).unwrap();
        assert_eq!(places.into_names(), ["url", "b", "c"]);
    }
}
