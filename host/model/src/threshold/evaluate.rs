//! What a threshold's number is, and whether it holds.

use std::time::Duration;

use super::built_in::USERS;
use super::{Aggregate, Comparison, Threshold};
use crate::histogram::Histogram;
use crate::interval::{GaugeStats, HttpStats, PassStats, SeriesStats, Statistics, TaskStats};
use crate::metric::{CUSTOM_SCALE, SeriesKey};

/// How a threshold stands.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Verdict {
    /// In the unit of the threshold's bound. None: no data.
    pub value: Option<f64>,
    /// Whether the condition holds; never without data.
    pub passed: bool,
}

impl Threshold {
    /// Judges `statistics` that were gathered over `elapsed`.
    ///
    /// Users are no part of the statistics of intervals: for `vus`, put them in as a custom
    /// gauge of that name.
    pub fn evaluate(&self, statistics: &Statistics, elapsed: Duration) -> Verdict {
        let value = self.value(statistics, elapsed.as_secs_f64()).filter(|value| !value.is_nan());
        Verdict {
            value,
            passed: value.is_some_and(|value| self.comparison.holds(value, self.bound)),
        }
    }

    /// As [`Self::evaluate`], but what is counted per second is without `after`: the part of the
    /// statistics that came after `load_time`.
    pub fn evaluate_load(
        &self,
        statistics: &Statistics,
        after: Option<&Statistics>,
        load_time: Duration,
    ) -> Verdict {
        let all = self.evaluate(statistics, load_time);
        let (Some(value), Some(after)) = (all.value, after) else { return all };
        if !self.is_per_second(statistics) {
            return all;
        }
        let value = value - self.evaluate(after, load_time).value.unwrap_or(0.0);
        Verdict { value: Some(value), passed: self.comparison.holds(value, self.bound) }
    }

    /// Whether its number is a count divided by time.
    fn is_per_second(&self, statistics: &Statistics) -> bool {
        let counter = |(key, stats): (&SeriesKey, &SeriesStats)| {
            matches!(key, SeriesKey::Custom { name, .. } if **name == *self.metric)
                && matches!(stats, SeriesStats::Counter(_))
        };
        self.aggregate == Aggregate::Rate
            && match self.metric.as_str() {
                "http_reqs" | "data_sent" | "data_received" | "iterations"
                | "dropped_iterations" => true,
                _ => statistics.series.iter().any(counter),
            }
    }

    fn value(&self, statistics: &Statistics, seconds: f64) -> Option<f64> {
        match self.metric.as_str() {
            "http_req_duration" => self.times(statistics, |http| &http.response_time),
            "http_service_time" => self.times(statistics, |http| &http.service_time),
            "http_req_waiting" => {
                self.average(statistics, |http| (http.steps.waiting, answered(http)))
            }
            "http_req_sending" => {
                self.average(statistics, |http| (http.steps.sending, http.requests))
            }
            "http_req_receiving" => {
                self.average(statistics, |http| (http.steps.receiving, answered(http)))
            }
            "http_req_dns" => {
                self.average(statistics, |http| (http.steps.dns, http.steps.connections))
            }
            "http_req_connecting" => {
                self.average(statistics, |http| (http.steps.connect, http.steps.connections))
            }
            "http_req_tls" => {
                self.average(statistics, |http| (http.steps.tls, http.steps.connections))
            }
            "http_req_failed" => {
                let (failed, all) = self.sums(statistics, |http| (http.failures, http.requests));
                self.share(failed, all)
            }
            "http_reqs" => self.requests(statistics, seconds),
            "data_sent" => {
                let (bytes, all) = self.sums(statistics, |http| (http.bytes_sent, http.requests));
                self.count(bytes as f64, seconds).filter(|_| all > 0)
            }
            "data_received" => {
                let (bytes, all) =
                    self.sums(statistics, |http| (http.bytes_received, http.requests));
                self.count(bytes as f64, seconds).filter(|_| all > 0)
            }
            "checks" => self.checks(statistics),
            "group_duration" => self.groups(statistics),
            "iterations" => {
                let tasks = self.tasks(statistics);
                self.count(tasks.iterations as f64, seconds).filter(|_| tasks.iterations > 0)
            }
            "iteration_duration" => self.of_times(&self.tasks(statistics).duration, 1e3),
            "iteration_failed" => {
                let tasks = self.tasks(statistics);
                self.share(tasks.failures, tasks.iterations)
            }
            "dropped_iterations" => {
                let counters = &statistics.counters;
                let ran = counters.arrivals > 0 || self.tasks(statistics).iterations > 0;
                self.count(counters.dropped_arrivals as f64, seconds).filter(|_| ran)
            }
            name => self.custom(statistics, name, seconds),
        }
    }

    fn times(&self, statistics: &Statistics, part: fn(&HttpStats) -> &Histogram) -> Option<f64> {
        let series = statistics.http_with(&self.tags).map(|(_, http)| part(http));
        self.of_times(&merged(series), 1e3)
    }

    /// Two numbers of each series, summed.
    fn sums(&self, statistics: &Statistics, part: impl Fn(&HttpStats) -> (u64, u64)) -> (u64, u64) {
        let series = statistics.http_with(&self.tags).map(|(_, http)| part(http));
        series.fold((0, 0), |(a, b), (c, d)| (a + c, b + d))
    }

    /// Milliseconds per case.
    fn average(
        &self,
        statistics: &Statistics,
        part: impl Fn(&HttpStats) -> (u64, u64),
    ) -> Option<f64> {
        let (micros, cases) = self.sums(statistics, part);
        (cases > 0).then(|| micros as f64 / cases as f64 / 1e3)
    }

    fn requests(&self, statistics: &Statistics, seconds: f64) -> Option<f64> {
        let (statuses, others): (Vec<_>, Vec<_>) =
            self.tags.iter().cloned().partition(|(key, _)| key == "status");
        let (mut all, mut fitting) = (0, 0);
        for (_, http) in statistics.http_with(&others) {
            all += http.requests;
            fitting += match statuses.first() {
                None => http.requests,
                Some((_, wanted)) => {
                    let of = |status: u16| status_fits(wanted, status);
                    http.statuses.iter().filter(|(status, _)| of(**status)).map(|(_, n)| n).sum()
                }
            };
        }
        self.count(fitting as f64, seconds).filter(|_| all > 0)
    }

    fn checks(&self, statistics: &Statistics) -> Option<f64> {
        let mut sum = PassStats::default();
        for (_, stats) in statistics.checks().filter(|(key, _)| key.has_tags(&self.tags)) {
            sum.merge(stats);
        }
        self.share(sum.passes, sum.passes + sum.failures)
    }

    fn groups(&self, statistics: &Statistics) -> Option<f64> {
        let series = statistics.series.iter().filter_map(|(key, stats)| match (key, stats) {
            (SeriesKey::Group { .. }, SeriesStats::Trend(trend)) if key.has_tags(&self.tags) => {
                Some(&**trend)
            }
            _ => None,
        });
        self.of_times(&merged(series), 1e3)
    }

    /// Tasks with the tags; hooks only if they are asked for.
    fn tasks(&self, statistics: &Statistics) -> TaskStats {
        let asked = self.tags.iter().any(|(key, _)| key == "task" || key == "name");
        let tasks = statistics.tasks().filter(|(key, _)| {
            let hook = matches!(key.tag("task"), Some("on_start" | "on_stop"));
            key.has_tags(&self.tags) && (asked || !hook)
        });
        tasks.fold(TaskStats::default(), |mut sum, (_, stats)| {
            sum.merge(stats);
            sum
        })
    }

    fn custom(&self, statistics: &Statistics, name: &str, seconds: f64) -> Option<f64> {
        let mine = statistics.series.iter().filter(|(key, _)| {
            matches!(key, SeriesKey::Custom { name: known, .. } if **known == *name)
                && (name == USERS || key.has_tags(&self.tags))
        });
        let sum =
            mine.map(|(_, stats)| stats).fold(
                None,
                |sum: Option<SeriesStats>, stats| match sum {
                    None => Some(stats.clone()),
                    Some(mut sum) => {
                        // Two kinds of one name: the first counts.
                        if std::mem::discriminant(&sum) == std::mem::discriminant(stats) {
                            sum.merge(stats);
                        }
                        Some(sum)
                    }
                },
            )?;
        match sum {
            SeriesStats::Trend(trend) => self.of_times(&trend, CUSTOM_SCALE),
            SeriesStats::Counter(sum) => self.count(sum, seconds),
            SeriesStats::Pass(stats) => self.share(stats.passes, stats.passes + stats.failures),
            SeriesStats::Gauge(gauge) => self.of_gauge(gauge),
            SeriesStats::Http(_) | SeriesStats::Task(_) => None,
        }
    }

    fn of_times(&self, times: &Histogram, scale: f64) -> Option<f64> {
        let scaled = |value: Option<u64>| value.map(|value| value as f64 / scale);
        match self.aggregate {
            Aggregate::Percentile(percent) => scaled(times.quantile(percent / 100.0)),
            Aggregate::Median => scaled(times.quantile(0.5)),
            Aggregate::Average => times.mean().map(|mean| mean / scale),
            Aggregate::Min => scaled(times.min()),
            Aggregate::Max => scaled(times.max()),
            Aggregate::Count => (!times.is_empty()).then(|| times.count() as f64),
            Aggregate::Rate | Aggregate::Value => None,
        }
    }

    fn of_gauge(&self, gauge: GaugeStats) -> Option<f64> {
        match self.aggregate {
            Aggregate::Value => Some(gauge.last),
            Aggregate::Min => Some(gauge.min),
            Aggregate::Max => Some(gauge.max),
            _ => None,
        }
    }

    fn share(&self, part: u64, all: u64) -> Option<f64> {
        match self.aggregate {
            Aggregate::Rate => (all > 0).then(|| part as f64 / all as f64),
            Aggregate::Count => (all > 0).then_some(part as f64),
            _ => None,
        }
    }

    fn count(&self, count: f64, seconds: f64) -> Option<f64> {
        match self.aggregate {
            Aggregate::Count => Some(count),
            Aggregate::Rate => (seconds > 0.0).then(|| count / seconds),
            _ => None,
        }
    }
}

fn merged<'a>(series: impl Iterator<Item = &'a Histogram>) -> Histogram {
    series.fold(Histogram::new(), |mut sum, histogram| {
        sum.merge(histogram);
        sum
    })
}

fn answered(http: &HttpStats) -> u64 {
    http.requests.saturating_sub(http.statuses.get(&0).copied().unwrap_or(0))
}

/// `503`, or `5xx` for the whole class.
fn status_fits(wanted: &str, status: u16) -> bool {
    match wanted.strip_suffix("xx") {
        Some(class) => class.parse() == Ok(status / 100),
        None => wanted.parse() == Ok(status),
    }
}

impl Comparison {
    /// Whether `value` compares so with `bound`. Equal: to nine digits, since 0.1 + 0.2 is
    /// meant to be 0.3.
    pub fn holds(self, value: f64, bound: f64) -> bool {
        let equal = (value - bound).abs() <= 1e-9 * value.abs().max(bound.abs());
        match self {
            Self::Below => value < bound,
            Self::AtMost => value <= bound,
            Self::Above => value > bound,
            Self::AtLeast => value >= bound,
            Self::Equal => equal,
            Self::NotEqual => !equal,
        }
    }
}

#[cfg(test)]
#[path = "evaluate_tests.rs"]
mod tests;
