//! A worker's metrics, from its last status.

use loadhost_model::wire::{WorkerState, WorkerStatus};
use opentelemetry::KeyValue;
use opentelemetry::metrics::Meter;
use tokio::sync::watch;

use super::gauge;

pub(super) fn observe(meter: &Meter, status: &watch::Receiver<Option<WorkerStatus>>) {
    let single = |name, help, value: fn(&WorkerStatus) -> f64| {
        let status = status.clone();
        gauge(meter, name, help, move |observer| {
            if let Some(status) = &*status.borrow() {
                observer.observe(value(status), &[]);
            }
        });
    };
    single("loadhost_users", "Users running", |status| status.users.into());
    single("loadhost_capacity_users", "Users that fit", |status| status.capacity.into());
    single("loadhost_cpu_ratio", "CPU over all shards, 1 is saturated", |status| status.cpu);
    single("loadhost_memory_bytes", "Resident memory", |status| status.memory as f64);
    let status = status.clone();
    let help = "Where it is in its run: 1 for the state it is in";
    gauge(meter, "loadhost_worker_state", help, move |observer| {
        let current = status.borrow().as_ref().map(|status| name_of(&status.state));
        for state in STATES {
            let here = f64::from(u8::from(current == Some(state)));
            observer.observe(here, &[KeyValue::new("state", state)]);
        }
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
