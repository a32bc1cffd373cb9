//! Which series and errors a run has, over all shards of a worker, and how many it may have.

use std::collections::{BTreeSet, HashMap, HashSet};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, RwLock};

use loadhost_model::interval::{ErrorKey, Origin};
use loadhost_model::metric::{Kind, OTHER, SeriesKey, Tags};
use loadhost_model::plan::Limits;

/// Kept of an error's detail: frames and the last lines on standard error.
pub(super) const DETAIL_BYTES: usize = 16 << 10;
/// Kept of an error's message.
const MESSAGE_BYTES: usize = 1 << 10;

/// The number of a series, the same in all shards of a worker for the length of a run.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct SeriesId(u32);

impl SeriesId {
    pub(super) fn index(self) -> usize {
        self.0 as usize
    }
}

/// What a series' samples are.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Shape {
    Http,
    Task,
    Check,
    Group,
    Custom(Kind),
}

impl Shape {
    fn of(key: &SeriesKey) -> Self {
        match key {
            SeriesKey::Http { .. } => Self::Http,
            SeriesKey::Task { .. } => Self::Task,
            SeriesKey::Check { .. } => Self::Check,
            SeriesKey::Group { .. } => Self::Group,
            SeriesKey::Custom { kind, .. } => Self::Custom(*kind),
        }
    }
}

/// A cap is reached.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Full {
    /// Name of the cap.
    pub(super) cap: &'static str,
    /// The series that counts instead.
    pub(super) other: SeriesId,
}

/// The series and errors of one run, shared by the shards of a worker.
#[derive(Debug)]
pub struct Names {
    caps: Caps,
    /// By [`SeriesId`]; only grows.
    keys: RwLock<Vec<(SeriesKey, Shape)>>,
    known: Mutex<Known>,
}

#[derive(Debug, Clone, Copy)]
struct Caps {
    names: usize,
    metrics: usize,
    series: usize,
    errors: usize,
}

#[derive(Debug, Default)]
struct Known {
    ids: HashMap<SeriesKey, SeriesId>,
    requests: HashSet<Arc<str>>,
    checks: HashSet<Arc<str>>,
    groups: HashSet<Arc<str>>,
    metrics: HashSet<Arc<str>>,
    errors: BTreeSet<ErrorKey>,
    warned: BTreeSet<&'static str>,
}

impl Names {
    /// No names yet, and at most as many as the limits say.
    pub fn new(limits: &Limits) -> Self {
        let caps = Caps {
            names: limits.names as usize,
            metrics: limits.metrics as usize,
            series: limits.series as usize,
            errors: limits.errors as usize,
        };
        Self { caps, keys: RwLock::default(), known: Mutex::default() }
    }

    fn known(&self) -> MutexGuard<'_, Known> {
        self.known.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn intern(&self, key: &SeriesKey) -> Result<SeriesId, Full> {
        let mut known = self.known();
        if let Some(id) = known.ids.get(key) {
            return Ok(*id);
        }
        match self.refused_by(&mut known, key) {
            None => Ok(self.add(&mut known, key.clone())),
            Some(cap) => {
                if known.warned.insert(cap) {
                    tracing::warn!(cap, ?key, "cap reached: what is beyond it counts as `other`");
                }
                let other = other(key);
                let found = known.ids.get(&other).copied();
                Err(Full { cap, other: found.unwrap_or_else(|| self.add(&mut known, other)) })
            }
        }
    }

    fn refused_by(&self, known: &mut Known, key: &SeriesKey) -> Option<&'static str> {
        let (set, name, cap, most) = match key {
            SeriesKey::Task { .. } => return None, // as many as the description has
            SeriesKey::Http { name, .. } => (&mut known.requests, name, "names", self.caps.names),
            SeriesKey::Check { name, .. } => (&mut known.checks, name, "names", self.caps.names),
            SeriesKey::Group { path } => (&mut known.groups, path, "names", self.caps.names),
            SeriesKey::Custom { name, .. } => {
                (&mut known.metrics, name, "metrics", self.caps.metrics)
            }
        };
        if known.ids.len() >= self.caps.series {
            return Some("series");
        }
        if !set.contains(name) {
            if set.len() >= most {
                return Some(cap);
            }
            set.insert(Arc::clone(name));
        }
        None
    }

    fn add(&self, known: &mut Known, key: SeriesKey) -> SeriesId {
        let mut keys = self.keys.write().unwrap_or_else(PoisonError::into_inner);
        let id = SeriesId(keys.len() as u32);
        keys.push((key.clone(), Shape::of(&key)));
        known.ids.insert(key, id);
        id
    }

    pub(super) fn key(&self, id: SeriesId) -> SeriesKey {
        let keys = self.keys.read().unwrap_or_else(PoisonError::into_inner);
        keys[id.index()].0.clone()
    }

    pub(super) fn shape(&self, id: SeriesId) -> Shape {
        let keys = self.keys.read().unwrap_or_else(PoisonError::into_inner);
        keys[id.index()].1
    }

    /// The key to count an error under, and whether it is its own.
    pub(super) fn admit_error(&self, key: &ErrorKey) -> (ErrorKey, bool) {
        let mut known = self.known();
        let mut key = key.clone();
        key.message = bounded(&key.message, MESSAGE_BYTES);
        if known.errors.contains(&key) {
            return (key, true);
        }
        if known.errors.len() < self.caps.errors {
            known.errors.insert(key.clone());
            return (key, true);
        }
        let origin = match key.origin {
            Origin::Request { .. } => Origin::Request { method: "".into(), name: OTHER.into() },
            Origin::Task { .. } => Origin::Task { user_type: OTHER.into(), task: OTHER.into() },
        };
        (ErrorKey { origin, code: OTHER.into(), message: "beyond the cap `errors`".into() }, false)
    }
}

/// The series that counts for `key` beyond a cap.
fn other(key: &SeriesKey) -> SeriesKey {
    let name: Arc<str> = OTHER.into();
    let (tags, none): (Tags, Arc<str>) = (Arc::default(), "".into());
    match key {
        SeriesKey::Http { .. } => {
            SeriesKey::Http { method: Arc::clone(&none), name, tags, group: none }
        }
        SeriesKey::Check { .. } => SeriesKey::Check { name, group: none },
        SeriesKey::Group { .. } => SeriesKey::Group { path: name },
        SeriesKey::Custom { kind, .. } => SeriesKey::Custom { name, kind: *kind, unit: none, tags },
        SeriesKey::Task { .. } => key.clone(),
    }
}

/// `text`, cut at a character's border after `most` bytes.
pub(super) fn bounded(text: &Arc<str>, most: usize) -> Arc<str> {
    if text.len() <= most {
        Arc::clone(text)
    } else {
        text[..text.floor_char_boundary(most)].into()
    }
}
