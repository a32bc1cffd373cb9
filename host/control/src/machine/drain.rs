//! Workers out of service: connected, and without work, for as long as somebody wants that.
//!
//! A drained worker counts as one that goes away by itself: it gets no work, and gives away what it has.

use loadhost_model::id::WorkerId;

use super::run::{Part, Run, Stage};
use super::{Effect, Machine, Now};
use crate::error::ControlError;
use crate::view::NoteKind;

impl Machine {
    /// Takes a worker out of service, or lets it work again. Asking twice does no harm.
    pub(crate) fn drain(
        &mut self,
        now: Now,
        worker: &WorkerId,
        drained: bool,
    ) -> Result<Vec<Effect>, ControlError> {
        if drained && let Some(run) = self.runs.values().find(|run| self.lives_by(run, worker)) {
            let run = run.plan.run.clone();
            return Err(ControlError::LastWorker { worker: worker.clone(), run });
        }
        let known = self.registry.drain(worker, drained);
        known.ok_or_else(|| ControlError::UnknownWorker(worker.clone()))?;
        let message = match drained {
            true => {
                format!("worker `{worker}` is taken out of service; others take over its share")
            }
            false => format!("worker `{worker}` is in service again"),
        };
        let concerned = |run: &&mut Run| run.part(worker).is_some();
        for run in self.runs.values_mut().filter(concerned) {
            run.note(now.mono, NoteKind::Info, message.clone());
        }
        (self.version, self.news) = (self.version + 1, true);
        self.advance_all(now);
        Ok(self.take_effects())
    }

    /// Whether nobody would make the load of a run without this worker. One that ends anyway needs nobody.
    fn lives_by(&self, run: &Run, worker: &WorkerId) -> bool {
        let goes_on =
            matches!(run.stage, Stage::Preparing { .. } | Stage::SettingUp { .. } | Stage::Running);
        let stays = |part: &&Part| {
            let known = self.registry.get(&part.worker);
            part.is_well() && known.is_some_and(|known| !known.is_draining())
        };
        let mut staying = run.parts.iter().filter(stays).map(|part| &part.worker);
        goes_on && staying.next() == Some(worker) && staying.next().is_none()
    }
}
