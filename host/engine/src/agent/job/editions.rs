//! Newer versions of a run's scenario: made ready while users run the one before.

use std::sync::Arc;

use futures_util::future::BoxFuture;
use loadhost_model::description::Description;
use loadhost_model::id::Digest;
use loadhost_model::plan::{Edition, RunPlan, Unfit, fit};
use loadhost_model::wire::{EditionRefusal, EditionStatus, Work};

use super::{Job, LoaderOf, Wanted, users_of};
use crate::agent::workshop::{PrepareError, Stage, Workshop};

type Made<W> = Result<<W as Workshop>::Stage, PrepareError>;

/// What is made ready beside the version that is in use.
pub(super) struct Editions<W: Workshop> {
    workshop: Arc<W>,
    in_use: Digest,
    /// What the version in use says of itself.
    description: Arc<Description>,
    beside: Option<Beside<W>>,
    /// The greatest number that was made ready.
    ready: u32,
}

struct Beside<W: Workshop> {
    /// 0: nobody said it.
    number: u32,
    module: Digest,
    state: State<W>,
}

enum State<W: Workshop> {
    Making(BoxFuture<'static, Made<W>>),
    Made(Made<W>),
}

impl<W: Workshop> Editions<W> {
    /// With the version that load begins with.
    pub(super) fn new(workshop: Arc<W>, in_use: Digest, stage: &W::Stage) -> Self {
        Self { workshop, in_use, description: stage.description(), beside: None, ready: 0 }
    }

    /// Begins to make ready what is wanted for so many users, unless it is there or being made.
    pub(super) fn want(&mut self, work: &Work, users: u32) {
        let plan = &work.plan;
        let next = work.next.as_deref();
        // Whoever joined late may be told to use what it has never been told to make ready.
        let (number, module) = match next {
            _ if plan.module != self.in_use => (None, plan.module),
            Some(next) => (Some(next.number), next.module),
            None => return self.beside = None,
        };
        let is_same = |beside: &Beside<W>| {
            beside.module == module && number.is_none_or(|number| number == beside.number)
        };
        if self.beside.as_ref().is_some_and(is_same) {
            return;
        }
        let stated = next.filter(|_| number.is_some()).cloned();
        let to_be = stated.as_ref().map_or_else(|| Arc::clone(plan), |next| next.of(plan));
        let making = make_ready(
            Arc::clone(&self.workshop),
            (Arc::clone(plan), to_be, stated),
            Arc::clone(&self.description),
            users,
        );
        let number = number.unwrap_or_default();
        self.beside = Some(Beside { number, module, state: State::Making(Box::pin(making)) });
    }

    pub(super) fn is_making(&self) -> bool {
        self.beside.as_ref().is_some_and(|beside| matches!(beside.state, State::Making(_)))
    }

    /// Resolves once what is being made is ready, or cannot be. May be given up and called again.
    pub(super) async fn made(&mut self) {
        let Some(Beside { number, state, .. }) = &mut self.beside else { return };
        let State::Making(making) = state else { return };
        let made = making.await;
        if made.is_ok() {
            self.ready = self.ready.max(*number);
        }
        *state = State::Made(made);
    }

    /// What users are to go over to now, if it is ready, or why they cannot. It is in use from here on.
    pub(super) fn take(&mut self, plan: &RunPlan) -> Option<Made<W>> {
        if plan.module == self.in_use || self.is_making() {
            return None;
        }
        let beside = self.beside.take_if(|beside| beside.module == plan.module)?;
        let State::Made(made) = beside.state else { return None };
        if let Ok(stage) = &made {
            (self.in_use, self.description) = (plan.module, stage.description());
        }
        Some(made)
    }

    /// How that stands, seen from the plan.
    fn status(&self, plan: &RunPlan, loader: &LoaderOf<W>) -> EditionStatus {
        let refused = self.beside.as_ref().and_then(|beside| match &beside.state {
            State::Made(Err(PrepareError { code, message })) => Some(EditionRefusal {
                number: beside.number,
                code: Arc::clone(code),
                message: Arc::clone(message),
            }),
            _ => None,
        });
        let behind = match plan.module == self.in_use {
            true => loader.behind(),
            false => loader.users().values().sum(),
        };
        EditionStatus { ready: self.ready, refused, behind }
    }
}

impl<W: Workshop> Job<W> {
    /// Lets users go over to the plan's version once it is ready, and makes the next one ready.
    pub(super) fn renew(
        &mut self,
        wanted: &Wanted,
        editions: &mut Editions<W>,
        loader: &LoaderOf<W>,
    ) {
        let work = &wanted.work;
        match editions.take(&work.plan) {
            None => {}
            Some(Ok(stage)) => {
                self.say_room(&stage);
                self.prepared = Some((work.plan.module, Ok(stage.clone())));
                loader.renew(stage.description(), move |context| stage.factory(context));
            }
            // All others run it already.
            Some(Err(error)) => loader.team().abort("edition", error.message),
        }
        editions.want(work, users_of(work));
        self.say_editions(work, editions, loader);
    }

    /// Says at once what the coordinator waits for.
    pub(super) fn say_editions(&self, work: &Work, editions: &Editions<W>, loader: &LoaderOf<W>) {
        let said = editions.status(&work.plan, loader);
        self.status.send_if_modified(|status| {
            let is_waited_for = status.edition.ready != said.ready
                || status.edition.refused != said.refused
                || (status.edition.behind > 0) != (said.behind > 0);
            *status.edition = said;
            is_waited_for
        });
    }
}

/// Makes a version ready, and looks whether it is what it was said to be.
async fn make_ready<W: Workshop>(
    workshop: Arc<W>,
    (plan, to_be, stated): (Arc<RunPlan>, Arc<RunPlan>, Option<Edition>),
    former: Arc<Description>,
    users: u32,
) -> Made<W> {
    let stage = workshop.prepare(to_be, users).await?;
    let newer = stage.description();
    let refused =
        |message: String| PrepareError { code: "description".into(), message: message.into() };
    let unfit = |error: Unfit| refused(error.to_string());
    let Some(stated) = stated else {
        return fit(&former, &newer).map_err(unfit).map(|()| stage);
    };
    let found = Edition::new(stated.number, (stated.module, &newer), &plan, &former);
    match found.map_err(unfit)? == stated {
        true => Ok(stage),
        false => Err(refused(format!(
            "module {} says other things of itself than who asked for it did; ask again",
            stated.module.short()
        ))),
    }
}
