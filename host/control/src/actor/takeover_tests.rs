#![allow(clippy::unwrap_used, clippy::expect_used)]
//! Coordinators that die, and others that go on: on a paused clock, over one fleet and one store.

use std::time::Duration;

use loadhost_model::id::{RunId, Term};
use loadhost_model::interval::{Interval, Statistics};
use loadhost_model::plan::RunPlan;
use loadhost_model::profile::{Change, Curve, Load};
use loadhost_model::wire::{Report, StopMode};
use tokio::time::sleep;

use super::fake::{Dice, FakeClock, FakeFleet, Fault, Weather, measured};
use super::memory::Memory;
use super::*;
use crate::ports::{LoadShape, NoShapes, ShapeNow, ShapeTarget};
use crate::report::EndReason;
use crate::testing::{description, plan, plan_of, run_id, secs, worker};
use crate::view::RunState;

/// The broker's stream of intervals: who attaches reads it again from where it wants. Statuses are
/// heard by whoever listens.
struct Stream {
    attach: mpsc::Sender<(mpsc::Sender<Report>, u64)>,
}

impl Stream {
    fn new(mut said: mpsc::Receiver<Report>) -> Self {
        let (attach, mut attached) = mpsc::channel::<(mpsc::Sender<Report>, u64)>(1);
        tokio::spawn(async move {
            let mut kept: Vec<Box<Interval>> = Vec::new();
            let mut reader: Option<(mpsc::Sender<Report>, usize)> = None;
            let mut former = Vec::new(); // They hear nothing more, and are not told so.
            loop {
                tokio::select! {
                    Some((out, from)) = attached.recv() => {
                        former.extend(reader.replace((out, from as usize)));
                    }
                    report = said.recv() => match report {
                        Some(Report::Interval(interval)) => kept.push(interval),
                        Some(other) => if let Some((out, _)) = &reader {
                            drop(out.send(other).await);
                        },
                        None => return,
                    }
                }
                let Some((out, next)) = &mut reader else { continue };
                while let Some(interval) = kept.get(*next) {
                    if out.send(Report::Interval(interval.clone())).await.is_err() {
                        break;
                    }
                    *next += 1;
                    // Not after each: a position is told now and then.
                    if *next % 3 == 0 {
                        drop(out.send(Report::Position(*next as u64)).await);
                    }
                }
            }
        });
        Self { attach }
    }
}

/// One fleet and one store, and whoever leads at the moment.
struct Country {
    fleet: Arc<FakeFleet>,
    store: Arc<Memory>,
    stream: Stream,
    clock: FakeClock,
    term: u64,
}

/// A coordinator of one term.
struct Leader {
    handle: Handle,
    task: JoinHandle<()>,
    stop: CancellationToken,
}

impl Leader {
    /// As `kill -9` does.
    async fn die(self) {
        self.task.abort();
        drop(self.task.await);
    }

    async fn until(&self, what: impl Fn(&FleetView) -> bool) -> Arc<FleetView> {
        let mut view = self.handle.view();
        let found = tokio::time::timeout(secs(600), view.wait_for(|view| what(view))).await;
        found.expect("never seen").unwrap().clone()
    }

    async fn start(&self, plan: RunPlan, expect_workers: u32) -> Result<RunId, StartError> {
        let request = StartRequest {
            plan,
            description: description(),
            expect_workers,
            max_wait: secs(30),
            shape: None,
        };
        self.handle.start(request).await
    }
}

impl Country {
    fn new(names: &[&str], weather: Weather, delay: u64, seed: u64) -> Self {
        Self::with_clock(FakeClock::new(), names, weather, delay, seed)
    }

    /// Workers know how far their clock is from that of the leader, which is this one.
    fn with_clock(
        clock: FakeClock,
        names: &[&str],
        weather: Weather,
        delay: u64,
        seed: u64,
    ) -> Self {
        let fleet = FakeFleet::new(weather, seed);
        let (reports, said) = mpsc::channel(256);
        for name in names {
            fleet.join(name, clock, reports.clone(), Fault::None);
        }
        let stream = Stream::new(said);
        Self { fleet, store: Memory::new(delay), stream, clock, term: 0 }
    }

    async fn elect(&mut self) -> Leader {
        let clock = self.clock;
        self.elect_with(CoordinatorConfig::default(), Arc::new(clock), Arc::new(NoShapes)).await
    }

    async fn elect_with(
        &mut self,
        config: CoordinatorConfig,
        clock: Arc<dyn Clock>,
        shapes: Arc<dyn ShapeFactory>,
    ) -> Leader {
        self.term += 1;
        let term = Term(self.term);
        let store: Arc<dyn crate::ports::StateStore> = self.store.clone();
        let saved = store.load(term).await.unwrap();
        let restored = Restored::read(saved).unwrap();
        let from = restored.as_ref().map_or(0, Restored::position);
        let released = self.store.kept().released;
        let active = restored.as_ref().is_some_and(|restored| restored.runs().count() > 0);
        assert!(!active || from >= released, "{from} is purged: the stream begins at {released}");
        let (reports, inbox) = mpsc::channel(256);
        self.stream.attach.send((reports, from.max(released))).await.unwrap();
        let stop = CancellationToken::new();
        let room = crate::ports::boundless();
        let outside =
            Outside { fleet: self.fleet.clone(), store: Some(store), shapes, clock, room };
        let config = CoordinatorConfig { term, ..config };
        let (handle, task) = Coordinator::resume(config, outside, inbox, restored, stop.clone());
        Leader { handle, task, stop }
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

const CALM: Weather = Weather { delay: 5, twice: 0, lost: 0 };

#[tokio::test(start_paused = true)]
async fn totals_are_exact_whenever_the_leader_is_killed() {
    let names = ["a", "b", "c"];
    let weather = Weather { delay: 300, twice: 10, lost: 10 };
    for seed in 1..=60 {
        let mut dice = Dice::new(seed);
        let mut country = Country::new(&names, weather, dice.below(60), seed);
        let mut leader = country.elect().await;
        let run = leader.start(plan(20), 3).await.unwrap();
        for _ in 0..=dice.below(3) {
            sleep(Duration::from_millis(dice.below(14_000))).await;
            leader.die().await;
            sleep(Duration::from_millis(dice.below(4_000))).await;
            leader = country.elect().await;
        }
        let report = leader.handle.finished(&run).await.unwrap();
        assert_eq!(report.ended, EndReason::Completed, "seed {seed}: {:?}", report.view.notes);
        assert_eq!(report.statistics, truth(&names, 20), "seed {seed}");
        assert_eq!(report.view.collection.missing, 0, "seed {seed}");
        assert_eq!(report.history.len(), 20, "seed {seed}");
        leader.stop.cancel();
        leader.task.await.unwrap();
    }
}

#[tokio::test(start_paused = true)]
async fn the_report_of_a_run_outlives_who_made_it() {
    let mut country = Country::new(&["a"], CALM, 10, 1);
    let leader = country.elect().await;
    let run = leader.start(plan(5), 1).await.unwrap();
    let report = leader.handle.finished(&run).await.unwrap();
    leader.die().await;
    let next = country.elect().await;
    assert_eq!(*next.handle.finished(&run).await.unwrap(), *report);
    next.until(|view| view.run(&run).is_some_and(|run| run.state == RunState::Finished)).await;
    let again = next.start(plan(5), 1).await.unwrap_err();
    assert_eq!(again, StartError::Duplicate(run));
}

#[tokio::test(start_paused = true)]
async fn nothing_is_said_before_it_is_saved_and_intervals_are_merged_meanwhile() {
    let mut country = Country::new(&["a"], CALM, 10, 1);
    let leader = country.elect().await;
    let run = leader.start(plan(60), 1).await.unwrap();
    leader.until(|view| view.run(&run).is_some_and(|run| run.elapsed >= secs(5))).await;
    country.store.kept().away = true;
    let (handle, changed) = (leader.handle.clone(), run.clone());
    let change = Change::Users { users: 20, spawn_rate: None };
    let mut change = tokio::spawn(async move { handle.change(&changed, change).await });
    let merged = leader.until(|view| view.run(&run).is_some_and(|run| run.elapsed >= secs(15)));
    assert!(merged.await.run(&run).unwrap().collection.merged >= 14, "merging waits for nobody");
    assert!(!change.is_finished(), "the change is not saved, so nobody may rely on it");
    country.store.kept().away = false;
    let answered = tokio::time::timeout(secs(1), &mut change).await;
    assert_eq!(answered.expect("answered").unwrap(), Ok(()));

    // What was answered is known to whoever comes next.
    leader.die().await;
    let next = country.elect().await;
    let view = next.until(|view| view.run(&run).is_some_and(|run| run.users_wanted == Some(20)));
    view.await;
}

#[tokio::test(start_paused = true)]
async fn a_deposed_coordinator_falls_silent_and_ends_nothing() {
    let mut country = Country::new(&["a"], CALM, 10, 1);
    let old = country.elect().await;
    let run = old.start(plan(20), 1).await.unwrap();
    old.until(|view| view.run(&run).is_some_and(|run| run.elapsed >= secs(5))).await;
    let (handle, asked) = (old.handle.clone(), run.clone());
    let waiting = tokio::spawn(async move { handle.finished(&asked).await });
    let view = old.handle.view();
    let new = country.elect().await; // while the old one still acts
    tokio::time::timeout(secs(10), old.task).await.expect("it ends by itself").unwrap();
    assert_eq!(waiting.await.unwrap().unwrap_err(), ControlError::Closed);
    assert!(view.borrow().deposed);
    assert_eq!(view.borrow().run(&run).unwrap().state, RunState::Running);
    let report = new.handle.finished(&run).await.unwrap();
    assert_eq!(
        (report.ended.clone(), &report.statistics),
        (EndReason::Completed, &truth(&["a"], 20))
    );
}

#[tokio::test(start_paused = true)]
async fn who_hands_over_ends_no_run_and_loses_nothing() {
    let mut country = Country::new(&["a", "b"], CALM, 10, 1);
    let config = CoordinatorConfig { at_end: AtEnd::HandOver, ..CoordinatorConfig::default() };
    let clock = Arc::new(country.clock);
    let leader = country.elect_with(config, clock, Arc::new(NoShapes)).await;
    let run = leader.start(plan(30), 2).await.unwrap();
    leader.until(|view| view.run(&run).is_some_and(|run| run.elapsed >= secs(11))).await;
    let merged = leader.handle.view().borrow().run(&run).unwrap().collection.merged;
    leader.stop.cancel();
    leader.task.await.unwrap();
    let next = country.elect().await;
    let view = next.until(|view| view.run(&run).is_some()).await;
    assert!(view.run(&run).unwrap().collection.merged >= merged, "the last numbers were saved");
    let report = next.handle.finished(&run).await.unwrap();
    assert_eq!(report.ended, EndReason::Completed);
    assert_eq!(report.statistics, truth(&["a", "b"], 30));
}

#[tokio::test(start_paused = true)]
async fn a_wall_clock_that_is_wrong_by_hours_ends_no_run() {
    for ahead in [0, 7_200] {
        let clock = FakeClock::new();
        let (first, second) = (clock.ahead(secs(7_200 - ahead)), clock.ahead(secs(ahead)));
        let mut country = Country::with_clock(first, &["a"], CALM, 10, 1);
        let (config, shapes) = (CoordinatorConfig::default(), Arc::new(NoShapes));
        let leader = country.elect_with(config.clone(), Arc::new(first), shapes.clone()).await;
        let run = leader.start(plan(30), 1).await.unwrap();
        leader.until(|view| view.run(&run).is_some_and(|run| run.elapsed >= secs(10))).await;
        leader.die().await;
        let next = country.elect_with(config, Arc::new(second), shapes).await;
        let view = next.until(|view| view.run(&run).is_some()).await;
        let elapsed = view.run(&run).unwrap().elapsed;
        assert!((secs(10)..secs(12)).contains(&elapsed), "{elapsed:?}");
        let report = next.handle.finished(&run).await.unwrap();
        assert_eq!(report.ended, EndReason::Completed);
        assert_eq!(report.statistics, truth(&["a"], 30));
    }
}

#[tokio::test(start_paused = true)]
async fn statistics_that_began_anew_stay_so() {
    let mut country = Country::new(&["a"], CALM, 10, 1);
    let leader = country.elect().await;
    let run = leader.start(plan(20), 1).await.unwrap();
    leader.until(|view| view.run(&run).is_some_and(|run| run.elapsed >= secs(8))).await;
    leader.handle.reset(&run).await.unwrap();
    leader.die().await; // before the next checkpoint
    let next = country.elect().await;
    let report = next.handle.finished(&run).await.unwrap();
    let from = report.view.counted_from.as_secs();
    assert!((9..=10).contains(&from), "{from}");
    let mut expected = Statistics::default();
    for seq in from + 1..=20 {
        expected.merge(measured(&worker("a"), seq).statistics);
    }
    assert_eq!(report.statistics, expected);
}

#[tokio::test(start_paused = true)]
async fn a_stopped_run_is_stopped_by_the_next_leader_too() {
    let mut country = Country::new(&["a"], CALM, 50, 1);
    let leader = country.elect().await;
    let run = leader.start(plan(3600), 1).await.unwrap();
    leader.until(|view| view.run(&run).is_some_and(|run| run.elapsed >= secs(5))).await;
    leader.handle.stop(&run, StopMode::Graceful).await.unwrap();
    leader.die().await;
    let next = country.elect().await;
    let report = next.handle.finished(&run).await.unwrap();
    assert_eq!(report.ended, EndReason::StoppedByUser);
    assert_eq!(report.statistics, truth(&["a"], report.view.collection.merged));
}

/// Two users more each second, up to eight; then the end.
struct Stairs;

impl LoadShape for Stairs {
    fn tick(
        &mut self,
        now: ShapeNow,
    ) -> futures_util::future::BoxFuture<'_, Result<Option<ShapeTarget>, String>> {
        let users = 2 * (now.elapsed.as_secs() as u32 + 1);
        let target = (users <= 16).then_some(ShapeTarget { users, spawn_rate: 1000.0 });
        Box::pin(async move { Ok(target) })
    }
}

struct Factory;

impl ShapeFactory for Factory {
    fn make(
        &self,
        _: &RunPlan,
    ) -> futures_util::future::BoxFuture<'_, Result<Option<Box<dyn LoadShape>>, String>> {
        Box::pin(async {
            let shape: Box<dyn LoadShape> = Box::new(Stairs);
            Ok(Some(shape))
        })
    }
}

#[tokio::test(start_paused = true)]
async fn a_load_shape_goes_on_under_the_next_leader() {
    let mut country = Country::new(&["a"], CALM, 10, 1);
    let (config, clock) = (CoordinatorConfig::default(), Arc::new(country.clock));
    let leader = country.elect_with(config.clone(), clock.clone(), Arc::new(Factory)).await;
    let users = Curve { start: 0.0, stages: Vec::new(), hold: true };
    let shaped = plan_of(Load::Shaped { users }, None);
    let run = leader.start(shaped, 1).await.unwrap();
    leader.until(|view| view.run(&run).is_some_and(|run| run.elapsed >= secs(4))).await;
    leader.die().await;
    let next = country.elect_with(config, clock, Arc::new(Factory)).await;
    let wants =
        |users| move |view: &FleetView| view.runs.iter().any(|run| run.users_wanted == Some(users));
    // What the shape says holds from a moment ahead on, so of its last word nothing is seen.
    next.until(wants(12)).await;
    next.until(wants(14)).await;
    let report = next.handle.finished(&run).await.unwrap();
    assert_eq!((&report.ended, report.view.run.clone()), (&EndReason::Completed, run_id()));
    assert!((secs(8)..secs(10)).contains(&report.view.elapsed), "{:?}", report.view.elapsed);
}
