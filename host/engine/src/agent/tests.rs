//! An agent with real shards and scripted users, told what to do as a coordinator would.
#![allow(clippy::unwrap_used)]

mod editions;
mod leaderless;
mod shares;
mod sharing;
mod terms;

use std::sync::atomic::{AtomicU64, Ordering};

use loadhost_model::description::{Description, WaitTime};
use loadhost_model::id::{Digest, RunId};
use loadhost_model::interval::{Interval, SeriesStats};
use loadhost_model::metric::SeriesKey;
use loadhost_model::plan::{Edition, RunPlan};
use loadhost_model::profile::{Change, Curve, Load};
use loadhost_model::share::Share;
use loadhost_model::wire::{Step, Work};

use super::workshop::{PrepareError, RunFactory, Stage};
use super::*;
use crate::load::fake::{self, message, stages};
use crate::load::vu::{CallOutcome, Due, MakeError, ShardContext, UserIdentity, Vu, VuFactory};

/// What the fake scenario does, and how often it did it.
#[derive(Clone)]
struct Script {
    description: Arc<Description>,
    iterations: Arc<AtomicU64>,
    /// Users that were made.
    made: Arc<AtomicU64>,
    task_takes: Duration,
    torn_down: Arc<AtomicU64>,
    /// What its users share.
    shared: Arc<std::sync::OnceLock<Arc<Commons>>>,
    task: fn(u64) -> CallOutcome,
    setup: fn() -> Result<Arc<str>, CallOutcome>,
    prepares_for: Duration,
    /// Other versions of it, by their modules.
    newer: BTreeMap<Digest, Script>,
    /// With which code it cannot be made ready.
    refuses: Option<&'static str>,
}

impl Default for Script {
    fn default() -> Self {
        Self {
            description: Arc::new(fake::description(WaitTime::Constant(Duration::from_millis(10)))),
            iterations: Arc::default(),
            made: Arc::default(),
            task_takes: Duration::from_millis(1),
            torn_down: Arc::default(),
            shared: Arc::default(),
            task: |_| CallOutcome::Done,
            setup: || Ok("data".into()),
            prepares_for: Duration::ZERO,
            newer: BTreeMap::new(),
            refuses: None,
        }
    }
}

impl Workshop for Script {
    type Stage = Script;

    fn capacity(&self) -> u32 {
        1000
    }

    async fn prepare(&self, plan: Arc<RunPlan>, _: u32) -> Result<Script, PrepareError> {
        let script = self.newer.get(&plan.module).unwrap_or(self);
        tokio::time::sleep(script.prepares_for).await;
        match script.refuses {
            Some(code) => Err(PrepareError { code: code.into(), message: "not so".into() }),
            None => Ok(script.clone()),
        }
    }
}

impl Stage for Script {
    type Factory = Script;

    fn description(&self) -> Arc<Description> {
        Arc::clone(&self.description)
    }

    fn room(&self) -> u32 {
        500
    }

    fn factory(&self, context: ShardContext) -> Result<Script, MakeError> {
        self.shared.get_or_init(|| context.shared);
        Ok(self.clone())
    }
}

impl RunFactory for Script {
    async fn setup(&self, _: UserIdentity) -> Result<Arc<str>, CallOutcome> {
        (self.setup)()
    }

    async fn teardown(&self, _: UserIdentity) -> CallOutcome {
        self.torn_down.fetch_add(1, Ordering::Relaxed);
        CallOutcome::Done
    }
}

impl VuFactory for Script {
    type Vu = Script;

    async fn make(&self, _: UserIdentity) -> Result<Script, MakeError> {
        self.made.fetch_add(1, Ordering::Relaxed);
        Ok(self.clone())
    }
}

impl Vu for Script {
    async fn start(&mut self) -> CallOutcome {
        CallOutcome::Done
    }

    async fn run_task(&mut self, _: u32, _: Due) -> CallOutcome {
        tokio::time::sleep(self.task_takes).await;
        (self.task)(self.iterations.fetch_add(1, Ordering::Relaxed))
    }

    async fn stop(&mut self) -> CallOutcome {
        CallOutcome::Done
    }
}

/// The coordinator's end.
struct Boss {
    assignments: watch::Sender<Option<Assignment>>,
    reports: mpsc::Receiver<Report>,
    term: Term,
    generation: u64,
    plan: Arc<RunPlan>,
    /// See [`Work::next`].
    next: Option<Box<Edition>>,
    /// The run's.
    start: u64,
    intervals: Vec<Interval>,
    states: Vec<WorkerState>,
    stop: CancellationToken,
    agent: JoinHandle<Result<(), AgentError>>,
}

impl Boss {
    fn of(script: Script, load: Load) -> Self {
        Self::with(script, load, 1024, None)
    }

    fn with(script: Script, load: Load, room: usize, max_users: Option<u32>) -> Self {
        let assignments = watch::Sender::new(None);
        let (send, reports) = mpsc::channel(room);
        let (_, clock_offset) = watch::channel(0);
        let channels = Channels {
            assignments: assignments.subscribe(),
            reports: send,
            clock_offset,
            reading: None,
        };
        let config = AgentConfig {
            worker: WorkerId::new("w-1").unwrap(),
            incarnation: Incarnation(7),
            shards: 2,
            tags: BTreeMap::new(),
            max_users,
            ceilings: Ceilings::default(),
            weight: 1,
            heartbeat: Duration::from_millis(50),
            drain: Duration::from_millis(500),
            leave: Duration::from_secs(2),
            activity: Arc::default(),
        };
        let stop = CancellationToken::new();
        let agent = tokio::spawn(run(config, script, channels, stop.clone()));
        Self {
            assignments,
            reports,
            term: Term(1),
            generation: 0,
            plan: Arc::new(fake::plan(fake::profile(load))),
            next: None,
            start: 0,
            intervals: vec![],
            states: vec![],
            stop,
            agent,
        }
    }

    fn assign(&mut self, step: Step) {
        self.generation += 1;
        self.send(self.generation, step);
    }

    fn send(&self, generation: u64, step: Step) {
        self.send_share(generation, step, (Share::whole(), 0));
    }

    fn send_share(&self, generation: u64, step: Step, (share, share_from): (Share, u64)) {
        let work = Work {
            plan: Arc::clone(&self.plan),
            share,
            share_from,
            step,
            next: self.next.clone(),
            shared: Default::default(),
        };
        self.state(generation, Some(work));
    }

    /// To whichever process has the name.
    fn state(&self, generation: u64, work: Option<Work>) {
        let (version, term) = (wire::VERSION, self.term);
        let assignment = Assignment { version, term, generation, to: None, work };
        self.assignments.send_replace(Some(assignment));
    }

    fn start(&mut self) {
        let start = wall_micros() + 20_000;
        self.start = start;
        self.assign(Step::Run { start, setup_data: "data".into() });
    }

    fn take(&mut self, report: Report) -> Option<WorkerStatus> {
        match report {
            Report::Interval(interval) => self.intervals.push(*interval),
            Report::Log(_) | Report::Position(_) => {}
            Report::Status(status) => {
                if self.states.last() != Some(&status.state) {
                    self.states.push(status.state.clone());
                }
                return Some(status);
            }
        }
        None
    }

    async fn until(&mut self, wanted: impl Fn(&WorkerStatus) -> bool) -> WorkerStatus {
        let seen = async {
            loop {
                let report = self.reports.recv().await.unwrap();
                if let Some(status) = self.take(report).filter(&wanted) {
                    return status;
                }
            }
        };
        let seen = tokio::time::timeout(Duration::from_secs(20), seen).await;
        seen.unwrap_or_else(|_| panic!("still not there after 20 s"))
    }

    async fn until_state(&mut self, state: WorkerState) -> WorkerStatus {
        let applied = match self.generation {
            0 => (Term(0), 0),
            generation => (self.term, generation),
        };
        self.until(|status| status.state == state && status.applied == applied).await
    }

    async fn until_stopped(&mut self) -> u64 {
        let status = self.until(|status| matches!(status.state, WorkerState::Stopped { .. })).await;
        match status.state {
            WorkerState::Stopped { last_seq } => last_seq,
            state => panic!("{state:?}"),
        }
    }

    fn iterations(&self) -> u64 {
        let key = SeriesKey::Task { user_type: "User".into(), task: "task".into() };
        let counts = self.intervals.iter().filter_map(|interval| {
            match interval.statistics.series.get(&key) {
                Some(SeriesStats::Task(stats)) => Some(stats.iterations),
                _ => None,
            }
        });
        counts.sum()
    }

    async fn finish(mut self) {
        self.stop.cancel();
        while let Some(report) = self.reports.recv().await {
            self.take(report);
        }
        self.agent.await.unwrap().unwrap();
    }
}

fn users(seconds: f64) -> Load {
    Load::Closed { users: stages(&[(0.0, 4.0), (seconds, 4.0)]) }
}

#[tokio::test]
async fn a_run_from_idle_to_idle() {
    let script = Script::default();
    let mut boss = Boss::of(script.clone(), users(2.5));
    boss.until_state(WorkerState::Idle).await;
    boss.assign(Step::Prepare);
    boss.until_state(WorkerState::Ready).await;
    boss.assign(Step::Setup);
    boss.until_state(WorkerState::SetUp { data: "data".into() }).await;
    boss.start();
    let running = boss.until(|status| status.users > 0).await;
    assert_eq!((running.state, running.users), (WorkerState::Running, 4));
    let last_seq = boss.until_stopped().await;

    let of = |read: fn(&Interval) -> u64| boss.intervals.iter().map(read).collect::<Vec<_>>();
    assert_eq!(of(|interval| interval.seq), [1, 2, 3]);
    assert_eq!(of(|interval| interval.begin.as_secs()), [0, 1, 2]);
    assert_eq!(of(|interval| interval.end.as_secs()), [1, 2, 2]);
    assert_eq!(of(|interval| u64::from(interval.last)), [0, 0, 1]);
    assert_eq!(last_seq, 3);
    assert_eq!(boss.iterations(), script.iterations.load(Ordering::Relaxed));
    assert_eq!(boss.intervals[1].users[&message("User")], 4);
    assert!(boss.intervals[1].statistics.health.loop_lag.count() > 50);

    boss.assign(Step::Stop { mode: StopMode::Graceful });
    boss.until_state(WorkerState::Stopped { last_seq: 3 }).await;
    boss.assign(Step::Teardown { setup_data: "data".into() });
    boss.until_state(WorkerState::TornDown).await;
    boss.generation += 1;
    boss.state(boss.generation, None);
    assert_eq!(boss.until_state(WorkerState::Idle).await.run, None);
    boss.finish().await;
}

#[tokio::test]
async fn the_load_ends_when_another_process_of_the_name_has_the_share() {
    let mut boss = Boss::of(Script::default(), Load::Closed { users: Curve::constant(2.0) });
    boss.start();
    boss.until(|status| status.users > 0).await;
    boss.generation += 1;
    boss.assignments.send_modify(|newest| {
        let newest = newest.as_mut().unwrap();
        (newest.generation, newest.to) = (boss.generation, Some(Incarnation(8)));
    });
    assert_eq!(boss.until_state(WorkerState::Idle).await.users, 0);
    boss.finish().await;
}

#[tokio::test]
async fn repeated_and_late_assignments_do_no_harm() {
    let mut boss = Boss::of(Script::default(), Load::Closed { users: Curve::constant(2.0) });
    boss.generation = 10;
    boss.start();
    boss.until_state(WorkerState::Running).await;
    for generation in [11, 10, 3] {
        boss.send(generation, Step::Stop { mode: StopMode::Now });
        let beat = boss.until(|_| true).await;
        assert_eq!((beat.state, beat.applied.1), (WorkerState::Running, 11));
    }
    boss.send(12, Step::Stop { mode: StopMode::Now });
    boss.until_stopped().await;
    boss.finish().await;
}

#[tokio::test]
async fn a_step_implies_the_ones_before() {
    let mut boss = Boss::of(Script::default(), users(0.3));
    boss.start();
    assert_eq!(boss.until_stopped().await, 1);
    assert!(boss.intervals[0].last);
    boss.finish().await;
}

#[tokio::test]
async fn a_change_of_users_goes_into_the_running_load() {
    let mut boss = Boss::of(Script::default(), Load::Closed { users: Curve::constant(2.0) });
    boss.start();
    boss.until(|status| status.users == 2).await;
    let change = Change::Users { users: 6, spawn_rate: None };
    let profile = boss.plan.profile.amend(None, Duration::from_secs(1), &change).unwrap();
    let mut plan = RunPlan::clone(&boss.plan);
    plan.profile = profile;
    boss.plan = Arc::new(plan);
    boss.assign(Step::Run { start: 0, setup_data: "data".into() });
    boss.until(|status| status.users == 6).await;
    boss.assign(Step::Stop { mode: StopMode::Graceful });
    boss.until_stopped().await;
    assert_eq!(boss.states.iter().filter(|state| **state == WorkerState::Running).count(), 1);
    boss.finish().await;
}

#[tokio::test]
async fn a_guest_that_aborts_fails_the_worker_and_its_figures_still_come() {
    let script = Script {
        task: |n| {
            if n == 20 { CallOutcome::AbortRun(message("wrong shop")) } else { CallOutcome::Done }
        },
        ..Script::default()
    };
    let mut boss = Boss::of(script.clone(), Load::Closed { users: Curve::constant(2.0) });
    boss.start();
    let (code, text) = (message("abort-run"), message("wrong shop"));
    boss.until_state(WorkerState::Failed { code, message: text }).await;
    boss.assign(Step::Stop { mode: StopMode::Graceful });
    let last_seq = boss.until_stopped().await;
    assert_eq!(
        boss.intervals.last().map(|interval| (interval.seq, interval.last)),
        Some((last_seq, true))
    );
    assert_eq!(boss.iterations(), script.iterations.load(Ordering::Relaxed));
    boss.finish().await;
}

#[tokio::test]
async fn more_users_than_the_worker_takes_are_refused_with_the_figure() {
    let mut boss = Boss::with(Script::default(), users(1.0), 1024, Some(3));
    boss.assign(Step::Prepare);
    let status = boss.until(|status| matches!(status.state, WorkerState::Failed { .. })).await;
    assert_eq!(status.capacity, 3);
    let WorkerState::Failed { code, message } = status.state else { panic!() };
    assert_eq!(&*code, "capacity");
    assert!(message.contains("4 users") && message.contains("3 at most"), "{message}");
    assert!(message.contains("--max-users"), "{message}");
    boss.finish().await;
}

#[tokio::test]
async fn while_it_works_for_a_run_a_worker_says_how_many_users_fit_in_that_run() {
    let mut boss = Boss::of(Script::default(), users(1.0));
    assert_eq!(boss.until(|status| status.state == WorkerState::Idle).await.capacity, 1000);
    boss.assign(Step::Prepare);
    assert_eq!(boss.until_state(WorkerState::Ready).await.capacity, 500);
    boss.assignments.send_replace(None);
    assert_eq!(boss.until(|status| status.state == WorkerState::Idle).await.capacity, 1000);
    boss.finish().await;
}

#[tokio::test]
async fn a_setup_that_fails_is_said_with_its_own_words() {
    let script = Script {
        setup: || Err(CallOutcome::Failed(message("no accounts left"))),
        ..Script::default()
    };
    let mut boss = Boss::of(script, users(1.0));
    boss.assign(Step::Setup);
    let (code, text) = (message("setup"), message("no accounts left"));
    boss.until_state(WorkerState::Failed { code, message: text }).await;
    boss.assign(Step::Stop { mode: StopMode::Now });
    boss.until_state(WorkerState::Stopped { last_seq: 0 }).await;
    boss.assign(Step::Teardown { setup_data: "".into() });
    boss.until_state(WorkerState::TornDown).await;
    boss.finish().await;
}

#[tokio::test]
async fn a_worker_beats_while_it_prepares_and_can_be_stopped() {
    let mut boss =
        Boss::of(Script { prepares_for: Duration::from_hours(1), ..Script::default() }, users(1.0));
    boss.assign(Step::Prepare);
    for _ in 0..5 {
        boss.until_state(WorkerState::Preparing).await;
    }
    boss.assign(Step::Stop { mode: StopMode::Graceful });
    boss.until_state(WorkerState::Stopped { last_seq: 0 }).await;
    boss.finish().await;
}

#[tokio::test]
async fn a_run_that_comes_while_the_one_before_ends_is_begun_at_once() {
    let script = Script { task_takes: Duration::from_millis(500), ..Script::default() };
    let mut boss = Boss::of(script, Load::Closed { users: Curve::constant(2.0) });
    boss.start();
    boss.until(|status| status.users == 2).await;
    boss.assignments.send_replace(None);
    // It has begun to end, and its iterations go on.
    tokio::time::sleep(Duration::from_millis(100)).await;
    boss.assign(Step::Prepare);
    boss.until_state(WorkerState::Ready).await;
    boss.finish().await;
}

#[tokio::test]
async fn intervals_that_find_no_room_become_one_and_lose_nothing() {
    let script = Script::default();
    let mut boss = Boss::with(script.clone(), users(3.2), 1, None);
    boss.start();
    // Nobody listens until the load is over.
    let deadline = tokio::time::Instant::now() + Duration::from_millis(3_600);
    tokio::time::sleep_until(deadline).await;
    let last_seq = boss.until_stopped().await;
    assert_eq!(boss.iterations(), script.iterations.load(Ordering::Relaxed));
    let seqs: Vec<u64> = boss.intervals.iter().map(|interval| interval.seq).collect();
    assert_eq!(seqs, (1..=last_seq).collect::<Vec<_>>());
    assert!(last_seq < 4, "{last_seq} intervals through a channel for one report");
    let ends = boss.intervals.windows(2).all(|pair| pair[0].end == pair[1].begin);
    assert!(ends && boss.intervals[0].begin.is_zero());
    boss.finish().await;
}

#[tokio::test]
async fn another_run_replaces_the_one_before() {
    let mut boss = Boss::of(Script::default(), Load::Closed { users: Curve::constant(2.0) });
    boss.start();
    boss.until(|status| status.users == 2).await;
    let mut plan = RunPlan::clone(&boss.plan);
    plan.run = RunId::new("run-2").unwrap();
    boss.plan = Arc::new(plan);
    boss.assign(Step::Prepare);
    let status = boss.until_state(WorkerState::Ready).await;
    assert_eq!(status.run, Some(RunId::new("run-2").unwrap()));
    boss.finish().await;
}
