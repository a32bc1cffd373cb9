//! What an election is told, and what it wants done.

use std::time::Duration;

use loadhost_model::id::{Incarnation, Term};
use serde::{Deserialize, Serialize};

/// Who leads, as everybody reads it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct LeaderRecord {
    /// For people: host and process.
    pub id: String,
    /// Of the master's process.
    pub incarnation: Incarnation,
    /// Who stands by with a greater one follows first.
    pub priority: u32,
    /// The term. Unique and growing.
    pub epoch: Term,
    /// Renewals in this term.
    pub heartbeat: u64,
    /// The leader went away in good order, so nobody need wait.
    pub released: bool,
}

/// How one master takes part.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ElectionConfig {
    /// Name of this master, for people.
    pub id: String,
    /// Of its process.
    pub incarnation: Incarnation,
    /// Greater follows first.
    pub priority: u32,
    /// Without a renewal for this long a leader counts as dead.
    pub lease: Duration,
    /// Between renewals.
    pub heartbeat: Duration,
    /// Between the attempts of standbys of different ranks.
    pub step: Duration,
}

/// The document as it was found.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Found {
    /// Changes with each write; 0: never written.
    pub revision: u64,
    /// None: not there, or not readable.
    pub record: Option<LeaderRecord>,
}

/// What the store said to a request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Answer {
    /// To [`Request::Read`]; what a replica answers may be old.
    Read(Found),
    /// To [`Request::Swap`]: done, under this revision.
    Swapped(u64),
    /// To [`Request::Swap`]: somebody wrote in between.
    Conflict,
    /// To [`Request::Probe`]: written.
    Probed,
    /// To any of them: an error, or no answer in time. It may be done nevertheless, also later.
    Failed,
}

/// What happens to a master.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Input {
    /// Time went on, at least until [`super::Election::wake_at`].
    Tick,
    /// A write of somebody was heard of.
    Heard(Found),
    /// The answer to the one request that is under way.
    Answer(Answer),
    /// So many masters that stand by go before this one.
    Rank(u32),
    /// This master takes no term from now on, and gives up the one that it has.
    Abstain,
    /// It takes part again.
    StandAgain,
    /// This master goes away: it gives up its term so that nobody need wait.
    Leave,
}

/// What the store is asked. At most one is under way, and each must be answered once.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Request {
    /// What stands there?
    Read,
    /// Write, if the revision is still this one.
    Swap(LeaderRecord, u64),
    /// Write anything, so that it is known whether writing is possible.
    Probe,
}

/// What is to be done.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Effect {
    /// Ask the store.
    Ask(Request),
    /// This master leads.
    Lead(Term),
    /// The lease is nearly over: order nothing until [`Effect::Resume`] or [`Effect::Deposed`].
    Suspend,
    /// The lease was renewed after all, in the same term.
    Resume,
    /// Somebody else leads, and this master stands by again.
    Deposed(Option<LeaderRecord>),
    /// This master takes part no longer.
    Gone,
}
