//! One run, in full.

use std::collections::BTreeMap;

use loadhost_control::EndReason;
use loadhost_control::view::{GeneratorView, Loss, Note, RunState, RunView, ThresholdView};
use loadhost_model::interval::Counters;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::fleet::word;
use super::{
    Check, Failure, FailureOrigin, Group, HttpLine, Metric, SharedThings, Task, Versions, WindowOf,
    instant, ms, rounded, seconds,
};

/// One run, live or kept.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct RunDetail {
    /// Its id.
    pub run: String,
    /// Name of the scenario.
    pub scenario: String,
    /// As its author counts.
    pub scenario_version: Option<String>,
    /// SHA-256 of the scenario.
    pub module: String,
    /// Base URL.
    pub target: Option<String>,
    /// Parameters; the values of secret ones are `***`.
    pub params: BTreeMap<String, String>,
    /// Of all random choices; a text, because it may have more digits than a number of JavaScript.
    pub seed: String,
    /// `waiting`, `preparing`, `setting-up`, `starting`, `running`, `stopping`, `tearing-down` or `finished`.
    pub state: String,
    /// Names of the phases that make load at the moment.
    pub phase: String,
    /// When load began (RFC 3339).
    pub started_at: Option<String>,
    /// Since the start; stands still once no more load is made.
    pub elapsed_seconds: f64,
    /// How long it is; null: until it is stopped, or until its iterations are done.
    pub length_seconds: Option<f64>,
    /// How much of it is left.
    pub remaining_seconds: Option<f64>,
    /// Workers that share it, lost ones included.
    pub workers: u32,
    /// Lost ones among them.
    pub workers_lost: u32,
    /// Workers that were lost, failed or left while load was made, oldest first.
    pub losses: Vec<LossOf>,
    /// 0 to 1 of the load that nobody makes at the moment.
    pub unserved: f64,
    /// Users running.
    pub users: u32,
    /// The same by user type.
    pub users_by_type: BTreeMap<String, u32>,
    /// Users that the profile asks for.
    pub users_wanted: Option<u32>,
    /// Arrivals per second that the profile asks for.
    pub rate_wanted: Option<f64>,
    /// Totals count from here, since the start.
    pub counted_from_seconds: f64,
    /// Time over which totals were measured.
    pub counted_seconds: f64,
    /// Time that total rates are over.
    pub load_seconds: f64,
    /// All requests together.
    pub total: HttpLine,
    /// The last ten whole seconds.
    pub window: WindowOf,
    /// By `METHOD name`; `other` sums up the rest.
    pub rows: BTreeMap<String, HttpLine>,
    /// How many names are in `other`.
    pub rows_omitted: u32,
    /// By `user type/task`.
    pub tasks: BTreeMap<String, Task>,
    /// By `group::name`.
    pub checks: BTreeMap<String, Check>,
    /// By path.
    pub groups: BTreeMap<String, Group>,
    /// By `name{tag=value}`.
    pub metrics: BTreeMap<String, Metric>,
    /// By origin, code and message.
    pub errors: BTreeMap<String, Failure>,
    /// How many kinds of errors are not in `errors`.
    pub errors_omitted: u32,
    /// By their place in the plan, from `0`.
    pub thresholds: BTreeMap<String, ThresholdOf>,
    /// When thresholds were broken, as far as it was seen here; 100 at most.
    #[serde(default)]
    pub breaches: Vec<Breach>,
    /// Of caps and sandbox.
    pub counters: SandboxCounters,
    /// How the workers' measurements came in.
    pub collection: Collection,
    /// How well the generators do.
    pub generator: Generator,
    /// What users of all workers share.
    pub shared: SharedThings,
    /// Versions of the scenario that users run.
    #[serde(default)]
    pub versions: Versions,
    /// What happened; marks on the charts.
    pub notes: Vec<NoteOf>,
    /// Whether thresholds hold; null: it is not over.
    pub passed: Option<bool>,
    /// Why it is over.
    pub ended: Option<Ended>,
    /// Written by people.
    pub note: String,
    /// Given by people.
    pub tags: Vec<String>,
    /// Not deleted to make room.
    pub pinned: bool,
    /// Who started it.
    pub started_by: Option<String>,
    /// The same run as a line for a shell; secrets are variables of the shell. null: it was not started here.
    #[serde(default)]
    pub command: Option<String>,
}

/// A worker that went out of a run while load was made.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct LossOf {
    /// Its name.
    pub worker: String,
    /// When it was noticed, since the start.
    pub at_seconds: f64,
    /// 0 to 1 of the load that it had.
    pub share: f64,
    /// For how long at most its measurements are missing.
    pub unmeasured_seconds: f64,
    /// Its share was given to others.
    pub moved: bool,
    /// When others had taken over all of it.
    pub served_seconds: Option<f64>,
    /// When it was heard of again.
    pub returned_seconds: Option<f64>,
}

impl From<&Loss> for LossOf {
    fn from(loss: &Loss) -> Self {
        Self {
            worker: loss.worker.to_string(),
            at_seconds: seconds(loss.at),
            share: rounded(loss.share),
            unmeasured_seconds: seconds(loss.unmeasured),
            moved: loss.moved,
            served_seconds: loss.served.map(seconds),
            returned_seconds: loss.returned.map(seconds),
        }
    }
}

/// One threshold.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct ThresholdOf {
    /// As people write it.
    pub text: String,
    /// `ok`, `broken` or `no-data`.
    pub state: String,
    /// What was compared with the bound, in the bound's unit.
    pub value: Option<f64>,
    /// Broken without interruption since this moment of the run.
    pub broken_since_seconds: Option<f64>,
    /// Stops the run when broken, not before this much time.
    pub abort_after_seconds: Option<f64>,
}

impl From<&ThresholdView> for ThresholdOf {
    fn from(view: &ThresholdView) -> Self {
        Self {
            text: view.text.clone(),
            state: word(&view.state),
            value: view.value.map(|value| (value * 1e6).round() / 1e6),
            broken_since_seconds: view.broken_since.map(seconds),
            abort_after_seconds: view.abort_after.map(seconds),
        }
    }
}

/// A time in which a threshold was broken.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct Breach {
    /// As people write it.
    pub threshold: String,
    /// Since the start.
    pub at_seconds: f64,
    /// When it held again; null: it has not.
    pub until_seconds: Option<f64>,
}

/// What caps and sandbox did.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct SandboxCounters {
    /// Arrivals that were due.
    pub arrivals: u64,
    /// Arrivals dropped because no user was free.
    pub dropped_arrivals: u64,
    /// Iterations cut short by the end of the run.
    pub interrupted: u64,
    /// Users that ended with a trap, a timeout or a panic.
    pub crashed_users: u64,
    /// Refused by a cap, by its name.
    pub capped: BTreeMap<String, u64>,
}

impl From<&Counters> for SandboxCounters {
    fn from(counters: &Counters) -> Self {
        let capped = counters.capped.iter().map(|(name, count)| (name.to_string(), *count));
        Self {
            arrivals: counters.arrivals,
            dropped_arrivals: counters.dropped_arrivals,
            interrupted: counters.interrupted,
            crashed_users: counters.crashed_users,
            capped: capped.collect(),
        }
    }
}

/// How the workers' measurements came in, in worker-seconds.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Collection {
    /// Merged.
    pub merged: u64,
    /// Came again and were ignored.
    pub duplicates: u64,
    /// Known to have been made, but not here.
    pub missing: u64,
}

/// How well the generators do.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct Generator {
    /// CPU of the busiest worker in the last second: 1 is saturated.
    pub cpu: f64,
    /// The same in its busiest second so far.
    pub cpu_peak: f64,
    /// How late timers fired, 99 %.
    pub loop_lag_p99_ms: Option<f64>,
    /// How late iterations started, 99 %.
    pub start_lag_p99_ms: Option<f64>,
    /// Why the generator is too busy to be trusted at the moment.
    pub saturated: Option<String>,
    /// For how long it was so in the whole run.
    pub saturated_seconds: f64,
    /// Why it was so, the first time.
    pub first_reason: Option<String>,
}

impl From<&GeneratorView> for Generator {
    fn from(view: &GeneratorView) -> Self {
        Self {
            cpu: rounded(view.cpu),
            cpu_peak: rounded(view.cpu_peak),
            loop_lag_p99_ms: view.loop_lag_p99.map(ms),
            start_lag_p99_ms: view.start_lag_p99.map(ms),
            saturated: view.saturated.clone(),
            saturated_seconds: seconds(view.saturated_for),
            first_reason: view.first_reason.clone(),
        }
    }
}

/// Something that happened.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct NoteOf {
    /// Since the start; null: before it.
    pub at_seconds: Option<f64>,
    /// `info`, or `warning` if numbers can be trusted less.
    pub kind: String,
    /// For people.
    pub message: String,
}

impl From<&Note> for NoteOf {
    fn from(note: &Note) -> Self {
        let (kind, message) = (word(&note.kind), note.message.clone());
        Self { at_seconds: note.at.map(seconds), kind, message }
    }
}

/// Why a run is over.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Ended {
    /// `completed`, `stopped-by-user`, `threshold-abort`, `aborted-by-scenario`, `worker-failed` or `interrupted`.
    pub reason: String,
    /// For people.
    pub message: String,
}

impl From<&EndReason> for Ended {
    fn from(reason: &EndReason) -> Self {
        let word = match reason {
            EndReason::Completed => "completed",
            EndReason::StoppedByUser => "stopped-by-user",
            EndReason::ThresholdAbort { .. } => "threshold-abort",
            EndReason::AbortedByScenario { .. } => "aborted-by-scenario",
            EndReason::WorkerFailed { .. } => "worker-failed",
            EndReason::Interrupted => "interrupted",
        };
        Self { reason: word.to_string(), message: reason.to_string() }
    }
}

/// Whether thresholds hold, once it is over.
pub(crate) fn passed(view: &RunView) -> Option<bool> {
    use loadhost_control::view::ThresholdState;
    (view.state == RunState::Finished)
        .then(|| view.thresholds.iter().all(|one| one.state == ThresholdState::Ok))
}

impl From<&RunView> for RunDetail {
    fn from(view: &RunView) -> Self {
        let by_type = view.users_by_type.iter().map(|(name, users)| (name.to_string(), *users));
        Self {
            run: view.run.to_string(),
            scenario: view.scenario.clone(),
            scenario_version: view.scenario_version.clone(),
            module: view.module.to_string(),
            target: view.target.clone(),
            params: view.params.clone(),
            seed: view.seed.to_string(),
            state: word(&view.state),
            phase: view.phase.clone(),
            started_at: view.started.map(instant),
            elapsed_seconds: seconds(view.elapsed),
            length_seconds: view.length.map(seconds),
            remaining_seconds: view.remaining.map(seconds),
            workers: view.workers,
            workers_lost: view.workers_lost,
            losses: view.losses.iter().map(LossOf::from).collect(),
            unserved: rounded(view.unserved),
            users: view.users,
            users_by_type: by_type.collect(),
            users_wanted: view.users_wanted,
            rate_wanted: view.rate_wanted.map(rounded),
            counted_from_seconds: seconds(view.counted_from),
            counted_seconds: seconds(view.counted),
            load_seconds: seconds(view.load_time),
            total: HttpLine::from(&view.total),
            window: WindowOf::from(&view.window),
            rows: keyed(&view.rows, |row: &HttpLine| match row.method.as_str() {
                "" => row.name.clone(),
                method => format!("{method} {}", row.name),
            }),
            rows_omitted: view.rows_omitted,
            tasks: keyed(&view.tasks, |task: &Task| format!("{}/{}", task.user_type, task.task)),
            checks: keyed(&view.checks, |check: &Check| match check.group.as_str() {
                "" => check.name.clone(),
                group => format!("{group}::{}", check.name),
            }),
            groups: keyed(&view.groups, |group: &Group| group.path.clone()),
            metrics: keyed(&view.metrics, key_of_metric),
            errors: keyed(&view.errors, key_of_error),
            errors_omitted: view.errors_omitted,
            thresholds: numbered(&view.thresholds),
            breaches: Vec::new(),
            counters: SandboxCounters::from(&view.counters),
            collection: Collection {
                merged: view.collection.merged,
                duplicates: view.collection.duplicates,
                missing: view.collection.missing,
            },
            generator: Generator::from(&view.generator),
            shared: SharedThings::from(&view.shared),
            versions: Versions::from(&view.versions),
            notes: view.notes.iter().map(NoteOf::from).collect(),
            passed: passed(view),
            ended: view.ended.as_ref().map(Ended::from),
            note: String::new(),
            tags: Vec::new(),
            pinned: false,
            started_by: None,
            command: None,
        }
    }
}

fn keyed<'a, A: 'a, B: From<&'a A>>(
    list: &'a [A],
    key: impl Fn(&B) -> String,
) -> BTreeMap<String, B> {
    let lines = list.iter().map(B::from);
    lines.map(|line| (key(&line), line)).collect()
}

fn numbered(list: &[ThresholdView]) -> BTreeMap<String, ThresholdOf> {
    let lines = list.iter().enumerate();
    lines.map(|(place, view)| (place.to_string(), ThresholdOf::from(view))).collect()
}

fn key_of_metric(metric: &Metric) -> String {
    if metric.tags.is_empty() {
        return metric.name.clone();
    }
    let tags = metric.tags.iter().map(|(key, value)| format!("{key}={value}"));
    format!("{}{{{}}}", metric.name, tags.collect::<Vec<_>>().join(","))
}

fn key_of_error(error: &Failure) -> String {
    let (first, second) = match &error.origin {
        FailureOrigin::Request { method, name } => (method, name),
        FailureOrigin::Task { user_type, task } => (user_type, task),
    };
    format!("{first} {second} {} {}", error.code, error.message)
}
