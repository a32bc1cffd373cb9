//! How scenarios are compiled: where the code is kept, and who does it.

use std::ffi::OsString;
use std::fs::File;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use wasmtime::Engine;

use super::ScenarioError;
use super::apart::{Apart, THIS_PROGRAM};
use super::cache::{Artefact, Cache, Key};
use crate::sandbox::engine::Recipe;

/// How scenarios are compiled. Cheap to clone.
#[derive(Debug, Clone, Default)]
pub struct Compiling {
    cache: Option<Arc<Cache>>,
    apart: Option<Apart>,
    counts: Arc<Counts>,
}

/// Of all clones.
#[derive(Debug, Default)]
struct Counts {
    compiled: AtomicU64,
    refused: AtomicU64,
}

impl From<Option<Arc<Cache>>> for Compiling {
    /// In this process, with this cache.
    fn from(cache: Option<Arc<Cache>>) -> Self {
        Self { cache, apart: None, counts: Arc::default() }
    }
}

impl Compiling {
    /// In children of this process, which run the same program with these arguments and one more.
    /// There it is to call [`super::compile_inside`] with that one.
    #[must_use]
    pub fn apart(mut self, args: impl IntoIterator<Item = impl Into<OsString>>) -> Self {
        let args = args.into_iter().map(Into::into).collect();
        self.apart = Some(Apart::new(THIS_PROGRAM.into(), args));
        self
    }

    /// Scenarios that were found compiled, that were compiled, and that were refused by the compiler, in this order.
    pub fn counts(&self) -> [u64; 3] {
        let of = |count: &AtomicU64| count.load(Ordering::Relaxed);
        let hits = self.cache.as_ref().map_or(0, |cache| cache.hits());
        [hits, of(&self.counts.compiled), of(&self.counts.refused)]
    }

    /// Bytes of what is kept; None: nothing is.
    pub fn kept_bytes(&self) -> Option<u64> {
        self.cache.as_ref().map(|cache| cache.bytes())
    }

    /// What was compiled before.
    pub(super) fn known(&self, key: &Key) -> Option<Artefact> {
        self.cache.as_ref()?.get(key)
    }

    /// See [`Cache::turn`].
    pub(super) fn turn(&self, key: &Key) -> Option<File> {
        self.cache.as_ref()?.turn(key)
    }

    /// Compiles, and keeps what comes of it.
    pub(super) fn compile(
        &self,
        key: &Key,
        (engine, recipe): (&Engine, Recipe),
        wasm: &[u8],
    ) -> Result<Artefact, ScenarioError> {
        let compiled = match &self.apart {
            Some(apart) => apart.compile(recipe, wasm),
            None => Artefact::compile(engine, wasm)
                .map_err(|error| ScenarioError::Compile(format!("{error:#}"))),
        };
        let counter = if compiled.is_ok() { &self.counts.compiled } else { &self.counts.refused };
        counter.fetch_add(1, Ordering::Relaxed);
        let artefact = compiled?;
        if let Some(cache) = &self.cache {
            cache.put(key, &artefact);
        }
        Ok(artefact)
    }
}
