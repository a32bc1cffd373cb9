//! What the users of a run share over the fleet: rows of data sets, numbers, counters, rendezvous.
//!
//! Workers say what their users did, in sums; [`Shared`] keeps the sums of each process, and states what each may
//! hand to its users. Of each row or number, one process has the lease; of a process that is silent or
//! gone without a last word nobody knows how many of them it used. What is stated is a decision like any other:
//! saved before it is sent.

mod lease;
mod meeting;
mod share_out;
mod show;

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use loadhost_model::data::LostRows;
use loadhost_model::id::{Incarnation, WorkerId};
use loadhost_model::plan::RunPlan;
use loadhost_model::shared::{MAX_NAME_BYTES, MAX_NAMES, SharedState, SharedUse};
use serde::{Deserialize, Serialize};

use lease::{Held, Source};
use meeting::{Meeting, Visit};

type Name = Arc<str>;

/// All that is shared in one run.
#[derive(Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub(crate) struct Shared {
    /// Of data sets that are handed out row by row.
    rows: BTreeMap<Name, Source>,
    numbers: BTreeMap<Name, Source>,
    /// What all processes ever added.
    counters: BTreeMap<Name, i64>,
    meetings: BTreeMap<Name, Meeting>,
    holders: BTreeMap<WorkerId, Holder>,
    /// Changed counters are told again from then on, by the coordinator's clock.
    next_round: Duration,
}

/// Whether a process takes part in the run.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
enum Place {
    In,
    /// Silent; it may come back and go on.
    Lost,
    /// It has nothing to do with the run any more, unless it is asked again.
    Out,
}

/// The process of a worker that has a part in what is shared.
#[derive(Debug, PartialEq, Eq, Serialize, Deserialize)]
struct Holder {
    incarnation: Incarnation,
    place: Place,
    /// Generation of the assignment by which it got this part. What it says under older ones is not its last word.
    since: u64,
    /// Its last word was heard, and what it left is with others: the generation that it had applied by then. A later
    /// assignment that brings it back says so.
    done: Option<u64>,
    /// Of its words, the latest.
    said: u64,
    rows: BTreeMap<Name, Held>,
    numbers: BTreeMap<Name, Held>,
    /// What its users added.
    counters: BTreeMap<Name, i64>,
    /// What it was told that others added.
    told: BTreeMap<Name, i64>,
    meetings: BTreeMap<Name, Visit>,
    /// When it got something last, by the coordinator's clock.
    served: Duration,
    /// Something is to be stated to it.
    is_owed: bool,
}

/// A process at the moment that it says something.
#[derive(Debug, Clone, Copy)]
pub(super) struct Speaker<'a> {
    pub(super) worker: &'a WorkerId,
    pub(super) incarnation: Incarnation,
    /// Generation that it has applied.
    pub(super) applied: u64,
    /// It has no users any more, and nothing that was stated to it since it got its part would give it some.
    pub(super) is_over: bool,
}

impl Shared {
    pub(crate) fn new(plan: &RunPlan) -> Self {
        let mut shared = Self::default();
        for (name, data) in plan.data.iter().filter(|(_, data)| data.is_leased()) {
            let source = Source::new(data.leased_rows(), data.lost);
            shared.rows.insert(name.as_str().into(), source);
        }
        shared
    }

    /// Gives a process its part before it is told what to do, unless it has one. `since` is the generation that is
    /// stated next, `workers` how many share the run; it is asked only if something is granted.
    pub(super) fn enroll(
        &mut self,
        worker: &WorkerId,
        incarnation: Incarnation,
        since: u64,
        workers: impl FnOnce() -> usize,
    ) {
        match self.holders.get(worker) {
            None if self.rows.is_empty() => return, // until it uses something
            Some(holder) if holder.incarnation == incarnation && holder.place != Place::Out => {
                return;
            }
            _ => {}
        }
        self.give_up(worker);
        let mut holder = match self.holders.remove(worker) {
            Some(holder) if holder.incarnation == incarnation => holder,
            _ => Holder::new(incarnation),
        };
        (holder.place, holder.since, holder.done) = (Place::In, since, None);
        let workers = workers();
        for (name, source) in &mut self.rows {
            source.grant_first(holder.rows.entry(name.clone()).or_default(), workers);
        }
        self.holders.insert(worker.clone(), holder);
    }

    /// A worker's process will not go on with what it has.
    fn give_up(&mut self, worker: &WorkerId) {
        self.place(worker, Place::Out);
        let Some(holder) = self.holders.get_mut(worker) else { return };
        each_lease(&mut self.rows, &mut self.numbers, holder, Source::give_up);
    }

    /// The run is over: of what is still with somebody, nobody will say any more whether it was used.
    pub(super) fn end(&mut self) {
        for holder in self.holders.values_mut() {
            each_lease(&mut self.rows, &mut self.numbers, holder, Source::give_up);
        }
    }

    /// Whether a process takes part.
    fn place(&mut self, worker: &WorkerId, place: Place) {
        let Some(holder) = self.holders.get_mut(worker) else { return };
        let was_in = holder.place == Place::In;
        holder.place = place;
        if was_in && place != Place::In && holder.done.is_none() {
            each_lease(&mut self.rows, &mut self.numbers, holder, Source::doubt);
        }
    }

    /// A process has said its last word, or can have used nothing: what it has left goes to others.
    fn finish(&mut self, worker: &WorkerId, applied: u64) {
        let is_new = |holder: &&mut Holder| holder.done.is_none();
        let Some(holder) = self.holders.get_mut(worker).filter(is_new) else { return };
        holder.done = Some(applied);
        each_lease(&mut self.rows, &mut self.numbers, holder, Source::finish);
    }

    /// Takes in what a process says of its users. What people should know is added to `notes`.
    pub(super) fn hear(&mut self, by: Speaker<'_>, said: &SharedUse, notes: &mut Vec<String>) {
        if self.holders.get(by.worker).is_some_and(|holder| holder.incarnation != by.incarnation) {
            self.give_up(by.worker);
            self.holders.remove(by.worker);
        }
        if said.is_empty() && !self.holders.contains_key(by.worker) {
            return;
        }
        let new = || Holder::new(by.incarnation);
        let mut holder = self.holders.remove(by.worker).unwrap_or_else(new);
        if said.said == 0 || said.said > holder.said {
            holder.said = said.said;
            self.hear_draws(&mut holder, said, notes);
            self.hear_counters(&mut holder, said, notes);
            self.hear_meetings(&mut holder, said, notes);
        }
        if !by.is_over && holder.done.is_some_and(|done| by.applied > done) {
            holder.done = None;
        }
        let is_last = by.is_over && by.applied >= holder.since;
        self.holders.insert(by.worker.clone(), holder);
        if is_last {
            self.finish(by.worker, by.applied);
        }
    }

    fn hear_draws(&mut self, holder: &mut Holder, said: &SharedUse, notes: &mut Vec<String>) {
        for (name, draw) in &said.rows {
            if let Some(source) = self.rows.get_mut(name) {
                source.hear(holder.rows.entry(name.clone()).or_default(), *draw);
            }
        }
        for (name, draw) in &said.numbers {
            if is_within(&self.numbers, name, "numbers", notes) {
                let endless = || Source::new(None, LostRows::Withhold);
                let source = self.numbers.entry(name.clone()).or_insert_with(endless);
                source.hear(holder.numbers.entry(name.clone()).or_default(), *draw);
            }
        }
    }

    fn hear_counters(&mut self, holder: &mut Holder, said: &SharedUse, notes: &mut Vec<String>) {
        for (name, value) in &said.counters {
            if is_within(&self.counters, name, "counters", notes) {
                let before = holder.counters.insert(name.clone(), *value).unwrap_or(0);
                let total = self.counters.entry(name.clone()).or_default();
                *total = total.wrapping_add(value.wrapping_sub(before));
            }
        }
    }

    fn hear_meetings(&mut self, holder: &mut Holder, said: &SharedUse, notes: &mut Vec<String>) {
        for (name, attendance) in &said.meetings {
            if !is_within(&self.meetings, name, "rendezvous", notes) {
                continue;
            }
            let meeting = self.meetings.entry(name.clone()).or_default();
            if let Some(other) = meeting.hear(attendance.size) {
                let (size, most) = (attendance.size.min(other), meeting.size);
                notes.push(format!(
                    "users do not agree how many the rendezvous `{name}` takes: {size} and {most}; it takes {most}"
                ));
            }
            holder.meetings.entry(name.clone()).or_default().hear(*attendance);
        }
    }

    /// What is stated to a process; nothing to one that has no part.
    pub(super) fn state(&self, worker: &WorkerId, incarnation: Incarnation) -> SharedState {
        let has_part =
            |holder: &&Holder| holder.incarnation == incarnation && holder.place != Place::Out;
        let Some(holder) = self.holders.get(worker).filter(has_part) else {
            return SharedState::default();
        };
        let leases = |all: &BTreeMap<Name, Held>| {
            all.iter().map(|(name, held)| (name.clone(), held.lease.clone())).collect()
        };
        let others = holder.others(&self.counters);
        let released = holder.meetings.iter().filter(|(_, visit)| visit.release.released > 0);
        SharedState {
            to: Some(incarnation),
            rows: leases(&holder.rows),
            numbers: leases(&holder.numbers),
            counters: others.map(|(name, value)| (name.clone(), value)).collect(),
            meetings: released.map(|(name, visit)| (name.clone(), visit.release)).collect(),
        }
    }

    /// All there is was stated to a process.
    pub(super) fn was_told(&mut self, worker: &WorkerId, state: &SharedState) {
        if let Some(holder) = self.holders.get_mut(worker) {
            holder.told.clone_from(&state.counters);
            holder.is_owed = false;
        }
    }

    /// Wall times of a former leader as the next one's clock shows them.
    pub(super) fn move_walls(&mut self, shift: i64) {
        for visit in self.holders.values_mut().flat_map(|holder| holder.meetings.values_mut()) {
            visit.release.at = super::slots::moved_wall(visit.release.at, shift);
        }
    }
}

impl Holder {
    fn new(incarnation: Incarnation) -> Self {
        Self {
            incarnation,
            place: Place::In,
            since: 0,
            done: None,
            said: 0,
            rows: BTreeMap::new(),
            numbers: BTreeMap::new(),
            counters: BTreeMap::new(),
            told: BTreeMap::new(),
            meetings: BTreeMap::new(),
            served: Duration::ZERO,
            is_owed: false,
        }
    }

    /// What everybody else added to the counters that it uses, of what all added.
    fn others<'a>(
        &'a self,
        totals: &'a BTreeMap<Name, i64>,
    ) -> impl Iterator<Item = (&'a Name, i64)> {
        self.counters.iter().map(|(name, own)| {
            let total = totals.get(name).copied().unwrap_or(0);
            (name, total.wrapping_sub(*own))
        })
    }

    /// Gets something, if there is something to get.
    fn is_served(&self) -> bool {
        self.place == Place::In && self.done.is_none()
    }
}

/// What a process holds, each with its source.
fn each_lease(
    rows: &mut BTreeMap<Name, Source>,
    numbers: &mut BTreeMap<Name, Source>,
    holder: &mut Holder,
    mut act: impl FnMut(&mut Source, &mut Held),
) {
    for (sources, held) in [(rows, &mut holder.rows), (numbers, &mut holder.numbers)] {
        for (name, held) in held {
            if let Some(source) = sources.get_mut(name) {
                act(source, held);
            }
        }
    }
}

/// How many users wait at a rendezvous, as far as is known.
fn waiting_at(holders: &BTreeMap<WorkerId, Holder>, name: &Name) -> u64 {
    let served = holders.values().filter(|holder| holder.is_served());
    served.filter_map(|holder| holder.meetings.get(name)).map(Visit::waiting).sum()
}

/// Whether a name is known, or there is room for it.
fn is_within<T>(
    known: &BTreeMap<Name, T>,
    name: &Name,
    what: &str,
    notes: &mut Vec<String>,
) -> bool {
    if known.contains_key(name) {
        return true;
    }
    let fits = known.len() < MAX_NAMES && name.len() <= MAX_NAME_BYTES;
    if !fits {
        notes.push(format!(
            "{what} of some names are not shared: a run has room for {MAX_NAMES} names of at most {MAX_NAME_BYTES} bytes; use fewer"
        ));
    }
    fits
}

#[cfg(test)]
mod simulation;
