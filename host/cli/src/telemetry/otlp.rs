//! Where OpenTelemetry goes: a collector that speaks OTLP over HTTP, in protobuf.
//!
//! Deliberately absent: gRPC, which every collector offers beside HTTP.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use futures_util::future::BoxFuture;
use loadhost_web::ops::Collector;
use opentelemetry::KeyValue;
use opentelemetry_http::{Bytes, HttpClient, HttpError, Request, Response};
use opentelemetry_otlp::{LogExporter, Protocol, SpanExporter, WithExportConfig, WithHttpConfig};
use opentelemetry_sdk::Resource;
use opentelemetry_sdk::logs::LogExporter as _;
use opentelemetry_sdk::trace::SpanExporter as _;
use percent_encoding::percent_decode_str;
use reqwest::header::{HeaderMap, HeaderName, HeaderValue};

use crate::commands::machine_name;
use crate::config::{Commands, Effective, by_key, refuse, refuse_secret};
use crate::exit_code::ExitCode;
use crate::failure::{Failure, chain};

/// For one export, with the attempts that it takes.
const PATIENCE: Duration = Duration::from_secs(10);
/// What other programs go by; `--otlp` and LOADHOST_OTLP come before it.
const STANDARD: &str = "OTEL_EXPORTER_OTLP_ENDPOINT";
/// The same for headers; one for a signal alone comes before it.
const STANDARD_HEADERS: &str = "OTEL_EXPORTER_OTLP_HEADERS";
/// Between two exports, at least.
const SHORTEST: Duration = Duration::from_millis(100);

/// A collector.
#[derive(Clone, PartialEq, Eq)]
pub(crate) struct Otlp {
    /// Without a slash at its end, and without the signal's path.
    url: String,
    /// Each is secret.
    headers: HeaderMap,
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
        let mut headers = HeaderMap::new();
        for item in settings.items("otlp-headers") {
            let name = item.name.as_deref().unwrap_or_default();
            let (name, value) = header(name, &item.text)
                .map_err(|wrong| refuse_secret("otlp-headers", item, wrong))?;
            headers.insert(name, value);
        }
        Ok(Some(Self { url, headers, interval }))
    }

    /// Those that other programs go by, and ours before them.
    fn headers(&self, signal: &str) -> Result<HeaderMap, Failure> {
        let of_signal = format!("OTEL_EXPORTER_OTLP_{}_HEADERS", signal.to_uppercase());
        let set = |name: &str| std::env::var(name).ok().map(|text| (name.to_string(), text));
        let mut headers = match set(&of_signal).or_else(|| set(STANDARD_HEADERS)) {
            Some((name, text)) => standard_headers(&text).map_err(|wrong| {
                Failure::new(ExitCode::Configuration, format!("{name} cannot be used: {wrong}"))
                    .hint("it is written as `api-key=abc,tenant=shop`, with `%20` and the like for what is no letter")
                    .of("otlp-headers")
            })?,
            None => HeaderMap::new(),
        };
        headers.extend(self.headers.clone()); // takes the place of those of the same name
        Ok(headers)
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
        let headers = self.headers("metrics")?;
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
            .with_http_client(Client { client: client()?, headers: self.headers(signal)? })
            .with_protocol(Protocol::HttpBinary)
            .with_endpoint(self.path(signal))
            .with_timeout(PATIENCE))
    }

    fn path(&self, signal: &str) -> String {
        format!("{}/v1/{signal}", self.url)
    }
}

/// Sets headers last: the exporters of traces and logs let those of the environment win over what they were given, and
/// leave out what cannot be one without a word.
#[derive(Debug)]
struct Client {
    client: reqwest::Client,
    headers: HeaderMap,
}

#[async_trait::async_trait]
impl HttpClient for Client {
    async fn send_bytes(&self, mut request: Request<Bytes>) -> Result<Response<Bytes>, HttpError> {
        request.headers_mut().extend(self.headers.clone());
        self.client.send_bytes(request).await
    }
}

/// As <https://opentelemetry.io/docs/specs/otel/protocol/exporter/#specifying-headers-via-environment-variables> has it.
fn standard_headers(text: &str) -> Result<HeaderMap, String> {
    let mut headers = HeaderMap::new();
    for pair in text.split(',').map(str::trim).filter(|pair| !pair.is_empty()) {
        let (name, value) = pair.split_once('=').ok_or("a header in it has no `=`")?;
        let value = percent_decode_str(value.trim()).decode_utf8();
        let value = value.map_err(|_| format!("the value of `{name}` is no text"))?;
        let (known, value) =
            header(name.trim(), &value).map_err(|wrong| format!("`{name}`: {wrong}"))?;
        headers.insert(known, value);
    }
    Ok(headers)
}

fn header(name: &str, value: &str) -> Result<(HeaderName, HeaderValue), &'static str> {
    let name = name.parse().map_err(|_| "its name is none of a header: letters, digits and `-`")?;
    let mut value: HeaderValue =
        value.parse().map_err(|_| "its value is none of a header: visible characters only")?;
    value.set_sensitive(true);
    Ok((name, value))
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

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    fn check(text: &str, expected: Result<&[(&str, &str)], &str>) {
        let headers = standard_headers(text);
        let found = headers.map(|headers| {
            let text = |value: &HeaderValue| value.to_str().unwrap().to_string();
            headers.iter().map(|(name, value)| (name.to_string(), text(value))).collect::<Vec<_>>()
        });
        let owned = |(name, value): &(&str, &str)| (name.to_string(), value.to_string());
        let expected = expected.map(|all| all.iter().map(owned).collect());
        assert_eq!(found, expected.map_err(str::to_string), "{text}");
    }

    #[test]
    fn headers_of_the_environment_are_read_as_the_specification_has_it_or_refused() {
        check("", Ok(&[]));
        check("k1=v1", Ok(&[("k1", "v1")]));
        check(" k1 = v1=10, ,k2=Basic%20AAA,", Ok(&[("k1", "v1=10"), ("k2", "Basic AAA")]));
        check("k1=v1,k2", Err("a header in it has no `=`"));
        check("k 1=v", Err("`k 1`: its name is none of a header: letters, digits and `-`"));
        check("k1=%0A", Err("`k1`: its value is none of a header: visible characters only"));
        check("k1=%FF", Err("the value of `k1` is no text"));
    }
}
