//! Merges the intervals of all workers into one picture of a run.
//!
//! Merging is idempotent and does not depend on the order in which intervals come: each is
//! known by its worker, process and number, and belongs to the second in which it began.

mod generators;
mod ledger;
mod recent;
mod rows;
mod saved;
mod shares;
mod sums;
mod timeline;
mod verdict;
mod wanted;

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use loadhost_model::description::Description;
use loadhost_model::id::WorkerId;
use loadhost_model::interval::{
    GaugeStats, HttpStats, Interval, SeriesCap, SeriesStats, Statistics,
};
use loadhost_model::metric::{Kind, SeriesKey};
use loadhost_model::plan::RunPlan;
use loadhost_model::threshold::USERS;
use serde::{Deserialize, Serialize};

pub(crate) use ledger::Ledger;
pub(crate) use wanted::Wanted;

use generators::Generators;
use recent::Recent;
use rows::Rates;
use shares::Shares;
use sums::Sums;
use timeline::{Timeline, WINDOW};
use verdict::{Evidence, Heard, Thresholds};

use crate::view::{Collection, Point, RunView, TAIL, ThresholdView};

/// Name of the sum of all requests, as in Locust's files.
const AGGREGATED: &str = "Aggregated";
/// A worker that is this far behind the others is no longer waited for.
const PATIENCE: Duration = Duration::from_secs(3);
/// After the end of a second: whoever has not spoken of it by then does not keep a run from being aborted.
const GRACE: Duration = Duration::from_millis(500);

/// What the newest interval of a worker says of its users.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
struct WorkerUsers {
    end: Duration,
    users: BTreeMap<Arc<str>, u32>,
}

/// The numbers of one run.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub(crate) struct Aggregate {
    pub(crate) ledger: Ledger,
    counted_from: Duration,
    /// End of the newest interval.
    end: Duration,
    /// Since when no more load is made, once that is decided.
    load_end: Option<Duration>,
    totals: Statistics,
    sum: HttpStats,
    /// Of the totals: what ended after the whole seconds in which load was made.
    after: Statistics,
    recent: Recent,
    timeline: Timeline,
    generators: Generators,
    thresholds: Thresholds,
    shares: Shares,
    users: BTreeMap<WorkerId, WorkerUsers>,
    users_gauge: Option<GaugeStats>,
    /// Seconds before this one are shown: all workers have spoken of them.
    through: u64,
    /// Up to here all workers that make load have spoken, however late one of them is.
    #[serde(default)]
    spoken: Duration,
}

impl Aggregate {
    pub(crate) fn new(plan: &RunPlan, description: &Description) -> Self {
        Self {
            ledger: Ledger::default(),
            counted_from: plan.warm_up.map_or(Duration::ZERO, whole_seconds),
            end: Duration::ZERO,
            load_end: None,
            totals: Statistics::default(),
            sum: HttpStats::default(),
            after: Statistics::default(),
            recent: Recent::default(),
            timeline: Timeline::default(),
            generators: Generators::default(),
            thresholds: Thresholds::new(&plan.thresholds),
            shares: shares::wanted(description, &plan.tasks),
            users: BTreeMap::new(),
            users_gauge: None,
            through: 0,
            spoken: Duration::ZERO,
        }
    }

    /// From now on users run tasks as this version of the scenario says.
    pub(crate) fn describe(&mut self, plan: &RunPlan, description: &Description) {
        self.shares = shares::wanted(description, &plan.tasks);
    }

    /// Merges an interval, unless it was merged before.
    pub(crate) fn take(&mut self, interval: Interval, plan: &RunPlan) {
        if !self.ledger.accept(&interval.worker, interval.incarnation, interval.seq) {
            return;
        }
        if interval.last {
            self.ledger.end(&interval.worker, interval.incarnation, interval.seq);
        }
        if is_blank(&interval) {
            return;
        }
        let sums = Sums::of(&interval.statistics);
        self.ledger.count(&interval.worker, interval.incarnation, sums.iterations);
        if interval.begin.as_secs() < self.through {
            self.ledger.count_late();
        }
        let counted = interval.begin >= self.counted_from;
        self.timeline.take(&interval, &sums, |at| Wanted::at(&plan.profile, at));
        self.generators.judge(&interval, &mut self.timeline);
        self.recent.take(&interval);
        self.end = self.end.max(interval.end);
        if counted {
            self.sum.merge(&sums.http);
            let cap = SeriesCap::from(&plan.limits);
            self.totals.merge_within(&interval.statistics, cap);
            let load_end = self.load_end.or(plan.profile.length());
            if load_end.is_some_and(|end| interval.begin.as_secs() >= end.as_secs()) {
                self.after.merge_within(&interval.statistics, cap);
            }
        }
        let users = self.users.entry(interval.worker).or_default();
        if interval.end >= users.end {
            *users = WorkerUsers { end: interval.end, users: interval.users };
        }
    }

    /// Statistics begin anew with the next whole second. History stays, and is marked.
    pub(crate) fn reset(&mut self, elapsed: Duration) {
        self.counted_from = self.counted_from.max(whole_seconds(elapsed));
        self.totals = Statistics::default();
        self.sum = HttpStats::default();
        self.after = Statistics::default();
        self.users_gauge = None;
    }

    /// The same, unless it was done already: a reset counts from when it was asked for.
    pub(crate) fn reset_once(&mut self, elapsed: Duration) {
        if self.counted_from < whole_seconds(elapsed) {
            self.reset(elapsed);
        }
    }

    /// No more load is made from here on; what was begun comes to its end.
    pub(crate) fn end_load(&mut self, at: Duration) {
        self.load_end.get_or_insert(at);
    }

    /// Decides how far the picture is complete, given the workers that still make load. Without any it
    /// goes on with the time: no load is a figure as well.
    /// True if it got further.
    pub(crate) fn complete<'a>(
        &mut self,
        live: impl Iterator<Item = &'a WorkerId>,
        elapsed: Duration,
        plan: &RunPlan,
    ) -> bool {
        let spoken = live
            .map(|worker| self.users.get(worker).map_or(Duration::ZERO, |users| users.end))
            .min();
        // Who has just come has said nothing yet, which takes nothing back.
        self.spoken = self.spoken.max(spoken.unwrap_or(self.end));
        let patient = self.end.saturating_sub(PATIENCE);
        let alone = self.end.max(elapsed.saturating_sub(PATIENCE));
        let through = spoken.map_or(alone, |spoken| spoken.max(patient)).as_secs();
        let further = through > self.through;
        if further {
            self.timeline.fill(self.through..through, |at| Wanted::at(&plan.profile, at));
            self.through = through;
            self.recent.forget_before(self.window().start);
        }
        if further && Duration::from_secs(self.through) > self.counted_from {
            self.gauge_users();
        }
        further
    }

    /// Once a second: how many users there are.
    fn gauge_users(&mut self) {
        let now = f64::from(self.users());
        let at = self.through.saturating_mul(1_000_000);
        let gauge = GaugeStats { last: now, at, min: now, max: now };
        match &mut self.users_gauge {
            Some(known) => known.merge(gauge),
            None => self.users_gauge = Some(gauge),
        }
    }

    /// The run is over: what is here is all there will be.
    pub(crate) fn close(&mut self) {
        self.through = self.through.max(whole_seconds(self.end).as_secs());
    }

    /// Judges the thresholds. The text of one that asks to stop the run.
    pub(crate) fn judge(&mut self, elapsed: Duration) -> Option<String> {
        self.judge_by(elapsed, Heard::Everybody)
    }

    /// The same before a second is complete, if somebody has been silent about it for [`GRACE`]: by what the others
    /// measured, as far as that does not depend on who is heard.
    pub(crate) fn judge_held_up(&mut self, elapsed: Duration) -> Option<String> {
        let is_held_up = self.spoken < self.end && elapsed >= self.end.saturating_add(GRACE);
        if is_held_up { self.judge_by(elapsed, Heard::NotAll) } else { None }
    }

    fn judge_by(&mut self, elapsed: Duration, heard: Heard) -> Option<String> {
        let mut sum = Statistics::default();
        if self.sum.requests > 0 {
            let (name, tags, empty) = (AGGREGATED.into(), [].into(), Arc::<str>::from(""));
            let key = SeriesKey::Http { method: empty.clone(), name, tags, group: empty };
            sum.series.insert(key, SeriesStats::Http(Box::new(self.sum.clone())));
        }
        if let Some(gauge) = self.users_gauge {
            let (name, unit, tags) = (USERS.into(), "".into(), [].into());
            let key = SeriesKey::Custom { name, kind: Kind::Gauge, unit, tags };
            sum.series.insert(key, SeriesStats::Gauge(gauge));
        }
        let counted = self.counted();
        let load_time = self.load_time();
        let after = self.whole_load().map(|_| &self.after);
        let totals = &self.totals;
        let evidence = Evidence { totals, sum: &sum, after, load_time, counted, elapsed, heard };
        self.thresholds.judge(&evidence)
    }

    /// Time over which totals were measured.
    fn counted(&self) -> Duration {
        self.end.saturating_sub(self.counted_from)
    }

    /// The whole seconds in which load was made, if something outlasted it.
    ///
    /// Rates are over these seconds and what ended in them. The graceful tail would lower each rate, or
    /// raise it if what ends in the tail counted but not its time.
    fn whole_load(&self) -> Option<Duration> {
        let end = self.load_end.filter(|end| self.end > *end)?;
        let whole = Duration::from_secs(end.as_secs()).saturating_sub(self.counted_from);
        (!whole.is_zero()).then_some(whole)
    }

    /// The time that rates are over.
    fn load_time(&self) -> Duration {
        self.whole_load().unwrap_or_else(|| self.counted())
    }

    /// The last complete seconds.
    fn window(&self) -> std::ops::Range<u64> {
        self.through.saturating_sub(WINDOW)..self.through
    }

    /// Users running, by type, as the intervals say.
    fn users_by_type(&self) -> BTreeMap<Arc<str>, u32> {
        let mut sum: BTreeMap<Arc<str>, u32> = BTreeMap::new();
        for (name, count) in self.users.values().flat_map(|worker| &worker.users) {
            *sum.entry(name.clone()).or_default() += count;
        }
        sum
    }

    /// Requests per second and failed ones among them, in the last complete second.
    pub(crate) fn last_second(&self) -> (f64, f64) {
        let last = self.through.saturating_sub(1)..self.through;
        let (requests, failures) = self.timeline.counts_in(last);
        (requests as f64, crate::view::ratio(failures, requests))
    }

    /// How far the intervals of a worker reach.
    pub(crate) fn measured(&self, worker: &WorkerId) -> Duration {
        self.users.get(worker).map_or(Duration::ZERO, |users| users.end)
    }

    /// Whether the newest interval of a worker ended at `since` or later, without users.
    pub(crate) fn rests_since(&self, worker: &WorkerId, since: Duration) -> bool {
        let rests = |users: &WorkerUsers| {
            users.end >= since && users.users.values().all(|count| *count == 0)
        };
        self.users.get(worker).is_some_and(rests)
    }

    /// The worker is lost: nobody knows what its users do.
    pub(crate) fn forget_users(&mut self, worker: &WorkerId) {
        self.users.remove(worker);
    }

    /// Since when numbers count.
    pub(crate) fn counted_from(&self) -> Duration {
        self.counted_from
    }

    /// How far the numbers are complete.
    pub(crate) fn known(&self) -> Duration {
        Duration::from_secs(self.through)
    }

    /// Up to where all workers that make load have spoken.
    pub(crate) fn spoken(&self) -> Duration {
        self.spoken
    }

    /// Users running.
    pub(crate) fn users(&self) -> u32 {
        self.users.values().flat_map(|worker| worker.users.values()).sum()
    }

    pub(crate) fn collection(&self) -> Collection {
        self.ledger.collection()
    }

    pub(crate) fn thresholds(&self) -> Vec<ThresholdView> {
        self.thresholds.views()
    }

    /// All points, oldest first.
    pub(crate) fn history(&self) -> Vec<Point> {
        self.timeline.history(self.through, self.counted_from)
    }

    /// The merged series.
    pub(crate) fn totals(&self) -> &Statistics {
        &self.totals
    }

    /// Hands out the merged series, and what of them does not count for rates. What is left is empty.
    pub(crate) fn take_totals(&mut self) -> (Statistics, Statistics) {
        let after = self.whole_load().map(|_| std::mem::take(&mut self.after));
        (std::mem::take(&mut self.totals), after.unwrap_or_default())
    }

    /// Fills in the numbers of a view.
    pub(crate) fn show(&self, view: &mut RunView) {
        let load_time = self.load_time();
        let rates = Rates::new(load_time, self.whole_load().map(|_| &self.after), self.window());
        view.counted_from = self.counted_from;
        view.counted = self.counted();
        view.load_time = load_time;
        view.users_by_type = self.users_by_type();
        view.users = self.users();
        let lags;
        (view.window, lags) = self.timeline.window(self.through);
        let counts = rates.of_all(self.timeline.counts_in(rates.window.clone()));
        let times = [view.window.response_time, view.window.service_time];
        let all = ("".into(), AGGREGATED.into());
        view.total = rows::http_row(all, &self.sum, counts, times, &rates);
        let http = rows::http(&self.totals, &self.recent, &rates);
        (view.rows, view.rows_omitted) = (http.rows, http.omitted);
        let others = rows::others(&self.totals, &self.shares, &rates);
        (view.tasks, view.checks, view.groups, view.metrics) =
            (others.tasks, others.checks, others.groups, others.metrics);
        (view.errors, view.errors_omitted) = rows::errors(&self.totals);
        view.thresholds = self.thresholds.views();
        view.counters = self.totals.counters.clone();
        view.collection = self.collection();
        view.generator = self.generators.view(self.through);
        view.generator.cpu = lags.cpu;
        view.generator.loop_lag_p99 = lags.loop_p99;
        view.generator.start_lag_p99 = lags.start_p99;
        view.history = self.timeline.tail(self.through, TAIL, self.counted_from);
    }
}

/// A number without content: a worker that was cut off sends several intervals as one, and
/// the transport fills in the numbers that it stands for.
fn is_blank(interval: &Interval) -> bool {
    interval.begin == interval.end && !interval.last && interval.statistics == Statistics::default()
}

/// Rounded up, because intervals begin at whole seconds.
fn whole_seconds(time: Duration) -> Duration {
    Duration::from_secs(time.as_secs() + u64::from(time.subsec_nanos() > 0))
}

#[cfg(test)]
#[path = "aggregate/tests.rs"]
mod tests;
