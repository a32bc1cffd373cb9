//! Scenarios and files of rows that people uploaded.
//!
//! | on the shelf | is |
//! |---|---|
//! | file in `inputs` | the bytes |
//! | `scenario.<digest>`, `data.<digest>` | what is known of them |
//!
//! What is uploaded is hostile until it was checked: its size is bounded while it comes, a scenario is looked at
//! by the [`Workbench`](crate::workbench::Workbench) in another process, and its name is data and never a path. A faulty
//! scenario is not kept.

mod rows;
#[cfg(test)]
mod tests;

use std::collections::BTreeMap;
use std::sync::Arc;

use bytes::Bytes;
use loadhost_control::ports::{Clock, Drawer, Shelf, ShelfError, SystemClock};
use loadhost_model::data::DataFormat;
use loadhost_model::description::Description;
use loadhost_model::id::Digest;
use serde::{Deserialize, Serialize};

use crate::api::dto::{DataSetInfo, ScenarioInfo, instant};
use crate::workbench::{Checked, DataFile, Fault};

pub use rows::{MAX_PREVIEW, examine};

/// Scenarios that are kept.
pub const MAX_SCENARIOS: usize = 200;
/// Files of rows that are kept.
pub const MAX_DATA_SETS: usize = 200;
/// Characters of a file's name that are kept.
pub const MAX_NAME: usize = 200;

/// Why something is not in the library.
#[derive(Debug, thiserror::Error)]
pub enum LibraryError {
    /// Of the store.
    #[error(transparent)]
    Shelf(#[from] ShelfError),
    /// There are too many.
    #[error("{most} {what} are kept, which is the most; delete one that is not needed any more")]
    Full {
        /// Of which.
        what: &'static str,
        /// The bound.
        most: usize,
    },
    /// It cannot be used.
    #[error("{what} cannot be used")]
    Faulty {
        /// What was uploaded.
        what: &'static str,
        /// What is wrong with it.
        faults: Vec<Fault>,
    },
}

/// A scenario that can be run.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Scenario {
    /// For people.
    pub info: ScenarioInfo,
    /// For plans.
    pub description: Description,
}

/// Scenarios and files of rows.
#[derive(Clone)]
pub struct Library {
    shelf: Arc<dyn Shelf>,
}

/// The name of a file as people may see it: no control characters, not too long.
pub fn shown_name(name: &str) -> String {
    // Browsers of old sent whole paths.
    let name = name.rsplit(['/', '\\']).next().unwrap_or_default();
    name.chars().filter(|c| !c.is_control()).take(MAX_NAME).collect()
}

/// Now, for people.
fn now() -> String {
    instant(SystemClock.wall_micros())
}

fn scenario_key(digest: Digest) -> String {
    format!("scenario.{digest}")
}

fn data_key(digest: Digest) -> String {
    format!("data.{digest}")
}

impl Library {
    /// On this shelf.
    pub fn new(shelf: Arc<dyn Shelf>) -> Self {
        Self { shelf }
    }

    /// All scenarios, by name, and of one name the newest upload first.
    ///
    /// # Errors
    /// If the shelf does not answer.
    pub async fn scenarios(&self) -> Result<Vec<ScenarioInfo>, LibraryError> {
        let documents = self.shelf.list("scenario.").await?;
        let read =
            documents.iter().filter_map(|(_, document)| serde_json::from_slice(document).ok());
        let mut all: Vec<_> = read.map(|scenario: Scenario| scenario.info).collect();
        all.sort_by(|a, b| (&a.name, &b.uploaded_at).cmp(&(&b.name, &a.uploaded_at)));
        Ok(all)
    }

    /// A scenario; None: there is none of this digest.
    ///
    /// # Errors
    /// If the shelf does not answer.
    pub async fn scenario(&self, digest: Digest) -> Result<Option<Scenario>, LibraryError> {
        let document = self.shelf.get(&scenario_key(digest)).await?;
        Ok(document.and_then(|document| serde_json::from_slice(&document).ok()))
    }

    /// What was uploaded and checked, for people.
    pub fn told(checked: &Checked, file_name: &str, by: Option<String>) -> ScenarioInfo {
        let info = ScenarioInfo {
            digest: checked.digest.to_string(),
            file_name: shown_name(file_name),
            size_bytes: checked.size,
            uploaded_at: now(),
            uploaded_by: by,
            name: String::new(),
            version: None,
            sdk: None,
            user_types: Vec::new(),
            thresholds: Vec::new(),
            data_sets: Vec::new(),
            hosts: Vec::new(),
            parameters: Vec::new(),
            settings: Vec::new(),
            has_load_shape: false,
            inspection: checked.inspection.clone(),
            faults: checked.faults.clone(),
        };
        match &checked.description {
            Some(description) => info.described(description),
            None => info,
        }
    }

    /// Keeps a scenario that was checked and can be run.
    ///
    /// # Errors
    /// If there are too many, or the shelf does not take it.
    pub async fn add_scenario(
        &self,
        wasm: Bytes,
        info: ScenarioInfo,
        description: Description,
    ) -> Result<ScenarioInfo, LibraryError> {
        let known = self.shelf.list("scenario.").await?;
        let key = format!("scenario.{}", info.digest);
        if known.len() >= MAX_SCENARIOS && !known.iter().any(|(other, _)| *other == key) {
            return Err(LibraryError::Full { what: "scenarios", most: MAX_SCENARIOS });
        }
        self.shelf.put_file(Drawer::Inputs, wasm).await?;
        let scenario = Scenario { info, description };
        let document = serde_json::to_vec(&scenario).unwrap_or_default();
        self.shelf.put(&key, document).await?;
        Ok(scenario.info)
    }

    /// The bytes of a file; None: there is none.
    ///
    /// # Errors
    /// If the shelf does not answer.
    pub async fn file(&self, digest: Digest) -> Result<Option<Bytes>, LibraryError> {
        Ok(self.shelf.file(Drawer::Inputs, digest).await?)
    }

    /// False: there was none.
    ///
    /// # Errors
    /// If the shelf does not do it.
    pub async fn delete_scenario(&self, digest: Digest) -> Result<bool, LibraryError> {
        self.delete(scenario_key(digest), digest).await
    }

    /// False: there was none.
    ///
    /// # Errors
    /// If the shelf does not do it.
    pub async fn delete_data(&self, digest: Digest) -> Result<bool, LibraryError> {
        self.delete(data_key(digest), digest).await
    }

    async fn delete(&self, key: String, digest: Digest) -> Result<bool, LibraryError> {
        let there = self.shelf.get(&key).await?.is_some();
        if there {
            self.shelf.delete(&key).await?;
            self.shelf.delete_file(Drawer::Inputs, digest).await?;
        }
        Ok(there)
    }

    /// All files of rows, by name, the newest first.
    ///
    /// # Errors
    /// If the shelf does not answer.
    pub async fn data_sets(&self) -> Result<Vec<DataSetInfo>, LibraryError> {
        let documents = self.shelf.list("data.").await?;
        let read =
            documents.iter().filter_map(|(_, document)| serde_json::from_slice(document).ok());
        let mut all: Vec<DataSetInfo> = read.collect();
        all.sort_by(|a, b| (&a.name, &b.uploaded_at).cmp(&(&b.name, &a.uploaded_at)));
        Ok(all)
    }

    /// What may be named in a plan.
    ///
    /// # Errors
    /// If the shelf does not answer.
    pub async fn data_files(&self) -> Result<BTreeMap<Digest, DataFile>, LibraryError> {
        let files = self.data_sets().await?.into_iter().filter_map(|info| {
            let format: DataFormat = info.format.parse().ok()?;
            Some((info.digest.parse().ok()?, DataFile { name: info.name, format, rows: info.rows }))
        });
        Ok(files.collect())
    }

    /// A file of rows; None: there is none of this digest.
    ///
    /// # Errors
    /// If the shelf does not answer.
    pub async fn data_set(&self, digest: Digest) -> Result<Option<DataSetInfo>, LibraryError> {
        let document = self.shelf.get(&data_key(digest)).await?;
        Ok(document.and_then(|document| serde_json::from_slice(&document).ok()))
    }

    /// Keeps a file of rows, if it can be read.
    ///
    /// # Errors
    /// If it cannot be read, there are too many, or the shelf does not take it.
    pub async fn add_data(
        &self,
        bytes: Bytes,
        name: &str,
        format: Option<DataFormat>,
        by: Option<String>,
    ) -> Result<DataSetInfo, LibraryError> {
        let name = shown_name(name);
        let examined = tokio::task::spawn_blocking({
            let (bytes, name) = (bytes.clone(), name.clone());
            move || examine(&bytes, &name, format)
        });
        let examined = examined.await.unwrap_or_else(|error| Err(rows::fault("failed", &error)));
        let examined = examined.map_err(|fault| LibraryError::Faulty {
            what: "the file of rows",
            faults: vec![fault],
        })?;
        let digest = self.shelf.put_file(Drawer::Inputs, bytes).await?;
        let known = self.shelf.list("data.").await?;
        let key = data_key(digest);
        if known.len() >= MAX_DATA_SETS && !known.iter().any(|(other, _)| *other == key) {
            self.shelf.delete_file(Drawer::Inputs, digest).await?;
            return Err(LibraryError::Full { what: "data sets", most: MAX_DATA_SETS });
        }
        let info = DataSetInfo {
            digest: digest.to_string(),
            uploaded_at: now(),
            uploaded_by: by,
            ..examined
        };
        let document = serde_json::to_vec(&info).unwrap_or_default();
        self.shelf.put(&key, document).await?;
        Ok(info)
    }
}
