//! The other end of a master's API: what `push`, `start`, `change`, `stop`, `drain`, `status`, `runs` and `report`
//! speak through.

use std::net::SocketAddr;
use std::time::Duration;

use loadhost_control::FleetView;
use loadhost_model::data::DataFormat;
use loadhost_model::id::{Digest, WorkerId};
use loadhost_web::api::dto::{DataSetInfo, ScenarioInfo};
use loadhost_web::workbench::Fault;
use reqwest::header::{AUTHORIZATION, HeaderMap, HeaderValue};
use reqwest::{Certificate, RequestBuilder, StatusCode, Url};
use serde::Deserialize;
use serde::de::DeserializeOwned;
use serde_json::{Value, json};

use crate::config::{Effective, refuse, refuse_secret};
use crate::exit_code::ExitCode;
use crate::failure::{Failure, chain};
use crate::ops;
use crate::plan::format_of;
use crate::scenario_file::code_of;

/// For an answer.
const PATIENCE: Duration = Duration::from_secs(10);
/// For an answer to what takes longer: a scenario is compiled, a file is sent.
const LONG_PATIENCE: Duration = Duration::from_secs(180);

/// Asks one process.
pub(crate) struct Client {
    http: reqwest::Client,
    base: Url,
}

/// What was done, to which run.
#[derive(Deserialize)]
struct Done {
    run: String,
}

/// What a process says of itself, to those who may ask.
#[derive(Deserialize)]
struct About {
    single_run: bool,
}

/// The API's one form of errors.
#[derive(Deserialize)]
struct Refusal {
    #[serde(default)]
    code: String,
    message: String,
    hint: String,
    #[serde(default)]
    faults: Vec<Fault>,
}

impl Client {
    /// Of the process at `--url`, or where a master of these settings listens.
    pub(crate) fn new(settings: &Effective) -> Result<Self, Failure> {
        Self::at(settings, base(settings)?)
    }

    /// Of a worker of this machine, where these settings let it say how it is.
    pub(crate) fn of_worker(settings: &Effective) -> Result<Self, Failure> {
        let shared = settings.address("worker.listen")?;
        let own = settings.address("worker.health-listen")?;
        // The second has a default.
        Self::at(settings, local(shared.or(own).unwrap_or(ops::MASTER))?)
    }

    fn at(settings: &Effective, base: Url) -> Result<Self, Failure> {
        // Without a provider installed, building the client would panic.
        let _ = rustls::crypto::ring::default_provider().install_default();
        let mut http = reqwest::Client::builder().no_proxy().timeout(PATIENCE);
        if let Some(token) = token(settings)? {
            http = http.default_headers(HeaderMap::from_iter([(AUTHORIZATION, token)]));
        }
        for certificate in authorities(settings)? {
            http = http.tls_certs_merge([certificate]);
        }
        let http = http.build().map_err(|error| {
            Failure::new(ExitCode::Unexpected, "the client of the API cannot be made")
                .because(&error)
        })?;
        Ok(Self { http, base })
    }

    /// What it tells anybody of itself: `health` or `ready`. The error says why it is not.
    pub(crate) async fn well(&self, what: &str) -> Result<(), Failure> {
        self.ask_path(|http, url| http.get(url), what).await.map(drop)
    }

    /// Fleet and runs, as text and as data.
    pub(crate) async fn state(&self) -> Result<(String, FleetView), Failure> {
        let text = self.ask(|http, url| http.get(url), "state").await?;
        let view = serde_json::from_str(&text).map_err(|error| self.stranger(&error))?;
        Ok((text, view))
    }

    /// Does `what`, such as `stop`; the run that it was done to.
    pub(crate) async fn tell(&self, what: &str, body: &Value) -> Result<String, Failure> {
        let text = self.ask(|http, url| http.post(url).json(body), what).await?;
        let done: Done = serde_json::from_str(&text).map_err(|error| self.stranger(&error))?;
        Ok(done.run)
    }

    /// Hands over a scenario; its digest.
    pub(crate) async fn upload(&self, component: Vec<u8>) -> Result<Digest, Failure> {
        let info = self.push_scenario("scenario.wasm", component).await?;
        info.digest.parse().map_err(|error| self.stranger(&error))
    }

    /// Hands over a scenario, which the master checks.
    pub(crate) async fn push_scenario(
        &self,
        file_name: &str,
        component: Vec<u8>,
    ) -> Result<ScenarioInfo, Failure> {
        self.push("scenarios", &[("name", file_name)], "application/wasm", component).await
    }

    /// Hands over a file of rows, which the master checks; how it is read, its name says, or else `format`.
    pub(crate) async fn push_data(
        &self,
        file_name: &str,
        format: Option<&str>,
        rows: Vec<u8>,
    ) -> Result<DataSetInfo, Failure> {
        let kind = match format_of(file_name.as_ref()) {
            Ok(DataFormat::JsonLines) => "application/x-ndjson",
            Ok(DataFormat::Csv) | Err(_) => "text/csv",
        };
        let mut called = vec![("name", file_name)];
        called.extend(format.map(|format| ("format", format)));
        self.push("data-sets", &called, kind, rows).await
    }

    async fn push<T: DeserializeOwned>(
        &self,
        what: &str,
        called: &[(&str, &str)],
        kind: &str,
        bytes: Vec<u8>,
    ) -> Result<T, Failure> {
        // A body that nobody reads would break the connection before the refusal is read.
        if let Ok((_, About { single_run: true })) = self.get("session").await {
            let message =
                "what answers there runs one scenario, and takes neither files nor other runs";
            return Err(Failure::new(ExitCode::Refused, message)
                .hint("start `loadhost master`, and give its address with `--url`"));
        }
        let request = |http: &reqwest::Client, mut url: Url| {
            url.query_pairs_mut().extend_pairs(called);
            http.post(url).header("content-type", kind).timeout(LONG_PATIENCE).body(bytes)
        };
        let text = self.ask(request, what).await?;
        serde_json::from_str(&text).map_err(|error| self.stranger(&error))
    }

    /// What is at `what`, and as text.
    pub(crate) async fn get<T: DeserializeOwned>(
        &self,
        what: &str,
    ) -> Result<(String, T), Failure> {
        let text = self.ask(|http, url| http.get(url), what).await?;
        let value = serde_json::from_str(&text).map_err(|error| self.stranger(&error))?;
        Ok((text, value))
    }

    /// A file.
    pub(crate) async fn download(&self, what: &str) -> Result<String, Failure> {
        self.ask(|http, url| http.get(url).timeout(LONG_PATIENCE), what).await
    }

    /// Makes something of `body`; it may take as long as workers need to come.
    pub(crate) async fn make<T: DeserializeOwned>(
        &self,
        what: &str,
        body: &Value,
        patience: Duration,
    ) -> Result<T, Failure> {
        let request = |http: &reqwest::Client, url| {
            http.post(url).timeout(PATIENCE.saturating_add(patience)).json(body)
        };
        let text = self.ask(request, what).await?;
        serde_json::from_str(&text).map_err(|error| self.stranger(&error))
    }

    /// Takes a worker out of service, or lets it work again.
    pub(crate) async fn drain(&self, worker: &WorkerId, drained: bool) -> Result<(), Failure> {
        self.put(&format!("workers/{worker}"), drained).await
    }

    /// Takes a master out of service, or lets it lead again.
    pub(crate) async fn drain_master(&self, master: &str, drained: bool) -> Result<(), Failure> {
        self.put(&format!("masters/{master}"), drained).await
    }

    async fn put(&self, what: &str, drained: bool) -> Result<(), Failure> {
        let request = |http: &reqwest::Client, url| match drained {
            true => http.post(url).json(&json!({})),
            false => http.delete(url),
        };
        self.ask(request, &format!("{what}/drain")).await.map(drop)
    }

    async fn ask(
        &self,
        request: impl FnOnce(&reqwest::Client, Url) -> RequestBuilder,
        what: &str,
    ) -> Result<String, Failure> {
        self.ask_path(request, &format!("api/v1/{what}")).await
    }

    async fn ask_path(
        &self,
        request: impl FnOnce(&reqwest::Client, Url) -> RequestBuilder,
        path: &str,
    ) -> Result<String, Failure> {
        let mut url = self.base.clone();
        let below = url.path().trim_end_matches('/').to_string();
        url.set_path(&format!("{below}/{path}"));
        let answer =
            request(&self.http, url).send().await.map_err(|error| self.unreachable(&error))?;
        let status = answer.status();
        let text = answer.text().await.map_err(|error| self.unreachable(&error))?;
        if status.is_success() {
            return Ok(text);
        }
        match serde_json::from_str::<Refusal>(&text) {
            Ok(refusal) => Err(refusal.failure(status)),
            Err(_) => Err(self.stranger(&std::io::Error::other(format!("it answers {status}")))),
        }
    }

    fn unreachable(&self, error: &reqwest::Error) -> Failure {
        let because = |what: String| Failure::new(ExitCode::NobodyAnswers, what).because(error);
        if is_about_a_certificate(error) {
            let what = format!("the certificate that is shown at {} is not trusted", self.base);
            return because(what).hint("give the one that signed it with `--ca FILE`");
        }
        because(format!("nobody answers at {}", self.base))
    }

    fn stranger(&self, error: &(dyn std::error::Error + 'static)) -> Failure {
        let what = format!("what answers at {} is no master of this version", self.base);
        Failure::new(ExitCode::NobodyAnswers, what).because(error)
    }
}

/// TLS tells of it in words only, at the end of the chain.
fn is_about_a_certificate(error: &reqwest::Error) -> bool {
    chain(error).any(|cause| cause.to_string().contains("certificate"))
}

impl Refusal {
    fn failure(self, status: StatusCode) -> Failure {
        let code = match (status, self.code.as_str()) {
            (StatusCode::UNPROCESSABLE_ENTITY, "faulty") => {
                let parameters = self.faults.iter().all(|fault| fault.code == "parameter");
                if parameters { ExitCode::Parameters } else { ExitCode::Configuration }
            }
            (StatusCode::UNPROCESSABLE_ENTITY, "faulty-scenario") => {
                code_of(self.faults.first().map_or("", |fault| fault.code.as_str()))
            }
            _ => ExitCode::Refused,
        };
        let mut hint = match self.faults.is_empty() {
            true => self.hint,
            false => String::new(),
        };
        if status == StatusCode::UNAUTHORIZED {
            hint = "give `--token` or LOADHOST_TOKEN; `loadhost user token` makes one".to_string();
        }
        let faults = self.faults.iter().map(|fault| {
            let Fault { message, hint, .. } = fault;
            if hint.is_empty() { message.clone() } else { format!("{message} ({hint})") }
        });
        let failure = Failure::new(code, self.message).hint(hint);
        faults.fold(failure, |failure, fault| failure.because(&std::io::Error::other(fault)))
    }
}

/// As a header.
fn token(settings: &Effective) -> Result<Option<HeaderValue>, Failure> {
    let Some(item) = settings.item("token").filter(|item| !item.text.is_empty()) else {
        return Ok(None);
    };
    let header = HeaderValue::from_str(&format!("Bearer {}", item.text.trim()));
    let mut header =
        header.map_err(|_| refuse_secret("token", item, "it has characters that no token has"))?;
    header.set_sensitive(true);
    Ok(Some(header))
}

/// Of `--ca`.
fn authorities(settings: &Effective) -> Result<Vec<Certificate>, Failure> {
    let Some(item) = settings.item("url-ca") else { return Ok(Vec::new()) };
    let pem =
        std::fs::read(&item.text).map_err(|error| refuse("url-ca", item, &error.to_string()))?;
    Certificate::from_pem_bundle(&pem).map_err(|error| refuse("url-ca", item, &error.to_string()))
}

fn base(settings: &Effective) -> Result<Url, Failure> {
    let Some(item) = settings.item("url") else {
        return local(settings.address("listen")?.unwrap_or(ops::MASTER));
    };
    let wrong =
        |why: &str| refuse("url", item, &format!("{why}; write it like http://127.0.0.1:8089"));
    let url = Url::parse(&item.text).map_err(|error| wrong(&error.to_string()))?;
    match url.scheme() {
        "http" | "https" => Ok(url),
        other => Err(wrong(&format!("`{other}` is neither http nor https"))),
    }
}

/// What listens there, as this machine reaches it.
fn local(mut address: SocketAddr) -> Result<Url, Failure> {
    if address.ip().is_unspecified() {
        address.set_ip(ops::MASTER.ip());
    }
    Url::parse(&format!("http://{address}")).map_err(|error| {
        Failure::new(ExitCode::Configuration, format!("{address} makes no URL")).because(&error)
    })
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use crate::config::from_file;

    fn of(file: &str) -> Result<String, String> {
        let settings = Effective::of([from_file("loadhost.toml".as_ref(), file).unwrap()]);
        base(&settings).map(|url| url.to_string()).map_err(|failure| failure.to_string())
    }

    #[test]
    fn a_master_is_looked_for_where_it_was_told_to_listen() {
        assert_eq!(of("").unwrap(), "http://127.0.0.1:8089/");
        assert_eq!(of("listen = '127.0.0.1:9000'").unwrap(), "http://127.0.0.1:9000/");
        assert_eq!(of("listen = '0.0.0.0:9000'").unwrap(), "http://127.0.0.1:9000/");
        assert_eq!(of("url = 'http://m:1'\nlisten = '127.0.0.1:9000'").unwrap(), "http://m:1/");
        for wrong in ["nats://127.0.0.1:4222", "127.0.0.1:8089", "here"] {
            let said = of(&format!("url = '{wrong}'")).unwrap_err();
            assert!(said.contains(wrong) && said.contains("like http://127.0.0.1:8089"), "{said}");
        }
    }
}
