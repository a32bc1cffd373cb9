//! What a document consists of: sections, each within the manifest or in chunks.
//!
//! A line of JSON for people, then the small sections as they are.

use loadhost_model::id::Term;
use serde::{Deserialize, Serialize};

use crate::store::digest_of;

/// Of the line. Another one is refused by name.
const VERSION: u16 = 1;
/// Longer sections go into chunks, and all of them once the manifest is this many times as long.
const INLINE: usize = 64 << 10;
const INLINE_ALL: usize = 4;

/// The line.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Manifest {
    version: u16,
    pub(super) term: Term,
    /// When the content was decided, by the broker's clock, in microseconds since the Unix epoch.
    /// None: when the manifest was written.
    pub(super) decided: Option<i64>,
    pub(super) position: u64,
    /// None: nothing was ever saved here; the place is only claimed.
    pub(super) sections: Option<Vec<Section>>,
    #[serde(skip)]
    inline: Vec<u8>,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(super) enum Section {
    /// So many bytes behind the line.
    Inline(usize),
    /// Name and length of each.
    Chunks(Vec<(String, usize)>),
}

impl Manifest {
    /// Of a place where nothing was saved yet.
    pub(super) fn empty(term: Term) -> Self {
        let (version, inline) = (VERSION, Vec::new());
        Self { version, term, decided: None, position: 0, sections: None, inline }
    }

    /// The same content, owned by a newer term.
    pub(super) fn claimed(&self, term: Term, decided: i64) -> Self {
        Self { term, decided: self.decided.or(Some(decided)), ..self.clone() }
    }

    pub(super) fn to_bytes(&self) -> Vec<u8> {
        // Keys are texts, and memory does not refuse to be written to.
        let mut bytes = serde_json::to_vec(self).unwrap_or_default();
        bytes.push(b'\n');
        bytes.extend_from_slice(&self.inline);
        bytes
    }

    pub(super) fn read(bytes: &[u8]) -> Result<Self, String> {
        #[derive(Deserialize)]
        struct Head {
            version: u16,
        }
        let end = bytes.iter().position(|byte| *byte == b'\n').ok_or("it is cut off")?;
        let (line, inline) = (&bytes[..end], &bytes[end + 1..]);
        let head: Head = serde_json::from_slice(line).map_err(|error| error.to_string())?;
        if head.version != VERSION {
            return Err(format!(
                "it has version {}, this loadhost reads version {VERSION}; run the same release on all masters",
                head.version
            ));
        }
        let manifest: Self = serde_json::from_slice(line).map_err(|error| error.to_string())?;
        Ok(Self { inline: inline.to_vec(), ..manifest })
    }

    /// Of all sections together.
    pub(super) fn bytes(&self) -> usize {
        let lengths = self.sections.iter().flatten().map(|section| match section {
            Section::Inline(length) => *length,
            Section::Chunks(chunks) => chunks.iter().map(|(_, length)| length).sum(),
        });
        lengths.sum()
    }

    /// Sections that lie in the manifest itself, and names of the chunks of the others.
    pub(super) fn contents(&self) -> Result<Vec<Content<'_>>, String> {
        let mut rest = &self.inline[..];
        let mut contents = Vec::new();
        for section in self.sections.iter().flatten() {
            contents.push(match section {
                Section::Inline(length) => {
                    let (inline, behind) = rest.split_at_checked(*length).ok_or("it is cut off")?;
                    rest = behind;
                    Content::Inline(inline)
                }
                Section::Chunks(chunks) => Content::Chunks(chunks),
            });
        }
        Ok(contents)
    }
}

/// Where a section is.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Content<'a> {
    Inline(&'a [u8]),
    Chunks(&'a [(String, usize)]),
}

/// What is to be written for a document.
#[derive(Debug)]
pub(super) struct Plan {
    pub(super) manifest: Manifest,
    /// By name; the same content has the same name.
    pub(super) chunks: Vec<(String, Vec<u8>)>,
}

impl Plan {
    /// `piece`: bytes that a message may have.
    pub(super) fn new(
        term: Term,
        key: &str,
        position: u64,
        sections: Vec<Vec<u8>>,
        piece: usize,
    ) -> Self {
        let (mut inline, mut chunks, mut planned) = (Vec::new(), Vec::new(), Vec::new());
        let limit = INLINE.min(piece / 8);
        for section in sections {
            if section.len() <= limit && inline.len() + section.len() <= limit * INLINE_ALL {
                planned.push(Section::Inline(section.len()));
                inline.extend_from_slice(&section);
                continue;
            }
            let mut named = Vec::new();
            for chunk in section.chunks(piece.max(1)) {
                let name = chunk_name(key, term, chunk);
                named.push((name.clone(), chunk.len()));
                chunks.push((name, chunk.to_vec()));
            }
            planned.push(Section::Chunks(named));
        }
        let sections = Some(planned);
        let manifest =
            Manifest { version: VERSION, term, decided: None, position, sections, inline };
        Self { manifest, chunks }
    }
}

fn chunk_name(key: &str, term: Term, chunk: &[u8]) -> String {
    format!("chunk.{key}.{}.{}", term.0, hash_of(chunk))
}

/// The first half of a chunk's SHA-256.
fn hash_of(chunk: &[u8]) -> String {
    let mut hash = digest_of(chunk).to_string();
    hash.truncate(hash.len() / 2);
    hash
}

/// The term in which a chunk was written.
pub(super) fn term_of(chunk: &str) -> Option<Term> {
    chunk.rsplit('.').nth(1)?.parse().ok().map(Term)
}

/// Whether a chunk is what its name says.
pub(super) fn is_whole(name: &str, chunk: &[u8]) -> bool {
    name.rsplit('.').next() == Some(&hash_of(chunk))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    fn check(lengths: &[usize], piece: usize, expected_chunks: usize) {
        let bytes = |(at, length): (usize, &usize)| vec![at as u8; *length];
        let sections: Vec<Vec<u8>> = lengths.iter().enumerate().map(bytes).collect();
        let plan = Plan::new(Term(3), "run.r1", 9, sections.clone(), piece);
        let names: std::collections::BTreeSet<_> =
            plan.chunks.iter().map(|(name, _)| name).collect();
        assert_eq!(names.len(), expected_chunks, "{lengths:?}");
        let written = plan.manifest.to_bytes();
        assert!(written.len() < piece, "{} bytes", written.len());
        let manifest = Manifest::read(&written).unwrap();
        assert_eq!((manifest.term, manifest.position), (Term(3), 9));
        assert_eq!(manifest.bytes(), lengths.iter().sum::<usize>());
        let whole: Vec<Vec<u8>> = manifest
            .contents()
            .unwrap()
            .iter()
            .map(|content| match content {
                Content::Inline(bytes) => bytes.to_vec(),
                Content::Chunks(chunks) => chunks
                    .iter()
                    .flat_map(|(name, length)| {
                        assert_eq!(term_of(name), Some(Term(3)));
                        let (_, chunk) =
                            plan.chunks.iter().find(|(known, _)| known == name).unwrap();
                        assert!(is_whole(name, chunk) && chunk.len() == *length);
                        chunk.clone()
                    })
                    .collect(),
            })
            .collect();
        assert_eq!(whole, sections, "{lengths:?}");
    }

    #[test]
    fn small_sections_lie_in_the_manifest_and_large_ones_in_chunks() {
        let piece = 512 << 10;
        check(&[], piece, 0);
        check(&[0, 1, 60_000], piece, 0);
        check(&[65_536, 65_537], piece, 1);
        check(&[60_000; 6], piece, 2); // the manifest is full after four
        check(&[2_000_000, 10, 600_000], piece, 2 + 2); // equal pieces are one chunk
        check(&[20_000, 100, 3_000], 16 << 10, 2 + 1); // a broker that takes little
    }

    #[test]
    fn a_chunk_is_named_by_what_it_holds_and_by_whom_it_was_written() {
        let name = "chunk.run.r1.3.ba7816bf8f01cfea414140de5dae2223";
        assert_eq!(chunk_name("run.r1", Term(3), b"abc"), name);
        assert!(is_whole(name, b"abc") && !is_whole(name, b"abd"));
    }

    #[test]
    fn what_is_no_manifest_says_why() {
        let good = Plan::new(Term(1), "decisions", 0, vec![vec![7; 100]], 1 << 19).manifest;
        let bytes = good.to_bytes();
        let text = String::from_utf8_lossy(&bytes).replacen("\"version\":1", "\"version\":9", 1);
        assert!(Manifest::read(text.as_bytes()).unwrap_err().contains("version 9"));
        assert!(Manifest::read(b"nonsense").is_err());
        assert!(Manifest::read(b"").is_err());
        let cut = Manifest::read(&bytes[..bytes.len() - 1]).unwrap();
        assert_eq!(cut.contents().unwrap_err(), "it is cut off");
    }
}
