//! What people gave and what runs left behind: scenarios, data files, results, notes.
//!
//! A [`Shelf`] is dumb and bounded. It knows two kinds of things and what neither means:
//!
//! | kind | named by | size |
//! |---|---|---|
//! | **files**, in two [`Drawer`]s | the SHA-256 of their bytes | up to [`MAX_FILE_BYTES`] |
//! | **documents** | a key such as `scenario.<digest>`, `run.<id>`, `note.<id>` | up to [`MAX_DOCUMENT_BYTES`] |
//!
//! Nothing is deleted unless somebody says so: what is full refuses. Two masters may write at once;
//! of a document the last one stays, whole.

mod folder;

use std::fmt;

use bytes::Bytes;
use futures_util::future::BoxFuture;
use loadhost_model::id::Digest;

pub use folder::FolderShelf;

/// Of one file.
pub const MAX_FILE_BYTES: usize = 64 << 20;
/// Of one document.
pub const MAX_DOCUMENT_BYTES: usize = 256 << 10;
/// Of one key, in bytes.
pub const MAX_KEY_BYTES: usize = 160;

/// What to delete when there is no room for a document.
pub const OLD_DOCUMENTS: &str = "old runs, or scenarios and data sets that are not needed any more";

/// How much a shelf keeps. By default there is room for hundreds of runs: packed, one of five minutes with ten names
/// takes about 40 KB, one of an hour 300 KB with 20 names and 1 MB with 1,000, one of days with 10,000 names 10 MB.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ShelfBounds {
    /// Bytes of all files in [`Drawer::Inputs`].
    pub inputs: u64,
    /// Bytes of all files in [`Drawer::Results`].
    pub results: u64,
    /// Bytes of all documents.
    pub documents: u64,
    /// Documents.
    pub count: u64,
}

impl Default for ShelfBounds {
    fn default() -> Self {
        Self { inputs: 1 << 30, results: 512 << 20, documents: 64 << 20, count: 4_096 }
    }
}

impl ShelfBounds {
    /// A bound in bytes, for errors.
    pub fn shown(bytes: u64) -> String {
        match bytes >> 20 {
            0 => format!("{bytes} bytes"),
            mebi => format!("{mebi} MiB"),
        }
    }
}

/// Where a file lies, which is who may fetch it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Drawer {
    /// Scenarios and files of data sets: masters and workers.
    Inputs,
    /// Results of runs: masters only.
    Results,
}

impl fmt::Display for Drawer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Inputs => "inputs",
            Self::Results => "results",
        })
    }
}

/// Why something was not kept or found.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ShelfError {
    /// Never, as it is.
    #[error("{what} has {bytes} bytes, and the store takes {most} at most; make it smaller")]
    TooLarge {
        /// Which file or document.
        what: String,
        /// Its size.
        bytes: usize,
        /// The cap.
        most: usize,
    },
    /// No room is left.
    #[error("no room for {what} ({bytes} bytes): {full} is full ({bound}); delete {remedy}")]
    Full {
        /// Which file or document.
        what: String,
        /// Its size.
        bytes: usize,
        /// Which part of the store.
        full: String,
        /// Its bound, with its unit.
        bound: String,
        /// What to delete.
        remedy: &'static str,
    },
    /// Not now; it may be tried again.
    #[error("{what} was not kept or read: {reason}; try again")]
    Unavailable {
        /// Which file or document.
        what: String,
        /// What the store said.
        reason: String,
    },
    /// No key of a document.
    #[error(
        "`{0}` is no key of the store: letters, digits, `-` and `_` in parts joined by single dots, {MAX_KEY_BYTES} bytes at most"
    )]
    BadKey(String),
    /// What is stored is something else.
    #[error("{what} was altered in the store; delete it, and store it again")]
    Altered {
        /// Which file.
        what: String,
    },
}

impl ShelfError {
    /// What to delete when there is no room for a file of this drawer.
    pub fn remedy(drawer: Drawer) -> &'static str {
        match drawer {
            Drawer::Inputs => "scenarios or data sets that are not needed any more",
            Drawer::Results => "old runs",
        }
    }

    /// A file, for errors.
    pub fn file(drawer: Drawer, digest: Digest) -> String {
        match drawer {
            Drawer::Inputs => format!("file {}", digest.short()),
            Drawer::Results => format!("result file {}", digest.short()),
        }
    }
}

/// Documents with their keys.
pub type Listed = Vec<(String, Vec<u8>)>;

/// Keeps what people gave and wrote. All of it is done or not done when the future is ready; a
/// future that was dropped may still be done.
pub trait Shelf: Send + Sync {
    /// Stores a file under its SHA-256, which is returned. Storing it again is no work.
    ///
    /// # Errors
    /// [`ShelfError::TooLarge`], [`ShelfError::Full`], [`ShelfError::Unavailable`].
    fn put_file(&self, drawer: Drawer, bytes: Bytes) -> BoxFuture<'_, Result<Digest, ShelfError>>;

    /// The file of this digest, which has been verified; None: there is none.
    ///
    /// # Errors
    /// [`ShelfError::Altered`], [`ShelfError::Unavailable`].
    fn file(
        &self,
        drawer: Drawer,
        digest: Digest,
    ) -> BoxFuture<'_, Result<Option<Bytes>, ShelfError>>;

    /// Deletes a file. One that is not there is no error.
    ///
    /// # Errors
    /// [`ShelfError::Unavailable`].
    fn delete_file(&self, drawer: Drawer, digest: Digest) -> BoxFuture<'_, Result<(), ShelfError>>;

    /// Replaces a document, see [`check_key`].
    ///
    /// # Errors
    /// [`ShelfError::BadKey`], [`ShelfError::TooLarge`], [`ShelfError::Full`],
    /// [`ShelfError::Unavailable`].
    fn put(&self, key: &str, document: Vec<u8>) -> BoxFuture<'_, Result<(), ShelfError>>;

    /// A document; None: there is none.
    ///
    /// # Errors
    /// [`ShelfError::BadKey`], [`ShelfError::Unavailable`].
    fn get(&self, key: &str) -> BoxFuture<'_, Result<Option<Vec<u8>>, ShelfError>>;

    /// All documents whose key begins with `prefix` (empty: all), by key in ascending order. What
    /// is written or deleted meanwhile may be in it or not.
    ///
    /// # Errors
    /// [`ShelfError::Unavailable`].
    fn list(&self, prefix: &str) -> BoxFuture<'_, Result<Listed, ShelfError>>;

    /// Deletes a document. One that is not there is no error.
    ///
    /// # Errors
    /// [`ShelfError::BadKey`], [`ShelfError::Unavailable`].
    fn delete(&self, key: &str) -> BoxFuture<'_, Result<(), ShelfError>>;
}

/// Whether a text may name a document: parts of letters, digits, `-` and `_`, joined by single
/// dots, so that it is a file name and a subject of the broker and nothing more. Keys that differ
/// in case only are one key where file names do so.
///
/// # Errors
/// [`ShelfError::BadKey`], with the first characters of the text.
pub fn check_key(key: &str) -> Result<(), ShelfError> {
    let part_fits = |part: &str| {
        !part.is_empty()
            && part.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-' || b == b'_')
    };
    if key.len() <= MAX_KEY_BYTES && key.split('.').all(part_fits) {
        return Ok(());
    }
    Err(ShelfError::BadKey(key.chars().take(MAX_KEY_BYTES).collect()))
}

/// Whether these bytes may be a document.
///
/// # Errors
/// [`ShelfError::BadKey`], [`ShelfError::TooLarge`].
pub fn check_document(key: &str, document: &[u8]) -> Result<(), ShelfError> {
    check_key(key)?;
    let (bytes, most) = (document.len(), MAX_DOCUMENT_BYTES);
    let too_large = || ShelfError::TooLarge { what: document_named(key), bytes, most };
    if bytes <= most { Ok(()) } else { Err(too_large()) }
}

/// A document, for errors.
pub fn document_named(key: &str) -> String {
    format!("document `{key}`")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_can_name_nothing_but_documents() {
        for key in ["run.01JDG5", "scenario.0a", "note", "a-b_c.d"] {
            assert_eq!(check_key(key), Ok(()), "{key}");
        }
        let long = "k".repeat(MAX_KEY_BYTES + 1);
        let hostile = [
            "", ".", "..", "a..b", ".a", "a.", "a/b", "../a", "a b", "*", "a.>", "ä", "a\0", "a\n",
        ];
        for key in hostile.into_iter().chain([long.as_str()]) {
            assert!(matches!(check_key(key), Err(ShelfError::BadKey(_))), "{key:?}");
        }
    }

    #[test]
    fn a_document_that_is_too_large_is_named_with_its_bound() {
        assert_eq!(check_document("a", &vec![0; MAX_DOCUMENT_BYTES]), Ok(()));
        let error = check_document("run.7", &vec![0; MAX_DOCUMENT_BYTES + 1]);
        let text = error.map_err(|error| error.to_string());
        let wanted = "document `run.7` has 262145 bytes, and the store takes 262144 at most; make it smaller";
        assert_eq!(text, Err(wanted.to_string()));
    }
}
