//! What the users of a whole run share, as far as this worker hands it out: rows of data sets,
//! numbers, counters, rendezvous.
//!
//! ```text
//! Work::shared ──> Commons::hear ─┐              ┌─ Stock: rows, numbers ── users take and wait
//!                                 ├── Commons ───┼─ Counter
//! WorkerStatus::shared <─ announce┘              └─ Meeting ── users wait for each other
//! ```
//!
//! A [`Commons`] belongs to a run and a process: the users of all shards take from it, and a job that
//! comes back to the run goes on with it. [`loadhost_model::shared`] says what the messages mean. A lock
//! is held for the moment of taking a number, never while somebody waits. What a whole data set holds
//! is in [`DataSets`], which live as long as the run is being worked for.

mod announce;
mod meeting;
mod names;
mod stock;
mod tables;

pub(crate) use announce::announce;
pub use meeting::Meeting;
pub use names::NameError;
pub use stock::{NotInTime, Stock, Taken};
pub use tables::{DataSetError, DataSets, DataSource, OpenSet, Tables};

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, AtomicU64, Ordering};

use loadhost_model::id::RunId;
use loadhost_model::plan::RunPlan;
use loadhost_model::shared::{SharedState, SharedUse};
use tokio::time::Instant;

use announce::News;
use names::Names;

/// The least that a worker likes to have in stock, for each of its shards.
const STOCK_PER_SHARD: u64 = 10;

/// What the users of a run share, on this worker.
#[derive(Debug)]
pub struct Commons {
    /// Of data sets that are handed out row by row.
    rows: BTreeMap<Arc<str>, Arc<Stock>>,
    numbers: Names<Stock>,
    counters: Names<Counter>,
    meetings: Names<Meeting>,
    /// The least stock that is asked for.
    least: u64,
    news: Arc<News>,
    company: Company,
    run: RunId,
}

/// Words of this process, over all runs.
static SAID: AtomicU64 = AtomicU64::new(0);

/// Whether there is anybody else.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Company {
    /// A coordinator leases.
    Fleet,
    /// All is for this process, and nobody is waited for.
    None,
}

impl Commons {
    /// For a run that a coordinator leads, on a worker of so many shards.
    pub fn of_run(plan: &RunPlan, shards: u32) -> Arc<Self> {
        Self::new(plan, STOCK_PER_SHARD * u64::from(shards.max(1)), Company::Fleet)
    }

    /// For a user that is tried out alone: all rows and numbers are its own, and no rendezvous keeps it
    /// waiting.
    pub fn alone(plan: &RunPlan) -> Arc<Self> {
        Self::new(plan, STOCK_PER_SHARD, Company::None)
    }

    fn new(plan: &RunPlan, least: u64, company: Company) -> Arc<Self> {
        let news = Arc::new(News::default());
        let stock = |numbers: Option<u64>| match company {
            Company::Fleet => Stock::empty(least, Arc::clone(&news)),
            Company::None => Stock::filled(numbers, Arc::clone(&news)),
        };
        let leased = plan.data.iter().filter(|(_, set)| set.is_leased());
        let rows =
            leased.map(|(name, set)| (name.as_str().into(), stock(set.leased_rows()).into()));
        Arc::new(Self {
            rows: rows.collect(),
            numbers: Names::new("numbers"),
            counters: Names::new("counters"),
            meetings: Names::new("rendezvous"),
            least,
            news,
            company,
            run: plan.run.clone(),
        })
    }

    /// Of a data set whose rows are handed out one by one.
    pub fn rows(&self, data_set: &str) -> Option<&Arc<Stock>> {
        self.rows.get(data_set)
    }

    /// Numbers that nobody else in the run gets.
    ///
    /// # Errors
    /// For a name that is too long, or one too many.
    pub fn numbers(&self, name: &str) -> Result<Arc<Stock>, NameError> {
        let stock = || match self.company {
            Company::Fleet => {
                self.news.urgent();
                Stock::empty(self.least, Arc::clone(&self.news))
            }
            Company::None => Stock::filled(None, Arc::clone(&self.news)),
        };
        self.numbers.get_or(name, stock)
    }

    /// Adds to a counter. The sum over the whole run: what this worker added to the last, what others
    /// added as far as is known.
    ///
    /// # Errors
    /// For a name that is too long, or one too many.
    pub fn count(&self, name: &str, by: i64) -> Result<i64, NameError> {
        let counter = || {
            self.news.urgent();
            Counter::default()
        };
        Ok(self.counters.get_or(name, counter)?.add(by))
    }

    /// Where users wait until so many of the whole run are there. None: for one user, or for one who is
    /// alone, there is nobody to wait for.
    ///
    /// # Errors
    /// For a name that is too long, or one too many.
    pub fn meeting(&self, name: &str, size: u32) -> Result<Option<Arc<Meeting>>, NameError> {
        if size <= 1 || self.company == Company::None {
            return Ok(None);
        }
        self.meetings.get_or(name, || Meeting::new(size, Arc::clone(&self.news))).map(Some)
    }

    /// Takes in what the coordinator says. `instant_of`: a moment of its clock, by ours.
    pub fn hear(&self, state: &SharedState, instant_of: impl Fn(u64) -> Instant) {
        for (name, lease) in &state.rows {
            if let Some(stock) = self.rows.get(name) {
                stock.hear(lease);
            }
        }
        for (name, lease) in &state.numbers {
            if let Ok(stock) = self.numbers(name) {
                stock.hear(lease);
            }
        }
        for (name, others) in &state.counters {
            if let Ok(counter) = self.counters.get_or(name, Counter::default) {
                counter.others.store(*others, Ordering::Relaxed);
            }
        }
        for (name, release) in &state.meetings {
            if let Some(meeting) = self.meetings.get(name) {
                meeting.hear(release.released, instant_of(release.at));
            }
        }
    }

    /// From now on no row and no number is handed out: what is left is for others.
    pub fn close(&self) {
        self.news.close(true);
        self.rows.values().for_each(|stock| stock.wake());
        drop(self.numbers.map(Stock::wake));
    }

    /// Rows and numbers are handed out again, since the worker has come back to the run.
    pub fn reopen(&self) {
        self.news.close(false);
    }

    /// What the users of this worker did so far, to be said now.
    pub fn word(&self, now: Instant) -> SharedUse {
        SharedUse { said: SAID.fetch_add(1, Ordering::Relaxed) + 1, ..self.used(now) }
    }

    /// What the users of this worker did so far.
    pub fn used(&self, now: Instant) -> SharedUse {
        let rows = self.rows.iter().map(|(name, stock)| (Arc::clone(name), stock.draw(now)));
        SharedUse {
            run: Some(self.run.clone()),
            said: 0,
            rows: rows.collect(),
            numbers: self.numbers.map(|stock| stock.draw(now)),
            counters: self.counters.map(|counter| counter.own.load(Ordering::Relaxed)),
            meetings: self.meetings.map(Meeting::attendance),
        }
    }
}

/// A sum that users of the whole run add to. It stays at the ends of its range.
#[derive(Debug, Default)]
struct Counter {
    own: AtomicI64,
    others: AtomicI64,
}

impl Counter {
    fn add(&self, by: i64) -> i64 {
        let add = |own: i64| Some(own.saturating_add(by));
        let before = self.own.fetch_update(Ordering::Relaxed, Ordering::Relaxed, add);
        let own = before.unwrap_or_else(|own| own).saturating_add(by);
        own.saturating_add(self.others.load(Ordering::Relaxed))
    }
}

#[cfg(test)]
mod tests;
