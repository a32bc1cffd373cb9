//! Rust types of the contract in `wit/`: the only place that generates them.
//!
//! Host calls that can wait are `async`; all others are plain functions, which cost half as much.
//! All may trap: a guest that exceeds a quota ends its own store.
//!
//! WIT has no optional exports, so the worlds `scenario` and `shape` are bound apart; a
//! guest with its own load shape has both.

// Generated code carries the documentation of the WIT files, but not for each item.
#![allow(missing_docs)]

/// World `scenario`: what each guest imports and exports.
pub(crate) mod scenario {
    wasmtime::component::bindgen!({
        path: "../../wit",
        world: "scenario",
        imports: {
            "loadhost:scenario/http.[method]template.send": async | trappable,
            "loadhost:scenario/http.[method]template.fetch": async | trappable,
            "loadhost:scenario/http.send": async | trappable | exact,
            "loadhost:scenario/http.send-all": async | trappable | exact,
            "loadhost:scenario/http.send-templates": async | trappable | exact,
            "loadhost:scenario/data.[method]feeder.next": async | trappable,
            "loadhost:scenario/data.unique-number": async | trappable,
            "loadhost:scenario/data.rendezvous": async | trappable,
            "loadhost:scenario/time.sleep": async | trappable,
            default: trappable,
        },
        exports: { default: async },
        with: {
            "loadhost:scenario/http.template": crate::host::template::HostTemplate,
            "loadhost:scenario/http.response": crate::host::response::HostResponse,
            "loadhost:scenario/metrics.metric": crate::host::metrics::HostMetric,
            "loadhost:scenario/data.feeder": crate::host::data::HostFeeder,
        },
    });
}

/// World `shape`: the optional export.
pub(crate) mod shape {
    wasmtime::component::bindgen!({
        path: "../../wit",
        world: "shape",
        exports: { default: async },
        with: {
            "loadhost:scenario/types": super::scenario::loadhost::scenario::types,
        },
    });
}

pub(crate) use scenario::Scenario as ScenarioWorld;
pub(crate) use scenario::exports::loadhost::scenario::guest;
pub(crate) use scenario::loadhost::scenario::{data, http, log, metrics, time, types};
