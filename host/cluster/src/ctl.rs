//! What masters that stand by, and people, ask of the leader: request and reply.
//!
//! Only the leader listens, so a question without a leader is refused by the broker at once. While
//! the leader works on a question it says so each second; a question that got no word is asked
//! again, because core NATS may lose one. All questions can be asked twice without harm.

use std::sync::Arc;
use std::time::Duration;

use async_nats::{StatusCode, Subject, Subscriber};
use futures_util::StreamExt;
use loadhost_control::view::{Point, WorkerView};
use loadhost_control::{ControlError, Handle, Refusal, RefusalKind, StartRequest};
use loadhost_model::description::Description;
use loadhost_model::id::{Digest, RunId, Term, WorkerId};
use loadhost_model::plan::RunPlan;
use loadhost_model::profile::Change;
use loadhost_model::wire::StopMode;
use serde::{Deserialize, Serialize};
use tokio::task::JoinSet;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use crate::connect::Connection;
use crate::fleet::{JoinError, subscribe};
use crate::pieces::{self, Joined, Whole};
use crate::subjects::Names;

/// Questions that a leader works on at a time; more are refused and counted as
/// `questions_refused`.
const OPEN: usize = 256;
/// Between two words of a leader that works on a question.
const WORKING: Duration = Duration::from_secs(1);
/// Without a word for this long a question is asked again.
const SILENCE: Duration = Duration::from_secs(3);
/// Times that a question is asked.
const ATTEMPTS: usize = 3;

/// What the leader is asked.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum Ask {
    /// See [`Handle::start`].
    Start(Box<Start>),
    /// What to do with a run that goes on, or with a worker.
    Order(Order),
    /// Whom it leads.
    Fleet,
    /// See [`Handle::timeline`].
    Timeline { run: RunId },
}

/// To a run that goes on, or about a worker.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum Order {
    /// See [`Handle::change_phase`]; without a phase, [`Handle::change`].
    Change { run: RunId, phase: Option<String>, change: Change },
    /// See [`Handle::change_scenario`].
    ChangeScenario { run: RunId, module: Digest, description: Arc<Description> },
    /// See [`Handle::stop`].
    Stop { run: RunId, mode: StopMode },
    /// See [`Handle::reset`].
    Reset { run: RunId },
    /// See [`Handle::drain`]; if not `drained`, [`Handle::undrain`].
    Drain { worker: WorkerId, drained: bool },
}

impl Order {
    /// Through a handle of the coordinator in this process.
    pub(crate) async fn give(self, handle: &Handle) -> Result<(), ControlError> {
        match self {
            Self::Change { run, phase: Some(phase), change } => {
                handle.change_phase(&run, &phase, change).await
            }
            Self::Change { run, phase: None, change } => handle.change(&run, change).await,
            Self::ChangeScenario { run, module, description } => {
                handle.change_scenario(&run, module, description).await
            }
            Self::Stop { run, mode } => handle.stop(&run, mode).await,
            Self::Reset { run } => handle.reset(&run).await,
            Self::Drain { worker, drained: true } => handle.drain(&worker).await,
            Self::Drain { worker, drained: false } => handle.undrain(&worker).await,
        }
    }
}

/// A run to be started, without its load shape: the leader makes that from the module.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct Start {
    pub(crate) plan: Arc<RunPlan>,
    pub(crate) description: Arc<Description>,
    pub(crate) expect_workers: u32,
    pub(crate) max_wait: Duration,
}

impl Start {
    pub(crate) fn request(&self) -> StartRequest {
        StartRequest {
            plan: (*self.plan).clone(),
            description: self.description.clone(),
            expect_workers: self.expect_workers,
            max_wait: self.max_wait,
            shape: None,
        }
    }
}

/// What the leader says.
#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum Told {
    /// The question was understood, and takes a while.
    Working,
    /// It is done.
    Done,
    /// It is not done.
    Refused(Refusal),
    /// The answer to [`Ask::Fleet`].
    Fleet(FleetStatus),
    /// The answer to [`Ask::Timeline`].
    Timeline(Vec<Point>),
}

/// A fleet as its leader sees it.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct FleetStatus {
    /// In which it leads.
    pub term: Term,
    /// By name.
    pub workers: Vec<WorkerView>,
    /// Runs that are not over, and where each is.
    pub runs: Vec<(RunId, loadhost_control::view::RunState)>,
}

/// A question gets no answer: nobody leads, or the leader is not reached.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct Unanswered(pub(crate) String);

/// Asks the leader, whoever it is.
pub(crate) async fn ask(
    connection: &Connection,
    names: &Names,
    ask: &Ask,
) -> Result<Told, Unanswered> {
    let question = serde_json::to_vec(ask).map_err(|error| Unanswered(error.to_string()))?;
    if question.len() > connection.client.max_payload() {
        let most = connection.client.max_payload();
        let text = format!(
            "the plan has {} bytes, and the broker takes {most} at most; shorten it, or raise its `max_payload`",
            question.len()
        );
        let message = text;
        return Ok(Told::Refused(Refusal { kind: RefusalKind::Refused, message }));
    }
    for attempt in 0..ATTEMPTS {
        if !connection.connected() {
            return Err(Unanswered(format!(
                "the broker at {} is not connected",
                connection.addresses()
            )));
        }
        if attempt > 0 {
            connection.counters().questions_repeated.one();
        }
        if let Some(told) = ask_once(connection, names, &question).await? {
            return Ok(told);
        }
    }
    Err(Unanswered("the leader does not answer".into()))
}

/// None: not a word came, or the answer was torn.
async fn ask_once(
    connection: &Connection,
    names: &Names,
    question: &[u8],
) -> Result<Option<Told>, Unanswered> {
    let not_sent = |error: &dyn std::fmt::Display| Unanswered(error.to_string());
    let client = &connection.client;
    let inbox = client.new_inbox();
    let mut answers = client.subscribe(inbox.clone()).await.map_err(|error| not_sent(&error))?;
    let asked = client.publish_with_reply(names.control(), inbox, question.to_vec().into()).await;
    asked.map_err(|error| not_sent(&error))?;
    let mut whole = Whole::default();
    loop {
        let Ok(Some(message)) = tokio::time::timeout(SILENCE, answers.next()).await else {
            return Ok(None);
        };
        if message.status == Some(StatusCode::NO_RESPONDERS) {
            return Err(Unanswered("nobody has taken the lead yet, or since".into()));
        }
        match whole.take(&message) {
            Joined::Open => {}
            Joined::Torn => return Ok(None),
            Joined::Whole(body) => match serde_json::from_slice(&body) {
                Ok(Told::Working) => {}
                Ok(told) => return Ok(Some(told)),
                Err(error) => {
                    let text = format!("the leader's answer is not understood: {error}");
                    return Err(Unanswered(text));
                }
            },
        }
    }
}

/// The leader's ear.
pub(crate) async fn listen(
    connection: &Connection,
    names: &Names,
) -> Result<Subscriber, JoinError> {
    subscribe(connection, names.control()).await
}

/// Answers with what `handle` says, until `stop`.
pub(crate) async fn answer(
    connection: Connection,
    mut questions: Subscriber,
    handle: Handle,
    stop: CancellationToken,
) {
    let mut open = JoinSet::new();
    loop {
        tokio::select! {
            () = stop.cancelled() => return,
            question = questions.next() => {
                let Some(question) = question else { return };
                let Some(reply) = question.reply else { continue };
                if open.len() >= OPEN {
                    connection.counters().questions_refused.one();
                    let message = format!("the leader works on {OPEN} questions; ask again later");
                    let refusal = Refusal { kind: RefusalKind::Closed, message };
                    tell(&connection, reply, &Told::Refused(refusal)).await;
                    continue;
                }
                let ask = serde_json::from_slice(&question.payload);
                open.spawn(work(connection.clone(), handle.clone(), ask, reply));
            }
            Some(_) = open.join_next() => {}
        }
    }
}

async fn work(
    connection: Connection,
    handle: Handle,
    ask: Result<Ask, serde_json::Error>,
    reply: Subject,
) {
    let working = async {
        let mut ticks = tokio::time::interval_at(Instant::now() + WORKING, WORKING);
        loop {
            ticks.tick().await;
            tell(&connection, reply.clone(), &Told::Working).await;
        }
    };
    let told = tokio::select! {
        told = obey(&handle, ask) => told,
        () = working => return,
    };
    if let Some(told) = told {
        tell(&connection, reply, &told).await;
    }
}

/// None: this master has just stopped leading, and another will answer.
async fn obey(handle: &Handle, ask: Result<Ask, serde_json::Error>) -> Option<Told> {
    match ask {
        Ok(Ask::Start(start)) => match handle.start(start.request()).await {
            Ok(_) => Some(Told::Done),
            Err(error) => refused(error.kind(), error.to_string()),
        },
        Ok(Ask::Order(order)) => match order.give(handle).await {
            Ok(()) => Some(Told::Done),
            Err(error) => refused(error.kind(), error.to_string()),
        },
        Ok(Ask::Fleet) => Some(Told::Fleet(status(handle))),
        Ok(Ask::Timeline { run }) => match handle.timeline(&run).await {
            Ok(points) => Some(Told::Timeline(points)),
            Err(error) => refused(error.kind(), error.to_string()),
        },
        Err(error) => {
            let message =
                format!("the question is not understood: {error}; masters must be of one release");
            Some(Told::Refused(Refusal { kind: RefusalKind::Refused, message }))
        }
    }
}

fn refused(kind: RefusalKind, message: String) -> Option<Told> {
    let leaving = matches!(kind, RefusalKind::Closed | RefusalKind::NoLeader);
    (!leaving).then_some(Told::Refused(Refusal { kind, message }))
}

fn status(handle: &Handle) -> FleetStatus {
    let view = handle.view().borrow().clone();
    let over = loadhost_control::view::RunState::Finished;
    let runs = view.runs.iter().filter(|run| run.state != over);
    FleetStatus {
        term: view.term,
        workers: view.workers.clone(),
        runs: runs.map(|run| (run.run.clone(), run.state)).collect(),
    }
}

async fn tell(connection: &Connection, reply: Subject, told: &Told) {
    let body = serde_json::to_vec(told).unwrap_or_default();
    // Each question has an inbox of its own, where one message at a time comes: a number tells
    // nothing. What does not arrive is asked for again.
    pieces::send(connection, reply, 0, &body).await;
}
