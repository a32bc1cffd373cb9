//! One worker's intervals in one run: whole seconds since its start, numbered without gaps.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use loadhost_model::id::{Incarnation, RunId, Term, WorkerId};
use loadhost_model::interval::Interval;
use loadhost_model::wire::Report;
use tokio::sync::mpsc;
use tokio::time::Instant;

use super::activity::Activity;
use crate::load::clock::RunClock;
use crate::load::loader::Loader;
use crate::load::vu::VuFactory;

/// The length of an interval, and the grid that all workers cut theirs on.
const SECOND: Duration = Duration::from_secs(1);

/// How the shards did.
#[derive(Debug, Clone, Copy)]
pub(super) struct Pace {
    /// 0 to 1 over all of them.
    pub(super) cpu: f64,
    /// How late a timer fired at worst, in microseconds.
    pub(super) lag: u64,
}

/// Cuts intervals and sends them.
#[derive(Debug)]
pub(super) struct Intervals {
    run: RunId,
    worker: WorkerId,
    incarnation: Incarnation,
    clock: RunClock,
    reports: mpsc::Sender<Report>,
    /// Number of the last interval that was made.
    made: Arc<AtomicU64>,
    activity: Arc<Activity>,
    /// Of the last interval that was sent: where the next one begins.
    end: Duration,
    /// The second that is due next.
    due: Duration,
    /// When the recorders were drained last.
    drained: Instant,
}

impl Intervals {
    /// `made`: how many this process has made in this run before, which are counted on.
    pub(super) fn new(
        run: RunId,
        (worker, incarnation): (WorkerId, Incarnation),
        clock: RunClock,
        reports: mpsc::Sender<Report>,
        (made, activity): (Arc<AtomicU64>, Arc<Activity>),
    ) -> Self {
        // A worker that joins late begins with the second that it comes in.
        let begin = Duration::from_secs(clock.elapsed().as_secs());
        let (end, due) = (begin, begin + SECOND);
        let drained = Instant::now();
        Self { run, worker, incarnation, clock, reports, made, activity, end, due, drained }
    }

    /// When the next interval is due.
    pub(super) fn next_due(&self) -> Instant {
        self.clock.instant(self.due)
    }

    /// Sends the interval that is due. If there is no room for it, nothing is drained: the next
    /// interval will have it all, and so loses and doubles nothing. How the shards did in the interval,
    /// if it was sent.
    pub(super) fn cut<F: VuFactory>(&mut self, loader: &mut Loader<F>, term: Term) -> Option<Pace> {
        let now = Duration::from_secs(self.clock.elapsed().as_secs());
        let end = now.max(self.due);
        self.due = end + SECOND;
        let reports = self.reports.clone();
        let Ok(permit) = reports.try_reserve() else {
            tracing::warn!(?end, "interval waits: its receiver is behind");
            return None;
        };
        let interval = self.interval(loader, term, end, false);
        let health = &interval.statistics.health;
        let pace = Pace { cpu: health.cpu, lag: health.loop_lag.max().unwrap_or(0) };
        permit.send(Report::Interval(Box::new(interval)));
        Some(pace)
    }

    /// Sends the last interval, and waits for room for it.
    pub(super) async fn cut_last<F: VuFactory>(&mut self, loader: &mut Loader<F>, term: Term) {
        let end = self.clock.elapsed().max(self.end);
        let interval = self.interval(loader, term, end, true);
        if self.reports.send(Report::Interval(Box::new(interval))).await.is_err() {
            tracing::warn!("nobody takes the last interval");
        }
    }

    fn interval<F: VuFactory>(
        &mut self,
        loader: &mut Loader<F>,
        term: Term,
        end: Duration,
        last: bool,
    ) -> Interval {
        let now = Instant::now();
        let span = now.saturating_duration_since(std::mem::replace(&mut self.drained, now));
        let users = loader.users();
        let statistics = loader.drain(span);
        self.activity.add(&statistics);
        let seq = self.made.fetch_add(1, Ordering::Relaxed) + 1;
        Interval {
            run: self.run.clone(),
            worker: self.worker.clone(),
            incarnation: self.incarnation,
            seq,
            term,
            begin: std::mem::replace(&mut self.end, end),
            end,
            users,
            statistics,
            last,
        }
    }
}
