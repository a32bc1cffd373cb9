//! The other end of a master's API: what `change`, `stop`, `drain` and `status` speak through.

use std::time::Duration;

use loadhost_control::FleetView;
use loadhost_model::id::WorkerId;
use reqwest::{RequestBuilder, Url};
use serde::Deserialize;
use serde_json::{Value, json};

use crate::config::{Effective, refuse};
use crate::exit_code::ExitCode;
use crate::failure::Failure;
use crate::ops;

/// For an answer.
const PATIENCE: Duration = Duration::from_secs(10);

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

/// The API's one form of errors.
#[derive(Deserialize)]
struct Refusal {
    message: String,
    hint: String,
}

impl Client {
    /// Of the process at `--url`, or where a master of these settings listens.
    pub(crate) fn new(settings: &Effective) -> Result<Self, Failure> {
        // Without a provider installed, building the client would panic.
        let _ = rustls::crypto::ring::default_provider().install_default();
        let http = reqwest::Client::builder().no_proxy().timeout(PATIENCE).build();
        let http = http.map_err(|error| {
            Failure::new(ExitCode::Unexpected, "the client of the API cannot be made")
                .because(&error)
        })?;
        Ok(Self { http, base: base(settings)? })
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

    /// Takes a worker out of service, or lets it work again.
    pub(crate) async fn drain(&self, worker: &WorkerId, drained: bool) -> Result<(), Failure> {
        let request = |http: &reqwest::Client, url| match drained {
            true => http.post(url).json(&json!({})),
            false => http.delete(url),
        };
        self.ask(request, &format!("workers/{worker}/drain")).await.map(drop)
    }

    async fn ask(
        &self,
        request: impl FnOnce(&reqwest::Client, Url) -> RequestBuilder,
        what: &str,
    ) -> Result<String, Failure> {
        let mut url = self.base.clone();
        url.set_path(&format!("/api/v1/{what}"));
        let answer =
            request(&self.http, url).send().await.map_err(|error| self.unreachable(&error))?;
        let status = answer.status();
        let text = answer.text().await.map_err(|error| self.unreachable(&error))?;
        if status.is_success() {
            return Ok(text);
        }
        match serde_json::from_str::<Refusal>(&text) {
            Ok(Refusal { message, hint }) => {
                Err(Failure::new(ExitCode::Refused, message).hint(hint))
            }
            Err(_) => Err(self.stranger(&std::io::Error::other(format!("it answers {status}")))),
        }
    }

    fn unreachable(&self, error: &reqwest::Error) -> Failure {
        Failure::new(ExitCode::NobodyAnswers, format!("nobody answers at {}", self.base))
            .because(error)
    }

    fn stranger(&self, error: &(dyn std::error::Error + 'static)) -> Failure {
        let what = format!("what answers at {} is no master of this version", self.base);
        Failure::new(ExitCode::NobodyAnswers, what).because(error)
    }
}

fn base(settings: &Effective) -> Result<Url, Failure> {
    let Some(item) = settings.item("url") else {
        let mut address = settings.address("listen")?.unwrap_or(ops::MASTER);
        if address.ip().is_unspecified() {
            address.set_ip(ops::MASTER.ip());
        }
        return Url::parse(&format!("http://{address}")).map_err(|error| {
            Failure::new(ExitCode::Configuration, format!("{address} makes no URL")).because(&error)
        });
    };
    let wrong =
        |why: &str| refuse("url", item, &format!("{why}; write it like http://127.0.0.1:8089"));
    let url = Url::parse(&item.text).map_err(|error| wrong(&error.to_string()))?;
    match url.scheme() {
        "http" | "https" => Ok(url),
        other => Err(wrong(&format!("`{other}` is neither http nor https"))),
    }
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
