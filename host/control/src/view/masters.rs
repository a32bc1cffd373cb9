//! Masters of a fleet, as one of them sees them.

use std::time::Duration;

use loadhost_model::id::{Incarnation, Term};
use serde::{Deserialize, Serialize};

/// All masters, who leads, and what keeps work from being taken. A process without a broker has none.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct MastersView {
    /// Which of [`Self::masters`] sees it so.
    pub own: String,
    /// Which master leads: its name, also while it cannot renew its lease; None: nobody, as far as is known.
    pub leader: Option<String>,
    /// Of the leadership that was seen last.
    pub term: Option<Term>,
    /// Why no work can be taken at this moment, by this master or through it, for people; None: it can.
    pub trouble: Option<String>,
    /// By name; this one is among them, and at most 64 others.
    pub masters: Vec<MasterView>,
}

/// One master.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct MasterView {
    /// For people: host and process.
    pub id: String,
    /// Of its process.
    pub incarnation: Incarnation,
    /// Where it serves page and API; None: nowhere.
    pub url: Option<String>,
    /// Of its program.
    pub release: String,
    /// Who has a greater one follows first.
    pub priority: u32,
    /// In which it leads; None: it stands by.
    pub term: Option<Term>,
    /// It leads and its lease is renewed.
    pub acting: bool,
    /// Out of service: it neither leads nor stands for election, and goes on serving.
    #[serde(default)]
    pub draining: bool,
    /// For how long nothing was heard of it, in whole seconds. After three beats it is left out.
    pub silent: Duration,
}
