//! Who gets what of what is shared, and when it is told.

use std::collections::BTreeMap;
use std::time::Duration;

use loadhost_model::id::WorkerId;
use loadhost_model::shared::SharedUse;
use loadhost_model::wire::{WorkerState, WorkerStatus};

use super::lease::{Held, Source};
use super::{Holder, Name, Place, Shared, Speaker, each_lease, waiting_at};
use crate::machine::registry::Worker;
use crate::machine::run::{Part, Progress, Run, Stage, Standing, Told};
use crate::machine::{Machine, Now};
use crate::view::NoteKind;

/// Whoever still has some gets more no sooner than this after the last time; whoever has none, at once.
const TOP_UP: Duration = Duration::from_millis(500);
/// Between two rounds in which changed counters are told.
const ROUND: Duration = Duration::from_secs(1);

impl Machine {
    /// Gives a worker its part in what is shared before it is told what to do.
    pub(in crate::machine) fn enroll(&self, run: &mut Run, at: usize) {
        let Run { shared, parts, .. } = run;
        let Some(part) = parts.get(at) else { return };
        let since = self.generation + 1;
        if part.told.is_none() {
            // Whoever was let go a moment ago, and is taken in again, begins anew.
            shared.place(&part.worker, Place::Out);
        }
        shared.enroll(&part.worker, part.incarnation, since, || sharers(parts));
    }

    /// Takes in what a worker says of its users; whoever has nothing left is served at once.
    pub(in crate::machine) fn hear_shared(
        &mut self,
        now: Now,
        run: &mut Run,
        status: &WorkerStatus,
        said: &SharedUse,
    ) {
        let Some(at) = run.position(&status.worker) else { return };
        if said.run.as_ref().or(status.run.as_ref()) != Some(&run.plan.run) {
            return;
        }
        let is_here = status.run.as_ref() == Some(&run.plan.run);
        let has_stopped =
            matches!(status.state, WorkerState::Stopped { .. } | WorkerState::TornDown);
        // Whoever has stopped does not begin again before it is idle; whoever is idle may, by what is on its way.
        let knows_all = run.parts.get(at).is_some_and(|part| status.applied.1 >= part.assigned);
        let speaker = Speaker {
            worker: &status.worker,
            incarnation: status.incarnation,
            applied: status.applied.1,
            is_over: has_stopped || (!is_here && knows_all),
        };
        let mut notes = Vec::new();
        run.shared.hear(speaker, said, &mut notes);
        for note in notes {
            run.note(now.mono, NoteKind::Warning, note);
        }
        if !makes_load(run) {
            return;
        }
        let Run { shared, parts, .. } = &mut *run;
        if shared.serve_dry(&status.worker, now.mono, || sharers(parts)) {
            self.tell_shared(run, at);
        }
    }

    /// Shares out what there is, and tells those for whom something has changed.
    pub(in crate::machine) fn share_out(&mut self, now: Now, run: &mut Run) {
        if run.shared.is_unused() || !makes_load(run) {
            return;
        }
        self.follow_places(run);
        let is_running = run.stage == Stage::Running;
        let Run { shared, parts, .. } = &mut *run;
        shared.serve(now.mono, sharers(parts));
        shared.close(|worker| {
            let part = parts.binary_search_by(|part| part.worker.cmp(worker)).ok();
            let part = part.and_then(|at| parts.get(at));
            is_running && part.is_some_and(|part| self.brings_back(part))
        });
        shared.release(now.wall_after(self.config.start_delay));
        shared.round(now.mono);
        for at in 0..run.parts.len() {
            let is_owed = |part: &Part| run.shared.owes(&part.worker);
            if run.parts.get(at).is_some_and(is_owed) {
                self.tell_shared(run, at);
            }
        }
    }

    /// Notes who takes part, who is silent and who is gone.
    fn follow_places(&self, run: &mut Run) {
        for at in 0..run.parts.len() {
            let Some(part) = run.parts.get(at) else { continue };
            let place = match part.standing {
                Standing::Out | Standing::Retrying => Place::Out,
                _ if part.lost => Place::Lost,
                Standing::Member | Standing::Leaving => Place::In,
            };
            if run.shared.has_part(part) {
                // Who was told no more than to prepare has no users.
                if place == Place::Out && matches!(part.told, None | Some(Told::Prepare)) {
                    run.shared.finish(&part.worker, part.assigned);
                }
                run.shared.place(&part.worker, place);
            } else if place == Place::In {
                let worker = part.worker.clone();
                self.enroll(run, at);
                run.shared.owe(&worker);
            }
        }
    }

    /// Whether a worker ends its load while others go on, so that what it has left will come back.
    fn brings_back(&self, part: &Part) -> bool {
        let worker = self.registry.get(&part.worker);
        part.is_leaving()
            || part.progress == Progress::Stopping
            || worker.is_some_and(Worker::is_draining)
    }

    /// States again what a worker is to do, with all that is shared with it.
    fn tell_shared(&mut self, run: &mut Run, at: usize) {
        let Some(part) = run.parts.get(at) else { return };
        let is_here = self.registry.get(&part.worker).is_some_and(|worker| {
            worker.status.incarnation == part.incarnation
                && worker.status.run.as_ref() == Some(&run.plan.run)
        });
        // Before it is ready it has no users, and should not be disturbed.
        let has_users = (Progress::Ready..Progress::Stopped).contains(&part.progress);
        if !is_here || !has_users || part.failed.is_some() {
            return;
        }
        if let Some(step) = part.told.and_then(|told| run.step(told)) {
            self.assign(run, at, step);
        }
    }
}

impl Shared {
    fn is_unused(&self) -> bool {
        self.rows.is_empty() && self.holders.is_empty()
    }

    /// Whether the process of a part has its own part here.
    fn has_part(&self, part: &Part) -> bool {
        self.holders.get(&part.worker).is_some_and(|holder| {
            holder.incarnation == part.incarnation
                && (holder.place != Place::Out || part.standing == Standing::Out)
        })
    }

    fn owe(&mut self, worker: &WorkerId) {
        if let Some(holder) = self.holders.get_mut(worker) {
            holder.is_owed = true;
        }
    }

    fn owes(&self, worker: &WorkerId) -> bool {
        self.holders.get(worker).is_some_and(|holder| holder.is_owed && holder.is_served())
    }

    /// Grants numbers to those that run short.
    fn serve(&mut self, now: Duration, workers: usize) {
        let Self { rows, numbers, holders, .. } = self;
        for holder in holders.values_mut() {
            serve(rows, numbers, holder, now, workers);
        }
    }

    /// The same for one that has none left. True if it got any.
    fn serve_dry(
        &mut self,
        worker: &WorkerId,
        now: Duration,
        workers: impl FnOnce() -> usize,
    ) -> bool {
        let Self { rows, numbers, holders, .. } = self;
        let Some(holder) = holders.get_mut(worker) else { return false };
        let is_dry = holder.rows.values().chain(holder.numbers.values()).any(Held::is_dry);
        is_dry && serve(rows, numbers, holder, now, workers())
    }

    /// Tells whether there will be more rows. Of some data sets each row is to be used, so there may be as long as
    /// others hold any; of the rest only as long as somebody is on the way out who has some left. To wait for all
    /// would hold up users for as long as others take, or for ever, if those wait for them.
    fn close(&mut self, brings_back: impl Fn(&WorkerId) -> bool) {
        for (name, source) in self.rows.iter().filter(|(_, source)| source.end().is_some()) {
            let is_exhausted = source.is_exhausted();
            let comes_back = |worker: &WorkerId, holder: &Holder| {
                let stock = holder.rows.get(name).map_or(0, |held| held.stock());
                let may = is_exhausted && stock > 0 && holder.is_served();
                if may && (source.must_be_used() || brings_back(worker)) { stock } else { 0 }
            };
            let expected: u64 =
                self.holders.iter().map(|(worker, holder)| comes_back(worker, holder)).sum();
            for (worker, holder) in self.holders.iter_mut().filter(|(_, holder)| holder.is_served())
            {
                let own = comes_back(worker, holder);
                let held = holder.rows.entry(name.clone()).or_default();
                let is_last = is_exhausted && expected == own;
                if std::mem::replace(&mut held.lease.last, is_last) != is_last {
                    holder.is_owed = true;
                }
            }
        }
    }

    /// Lets users go on together, at this moment, wherever enough of them wait.
    fn release(&mut self, at: u64) {
        for (name, meeting) in &mut self.meetings {
            let here = |holder: &&mut Holder| holder.is_served();
            let waiting = waiting_at(&self.holders, name);
            if !meeting.is_enough(waiting) {
                continue;
            }
            meeting.releases += 1;
            meeting.released = meeting.released.saturating_add(waiting);
            for holder in self.holders.values_mut().filter(here) {
                if let Some(visit) = holder.meetings.get_mut(name) {
                    holder.is_owed |= visit.release(at) > 0;
                }
            }
        }
    }

    /// Once a second, those whose counters others have changed are owed a word.
    fn round(&mut self, now: Duration) {
        if now < self.next_round {
            return;
        }
        let Self { counters, holders, .. } = self;
        let mut is_any_owed = false;
        for holder in holders.values_mut().filter(|holder| holder.is_served()) {
            let told = |name: &Name| holder.told.get(name).copied().unwrap_or(0);
            if holder.others(counters).any(|(name, value)| told(name) != value) {
                (holder.is_owed, is_any_owed) = (true, true);
            }
        }
        if is_any_owed {
            self.next_round = now.saturating_add(ROUND);
        }
    }
}

/// Grants one process what it lacks. True if it got anything.
fn serve(
    rows: &mut BTreeMap<Name, Source>,
    numbers: &mut BTreeMap<Name, Source>,
    holder: &mut Holder,
    now: Duration,
    workers: usize,
) -> bool {
    if !holder.is_served() {
        return false;
    }
    let is_due = now >= holder.served.saturating_add(TOP_UP);
    let mut got = false;
    each_lease(rows, numbers, holder, |source, held| {
        let is_next = held.asks && (is_due || held.is_dry());
        got |= is_next && source.grant(held, workers);
    });
    if got {
        (holder.served, holder.is_owed) = (now, true);
    }
    got
}

/// How many workers a run is shared among.
fn sharers(parts: &[Part]) -> usize {
    parts.iter().filter(|part| part.standing != Standing::Out).count()
}

/// Whether users of the run may do something.
fn makes_load(run: &Run) -> bool {
    matches!(
        run.stage,
        Stage::Preparing { .. } | Stage::SettingUp { .. } | Stage::Running | Stage::Stopping { .. }
    )
}
