//! One run in a line.

use loadhost_control::view::RunView;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::fleet::word;
use super::run::passed;
use super::{Ended, instant, ms, rounded, seconds};

/// One run in a line, live or kept.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct RunShort {
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
    /// As in the detail.
    pub state: String,
    /// When load began (RFC 3339).
    pub started_at: Option<String>,
    /// Since the start.
    pub elapsed_seconds: f64,
    /// Users running.
    pub users: u32,
    /// In all.
    pub requests: u64,
    /// Failed among them.
    pub failures: u64,
    /// Per second of the load time.
    pub rps: f64,
    /// 0 to 1.
    pub failure_ratio: f64,
    /// Response time.
    pub p95_ms: Option<f64>,
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
    /// Its results are kept.
    pub kept: bool,
}

impl From<&RunView> for RunShort {
    fn from(view: &RunView) -> Self {
        Self {
            run: view.run.to_string(),
            scenario: view.scenario.clone(),
            scenario_version: view.scenario_version.clone(),
            module: view.module.to_string(),
            target: view.target.clone(),
            state: word(&view.state),
            started_at: view.started.map(instant),
            elapsed_seconds: seconds(view.elapsed),
            users: view.users,
            requests: view.total.requests,
            failures: view.total.failures,
            rps: rounded(view.total.rps),
            // One in a million is still said.
            failure_ratio: (view.total.failure_ratio() * 1e6).round() / 1e6,
            p95_ms: view.total.response_time.map(|times| ms(times.p95)),
            passed: passed(view),
            ended: view.ended.as_ref().map(Ended::from),
            note: String::new(),
            tags: Vec::new(),
            pinned: false,
            started_by: None,
            kept: false,
        }
    }
}
