//! Compiled scenarios on disk, and the one place in loadhost with unsafe code.
//!
//! wasmtime runs whatever machine code a compiled file holds, so such a file is loaded only if
//! this program wrote it: never from the network, only from its own child or from a folder that nobody else can
//! write, under the digest of the scenario and of the engine's configuration, and only with
//! the checksum it was written with. Anything else is compiled again.
#![allow(unsafe_code)]

use std::fs::{self, DirBuilder, File};
use std::hash::{Hash, Hasher};
use std::io::{self, Write};
use std::os::unix::fs::{DirBuilderExt, MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant, SystemTime};

use loadhost_model::id::Digest;
use sha2::{Digest as _, Sha256};
use wasmtime::Engine;
use wasmtime::component::Component;

/// Bytes of a checksum before the compiled code.
const SUM: usize = 32;
const EXTENSION: &str = "cwasm";
/// Files that processes lock while they compile: a scenario has one of them, and some share it.
const TURNS: u64 = 16;
/// As long as compiling may take.
const PATIENCE: Duration = Duration::from_secs(300);
const LOOK: Duration = Duration::from_millis(20);

/// Why a folder cannot hold compiled scenarios.
#[derive(Debug, thiserror::Error)]
pub enum CacheError {
    /// Not made, not read.
    #[error("the cache folder `{}` cannot be used: {error}; give another one with `--cache-dir`", dir.display())]
    Io {
        /// As given.
        dir: PathBuf,
        /// From the system.
        error: io::Error,
    },
    /// Others can put code there.
    #[error("the cache folder `{}` belongs to somebody else, or others may write there; run `chmod 700` on it, or give another one with `--cache-dir`", dir.display())]
    Open {
        /// As given.
        dir: PathBuf,
    },
}

/// A folder of compiled scenarios, bounded in size.
#[derive(Debug)]
pub struct Cache {
    dir: PathBuf,
    max_bytes: u64,
    hits: AtomicU64,
    evictions: AtomicU64,
}

impl Cache {
    /// Makes the folder if it is not there. It must be ours alone.
    pub fn open(dir: impl Into<PathBuf>, max_bytes: u64) -> Result<Self, CacheError> {
        let dir = dir.into();
        let io = |error| CacheError::Io { dir: dir.clone(), error };
        DirBuilder::new().recursive(true).mode(0o700).create(&dir).map_err(io)?;
        let metadata = fs::metadata(&dir).map_err(io)?;
        let ours = metadata.uid() == rustix::process::geteuid().as_raw();
        if !metadata.is_dir() || !ours || metadata.mode() & 0o077 != 0 {
            return Err(CacheError::Open { dir });
        }
        Ok(Self { dir, max_bytes, hits: AtomicU64::new(0), evictions: AtomicU64::new(0) })
    }

    /// Scenarios that did not have to be compiled.
    pub fn hits(&self) -> u64 {
        self.hits.load(Ordering::Relaxed)
    }

    /// Compiled scenarios removed to make room.
    pub fn evictions(&self) -> u64 {
        self.evictions.load(Ordering::Relaxed)
    }

    /// Bytes of compiled scenarios in the folder.
    pub fn bytes(&self) -> u64 {
        let files = fs::read_dir(&self.dir).into_iter().flatten().flatten();
        let compiled = files.filter(|file| file.path().extension().is_some_and(|e| e == EXTENSION));
        compiled.filter_map(|file| file.metadata().ok()).map(|metadata| metadata.len()).sum()
    }

    fn path(&self, key: &Key) -> PathBuf {
        self.dir.join(format!("{}-{:016x}.{EXTENSION}", key.digest, key.engine))
    }

    /// What was stored under this key, if it is whole.
    pub(super) fn get(&self, key: &Key) -> Option<Artefact> {
        let path = self.path(key);
        let bytes = fs::read(&path).ok()?;
        let Some(code) = checked(&bytes) else {
            tracing::warn!(path = %path.display(), "a compiled scenario is damaged and is compiled again");
            let _ = fs::remove_file(&path);
            return None;
        };
        self.hits.fetch_add(1, Ordering::Relaxed);
        // The time of the last use decides what is removed first; a cache works without it.
        let _ = File::open(&path).and_then(|file| file.set_modified(SystemTime::now()));
        Some(Artefact(code.into()))
    }

    /// Stores it, and makes room first. A cache that cannot be written costs time only.
    pub(super) fn put(&self, key: &Key, artefact: &Artefact) {
        let size = artefact.0.len() as u64;
        if size > self.max_bytes {
            return;
        }
        if let Err(error) = self.make_room(size).and_then(|()| self.write(key, artefact)) {
            tracing::warn!(dir = %self.dir.display(), %error, "a compiled scenario cannot be kept");
        }
    }

    fn write(&self, key: &Key, artefact: &Artefact) -> io::Result<()> {
        // Written aside, so that a reader finds all of it or nothing.
        let aside = self.dir.join(format!(".{}-{:x}", std::process::id(), fastrand::u64(..)));
        let mut file =
            fs::OpenOptions::new().write(true).create_new(true).mode(0o600).open(&aside)?;
        let written =
            file.write_all(&Sha256::digest(&artefact.0)).and_then(|()| file.write_all(&artefact.0));
        let moved = written.and_then(|()| fs::rename(&aside, self.path(key)));
        if moved.is_err() {
            let _ = fs::remove_file(&aside);
        }
        moved
    }

    fn make_room(&self, size: u64) -> io::Result<()> {
        let mut files = Vec::new();
        for entry in fs::read_dir(&self.dir)? {
            let path = entry?.path();
            if path.extension().is_some_and(|extension| extension == EXTENSION) {
                let metadata = fs::metadata(&path)?;
                files.push((metadata.modified()?, metadata.len(), path));
            }
        }
        files.sort();
        let mut total: u64 = files.iter().map(|(_, len, _)| len).sum();
        for (_, len, path) in files {
            if total + size <= self.max_bytes {
                break;
            }
            fs::remove_file(&path)?;
            self.evictions.fetch_add(1, Ordering::Relaxed);
            total -= len;
        }
        Ok(())
    }

    /// Waits until no other process compiles what could be the same, for as long as what is returned lives. A process
    /// that stands still is not waited for without end: then two compile.
    pub(super) fn turn(&self, key: &Key) -> Option<File> {
        let mut hasher = std::hash::DefaultHasher::new();
        key.hash(&mut hasher);
        let part = hasher.finish() % TURNS;
        let mut options = fs::OpenOptions::new();
        options.create(true).truncate(false).write(true).mode(0o600);
        let file = options.open(self.dir.join(format!(".turn-{part}"))).ok()?;
        let until = Instant::now() + PATIENCE;
        while file.try_lock().is_err() {
            if Instant::now() >= until {
                tracing::warn!(dir = %self.dir.display(), "another process does not end compiling; it is not waited for");
                return None;
            }
            std::thread::sleep(LOOK);
        }
        Some(file)
    }

    /// Where it is.
    pub fn dir(&self) -> &Path {
        &self.dir
    }
}

fn checked(bytes: &[u8]) -> Option<&[u8]> {
    let (sum, code) = bytes.split_at_checked(SUM)?;
    (*sum == *Sha256::digest(code)).then_some(code)
}

/// Which scenario, compiled by which engine.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(super) struct Key {
    digest: Digest,
    engine: u64,
}

impl Key {
    pub(super) fn new(digest: Digest, engine: &Engine) -> Self {
        // The hash of wasmtime covers its version, the processor and all that changes code.
        let mut hasher = std::hash::DefaultHasher::new();
        engine.precompile_compatibility_hash().hash(&mut hasher);
        Self { digest, engine: hasher.finish() }
    }
}

/// A compiled component, made by this program.
#[derive(Debug, Clone)]
pub(super) struct Artefact(std::sync::Arc<[u8]>);

impl Artefact {
    /// Compiles. This is where time goes: half a second for a scenario in Rust.
    pub(super) fn compile(engine: &Engine, wasm: &[u8]) -> wasmtime::Result<Self> {
        Ok(Self(engine.precompile_component(wasm)?.into()))
    }

    /// What a child of this program compiled, by its own word and over its own pipe.
    pub(super) fn of_child(code: &[u8]) -> Self {
        Self(code.into())
    }

    pub(super) fn code(&self) -> &[u8] {
        &self.0
    }

    /// Loads what an engine of the same configuration compiled.
    pub(super) fn load(&self, engine: &Engine) -> wasmtime::Result<Component> {
        // SAFETY: an artefact comes from `precompile_component` in this process, or in a child of
        // the same program that wrote it into a pipe which nobody else can write, or from `get`,
        // which reads only whole files of a folder that only this user can write. The bytes are
        // copied, so that nobody can change them once they were checked. wasmtime itself checks
        // that they fit the engine.
        unsafe { Component::deserialize(engine, &self.0) }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use std::os::unix::fs::PermissionsExt;

    fn key(n: u8) -> Key {
        Key { digest: Digest::new([n; 32]), engine: 7 }
    }

    fn artefact(size: usize) -> Artefact {
        Artefact(vec![1; size].into())
    }

    #[test]
    fn a_damaged_file_is_not_used() {
        let dir = tempfile::tempdir().unwrap();
        let cache = Cache::open(dir.path().join("c"), 1 << 20).unwrap();
        cache.put(&key(1), &artefact(100));
        assert_eq!(cache.get(&key(1)).unwrap().0.len(), 100);
        let path = cache.path(&key(1));
        let mut bytes = fs::read(&path).unwrap();
        bytes[60] ^= 1;
        fs::write(&path, bytes).unwrap();
        assert!(cache.get(&key(1)).is_none());
        assert!(!path.exists(), "it would be read again each time");
        fs::write(&path, b"short").unwrap();
        assert!(cache.get(&key(1)).is_none());
    }

    #[test]
    fn the_oldest_make_room() {
        let dir = tempfile::tempdir().unwrap();
        let cache = Cache::open(dir.path().join("c"), 3_000).unwrap();
        for n in 1..=3 {
            cache.put(&key(n), &artefact(900));
            let when = SystemTime::UNIX_EPOCH + Duration::from_secs(u64::from(n));
            File::open(cache.path(&key(n))).unwrap().set_modified(when).unwrap();
        }
        assert!(cache.get(&key(1)).is_some(), "used just now");
        cache.put(&key(4), &artefact(900));
        assert_eq!(cache.evictions(), 1);
        assert!(cache.get(&key(2)).is_none());
        assert!(cache.get(&key(1)).is_some() && cache.get(&key(4)).is_some());
        cache.put(&key(5), &artefact(5_000));
        assert!(cache.get(&key(5)).is_none(), "larger than the cache");
    }

    #[test]
    fn a_folder_that_others_can_write_is_refused() {
        let dir = tempfile::tempdir().unwrap();
        fs::set_permissions(dir.path(), fs::Permissions::from_mode(0o770)).unwrap();
        assert!(matches!(Cache::open(dir.path(), 1), Err(CacheError::Open { .. })));
        assert!(matches!(Cache::open("/proc/none", 1), Err(CacheError::Io { .. })));
    }
}
