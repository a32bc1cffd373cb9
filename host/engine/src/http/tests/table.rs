//! What servers do, well-formed and broken: the same outcome as reqwest's, or a reason.

mod chunks;
mod codings;
mod connections;
mod heads;
mod lengths;

use std::time::Duration;

use futures_util::future::join_all;

use super::oracle::{Ask, Outcome, ours, theirs};
use super::server::{Step, reply, send};

/// One behaviour of a server.
struct Case {
    name: &'static str,
    scripts: Vec<Vec<Step>>,
    asks: Vec<Ask>,
    expected: Vec<Outcome>,
    /// What reqwest does instead, and why we do not.
    differs: Option<(Vec<Outcome>, &'static str)>,
}

const GET: Ask =
    Ask { method: "GET", path: "/", body: None, headers: Vec::new(), pause: Duration::ZERO };

fn case(name: &'static str, script: Vec<Step>) -> Case {
    Case { name, scripts: vec![script], asks: vec![GET], expected: Vec::new(), differs: None }
}

/// One request, answered with these bytes; then the connection stays open.
fn answer(name: &'static str, bytes: impl AsRef<[u8]>) -> Case {
    case(name, reply(bytes))
}

/// One request, answered with these bytes; then the connection is closed.
fn closing(name: &'static str, bytes: impl AsRef<[u8]>) -> Case {
    case(name, vec![Step::Read, send(bytes), Step::Close])
}

impl Case {
    /// Each outcome is of one request, in turn.
    fn gives(mut self, status: u16, body: &str) -> Self {
        self.expected.push(Outcome::Answer(status, body.to_string()));
        self
    }

    fn fails(mut self, outcome: Outcome) -> Self {
        self.expected.push(outcome);
        self
    }

    fn broken(self) -> Self {
        self.fails(Outcome::Protocol)
    }

    fn but_reqwest(mut self, outcomes: Vec<Outcome>, why: &'static str) -> Self {
        self.differs = Some((outcomes, why));
        self
    }

    fn ask(mut self, method: &'static str, body: Option<&str>) -> Self {
        self.asks = vec![Ask { method, body: body.map(|text| text.as_bytes().to_vec()), ..GET }];
        self
    }

    fn header(mut self, name: &'static str, value: &'static str) -> Self {
        self.asks[0].headers.push((name, value));
        self
    }

    /// The same request again, after a moment in which the server can close.
    fn again(mut self) -> Self {
        let next = Ask { pause: Duration::from_millis(150), ..self.asks[0].clone() };
        self.asks.push(next);
        self
    }

    /// What further connections get.
    fn then(mut self, script: Vec<Step>) -> Self {
        self.scripts.push(script);
        self
    }
}

fn answered(status: u16, body: &str) -> Outcome {
    Outcome::Answer(status, body.to_string())
}

fn chunked(rest: &str) -> String {
    format!("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n{rest}")
}

fn with_headers(lines: &str, body: &str) -> String {
    format!("HTTP/1.1 200 OK\r\n{lines}\r\n\r\n{body}")
}

#[tokio::test]
async fn the_outcome_is_reqwests_or_explained() {
    let themes = [
        lengths::lengths(),
        chunks::chunks(),
        heads::heads(),
        connections::connections(),
        connections::redirects(),
        codings::codings(),
    ];
    let cases: Vec<Case> = themes.into_iter().flatten().collect();
    assert!(cases.len() >= 60, "{} cases", cases.len());
    let checks = cases.iter().map(async |case| {
        let (ours, theirs) =
            tokio::join!(ours(&case.scripts, &case.asks), theirs(&case.scripts, &case.asks));
        let their_expected = case.differs.as_ref().map_or(&case.expected, |(outcomes, _)| outcomes);
        let mut faults = Vec::new();
        if ours != case.expected {
            faults.push(format!("{}: ours {ours:?}, expected {:?}", case.name, case.expected));
        }
        if theirs != *their_expected {
            faults.push(format!("{}: reqwest {theirs:?}, expected {their_expected:?}", case.name));
        }
        faults
    });
    let faults: Vec<String> = join_all(checks).await.into_iter().flatten().collect();
    assert!(faults.is_empty(), "{} faults:\n{}", faults.len(), faults.join("\n"));
}
