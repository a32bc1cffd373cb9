//! What a scenario says about itself: the host's form of `types.description` in `wit/`.

use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::plan::UserShare;

/// How long a user pauses after a task.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum WaitTime {
    /// No pause.
    None,
    /// Always the same.
    Constant(Duration),
    /// Uniform from low to high, both included.
    Between(Duration, Duration),
    /// The rest of this period since the task's intended start.
    Pacing(Duration),
    /// Exponential with this mean.
    Exponential(Duration),
}

/// How the next task or group is chosen.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Order {
    /// At random by weight.
    Weighted,
    /// In the order of the list.
    Sequential,
    /// Each once in random order, then anew.
    Shuffled,
    /// By the last task's `next`.
    Markov,
}

/// One task of a user type.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Task {
    /// Unique within its user type.
    pub name: String,
    /// Among its siblings.
    pub weight: u32,
    /// For selection.
    pub tags: Vec<String>,
    /// Replaces the user type's wait.
    pub wait: Option<WaitTime>,
    /// Index into [`UserType::groups`].
    pub group: Option<u32>,
    /// Task index and weight of each successor, for [`Order::Markov`].
    pub next: Vec<(u32, u32)>,
}

/// Tasks that belong together.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct TaskGroup {
    /// For reports.
    pub name: String,
    /// Among its siblings.
    pub weight: u32,
    /// For selection.
    pub tags: Vec<String>,
    /// Of its members.
    pub order: Order,
    /// How many members run before the user leaves: low..=high; (0, 0): each once.
    pub rounds: (u32, u32),
    /// Index of the group that it stands in, smaller than its own.
    pub parent: Option<u32>,
}

/// One kind of virtual user.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct UserType {
    /// Unique in the scenario.
    pub name: String,
    /// Among the user types.
    pub weight: u32,
    /// Exactly this many, whatever the weights say.
    pub fixed_count: Option<u32>,
    /// After each task that has none of its own.
    pub wait: WaitTime,
    /// Of the tasks that stand in no group.
    pub order: Order,
    /// Indexed by `run-task`.
    pub tasks: Vec<Task>,
    /// Indexed by [`Task::group`].
    pub groups: Vec<TaskGroup>,
}

impl UserType {
    /// What its author proposes.
    pub fn proposed(&self) -> UserShare {
        self.fixed_count.map_or(UserShare::Weight(self.weight), UserShare::Count)
    }
}

/// A threshold as the scenario wrote it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct ThresholdText {
    /// Built-in or custom metric.
    pub metric: String,
    /// Only samples with all of these.
    pub tags: Vec<(String, String)>,
    /// Such as `p(95) < 500ms`.
    pub condition: String,
    /// Stop the run as soon as it is broken, not before this much time.
    pub abort_after: Option<Duration>,
}

/// A parameter of the scenario.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Parameter {
    /// As given by `--param NAME=VALUE`.
    pub name: String,
    /// `string`, `integer`, `number`, `boolean`, `duration`, `url`, `choice:a|b|c`.
    pub kind: String,
    /// None: required.
    pub default: Option<String>,
    /// One line for people.
    pub help: String,
    /// Never shown, logged or exported.
    pub secret: bool,
}

/// What a scenario contains. By default: nothing, under no name.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct Description {
    /// Of the scenario.
    pub name: String,
    /// As its author counts.
    pub version: Option<String>,
    /// Name and version of the SDK that built it.
    pub sdk: Option<(String, String)>,
    /// At least one.
    pub user_types: Vec<UserType>,
    /// What the scenario's author wants to hold.
    pub thresholds: Vec<ThresholdText>,
    /// Data sets it opens.
    pub data_sets: Vec<String>,
    /// Hosts it wants to reach besides the run's target.
    pub hosts: Vec<String>,
    /// What the run may be given.
    pub parameters: Vec<Parameter>,
    /// Run settings it proposes, by the keys of the configuration file.
    pub settings: Vec<(String, String)>,
    /// Whether it exports `load-shape`.
    pub has_load_shape: bool,
}
