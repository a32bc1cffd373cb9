//! One run from this worker's side: goes as far as the coordinator wants.

mod editions;

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use loadhost_model::id::{Digest, Term};
use loadhost_model::wire::{LogLine, Report, Step, StopMode, Work, WorkerState, WorkerStatus};
use tokio::sync::{Notify, mpsc, watch};
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use super::intervals::{Intervals, Pace};
use super::once::{Hook, Once};
use super::workshop::{PrepareError, Stage, Workshop};
use super::{AgentConfig, instant_of};
use crate::capacity::resident_bytes;
use crate::load::clock::RunClock;
use crate::load::governor::Governor;
use crate::load::loader::{LoadSetup, Loader};
use crate::load::log::{QUEUED_LINES, tell};
use crate::load::pulse::Pulse;
use crate::load::team::Abort;
use crate::shared::Commons;
use editions::Editions;

/// Why a worker cannot go on with counted iterations.
const BEGUN_TWICE: &str = "it heard no leader for too long and stopped its load, and counted iterations are not begun twice; \
    keep a master up, or give the workers a longer `--dead-man`";

/// The assignment to follow.
#[derive(Debug, Clone)]
pub(super) struct Wanted {
    pub(super) applied: (Term, u64),
    pub(super) work: Work,
    /// When the last reading of it began, if one was asked for: nothing was newer by then.
    pub(super) read: Option<Instant>,
}

/// What ties a job to its agent.
pub(super) struct Ties {
    pub(super) reports: mpsc::Sender<Report>,
    pub(super) clock_offset: watch::Receiver<i64>,
    /// Has the assignment read anew.
    pub(super) ask: Option<Arc<Notify>>,
    pub(super) status: watch::Sender<WorkerStatus>,
    pub(super) wanted: watch::Receiver<Wanted>,
    /// Set once the job is to end, whatever is wanted.
    pub(super) end: watch::Receiver<Option<StopMode>>,
    /// Intervals made in this run, by former jobs of this process as well.
    pub(super) made: Arc<AtomicU64>,
    /// What the users of the whole run share.
    pub(super) shared: Arc<Commons>,
}

type LoaderOf<W> = Loader<<<W as Workshop>::Stage as Stage>::Factory>;

pub(super) struct Job<W: Workshop> {
    config: Arc<AgentConfig>,
    workshop: Arc<W>,
    reports: mpsc::Sender<Report>,
    clock_offset: watch::Receiver<i64>,
    ask: Option<Arc<Notify>>,
    status: watch::Sender<WorkerStatus>,
    wanted: watch::Receiver<Wanted>,
    end: watch::Receiver<Option<StopMode>>,
    made: Arc<AtomicU64>,
    shared: Arc<Commons>,
    /// When it joined a run that was under way already: what was due before was its predecessor's.
    joined: Option<Instant>,
    logs: mpsc::Sender<LogLine>,
    /// Of the version that is used, or was last.
    prepared: Option<(Digest, Result<W::Stage, PrepareError>)>,
    set_up: Option<Result<Arc<str>, Arc<str>>>,
    /// Why the load ended, until somebody orders the end.
    aborted: Option<Abort>,
    /// `teardown` is called once, however often it is asked for.
    torn_down: Option<Result<(), Arc<str>>>,
    /// Once the load is over: the number of its last interval.
    last_seq: Option<u64>,
}

impl<W: Workshop> Job<W> {
    pub(super) fn new(config: Arc<AgentConfig>, workshop: Arc<W>, ties: Ties) -> Self {
        let Ties { reports, clock_offset, ask, status, wanted, end, made, shared } = ties;
        let is_late = matches!(wanted.borrow().work.step, Step::Run { .. });
        let joined = is_late.then(Instant::now);
        let (logs, lines) = mpsc::channel(QUEUED_LINES);
        tokio::spawn(forward(lines, reports.clone())); // ends with the last sender, which is this job's
        Self {
            config,
            workshop,
            reports,
            clock_offset,
            ask,
            status,
            wanted,
            end,
            made,
            shared,
            joined,
            logs,
            prepared: None,
            set_up: None,
            aborted: None,
            torn_down: None,
            last_seq: None,
        }
    }

    /// Until it is told to end.
    pub(super) async fn run(mut self) {
        loop {
            let wanted = self.wanted.borrow_and_update().clone();
            match &wanted.work.step {
                Step::Prepare => self.prepare(&wanted).await,
                Step::Setup => self.set_up(&wanted).await,
                Step::Run { start, setup_data } => {
                    self.load(&wanted, *start, Arc::clone(setup_data)).await;
                }
                Step::Stop { .. } => self.stopped(&wanted),
                Step::Teardown { setup_data } => {
                    self.tear_down(&wanted, Arc::clone(setup_data)).await;
                }
            }
            tokio::select! {
                biased;
                _ = self.end.wait_for(Option::is_some) => return,
                changed = self.wanted.changed() => if changed.is_err() { return },
            }
        }
    }

    fn enter(&self, wanted: &Wanted, state: WorkerState) {
        self.status.send_modify(|status| {
            status.applied = wanted.applied;
            status.share_from = status.share_from.max(wanted.work.share_from);
            status.state = state;
            *status.shared = self.shared.word(Instant::now());
        });
    }

    fn fail(&self, wanted: &Wanted, code: impl Into<Arc<str>>, message: impl Into<Arc<str>>) {
        self.enter(wanted, WorkerState::Failed { code: code.into(), message: message.into() });
    }

    fn stopped(&mut self, wanted: &Wanted) {
        let last_seq = self.end_load();
        self.enter(wanted, WorkerState::Stopped { last_seq });
    }

    /// From here on no load is made any more. The number of the last interval.
    fn end_load(&mut self) -> u64 {
        self.shared.close();
        *self.last_seq.get_or_insert(self.made.load(Ordering::Relaxed))
    }

    async fn prepare(&mut self, wanted: &Wanted) {
        if self.stage(wanted).await.is_some() {
            self.enter(wanted, WorkerState::Ready);
        }
    }

    /// The scenario, made ready. None, and the state is set, if that failed; None as well if
    /// something else is wanted before it is done.
    async fn stage(&mut self, wanted: &Wanted) -> Option<W::Stage> {
        let module = wanted.work.plan.module;
        if self.prepared.as_ref().is_none_or(|(prepared, _)| *prepared != module) {
            self.prepared = None;
            self.enter(wanted, WorkerState::Preparing);
            let plan = Arc::clone(&wanted.work.plan);
            let users = users_of(&wanted.work);
            let workshop = Arc::clone(&self.workshop);
            let prepared = match self.check_room(users) {
                Err(error) => Err(error),
                Ok(()) => tokio::select! {
                    prepared = workshop.prepare(plan, users) => prepared,
                    () = self.stop_wanted() => return None,
                },
            };
            self.prepared = Some((module, prepared));
        }
        match &self.prepared.as_ref()?.1 {
            Ok(stage) => {
                self.say_room(stage);
                Some(stage.clone())
            }
            Err(error) => {
                self.fail(wanted, Arc::clone(&error.code), Arc::clone(&error.message));
                None
            }
        }
    }

    fn say_room(&self, stage: &W::Stage) {
        let room = self.config.capacity(stage.room());
        self.status.send_if_modified(|status| {
            status.capacity = room;
            false // goes out with the next state
        });
    }

    fn check_room(&self, users: u32) -> Result<(), PrepareError> {
        match self.config.max_users {
            Some(most) if users > most => Err(PrepareError {
                code: "capacity".into(),
                message: format!(
                    "worker `{}` is to run {users} users but takes {most} at most; add workers, or raise \
                     its `--max-users`",
                    self.config.worker
                )
                .into(),
            }),
            _ => Ok(()),
        }
    }

    /// Resolves when the run is to be stopped. Waiting for one thing passes over all others, so it is done beside
    /// the job's own receivers: what is wanted else meanwhile is still news to it.
    async fn stop_wanted(&mut self) {
        let (mut wanted, mut end) = (self.wanted.clone(), self.end.clone());
        let is_stop =
            |wanted: &Wanted| matches!(wanted.work.step, Step::Stop { .. } | Step::Teardown { .. });
        tokio::select! {
            stop = wanted.wait_for(is_stop) => drop(stop),
            end = end.wait_for(Option::is_some) => drop(end),
        }
    }

    async fn set_up(&mut self, wanted: &Wanted) {
        let Some(stage) = self.stage(wanted).await else { return };
        if self.set_up.is_none() {
            self.enter(wanted, WorkerState::Preparing);
            let interrupt = CancellationToken::new();
            let once = self.once(wanted, stage, Hook::Setup, interrupt.clone());
            let mut once = Box::pin(once.run());
            let answer = tokio::select! {
                answer = &mut once => answer,
                () = self.stop_wanted() => {
                    interrupt.cancel();
                    once.await
                }
            };
            self.set_up = Some(answer.map_err(Into::into));
        }
        match self.set_up.clone() {
            Some(Ok(data)) => self.enter(wanted, WorkerState::SetUp { data }),
            Some(Err(message)) => self.fail(wanted, "setup", message),
            None => {}
        }
    }

    async fn tear_down(&mut self, wanted: &Wanted, data: Arc<str>) {
        self.end_load();
        let Some((_, Ok(stage))) = self.prepared.clone() else {
            return self.enter(wanted, WorkerState::TornDown);
        };
        if self.torn_down.is_none() {
            let once = self.once(wanted, stage, Hook::Teardown(data), CancellationToken::new());
            self.torn_down = Some(once.run().await.map(drop).map_err(Into::into));
        }
        match self.torn_down.clone() {
            Some(Err(message)) => self.fail(wanted, "teardown", message),
            _ => self.enter(wanted, WorkerState::TornDown),
        }
    }

    fn once(
        &self,
        wanted: &Wanted,
        stage: W::Stage,
        hook: Hook,
        interrupt: CancellationToken,
    ) -> Once<W::Stage> {
        Once {
            stage,
            hook,
            plan: Arc::clone(&wanted.work.plan),
            worker: self.config.worker.clone(),
            place: wanted.work.share.place(),
            logs: self.logs.clone(),
            shared: Arc::clone(&self.shared),
            interrupt,
        }
    }

    /// Makes load until it is over by itself or by order.
    async fn load(&mut self, wanted: &Wanted, start: u64, setup_data: Arc<str>) {
        if self.last_seq.is_some() {
            // Another leader asks, who may not have heard how it ended.
            return match self.aborted.clone() {
                Some(abort) => self.fail(wanted, abort.code, abort.message),
                None => self.stopped(wanted),
            };
        }
        let is_begun = self.made.load(Ordering::Relaxed) > 0;
        if is_begun && !wanted.work.plan.profile.is_timed() {
            return self.fail(wanted, "begun-twice", BEGUN_TWICE);
        }
        let Some(stage) = self.stage(wanted).await else { return };
        let clock = RunClock::starting_at(instant_of(start, &self.clock_offset));
        let workshop = Arc::clone(&self.workshop);
        let editions = Editions::new(workshop, wanted.work.plan.module, &stage);
        let setup = LoadSetup {
            plan: Arc::clone(&wanted.work.plan),
            description: stage.description(),
            worker: self.config.worker.clone(),
            share: wanted.work.share.clone(),
            share_from: self.share_since(start, &clock, wanted),
            shards: self.config.shards,
            clock,
            setup_data,
            logs: self.logs.clone(),
            shared: Arc::clone(&self.shared),
            pulse: Arc::new(self.ask.clone().map_or_else(Pulse::default, Pulse::asking)),
        };
        let pulse = Arc::clone(&setup.pulse);
        match Loader::start(setup, move |context| stage.factory(context)) {
            Ok(loader) => self.follow(wanted, (loader, editions), (start, clock), &pulse).await,
            Err(error) => self.fail(wanted, "load", error.to_string()),
        }
    }

    /// From when on it has its first share.
    fn share_since(&self, start: u64, clock: &RunClock, wanted: &Wanted) -> Duration {
        let from = since(start, wanted.work.share_from);
        let joined = self.joined.map_or(0, |joined| clock.at(joined).as_micros());
        let joined = u64::try_from(joined).unwrap_or(u64::MAX);
        if from >= Duration::from_micros(joined) {
            return from;
        }
        self.status.send_if_modified(|status| {
            status.share_from = start.saturating_add(joined);
            false // goes out with the next state
        });
        Duration::from_micros(joined)
    }

    async fn follow(
        &mut self,
        wanted: &Wanted,
        (mut loader, mut editions): (LoaderOf<W>, Editions<W>),
        (start, clock): (u64, RunClock),
        pulse: &Pulse,
    ) {
        let plan = &wanted.work.plan;
        let source = (self.config.worker.clone(), self.config.incarnation);
        let counts = (Arc::clone(&self.made), Arc::clone(&self.config.activity));
        let reports = self.reports.clone();
        let mut intervals = Intervals::new(plan.run.clone(), source, clock, reports, counts);
        let mut wanted = wanted.clone();
        let mut aborted: Option<Abort> = None;
        let mut governor = Governor::new(self.config.ceilings);
        editions.want(&wanted.work, users_of(&wanted.work));
        self.enter(&wanted, WorkerState::Running);
        let team = Arc::clone(loader.team());
        loop {
            tokio::select! {
                biased;
                () = tokio::time::sleep_until(intervals.next_due()) => {
                    let pace = intervals.cut(&mut loader, wanted.applied.0);
                    self.show(&loader, pace);
                    self.say_editions(&wanted.work, &editions, &loader);
                    let used = pace.map_or(self.status.borrow().cpu, |pace| pace.cpu);
                    let (allowed, cap) = governor.look(used, resident_bytes());
                    loader.allow(allowed, cap);
                    self.note_end_of_time(&wanted, clock);
                }
                abort = team.aborted(), if aborted.is_none() => {
                    self.fail(&wanted, abort.code, Arc::clone(&abort.message));
                    aborted = Some(abort);
                    loader.stop(StopMode::Graceful);
                }
                Ok(()) = self.wanted.changed() => {
                    let new = self.wanted.borrow_and_update().clone();
                    let before = std::mem::replace(&mut wanted, new);
                    match &wanted.work.step {
                        // The same, read anew.
                        _ if wanted.applied == before.applied => {}
                        Step::Run { .. } => {
                            self.renew(&wanted, &mut editions, &loader);
                            self.amend(&wanted, &before.work, &mut loader, start);
                        }
                        step => self.obey(&wanted, step, &loader),
                    }
                    // The shards have been told, so what they have is as new as what was read.
                    wanted.read.into_iter().for_each(|began| pulse.was_read(began));
                }
                () = editions.made(), if editions.is_making() => {
                    self.renew(&wanted, &mut editions, &loader);
                }
                Ok(mode) = wait_for_end(&mut self.end) => loader.stop(mode),
                () = loader.ended() => break,
            }
        }
        intervals.cut_last(&mut loader, wanted.applied.0).await;
        self.show(&loader, None);
        self.end_load();
        let is_told = matches!(wanted.work.step, Step::Stop { .. } | Step::Teardown { .. });
        match aborted {
            // Told or not, the failure comes first: the coordinator answers it by a stop.
            Some(abort) if !is_told => self.aborted = Some(abort),
            _ => self.stopped(&wanted),
        }
        if matches!(wanted.work.step, Step::Teardown { .. }) {
            self.wanted.mark_changed();
        }
    }

    /// Goes on with the load and the share of a newer assignment.
    fn amend(&mut self, wanted: &Wanted, before: &Work, loader: &mut LoaderOf<W>, start: u64) {
        let profile = Arc::new(wanted.work.plan.profile.clone());
        let Work { share, share_from, .. } = &wanted.work;
        let is_new = (share, *share_from) != (&before.share, before.share_from);
        let from = since(start, *share_from);
        match loader.amend(&profile, share, from) {
            Err(error) => self.fail(wanted, "load", error.to_string()),
            Ok(begin) => self.status.send_modify(|status| {
                status.applied = wanted.applied;
                if is_new {
                    let begin_micros = u64::try_from(begin.as_micros()).unwrap_or(u64::MAX);
                    let later = start.saturating_add(begin_micros);
                    status.share_from = if begin > from { later } else { *share_from };
                }
            }),
        }
    }

    /// Does what a newer assignment of the same run wants of load that is to end.
    fn obey(&self, wanted: &Wanted, step: &Step, loader: &LoaderOf<W>) {
        match step {
            Step::Stop { mode } => {
                loader.stop(*mode);
                self.enter(wanted, WorkerState::Stopping);
            }
            Step::Teardown { .. } => {
                loader.stop(StopMode::Graceful);
                self.enter(wanted, WorkerState::Stopping);
            }
            // Where it is already implies these.
            Step::Prepare | Step::Setup | Step::Run { .. } => {}
        }
    }

    fn show(&self, loader: &LoaderOf<W>, pace: Option<Pace>) {
        let users = loader.users().values().sum();
        self.status.send_if_modified(|status| {
            if let Some(pace) = pace {
                (status.cpu, status.lag) = (pace.cpu, pace.lag);
            }
            status.users = users;
            false // for the next heartbeat; no reason to send one
        });
    }

    /// A run that has reached its length is stopping, though nobody said so.
    fn note_end_of_time(&self, wanted: &Wanted, clock: RunClock) {
        let is_over = wanted.work.plan.profile.length().is_some_and(|end| clock.elapsed() >= end);
        if is_over && self.status.borrow().state == WorkerState::Running {
            self.enter(wanted, WorkerState::Stopping);
        }
    }
}

/// Users of the whole run that are this worker's, at most.
fn users_of(work: &Work) -> u32 {
    let users = work.share.count_of(u64::from(work.plan.profile.planned_users_max()));
    u32::try_from(users).unwrap_or(u32::MAX)
}

/// From the start of the run to another moment of the coordinator's clock; zero if that was before.
fn since(start: u64, moment: u64) -> Duration {
    Duration::from_micros(moment.saturating_sub(start))
}

/// How the job is to end, each time that changes.
async fn wait_for_end(
    end: &mut watch::Receiver<Option<StopMode>>,
) -> Result<StopMode, watch::error::RecvError> {
    loop {
        end.changed().await?;
        if let Some(mode) = *end.borrow_and_update() {
            return Ok(mode);
        }
    }
}

/// Hands log lines on, to the log of this process as well, while the reports have room for twice as many: intervals come first. Lines
/// that come in meanwhile fill their own queue, and beyond it are dropped and counted there.
async fn forward(mut lines: mpsc::Receiver<LogLine>, reports: mpsc::Sender<Report>) {
    while let Some(line) = lines.recv().await {
        tell(&line);
        while reports.capacity() * 2 < reports.max_capacity() {
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
        if reports.try_send(Report::Log(line)).is_err() && reports.is_closed() {
            return;
        }
    }
}
