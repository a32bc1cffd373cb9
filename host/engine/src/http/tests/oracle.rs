//! One exchange through our client and through reqwest, in words that both have.

use std::sync::Once;
use std::time::Duration;

use loadhost_model::plan::Limits;

use super::super::template::Body;
use super::super::{Client, FailureKind, Keep, Template};
use super::server::{Server, Step};
use super::{TIMEOUT, client_with, settings};

/// What became of a request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Outcome {
    Answer(u16, String),
    Timeout,
    Connect,
    Redirect,
    /// The answer is no HTTP, or ended too early.
    Protocol,
    Other(String),
}

/// A request of a case.
#[derive(Debug, Clone)]
pub(super) struct Ask {
    pub(super) method: &'static str,
    pub(super) path: &'static str,
    pub(super) body: Option<Vec<u8>>,
    pub(super) headers: Vec<(&'static str, &'static str)>,
    /// Before it is sent.
    pub(super) pause: Duration,
}

pub(super) async fn ours(scripts: &[Vec<Step>], asks: &[Ask]) -> Vec<Outcome> {
    let server = Server::start(scripts.to_vec()).await;
    let mut client = client_with(&server.url, &settings(), &Limits::default());
    let mut outcomes = Vec::new();
    for ask in asks {
        tokio::time::sleep(ask.pause).await;
        outcomes.push(ours_once(&mut client, ask).await);
    }
    outcomes
}

async fn ours_once(client: &mut Client, ask: &Ask) -> Outcome {
    let mut template = Template::new(ask.method, ask.path).unwrap();
    for (name, value) in &ask.headers {
        template.header(name, value).unwrap();
    }
    if let Some(body) = &ask.body {
        template.body(Body::Bytes(body.clone())).unwrap();
    }
    match client.send(&template, &[], Keep::Response).await.result {
        Ok(answer) => Outcome::Answer(answer.status, answer.kept.unwrap().text().into_owned()),
        Err(failure) => match failure.kind {
            FailureKind::Timeout => Outcome::Timeout,
            FailureKind::Connect => Outcome::Connect,
            FailureKind::Protocol => Outcome::Protocol,
            FailureKind::Other if failure.message.contains("redirects") => Outcome::Redirect,
            _ => Outcome::Other(failure.to_string()),
        },
    }
}

pub(super) async fn theirs(scripts: &[Vec<Step>], asks: &[Ask]) -> Vec<Outcome> {
    let server = Server::start(scripts.to_vec()).await;
    let client = reqwest_builder().build().unwrap();
    let mut outcomes = Vec::new();
    for ask in asks {
        tokio::time::sleep(ask.pause).await;
        outcomes.push(theirs_once(&client, &server.url, ask).await);
    }
    outcomes
}

pub(super) fn reqwest_builder() -> reqwest::ClientBuilder {
    static PROVIDER: Once = Once::new();
    PROVIDER.call_once(|| {
        let _ = rustls::crypto::ring::default_provider().install_default();
    });
    reqwest::Client::builder().no_proxy().timeout(TIMEOUT).cookie_store(true)
}

async fn theirs_once(client: &reqwest::Client, url: &str, ask: &Ask) -> Outcome {
    let method = reqwest::Method::from_bytes(ask.method.as_bytes()).unwrap();
    let mut request = client.request(method, format!("{url}{}", ask.path));
    for (name, value) in &ask.headers {
        request = request.header(*name, *value);
    }
    if let Some(body) = &ask.body {
        request = request.body(body.clone());
    }
    let answer = async {
        let response = request.send().await?;
        let status = response.status().as_u16();
        let body = response.bytes().await?;
        Ok::<_, reqwest::Error>(Outcome::Answer(
            status,
            String::from_utf8_lossy(&body).into_owned(),
        ))
    };
    match answer.await {
        Ok(outcome) => outcome,
        Err(error) if error.is_timeout() => Outcome::Timeout,
        Err(error) if error.is_redirect() => Outcome::Redirect,
        Err(error) if error.is_connect() => Outcome::Connect,
        Err(error) if error.is_request() || error.is_body() || error.is_decode() => {
            Outcome::Protocol
        }
        Err(error) => Outcome::Other(error.to_string()),
    }
}
