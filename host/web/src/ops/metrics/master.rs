//! A master's metrics, from the coordinator's view.
//!
//! Those of a run are of the latest one: a counter that begins anew with each run is what
//! Prometheus expects of a counter, while one label value per run would never end.

use std::ops::Add as _;
use std::sync::Arc;

use loadhost_control::view::{HttpRow, Liveness, RunState, ThresholdState, Times, WorkerView};
use loadhost_control::{FleetView, RunView};
use opentelemetry::KeyValue;
use opentelemetry::metrics::{AsyncInstrument, Meter};
use tokio::sync::watch;

use super::{about, counter, gauge, one_of, seconds, single};
use crate::site::{Site, WhoLeads};

type View = watch::Receiver<Arc<FleetView>>;

pub(super) fn observe(meter: &Meter, view: &View, site: Option<&Site>) {
    leadership(meter, view, site.map(|site| &site.standing));
    fleet(meter, view);
    requests(meter, view);
    times(meter, view);
    run(meter, view);
    collection(meter, view);
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
    let help = "Workers that active runs wait for or share";
    single(meter, about("loadhost_workers_expected", "{worker}", help), move || {
        Some(
            active(&expecting.borrow())
                .map(|run| f64::from(run.workers_expected))
                .fold(0.0, f64::add),
        )
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

fn requests(meter: &Meter, view: &View) {
    let of_rows = |name, help, value: fn(&HttpRow) -> u64| {
        let view = view.clone();
        counter(meter, about(name, "{request}", help), move |observer| {
            with_latest(&view, |run| {
                run.rows.iter().for_each(|row| observer.observe(value(row), &labels(row)));
            });
        });
    };
    of_rows("loadhost_requests", "Finished requests of the latest run", |row| row.requests);
    let help = "Failed requests of the latest run";
    of_rows("loadhost_request_failures", help, |row| row.failures);
    let of_window = |name, unit, help, value: fn(&RunView) -> f64| {
        let view = view.clone();
        single(meter, about(name, unit, help), move || latest(&view).map(|run| value(&run)));
    };
    let help = "Requests per second over the last ten seconds, of all names together";
    of_window("loadhost_requests_per_second", "{request}/s", help, |run| run.window.rps);
    let help = "Share of requests that failed over the last ten seconds";
    of_window("loadhost_failure_ratio", "1", help, |run| {
        if run.window.rps > 0.0 { run.window.fps / run.window.rps } else { 0.0 }
    });
}

fn times(meter: &Meter, view: &View) {
    let help = "Times of requests over the last ten seconds, of all names together";
    let windowed = view.clone();
    gauge(meter, about("loadhost_request_duration_seconds", "s", help), move |observer| {
        with_latest(&windowed, |run| {
            let of = |word| [KeyValue::new("time", word)];
            percentiles(observer, &run.window.response_time, &of("response"));
            percentiles(observer, &run.window.service_time, &of("service"));
        });
    });
    let help = "Response times since the start of the run, by name";
    let view = view.clone();
    gauge(meter, about("loadhost_response_time_percentile_seconds", "s", help), move |observer| {
        with_latest(&view, |run| {
            run.rows.iter().for_each(|row| percentiles(observer, &row.response_time, &labels(row)));
        });
    });
}

fn labels(row: &HttpRow) -> [KeyValue; 2] {
    [KeyValue::new("method", row.method.to_string()), KeyValue::new("name", row.name.to_string())]
}

fn percentiles(observer: &dyn AsyncInstrument<f64>, times: &Option<Times>, labels: &[KeyValue]) {
    let Some(times) = times else { return };
    for (percentile, micros) in [("50", times.p50), ("95", times.p95), ("99", times.p99)] {
        let mut labels = labels.to_vec();
        labels.push(KeyValue::new("percentile", percentile));
        observer.observe(micros as f64 / 1e6, &labels);
    }
}

fn run(meter: &Meter, view: &View) {
    let of_counters = |name, unit, help, value: fn(&RunView) -> u64| {
        let view = view.clone();
        counter(meter, about(name, unit, help), move |observer| {
            with_latest(&view, |run| observer.observe(value(run), &[]));
        });
    };
    let help = "Arrivals of the latest run dropped because no user was free";
    of_counters("loadhost_dropped_arrivals", "{arrival}", help, |run| {
        run.counters.dropped_arrivals
    });
    let help = "Users of the latest run that ended with a trap, a timeout or a panic";
    of_counters("loadhost_user_crashes", "{user}", help, |run| run.counters.crashed_users);
    let saturated = view.clone();
    let help = "Whether generators are too busy for their numbers to be trusted";
    single(meter, about("loadhost_generator_saturated", "", help), move || {
        latest(&saturated).map(|run| f64::from(u8::from(run.generator.saturated.is_some())))
    });
    let judged = view.clone();
    let help = "Thresholds of the latest run, by how they stand";
    gauge(meter, about("loadhost_thresholds", "{threshold}", help), move |observer| {
        with_latest(&judged, |run| {
            let all = [
                ("passing", ThresholdState::Ok),
                ("failing", ThresholdState::Broken),
                ("no-data", ThresholdState::NoData),
            ];
            for (name, state) in all {
                let count = run.thresholds.iter().filter(|one| one.state == state).count();
                observer.observe(count as f64, &[KeyValue::new("state", name)]);
            }
        });
    });
    let view = view.clone();
    let help = "Where the latest run is: 1 for the state it is in";
    gauge(meter, about("loadhost_run_state", "", help), move |observer| {
        with_latest(&view, |run| {
            let current = STATES.iter().find(|(_, state)| run.state == *state);
            one_of(observer, &STATES.map(|(name, _)| name), current.map(|(name, _)| *name));
        });
    });
}

/// How what workers measured came in.
fn collection(meter: &Meter, view: &View) {
    let help =
        "Intervals of workers in the latest run, by what became of them; late ones are merged too";
    let collected = view.clone();
    counter(meter, about("loadhost_intervals", "{interval}", help), move |observer| {
        with_latest(&collected, |run| {
            let collection = &run.collection;
            let outcomes = [
                ("merged", collection.merged),
                ("duplicate", collection.duplicates),
                ("missing", collection.missing),
                ("late", collection.late),
            ];
            for (outcome, count) in outcomes {
                observer.observe(count, &[KeyValue::new("outcome", outcome)]);
            }
        });
    });
    let view = view.clone();
    let help = "While load is made: since the end of the last second that all workers have told of";
    single(meter, about("loadhost_statistics_age_seconds", "s", help), move || {
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

fn latest(view: &View) -> Option<Arc<RunView>> {
    view.borrow().runs.last().cloned()
}

fn with_latest(view: &View, observe: impl FnOnce(&RunView)) {
    if let Some(run) = latest(view) {
        observe(&run);
    }
}
