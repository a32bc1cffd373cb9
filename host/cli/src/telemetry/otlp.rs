//! Where OpenTelemetry goes: a collector that speaks OTLP over HTTP, in protobuf.
//!
//! Deliberately absent: gRPC, which every collector offers beside HTTP.

use std::collections::HashMap;
use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use futures_util::future::BoxFuture;
use loadhost_web::ops::Collector;
use opentelemetry::KeyValue;
use opentelemetry_otlp::{LogExporter, Protocol, SpanExporter, WithExportConfig, WithHttpConfig};
use opentelemetry_sdk::Resource;
use opentelemetry_sdk::logs::LogExporter as _;
use opentelemetry_sdk::trace::SpanExporter as _;

use crate::commands::machine_name;
use crate::config::{Commands, Effective, by_key, refuse};
use crate::exit_code::ExitCode;
use crate::failure::{Failure, chain};

/// For one export, with the attempts that it takes.
const PATIENCE: Duration = Duration::from_secs(10);
/// What other programs go by; `--otlp` and LOADHOST_OTLP come before it.
const STANDARD: &str = "OTEL_EXPORTER_OTLP_ENDPOINT";
/// Between two exports, at least.
const SHORTEST: Duration = Duration::from_millis(100);

/// A collector.
#[derive(Clone, PartialEq, Eq)]
pub(crate) struct Otlp {
    /// Without a slash at its end, and without the signal's path.
    url: String,
    headers: HashMap<String, String>,
    /// Between two exports.
    pub(crate) interval: Duration,
}

/// Headers are mostly keys of somebody's account.
impl fmt::Debug for Otlp {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Otlp").field("url", &self.url).field("interval", &self.interval).finish()
    }
}

impl Otlp {
    /// What is set. None: nothing is to be exported by this command.
    pub(crate) fn of(settings: &Effective, command: u8) -> Result<Option<Self>, Failure> {
        let is_one = [Commands::RUN, Commands::MASTER, Commands::WORKER].contains(&command);
        let item = settings.item("otlp").filter(|item| !item.text.is_empty());
        let standard = std::env::var(STANDARD).ok().filter(|text| !text.is_empty());
        let Some(text) = item.map(|item| item.text.clone()).or(standard).filter(|_| is_one) else {
            return Ok(None);
        };
        debug_assert!(by_key("otlp").is_some_and(|option| option.commands.has(command)));
        let url = text.trim_end_matches('/').to_string();
        let is_http = url.starts_with("http://") || url.starts_with("https://");
        if !is_http || url.parse::<reqwest::Url>().is_err() {
            let wanted = "it is a URL such as `http://127.0.0.1:4318`";
            return Err(match item {
                Some(item) => refuse("otlp", item, wanted),
                None => Failure::new(ExitCode::Configuration, format!("{STANDARD} is `{text}`"))
                    .hint(wanted),
            });
        }
        let interval = settings.duration_from("otlp-interval", SHORTEST)?.unwrap_or(PATIENCE);
        let headers = settings.items("otlp-headers").iter();
        let headers = headers.filter_map(|item| Some((item.name.clone()?, item.text.clone())));
        Ok(Some(Self { url, headers: headers.collect(), interval }))
    }

    /// What sends spans.
    pub(super) fn spans(&self) -> Result<SpanExporter, Failure> {
        let builder = self.set(SpanExporter::builder().with_http(), "traces")?;
        let mut exporter = builder.build().map_err(|error| unusable(&error))?;
        exporter.set_resource(&resource());
        Ok(exporter)
    }

    /// Where metrics are pushed to.
    pub(super) fn metrics(&self) -> Result<Collector, Failure> {
        let (client, url) = (client()?, self.path("metrics"));
        let headers = reqwest::header::HeaderMap::try_from(&self.headers);
        let headers = headers.map_err(|error| unusable(&error))?;
        let send = move |body: Vec<u8>| {
            let request = client
                .post(&url)
                .headers(headers.clone())
                .header(reqwest::header::CONTENT_TYPE, "application/x-protobuf")
                .body(body);
            let sent: BoxFuture<'static, Result<(), String>> = Box::pin(async move {
                let answer = request.send().await.map_err(|error| in_full(&error.without_url()))?;
                if answer.status().is_success() {
                    return Ok(());
                }
                Err(format!("it answers {}", answer.status()))
            });
            sent
        };
        Ok(Collector { send: Arc::new(send), every: self.interval, resource: resource() })
    }

    /// What sends log records.
    pub(super) fn logs(&self) -> Result<LogExporter, Failure> {
        let builder = self.set(LogExporter::builder().with_http(), "logs")?;
        let mut exporter = builder.build().map_err(|error| unusable(&error))?;
        exporter.set_resource(&resource());
        Ok(exporter)
    }

    /// As exporters of all signals are set.
    fn set<B: WithExportConfig + WithHttpConfig>(
        &self,
        builder: B,
        signal: &str,
    ) -> Result<B, Failure> {
        Ok(builder
            .with_http_client(client()?)
            .with_protocol(Protocol::HttpBinary)
            .with_endpoint(self.path(signal))
            .with_headers(self.headers.clone())
            .with_timeout(PATIENCE))
    }

    fn path(&self, signal: &str) -> String {
        format!("{}/v1/{signal}", self.url)
    }
}

fn client() -> Result<reqwest::Client, Failure> {
    // Somebody else may have installed it before.
    let _ = rustls::crypto::ring::default_provider().install_default();
    // Another host is not to get the headers, which are mostly keys.
    let redirects = reqwest::redirect::Policy::none();
    let builder = reqwest::Client::builder().timeout(PATIENCE).redirect(redirects);
    builder.build().map_err(|error| unusable(&error))
}

/// What this process says of itself. `OTEL_RESOURCE_ATTRIBUTES` adds to it.
fn resource() -> Resource {
    let version = KeyValue::new("service.version", env!("CARGO_PKG_VERSION"));
    // Those of several workers would be one series without it.
    let instance = format!("{}-{}", machine_name(), std::process::id());
    let instance = KeyValue::new("service.instance.id", instance);
    Resource::builder().with_service_name("loadhost").with_attributes([version, instance]).build()
}

/// With what is behind it.
fn in_full(error: &(dyn std::error::Error + 'static)) -> String {
    chain(error).map(ToString::to_string).collect::<Vec<_>>().join(": ")
}

fn unusable(error: &(dyn std::error::Error + 'static)) -> Failure {
    Failure::new(ExitCode::Configuration, "nothing can be exported to the collector of `--otlp`")
        .because(error)
        .hint("see `--otlp` and `--otlp-header`")
        .of("otlp")
}
