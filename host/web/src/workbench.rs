//! What page and API need of whoever can compile scenarios and plan runs.
//!
//! A run is asked for in the words of the settings: the keys and values of `loadhost.toml` as JSON. So there is one
//! vocabulary and one check. This crate knows neither the settings nor how a component is compiled: the
//! program gives it a [`Workbench`]. What is stored is not its business, see
//! [`Shelf`](loadhost_control::ports::Shelf).

use std::collections::BTreeMap;
use std::time::Duration;

use bytes::Bytes;
use futures_util::future::BoxFuture;
use loadhost_model::data::DataFormat;
use loadhost_model::description::Description;
use loadhost_model::id::Digest;
use loadhost_model::plan::RunPlan;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// Compiles scenarios and plans runs.
pub trait Workbench: Send + Sync {
    /// What an upload is, found out in a process of its own under limits of CPU, memory and time. What is
    /// wrong with it is part of the answer. An upload that is given up is not checked to its end.
    ///
    /// # Errors
    /// If it cannot be checked now; it may be tried again.
    fn check(&self, wasm: Bytes) -> BoxFuture<'_, Result<Checked, WorkbenchError>>;

    /// From settings to the plan of a run; the run's id, and the seed if none is given, are new each time.
    ///
    /// # Errors
    /// All that is wrong at once, as far as it can be known.
    fn plan(&self, wanted: &Wanted<'_>) -> Result<Planned, Vec<Fault>>;

    /// Every setting that a run may be given, in the order of the form.
    fn settings(&self) -> &[Setting];
}

/// What is known of an upload.
#[derive(Debug, Clone, PartialEq)]
pub struct Checked {
    /// SHA-256 of its bytes.
    pub digest: Digest,
    /// Bytes.
    pub size: u64,
    /// None: it cannot be run.
    pub description: Option<Description>,
    /// What it contains and imports, as `loadhost check --json` shows it; null: it is no component.
    pub inspection: serde_json::Value,
    /// Empty: it can be run.
    pub faults: Vec<Fault>,
}

/// Why an upload was not checked.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum WorkbenchError {
    /// So many are being checked, and wait to be, that no more are taken; try again later.
    #[error("{0} uploads are being checked or wait for it; try again in a few seconds")]
    Busy(usize),
    /// The process that checks could not do it.
    #[error("the upload could not be checked: {0}; try again, and look at the master's log")]
    Failed(String),
}

/// A run that somebody asks for.
#[derive(Debug, Clone, Copy)]
pub struct Wanted<'a> {
    /// What the scenario's file was called, for the command line.
    pub scenario_file: &'a str,
    /// SHA-256 of the scenario.
    pub module: Digest,
    /// What it says of itself.
    pub description: &'a Description,
    /// All files of rows that may be named.
    pub files: &'a BTreeMap<Digest, DataFile>,
    /// Keys and values of `loadhost.toml`, as JSON. A data set is `{"file": DIGEST, "order": …, "lost": …}`.
    pub settings: &'a serde_json::Map<String, serde_json::Value>,
}

/// An uploaded file of rows.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DataFile {
    /// What it was called, for people.
    pub name: String,
    /// How it is read.
    pub format: DataFormat,
    /// Rows in it.
    pub rows: u64,
}

/// A run that can be started.
#[derive(Debug, Clone, PartialEq)]
pub struct Planned {
    /// Checked against the scenario.
    pub plan: RunPlan,
    /// Start when so many are there.
    pub expect_workers: u32,
    /// Wait for them no longer than this.
    pub max_wait: Duration,
    /// The same run as a line for a shell; secrets are variables of the shell.
    pub command: String,
    /// What holds and where it comes from; secrets are `***`.
    pub effective: Vec<Held>,
}

/// A value that holds.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Held {
    /// Of the setting; with a dot and a name, if the setting is a map.
    pub key: String,
    /// As it would be typed.
    pub value: String,
    /// Where it was given.
    pub origin: String,
}

/// Something that is wrong with what was given.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Fault {
    /// The setting at fault; with a dot and a name, if the setting is a map. None: not of one setting alone.
    pub key: Option<String>,
    /// What kind of fault, for programs.
    pub code: String,
    /// What is wrong.
    pub message: String,
    /// What to do about it; may be empty.
    pub hint: String,
}

/// A setting that a run may be given.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
pub struct Setting {
    /// In `settings` of a request, and in `loadhost.toml`.
    pub key: &'static str,
    /// On the command line, without dashes.
    pub flag: &'static str,
    /// Heading that it stands under.
    pub group: &'static str,
    /// What values look like.
    pub kind: SettingKind,
    /// What may be chosen, if it is a choice.
    pub choices: Vec<&'static str>,
    /// How the value is written, such as `NAME=VALUE`.
    pub placeholder: &'static str,
    /// Without a value from anywhere.
    pub default: Option<String>,
    /// What it does.
    pub help: &'static str,
    /// Never shown.
    pub secret: bool,
    /// Whether a scenario may propose a value.
    pub proposable: bool,
}

/// What the values of a setting look like. They may be texts in any case; lists may be JSON lists, and maps are JSON
/// objects.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "kebab-case")]
pub enum SettingKind {
    /// A whole number.
    Integer,
    /// Any number.
    Number,
    /// `500ms`, `10s`, `1m30s`.
    Duration,
    /// `100/s`, `6000/m`.
    Rate,
    /// `10s->100, 1m->100`.
    Stages,
    /// true or false.
    Switch,
    /// Anything.
    Text,
    /// One of a few.
    Choice,
    /// Several texts.
    List,
    /// Names with values.
    Map,
    /// Tables, each a load of its own (`phases`).
    Tables,
}
