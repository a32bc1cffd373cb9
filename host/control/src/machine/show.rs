//! Views of fleet and runs.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use loadhost_model::plan::RunPlan;
use loadhost_model::profile::Phase;

use super::run::{Run, Stage, Standing};
use super::{Machine, Now};
use crate::aggregate::Wanted;
use crate::view::{FleetView, NoteKind, RunState, RunView, WorkerView};

impl Machine {
    /// All there is to see.
    pub(crate) fn show(&self, now: Now) -> FleetView {
        let finished = self.finished.iter().map(|(_, view, _)| view.clone());
        let active = self.runs.values().map(|run| Arc::new(self.show_run(now, run)));
        FleetView {
            term: self.config.term,
            deposed: self.deposed,
            at: now.wall,
            workers: self.show_workers(now),
            runs: finished.chain(active).collect(),
            workers_expected: self.expected_workers(),
            ignored: self.ignored.clone(),
            aggregation: Duration::ZERO,
        }
    }

    /// Those that share runs have each a run of their own; a run that waits can get some of them.
    fn expected_workers(&self) -> u32 {
        let sharing: u32 = self.runs.values().map(Run::sharing_workers).sum();
        let most = self.runs.values().map(|run| run.expect_workers).max();
        sharing.max(most.unwrap_or_default())
    }

    fn show_workers(&self, now: Now) -> Vec<WorkerView> {
        let share = |worker| {
            self.runs
                .values()
                .find_map(|run| run.part(worker).filter(|part| part.standing != Standing::Out))
                .map(|part| part.share.clone())
        };
        self.registry
            .iter()
            .map(|(id, worker)| {
                let status = &worker.status;
                WorkerView {
                    worker: id.clone(),
                    incarnation: status.incarnation,
                    release: status.release.clone(),
                    tags: status.tags.clone(),
                    capacity: status.capacity,
                    shards: status.shards,
                    users: status.users,
                    cpu: status.cpu,
                    memory: status.memory,
                    lag: status.lag,
                    liveness: worker.liveness,
                    silent_for: now.mono.saturating_sub(worker.heard),
                    state: status.state.clone(),
                    run: status.run.clone(),
                    share: share(id),
                    draining: worker.is_draining(),
                    name_clash: worker.name_clash,
                }
            })
            .collect()
    }

    pub(super) fn show_run(&self, now: Now, run: &Run) -> RunView {
        let elapsed = run.elapsed(now.mono);
        let length = run.plan.profile.length();
        let running = matches!(run.stage, Stage::Running);
        let wanted =
            if running { Wanted::at(&run.plan.profile, elapsed) } else { Wanted::default() };
        let count = |parts: usize| u32::try_from(parts).unwrap_or(u32::MAX);
        let mut view = RunView {
            workers: count(run.parts.iter().filter(|part| part.standing != Standing::Out).count()),
            workers_lost: count(run.parts.iter().filter(|part| part.lost).count()),
            workers_expected: run.expected_workers(),
            statistics_age: if running {
                elapsed.saturating_sub(run.aggregate.spoken())
            } else {
                Duration::ZERO
            },
            losses: run.losses.clone(),
            unserved: run.unserved(),
            unconfirmed_shares: run.unconfirmed,
            params: shown_params(&run.plan),
            state: run.state(now.mono),
            phase: if running { phases(&run.plan.profile.phases, elapsed) } else { String::new() },
            started: run.started.map(|start| start.wall),
            elapsed,
            length,
            remaining: length.map(|length| length.saturating_sub(elapsed)),
            users_wanted: wanted.users,
            rate_wanted: wanted.rate,
            shared: run.shared.show(),
            versions: run.show_versions(),
            notes: run.notes.clone(),
            ended: run.ended.clone(),
            ..blank(run)
        };
        run.aggregate.show(&mut view);
        if run.notes_omitted > 0 {
            let message = format!("{} more notes", run.notes_omitted);
            view.notes.push(crate::view::Note { at: None, kind: NoteKind::Info, message });
        }
        view
    }
}

impl Run {
    /// Those it waits for, or those that share it.
    fn expected_workers(&self) -> u32 {
        self.expect_workers.max(self.sharing_workers())
    }

    /// A lost one is among them until another one has come in its place.
    fn sharing_workers(&self) -> u32 {
        let taking_part = || self.parts.iter().filter(|part| part.standing != Standing::Out);
        let lost = taking_part().filter(|part| part.lost);
        let first_lost = lost.clone().map(|part| part.seat).min();
        let here = taking_part().filter(|part| !part.lost);
        let replaced = here.clone().filter(|part| part.late && Some(part.seat) > first_lost);
        let missing = first_lost.map_or(0, |_| lost.count().saturating_sub(replaced.count()));
        u32::try_from(here.count() + missing).unwrap_or(u32::MAX)
    }
}

/// What never changes, and nothing else.
fn blank(run: &Run) -> RunView {
    RunView {
        run: run.plan.run.clone(),
        scenario: run.plan.scenario.clone(),
        scenario_version: run.description.version.clone(),
        module: run.plan.module,
        target: run.plan.target.clone(),
        params: BTreeMap::new(),
        seed: run.plan.seed,
        state: RunState::Waiting,
        phase: String::new(),
        started: None,
        elapsed: Duration::ZERO,
        length: None,
        remaining: None,
        workers: 0,
        workers_lost: 0,
        workers_expected: 0,
        statistics_age: Duration::ZERO,
        losses: Vec::new(),
        unserved: 0.0,
        unconfirmed_shares: 0,
        users: 0,
        users_by_type: BTreeMap::new(),
        users_wanted: None,
        rate_wanted: None,
        counted_from: Duration::ZERO,
        counted: Duration::ZERO,
        load_time: Duration::ZERO,
        total: Default::default(),
        window: Default::default(),
        rows: Vec::new(),
        rows_omitted: 0,
        tasks: Vec::new(),
        checks: Vec::new(),
        groups: Vec::new(),
        metrics: Vec::new(),
        errors: Vec::new(),
        errors_omitted: 0,
        thresholds: Vec::new(),
        counters: Default::default(),
        collection: Default::default(),
        generator: Default::default(),
        shared: Default::default(),
        versions: Default::default(),
        history: Vec::new(),
        notes: Vec::new(),
        ended: None,
    }
}

fn shown_params(plan: &RunPlan) -> BTreeMap<String, String> {
    let shown = |(name, value): (&String, &String)| {
        let value =
            if plan.secret_params.contains(name) { "***".to_string() } else { value.clone() };
        (name.clone(), value)
    };
    plan.params.iter().map(shown).collect()
}

fn phases(phases: &[Phase], elapsed: Duration) -> String {
    let runs = |phase: &&Phase| {
        phase.start <= elapsed
            && phase.length().is_none_or(|length| elapsed < phase.start.saturating_add(length))
    };
    phases.iter().filter(runs).map(|phase| phase.name.as_str()).collect::<Vec<_>>().join(", ")
}
