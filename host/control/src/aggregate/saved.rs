//! The numbers of a run as bytes, and back.
//!
//! In sections, so that what does not change any more (all but the last minutes of the timeline) is
//! the same bytes each time. The first holds all but the timeline. Each begins with a version.

use serde::Serialize;

use super::Aggregate;
use super::timeline::TimelinePart;
use crate::error::Unreadable;

/// What the bytes are, for people.
const WHAT: &str = "their checkpoint";
/// Of the sections. Another one is refused by name.
const VERSION: u8 = 2;

impl Aggregate {
    /// As bytes.
    pub(crate) fn to_sections(&self) -> Vec<Vec<u8>> {
        let parts = self.timeline.parts().map(|part| encode(&part));
        std::iter::once(encode(self)).chain(parts).collect()
    }

    /// What [`Self::to_sections`] made.
    pub(crate) fn from_sections(sections: &[Vec<u8>]) -> Result<Self, Unreadable> {
        let Some((head, parts)) = sections.split_first() else {
            return Err(Unreadable::malformed(WHAT, "it has no sections"));
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

fn decode<'a, T: serde::Deserialize<'a>>(section: &'a [u8]) -> Result<T, Unreadable> {
    match section.split_first() {
        Some((&VERSION, body)) => {
            postcard::from_bytes(body).map_err(|error| Unreadable::malformed(WHAT, error))
        }
        Some((theirs, _)) => Err(Unreadable::version(WHAT, *theirs, VERSION)),
        None => Err(Unreadable::malformed(WHAT, "a section is empty")),
    }
}
