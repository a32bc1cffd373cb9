//! The scripted surroundings of a scenario under test.

mod shared;

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::fmt;
use std::rc::Rc;
use std::time::Duration;

use serde::Serialize;

use super::jar::Jar;
use super::judge::judge;
use super::{Reply, Sent, TestUser};
use crate::host::{PlainBody, PlainRequest};
use crate::http::{Cause, Summary};
use crate::log::Level;
use crate::metrics::Kind;
use crate::scope::{Context, Scope};
use crate::user::User;
use crate::{Outcome, ScenarioDefinition, data, http, metrics, random};

/// A scripted server and the run around it. Clones are the same world.
///
/// The newest world of a thread is the one that requests go to.
#[derive(Clone)]
pub struct World(Rc<RefCell<State>>);

type Script = Rc<dyn Fn(&Sent) -> Reply>;

#[derive(Default)]
struct State {
    routes: Vec<(String, String, Script)>,
    params: BTreeMap<String, String>,
    setup_data: String,
    seed: u64,
    users: u64,
    jar: Jar,
    sent: Vec<Sent>,
    checks: BTreeMap<String, Checks>,
    metrics: BTreeMap<String, (Kind, Vec<MetricSample>)>,
    groups: Vec<String>,
    logs: Vec<(Level, String)>,
    shared: shared::Shared,
    templates: u64,
    clock: Duration,
    slept: Duration,
    stopping: bool,
}

/// How often a check held.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Checks {
    /// Held.
    pub passes: u64,
    /// Did not.
    pub failures: u64,
}

/// A value added to a metric.
#[derive(Debug, Clone, PartialEq)]
pub struct MetricSample {
    /// Durations are milliseconds, booleans 0 and 1.
    pub value: f64,
    /// In the order they were given.
    pub tags: Vec<(String, String)>,
}

/// One request with its answer.
#[derive(Debug)]
pub(crate) struct Exchange {
    world: World,
    index: usize,
    pub(crate) url: String,
    pub(crate) reply: Reply,
}

thread_local! {
    static CURRENT: RefCell<Option<World>> = const { RefCell::new(None) };
}

impl Default for World {
    fn default() -> Self {
        Self::new()
    }
}

impl fmt::Debug for World {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("World").field("sent", &self.0.borrow().sent.len()).finish_non_exhaustive()
    }
}

impl World {
    /// Answers 404 to everything; becomes the world of this thread.
    pub fn new() -> Self {
        let world = Self(Rc::new(RefCell::new(State { seed: 1, ..State::default() })));
        http::template::forget();
        metrics::forget();
        data::forget();
        random::reseed(1);
        Scope::new(Context::default()).enter();
        CURRENT.set(Some(world.clone()));
        world
    }

    /// Answers requests to this path; `{name}` stands for one segment of it. A later
    /// route goes before an earlier one.
    pub fn on(self, method: &str, path: &str, reply: Reply) -> Self {
        self.on_each(method, path, move |_| reply.clone())
    }

    /// Answers requests to this path by looking at them.
    pub fn on_each(
        self,
        method: &str,
        path: &str,
        script: impl Fn(&Sent) -> Reply + 'static,
    ) -> Self {
        let route = (method.to_string(), path.to_string(), Rc::new(script) as Script);
        self.0.borrow_mut().routes.push(route);
        self
    }

    /// Gives a parameter.
    pub fn param(self, name: &str, value: impl ToString) -> Self {
        self.0.borrow_mut().params.insert(name.to_string(), value.to_string());
        self
    }

    /// Gives what `setup` would have returned.
    ///
    /// # Panics
    /// If the value has no JSON form.
    #[allow(clippy::expect_used)] // For tests only.
    #[track_caller]
    pub fn setup_data(self, data: &impl Serialize) -> Self {
        let text = serde_json::to_string(data).expect("setup data has a JSON form");
        self.0.borrow_mut().setup_data = text;
        self
    }

    /// Other random numbers than those of seed 1.
    pub fn seeded(self, seed: u64) -> Self {
        self.0.borrow_mut().seed = seed;
        random::reseed(seed);
        self
    }

    /// A new user of this type; its `on_start` has not run yet.
    pub fn user<U: User>(&self) -> TestUser<U> {
        let mut state = self.0.borrow_mut();
        let context = Context {
            user_id: state.users,
            worker: (0, 1),
            run_id: "test".to_string(),
            seed: state.seed,
            setup_data: state.setup_data.clone(),
        };
        state.users += 1;
        TestUser::new(Scope::new(context))
    }

    /// Runs the scenario's `setup`; what it returns is given to users and `teardown`.
    pub fn setup<S: ScenarioDefinition>(&self) -> Outcome<String> {
        let scope = Scope::new(Context::default());
        scope.enter();
        let data = S::setup(&scope)?;
        self.0.borrow_mut().setup_data.clone_from(&data);
        Ok(data)
    }

    /// Runs the scenario's `teardown`.
    pub fn teardown<S: ScenarioDefinition>(&self) -> Outcome {
        let setup_data = self.0.borrow().setup_data.clone();
        let scope = Scope::new(Context { setup_data, ..Context::default() });
        scope.enter();
        S::teardown(&scope)
    }

    /// From now on the run is stopping: requests are cancelled, pauses end at once.
    pub fn stop(&self) {
        self.0.borrow_mut().stopping = true;
    }

    /// All requests, in order.
    pub fn sent(&self) -> Vec<Sent> {
        self.0.borrow().sent.clone()
    }

    /// Requests to this path; `{name}` stands for one segment of it.
    pub fn sent_to(&self, method: &str, path: &str) -> Vec<Sent> {
        self.0.borrow().sent.iter().filter(|sent| sent.is_to(method, path)).cloned().collect()
    }

    /// Requests that count as failed.
    pub fn failed(&self) -> Vec<Sent> {
        self.0.borrow().sent.iter().filter(|sent| sent.failure.is_some()).cloned().collect()
    }

    /// How often this check held and did not.
    pub fn check(&self, name: &str) -> Checks {
        self.0.borrow().checks.get(name).copied().unwrap_or_default()
    }

    /// All that was added to this metric, in order.
    pub fn metric(&self, name: &str) -> Vec<MetricSample> {
        self.0.borrow().metrics.get(name).map(|(_, samples)| samples.clone()).unwrap_or_default()
    }

    /// The lines of the log.
    pub fn logs(&self) -> Vec<(Level, String)> {
        self.0.borrow().logs.clone()
    }

    /// How long users paused inside of tasks, in all; nothing waits in a test.
    pub fn slept(&self) -> Duration {
        self.0.borrow().slept
    }
}

/// What the native host asks for.
impl World {
    pub(crate) fn try_current() -> Option<Self> {
        CURRENT.with_borrow(Clone::clone)
    }

    #[allow(clippy::panic)] // Only in tests that forgot to make a world.
    pub(crate) fn current() -> Self {
        match Self::try_current() {
            Some(world) => world,
            None => {
                panic!("there is no world on this thread: make a `loadhost_sdk::test::World` first")
            }
        }
    }

    pub(crate) fn count_template(&self) {
        self.0.borrow_mut().templates += 1;
    }

    /// How many templates were made.
    #[cfg(test)]
    pub(crate) fn templates(&self) -> u64 {
        self.0.borrow().templates
    }

    pub(crate) fn exchange(&self, request: &PlainRequest) -> Result<Rc<Exchange>, Cause> {
        let mut sent = self.describe(request);
        let script = {
            let state = self.0.borrow();
            if state.stopping {
                return Err(Cause::Cancelled);
            }
            let mut routes = state.routes.iter().rev();
            routes.find(|(method, path, _)| sent.is_to(method, path)).map(|route| route.2.clone())
        };
        let reply = match script {
            Some(script) => script(&sent),
            None => Reply::text(404, format!("no route for {} {}", sent.method, sent.path())),
        };
        let mut state = self.0.borrow_mut();
        state.clock += reply.elapsed;
        sent.status = reply.status;
        sent.failure = match &reply.broken {
            Some(cause) => Some(cause.to_string()),
            None => judge(&request.options, &reply).map_err(Cause::Denied)?,
        };
        for (_, cookie) in
            reply.headers.iter().filter(|(name, _)| name.eq_ignore_ascii_case("set-cookie"))
        {
            // A server's bad cookie is ignored, as by a browser.
            let _ = state.jar.set(cookie);
        }
        let (index, url) = (state.sent.len(), sent.url.clone());
        state.sent.push(sent);
        match reply.broken.clone() {
            Some(cause) => Err(cause),
            None => Ok(Rc::new(Exchange { world: self.clone(), index, url, reply })),
        }
    }

    fn describe(&self, request: &PlainRequest) -> Sent {
        let state = self.0.borrow();
        let mut headers = request.headers.clone();
        headers.extend(state.jar.header().map(|value| ("Cookie".to_string(), value)));
        Sent {
            method: request.method.to_uppercase(),
            url: request.url.clone(),
            name: request.name.clone(),
            headers,
            body: match &request.body {
                PlainBody::None => Vec::new(),
                PlainBody::Text(text) => text.clone().into_bytes(),
                PlainBody::Bytes(bytes) => bytes.clone(),
            },
            tags: request.tags.clone(),
            group: state.groups.join("::"),
            status: 0,
            failure: None,
        }
    }

    pub(crate) fn cookie(&self, name: &str) -> Option<String> {
        self.0.borrow().jar.get(name).map(str::to_string)
    }

    pub(crate) fn set_cookie(&self, cookie: &str) -> Result<(), String> {
        self.0.borrow_mut().jar.set(cookie)
    }

    pub(crate) fn clear_cookies(&self) {
        self.0.borrow_mut().jar.clear();
    }

    /// # Panics
    /// If the metric is known as another kind, where the host would trap.
    pub(crate) fn declare_metric(&self, name: &str, kind: Kind) {
        let mut state = self.0.borrow_mut();
        let known = state.metrics.entry(name.to_string()).or_insert_with(|| (kind, Vec::new())).0;
        assert!(known == kind, "metric `{name}` is a {known:?} elsewhere and a {kind:?} here");
    }

    pub(crate) fn add_sample(&self, name: &str, kind: Kind, value: f64, tags: &[(String, String)]) {
        let mut state = self.0.borrow_mut();
        let samples =
            &mut state.metrics.entry(name.to_string()).or_insert_with(|| (kind, Vec::new())).1;
        samples.push(MetricSample { value, tags: tags.to_vec() });
    }

    pub(crate) fn add_check(&self, name: &str, ok: bool) {
        let mut state = self.0.borrow_mut();
        let checks = state.checks.entry(name.to_string()).or_default();
        if ok { checks.passes += 1 } else { checks.failures += 1 }
    }

    pub(crate) fn begin_group(&self, name: &str) {
        self.0.borrow_mut().groups.push(name.to_string());
    }

    pub(crate) fn end_group(&self) {
        self.0.borrow_mut().groups.pop();
    }

    pub(crate) fn add_log(&self, level: Level, message: &str) {
        self.0.borrow_mut().logs.push((level, message.to_string()));
    }

    pub(crate) fn param_value(&self, name: &str) -> Option<String> {
        self.0.borrow().params.get(name).cloned()
    }

    pub(crate) fn elapsed(&self) -> Duration {
        self.0.borrow().clock
    }

    pub(crate) fn pause(&self, span: Duration) -> Result<(), ()> {
        let mut state = self.0.borrow_mut();
        if state.stopping {
            return Err(());
        }
        state.clock += span;
        state.slept += span;
        Ok(())
    }

    pub(crate) fn seed(&self) -> u64 {
        self.0.borrow().seed
    }
}

impl Exchange {
    pub(crate) fn summary(&self) -> Summary {
        Summary {
            status: self.reply.status,
            ok: self
                .world
                .0
                .borrow()
                .sent
                .get(self.index)
                .is_some_and(|sent| sent.failure.is_none()),
            body_size: self.reply.body.len() as u64,
            elapsed: self.reply.elapsed,
        }
    }

    pub(crate) fn mark(&self, verdict: Result<(), &str>) {
        if let Some(sent) = self.world.0.borrow_mut().sent.get_mut(self.index) {
            sent.failure = verdict.err().map(str::to_string);
        }
    }
}
