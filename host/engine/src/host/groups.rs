//! Groups that a guest has opened: how long they are open, and the path that samples carry.

use std::sync::Arc;

use loadhost_model::metric::SeriesKey;
use tokio::time::Instant;

use crate::recorder::Recorder;

/// Groups within groups.
const DEPTH: usize = 16;
/// Bytes of a path.
const PATH_BYTES: usize = 512;

/// The open groups of one user.
#[derive(Debug, Default)]
pub(super) struct Groups {
    open: Vec<Open>,
    /// Outside of groups.
    none: Option<Arc<str>>,
    /// Paths seen, so that the same group is the same text.
    paths: Vec<Arc<str>>,
}

#[derive(Debug)]
struct Open {
    path: Arc<str>,
    since: Instant,
}

impl Groups {
    /// Path of open groups, joined with `::`; empty outside of groups.
    pub(super) fn path(&mut self) -> &Arc<str> {
        match self.open.last() {
            Some(open) => &open.path,
            None => self.none.get_or_insert_with(|| "".into()),
        }
    }

    /// Opens a group. False: groups are nested too deeply, or the path is too long.
    pub(super) fn begin(&mut self, name: &str) -> bool {
        let path = match self.open.last() {
            Some(outer) => format!("{}::{name}", outer.path),
            None => name.to_string(),
        };
        if self.open.len() >= DEPTH || path.len() > PATH_BYTES {
            return false;
        }
        let path = match self.paths.iter().find(|known| ***known == *path) {
            Some(known) => Arc::clone(known),
            None => {
                let path: Arc<str> = path.into();
                if self.paths.len() < 64 {
                    self.paths.push(Arc::clone(&path));
                }
                path
            }
        };
        self.open.push(Open { path, since: Instant::now() });
        true
    }

    /// Closes the group opened last and records how long it was open. False: there is none.
    pub(super) fn end(&mut self, recorder: &Recorder) -> bool {
        let Some(open) = self.open.pop() else { return false };
        let id = recorder.series(&SeriesKey::Group { path: open.path });
        recorder.group(id, open.since.elapsed());
        true
    }

    /// Closes all, as when a task returns early by `?`.
    pub(super) fn close_all(&mut self, recorder: &Recorder) {
        while self.end(recorder) {}
    }
}
