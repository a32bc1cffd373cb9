//! All results of a run: what `--json` writes, `--compare` reads and the history keeps. `docs/output-json.md` describes it.
//!
//! Times are milliseconds. The distributions of a run that is over are there whole, so that what reads
//! them can merge and compare without loss.

mod distribution;
mod histogram;
mod parts;

use std::collections::BTreeMap;

use loadhost_control::report::{EndReason, RunReport};
use loadhost_control::view::{
    CheckRow, Collection, ErrorRow, MetricRow, Note, Point, RunView, SharedView, TaskRow,
    ThresholdState, ThresholdView, WorkerView,
};
use loadhost_model::interval::Counters;
use serde::{Deserialize, Serialize};

pub use self::distribution::Distribution;
pub use self::histogram::{decode, encode};
pub use self::parts::{Generator, Group, Loss, Second, Series, Version};

/// Of this layout; grows when a field changes its meaning or goes away.
pub const VERSION: u32 = 1;
/// What the layout is called in its first field.
const FORMAT: &str = "loadhost-results";

/// All results of a run, without secrets.
///
/// Fields that came after the first release of the layout may be missing in older files, and are empty then.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct Results {
    /// Always `loadhost-results`.
    pub format: String,
    /// Of the layout: [`VERSION`].
    pub version: u32,
    /// Of the program that wrote it.
    pub loadhost: String,
    /// The run's id.
    pub run: String,
    /// Name of the scenario.
    pub scenario: String,
    /// Of the scenario, as its author counts.
    pub scenario_version: Option<String>,
    /// SHA-256 of the component, in hexadecimal digits.
    pub module: String,
    /// Versions of the scenario that users ran, in order; the last one was in use at the end.
    #[serde(default)]
    pub versions: Vec<Version>,
    /// Base URL.
    pub target: Option<String>,
    /// Of all random choices.
    pub seed: u64,
    /// Parameters; secret ones are `***`.
    pub params: BTreeMap<String, String>,
    /// The load in words, as it was at the end.
    #[serde(default)]
    pub load: String,
    /// The same run as a command line, secrets left out. None: nobody said.
    #[serde(default)]
    pub command: Option<String>,
    /// When load began, RFC 3339 in UTC.
    pub started: Option<String>,
    /// The same in microseconds since the Unix epoch.
    #[serde(default)]
    pub started_unix_micros: Option<u64>,
    /// From the start to the end of the load.
    pub duration_seconds: f64,
    /// Where counting began, since the start.
    #[serde(default)]
    pub counted_from_seconds: f64,
    /// What totals are over.
    pub counted_seconds: f64,
    /// What rates are over.
    pub load_seconds: f64,
    /// Why it is over; None: it goes on.
    pub ended: Option<EndReason>,
    /// Whether all thresholds hold.
    pub passed: bool,
    /// How the program ended that waited for the run. None: none did.
    pub exit_code: Option<u8>,
    /// Over all series.
    pub requests: u64,
    /// Failed among them.
    pub failures: u64,
    /// Per second of load.
    pub rps: f64,
    /// Whether the generator was too busy for its numbers to be the target's.
    pub saturated: bool,
    /// For how long.
    pub saturated_seconds: f64,
    /// Why, the first time.
    pub saturated_reason: Option<String>,
    /// How busy and how late the generators were.
    #[serde(default)]
    pub generator: Generator,
    /// Who took part.
    pub workers: Vec<WorkerView>,
    /// Workers that went away while load was made.
    #[serde(default)]
    pub losses: Vec<Loss>,
    /// How the workers' measurements came in.
    #[serde(default)]
    pub collection: Collection,
    /// All requests together.
    pub total: Series,
    /// By name, then method.
    pub series: Vec<Series>,
    /// By user type and task.
    pub tasks: Vec<TaskRow>,
    /// By group and name.
    pub checks: Vec<CheckRow>,
    /// By path.
    #[serde(default)]
    pub groups: Vec<Group>,
    /// The scenario's own metrics.
    pub metrics: Vec<MetricRow>,
    /// What all users shared.
    #[serde(default)]
    pub shared: SharedView,
    /// Most frequent first.
    pub errors: Vec<ErrorRow>,
    /// Kinds of errors that are not in `errors`.
    #[serde(default)]
    pub errors_omitted: u32,
    /// In the order of the plan.
    pub thresholds: Vec<ThresholdView>,
    /// Of caps and sandbox.
    pub counters: Counters,
    /// What happened and bears on how far the numbers can be trusted.
    pub notes: Vec<Note>,
    /// One entry a second.
    pub history: Vec<Second>,
}

/// Why bytes are no results.
#[derive(Debug, thiserror::Error)]
pub enum ResultsError {
    /// Not JSON, or other JSON.
    #[error("these are no results of a run: {0}")]
    Malformed(#[from] serde_json::Error),
    /// Of another layout.
    #[error("these results have version {theirs}, this loadhost reads {VERSION}")]
    Version {
        /// What they say.
        theirs: u32,
    },
}

impl Results {
    /// Of a run that is over. `workers` took part in it; `exit_code` is that of the program that waited for it, if one did.
    pub fn of(report: &RunReport, workers: &[WorkerView], exit_code: Option<u8>) -> Self {
        let view = &report.view;
        let total = Series::new(
            "",
            "Aggregated",
            &report.statistics.total(),
            (view.total.rps, view.total.fps),
        );
        Self {
            load: super::load(&report.plan.profile),
            ended: Some(report.ended.clone()),
            passed: report.verdict.passed,
            thresholds: report.verdict.thresholds.clone(),
            exit_code,
            total,
            series: parts::series(report),
            ..Self::so_far(view, &report.history, workers)
        }
    }

    /// Of a run as far as it has come: with the rows and the percentiles of its view, without whole distributions.
    pub fn so_far(view: &RunView, history: &[Point], workers: &[WorkerView]) -> Self {
        let mut series: Vec<_> = view.rows.iter().map(Series::of_row).collect();
        series.sort_by(|a, b| (&a.name, &a.method).cmp(&(&b.name, &b.method)));
        Self {
            format: FORMAT.to_string(),
            version: VERSION,
            loadhost: env!("CARGO_PKG_VERSION").to_string(),
            run: view.run.to_string(),
            scenario: view.scenario.clone(),
            scenario_version: view.scenario_version.clone(),
            module: view.module.to_string(),
            versions: view.versions.ran.iter().map(Version::of).collect(),
            target: view.target.clone(),
            seed: view.seed,
            params: view.params.clone(),
            load: String::new(),
            command: None,
            started: view.started.map(super::timestamp),
            started_unix_micros: view.started,
            duration_seconds: view.elapsed.as_secs_f64(),
            counted_from_seconds: view.counted_from.as_secs_f64(),
            counted_seconds: view.counted.as_secs_f64(),
            load_seconds: view.load_time.as_secs_f64(),
            ended: view.ended.clone(),
            passed: view.thresholds.iter().all(|threshold| threshold.state == ThresholdState::Ok),
            exit_code: None,
            requests: view.total.requests,
            failures: view.total.failures,
            rps: view.total.rps,
            saturated: !view.generator.saturated_for.is_zero(),
            saturated_seconds: view.generator.saturated_for.as_secs_f64(),
            saturated_reason: view.generator.first_reason.clone(),
            generator: Generator::of(&view.generator),
            workers: workers.iter().map(parts::worker).collect(),
            losses: view.losses.iter().map(Loss::of).collect(),
            collection: view.collection,
            total: Series { name: "Aggregated".into(), ..Series::of_row(&view.total) },
            series,
            tasks: view.tasks.clone(),
            checks: view.checks.clone(),
            groups: view.groups.iter().map(Group::of).collect(),
            metrics: view.metrics.clone(),
            shared: view.shared.clone(),
            errors: view.errors.clone(),
            errors_omitted: view.errors_omitted,
            thresholds: view.thresholds.clone(),
            counters: view.counters.clone(),
            notes: view.notes.clone(),
            history: history.iter().map(Second::of).collect(),
        }
    }

    /// With the command line that makes the same run.
    pub fn with_command(self, command: impl Into<String>) -> Self {
        Self { command: Some(command.into()), ..self }
    }

    /// With a line end.
    ///
    /// # Errors
    /// Never of what this program made.
    pub fn to_json(&self) -> Result<String, serde_json::Error> {
        serde_json::to_string_pretty(self).map(|text| text + "\n")
    }

    /// What [`Self::to_json`] made, also by an earlier release.
    ///
    /// # Errors
    /// If it is something else, or has another version.
    pub fn from_json(bytes: &[u8]) -> Result<Self, ResultsError> {
        /// Read first, since another version may have other fields.
        #[derive(Deserialize)]
        struct Head {
            version: u32,
        }
        let Head { version } = serde_json::from_slice(bytes)?;
        if version != VERSION {
            return Err(ResultsError::Version { theirs: version });
        }
        Ok(serde_json::from_slice(bytes)?)
    }
}

#[cfg(test)]
mod tests;
