//! How a run is spread over a fleet, and what becomes of it when a worker fails.

use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::placement::Placement;
use crate::words::words;

/// How a run is spread over a fleet. Of no account where there is one worker.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct FleetSettings {
    /// Which workers may take part; None: all.
    pub placement: Option<Placement>,
    /// How the load is shared among them.
    pub distribution: Distribution,
    /// How often shares are weighed anew, besides when a worker comes or goes; None: never.
    pub rebalance_interval: Option<Duration>,
    /// What becomes of the share of a worker that is lost or fails.
    pub on_worker_lost: LossPolicy,
    /// How often a worker that failed is tried again, in one run.
    pub max_retries: u32,
}

impl Default for FleetSettings {
    fn default() -> Self {
        Self {
            placement: None,
            distribution: Distribution::default(),
            rebalance_interval: Some(Duration::from_secs(30)),
            on_worker_lost: LossPolicy::default(),
            max_retries: 3,
        }
    }
}

/// How load is shared among workers.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Distribution {
    /// Equal shares.
    #[default]
    RoundRobin,
    /// By what is free: capacity, and the CPU that a share was measured to cost.
    LeastLoaded,
    /// By the weights that workers were started with.
    Weighted,
}

/// What becomes of the share of a worker that is lost or fails while load is made.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum LossPolicy {
    /// The others go on with theirs; the share is missing until the worker is back.
    Continue,
    /// The others take it over.
    #[default]
    Rebalance,
    /// The run ends.
    Abort,
}

words!(
    Distribution,
    "distribution",
    RoundRobin = "round-robin",
    LeastLoaded = "least-loaded",
    Weighted = "weighted"
);
words!(
    LossPolicy,
    "policy for lost workers",
    Continue = "continue",
    Rebalance = "rebalance",
    Abort = "abort"
);

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn words_are_read_as_they_are_written() {
        for (word, value) in Distribution::WORDS {
            assert_eq!((word.parse(), value.to_string()), (Ok(*value), word.to_string()));
            assert_eq!(serde_json::to_string(value).unwrap(), format!("\"{word}\""));
        }
        for (word, value) in LossPolicy::WORDS {
            assert_eq!((word.parse(), value.to_string()), (Ok(*value), word.to_string()));
            assert_eq!(serde_json::to_string(value).unwrap(), format!("\"{word}\""));
        }
        let error = "wieghted".parse::<Distribution>().unwrap_err().to_string();
        assert_eq!(
            error,
            "`wieghted` is no distribution: it is one of `round-robin`, `least-loaded`, `weighted`, did you mean `weighted`?"
        );
    }
}
