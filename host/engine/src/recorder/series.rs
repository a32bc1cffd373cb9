//! The samples of one series in one shard.

use loadhost_model::histogram::Histogram;
use loadhost_model::interval::{
    GaugeStats, HttpStats, PassStats, SeriesStats, StepTimes, TaskStats,
};
use loadhost_model::metric::{CUSTOM_SCALE, Kind};

use super::HttpSample;
use super::names::Shape;

/// Samples since the last drain. Which of the parts is in use follows from the key.
#[derive(Debug, Default)]
pub(super) struct Series {
    /// Whether it is on the list of the next drain.
    pub(super) touched: bool,
    data: Data,
}

#[derive(Debug, Default)]
enum Data {
    #[default]
    Empty,
    Http(Box<Http>),
    Task(Box<TaskStats>),
    Pass(PassStats),
    Trend(Box<Histogram>),
    Counter(f64),
    Gauge(GaugeStats),
}

/// As [`HttpStats`], but with a list of statuses that a request walks faster than a tree.
#[derive(Debug, Default)]
struct Http {
    stats: HttpStats,
    statuses: Vec<(u16, u64)>,
}

impl Series {
    pub(super) fn http(&mut self, sample: &HttpSample) {
        if !matches!(self.data, Data::Http(_)) {
            self.data = Data::Http(Box::default());
        }
        let Data::Http(http) = &mut self.data else { return };
        let stats = &mut http.stats;
        stats.requests += 1;
        stats.failures += u64::from(sample.failed);
        stats.response_time.record(sample.response_time_us);
        stats.service_time.record(sample.service_time_us);
        stats.bytes_sent += sample.bytes_sent;
        stats.bytes_received += sample.bytes_received;
        stats.body_bytes += sample.body_bytes;
        add_steps(&mut stats.steps, &sample.steps);
        match http.statuses.iter_mut().find(|(status, _)| *status == sample.status) {
            Some((_, count)) => *count += 1,
            None => http.statuses.push((sample.status, 1)),
        }
    }

    pub(super) fn task(&mut self, micros: u64, failed: bool) {
        if !matches!(self.data, Data::Task(_)) {
            self.data = Data::Task(Box::default());
        }
        let Data::Task(stats) = &mut self.data else { return };
        stats.iterations += 1;
        stats.failures += u64::from(failed);
        stats.duration.record(micros);
    }

    pub(super) fn pass(&mut self, passed: bool) {
        if !matches!(self.data, Data::Pass(_)) {
            self.data = Data::Pass(PassStats::default());
        }
        let Data::Pass(stats) = &mut self.data else { return };
        stats.passes += u64::from(passed);
        stats.failures += u64::from(!passed);
    }

    pub(super) fn trend(&mut self, value: u64) {
        if !matches!(self.data, Data::Trend(_)) {
            self.data = Data::Trend(Box::default());
        }
        let Data::Trend(histogram) = &mut self.data else { return };
        histogram.record(value);
    }

    /// Whether the value could be counted.
    pub(super) fn custom(&mut self, shape: Shape, value: f64, at: u64) -> bool {
        let Shape::Custom(kind) = shape else { return false };
        if !value.is_finite() {
            return false;
        }
        match kind {
            Kind::Rate => self.pass(value != 0.0),
            Kind::Trend if value < 0.0 => return false,
            Kind::Trend => self.trend((value * CUSTOM_SCALE).round() as u64),
            Kind::Counter => match &mut self.data {
                Data::Counter(sum) => *sum += value,
                data => *data = Data::Counter(value),
            },
            Kind::Gauge => match &mut self.data {
                Data::Gauge(gauge) => {
                    let (min, max) = (gauge.min.min(value), gauge.max.max(value));
                    *gauge = GaugeStats { last: value, at, min, max };
                }
                data => *data = Data::Gauge(GaugeStats { last: value, at, min: value, max: value }),
            },
        }
        true
    }

    /// What was counted, leaving nothing; None if nothing was.
    pub(super) fn take(&mut self) -> Option<SeriesStats> {
        self.touched = false;
        match std::mem::take(&mut self.data) {
            Data::Empty => None,
            Data::Http(http) => {
                let Http { mut stats, statuses } = *http;
                stats.statuses = statuses.into_iter().collect();
                Some(SeriesStats::Http(Box::new(stats)))
            }
            Data::Task(stats) => Some(SeriesStats::Task(stats)),
            Data::Pass(stats) => Some(SeriesStats::Pass(stats)),
            Data::Trend(histogram) => Some(SeriesStats::Trend(histogram)),
            Data::Counter(sum) => Some(SeriesStats::Counter(sum)),
            Data::Gauge(gauge) => Some(SeriesStats::Gauge(gauge)),
        }
    }
}

fn add_steps(sum: &mut StepTimes, sample: &StepTimes) {
    sum.dns += sample.dns;
    sum.connect += sample.connect;
    sum.tls += sample.tls;
    sum.sending += sample.sending;
    sum.waiting += sample.waiting;
    sum.receiving += sample.receiving;
    sum.connections += sample.connections;
}
