//! A worker's metrics, from its last status and from what it counts itself.

use loadhost_model::wire::{WorkerState, WorkerStatus};
use opentelemetry::metrics::Meter;
use tokio::sync::watch;

use super::{about, counter, events, gauge, one_of, single};
use crate::ops::{KeptModules, Work, WorkSource};

type Status = watch::Receiver<Option<WorkerStatus>>;

pub(super) fn observe(meter: &Meter, status: &Status, work: Option<&WorkSource>) {
    of_status(meter, status);
    if let Some(work) = work {
        counts(meter, work);
    }
}

fn of_status(meter: &Meter, status: &Status) {
    let of = |name, unit, help, value: fn(&WorkerStatus) -> f64| {
        let status = status.clone();
        single(meter, about(name, unit, help), move || status.borrow().as_ref().map(value));
    };
    of("loadhost_users", "{user}", "Users running", |status| status.users.into());
    let help = "Users running on this worker: the same, under a name to scale workers by";
    of("loadhost_users_per_worker", "{user}", help, |status| status.users.into());
    of("loadhost_capacity_users", "{user}", "Users that fit", |status| status.capacity.into());
    let help = "CPU over all shards in the last second, 1 is saturated";
    of("loadhost_cpu_ratio", "1", help, |status| status.cpu);
    let help = "How late a timer fired at worst in the last second that load was made";
    of("loadhost_lag_seconds", "s", help, |status| match status.state {
        WorkerState::Running | WorkerState::Stopping => status.lag as f64 / 1e6,
        _ => 0.0,
    });
    let help = "Whether it takes no new work";
    of("loadhost_draining", "", help, |status| f64::from(u8::from(status.draining)));
    let status = status.clone();
    let help = "Where it is in its run: 1 for the state it is in";
    gauge(meter, about("loadhost_worker_state", "", help), move |observer| {
        let current = status.borrow().as_ref().map(|status| name_of(&status.state));
        one_of(observer, &STATES, current);
    });
}

fn counts(meter: &Meter, work: &WorkSource) {
    let of = |name, unit, help, value: fn(&Work) -> u64| {
        let work = work.clone();
        counter(meter, about(name, unit, help), move |observer| {
            observer.observe(value(&work()), &[]);
        });
    };
    of("loadhost_requests", "{request}", "Finished requests, of all runs", |work| work.requests);
    let help = "Failed requests, of all runs";
    of("loadhost_request_failures", "{request}", help, |work| work.failures);
    let help = "Arrivals dropped because no user was free, of all runs";
    of("loadhost_dropped_arrivals", "{arrival}", help, |work| work.dropped_arrivals);
    let help = "Users that ended with a trap, a timeout or a panic, of all runs";
    of("loadhost_user_crashes", "{user}", help, |work| work.crashed_users);
    let events_of = work.clone();
    let help = "Modules by what was done for them: found compiled, compiled, fetched, refused";
    let about_modules = about("loadhost_module_cache_events", "{module}", help);
    events(meter, about_modules, "event", move || events_of().modules);
    let limit = work.clone();
    let help = "Memory above which load is shed, if there is a limit";
    single(meter, about("loadhost_memory_limit_bytes", "By", help), move || {
        limit().memory_limit.map(|bytes| bytes as f64)
    });
}

/// Of modules.
pub(super) fn observe_kept(meter: &Meter, bytes: Option<KeptModules>) {
    let Some(bytes) = bytes else { return };
    let help = "Compiled modules kept on disk";
    single(meter, about("loadhost_module_cache_bytes", "By", help), move || {
        bytes().map(|bytes| bytes as f64)
    });
}

const STATES: [&str; 9] = [
    "idle",
    "preparing",
    "ready",
    "set-up",
    "running",
    "stopping",
    "stopped",
    "torn-down",
    "failed",
];

fn name_of(state: &WorkerState) -> &'static str {
    match state {
        WorkerState::Idle => "idle",
        WorkerState::Preparing => "preparing",
        WorkerState::Ready => "ready",
        WorkerState::SetUp { .. } => "set-up",
        WorkerState::Running => "running",
        WorkerState::Stopping => "stopping",
        WorkerState::Stopped { .. } => "stopped",
        WorkerState::TornDown => "torn-down",
        WorkerState::Failed { .. } => "failed",
    }
}
