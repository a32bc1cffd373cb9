//! What the users of a run share, as it is shown.

use std::collections::BTreeMap;
use std::sync::Arc;

use serde::{Deserialize, Serialize};

/// What the users of a run share, whichever workers they are on. Each kind by name; at most
/// [`MAX_NAMES`](loadhost_model::shared::MAX_NAMES) of each.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct SharedView {
    /// Data sets whose rows are handed out one by one.
    pub rows: Vec<LeasedView>,
    /// Numbers that are handed out one by one.
    pub numbers: Vec<LeasedView>,
    /// What users added, in sum, as far as workers have said.
    pub counters: BTreeMap<Arc<str>, i64>,
    /// Rendezvous.
    pub meetings: Vec<MeetingView>,
}

/// Rows of a data set, or numbers, that are leased to workers and used once.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct LeasedView {
    /// Of the data set, or of the numbers.
    pub name: Arc<str>,
    /// How many there are. None: without end, or from the beginning again.
    pub total: Option<u64>,
    /// Given to workers, without those that came back unused and wait for somebody.
    pub leased: u64,
    /// Handed to users, as far as workers have said.
    pub taken: u64,
    /// With workers, to be handed to users.
    pub in_stock: u64,
    /// With workers that are lost or have ended without a last word: nobody knows whether they were used, and nobody
    /// else gets them.
    pub withheld: u64,
    /// Of these nobody knows either, and others got them as well: at most so many were used twice.
    pub repeated: u64,
}

/// A rendezvous.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct MeetingView {
    /// Its name.
    pub name: Arc<str>,
    /// Users that it takes.
    pub size: u32,
    /// Users that wait, as far as workers have said.
    pub waiting: u64,
    /// How often users went on together.
    pub releases: u64,
    /// Users that did, in sum.
    pub released: u64,
}
