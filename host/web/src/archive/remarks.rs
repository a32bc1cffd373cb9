//! What people wrote about runs: notes and tags, whether one is to stay, who started it.

use std::collections::BTreeMap;
use std::sync::{Arc, PoisonError, RwLock};

use serde::{Deserialize, Serialize};

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
pub struct Remarks(Arc<RwLock<BTreeMap<String, Remark>>>);

impl Remarks {
    /// About this run.
    pub fn of(&self, run: &str) -> Remark {
        self.0.read().unwrap_or_else(PoisonError::into_inner).get(run).cloned().unwrap_or_default()
    }

    pub(super) fn set(&self, run: &str, remark: Remark) {
        let mut known = self.0.write().unwrap_or_else(PoisonError::into_inner);
        known.insert(run.to_string(), remark);
    }

    pub(super) fn remove(&self, run: &str) {
        self.0.write().unwrap_or_else(PoisonError::into_inner).remove(run);
    }

    pub(super) fn replace(&self, all: BTreeMap<String, Remark>) {
        *self.0.write().unwrap_or_else(PoisonError::into_inner) = all;
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
