//! Names that a guest gives to what is counted: safe to show, and not endless. They stay for
//! the run, on the worker and on the coordinator.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::sync::Arc;

use loadhost_model::metric::Tags;

use super::output::{escaped, is_unsafe};
use crate::recorder::Recorder;

/// Of a name; what is beyond is cut and counted as `name_bytes`.
const NAME_BYTES: usize = 512;
/// Of a tag's key, and of its value.
const TAG_BYTES: usize = 128;
/// Of a series; what is beyond is left out and counted as `tags`.
const TAGS: usize = 16;

/// The name as it is counted.
pub(super) fn tidy<'a>(recorder: &Recorder, name: &'a str) -> Cow<'a, str> {
    cut(recorder, name, NAME_BYTES)
}

fn cut<'a>(recorder: &Recorder, name: &'a str, most: usize) -> Cow<'a, str> {
    if name.len() > most {
        recorder.capped("name_bytes");
    }
    let name = &name[..name.floor_char_boundary(most)];
    if name.chars().any(is_unsafe) { Cow::Owned(escaped(name)) } else { Cow::Borrowed(name) }
}

/// Sorted by key; of several values of a key the last counts.
pub(super) fn sorted(recorder: &Recorder, tags: &[(String, String)]) -> Tags {
    if tags.len() > TAGS {
        recorder.capped("tags");
    }
    let map: BTreeMap<_, _> = tags
        .iter()
        .take(TAGS)
        .map(|(key, value)| (cut(recorder, key, TAG_BYTES), cut(recorder, value, TAG_BYTES)))
        .collect();
    map.into_iter().map(|(key, value)| (Arc::from(key), Arc::from(value))).collect()
}
