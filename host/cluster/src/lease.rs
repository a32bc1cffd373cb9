//! A master's candidacy: the pure election, driven over the store and the clock of this machine.
//!
//! The document `leader` holds a [`LeaderRecord`]; who leads and for how long it may act is
//! decided by [`loadhost_control::election`]. Here its requests are made, at most one at a time
//! and each with an end, and what it says is told to others as a [`Leadership`].

use std::future::pending;
use std::time::Duration;

use async_nats::{Message, Subscriber};
use futures_util::StreamExt;
use futures_util::future::BoxFuture;
use loadhost_control::election::{
    ACT_WITHIN, Answer, Effect, Election, ElectionConfig, Found, Input, Request,
};
use loadhost_model::id::Term;
use tokio::sync::{Mutex, watch};
use tokio::task::JoinSet;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;
use tracing::{info, warn};

pub use loadhost_control::election::LeaderRecord;

use crate::connect::Connection;
use crate::documents::{DocumentError, Documents};
use crate::fleet::{JoinError, subscribe};
use crate::subjects::{LEADER_KEY, Names};

/// Of a lease: for one request of the election. Later answers count as none.
const ANSWER_PART: u32 = 3;
/// By it a republished document says which revision it is.
const REVISION_HEADER: &str = "Nats-Sequence";

/// Who leads, as one master knows it.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Leadership {
    leader: Option<LeaderRecord>,
    term: Option<Term>,
    acts_until: Option<Instant>,
}

impl Leadership {
    /// The last that was seen, unless it went away in good order.
    pub fn leader(&self) -> Option<&LeaderRecord> {
        self.leader.as_ref()
    }

    /// In which this master leads, also while it cannot renew its lease; None: it stands by.
    pub fn term(&self) -> Option<Term> {
        self.term
    }

    /// Whether this master leads and its lease is renewed.
    pub fn may_act(&self, now: Instant) -> bool {
        self.acts_until.is_some_and(|until| now < until)
    }
}

/// One term of this master, for whoever acts in it.
#[derive(Debug, Clone)]
pub struct Standing {
    term: Term,
    leadership: watch::Receiver<Leadership>,
}

impl Standing {
    /// Which.
    pub fn term(&self) -> Term {
        self.term
    }

    /// Whether something may be ordered in this term at this moment.
    pub fn may_act(&self) -> bool {
        let leadership = self.leadership.borrow();
        leadership.term == Some(self.term) && leadership.may_act(Instant::now())
    }

    /// Who leads instead, once the term is over; None: it is not.
    pub fn deposed(&self) -> Option<String> {
        let leadership = self.leadership.borrow();
        (leadership.term != Some(self.term)).then(|| name_of(leadership.leader()))
    }

    /// Returns the name of who leads instead, once the term is over.
    pub async fn over(&self) -> String {
        let mut leadership = self.leadership.clone();
        match leadership.wait_for(|leadership| leadership.term != Some(self.term)).await {
            Ok(leadership) => name_of(leadership.leader()),
            Err(_) => name_of(None),
        }
    }
}

fn name_of(leader: Option<&LeaderRecord>) -> String {
    leader.map_or_else(|| "another master".to_string(), |leader| leader.id.clone())
}

/// A master that stands by or leads. Dropped, it ends like a crash: nothing is released.
pub struct Candidacy {
    leadership: watch::Receiver<Leadership>,
    leave: CancellationToken,
    abstains: watch::Sender<bool>,
    task: Mutex<JoinSet<()>>,
}

/// What a candidacy stands on.
pub(crate) struct Place {
    pub(crate) documents: Documents,
    /// How many of those that stand by go before this one.
    pub(crate) ranks: watch::Receiver<u32>,
    /// Where it is told who leads.
    pub(crate) leads: watch::Sender<Leadership>,
}

impl Candidacy {
    /// Stands from now on.
    pub(crate) async fn stand(
        connection: &Connection,
        names: &Names,
        place: Place,
        config: ElectionConfig,
    ) -> Result<Candidacy, JoinError> {
        let Place { documents, ranks, leads } = place;
        let written = subscribe(connection, names.leader()).await?;
        let leadership = leads.subscribe();
        let leave = CancellationToken::new();
        let (abstains, abstain) = watch::channel(false);
        let driver = Driver {
            patience: config.lease / ANSWER_PART,
            acts_for: config.lease * ACT_WITHIN / 10,
            election: Election::new(config),
            origin: Instant::now(),
            connection: connection.clone(),
            documents,
            leadership: leads,
            asking: None,
            gone: false,
        };
        let mut task = JoinSet::new();
        task.spawn(driver.run(Words { written, ranks, abstain }, leave.clone()));
        Ok(Candidacy { leadership, leave, abstains, task: Mutex::new(task) })
    }

    /// Who leads, from now on.
    pub fn leadership(&self) -> watch::Receiver<Leadership> {
        self.leadership.clone()
    }

    /// Waits until this master leads.
    pub async fn elected(&self) -> Standing {
        let mut leadership = self.leadership.clone();
        let term = match leadership.wait_for(|leadership| leadership.term.is_some()).await {
            Ok(leadership) => leadership.term,
            Err(_) => None,
        };
        match term {
            Some(term) => Standing { term, leadership: self.leadership.clone() },
            None => pending().await, // It has left.
        }
    }

    /// Releases the term, if there is one, and takes none until [`Self::stand_again`].
    pub fn abstain(&self) {
        self.abstains.send_replace(true);
    }

    /// Takes part again.
    pub fn stand_again(&self) {
        self.abstains.send_replace(false);
    }

    /// Releases the term, if there is one, so that nobody need wait. Takes half a lease at most.
    pub async fn leave(&self) {
        self.leave.cancel();
        let mut task = self.task.lock().await;
        while task.join_next().await.is_some() {}
    }
}

/// What a driver hears.
struct Words {
    written: Subscriber,
    ranks: watch::Receiver<u32>,
    abstain: watch::Receiver<bool>,
}

struct Driver {
    election: Election,
    /// What the election's time counts from.
    origin: Instant,
    patience: Duration,
    acts_for: Duration,
    connection: Connection,
    documents: Documents,
    leadership: watch::Sender<Leadership>,
    /// The one request under way.
    asking: Option<BoxFuture<'static, Answer>>,
    gone: bool,
}

impl Driver {
    async fn run(mut self, words: Words, leave: CancellationToken) {
        let Words { mut written, mut ranks, mut abstain } = words;
        let rank = *ranks.borrow_and_update();
        self.feed(Input::Rank(rank));
        while !self.gone {
            let wake = self.election.wake_at().map(|at| self.origin + at);
            let input = tokio::select! {
                biased;
                () = leave.cancelled(), if self.election.may_leave() => Input::Leave,
                answer = answered(&mut self.asking) => {
                    self.asking = None;
                    Input::Answer(answer)
                }
                Some(message) = written.next() => match heard(&message) {
                    Some(found) => Input::Heard(found),
                    None => continue,
                },
                Ok(()) = abstain.changed() => match *abstain.borrow_and_update() {
                    true => Input::Abstain,
                    false => Input::StandAgain,
                },
                Ok(()) = ranks.changed() => Input::Rank(*ranks.borrow_and_update()),
                () = at(wake) => Input::Tick,
            };
            self.feed(input);
        }
    }

    fn feed(&mut self, input: Input) {
        let effects = self.election.handle(self.origin.elapsed(), input);
        for effect in effects {
            self.apply(effect);
        }
        let leadership = Leadership {
            leader: self.election.leader().cloned(),
            term: self.election.term(),
            acts_until: self.election.renewed().map(|sent| self.origin + sent + self.acts_for),
        };
        set(&self.leadership, leadership);
    }

    fn apply(&mut self, effect: Effect) {
        let counters = self.connection.counters().clone();
        match effect {
            Effect::Ask(request) => self.asking = Some(self.ask(request)),
            Effect::Lead(term) => {
                counters.terms_begun.one();
                info!(term = term.0, "leading");
            }
            Effect::Suspend => {
                counters.suspensions.one();
                warn!("the lease could not be renewed: nothing is ordered until it is");
            }
            Effect::Resume => info!("the lease is renewed: leading again"),
            Effect::Deposed(by) => {
                counters.depositions.one();
                warn!(leader = name_of(by.as_ref()), "deposed: standing by");
            }
            Effect::Gone => self.gone = true,
        }
    }

    /// Begun when it is polled, and that is at once.
    fn ask(&self, request: Request) -> BoxFuture<'static, Answer> {
        let (documents, connection) = (self.documents.clone(), self.connection.clone());
        let patience = self.patience;
        Box::pin(async move {
            // What is written while the connection is down would be sent when it comes back.
            let answer = match connection.connected() {
                true => tokio::time::timeout(patience, answer(&documents, &request)).await,
                false => Ok(Answer::Failed),
            };
            let answer = answer.unwrap_or(Answer::Failed);
            if answer == Answer::Failed && matches!(request, Request::Swap(..)) {
                connection.counters().renewals_failed.one();
            }
            answer
        })
    }
}

async fn answer(documents: &Documents, request: &Request) -> Answer {
    match request {
        Request::Read => match documents.get(LEADER_KEY).await {
            Ok(Some(document)) => {
                Answer::Read(Found { revision: document.revision, record: read(&document.value) })
            }
            Ok(None) => Answer::Read(Found { revision: 0, record: None }),
            Err(error) => failed(&error),
        },
        Request::Swap(record, revision) => {
            let value = serde_json::to_vec(record).unwrap_or_default();
            match documents.swap(LEADER_KEY, value, *revision).await {
                Ok(revision) => Answer::Swapped(revision),
                Err(DocumentError::Conflict(_)) => Answer::Conflict,
                Err(error) => failed(&error),
            }
        }
        Request::Probe => match documents.probe().await {
            Ok(()) => Answer::Probed,
            Err(error) => failed(&error),
        },
    }
}

fn failed(error: &DocumentError) -> Answer {
    warn!(%error, "the store of leadership does not answer");
    Answer::Failed
}

async fn answered(asking: &mut Option<BoxFuture<'static, Answer>>) -> Answer {
    match asking {
        Some(request) => request.await,
        None => pending().await,
    }
}

async fn at(wake: Option<Instant>) {
    match wake {
        Some(wake) => tokio::time::sleep_until(wake).await,
        None => pending().await,
    }
}

/// Tells watchers, if it is news.
pub(crate) fn set<T: PartialEq>(sender: &watch::Sender<T>, value: T) {
    sender.send_if_modified(|known| {
        let is_news = *known != value;
        *known = value;
        is_news
    });
}

/// A document as the broker publishes it again when it is written.
fn heard(message: &Message) -> Option<Found> {
    let revision = message.headers.as_ref()?.get(REVISION_HEADER)?.as_str().parse().ok()?;
    Some(Found { revision, record: read(&message.payload) })
}

/// A leadership as it was published; None: not readable.
pub(crate) fn read(bytes: &[u8]) -> Option<LeaderRecord> {
    serde_json::from_slice(bytes).ok()
}
