//! How scenarios are compiled: where the code is kept, and who does it.

use std::ffi::OsString;
use std::sync::Arc;

use wasmtime::Engine;

use super::ScenarioError;
use super::apart::Apart;
use super::cache::{Artefact, Cache, Key};
use crate::sandbox::engine::Recipe;

/// How scenarios are compiled. Cheap to clone.
#[derive(Debug, Clone, Default)]
pub struct Compiling {
    cache: Option<Arc<Cache>>,
    apart: Option<Apart>,
}

impl From<Option<Arc<Cache>>> for Compiling {
    /// In this process, with this cache.
    fn from(cache: Option<Arc<Cache>>) -> Self {
        Self { cache, apart: None }
    }
}

impl Compiling {
    /// In children of this process, which run the same program with these arguments and one more.
    /// There it is to call [`super::compile_inside`] with that one.
    #[must_use]
    pub fn apart(mut self, args: impl IntoIterator<Item = impl Into<OsString>>) -> Self {
        // It is the same program even if its file was replaced meanwhile.
        let args = args.into_iter().map(Into::into).collect();
        self.apart = Some(Apart::new("/proc/self/exe".into(), args));
        self
    }

    /// What was compiled before.
    pub(super) fn known(&self, key: &Key) -> Option<Artefact> {
        self.cache.as_ref()?.get(key)
    }

    /// Compiles, and keeps what comes of it.
    pub(super) fn compile(
        &self,
        key: &Key,
        (engine, recipe): (&Engine, Recipe),
        wasm: &[u8],
    ) -> Result<Artefact, ScenarioError> {
        let artefact = match &self.apart {
            Some(apart) => apart.compile(recipe, wasm)?,
            None => Artefact::compile(engine, wasm)
                .map_err(|error| ScenarioError::Compile(format!("{error:#}")))?,
        };
        if let Some(cache) = &self.cache {
            cache.put(key, &artefact);
        }
        Ok(artefact)
    }
}
