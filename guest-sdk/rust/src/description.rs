//! What a scenario says about itself: `types.description` of the contract.

use std::time::Duration;

/// How long a user pauses after a task.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum WaitTime {
    /// No pause.
    None,
    /// Always the same.
    Constant(Duration),
    /// Drawn uniformly from low to high.
    Between(Duration, Duration),
    /// The rest of this period since the task's start.
    Pacing(Duration),
    /// Drawn from an exponential distribution with this mean.
    Exponential(Duration),
}

/// How the host chooses the next task or group.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Order {
    /// At random by weight.
    Weighted,
    /// In the order of the source.
    Sequential,
    /// Each once in random order, then anew.
    Shuffled,
    /// By the `next` list of the task that ran last.
    Markov,
}

/// One task of a user type.
#[derive(Debug, Clone, PartialEq)]
pub struct Task {
    /// Unique within the user type.
    pub name: String,
    /// Among its siblings; 0: only by name.
    pub weight: u32,
    /// For `--tags`.
    pub tags: Vec<String>,
    /// Instead of the user type's.
    pub wait: Option<WaitTime>,
    /// Index into [`UserType::groups`].
    pub group: Option<u32>,
    /// Task index and weight of successors, for [`Order::Markov`].
    pub next: Vec<(u32, u32)>,
}

/// Tasks that belong together.
#[derive(Debug, Clone, PartialEq)]
pub struct TaskGroup {
    /// For reports.
    pub name: String,
    /// Among its siblings.
    pub weight: u32,
    /// For `--tags`.
    pub tags: Vec<String>,
    /// Of its members.
    pub order: Order,
    /// How many members run before the user leaves: low to high; (0, 0): each once.
    pub rounds: (u32, u32),
    /// Index of the group it stands in.
    pub parent: Option<u32>,
}

/// One kind of user.
#[derive(Debug, Clone, PartialEq)]
pub struct UserType {
    /// Unique in the scenario.
    pub name: String,
    /// Among the user types.
    pub weight: u32,
    /// Exactly so many.
    pub fixed_count: Option<u32>,
    /// After each task without its own.
    pub wait: WaitTime,
    /// Of tasks outside of groups.
    pub order: Order,
    /// In the order of the source.
    pub tasks: Vec<Task>,
    /// A group comes after the group that it stands in.
    pub groups: Vec<TaskGroup>,
}

/// A condition on the whole run.
#[derive(Debug, Clone, PartialEq)]
pub struct Threshold {
    /// Built-in or custom metric.
    pub metric: String,
    /// Only samples with all of these.
    pub tags: Vec<(String, String)>,
    /// Such as `p(95) < 500ms`.
    pub condition: String,
    /// Stop the run when broken, not before this.
    pub abort_after: Option<Duration>,
}

/// Something that a run may be given.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Parameter {
    /// As in `--param NAME=VALUE`.
    pub name: String,
    /// `string`, `integer`, `number`, `boolean`, `duration`, `url`, `choice:a|b|c`.
    pub kind: String,
    /// None: the run must give a value.
    pub default: Option<String>,
    /// One line for people.
    pub help: String,
    /// Never shown.
    pub secret: bool,
}

/// What `describe` returns.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Description {
    /// The package's name, unless `export!` has another.
    pub name: String,
    /// The package's version.
    pub version: Option<String>,
    /// In the order of `export!`.
    pub user_types: Vec<UserType>,
    /// See [`crate::export!`].
    pub thresholds: Vec<Threshold>,
    /// Data sets that users read.
    pub data_sets: Vec<String>,
    /// Hosts besides the run's target.
    pub hosts: Vec<String>,
    /// Of all that users, setup and teardown are given.
    pub parameters: Vec<Parameter>,
    /// Run settings that the scenario proposes.
    pub settings: Vec<(String, String)>,
}
