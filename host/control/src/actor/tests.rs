#![allow(clippy::unwrap_used, clippy::expect_used)]
//! The coordinator with fake workers on a paused clock: minutes of a run pass in no time.

use std::time::Duration;

use loadhost_model::id::{RunId, Term, WorkerId};
use loadhost_model::interval::Statistics;
use loadhost_model::plan::RunPlan;
use loadhost_model::profile::{Change, Curve, Load};
use loadhost_model::wire::{StopMode, WorkerState};

use super::fake::{FakeClock, FakeFleet, Fault, Weather, measured};
use super::*;
use crate::ports::{LoadShape, ShapeNow, ShapeTarget};
use crate::report::EndReason;
use crate::testing::{description, plan, plan_of, run_id, secs, worker};
use crate::view::{Point, RunState};

const CALM: Weather = Weather { delay: 5, twice: 0, lost: 0 };

/// A coordinator with workers.
struct House {
    handle: Handle,
    task: JoinHandle<()>,
    stop: CancellationToken,
}

impl House {
    fn new(workers: &[(&str, Fault)], weather: Weather, seed: u64) -> Self {
        let (reports, inbox) = mpsc::channel(256);
        let fleet = FakeFleet::new(weather, seed);
        let clock = FakeClock::new();
        for (name, fault) in workers {
            fleet.join(name, clock, reports.clone(), *fault);
        }
        let stop = CancellationToken::new();
        let config = CoordinatorConfig { term: Term(1), ..CoordinatorConfig::default() };
        let outside = Outside { clock: Arc::new(clock), ..Outside::of_one_process(fleet) };
        let (handle, task) = Coordinator::resume(config, outside, inbox, None, stop.clone());
        Self { handle, task, stop }
    }

    fn calm(names: &[&str]) -> Self {
        let workers: Vec<(&str, Fault)> = names.iter().map(|name| (*name, Fault::None)).collect();
        Self::new(&workers, CALM, 1)
    }

    async fn start(&self, plan: RunPlan, expect_workers: u32) -> Result<RunId, StartError> {
        self.start_shaped(plan, expect_workers, None).await
    }

    async fn start_shaped(
        &self,
        plan: RunPlan,
        expect_workers: u32,
        shape: Option<Box<dyn LoadShape>>,
    ) -> Result<RunId, StartError> {
        let request = StartRequest {
            plan,
            description: description(),
            expect_workers,
            max_wait: secs(10),
            shape,
        };
        self.handle.start(request).await
    }

    /// Waits until the view shows it.
    async fn until(&self, what: impl Fn(&FleetView) -> bool) -> Arc<FleetView> {
        let mut view = self.handle.view();
        let found = tokio::time::timeout(secs(600), view.wait_for(|view| what(view))).await;
        found.expect("never seen").unwrap().clone()
    }

    async fn end(self) {
        self.stop.cancel();
        self.task.await.unwrap();
    }
}

/// Exactly what these workers measure in so many seconds.
fn truth(names: &[&str], seconds: u64) -> Statistics {
    let mut truth = Statistics::default();
    for name in names {
        for seq in 1..=seconds {
            truth.merge(measured(&worker(name), seq).statistics);
        }
    }
    truth
}

#[tokio::test(start_paused = true)]
async fn a_run_of_three_workers_counts_what_they_measured() {
    let names = ["a", "b", "c"];
    let house = House::calm(&names);
    let run = house.start(plan(20), 3).await.unwrap();
    let running =
        house.until(|view| view.run(&run).is_some_and(|run| run.elapsed >= secs(10))).await;
    let view = running.run(&run).unwrap();
    assert_eq!((view.state, view.workers, view.users), (RunState::Running, 3, 15));
    assert!(view.window.rps > 11.0, "{}", view.window.rps);
    let so_far = house.handle.timeline(&run).await.unwrap();
    assert!((9..=11).contains(&so_far.len()), "{} points", so_far.len());
    let gapless =
        |points: &[Point]| points.windows(2).all(|two| two[0].at + two[0].span == two[1].at);
    assert!(so_far[0].at.is_zero() && gapless(&so_far), "{so_far:?}");
    let report = house.handle.finished(&run).await.unwrap();
    assert_eq!(report.ended, EndReason::Completed);
    assert_eq!(report.statistics, truth(&names, 20));
    assert_eq!(report.history.len(), 20);
    assert_eq!(report.view.notes, []);
    assert_eq!(report.view.elapsed, secs(20));
    let again = house.handle.finished(&run).await.unwrap();
    assert!(Arc::ptr_eq(&report, &again), "asking late is fine");
    assert_eq!(house.handle.timeline(&run).await.as_ref(), Ok(&report.history));
    let nobodys = RunId::new("nobodys").unwrap();
    assert_eq!(house.handle.timeline(&nobodys).await, Err(ControlError::UnknownRun(nobodys)));
    house.until(|view| view.workers.iter().all(|worker| worker.state == WorkerState::Idle)).await;
    house.end().await;
}

/// Delays beyond a heartbeat, every fifth message twice, every fifth status and assignment lost.
#[tokio::test(start_paused = true)]
async fn totals_are_exact_in_any_weather() {
    let weather = Weather { delay: 1500, twice: 20, lost: 20 };
    for seed in 1..=40 {
        let names = ["a", "b", "c", "d"];
        let workers = names.map(|name| (name, Fault::None));
        let house = House::new(&workers, weather, seed);
        let run = house.start(plan(15), 4).await.unwrap();
        let report = house.handle.finished(&run).await.unwrap();
        assert_eq!(report.ended, EndReason::Completed, "seed {seed}");
        assert_eq!(report.statistics, truth(&names, 15), "seed {seed}");
        assert_eq!(report.view.collection.missing, 0, "seed {seed}");
        house.end().await;
    }
}

#[tokio::test(start_paused = true)]
async fn who_is_missing_is_said_after_the_longest_wait() {
    let house = House::calm(&["a"]);
    let began = Instant::now();
    let error = house.start(plan(5), 2).await.unwrap_err();
    assert!(
        error.to_string().starts_with("1 of 2 expected workers can take part after 10s: `a`;"),
        "{error}"
    );
    assert!(began.elapsed() < secs(11));
    house.end().await;
}

#[tokio::test(start_paused = true)]
async fn a_worker_that_never_gets_ready_is_named() {
    let house = House::new(&[("a", Fault::None), ("b", Fault::NeverReady)], CALM, 1);
    let run = house.start(plan(5), 2).await.unwrap();
    let report = house.handle.finished(&run).await.unwrap();
    let EndReason::WorkerFailed { worker: Some(late), code, .. } = &report.ended else {
        panic!("{}", report.ended)
    };
    assert_eq!((late.as_str(), code.as_str()), ("b", "prepare-timeout"));
    house.end().await;
}

#[tokio::test(start_paused = true)]
async fn a_worker_that_dies_marks_the_run_and_the_others_go_on() {
    let house = House::new(&[("a", Fault::None), ("b", Fault::Dies(3))], CALM, 1);
    let run = house.start(plan(20), 2).await.unwrap();
    let view = house.until(|view| view.run(&run).is_some_and(|run| run.workers_lost == 1)).await;
    let lost_at = view.run(&run).unwrap().elapsed;
    assert!(lost_at < secs(9), "three seconds of life and five of silence, not {lost_at:?}");
    let report = house.handle.finished(&run).await.unwrap();
    assert_eq!(report.ended, EndReason::Completed);
    let mut expected = truth(&["a"], 20);
    expected.merge(truth(&["b"], 3));
    assert_eq!(report.statistics, expected);
    assert!(report.view.notes[0].message.contains("`b` is lost"), "{:?}", report.view.notes);
    house.end().await;
}

#[tokio::test(start_paused = true)]
async fn a_scenario_that_aborts_ends_the_run_everywhere() {
    let house = House::new(&[("a", Fault::None), ("b", Fault::Aborts(3))], CALM, 1);
    let run = house.start(plan(60), 2).await.unwrap();
    let report = house.handle.finished(&run).await.unwrap();
    assert_eq!(
        report.ended,
        EndReason::AbortedByScenario { message: "stock is empty".to_string() }
    );
    assert!(report.view.elapsed < secs(4), "{:?}", report.view.elapsed);
    house.end().await;
}

#[tokio::test(start_paused = true)]
async fn a_user_stops_a_run() {
    let house = House::calm(&["a"]);
    let run = house.start(plan(3600), 1).await.unwrap();
    house.until(|view| view.run(&run).is_some_and(|run| run.elapsed >= secs(5))).await;
    house.handle.stop(&run, StopMode::Graceful).await.unwrap();
    let report = house.handle.finished(&run).await.unwrap();
    assert_eq!(report.ended, EndReason::StoppedByUser);
    assert_eq!(report.statistics, truth(&["a"], report.view.collection.merged));
    assert!(report.view.collection.merged >= 5);
    house.end().await;
}

#[tokio::test(start_paused = true)]
async fn the_end_of_the_coordinator_interrupts_runs_and_frees_workers() {
    let house = House::calm(&["a"]);
    let run = house.start(plan(3600), 1).await.unwrap();
    house.until(|view| view.run(&run).is_some_and(|run| run.elapsed >= secs(5))).await;
    let (handle, asked) = (house.handle.clone(), run.clone());
    let waiting = tokio::spawn(async move { handle.finished(&asked).await });
    tokio::task::yield_now().await;
    let view = house.handle.view();
    house.end().await;
    let report = waiting.await.unwrap().unwrap();
    assert_eq!(report.ended, EndReason::Interrupted);
    assert!(report.view.total.requests >= 16);
    assert_eq!(
        view.borrow().run(&run).unwrap().state,
        RunState::Finished,
        "and the last view says so"
    );
}

#[tokio::test(start_paused = true)]
async fn unknown_runs_are_refused_by_name() {
    let house = House::calm(&["a"]);
    let unknown: RunId = "nobody".parse().unwrap();
    let expected = ControlError::UnknownRun(unknown.clone());
    assert_eq!(house.handle.finished(&unknown).await.unwrap_err(), expected);
    assert_eq!(house.handle.reset(&unknown).await.unwrap_err(), expected);
    let change = Change::Users { users: 1, spawn_rate: None };
    assert_eq!(house.handle.change(&unknown, change).await.unwrap_err(), expected);
    let run = house.start(plan(3), 1).await.unwrap();
    assert_eq!(house.start(plan(3), 1).await.unwrap_err(), StartError::Duplicate(run));
    let handle = house.handle.clone();
    house.end().await;
    assert_eq!(handle.finished(&unknown).await.unwrap_err(), ControlError::Closed);
}

/// Two users more each second, up to eight; then the end.
struct Stairs;

impl LoadShape for Stairs {
    fn tick(
        &mut self,
        now: ShapeNow,
    ) -> futures_util::future::BoxFuture<'_, Result<Option<ShapeTarget>, String>> {
        let users = 2 * (now.elapsed.as_secs() as u32 + 1);
        Box::pin(
            async move { Ok((users <= 8).then_some(ShapeTarget { users, spawn_rate: 1000.0 })) },
        )
    }
}

/// Never answers.
struct Silent;

impl LoadShape for Silent {
    fn tick(
        &mut self,
        _: ShapeNow,
    ) -> futures_util::future::BoxFuture<'_, Result<Option<ShapeTarget>, String>> {
        Box::pin(std::future::pending())
    }
}

fn shaped() -> RunPlan {
    plan_of(Load::Shaped { users: Curve { start: 0.0, stages: Vec::new(), hold: true } }, None)
}

#[tokio::test(start_paused = true)]
async fn a_load_shape_leads_the_run_to_its_end() {
    let house = House::calm(&["a"]);
    let run = house.start_shaped(shaped(), 1, Some(Box::new(Stairs))).await.unwrap();
    let report = house.handle.finished(&run).await.unwrap();
    assert_eq!(report.ended, EndReason::Completed);
    assert!((secs(4)..secs(6)).contains(&report.view.elapsed), "{:?}", report.view.elapsed);
    let Load::Shaped { users } = &report.plan.profile.phases[0].load else {
        panic!("another model")
    };
    assert_eq!(users.value_at(secs(10)), Some(8.0));
    house.end().await;
}

#[tokio::test(start_paused = true)]
async fn a_load_shape_that_never_answers_ends_the_run() {
    let house = House::calm(&["a"]);
    let run = house.start_shaped(shaped(), 1, Some(Box::new(Silent))).await.unwrap();
    let report = house.handle.finished(&run).await.unwrap();
    let message = "load shape: no answer within 5s".to_string();
    assert_eq!(report.ended, EndReason::AbortedByScenario { message });
    house.end().await;
}

#[tokio::test(start_paused = true)]
async fn logs_reach_those_who_listen() {
    let (reports, inbox) = mpsc::channel(4);
    let stop = CancellationToken::new();
    let fleet = FakeFleet::new(CALM, 1);
    let (handle, task) =
        Coordinator::spawn(CoordinatorConfig::default(), fleet, inbox, stop.clone());
    let mut logs = handle.logs();
    let line = LogLine {
        run: run_id(),
        at: Duration::ZERO,
        worker: WorkerId::new("a").unwrap(),
        user: 3,
        level: "info".into(),
        message: "hello".into(),
    };
    reports.send(Report::Log(line.clone())).await.unwrap();
    assert_eq!(*logs.recv().await.unwrap(), line);
    stop.cancel();
    task.await.unwrap();
}
