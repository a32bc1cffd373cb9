//! The engine against servers that send exactly what a test says, with reqwest beside it.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod behaviour;
mod fuzz;
mod oracle;
mod redirects;
mod server;
mod size;
mod table;
mod tls;

use std::sync::Arc;
use std::time::Duration;

use loadhost_model::plan::{HttpSettings, Limits};

use super::{Client, Exchange, Grants, Keep, Shared, Template};

/// Long enough for a busy machine, short enough for cases that run into it.
pub(super) const TIMEOUT: Duration = Duration::from_secs(3);

pub(super) fn settings() -> HttpSettings {
    HttpSettings { timeout: TIMEOUT, connect_timeout: TIMEOUT, ..HttpSettings::default() }
}

pub(super) fn client_with(target: &str, settings: &HttpSettings, limits: &Limits) -> Client {
    Client::new(shared_with(target, settings, limits))
}

pub(super) fn shared_with(target: &str, settings: &HttpSettings, limits: &Limits) -> Arc<Shared> {
    Shared::new(settings, Some(target), limits, &Grants::default()).unwrap()
}

pub(super) fn client(target: &str) -> Client {
    client_with(target, &settings(), &Limits::default())
}

pub(super) async fn get(client: &mut Client, url: &str) -> Exchange {
    client.send(&Template::new("GET", url).unwrap(), &[], Keep::Response).await
}

/// The body of an answer, decompressed; or the failure.
pub(super) fn body(exchange: &Exchange) -> String {
    match &exchange.result {
        Ok(answer) => answer.kept.as_ref().unwrap().text().into_owned(),
        Err(failure) => format!("{}: {failure}", failure.kind.code()),
    }
}
