//! A master's metrics, from the coordinator's view.
//!
//! Those of a run are of the latest one: a counter that begins anew with each run is what
//! Prometheus expects of a counter, while one label value per run would never end.

use std::sync::Arc;

use loadhost_control::view::{HttpRow, Liveness, RunState, Times};
use loadhost_control::{FleetView, RunView};
use opentelemetry::KeyValue;
use opentelemetry::metrics::{AsyncInstrument, Meter};
use tokio::sync::watch;

use super::{counter, gauge};

type View = watch::Receiver<Arc<FleetView>>;

pub(super) fn observe(meter: &Meter, view: &View) {
    fleet(meter, view);
    requests(meter, view);
    run(meter, view);
}

fn fleet(meter: &Meter, view: &View) {
    let single = |name, help, value: fn(&FleetView) -> f64| {
        let view = view.clone();
        gauge(meter, name, help, move |observer| observer.observe(value(&view.borrow()), &[]));
    };
    single("loadhost_leader", "Whether this master leads", |view| (!view.deposed).into());
    single("loadhost_term", "Leadership under which it acts", |view| view.term.0 as f64);
    single("loadhost_users", "Users running on workers that are not lost", |view| {
        present(view).map(|worker| f64::from(worker.users)).sum()
    });
    single("loadhost_capacity_users", "Users that fit on workers that are not lost", |view| {
        present(view).map(|worker| f64::from(worker.capacity)).sum()
    });
    let view = view.clone();
    gauge(meter, "loadhost_workers", "Workers, by whether they are heard of", move |observer| {
        let view = view.borrow();
        let all =
            [("alive", Liveness::Alive), ("suspect", Liveness::Suspect), ("lost", Liveness::Lost)];
        for (name, liveness) in all {
            let count = view.workers.iter().filter(|worker| worker.liveness == liveness).count();
            observer.observe(count as f64, &[KeyValue::new("liveness", name)]);
        }
    });
}

fn present(view: &FleetView) -> impl Iterator<Item = &loadhost_control::view::WorkerView> {
    view.workers.iter().filter(|worker| worker.liveness != Liveness::Lost)
}

fn requests(meter: &Meter, view: &View) {
    let of_rows = |name, help, value: fn(&HttpRow) -> u64| {
        let view = view.clone();
        counter(meter, name, help, move |observer| {
            with_latest(&view, |run| {
                run.rows.iter().for_each(|row| observer.observe(value(row), &labels(row)));
            });
        });
    };
    of_rows("loadhost_requests", "Finished requests", |row| row.requests);
    of_rows("loadhost_request_failures", "Failed requests", |row| row.failures);
    let help = "Times of requests over the last ten seconds, of all names together";
    gauge(meter, "loadhost_request_duration_seconds", help, {
        let view = view.clone();
        move |observer| {
            with_latest(&view, |run| {
                quantiles(
                    observer,
                    &run.window.response_time,
                    &[KeyValue::new("time", "response")],
                );
                quantiles(observer, &run.window.service_time, &[KeyValue::new("time", "service")]);
            });
        }
    });
    let help = "Response times since the start of the run, by name";
    gauge(meter, "loadhost_response_time_quantile_seconds", help, {
        let view = view.clone();
        move |observer| {
            with_latest(&view, |run| {
                run.rows
                    .iter()
                    .for_each(|row| quantiles(observer, &row.response_time, &labels(row)));
            });
        }
    });
}

fn labels(row: &HttpRow) -> [KeyValue; 2] {
    [KeyValue::new("method", row.method.to_string()), KeyValue::new("name", row.name.to_string())]
}

fn quantiles(observer: &dyn AsyncInstrument<f64>, times: &Option<Times>, labels: &[KeyValue]) {
    let Some(times) = times else { return };
    for (quantile, micros) in [("0.5", times.p50), ("0.95", times.p95), ("0.99", times.p99)] {
        let mut labels = labels.to_vec();
        labels.push(KeyValue::new("quantile", quantile));
        observer.observe(micros as f64 / 1e6, &labels);
    }
}

fn run(meter: &Meter, view: &View) {
    let help = "Intervals of workers, by what became of them";
    counter(meter, "loadhost_intervals", help, {
        let view = view.clone();
        move |observer| {
            with_latest(&view, |run| {
                let collection = &run.collection;
                let outcomes = [
                    ("merged", collection.merged),
                    ("duplicate", collection.duplicates),
                    ("missing", collection.missing),
                ];
                for (outcome, count) in outcomes {
                    observer.observe(count, &[KeyValue::new("outcome", outcome)]);
                }
            });
        }
    });
    let help = "Arrivals dropped because no user was free";
    counter(meter, "loadhost_dropped_arrivals", help, {
        let view = view.clone();
        move |observer| {
            with_latest(&view, |run| observer.observe(run.counters.dropped_arrivals, &[]));
        }
    });
    let help = "Whether generators are too busy for their numbers to be trusted";
    gauge(meter, "loadhost_generator_saturated", help, {
        let view = view.clone();
        move |observer| {
            let saturated = |run: &RunView| f64::from(u8::from(run.generator.saturated.is_some()));
            with_latest(&view, |run| observer.observe(saturated(run), &[]));
        }
    });
    let view = view.clone();
    let help = "Where the latest run is: 1 for the state it is in";
    gauge(meter, "loadhost_run_state", help, move |observer| {
        with_latest(&view, |run| {
            for (name, state) in STATES {
                let here = f64::from(u8::from(run.state == state));
                observer.observe(here, &[KeyValue::new("state", name)]);
            }
        });
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

fn with_latest(view: &View, observe: impl FnOnce(&RunView)) {
    let latest = view.borrow().runs.last().cloned();
    if let Some(run) = latest {
        observe(&run);
    }
}
