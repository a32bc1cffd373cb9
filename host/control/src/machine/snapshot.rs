//! The machine as bytes, and a successor that goes on from them.
//!
//! Numbers of runs are saved apart (`aggregate::saved`), because they are large and come in by
//! the second; so are reports. Times of the machine are durations since the first coordinator of the fleet
//! began: a successor lets that clock go on. Only the instants that workers were told are wall time,
//! and those are moved if the successor's wall clock shows something else.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

use loadhost_model::id::{RunId, Term, WorkerId};
use serde::{Deserialize, Serialize};

use super::run::{Run, Stage};
use super::{Effect, Machine, Now};
use crate::aggregate::Aggregate;
use crate::config::CoordinatorConfig;
use crate::error::Unreadable;
use crate::report::RunReport;
use crate::view::NoteKind;

/// What the bytes are, for people.
const WHAT: &str = "the fleet's state";
/// Of the bytes. Another one is refused by name.
const VERSION: u16 = 1;
/// Wall clocks that agree with the store's to this are believed: they are more exact, since saving
/// takes time.
const AGREE: Duration = Duration::from_millis(250);

/// A machine and when it was.
#[derive(Debug, Deserialize)]
pub(crate) struct Snapshot {
    now: Now,
    machine: Machine,
}

#[derive(Serialize)]
struct Written<'a> {
    version: u16,
    term: Term,
    now: Now,
    machine: &'a Machine,
}

impl Snapshot {
    pub(crate) fn read(bytes: &[u8]) -> Result<Self, Unreadable> {
        #[derive(Deserialize)]
        struct Head {
            version: u16,
        }
        let malformed = |error: serde_json::Error| Unreadable::malformed(WHAT, error);
        let head: Head = serde_json::from_slice(bytes).map_err(malformed)?;
        if head.version != VERSION {
            return Err(Unreadable::version(WHAT, head.version, VERSION));
        }
        serde_json::from_slice(bytes).map_err(malformed)
    }

    /// Runs that were going on, and whether load was made.
    pub(crate) fn runs(&self) -> impl Iterator<Item = (&RunId, bool)> {
        self.machine.runs.iter().map(|(id, run)| (id, run.started.is_some()))
    }

    /// What time it is now by the machine's clock, if the wall clock says `wall` and `age` has
    /// passed by the store's clock; and by how many microseconds wall times must be moved.
    pub(crate) fn clock(&self, wall: u64, age: Option<Duration>) -> (Duration, i64) {
        let by_wall = i128::from(wall) - i128::from(self.now.wall);
        let passed = age.map_or(by_wall.max(0), |age| age.as_micros() as i128);
        let apart = by_wall - passed;
        let believed = apart.unsigned_abs() <= AGREE.as_micros() && by_wall >= 0;
        let (passed, shift) = if believed { (by_wall, 0) } else { (passed, apart) };
        let passed = Duration::from_micros(u64::try_from(passed).unwrap_or_default());
        (self.now.mono.saturating_add(passed), i64::try_from(shift).unwrap_or_default())
    }

    /// The machine as it was, with its numbers and reports put back.
    pub(crate) fn into_machine(
        self,
        config: CoordinatorConfig,
        mut numbers: BTreeMap<RunId, Aggregate>,
        reports: Vec<RunReport>,
    ) -> Machine {
        let mut machine = Machine { config, news: true, ..self.machine };
        for (id, run) in &mut machine.runs {
            run.aggregate =
                numbers.remove(id).unwrap_or_else(|| Aggregate::new(&run.plan, &run.description));
            if let Some(elapsed) = run.reset {
                run.aggregate.reset_once(elapsed);
            }
        }
        for report in
            reports.into_iter().filter(|report| !machine.runs.contains_key(&report.view.run))
        {
            let (id, view) = (report.view.run.clone(), Arc::new(report.view.clone()));
            machine.finished.push_back((id, view, Arc::new(report)));
        }
        machine
    }
}

impl Machine {
    /// All decisions, for a successor.
    pub(crate) fn snapshot(&self, now: Now) -> Vec<u8> {
        let written = Written { version: VERSION, term: self.config.term, now, machine: self };
        // All keys are texts and all numbers finite, and memory does not refuse to be written to.
        serde_json::to_vec(&written).unwrap_or_default()
    }

    /// The numbers of each run that has made load.
    pub(crate) fn numbers(&self) -> impl Iterator<Item = (&RunId, &Aggregate)> {
        let made_load = self.runs.iter().filter(|(_, run)| run.started.is_some());
        made_load.map(|(id, run)| (id, &run.aggregate))
    }

    /// Goes on where a former leader was: states again, under the new term, what each worker is to
    /// do. A worker that does so already changes nothing.
    pub(crate) fn take_over(&mut self, now: Now, shift: i64) -> Vec<Effect> {
        self.registry.listen_anew(now.mono);
        let until = now.mono.saturating_add(self.config.lost);
        self.let_go_again();
        for (id, mut run) in std::mem::take(&mut self.runs) {
            move_walls(&mut run, shift);
            grant(&mut run.stage, until);
            run.versions.grant(until);
            if let Some(shape) = &mut run.shape {
                shape.unasked();
            }
            // Nobody heard them meanwhile.
            run.parts.iter_mut().for_each(|part| part.awaited_since = None);
            let term = self.config.term.0;
            run.note(now.mono, NoteKind::Info, format!("another master leads, in term {term}"));
            self.restate(&mut run);
            self.runs.insert(id, run);
        }
        self.version += 1;
        self.news = true;
        self.take_effects()
    }

    /// Says again to whom a former leader let go that it is to be idle: that may never have been said.
    fn let_go_again(&mut self) {
        let parts = || self.runs.values().flat_map(|run| &run.parts);
        let busy: BTreeSet<&WorkerId> =
            parts().filter(|part| part.takes_part()).map(|part| &part.worker).collect();
        let all: BTreeSet<&WorkerId> = parts().map(|part| &part.worker).collect();
        let idle: Vec<WorkerId> = all.difference(&busy).map(|worker| (*worker).clone()).collect();
        for worker in idle {
            let stated = self.state(worker.clone(), None);
            let parts = self.runs.values_mut().flat_map(|run| &mut run.parts);
            parts.filter(|part| part.worker == worker).for_each(|part| part.assigned = stated);
        }
    }

    /// Runs whose load shape must be made anew.
    pub(crate) fn shaped(
        &self,
    ) -> impl Iterator<Item = (&RunId, &Arc<loadhost_model::plan::RunPlan>)> {
        let shaped = self.runs.iter().filter(|(_, run)| run.shape.is_some());
        shaped.map(|(id, run)| (id, &run.plan))
    }
}

/// Nobody could do anything in time while nobody led.
fn grant(stage: &mut Stage, until: Duration) {
    match stage {
        Stage::Waiting { deadline, .. }
        | Stage::Preparing { deadline }
        | Stage::SettingUp { deadline, .. }
        | Stage::Stopping { deadline, .. }
        | Stage::Collecting { deadline, .. }
        | Stage::TearingDown { deadline, .. } => *deadline = (*deadline).max(until),
        Stage::Running | Stage::Finished => {}
    }
}

/// Wall times of the former leader as the new one's clock shows them.
fn move_walls(run: &mut Run, shift: i64) {
    if let Some(start) = &mut run.started {
        start.wall = start.wall.saturating_add_signed(shift);
    }
    run.slots.move_walls(shift);
    run.shared.move_walls(shift);
    for part in &mut run.parts {
        for wall in [&mut part.share_from, &mut part.holds_from] {
            *wall = super::slots::moved_wall(*wall, shift);
        }
    }
}

#[cfg(test)]
mod tests;
