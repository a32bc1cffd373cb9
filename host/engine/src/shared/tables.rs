//! Data sets of a run: fetched by digest, verified, read once for all users of this process.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError, Weak};

use futures_util::future::{BoxFuture, ready};
use loadhost_model::data::{DataError, DataFormat, DataSet, Table};
use loadhost_model::id::Digest;
use loadhost_model::plan::RunPlan;

use crate::scenario::digest_of;

/// Where the bytes of data sets come from.
pub trait DataSource: Send + Sync + 'static {
    /// The bytes of a data set, which the caller verifies. The error says why they cannot be had, with
    /// the remedy.
    fn fetch(&self, digest: Digest) -> BoxFuture<'_, Result<Arc<[u8]>, String>>;
}

/// Files that this process has read already.
impl DataSource for BTreeMap<Digest, Arc<[u8]>> {
    fn fetch(&self, digest: Digest) -> BoxFuture<'_, Result<Arc<[u8]>, String>> {
        let found = self.get(&digest).cloned();
        Box::pin(ready(found.ok_or_else(|| "it was not given to this process".to_string())))
    }
}

/// Why a worker cannot have a data set of its run.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum DataSetError {
    /// It cannot be fetched.
    #[error("cannot fetch data set `{name}` ({}): {why}", .digest.short())]
    Fetch {
        /// Of the data set.
        name: String,
        /// Of its bytes.
        digest: Digest,
        /// With the remedy.
        why: String,
    },
    /// Other bytes.
    #[error(
        "data set `{name}` was to be {}, but what was fetched is {}; give it again with `--data {name}=FILE`",
        .wanted.short(), .found.short()
    )]
    Digest {
        /// Of the data set.
        name: String,
        /// As the plan says.
        wanted: Digest,
        /// As fetched.
        found: Digest,
    },
    /// No data.
    #[error("data set `{name}` cannot be read: {error}")]
    Unreadable {
        /// Of the data set.
        name: String,
        /// What is wrong with it.
        error: DataError,
    },
    /// Not what the coordinator counted.
    #[error(
        "data set `{name}` has {found} rows here and {wanted} in the plan; run the same release of \
         loadhost everywhere"
    )]
    Rows {
        /// Of the data set.
        name: String,
        /// As the plan says.
        wanted: u64,
        /// As read.
        found: u64,
    },
    /// Reading it panicked.
    #[error("reading data set `{0}` ended by a fault of loadhost; see the log")]
    Fault(String),
}

/// Reads data sets, each once as long as somebody uses it.
pub struct Tables {
    source: Arc<dyn DataSource>,
    read: Mutex<Vec<(Digest, DataFormat, Weak<Table>)>>,
}

impl Tables {
    /// Reads what comes from this source.
    pub fn new(source: Arc<dyn DataSource>) -> Self {
        Self { source, read: Mutex::default() }
    }

    /// All data sets of a run.
    ///
    /// # Errors
    /// Names the one that cannot be had, and why.
    pub async fn of_run(&self, plan: &RunPlan) -> Result<DataSets, DataSetError> {
        let mut sets = BTreeMap::new();
        for (name, set) in &plan.data {
            let table = self.table(name, set).await?;
            let (found, wanted) = (table.rows(), set.rows);
            if found != wanted {
                return Err(DataSetError::Rows { name: name.clone(), wanted, found });
            }
            sets.insert(name.clone(), Arc::new(OpenSet { set: set.clone(), table }));
        }
        Ok(DataSets(sets))
    }

    async fn table(&self, name: &str, set: &DataSet) -> Result<Arc<Table>, DataSetError> {
        let (wanted, format) = (set.digest, set.format);
        if let Some(table) = self.known(wanted, format) {
            return Ok(table);
        }
        let name = name.to_string();
        let bytes = self.source.fetch(wanted).await;
        let bytes =
            bytes.map_err(|why| DataSetError::Fetch { name: name.clone(), digest: wanted, why })?;
        let fault = DataSetError::Fault(name.clone());
        let read = move || {
            let found = digest_of(&bytes);
            if found != wanted {
                return Err(DataSetError::Digest { name, wanted, found });
            }
            Table::parse(&bytes, format).map_err(|error| DataSetError::Unreadable { name, error })
        };
        let table = tokio::task::spawn_blocking(read).await.map_err(|_| fault)??;
        Ok(self.keep(wanted, format, Arc::new(table)))
    }

    fn known(&self, digest: Digest, format: DataFormat) -> Option<Arc<Table>> {
        let read = self.read.lock().unwrap_or_else(PoisonError::into_inner);
        let mut known = read.iter().filter(|known| (known.0, known.1) == (digest, format));
        known.find_map(|(_, _, table)| table.upgrade())
    }

    /// The table, or the one that somebody else has read meanwhile.
    fn keep(&self, digest: Digest, format: DataFormat, table: Arc<Table>) -> Arc<Table> {
        if let Some(known) = self.known(digest, format) {
            return known;
        }
        let mut read = self.read.lock().unwrap_or_else(PoisonError::into_inner);
        read.retain(|(_, _, table)| table.strong_count() > 0);
        read.push((digest, format, Arc::downgrade(&table)));
        table
    }
}

/// The data sets of a run, by name.
#[derive(Debug, Default)]
pub struct DataSets(BTreeMap<String, Arc<OpenSet>>);

impl DataSets {
    /// The one of this name.
    pub fn get(&self, name: &str) -> Option<&Arc<OpenSet>> {
        self.0.get(name)
    }

    /// All names.
    pub fn names(&self) -> impl Iterator<Item = &str> {
        self.0.keys().map(String::as_str)
    }
}

/// A data set and how its rows are handed out.
#[derive(Debug)]
pub struct OpenSet {
    /// As the plan has it.
    pub set: DataSet,
    /// All its rows.
    pub table: Arc<Table>,
}
