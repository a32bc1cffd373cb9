//! The contract's exports, over a [`ScenarioDefinition`] and a [`LoadShape`].

use std::cell::RefCell;
use std::marker::PhantomData;
use std::rc::Rc;
use std::time::Duration;

use crate::bindings::scenario::exports::loadhost::scenario::guest;
use crate::bindings::scenario::loadhost::scenario::types;
use crate::bindings::shape::exports::loadhost::scenario::load_shape;
use crate::failure::{Failure, Outcome};
use crate::host::nanos;
use crate::scope::{Context, Scope};
use crate::shape::{LoadShape, Now};
use crate::user::AnyUser;
use crate::{ScenarioDefinition, description as own};

/// The component's exports.
#[derive(Debug)]
pub struct Export<S>(PhantomData<S>);

impl<S: ScenarioDefinition> guest::Guest for Export<S> {
    type User = ExportedUser<S>;

    fn describe() -> Result<types::Description, String> {
        S::description().map(description)
    }

    fn setup() -> Result<String, types::Failure> {
        let scope = Scope::new(Context::default());
        scope.enter();
        S::setup(&scope).map_err(failure)
    }

    fn teardown(setup_data: String) -> Result<(), types::Failure> {
        let scope = Scope::new(Context { setup_data, ..Context::default() });
        scope.enter();
        S::teardown(&scope).map_err(failure)
    }
}

/// One virtual user.
#[allow(missing_debug_implementations)]
pub struct ExportedUser<S> {
    user: RefCell<Option<Box<dyn AnyUser>>>,
    scope: Rc<Scope>,
    scenario: PhantomData<S>,
}

impl<S: ScenarioDefinition> ExportedUser<S> {
    fn with(
        &self,
        call: impl FnOnce(&mut dyn AnyUser, &Scope) -> Outcome,
    ) -> Result<(), types::Failure> {
        self.scope.enter();
        match self.user.borrow_mut().as_deref_mut() {
            Some(user) => call(user, &self.scope).map_err(failure),
            None => Err(types::Failure::AbortRun("the scenario has no such user type".to_string())),
        }
    }
}

impl<S: ScenarioDefinition> guest::GuestUser for ExportedUser<S> {
    fn new(user_type: u32, context: types::UserContext) -> Self {
        let types::UserContext { user_id, worker, run_id, seed, setup_data } = context;
        let scope = Scope::new(Context { user_id, worker, run_id, seed, setup_data });
        scope.enter();
        Self { user: RefCell::new(S::user(user_type)), scope, scenario: PhantomData }
    }

    fn on_start(&self) -> Result<(), types::Failure> {
        self.with(|user, scope| user.on_start(scope))
    }

    fn run_task(&self, task: u32) -> Result<(), types::Failure> {
        self.with(|user, scope| user.run_task(task, scope))
    }

    fn on_stop(&self) -> Result<(), types::Failure> {
        self.with(|user, scope| user.on_stop(scope))
    }
}

/// The component's load shape.
#[derive(Debug)]
pub struct ExportShape<L>(PhantomData<L>);

thread_local! {
    static SHAPE: RefCell<Option<Box<dyn AnyShape>>> = const { RefCell::new(None) };
}

trait AnyShape {
    fn tick(&mut self, now: &Now) -> Option<crate::shape::Target>;
}

impl<L: LoadShape> AnyShape for L {
    fn tick(&mut self, now: &Now) -> Option<crate::shape::Target> {
        LoadShape::tick(self, now)
    }
}

impl<L: LoadShape> load_shape::Guest for ExportShape<L> {
    fn tick(now: load_shape::Now) -> Option<load_shape::Target> {
        let load_shape::Now { elapsed, users, rps, failure_ratio } = now;
        let now = Now { elapsed: Duration::from_nanos(elapsed), users, rps, failure_ratio };
        let target = SHAPE.with_borrow_mut(|shape| {
            shape.get_or_insert_with(|| Box::new(L::default())).tick(&now)
        })?;
        Some(load_shape::Target { users: target.users, spawn_rate: target.spawn_rate })
    }
}

fn failure(failure: Failure) -> types::Failure {
    match failure {
        Failure::Failed(text) => types::Failure::Failed(text),
        Failure::StopUser(text) => types::Failure::StopUser(text),
        Failure::AbortRun(text) => types::Failure::AbortRun(text),
        Failure::Done => types::Failure::Done,
    }
}

fn description(description: own::Description) -> types::Description {
    types::Description {
        name: description.name,
        version: description.version,
        sdk: Some(("loadhost-sdk (Rust)".to_string(), env!("CARGO_PKG_VERSION").to_string())),
        user_types: description.user_types.into_iter().map(user_type).collect(),
        thresholds: description.thresholds.into_iter().map(threshold).collect(),
        data_sets: description.data_sets,
        hosts: description.hosts,
        parameters: description.parameters.into_iter().map(parameter).collect(),
        settings: description.settings,
    }
}

fn user_type(user: own::UserType) -> types::UserType {
    types::UserType {
        name: user.name,
        weight: user.weight,
        fixed_count: user.fixed_count,
        wait: wait(user.wait),
        order: order(user.order),
        tasks: user.tasks.into_iter().map(task).collect(),
        groups: user.groups.into_iter().map(group).collect(),
    }
}

fn task(task: own::Task) -> types::Task {
    let own::Task { name, weight, tags, wait: pause, group, next } = task;
    types::Task { name, weight, tags, wait: pause.map(wait), group, next }
}

fn group(group: own::TaskGroup) -> types::TaskGroup {
    let own::TaskGroup { name, weight, tags, order: within, rounds, parent } = group;
    types::TaskGroup { name, weight, tags, order: order(within), rounds, parent }
}

fn threshold(threshold: own::Threshold) -> types::Threshold {
    let own::Threshold { metric, tags, condition, abort_after } = threshold;
    types::Threshold { metric, tags, condition, abort_after: abort_after.map(nanos) }
}

fn parameter(parameter: own::Parameter) -> types::Parameter {
    let own::Parameter { name, kind, default, help, secret } = parameter;
    types::Parameter { name, kind, default, help, secret }
}

fn wait(wait: own::WaitTime) -> types::WaitTime {
    match wait {
        own::WaitTime::None => types::WaitTime::None,
        own::WaitTime::Constant(span) => types::WaitTime::Constant(nanos(span)),
        own::WaitTime::Between(low, high) => types::WaitTime::Between((nanos(low), nanos(high))),
        own::WaitTime::Pacing(period) => types::WaitTime::Pacing(nanos(period)),
        own::WaitTime::Exponential(mean) => types::WaitTime::Exponential(nanos(mean)),
    }
}

fn order(order: own::Order) -> types::Order {
    match order {
        own::Order::Weighted => types::Order::Weighted,
        own::Order::Sequential => types::Order::Sequential,
        own::Order::Shuffled => types::Order::Shuffled,
        own::Order::Markov => types::Order::Markov,
    }
}
