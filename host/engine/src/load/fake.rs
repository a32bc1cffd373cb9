//! A virtual user whose every call is scripted, for tests of what comes around it.

use std::cell::{Cell, RefCell};
use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

use loadhost_model::description::{Description, Order, Task, UserType, WaitTime};
use loadhost_model::id::{Digest, RunId};
use loadhost_model::plan::{HttpSettings, Limits, RunPlan, TaskFilter};
use loadhost_model::profile::{Curve, Load, Phase, Profile, Stage};
use tokio::time::Instant;

use crate::load::vu::{CallOutcome, Due, MakeError, UserIdentity, Vu, VuFactory};

/// One call, as a fake user saw it. Times count from the factory's making.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Call {
    pub(crate) user: u64,
    pub(crate) user_type: u32,
    pub(crate) what: What,
    pub(crate) intended: Duration,
    pub(crate) actual: Duration,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum What {
    Start,
    Task(u32),
    Stop,
}

/// How long a call takes and how it ends, given what it is and when it begins.
pub(crate) type Script = Rc<dyn Fn(&Call) -> (Duration, CallOutcome)>;

/// Makes fake users and remembers all their calls.
#[derive(Clone)]
pub(crate) struct FakeFactory {
    begin: Instant,
    script: Script,
    pub(crate) calls: Rc<RefCell<Vec<Call>>>,
    pub(crate) made: Rc<Cell<u32>>,
}

impl FakeFactory {
    pub(crate) fn new(script: impl Fn(&Call) -> (Duration, CallOutcome) + 'static) -> Self {
        Self {
            begin: Instant::now(),
            script: Rc::new(script),
            calls: Rc::default(),
            made: Rc::default(),
        }
    }

    /// Tasks take so long; hooks take no time.
    pub(crate) fn taking(task: Duration) -> Self {
        Self::new(move |call| match call.what {
            What::Task(_) => (task, CallOutcome::Done),
            What::Start | What::Stop => (Duration::ZERO, CallOutcome::Done),
        })
    }

    /// Iterations, in the order in which they began.
    pub(crate) fn iterations(&self) -> Vec<Call> {
        let calls = self.calls.borrow();
        calls.iter().filter(|call| matches!(call.what, What::Task(_))).cloned().collect()
    }

    /// Users that began this call, in order.
    pub(crate) fn users_at(&self, what: What) -> Vec<u64> {
        let calls = self.calls.borrow();
        calls.iter().filter(|call| call.what == what).map(|call| call.user).collect()
    }
}

pub(crate) struct FakeVu {
    factory: FakeFactory,
    identity: UserIdentity,
}

impl FakeVu {
    async fn call(&self, what: What, due: Due) -> CallOutcome {
        let since = |moment: Instant| moment.saturating_duration_since(self.factory.begin);
        let call = Call {
            user: self.identity.number,
            user_type: self.identity.user_type,
            what,
            intended: since(due.intended),
            actual: since(due.actual),
        };
        let (span, outcome) = (self.factory.script)(&call);
        self.factory.calls.borrow_mut().push(call);
        if span.is_zero() {
            return outcome;
        }
        if what == What::Stop {
            tokio::time::sleep(span).await;
            return outcome;
        }
        tokio::select! {
            () = self.identity.interrupt.cancelled() => CallOutcome::Cancelled,
            () = tokio::time::sleep(span) => outcome,
        }
    }
}

impl Vu for FakeVu {
    async fn start(&mut self) -> CallOutcome {
        self.call(What::Start, Due::now()).await
    }

    async fn run_task(&mut self, task: u32, due: Due) -> CallOutcome {
        self.call(What::Task(task), due).await
    }

    async fn stop(&mut self) -> CallOutcome {
        self.call(What::Stop, Due::now()).await
    }
}

impl VuFactory for FakeFactory {
    type Vu = FakeVu;

    async fn make(&self, identity: UserIdentity) -> Result<FakeVu, MakeError> {
        self.made.set(self.made.get() + 1);
        Ok(FakeVu { factory: self.clone(), identity })
    }
}

/// A scenario of one user type with one task and this wait.
pub(crate) fn description(wait: WaitTime) -> Description {
    let task = Task {
        name: "task".into(),
        weight: 1,
        tags: vec![],
        wait: None,
        group: None,
        next: vec![],
    };
    let user_type = UserType {
        name: "User".into(),
        weight: 1,
        fixed_count: None,
        wait,
        order: Order::Weighted,
        tasks: vec![task],
        groups: vec![],
    };
    Description { name: "fake".into(), user_types: vec![user_type], ..Description::default() }
}

pub(crate) fn plan(profile: Profile) -> RunPlan {
    RunPlan {
        run: RunId::new("run-1").unwrap_or_else(|error| panic!("{error}")),
        scenario: "fake".into(),
        module: Digest::new([0; 32]),
        target: None,
        params: Default::default(),
        secret_params: vec![],
        data: Default::default(),
        seed: 1,
        profile,
        user_types: Default::default(),
        tasks: TaskFilter::default(),
        http: HttpSettings::default(),
        limits: Limits::default(),
        thresholds: vec![],
        graceful_stop: Duration::from_secs(5),
        warm_up: None,
        fleet: Default::default(),
    }
}

pub(crate) fn profile(load: Load) -> Profile {
    let phase = Phase { name: "main".into(), start: Duration::ZERO, load, user_types: vec![] };
    Profile { phases: vec![phase], run_time: None, max_request_rate: None }
}

/// Goes to each target within the seconds before it; over after the last.
pub(crate) fn stages(stages: &[(f64, f64)]) -> Curve {
    let stages = stages.iter().map(|(seconds, target)| Stage {
        duration: Duration::from_secs_f64(*seconds),
        target: *target,
    });
    Curve { start: 0.0, stages: stages.collect(), hold: false }
}

pub(crate) fn message(text: &str) -> Arc<str> {
    text.into()
}
