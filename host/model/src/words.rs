//! Settings that are one word of a few.

/// A word that is none of a setting's.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{value}` is no {what}: it is one of {known}{suggestion}")]
pub struct UnknownWord {
    pub(crate) what: &'static str,
    pub(crate) value: String,
    pub(crate) suggestion: String,
    pub(crate) known: String,
}

/// Lets an enum be read from its words, and be written as them.
macro_rules! words {
    ($name:ident, $what:literal, $($variant:ident = $word:literal),+) => {
        impl $name {
            pub(crate) const WORDS: &[(&'static str, Self)] = &[$(($word, Self::$variant)),+];
        }

        impl std::fmt::Display for $name {
            fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.write_str(match self { $(Self::$variant => $word),+ })
            }
        }

        impl std::str::FromStr for $name {
            type Err = $crate::words::UnknownWord;
            fn from_str(text: &str) -> Result<Self, Self::Err> {
                let known = || Self::WORDS.iter().map(|(word, _)| *word);
                let found = Self::WORDS.iter().find(|(word, _)| *word == text.trim());
                found.map(|(_, value)| *value).ok_or_else(|| $crate::words::UnknownWord {
                    what: $what,
                    value: text.to_string(),
                    suggestion: $crate::text::suggestion(text, known()),
                    known: known().map(|word| format!("`{word}`")).collect::<Vec<_>>().join(", "),
                })
            }
        }
    };
}
pub(crate) use words;
