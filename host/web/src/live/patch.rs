//! Differences of documents as JSON merge patches (RFC 7396).
//!
//! A patch says `null` for a field that went away, so a document that is patched holds no `null` itself:
//! [`without_nulls`] leaves such fields out. Lists are replaced as a whole; what changes often is an object by key.

use serde_json::{Map, Value};

/// The same without fields that are null. Nulls in lists stay: a patch never looks into a list.
pub(super) fn without_nulls(value: Value) -> Value {
    match value {
        Value::Object(fields) => {
            let fields = fields.into_iter().filter(|(_, value)| !value.is_null());
            Value::Object(fields.map(|(key, value)| (key, without_nulls(value))).collect())
        }
        other => other,
    }
}

/// What makes `new` of `old`; None: they are the same. Both are [`without_nulls`].
pub(super) fn diff(old: &Value, new: &Value) -> Option<Value> {
    let (Value::Object(before), Value::Object(after)) = (old, new) else {
        return (old != new).then(|| new.clone());
    };
    let mut patch = Map::new();
    for (key, value) in after {
        let change = match before.get(key) {
            // An object in the place of something else would be merged into nothing, which is the same.
            None => Some(value.clone()),
            Some(known) => diff(known, value),
        };
        if let Some(change) = change {
            patch.insert(key.clone(), change);
        }
    }
    let gone = before.keys().filter(|key| !after.contains_key(*key));
    patch.extend(gone.map(|key| (key.clone(), Value::Null)));
    (!patch.is_empty()).then_some(Value::Object(patch))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::json;

    use super::*;

    /// As the RFC writes it, and as a page does it.
    fn apply(target: Value, patch: Value) -> Value {
        let Value::Object(changes) = patch else { return patch };
        let mut fields = match target {
            Value::Object(fields) => fields,
            _ => Map::new(),
        };
        for (key, change) in changes {
            if change.is_null() {
                fields.shift_remove(&key);
            } else {
                let known = fields.get(&key).cloned().unwrap_or_default();
                fields.insert(key, apply(known, change));
            }
        }
        Value::Object(fields)
    }

    fn document() -> impl Strategy<Value = Value> {
        let leaf = prop_oneof![
            Just(Value::Null),
            any::<bool>().prop_map(Value::from),
            (0_u8..4).prop_map(Value::from),
            "[a-c]{0,2}".prop_map(Value::from),
        ];
        leaf.prop_recursive(4, 40, 5, |inner| {
            prop_oneof![
                prop::collection::vec(inner.clone(), 0..4).prop_map(Value::from),
                prop::collection::btree_map("[a-d]", inner, 0..5)
                    .prop_map(|fields| Value::Object(fields.into_iter().collect())),
            ]
        })
    }

    proptest! {
        #[test]
        fn a_patch_makes_the_new_of_the_old(old in document(), new in document()) {
            let (old, new) = (without_nulls(old), without_nulls(new));
            // Documents are objects; what is none is replaced as a whole.
            let (old, new) = (json!({"x": old}), json!({"x": new}));
            let (old, new) = (without_nulls(old), without_nulls(new));
            match diff(&old, &new) {
                Some(patch) => prop_assert_eq!(apply(old, patch), new),
                None => prop_assert_eq!(old, new),
            }
        }
    }

    #[test]
    fn a_patch_names_only_what_changed() {
        let row = |n: u32| json!({"requests": n, "name": "/a"});
        let old = json!({"rows": {"a": row(1), "b": row(5), "gone": row(2)}, "list": [1, 2]});
        let new = json!({"rows": {"a": row(3), "b": row(5), "new": row(0)}, "list": [1]});
        let wanted =
            json!({"rows": {"a": {"requests": 3}, "new": row(0), "gone": null}, "list": [1]});
        assert_eq!(diff(&old, &new), Some(wanted));
        assert_eq!(diff(&new, &new), None);
    }

    #[test]
    fn an_object_replaces_what_was_none_and_the_other_way_round() {
        let cases = [
            (json!({"x": 1}), json!({"x": {"a": 2}})),
            (json!({"x": {"a": 2}}), json!({"x": 1})),
            (json!({"x": {"a": 2}}), json!({"x": {}})),
            (json!({"x": [1]}), json!({"x": {"a": [null]}})),
        ];
        for (old, new) in cases {
            let patch = diff(&old, &new);
            assert_eq!(apply(old, patch.unwrap_or_default()), new);
        }
    }
}
