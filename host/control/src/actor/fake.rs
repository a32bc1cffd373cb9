//! Workers that follow assignments as real ones do, but make up their measurements; and a
//! network that delays, repeats, reorders and loses what they say.

#![allow(clippy::unwrap_used)]

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use futures_util::future::BoxFuture;
use loadhost_model::id::{Incarnation, RunId, Term, WorkerId};
use loadhost_model::interval::Interval;
use loadhost_model::wire::{Assignment, Report, Step, WorkerState, WorkerStatus};
use tokio::sync::{mpsc, watch};
use tokio::time::{Instant, sleep, sleep_until};

use crate::ports::{Clock, Fleet, FleetError};
use crate::testing::{self, status};

/// Wall time that follows tokio's, so that a paused clock pauses both.
#[derive(Clone, Copy)]
pub(super) struct FakeClock {
    zero: Instant,
    ahead: Duration,
}

impl FakeClock {
    pub(super) fn new() -> Self {
        Self { zero: Instant::now(), ahead: Duration::ZERO }
    }

    /// The clock of a machine that is this far ahead.
    pub(super) fn ahead(self, ahead: Duration) -> Self {
        Self { ahead, ..self }
    }

    fn instant(self, wall: u64) -> Instant {
        self.zero + Duration::from_micros(wall) - self.ahead
    }
}

impl Clock for FakeClock {
    fn wall_micros(&self) -> u64 {
        (self.zero.elapsed() + self.ahead).as_micros() as u64
    }
}

/// A small pseudo-random sequence, the same for the same seed.
#[derive(Debug, Clone)]
pub(super) struct Dice(u64);

impl Dice {
    pub(super) fn new(seed: u64) -> Self {
        Self(seed.wrapping_mul(0x9E37_79B9_7F4A_7C15) | 1)
    }

    pub(super) fn below(&mut self, bound: u64) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        (self.0 >> 11) % bound.max(1)
    }

    fn chance(&mut self, percent: u64) -> bool {
        self.below(100) < percent
    }
}

/// How bad the network is.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Weather {
    /// Longest delay of a message, in milliseconds.
    pub(super) delay: u64,
    /// Percentage of messages that come twice.
    pub(super) twice: u64,
    /// Percentage of statuses that never come, and of assignments that fail at first.
    pub(super) lost: u64,
}

/// What a fake worker does wrong.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(super) enum Fault {
    #[default]
    None,
    /// Never becomes ready.
    NeverReady,
    /// Falls silent in the run after so many intervals.
    Dies(u64),
    /// The scenario aborts after so many intervals.
    Aborts(u64),
}

/// The fleet's side of the network.
pub(super) struct FakeFleet {
    inboxes: Mutex<BTreeMap<WorkerId, watch::Sender<Option<Assignment>>>>,
    dice: Mutex<Dice>,
    weather: Weather,
}

impl FakeFleet {
    pub(super) fn new(weather: Weather, seed: u64) -> Arc<Self> {
        Arc::new(Self { inboxes: Mutex::default(), dice: Mutex::new(Dice::new(seed)), weather })
    }

    /// Starts a worker; it ends when the coordinator no longer listens.
    pub(super) fn join(
        &self,
        name: &str,
        clock: FakeClock,
        reports: mpsc::Sender<Report>,
        fault: Fault,
    ) {
        let id = testing::worker(name);
        let (sender, inbox) = watch::channel(None);
        self.inboxes.lock().unwrap().insert(id.clone(), sender);
        let seed = name
            .bytes()
            .fold(self.dice.lock().unwrap().below(1 << 40), |sum, b| sum * 31 + u64::from(b));
        let network = Network { reports, weather: self.weather, dice: Dice::new(seed) };
        let worker = FakeWorker {
            id,
            incarnation: Incarnation(1),
            clock,
            network,
            fault,
            applied: (Term(0), 0),
            run: None,
            state: WorkerState::Idle,
            seq: 0,
        };
        tokio::spawn(worker.live(inbox));
    }
}

impl Fleet for FakeFleet {
    fn assign(
        &self,
        worker: &WorkerId,
        assignment: Assignment,
    ) -> BoxFuture<'_, Result<(), FleetError>> {
        let worker = worker.clone();
        let (delay, lost) = {
            let mut dice = self.dice.lock().unwrap();
            (dice.below(self.weather.delay + 1), dice.chance(self.weather.lost))
        };
        Box::pin(async move {
            sleep(Duration::from_millis(delay)).await;
            if lost {
                return Err(FleetError::Undelivered { worker, reason: "weather".to_string() });
            }
            let inboxes = self.inboxes.lock().unwrap();
            let inbox = inboxes.get(&worker).ok_or(FleetError::UnknownWorker(worker))?;
            inbox.send_replace(Some(assignment));
            Ok(())
        })
    }
}

/// A worker's side of the network.
struct Network {
    reports: mpsc::Sender<Report>,
    weather: Weather,
    dice: Dice,
}

impl Network {
    fn send(&mut self, report: &Report) {
        let lossy = !matches!(report, Report::Interval(_));
        if lossy && self.dice.chance(self.weather.lost) {
            return;
        }
        let copies = 1 + u64::from(self.dice.chance(self.weather.twice));
        for _ in 0..copies {
            let delay = Duration::from_millis(self.dice.below(self.weather.delay + 1));
            let (reports, report) = (self.reports.clone(), report.clone());
            tokio::spawn(async move {
                sleep(delay).await;
                drop(reports.send(report).await);
            });
        }
    }
}

struct FakeWorker {
    id: WorkerId,
    incarnation: Incarnation,
    clock: FakeClock,
    network: Network,
    fault: Fault,
    applied: (Term, u64),
    run: Option<RunId>,
    state: WorkerState,
    seq: u64,
}

impl FakeWorker {
    async fn live(mut self, mut inbox: watch::Receiver<Option<Assignment>>) {
        let mut heartbeat = tokio::time::interval(Duration::from_secs(1));
        // The run's start, and the number of whole seconds that it lasts.
        let mut load: Option<(Instant, u64)> = None;
        while !self.network.reports.is_closed() {
            let next = load.map(|(start, _)| start + Duration::from_secs(self.seq + 1));
            tokio::select! {
                _ = heartbeat.tick() => self.say(),
                changed = inbox.changed() => {
                    let Some(assignment) = inbox.borrow_and_update().clone() else { continue };
                    if changed.is_err() {
                        return;
                    }
                    if (assignment.term, assignment.generation) > self.applied {
                        self.apply(assignment, &mut load);
                        self.say();
                    }
                }
                () = sleep_until(next.unwrap_or_else(Instant::now)), if next.is_some() => {
                    self.measure();
                    let seconds = load.map_or(0, |(_, seconds)| seconds);
                    match self.fault {
                        Fault::Dies(after) if self.seq >= after => return,
                        Fault::Aborts(after) if self.seq >= after => {
                            load = None;
                            self.fail("abort-run", "stock is empty");
                        }
                        _ if self.seq >= seconds => {
                            load = None;
                            self.state = WorkerState::Stopped { last_seq: self.seq };
                            self.say();
                        }
                        _ => {}
                    }
                }
            }
        }
    }

    fn apply(&mut self, assignment: Assignment, load: &mut Option<(Instant, u64)>) {
        self.applied = (assignment.term, assignment.generation);
        let Some(work) = assignment.work else {
            (self.run, self.state, self.seq, *load) = (None, WorkerState::Idle, 0, None);
            return;
        };
        self.run = Some(work.plan.run.clone());
        let length = work.plan.profile.length().map_or(u64::MAX, |length| length.as_secs());
        self.state = match work.step {
            Step::Prepare if self.fault == Fault::NeverReady => WorkerState::Preparing,
            Step::Prepare => WorkerState::Ready,
            Step::Setup => WorkerState::SetUp { data: "data".into() },
            // A repetition changes nothing, neither while it runs nor after its end.
            Step::Run { .. } if matches!(self.state, WorkerState::Stopped { .. }) => {
                self.state.clone()
            }
            Step::Run { start, .. } => {
                load.get_or_insert((self.clock.instant(start), length)).1 = length;
                WorkerState::Running
            }
            Step::Stop { .. } => {
                *load = None;
                WorkerState::Stopped { last_seq: self.seq }
            }
            Step::Teardown { .. } => WorkerState::TornDown,
        };
    }

    fn fail(&mut self, code: &str, message: &str) {
        self.state = WorkerState::Failed { code: code.into(), message: message.into() };
        self.say();
    }

    fn say(&mut self) {
        let status = WorkerStatus {
            applied: self.applied,
            run: self.run.clone(),
            ..status(&self.id, self.incarnation.0, self.state.clone())
        };
        self.network.send(&Report::Status(status));
    }

    /// Request times follow from worker and second, so that a test can make them again.
    fn measure(&mut self) {
        self.seq += 1;
        let Some(run) = self.run.clone() else { return };
        let interval = Interval { run, ..measured(&self.id, self.seq) };
        self.network.send(&Report::Interval(Box::new(interval)));
    }
}

/// What a fake worker measures in its second `seq`.
pub(super) fn measured(worker: &WorkerId, seq: u64) -> Interval {
    let base = worker.as_str().bytes().map(u64::from).sum::<u64>() * 10;
    testing::interval(
        worker,
        seq,
        &[("/", &[base + seq, base * 2, base * 30]), ("/buy", &[base + 100 * seq])],
    )
}
