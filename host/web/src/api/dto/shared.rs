//! What the users of a run share.

use std::collections::BTreeMap;

use loadhost_control::view::{LeasedView, MeetingView, SharedView};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// What the users of a run share, whichever workers they are on.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct SharedThings {
    /// Data sets whose rows are handed out one by one, by name.
    pub rows: BTreeMap<String, Leased>,
    /// Numbers that are handed out one by one, by name.
    pub numbers: BTreeMap<String, Leased>,
    /// What users added, in sum, by name.
    pub counters: BTreeMap<String, i64>,
    /// Rendezvous, by name.
    pub meetings: BTreeMap<String, Meeting>,
}

/// Rows of a data set, or numbers, that are leased to workers and used once.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct Leased {
    /// How many there are; null: without end.
    pub total: Option<u64>,
    /// Given to workers.
    pub leased: u64,
    /// Handed to users.
    pub taken: u64,
    /// With workers, to be handed to users.
    pub in_stock: u64,
    /// With workers that are lost: nobody else gets them.
    pub withheld: u64,
    /// At most so many were used twice.
    pub repeated: u64,
}

/// A rendezvous.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct Meeting {
    /// Users that it takes.
    pub size: u32,
    /// Users that wait.
    pub waiting: u64,
    /// How often users went on together.
    pub releases: u64,
    /// Users that did, in sum.
    pub released: u64,
}

impl From<&SharedView> for SharedThings {
    fn from(view: &SharedView) -> Self {
        let leased = |list: &[LeasedView]| {
            list.iter().map(|one| (one.name.to_string(), Leased::from(one))).collect()
        };
        let meetings = view.meetings.iter();
        Self {
            rows: leased(&view.rows),
            numbers: leased(&view.numbers),
            counters: view.counters.iter().map(|(name, sum)| (name.to_string(), *sum)).collect(),
            meetings: meetings.map(|one| (one.name.to_string(), Meeting::from(one))).collect(),
        }
    }
}

impl From<&LeasedView> for Leased {
    fn from(view: &LeasedView) -> Self {
        Self {
            total: view.total,
            leased: view.leased,
            taken: view.taken,
            in_stock: view.in_stock,
            withheld: view.withheld,
            repeated: view.repeated,
        }
    }
}

impl From<&MeetingView> for Meeting {
    fn from(view: &MeetingView) -> Self {
        Self {
            size: view.size,
            waiting: view.waiting,
            releases: view.releases,
            released: view.released,
        }
    }
}
