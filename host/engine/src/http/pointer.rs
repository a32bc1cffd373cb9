//! One value out of a JSON text, without building the rest of it.
//!
//! [`find`] answers as `serde_json::Value::pointer` would. A load test asks most bodies for one
//! value: building all others costs several times as much as passing over them.

use std::fmt;

use serde::de::{Deserialize, DeserializeSeed, Deserializer, IgnoredAny, MapAccess, SeqAccess};
use serde::de::{Error, Visitor};
use serde_json::Value;

/// The value at an RFC 6901 pointer, if there is one.
///
/// # Errors
/// The text is no JSON.
pub(super) fn find(json: &[u8], pointer: &str) -> Result<Option<Value>, serde_json::Error> {
    let tokens: Vec<String> = pointer
        .split('/')
        .skip(1)
        .map(|token| token.replace("~1", "/").replace("~0", "~"))
        .collect();
    let mut text = serde_json::Deserializer::from_slice(json);
    let found = Path(&tokens).deserialize(&mut text)?;
    text.end()?;
    let is_pointer = pointer.is_empty() || pointer.starts_with('/');
    Ok(found.filter(|_| is_pointer))
}

/// What is left of the way to the value.
#[derive(Clone, Copy)]
struct Path<'a>(&'a [String]);

impl<'de> DeserializeSeed<'de> for Path<'_> {
    type Value = Option<Value>;

    fn deserialize<D: Deserializer<'de>>(self, value: D) -> Result<Option<Value>, D::Error> {
        match self.0 {
            [] => Value::deserialize(value).map(Some),
            [token, rest @ ..] => value.deserialize_any(Level { token, rest: Path(rest) }),
        }
    }
}

/// An object or array in which one member is looked for. Anything else has no members.
struct Level<'a> {
    token: &'a str,
    rest: Path<'a>,
}

impl<'de> Visitor<'de> for Level<'_> {
    type Value = Option<Value>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("JSON")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Option<Value>, A::Error> {
        let mut found = None;
        while let Some(is_wanted) = map.next_key_seed(Named(self.token))? {
            if is_wanted {
                // Of several members of one name, the last counts.
                found = map.next_value_seed(self.rest)?;
            } else {
                map.next_value::<IgnoredAny>()?;
            }
        }
        Ok(found)
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut sequence: A) -> Result<Option<Value>, A::Error> {
        if let Some(index) = index(self.token) {
            for _ in 0..index {
                if sequence.next_element::<IgnoredAny>()?.is_none() {
                    return Ok(None);
                }
            }
            let found = sequence.next_element_seed(self.rest)?;
            while sequence.next_element::<IgnoredAny>()?.is_some() {}
            return Ok(found.flatten());
        }
        while sequence.next_element::<IgnoredAny>()?.is_some() {}
        Ok(None)
    }

    fn visit_bool<E: Error>(self, _: bool) -> Result<Option<Value>, E> {
        Ok(None)
    }

    fn visit_i64<E: Error>(self, _: i64) -> Result<Option<Value>, E> {
        Ok(None)
    }

    fn visit_u64<E: Error>(self, _: u64) -> Result<Option<Value>, E> {
        Ok(None)
    }

    fn visit_f64<E: Error>(self, _: f64) -> Result<Option<Value>, E> {
        Ok(None)
    }

    fn visit_str<E: Error>(self, _: &str) -> Result<Option<Value>, E> {
        Ok(None)
    }

    fn visit_unit<E: Error>(self) -> Result<Option<Value>, E> {
        Ok(None)
    }
}

/// Whether a key is this one.
struct Named<'a>(&'a str);

impl<'de> DeserializeSeed<'de> for Named<'_> {
    type Value = bool;

    fn deserialize<D: Deserializer<'de>>(self, key: D) -> Result<bool, D::Error> {
        key.deserialize_str(self)
    }
}

impl Visitor<'_> for Named<'_> {
    type Value = bool;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a key")
    }

    fn visit_str<E: Error>(self, key: &str) -> Result<bool, E> {
        Ok(key == self.0)
    }
}

/// RFC 6901: digits without leading zeros.
fn index(token: &str) -> Option<usize> {
    let is_plain = token == "0" || !token.starts_with(['0', '+']);
    is_plain.then(|| token.parse().ok()).flatten()
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use proptest::prelude::*;

    use super::*;

    #[test]
    fn members_elements_and_escapes() {
        let text = br#"{"items": [{"id": 7}, {"id": 8}], "a/b": {"~": null}, "": 1, "id": 9}"#;
        for (pointer, expected) in [
            ("/items/1/id", Some("8")),
            ("/items/01/id", None),
            ("/items/2/id", None),
            ("/items/-", None),
            ("/a~1b/~0", Some("null")),
            ("/", Some("1")),
            ("/id/x", None),
            ("id", None),
        ] {
            let found = find(text, pointer).unwrap().map(|value| value.to_string());
            assert_eq!(found.as_deref(), expected, "{pointer}");
        }
        assert_eq!(find(br#"{"a": 1, "a": 2}"#, "/a").unwrap(), Some(Value::from(2)));
        assert!(find(br#"{"a": 1} x"#, "/a").is_err(), "not JSON as a whole");
        assert!(find(br#"{"a": 1, "b": }"#, "/a").is_err(), "not JSON as a whole");
    }

    fn json() -> impl Strategy<Value = Value> {
        let leaf = prop_oneof![
            Just(Value::Null),
            any::<bool>().prop_map(Value::from),
            any::<i64>().prop_map(Value::from),
            "[a-c~/]{0,3}".prop_map(Value::from),
        ];
        leaf.prop_recursive(4, 40, 5, |inner| {
            prop_oneof![
                prop::collection::vec(inner.clone(), 0..5).prop_map(Value::from),
                prop::collection::vec(("[ab~/0-2]{0,2}", inner), 0..5).prop_map(Value::from_iter),
            ]
        })
    }

    proptest! {
        #[test]
        fn it_answers_as_serde_json_does(value in json(), pointer in "(/[ab~/0-2]{0,2}){0,4}") {
            let text = value.to_string();
            let found = find(text.as_bytes(), &pointer).unwrap();
            prop_assert_eq!(found.as_ref(), value.pointer(&pointer));
        }
    }
}
