//! Newer versions of the scenario under a run that goes on.
//!
//! ```text
//! asked for ──> next: all workers make it ready ──all have──> the plan's: users go over ──> all users run it
//!                 └── one cannot, or takes too long ──> refused: the run goes on as before
//! ```
//! Which of these it is, is part of what each worker is told in any case, so words that are lost or repeated, and
//! another leader, change nothing.

use std::sync::Arc;
use std::time::Duration;

use loadhost_model::description::Description;
use loadhost_model::id::{Digest, RunId};
use loadhost_model::plan::Edition;
use loadhost_model::text::format_duration;
use serde::{Deserialize, Serialize};

use super::run::{Part, Run, Stage, Standing};
use super::{Effect, Machine, Now};
use crate::error::ControlError;
use crate::view::{NextVersion, NoteKind, RefusedVersion, VersionView, VersionsView};

/// Versions that one run can have, the first and refused ones included.
const MAX_VERSIONS: u32 = 100;

/// The versions of a run.
#[derive(Debug, Default, Serialize, Deserialize)]
#[serde(default)]
pub(crate) struct Versions {
    /// How many newer ones were asked for.
    asked: u32,
    next: Option<Next>,
    /// While users go over: whoever has applied a later generation than this one has been told so.
    told_after: Option<u64>,
    ran: Vec<VersionView>,
    refused: Option<RefusedVersion>,
}

/// A version that workers make ready.
#[derive(Debug, Serialize, Deserialize)]
struct Next {
    edition: Edition,
    description: Arc<Description>,
    deadline: Duration,
}

impl Versions {
    /// With the one that the run begins with.
    pub(super) fn new(module: Digest, description: &Description) -> Self {
        let version = description.version.clone();
        let first =
            VersionView { module, version, from: Duration::ZERO, complete: Some(Duration::ZERO) };
        Self { ran: vec![first], ..Self::default() }
    }

    /// As it is stated to workers.
    pub(super) fn next(&self) -> Option<Box<Edition>> {
        self.next.as_ref().map(|next| Box::new(next.edition.clone()))
    }

    /// Nobody could make it ready in time while nobody led.
    pub(super) fn grant(&mut self, until: Duration) {
        if let Some(next) = &mut self.next {
            next.deadline = next.deadline.max(until);
        }
    }

    /// The load is over.
    pub(super) fn end(&mut self) {
        self.next = None;
    }
}

impl Machine {
    /// Lets the users of a run go over to another version of its scenario, as soon as all workers have made it ready.
    /// Asking twice does no harm.
    pub(crate) fn change_scenario(
        &mut self,
        now: Now,
        id: &RunId,
        module: Digest,
        description: Arc<Description>,
    ) -> Result<Vec<Effect>, ControlError> {
        let mut run = self.take_run(id)?;
        let asked = self.ask_for_version(now, &mut run, module, description);
        self.runs.insert(id.clone(), run);
        asked?;
        self.advance_all(now);
        Ok(self.take_effects())
    }

    fn ask_for_version(
        &mut self,
        now: Now,
        run: &mut Run,
        module: Digest,
        description: Arc<Description>,
    ) -> Result<(), ControlError> {
        if run.stage != Stage::Running || run.started.is_none() {
            return Err(ControlError::NotRunning(run.plan.run.clone()));
        }
        let versions = &mut run.versions;
        match &versions.next {
            Some(next) if next.edition.module == module => return Ok(()),
            None if run.plan.module == module => return Ok(()),
            None if versions.told_after.is_none() => {}
            _ => return Err(ControlError::OtherVersion(run.plan.run.clone())),
        }
        if versions.asked + 1 >= MAX_VERSIONS {
            let most = MAX_VERSIONS;
            return Err(ControlError::TooManyVersions { run: run.plan.run.clone(), most });
        }
        let (number, asked) = (versions.asked + 1, (module, &*description));
        let edition = Edition::new(number, asked, &run.plan, &run.description)?;
        let deadline = now.mono.saturating_add(self.config.prepare_timeout);
        let name = words(module, &description);
        (versions.asked, versions.refused) = (number, None);
        versions.next = Some(Next { edition, description, deadline });
        let message = format!("{name} is made ready beside the one in use");
        run.mark(now.mono, NoteKind::Info, message);
        (self.news, self.version) = (true, self.version + 1);
        self.restate(run);
        Ok(())
    }

    /// Goes on with a newer version as far as workers are.
    pub(super) fn follow_versions(&mut self, now: Now, run: &mut Run) {
        if run.versions.next.is_some() {
            self.wait_for_version(now, run);
        }
        let Some(told_after) = run.versions.told_after else { return };
        let is_behind = |part: &Part| {
            part.is_running() && (part.applied <= told_after || part.edition.behind > 0)
        };
        if run.parts.iter().any(is_behind) {
            return;
        }
        let elapsed = run.elapsed(now.mono);
        run.versions.told_after = None;
        if let Some(version) = run.versions.ran.last_mut() {
            version.complete = Some(elapsed);
        }
        let name = words(run.plan.module, &run.description);
        run.mark(now.mono, NoteKind::Info, format!("all users run {name}"));
        self.news = true;
    }

    fn wait_for_version(&mut self, now: Now, run: &mut Run) {
        let Some(Next { edition, description, deadline }) = &run.versions.next else { return };
        let number = edition.number;
        // Who is not there yet, or not any more, gets what holds then.
        let is_late = |part: &Part| part.is_running() && part.edition.ready < number;
        let refusal = run.parts.iter().find_map(|part| {
            let refused = part.edition.refused.as_ref()?;
            let is_meant = part.standing != Standing::Out && !part.lost && refused.number == number;
            is_meant.then(|| {
                format!(
                    "worker `{}` cannot use it: {}: {}",
                    part.worker, refused.code, refused.message
                )
            })
        });
        let trouble = match refusal {
            Some(refusal) => Some(refusal),
            None if !run.parts.iter().any(Part::is_running) => return,
            None if !run.parts.iter().any(is_late) => None,
            None if now.mono < *deadline => return,
            None => Some(format!(
                "worker {} did not make it ready within {}; raise `--prepare-timeout`, or look at its log",
                run.names(is_late),
                format_duration(self.config.prepare_timeout)
            )),
        };
        let (module, name) = (edition.module, words(edition.module, description));
        let Some(next) = run.versions.next.take() else { return };
        match trouble {
            None => self.use_version(now, run, next, &name),
            Some(message) => {
                let at = run.elapsed(now.mono);
                let told = format!("{name} is refused, and the run goes on without it: {message}");
                run.mark(now.mono, NoteKind::Warning, told);
                run.versions.refused = Some(RefusedVersion { module, at, message });
            }
        }
        self.news = true;
        self.restate(run);
    }

    fn use_version(&mut self, now: Now, run: &mut Run, next: Next, name: &str) {
        let from = run.elapsed(now.mono);
        run.plan = next.edition.of(&run.plan);
        run.description = next.description;
        run.aggregate.describe(&run.plan, &run.description);
        let version = run.description.version.clone();
        let module = run.plan.module;
        run.versions.ran.push(VersionView { module, version, from, complete: None });
        run.versions.told_after = Some(self.generation);
        run.mark(now.mono, NoteKind::Info, format!("users go over to {name}"));
    }

    /// States again to everybody what it was told, with what has changed since.
    pub(super) fn restate(&mut self, run: &mut Run) {
        for at in 0..run.parts.len() {
            let told = run.parts.get(at).and_then(|part| part.told);
            if let Some(step) = told.and_then(|told| run.step(told)) {
                self.assign(run, at, step);
            }
        }
    }
}

impl Run {
    pub(super) fn show_versions(&self) -> VersionsView {
        let next = self.versions.next.as_ref().map(|next| {
            let takes_part = self.parts.iter().filter(|part| part.is_running());
            let count = |parts: usize| u32::try_from(parts).unwrap_or(u32::MAX);
            let is_ready = |part: &&Part| part.edition.ready >= next.edition.number;
            NextVersion {
                module: next.edition.module,
                version: next.description.version.clone(),
                ready: count(takes_part.clone().filter(is_ready).count()),
                of: count(takes_part.count()),
            }
        });
        VersionsView {
            ran: self.versions.ran.clone(),
            next,
            refused: self.versions.refused.clone(),
            behind: self.parts.iter().map(|part| part.edition.behind).sum(),
        }
    }
}

/// A version as people call it.
fn words(module: Digest, description: &Description) -> String {
    match &description.version {
        Some(version) => format!("version {version} of the scenario (module {})", module.short()),
        None => format!("another version of the scenario (module {})", module.short()),
    }
}
