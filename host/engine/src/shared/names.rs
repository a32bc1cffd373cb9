//! Things by name, of which there are not endlessly many.

use std::collections::BTreeMap;
use std::sync::{Arc, PoisonError, RwLock};

use loadhost_model::shared::{MAX_NAME_BYTES, MAX_NAMES};

/// Why something cannot have that name.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum NameError {
    /// One name more than there may be.
    #[error(
        "`{name}` is one name too many: a run has {MAX_NAMES} {what} at most (`shared_names`); use one \
         name for what is of one kind"
    )]
    TooMany {
        /// `numbers`, `counters` or `rendezvous`.
        what: &'static str,
        /// As given.
        name: String,
    },
    /// A name that is too long.
    #[error(
        "a name of {bytes} bytes is too long for {what}: {MAX_NAME_BYTES} is the most (`shared_names`)"
    )]
    TooLong {
        /// As above.
        what: &'static str,
        /// As given.
        bytes: usize,
    },
}

/// Made when they are first asked for, and kept for the run.
#[derive(Debug)]
pub(super) struct Names<T> {
    what: &'static str,
    known: RwLock<BTreeMap<Arc<str>, Arc<T>>>,
}

impl<T> Names<T> {
    pub(super) fn new(what: &'static str) -> Self {
        Self { what, known: RwLock::default() }
    }

    pub(super) fn get(&self, name: &str) -> Option<Arc<T>> {
        self.known.read().unwrap_or_else(PoisonError::into_inner).get(name).cloned()
    }

    pub(super) fn get_or(&self, name: &str, make: impl FnOnce() -> T) -> Result<Arc<T>, NameError> {
        if let Some(known) = self.get(name) {
            return Ok(known);
        }
        let what = self.what;
        if name.len() > MAX_NAME_BYTES {
            return Err(NameError::TooLong { what, bytes: name.len() });
        }
        let mut all = self.known.write().unwrap_or_else(PoisonError::into_inner);
        if !all.contains_key(name) && all.len() >= MAX_NAMES {
            return Err(NameError::TooMany { what, name: name.to_string() });
        }
        Ok(Arc::clone(all.entry(name.into()).or_insert_with(|| Arc::new(make()))))
    }

    /// Something of each of them.
    pub(super) fn map<R>(&self, of: impl Fn(&T) -> R) -> BTreeMap<Arc<str>, R> {
        let known = self.known.read().unwrap_or_else(PoisonError::into_inner);
        known.iter().map(|(name, thing)| (Arc::clone(name), of(thing))).collect()
    }
}
