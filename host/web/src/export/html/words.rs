//! Every word of the report, in both languages: `words.json`.

use std::collections::BTreeMap;
use std::sync::LazyLock;

/// The table as it stands in the report, for whoever reads it in the other language.
pub(super) const TABLE: &str = include_str!("words.json");

static WORDS: LazyLock<BTreeMap<String, [String; 2]>> =
    LazyLock::new(|| serde_json::from_str(TABLE).unwrap_or_default());

/// Of the report when it is opened; a reader may switch.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Language {
    /// `en`
    #[default]
    English,
    /// `zh`, in simplified characters.
    Chinese,
}

impl Language {
    /// For the attribute `lang`.
    pub(super) fn tag(self) -> &'static str {
        match self {
            Self::English => "en",
            Self::Chinese => "zh-Hans",
        }
    }

    /// The words of a key, not yet escaped; the key itself if there are none.
    pub(super) fn say(self, key: &str) -> &str {
        let pair: Option<&'static [String; 2]> = WORDS.get(key);
        pair.map_or(key, |pair| match self {
            Self::English => pair[0].as_str(),
            Self::Chinese => pair[1].as_str(),
        })
    }
}

/// Whether the table has the key.
#[cfg(test)]
pub(super) fn known(key: &str) -> bool {
    WORDS.contains_key(key)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_key_has_both_languages_with_the_same_places() {
        assert!(WORDS.len() > 100);
        for (key, pair) in WORDS.iter() {
            for place in ["{0}", "{1}", "{2}"] {
                assert_eq!(pair[0].contains(place), pair[1].contains(place), "{key} {place}");
            }
            assert!(pair.iter().all(|words| !words.trim().is_empty()), "{key}");
        }
    }
}
