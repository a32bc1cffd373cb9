//! Scenarios and files of rows in the library.

use std::time::Duration;

use loadhost_model::description::{Description, Order, UserType, WaitTime};
use loadhost_model::text::format_duration;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::seconds;
use crate::workbench::Fault;

/// What is known of a scenario.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct ScenarioInfo {
    /// SHA-256 of its bytes.
    pub digest: String,
    /// What the uploaded file was called.
    pub file_name: String,
    /// Of the component.
    pub size_bytes: u64,
    /// RFC 3339.
    pub uploaded_at: String,
    /// Who uploaded it.
    pub uploaded_by: Option<String>,
    /// Its own name; empty if it could not be read.
    pub name: String,
    /// As its author counts.
    pub version: Option<String>,
    /// That built it.
    pub sdk: Option<SdkOf>,
    /// The kinds of users it has.
    pub user_types: Vec<UserTypeOf>,
    /// What its author wants to hold.
    pub thresholds: Vec<ThresholdText>,
    /// Names of data sets that it opens.
    pub data_sets: Vec<String>,
    /// Hosts that it wants to reach besides the target.
    pub hosts: Vec<String>,
    /// What a run may be given.
    pub parameters: Vec<ParameterOf>,
    /// Settings it proposes, by the keys of `GET /settings`.
    pub settings: Vec<(String, String)>,
    /// It steers its own load.
    pub has_load_shape: bool,
    /// What it contains and imports, with the contract (WIT) that it was built for.
    #[schema(value_type = Option<Object>)]
    pub inspection: serde_json::Value,
    /// What is wrong with it. Empty: it can be run.
    pub faults: Vec<Fault>,
}

/// Name and version of an SDK.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct SdkOf {
    /// Such as `loadhost-sdk`.
    pub name: String,
    /// Its version.
    pub version: String,
}

/// One kind of virtual user.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct UserTypeOf {
    /// Unique in the scenario.
    pub name: String,
    /// Among the user types.
    pub weight: u32,
    /// Exactly this many, whatever the weights say.
    pub fixed_count: Option<u32>,
    /// How long users pause between tasks, for people.
    pub wait: String,
    /// `weighted`, `sequential`, `shuffled` or `markov`.
    pub order: String,
    /// What it does.
    pub tasks: Vec<TaskOf>,
}

/// One task of a user type.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct TaskOf {
    /// Unique within its user type.
    pub name: String,
    /// Among its siblings.
    pub weight: u32,
    /// For selection.
    pub tags: Vec<String>,
    /// The group that it stands in.
    pub group: Option<String>,
}

/// A threshold as the scenario wrote it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct ThresholdText {
    /// In one line, as in the setting `thresholds`.
    pub text: String,
    /// Stops the run when broken, not before this much time.
    pub abort_after_seconds: Option<f64>,
}

/// A parameter of a scenario.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct ParameterOf {
    /// In the setting `params`.
    pub name: String,
    /// `string`, `integer`, `number`, `boolean`, `duration`, `url`, `choice:a|b|c`.
    pub kind: String,
    /// null: it must be given.
    pub default: Option<String>,
    /// One line for people.
    pub help: String,
    /// Never shown, logged or exported.
    pub secret: bool,
}

impl ScenarioInfo {
    /// Fills in what the scenario says of itself.
    pub fn described(mut self, description: &Description) -> Self {
        self.name = description.name.clone();
        self.version = description.version.clone();
        let sdk = description.sdk.clone();
        self.sdk = sdk.map(|(name, version)| SdkOf { name, version });
        self.user_types = description.user_types.iter().map(UserTypeOf::from).collect();
        self.thresholds = description.thresholds.iter().map(threshold).collect();
        self.data_sets = description.data_sets.clone();
        self.hosts = description.hosts.clone();
        let parameters = description.parameters.iter().map(|parameter| ParameterOf {
            name: parameter.name.clone(),
            kind: parameter.kind.clone(),
            // A secret default is nobody's business.
            default: match parameter.secret {
                true => parameter.default.as_ref().map(|_| "***".to_string()),
                false => parameter.default.clone(),
            },
            help: parameter.help.clone(),
            secret: parameter.secret,
        });
        self.parameters = parameters.collect();
        self.settings = description.settings.clone();
        self.has_load_shape = description.has_load_shape;
        self
    }
}

fn threshold(text: &loadhost_model::description::ThresholdText) -> ThresholdText {
    let parsed = loadhost_model::threshold::Threshold::try_from(text);
    let shown = match parsed {
        Ok(threshold) => threshold.to_string(),
        Err(_) => format!("{} {}", text.metric, text.condition),
    };
    ThresholdText { text: shown, abort_after_seconds: text.abort_after.map(seconds) }
}

impl From<&UserType> for UserTypeOf {
    fn from(user_type: &UserType) -> Self {
        let group = |index: Option<u32>| {
            let group = user_type.groups.get(usize::try_from(index?).ok()?)?;
            Some(group.name.clone())
        };
        let tasks = user_type.tasks.iter().map(|task| TaskOf {
            name: task.name.clone(),
            weight: task.weight,
            tags: task.tags.clone(),
            group: group(task.group),
        });
        Self {
            name: user_type.name.clone(),
            weight: user_type.weight,
            fixed_count: user_type.fixed_count,
            wait: wait(&user_type.wait),
            order: order(user_type.order).to_string(),
            tasks: tasks.collect(),
        }
    }
}

fn wait(wait: &WaitTime) -> String {
    let shown = |time: &Duration| format_duration(*time);
    match wait {
        WaitTime::None => "none".to_string(),
        WaitTime::Constant(time) => shown(time),
        WaitTime::Between(low, high) => format!("{}-{}", shown(low), shown(high)),
        WaitTime::Pacing(period) => format!("pacing {}", shown(period)),
        WaitTime::Exponential(mean) => format!("exponential {}", shown(mean)),
    }
}

fn order(order: Order) -> &'static str {
    match order {
        Order::Weighted => "weighted",
        Order::Sequential => "sequential",
        Order::Shuffled => "shuffled",
        Order::Markov => "markov",
    }
}

/// An uploaded file of rows.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct DataSetInfo {
    /// SHA-256 of its bytes.
    pub digest: String,
    /// What the uploaded file was called.
    pub name: String,
    /// Of the file.
    pub size_bytes: u64,
    /// `csv` or `json-lines`.
    pub format: String,
    /// How many there are.
    pub rows: u64,
    /// Their names.
    pub columns: Vec<String>,
    /// RFC 3339.
    pub uploaded_at: String,
    /// Who uploaded it.
    pub uploaded_by: Option<String>,
    /// The first rows, cut to a few characters a cell; empty in lists.
    #[serde(default)]
    pub preview: Vec<Vec<String>>,
}

/// Names of columns.
pub type Columns = Vec<String>;
