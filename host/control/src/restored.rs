//! What a former leader saved, read and ready to go on from.

use std::collections::BTreeMap;

use loadhost_model::id::RunId;
use tokio::time::Instant;

use crate::aggregate::Aggregate;
use crate::config::CoordinatorConfig;
use crate::error::Unreadable;
use crate::machine::snapshot::Snapshot;
use crate::machine::{Machine, Now};
use crate::ports::Saved;
use crate::report::RunReport;

/// Why a master cannot go on from what was saved.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum RestoreError {
    /// The decisions are of another release, or damaged.
    #[error(transparent)]
    Decisions(#[from] Unreadable),
    /// So are the numbers of a run.
    #[error("the numbers of run `{run}`: {reason}")]
    Checkpoint {
        /// Which.
        run: RunId,
        /// What is wrong with them.
        reason: Unreadable,
    },
}

/// The state of a fleet, for [`crate::Coordinator::resume`].
#[derive(Debug)]
pub struct Restored {
    snapshot: Snapshot,
    numbers: BTreeMap<RunId, Aggregate>,
    reports: Vec<RunReport>,
    age: Option<std::time::Duration>,
    read: Instant,
    position: u64,
}

impl Restored {
    /// Reads what [`crate::ports::StateStore::load`] found; None: nobody has led this fleet yet. Takes
    /// about a second for a run of ten thousand names.
    ///
    /// # Errors
    /// If it was saved by another release, or is damaged. A report that is, is left out.
    pub fn read(saved: Saved) -> Result<Option<Self>, RestoreError> {
        let Some(decisions) = saved.decisions else { return Ok(None) };
        let read = Instant::now();
        let snapshot = Snapshot::read(&decisions)?;
        let mut numbers = BTreeMap::new();
        // A run without a checkpoint has all its intervals still in the stream.
        let mut position = None;
        for (run, made_load) in snapshot.runs() {
            let found = match saved.checkpoints.get(run) {
                Some(checkpoint) => {
                    let aggregate = Aggregate::from_sections(&checkpoint.sections);
                    let refuse = |reason| RestoreError::Checkpoint { run: run.clone(), reason };
                    numbers.insert(run.clone(), aggregate.map_err(refuse)?);
                    checkpoint.position
                }
                None if made_load => 0,
                None => continue,
            };
            position = Some(position.map_or(found, |known: u64| known.min(found)));
        }
        let position = position.unwrap_or_default();
        let reports = saved.reports.iter().filter_map(|report| readable(report)).collect();
        Ok(Some(Self { snapshot, numbers, reports, age: saved.age, read, position }))
    }

    /// Intervals are to be read from behind this message of the stream on.
    pub fn position(&self) -> u64 {
        self.position
    }

    /// Runs that go on.
    pub fn runs(&self) -> impl Iterator<Item = &RunId> {
        self.snapshot.runs().map(|(run, _)| run)
    }

    /// The machine, and what time it is for it if the wall clock says `wall`.
    pub(crate) fn into_machine(self, config: CoordinatorConfig, wall: u64) -> (Machine, Now, i64) {
        let age = self.age.map(|age| age.saturating_add(self.read.elapsed()));
        let (mono, shift) = self.snapshot.clock(wall, age);
        let machine = self.snapshot.into_machine(config, self.numbers, self.reports);
        (machine, Now { mono, wall }, shift)
    }
}

fn readable(report: &[u8]) -> Option<RunReport> {
    match RunReport::from_bytes(report) {
        Ok(report) => Some(report),
        Err(error) => {
            tracing::warn!(%error, "the report of a run that is over is left out");
            None
        }
    }
}
