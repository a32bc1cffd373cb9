//! Places for values in a URL: `/item/{id}`. The host fills them; this module counts them,
//! and fills them for requests that cannot be sent by handle and for tests.

use super::encode;

/// A piece of a text with places.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Piece<'a> {
    Literal(&'a str),
    Place(&'a str),
}

/// `{name}` is a place; `{{` and `}}` are braces. None: a brace too many.
pub(crate) fn pieces(text: &str) -> Option<Vec<Piece<'_>>> {
    let mut pieces = Vec::new();
    let mut rest = text;
    while let Some(at) = rest.find(['{', '}']) {
        let (before, brace) = rest.split_at(at);
        if !before.is_empty() {
            pieces.push(Piece::Literal(before));
        }
        if brace.starts_with("{{") || brace.starts_with("}}") {
            pieces.push(Piece::Literal(&brace[..1]));
            rest = &brace[2..];
        } else {
            let end = brace.find('}').filter(|&end| end > 1)?;
            pieces.push(Piece::Place(brace.get(1..end).filter(|name| !name.contains('{'))?));
            rest = &brace[end + 1..];
        }
    }
    if !rest.is_empty() {
        pieces.push(Piece::Literal(rest));
    }
    Some(pieces)
}

/// How many values the text takes: a name that stands twice takes one.
pub(crate) fn count(text: &str) -> Option<usize> {
    let mut names: Vec<&str> = Vec::new();
    for piece in pieces(text)? {
        match piece {
            Piece::Place(name) if !names.contains(&name) => names.push(name),
            _ => {}
        }
    }
    Some(names.len())
}

/// The text with percent-encoded values in its places. None: too few values or a bad text.
pub(crate) fn fill<V: AsRef<str>>(text: &str, values: &[V]) -> Option<String> {
    let mut names: Vec<&str> = Vec::new();
    let mut filled = String::with_capacity(text.len());
    for piece in pieces(text)? {
        match piece {
            Piece::Literal(literal) => filled.push_str(literal),
            Piece::Place(name) => {
                let index = names.iter().position(|known| *known == name).unwrap_or_else(|| {
                    names.push(name);
                    names.len() - 1
                });
                encode::percent(values.get(index)?.as_ref(), &mut filled);
            }
        }
    }
    Some(filled)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(text: &str, values: &[&str], expected: Option<&str>) {
        assert_eq!(fill(text, values).as_deref(), expected, "{text}");
    }

    #[test]
    fn places_are_filled_in_order_and_encoded() {
        check("/item/{id}", &["7"], Some("/item/7"));
        check("/s?q={q}&again={q}&p={page}", &["a b", "2"], Some("/s?q=a%20b&again=a%20b&p=2"));
        check("/{{x}}", &[], Some("/{x}"));
        check("/item/{id}", &[], None);
        check("/item/{id", &["7"], None);
        check("/item/}", &["7"], None);
        check("/item/{}", &["7"], None);
    }

    #[test]
    fn a_name_counts_once() {
        assert_eq!(count("/{a}/{b}/{a}"), Some(2));
        assert_eq!(count("/plain"), Some(0));
        assert_eq!(count("/{"), None);
    }
}
