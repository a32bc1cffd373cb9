//! A master's metrics, from the coordinator's view.
//!
//! One label value per run would never end. So counters are of all runs together, since the process began (`sums`), and the
//! rest is of all runs that go on; if none does, of the one that was the last.

use std::collections::BTreeMap;
use std::ops::Add as _;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use loadhost_control::view::{HttpRow, Liveness, RunState, ThresholdState, Times, WorkerView};
use loadhost_control::{FleetView, RunView};
use loadhost_model::metric::OTHER;
use opentelemetry::KeyValue;
use opentelemetry::metrics::{AsyncInstrument, Meter};
use tokio::sync::watch;

use super::sums::{Look, Sums};
use super::{About, about, counter, gauge, seconds, single};
use crate::site::{Site, WhoLeads};

type View = watch::Receiver<Arc<FleetView>>;

/// `began`: microseconds since the Unix epoch.
pub(super) fn observe(meter: &Meter, (view, began): (&View, u64), site: Option<&Site>) {
    leadership(meter, view, site.map(|site| &site.standing));
    fleet(meter, view);
    let counted = Counted { meter, view, began };
    requests(&counted);
    rates(meter, view);
    times(meter, view);
    arrivals_and_users(&counted);
    runs(meter, view);
    collection(&counted);
}

/// What makes counters over all runs.
struct Counted<'a> {
    meter: &'a Meter,
    view: &'a View,
    began: u64,
}

impl Counted<'_> {
    /// `amounts` are those of one run, `labels` those of a key; `other` is the key of what is beyond the cap.
    fn sum<K: Ord + Clone + Send + 'static, const N: usize>(
        &self,
        about: About,
        (other, labels): (K, fn(&K) -> [KeyValue; N]),
        (from, amounts): (
            fn(&RunView) -> Duration,
            impl Fn(&RunView) -> Vec<(K, u64)> + Send + Sync + 'static,
        ),
    ) {
        let (view, sums) = (self.view.clone(), Mutex::new(Sums::since(self.began, other)));
        counter(self.meter, about, move |observer| {
            let look = |run: &Arc<RunView>| Look {
                run: run.run.clone(),
                counted_from: from(run),
                started: run.started,
                is_over: run.state == RunState::Finished,
                amounts: amounts(run),
            };
            let mut sums = sums.lock().unwrap_or_else(PoisonError::into_inner);
            let looks: Vec<_> = {
                let view = view.borrow();
                let may_grow = |run: &&Arc<RunView>| !sums.over().any(|over| *over == run.run);
                view.runs.iter().filter(may_grow).map(look).collect()
            };
            sums.take(looks);
            for (key, sum) in sums.sums() {
                observer.observe(*sum, &labels(key));
            }
        });
    }
}

/// Method and name of what is beyond the cap.
pub(super) fn other() -> (Arc<str>, Arc<str>) {
    ("".into(), OTHER.into())
}

fn named(key: &(Arc<str>, Arc<str>)) -> [KeyValue; 2] {
    let (method, name) = key;
    [KeyValue::new("method", method.to_string()), KeyValue::new("name", name.to_string())]
}

fn counted_from(run: &RunView) -> Duration {
    run.counted_from
}

/// A process without masters beside it leads itself.
fn leadership(meter: &Meter, view: &View, standing: Option<&WhoLeads>) {
    let (own, who) = (view.clone(), standing.cloned());
    let help = "Whether this master leads";
    single(meter, about("loadhost_leader", "", help), move || {
        let leads = match &who {
            Some(who) => {
                let standing = who();
                // Who is cut off may be followed by somebody else already.
                standing.trouble.is_none()
                    && standing.leader.is_some_and(|leader| leader == standing.master)
            }
            None => !own.borrow().deposed,
        };
        Some(f64::from(u8::from(leads)))
    });
    let who = standing.cloned();
    let help = "Whether this master knows a leader";
    single(meter, about("loadhost_leader_known", "", help), move || {
        let known = who.as_ref().is_none_or(|who| {
            let standing = who();
            standing.trouble.is_none() && standing.leader.is_some()
        });
        Some(f64::from(u8::from(known)))
    });
    let who = standing.cloned();
    let help = "Masters that are heard of, this one included";
    single(meter, about("loadhost_masters", "{master}", help), move || {
        Some(who.as_ref().map_or(1, |who| who().masters.len().max(1)) as f64)
    });
    let view = view.clone();
    let help = "Leadership under which the fleet acts";
    single(meter, about("loadhost_term", "", help), move || Some(view.borrow().term.0 as f64));
}

fn fleet(meter: &Meter, view: &View) {
    let of = |name, help, value: fn(&FleetView) -> f64| {
        let view = view.clone();
        single(meter, about(name, "{user}", help), move || Some(value(&view.borrow())));
    };
    of("loadhost_users", "Users running on workers that are not lost", |view| {
        present(view).map(|worker| f64::from(worker.users)).fold(0.0, f64::add)
    });
    of("loadhost_capacity_users", "Users that fit on workers that are not lost", |view| {
        present(view).map(|worker| f64::from(worker.capacity)).fold(0.0, f64::add)
    });
    of("loadhost_users_wanted", "Users that active runs ask for at this moment", |view| {
        active(view).filter_map(|run| run.users_wanted).map(f64::from).fold(0.0, f64::add)
    });
    let expecting = view.clone();
    let help = "Workers that there should be for the runs that wait or go on";
    single(meter, about("loadhost_workers_expected", "{worker}", help), move || {
        Some(f64::from(expecting.borrow().workers_expected))
    });
    let merging = view.clone();
    let help = "What the coordinator took to merge intervals of workers, since it began to lead";
    seconds(meter, about("loadhost_aggregation_seconds", "s", help), move || {
        merging.borrow().aggregation
    });
    let view = view.clone();
    let help = "Workers, by whether they are heard of";
    gauge(meter, about("loadhost_workers", "{worker}", help), move |observer| {
        let view = view.borrow();
        let all =
            [("alive", Liveness::Alive), ("suspect", Liveness::Suspect), ("lost", Liveness::Lost)];
        for (name, liveness) in all {
            let count = view.workers.iter().filter(|worker| worker.liveness == liveness).count();
            observer.observe(count as f64, &[KeyValue::new("liveness", name)]);
        }
    });
}

fn present(view: &FleetView) -> impl Iterator<Item = &WorkerView> {
    view.workers.iter().filter(|worker| worker.liveness != Liveness::Lost)
}

fn active(view: &FleetView) -> impl Iterator<Item = &RunView> {
    view.runs.iter().map(Arc::as_ref).filter(|run| run.state != RunState::Finished)
}

/// Those that go on; if there are none, the last one.
fn shown(view: &FleetView) -> Vec<Arc<RunView>> {
    let goes_on = |run: &&Arc<RunView>| run.state != RunState::Finished;
    let runs: Vec<_> = view.runs.iter().filter(goes_on).cloned().collect();
    if runs.is_empty() { view.runs.last().cloned().into_iter().collect() } else { runs }
}

fn requests(counted: &Counted) {
    let of_rows = |name, help, value: fn(&HttpRow) -> u64| {
        let amounts = move |run: &RunView| {
            run.rows
                .iter()
                .map(|row| ((row.method.clone(), row.name.clone()), value(row)))
                .collect()
        };
        counted.sum(about(name, "{request}", help), (other(), named), (counted_from, amounts));
    };
    of_rows("loadhost_requests", "Finished requests, of all runs", |row| row.requests);
    of_rows("loadhost_request_failures", "Failed requests, of all runs", |row| row.failures);
}

fn rates(meter: &Meter, view: &View) {
    let of_all = view.clone();
    let help = "Requests per second over the last ten seconds, of all names together";
    single(meter, about("loadhost_requests_per_second", "{request}/s", help), move || {
        Some(active(&of_all.borrow()).map(|run| run.window.rps).fold(0.0, f64::add))
    });
    let view = view.clone();
    let help = "Share of requests that failed over the last ten seconds; of several runs the worst";
    single(meter, about("loadhost_failure_ratio", "1", help), move || {
        let window = |run: &RunView| (run.window.rps, run.window.fps);
        let ratio = |(rps, fps): (f64, f64)| if rps > 0.0 { fps / rps } else { 0.0 };
        Some(active(&view.borrow()).map(window).map(ratio).fold(0.0, f64::max))
    });
}

fn times(meter: &Meter, view: &View) {
    let help = "Times of requests over the last ten seconds, of all names together; of several runs the slowest";
    let windowed = view.clone();
    gauge(meter, about("loadhost_request_duration_seconds", "s", help), move |observer| {
        let mut slowest = BTreeMap::new();
        for run in shown(&windowed.borrow()) {
            slower(&mut slowest, "response", &run.window.response_time);
            slower(&mut slowest, "service", &run.window.service_time);
        }
        for (time, times) in slowest {
            percentiles(observer, times, &[KeyValue::new("time", time)]);
        }
    });
    let help = "Response times since the start of the run, by name; of several runs the slowest";
    let view = view.clone();
    gauge(meter, about("loadhost_response_time_percentile_seconds", "s", help), move |observer| {
        let mut slowest = BTreeMap::new();
        for run in shown(&view.borrow()) {
            for row in &run.rows {
                slower(&mut slowest, (row.method.clone(), row.name.clone()), &row.response_time);
            }
        }
        for (key, times) in slowest {
            percentiles(observer, times, &named(&key));
        }
    });
}

const PERCENTILES: [&str; 3] = ["50", "95", "99"];

/// Keeps the greater one of each of [`PERCENTILES`], in microseconds.
fn slower<K: Ord>(slowest: &mut BTreeMap<K, [u64; 3]>, key: K, times: &Option<Times>) {
    let Some(times) = times else { return };
    let known = slowest.entry(key).or_default();
    for (known, micros) in known.iter_mut().zip([times.p50, times.p95, times.p99]) {
        *known = (*known).max(micros);
    }
}

fn percentiles(observer: &dyn AsyncInstrument<f64>, times: [u64; 3], labels: &[KeyValue]) {
    for (percentile, micros) in PERCENTILES.into_iter().zip(times) {
        let mut labels = labels.to_vec();
        labels.push(KeyValue::new("percentile", percentile));
        observer.observe(micros as f64 / 1e6, &labels);
    }
}

fn arrivals_and_users(counted: &Counted) {
    let of_counters = |name, unit, help, value: fn(&RunView) -> u64| {
        let amounts = move |run: &RunView| vec![((), value(run))];
        counted.sum(about(name, unit, help), ((), |()| []), (counted_from, amounts));
    };
    let help = "Arrivals dropped because no user was free, of all runs";
    of_counters("loadhost_dropped_arrivals", "{arrival}", help, |run| {
        run.counters.dropped_arrivals
    });
    let help = "Users that ended with a trap, a timeout or a panic, of all runs";
    of_counters("loadhost_user_crashes", "{user}", help, |run| run.counters.crashed_users);
}

fn runs(meter: &Meter, view: &View) {
    let saturated = view.clone();
    let help = "Whether generators of a run are too busy for its numbers to be trusted";
    single(meter, about("loadhost_generator_saturated", "", help), move || {
        let runs = shown(&saturated.borrow());
        let any = runs.iter().any(|run| run.generator.saturated.is_some());
        (!runs.is_empty()).then_some(f64::from(u8::from(any)))
    });
    let judged = view.clone();
    let help = "Thresholds of the runs that go on, or of the last one, by how they stand";
    gauge(meter, about("loadhost_thresholds", "{threshold}", help), move |observer| {
        let runs = shown(&judged.borrow());
        let all = [
            ("passing", ThresholdState::Ok),
            ("failing", ThresholdState::Broken),
            ("no-data", ThresholdState::NoData),
        ];
        for (name, state) in all.into_iter().filter(|_| !runs.is_empty()) {
            let thresholds = runs.iter().flat_map(|run| &run.thresholds);
            let count = thresholds.filter(|one| one.state == state).count();
            observer.observe(count as f64, &[KeyValue::new("state", name)]);
        }
    });
    let view = view.clone();
    let help = "Runs that go on, or the last one, by where they are";
    gauge(meter, about("loadhost_run_state", "{run}", help), move |observer| {
        let runs = shown(&view.borrow());
        for (name, state) in STATES.into_iter().filter(|_| !runs.is_empty()) {
            let count = runs.iter().filter(|run| run.state == state).count();
            observer.observe(count as f64, &[KeyValue::new("state", name)]);
        }
    });
}

/// How what workers measured came in.
fn collection(counted: &Counted) {
    let help =
        "Intervals of workers, of all runs, by what became of them; late ones are merged too";
    let amounts = |run: &RunView| {
        let collection = &run.collection;
        vec![
            ("merged", collection.merged),
            ("duplicate", collection.duplicates),
            ("missing", collection.missing),
            ("late", collection.late),
        ]
    };
    // A reset of the statistics does not touch them.
    let from_the_start = |_: &RunView| Duration::ZERO;
    counted.sum(
        about("loadhost_intervals", "{interval}", help),
        ("", |outcome| [KeyValue::new("outcome", *outcome)]),
        (from_the_start, amounts),
    );
    let view = counted.view.clone();
    let help = "While load is made: since the end of the last second that all workers have told of";
    single(counted.meter, about("loadhost_statistics_age_seconds", "s", help), move || {
        let view = view.borrow();
        Some(active(&view).map(|run| run.statistics_age.as_secs_f64()).fold(0.0, f64::max))
    });
}

const STATES: [(&str, RunState); 8] = [
    ("waiting", RunState::Waiting),
    ("preparing", RunState::Preparing),
    ("setting-up", RunState::SettingUp),
    ("starting", RunState::Starting),
    ("running", RunState::Running),
    ("stopping", RunState::Stopping),
    ("tearing-down", RunState::TearingDown),
    ("finished", RunState::Finished),
];
