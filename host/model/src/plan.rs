//! Everything a worker must know to do its share of a run.

mod check;
mod edition;
mod fleet;
mod log_level;
mod params;

pub use check::{PlanError, PlanErrors};
pub use edition::{Edition, Unfit, fit};
pub use fleet::{Distribution, FleetSettings, LossPolicy};
pub use log_level::LogLevel;
pub use params::{ParamError, ParamKind, UnknownKind, check_parameter};

use std::collections::BTreeMap;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::data::DataSet;
use crate::id::{Digest, RunId};
use crate::profile::Profile;
use crate::threshold::Threshold;

/// What a run is. Made by the coordinator, the same on each worker; immutable but
/// for the profile, which a change replaces, and what goes with the module, which an [`Edition`] replaces.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct RunPlan {
    /// Of this run.
    pub run: RunId,
    /// Name of the scenario, for people.
    pub scenario: String,
    /// The scenario's bytes.
    pub module: Digest,
    /// Base URL that relative URLs of the guest go to.
    pub target: Option<String>,
    /// Parameters with defaults filled in.
    pub params: BTreeMap<String, String>,
    /// Names of parameters that are never shown.
    pub secret_params: Vec<String>,
    /// Data sets by the names that the scenario opens.
    #[serde(default)]
    pub data: BTreeMap<String, DataSet>,
    /// Of all random choices.
    pub seed: u64,
    /// How much load.
    pub profile: Profile,
    /// Weights and fixed counts by name of the user type, over the scenario's own.
    pub user_types: BTreeMap<String, UserShare>,
    /// Which tasks run.
    pub tasks: TaskFilter,
    /// How requests are sent.
    pub http: HttpSettings,
    /// What a guest may use.
    pub limits: Limits,
    /// The verdict.
    pub thresholds: Vec<Threshold>,
    /// How long iterations may go on after the end.
    pub graceful_stop: Duration,
    /// Statistics begin anew here, so that a warm-up is not counted.
    pub warm_up: Option<Duration>,
    /// How it is spread over a fleet.
    #[serde(default)]
    pub fleet: FleetSettings,
}

/// How many users of a type.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum UserShare {
    /// Relative to the other types; 0: none.
    Weight(u32),
    /// Exactly.
    Count(u32),
}

/// Which tasks run, by their tags or names.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct TaskFilter {
    /// Only tasks with at least one of these; empty: all.
    pub include: Vec<String>,
    /// No task with any of these.
    pub exclude: Vec<String>,
    /// Only these tasks, by name, even those of weight 0; empty: all.
    pub names: Vec<String>,
}

/// How requests are sent, unless a request says otherwise.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct HttpSettings {
    /// From sending to the end of the body, redirects not included.
    pub timeout: Duration,
    /// Name resolution, TCP and TLS handshake together.
    pub connect_timeout: Duration,
    /// From the end of the request to the first byte of the answer; None: bounded by `timeout`.
    pub first_byte_timeout: Option<Duration>,
    /// Redirects followed.
    pub max_redirects: u32,
    /// Accept any certificate.
    pub insecure: bool,
    /// Trust these certificates (PEM) too.
    pub extra_roots: Option<String>,
    /// Certificate chain and key (PEM) shown to servers.
    pub client_identity: Option<String>,
    /// Name, or name:port, to the address that is dialled instead.
    pub host_overrides: BTreeMap<String, String>,
    /// How long resolved names are kept.
    pub dns_ttl: Duration,
    /// Sent with each request that has no such header.
    pub headers: Vec<(String, String)>,
    /// Sent as `User-Agent`.
    pub user_agent: String,
    /// User and password for `Authorization: Basic` to the target.
    pub basic_auth: Option<(String, String)>,
    /// Token for `Authorization: Bearer` to the target.
    pub bearer: Option<String>,
    /// Hosts that may be reached besides the target (`name`, `name:port`, `*.name`, `*`).
    pub allow_hosts: Vec<String>,
    /// Keep connections open between requests.
    pub keep_alive: bool,
}

impl Default for HttpSettings {
    fn default() -> Self {
        Self {
            timeout: Duration::from_secs(30),
            connect_timeout: Duration::from_secs(10),
            first_byte_timeout: None,
            max_redirects: 10,
            insecure: false,
            extra_roots: None,
            client_identity: None,
            host_overrides: BTreeMap::new(),
            dns_ttl: Duration::from_secs(60),
            headers: Vec::new(),
            user_agent: concat!("loadhost/", env!("CARGO_PKG_VERSION")).to_string(),
            basic_auth: None,
            bearer: None,
            allow_hosts: Vec::new(),
            keep_alive: true,
        }
    }
}

/// Caps of the sandbox. Each has a flag, a counter and an error by the name of its field.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Limits {
    /// Memory per user, all memories summed.
    pub memory_bytes: u64,
    /// Elements of each table.
    pub table_elements: u32,
    /// Stack per user.
    pub stack_bytes: u64,
    /// CPU of one call into the guest.
    pub task_cpu: Duration,
    /// Wall-clock time of one task.
    pub task_time: Duration,
    /// Wall-clock time of `on-start`, and of `setup`.
    pub start_time: Duration,
    /// Wall-clock time of `on-stop`, and of `teardown`.
    pub stop_time: Duration,
    /// Calls to the host in one task.
    pub host_calls: u64,
    /// Bytes that one call hands to the host, the body of one request not counted.
    pub call_bytes: u64,
    /// Of a request.
    pub request_body_bytes: u64,
    /// Kept of a response; the rest is counted and discarded.
    pub response_body_bytes: u64,
    /// Kept by the host for a user: templates with their bodies, and the answers it holds.
    pub kept_bytes: u64,
    /// Of a response's head.
    pub header_bytes: u32,
    /// Connections of one user to one host.
    pub connections: u32,
    /// Requests sent at once by one user.
    pub batch: u32,
    /// Resource handles of one user.
    pub handles: u32,
    /// The least important log lines that pass; the guest is told that others are not wanted.
    pub log_level: LogLevel,
    /// Log lines per user and second.
    pub log_lines: u32,
    /// Bytes of a log line.
    pub log_line_bytes: u32,
    /// Custom metrics.
    pub metrics: u32,
    /// Names of requests, and of checks.
    pub names: u32,
    /// Series over all.
    pub series: u32,
    /// Distinct errors.
    pub errors: u32,
}

impl Limits {
    /// Bytes that one call hands to the host at most, the body of one request included. A body
    /// beyond `request_body_bytes` is then refused as a request, and the guest goes on.
    pub fn handed_bytes(&self) -> u64 {
        self.call_bytes.saturating_add(self.request_body_bytes)
    }
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            memory_bytes: 64 << 20,
            table_elements: 20_000,
            stack_bytes: 512 << 10,
            task_cpu: Duration::from_secs(2),
            task_time: Duration::from_secs(120),
            start_time: Duration::from_secs(60),
            stop_time: Duration::from_secs(10),
            host_calls: 100_000,
            call_bytes: 2 << 20,
            request_body_bytes: 8 << 20,
            response_body_bytes: 4 << 20,
            kept_bytes: 128 << 20,
            header_bytes: 32 << 10,
            connections: 6,
            batch: 32,
            handles: 4_096,
            log_level: LogLevel::default(),
            log_lines: 20,
            log_line_bytes: 4 << 10,
            metrics: 200,
            names: 1_000,
            series: 20_000,
            errors: 1_000,
        }
    }
}
