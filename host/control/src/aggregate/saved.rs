//! The numbers of a run as bytes, and back.
//!
//! In sections, so that what does not change any more (all but the last minutes of the timeline) is
//! the same bytes each time. The first holds all but the timeline. Each begins with a version.

use serde::Serialize;

use super::Aggregate;
use super::timeline::TimelinePart;

/// Of the sections. Another one is refused by name.
const VERSION: u8 = 1;

/// Why bytes are no numbers of a run.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(crate) enum SavedError {
    #[error(
        "it was saved in version {theirs}, this loadhost reads version {VERSION}; run the same \
         release on all masters"
    )]
    Version { theirs: u8 },
    #[error("it cannot be read: {0}")]
    Malformed(String),
}

impl Aggregate {
    /// As bytes.
    pub(crate) fn to_sections(&self) -> Vec<Vec<u8>> {
        let parts = self.timeline.parts().map(|part| encode(&part));
        std::iter::once(encode(self)).chain(parts).collect()
    }

    /// What [`Self::to_sections`] made.
    pub(crate) fn from_sections(sections: &[Vec<u8>]) -> Result<Self, SavedError> {
        let Some((head, parts)) = sections.split_first() else {
            return Err(SavedError::Malformed("it has no sections".to_string()));
        };
        let mut aggregate: Self = decode(head)?;
        for part in parts {
            let part: TimelinePart<'_> = decode(part)?;
            aggregate.timeline.put_back(part);
        }
        Ok(aggregate)
    }
}

fn encode(value: &impl Serialize) -> Vec<u8> {
    // Lengths are known and nothing is written to but memory.
    postcard::to_extend(value, vec![VERSION]).unwrap_or_default()
}

fn decode<'a, T: serde::Deserialize<'a>>(section: &'a [u8]) -> Result<T, SavedError> {
    let malformed = SavedError::Malformed;
    match section.split_first() {
        Some((&VERSION, body)) => {
            postcard::from_bytes(body).map_err(|error| malformed(error.to_string()))
        }
        Some((theirs, _)) => Err(SavedError::Version { theirs: *theirs }),
        None => Err(malformed("a section is empty".to_string())),
    }
}
