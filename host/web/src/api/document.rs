//! The OpenAPI document, made from the handlers.

use std::sync::LazyLock;

use bytes::Bytes;
use utoipa::OpenApi;
use utoipa::openapi::path::Operation;
use utoipa::openapi::{ContentBuilder, Ref, RefOr, Response, ResponseBuilder};

use super::{data_sets, downloads, fleet, history, live, plans, runs, scenarios, start};
use crate::refusal::Refusal;

#[derive(OpenApi)]
#[openapi(
    info(
        title = "loadhost",
        description = "Start, watch, change and compare runs. Every refusal is {code, message, hint}, with `faults` where several things are wrong. See docs/api.md.",
        license(name = "MIT OR Apache-2.0")
    ),
    servers((url = "/")),
    paths(
        crate::access::login::who, crate::access::login::log_in, crate::access::login::log_out,
        fleet::openapi, fleet::state, fleet::settings, fleet::workers, fleet::drain, fleet::undrain,
        fleet::drain_master, fleet::undrain_master, fleet::logs,
        live::live,
        scenarios::list, scenarios::upload, scenarios::one, scenarios::delete, scenarios::module,
        data_sets::list, data_sets::upload, data_sets::one, data_sets::delete,
        plans::plan,
        start::start, history::list, history::detail, history::write, history::delete, history::points, history::workers,
        runs::stop, runs::change, runs::reset, runs::scenario,
        downloads::report, downloads::json, downloads::junit, downloads::stats, downloads::history, downloads::failures,
        downloads::exceptions, downloads::compare
    ),
    components(schemas(Refusal))
)]
struct Described;

/// What may go wrong anywhere, and with what changes something.
const ALWAYS: [(u16, &str); 8] = [
    (400, "the request has no meaning"),
    (401, "nobody is logged in"),
    (403, "the role is too small, or a page of another site asks"),
    (404, "there is no such thing"),
    (408, "the request was not over in time"),
    (409, "not in this state"),
    (421, "not a name of this machine"),
    (503, "not now: no leader, no room, or the store does not answer"),
];
const CHANGING: [(u16, &str); 5] = [
    (413, "too large"),
    (415, "not JSON, or not what is taken here"),
    (422, "what was given cannot be used"),
    (429, "too many attempts"),
    (507, "the store is full"),
];

/// [`document`], made when it is asked for first.
pub(super) static DOCUMENT: LazyLock<Bytes> = LazyLock::new(|| document().into());

/// As `docs/openapi.json` holds it, with a line end.
pub fn document() -> String {
    let mut api = Described::openapi();
    api.info.version = env!("CARGO_PKG_VERSION").to_string();
    if let Some(components) = &mut api.components {
        components.responses.extend(named_refusals());
    }
    for item in api.paths.paths.values_mut() {
        let reading = [&mut item.get];
        let changing = [&mut item.post, &mut item.put, &mut item.patch, &mut item.delete];
        reading.into_iter().flatten().for_each(|operation| refusals(operation, &ALWAYS));
        for operation in changing.into_iter().flatten() {
            refusals(operation, &ALWAYS);
            refusals(operation, &CHANGING);
        }
    }
    api.to_pretty_json().map(|text| text + "\n").unwrap_or_default()
}

fn refusals(operation: &mut Operation, known: &[(u16, &str)]) {
    for (status, _) in known {
        let named = Ref::from_response_name(refused(*status));
        operation.responses.responses.entry(status.to_string()).or_insert_with(|| named.into());
    }
}

fn refused(status: u16) -> String {
    format!("Refused{status}")
}

/// Each refusal once, for all operations to point at.
fn named_refusals() -> impl Iterator<Item = (String, RefOr<Response>)> {
    ALWAYS.iter().chain(&CHANGING).map(|(status, when)| {
        let content = ContentBuilder::new().schema(Some(Ref::from_schema_name("Refusal"))).build();
        let response =
            ResponseBuilder::new().description(*when).content("application/json", content).build();
        (refused(*status), response.into())
    })
}
