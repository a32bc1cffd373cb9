//! What masters and workers have in common: the process itself, the transport, what is exported. Names of `process_*` are those that
//! Prometheus' own client libraries use.

use std::fs;
use std::sync::Arc;
use std::sync::atomic::Ordering;

use opentelemetry::KeyValue;
use opentelemetry::metrics::Meter;

use super::{Exports, about, counter, events, gauge, seconds, single};
use crate::machine::cpu_time;
use crate::ops::Ops;

pub(super) fn observe(meter: &Meter, ops: &Ops, exports: &Arc<Exports>) {
    gauge(meter, about("loadhost_build_info", "", "Of the program: always 1"), |observer| {
        observer.observe(1.0, &[KeyValue::new("version", env!("CARGO_PKG_VERSION"))]);
    });
    of_system(meter);
    let counters = ops.counters.clone();
    let help = "Events of transport, page and uploads, by name";
    let about_events = about("loadhost_transport_events", "{event}", help);
    events(meter, about_events, "event", move || counters.all());
    if let Some(broker) = ops.broker.clone() {
        let state = broker.clone();
        let help = "Whether the NATS server is connected";
        single(meter, about("loadhost_broker_connected", "", help), move || {
            Some(f64::from(u8::from(state().connected)))
        });
        let help = "Connections to the NATS server that were made anew";
        let about_reconnects = about("loadhost_broker_reconnects", "{connection}", help);
        counter(meter, about_reconnects, move |observer| {
            observer.observe(broker().reconnects, &[]);
        });
    }
    if ops.collector.is_some() {
        let exports = exports.clone();
        let help = "Metrics pushed to the OTLP collector, by what became of it";
        let about_exports = about("loadhost_metric_exports", "{export}", help);
        events(meter, about_exports, "outcome", move || {
            let of = |outcome, count: &std::sync::atomic::AtomicU64| {
                (outcome, count.load(Ordering::Relaxed))
            };
            vec![of("sent", &exports.sent), of("failed", &exports.failed)]
        });
    }
}

fn of_system(meter: &Meter) {
    let help = "User and system time of this process";
    seconds(meter, about("process_cpu_seconds", "s", help), cpu_time);
    let help = "Resident memory of this process";
    single(meter, about("process_resident_memory_bytes", "By", help), || resident().map(whole));
    let help = "Files that this process has open";
    single(meter, about("process_open_fds", "{file}", help), || {
        Some(fs::read_dir("/proc/self/fd").ok()?.count() as f64)
    });
    let help = "When this process began, since the Unix epoch";
    let started = started();
    single(meter, about("process_start_time_seconds", "s", help), move || started);
}

fn whole(count: u64) -> f64 {
    count as f64
}

fn resident() -> Option<u64> {
    let statm = fs::read_to_string("/proc/self/statm").ok()?;
    let pages = statm.split_whitespace().nth(1)?.parse::<u64>().ok()?;
    Some(pages * rustix::param::page_size() as u64)
}

/// `proc(5)`: field 22 of `stat` counts clock ticks since the boot that `btime` names.
fn started() -> Option<f64> {
    let stat = fs::read_to_string("/proc/self/stat").ok()?;
    let after_name = stat.rsplit_once(')')?.1;
    let ticks = after_name.split_whitespace().nth(19)?.parse::<f64>().ok()?;
    let system = fs::read_to_string("/proc/stat").ok()?;
    let boot = system.lines().find_map(|line| line.strip_prefix("btime "))?.parse::<f64>().ok()?;
    Some(boot + ticks / rustix::param::clock_ticks_per_second() as f64)
}
