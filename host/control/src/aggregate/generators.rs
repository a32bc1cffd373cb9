//! Whether the generators were fast enough for their numbers to be trusted.
//!
//! Late iterations alone are no sign of it: in an open model they start late too when a slow
//! target keeps all users busy. Nor is a single late timer: on a machine with other work the kernel
//! gives the core away for some tens of milliseconds now and then. A second is marked if a worker
//!
//! - used more than 90 % of its CPU in it and in its neighbours, three seconds in a row or more;
//! - or fired its timers more than 50 ms late (99 %) in it and in a neighbour, two seconds in a row
//!   or more: once could be anything, twice is a machine that is too small;
//! - or stood still for a quarter of it: then even the median is not the target's.

use std::collections::BTreeMap;
use std::time::Duration;

use loadhost_model::id::WorkerId;
use loadhost_model::interval::Interval;
use serde::{Deserialize, Serialize};

use super::timeline::Timeline;
use crate::view::GeneratorView;

/// CPU of all shards beyond which there is no room for punctuality.
const BUSY: f64 = 0.9;
/// So many busy seconds in a row are more than a hiccup.
const BUSY_SECONDS: u64 = 3;
/// Timers later than this (99 %, in microseconds) make measured times wrong.
const LATE: u64 = 50_000;
/// So many late seconds in a row are more than a hiccup.
const LATE_SECONDS: u64 = 2;
/// A timer that is this late (in microseconds) spoils its second by itself.
const STILL: u64 = 250_000;
/// A reason is shown as current for this many seconds.
const FRESH: u64 = 3;

/// Seconds without a break in which something was so.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
struct Streak {
    seconds: u64,
    last: u64,
}

impl Streak {
    /// For how many seconds it has been so, if that is `enough`.
    fn add(&mut self, second: u64, is_so: bool, enough: u64) -> Option<u64> {
        if !is_so {
            *self = Self::default();
            return None;
        }
        self.seconds = match second.checked_sub(self.last) {
            Some(0) => self.seconds.max(1),
            Some(1) => self.seconds + 1,
            _ => 1,
        };
        self.last = second;
        (self.seconds >= enough).then_some(self.seconds)
    }
}

/// One worker.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
struct Generator {
    busy: Streak,
    late: Streak,
}

/// All generators of a run.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub(crate) struct Generators {
    workers: BTreeMap<WorkerId, Generator>,
    cpu_peak: f64,
    saturated: u64,
    first_reason: Option<String>,
    latest: Option<(u64, String)>,
}

impl Generators {
    /// Judges one interval and marks the seconds of the timeline that cannot be trusted.
    pub(crate) fn judge(&mut self, interval: &Interval, timeline: &mut Timeline) {
        let second = interval.begin.as_secs();
        let health = &interval.statistics.health;
        self.cpu_peak = self.cpu_peak.max(health.cpu);
        let lag = health.loop_lag.quantile(0.99).unwrap_or(0);
        let still = health.loop_lag.max().filter(|still| *still >= STILL);
        let worker = self.workers.entry(interval.worker.clone()).or_default();
        let busy = worker.busy.add(second, health.cpu > BUSY, BUSY_SECONDS);
        let late = worker.late.add(second, lag > LATE, LATE_SECONDS);
        let name = &interval.worker;
        let (seconds, reason) = match (busy, late, still) {
            (Some(seconds), ..) => {
                (seconds, format!("worker `{name}` used {:.0} % of its CPU", health.cpu * 100.0))
            }
            (_, Some(seconds), _) => {
                (seconds, format!("timers of worker `{name}` were {} ms late", lag / 1000))
            }
            (.., Some(still)) => {
                (1, format!("worker `{name}` stood still for {} ms", still / 1000))
            }
            (None, None, None) => return,
        };
        let from = second.saturating_sub(seconds - 1);
        self.saturated +=
            (from..=second).filter(|second| timeline.saturate(*second)).count() as u64;
        self.first_reason.get_or_insert_with(|| reason.clone());
        if self.latest.as_ref().is_none_or(|(latest, _)| *latest <= second) {
            self.latest = Some((second, reason));
        }
    }

    /// `through`: seconds before this one are complete.
    pub(crate) fn view(&self, through: u64) -> GeneratorView {
        let current = self.latest.as_ref().filter(|(second, _)| second + FRESH >= through);
        GeneratorView {
            cpu_peak: self.cpu_peak,
            saturated: current.map(|(_, reason)| reason.clone()),
            saturated_for: Duration::from_secs(self.saturated),
            first_reason: self.first_reason.clone(),
            ..GeneratorView::default()
        }
    }
}

#[cfg(test)]
mod tests {
    use loadhost_model::histogram::Histogram;

    use super::*;
    use crate::testing::{interval, worker};

    /// CPU and timer lag (ms) of successive seconds; saturated seconds and the first reason.
    fn check(seconds: &[(f64, u64)], saturated: u64, reason: Option<&str>) {
        let (mut generators, mut timeline) = (Generators::default(), Timeline::default());
        for (seq, (cpu, lag)) in (1..).zip(seconds) {
            let mut interval = interval(&worker("w"), seq, &[]);
            let mut loop_lag = Histogram::new();
            loop_lag.record_n(lag * 1000, 100);
            interval.statistics.health.cpu = *cpu;
            interval.statistics.health.loop_lag = loop_lag;
            timeline.take(&interval, &Default::default(), |_| Default::default());
            generators.judge(&interval, &mut timeline);
        }
        let view = generators.view(seconds.len() as u64);
        assert_eq!(view.saturated_for, Duration::from_secs(saturated), "{seconds:?}");
        assert_eq!(view.first_reason.as_deref(), reason, "{seconds:?}");
    }

    #[test]
    fn three_busy_seconds_mark_the_run() {
        let busy = Some("worker `w` used 95 % of its CPU");
        check(&[(0.5, 1); 5], 0, None);
        check(&[(0.95, 1), (0.95, 1), (0.5, 1), (0.95, 1), (0.95, 1)], 0, None);
        check(&[(0.95, 1), (0.95, 1), (0.95, 1)], 3, busy); // the first two count as well
        check(&[(0.95, 1), (0.95, 1), (0.95, 1), (0.95, 1), (0.1, 1)], 4, busy);
    }

    #[test]
    fn late_timers_mark_the_run_if_they_are_no_hiccup() {
        let late = Some("timers of worker `w` were 80 ms late");
        check(&[(0.1, 1), (0.1, 80), (0.1, 1), (0.1, 200)], 0, None);
        check(&[(0.1, 1), (0.1, 60), (0.1, 80), (0.1, 1)], 2, late); // the first counts as well
        check(&[(0.1, 80), (0.1, 80), (0.1, 1), (0.1, 80), (0.1, 80), (0.1, 80)], 5, late);
        check(&[(0.1, 1), (0.1, 250), (0.1, 1)], 1, Some("worker `w` stood still for 250 ms"));
    }

    #[test]
    fn the_seconds_of_two_workers_are_no_row() {
        let (mut generators, mut timeline) = (Generators::default(), Timeline::default());
        for (name, seq) in [("a", 1), ("b", 1), ("b", 3), ("a", 3)] {
            let mut late = interval(&worker(name), seq, &[]);
            late.statistics.health.loop_lag.record(90_000);
            timeline.take(&late, &Default::default(), |_| Default::default());
            generators.judge(&late, &mut timeline);
        }
        assert!(generators.view(3).saturated_for.is_zero());
    }

    #[test]
    fn the_busiest_second_is_remembered() {
        let (mut generators, mut timeline) = (Generators::default(), Timeline::default());
        for (seq, cpu) in (1..).zip([0.2, 0.7, 0.1]) {
            let mut interval = interval(&worker("w"), seq, &[]);
            interval.statistics.health.cpu = cpu;
            generators.judge(&interval, &mut timeline);
        }
        assert_eq!(generators.view(3).cpu_peak, 0.7);
    }

    #[test]
    fn a_reason_is_current_only_for_a_while() {
        let (mut generators, mut timeline) = (Generators::default(), Timeline::default());
        let mut late = interval(&worker("w"), 1, &[]);
        late.statistics.health.loop_lag.record(300_000);
        timeline.take(&late, &Default::default(), |_| Default::default());
        generators.judge(&late, &mut timeline);
        assert!(generators.view(1).saturated.is_some());
        let later = generators.view(10);
        assert_eq!((later.saturated, later.saturated_for), (None, Duration::from_secs(1)));
    }
}
