//! Several runs on one fleet: each has whole workers, and none more than its fair share while another
//! one waits.

use std::collections::BTreeSet;

use loadhost_model::id::{RunId, WorkerId};

use super::run::{Part, Run, Stage};
use super::{Machine, Now, split};
use crate::view::NoteKind;

impl Machine {
    /// Asks other runs for workers that a waiting one lacks. They give up what they have beyond their
    /// fair share, as far as the rest can carry their load; if that is not enough, nobody gives anything.
    pub(super) fn claim(&mut self, now: Now, waiting: &Run, missing: usize) {
        let fits = |(id, worker): (&WorkerId, _)| {
            split::obstacle(worker, &waiting.plan).is_none().then(|| id.clone())
        };
        let eligible: BTreeSet<WorkerId> = self.registry.iter().filter_map(fits).collect();
        let shares_them = |run: &Run| {
            run.parts.iter().any(|part| part.is_well() && eligible.contains(&part.worker))
        };
        let runs = 1 + self.runs.values().filter(|run| shares_them(run)).count();
        let fair = (eligible.len() / runs).max(1);
        // Who is lost, or goes away altogether, does not come.
        let comes = |part: &&Part| part.is_leaving() && eligible.contains(&part.worker);
        let coming = self.runs.values().flat_map(|run| &run.parts).filter(comes).count();
        let Some(missing) = missing.checked_sub(coming).filter(|missing| *missing > 0) else {
            return;
        };
        let mut given: Vec<(RunId, usize)> = Vec::new();
        for (id, run) in &self.runs {
            given.extend(self.spare(run, &eligible, fair).into_iter().map(|at| (id.clone(), at)));
        }
        if given.len() < missing {
            return;
        }
        for (id, at) in given.into_iter().take(missing) {
            let Some(run) = self.runs.get_mut(&id) else { continue };
            let Some(worker) = run.parts.get(at).map(|part| part.worker.clone()) else { continue };
            run.leave(at);
            let message = format!(
                "worker `{worker}` goes to run `{}`, which waits for workers; the others take over its share",
                waiting.plan.run
            );
            run.note(now.mono, NoteKind::Info, message);
            self.news = true;
        }
    }

    /// Parts that a run can do without: beyond its fair share, and beyond what carries its users.
    fn spare(&self, run: &Run, eligible: &BTreeSet<WorkerId>, fair: usize) -> Vec<usize> {
        if run.stage != Stage::Running || !run.is_movable() {
            return Vec::new();
        }
        let well = || (0..run.parts.len()).filter(|at| run.parts[*at].is_well());
        let room = |at: usize| {
            let worker = self.registry.get(&run.parts[at].worker);
            worker.map_or(0, |worker| u64::from(worker.status.capacity))
        };
        let mut rest: u64 = well().map(room).sum();
        let mut count = well().count();
        let users = u64::from(run.plan.profile.planned_users_max());
        let mut spare = Vec::new();
        for at in well()
            .filter(|at| eligible.contains(&run.parts[*at].worker))
            .collect::<Vec<_>>()
            .into_iter()
            .rev()
        {
            let left = rest.saturating_sub(room(at));
            if count > fair && left >= users {
                (rest, count) = (left, count - 1);
                spare.push(at);
            }
        }
        spare
    }
}
