//! What people wrote about runs: notes and tags, whether one is to stay, who started it; and which were deleted.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, PoisonError, RwLock, RwLockReadGuard, RwLockWriteGuard};

use serde::{Deserialize, Serialize};

use super::MAX_DELETED;
use crate::api::dto::{RunDetail, RunShort};

/// What people wrote about one run.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Remark {
    /// Free text.
    pub note: String,
    /// Words to find it by.
    pub tags: Vec<String>,
    /// Not deleted to make room.
    pub pinned: bool,
    /// Who started it.
    pub started_by: Option<String>,
    /// The same run as a line for a shell; secrets are variables of the shell.
    pub command: Option<String>,
}

/// What is known here of what people wrote; clones share it.
#[derive(Debug, Clone, Default)]
pub struct Remarks(Arc<RwLock<Known>>);

#[derive(Debug, Default)]
struct Known {
    remarks: BTreeMap<String, Remark>,
    /// A view may show them a while longer.
    deleted: BTreeSet<String>,
}

impl Remarks {
    /// About this run.
    pub fn of(&self, run: &str) -> Remark {
        self.read().remarks.get(run).cloned().unwrap_or_default()
    }

    /// Whether somebody deleted the run.
    pub fn is_deleted(&self, run: &str) -> bool {
        self.read().deleted.contains(run)
    }

    fn read(&self) -> RwLockReadGuard<'_, Known> {
        self.0.read().unwrap_or_else(PoisonError::into_inner)
    }

    fn write(&self) -> RwLockWriteGuard<'_, Known> {
        self.0.write().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn set(&self, run: &str, remark: Remark) {
        self.write().remarks.insert(run.to_string(), remark);
    }

    pub(super) fn remove(&self, run: &str) {
        self.write().remarks.remove(run);
    }

    pub(super) fn replace(&self, all: BTreeMap<String, Remark>) {
        self.write().remarks = all;
    }

    /// These were deleted, too. The oldest are forgotten.
    pub(crate) fn bury(&self, runs: impl IntoIterator<Item = String>) {
        let mut known = self.write();
        known.deleted.extend(runs);
        while known.deleted.len() > MAX_DELETED {
            known.deleted.pop_first();
        }
    }

    /// With what is written about it.
    pub fn on_short(&self, short: RunShort) -> RunShort {
        let Remark { note, tags, pinned, started_by, .. } = self.of(&short.run);
        RunShort { note, tags, pinned, started_by, ..short }
    }

    /// With what is written about it.
    pub fn on_detail(&self, detail: RunDetail) -> RunDetail {
        let Remark { note, tags, pinned, started_by, command } = self.of(&detail.run);
        RunDetail { note, tags, pinned, started_by, command, ..detail }
    }
}
