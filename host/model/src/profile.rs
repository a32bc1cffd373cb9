//! How much load a run makes, and when.
//!
//! A [`Profile`] is a list of [`Phase`]s. What is due at which moment is computed
//! from it in [`crate::schedule`].

mod amend;
mod check;

pub use amend::ChangeError;
pub use check::ProfileError;

use std::time::Duration;

use serde::{Deserialize, Serialize};

/// A straight line from the value of the stage before (or [`Curve::start`]) to
/// `target`, reached after `duration`. A duration of zero is a jump.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct Stage {
    /// How long it takes.
    pub duration: Duration,
    /// Users, or arrivals per second. Finite and not negative.
    pub target: f64,
}

/// Stages one after the other; piecewise linear.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Curve {
    /// The value before the first stage.
    pub start: f64,
    /// In order of time.
    pub stages: Vec<Stage>,
    /// Whether the last value holds until the run is stopped (`true`), or the
    /// phase is over with its last stage.
    pub hold: bool,
}

/// What kind of load a phase makes.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "model", rename_all = "kebab-case")]
pub enum Load {
    /// Users that run tasks one after the other.
    Closed {
        /// Users over time.
        users: Curve,
    },
    /// Users as the scenario's own `load-shape` says, once a second. The
    /// coordinator replaces `users` with each tick by [`Profile::amend`].
    Shaped {
        /// What was said so far.
        users: Curve,
    },
    /// Iterations that start by the clock, whether or not earlier ones are over.
    Arrivals {
        /// Arrivals per second over time.
        rate: Curve,
        /// Exponential gaps instead of equal ones.
        poisson: bool,
        /// Users made before the start.
        preallocated: u32,
        /// Users at most.
        max_users: u32,
        /// An iteration that would start later than this is dropped and counted.
        max_lag: Duration,
    },
    /// So many iterations, shared by all users.
    SharedIterations {
        /// How many users share them.
        users: u32,
        /// In all.
        iterations: u64,
        /// Not longer than this.
        max_duration: Option<Duration>,
    },
    /// So many iterations for each user.
    UserIterations {
        /// How many users.
        users: u32,
        /// Of each.
        iterations: u64,
        /// Not longer than this.
        max_duration: Option<Duration>,
    },
}

/// One load within a run.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Phase {
    /// For reports; unique in the profile.
    pub name: String,
    /// From the start of the run.
    pub start: Duration,
    /// What it does.
    pub load: Load,
    /// Names of the user types it takes; empty: all of them.
    pub user_types: Vec<String>,
}

/// The whole load of a run.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Profile {
    /// Run beside and after each other, by their starts.
    pub phases: Vec<Phase>,
    /// The run ends here, whatever the phases say.
    pub run_time: Option<Duration>,
    /// Requests per second over the whole run, at most.
    pub max_request_rate: Option<f64>,
}

/// A change of a running profile.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Change {
    /// Go to so many users, so many per second.
    Users {
        /// The new number.
        users: u32,
        /// Users started or stopped per second; None: at once.
        spawn_rate: Option<f64>,
    },
    /// Go to this arrival rate within this time.
    Rate {
        /// Arrivals per second.
        rate: f64,
        /// Zero: at once.
        over: Duration,
    },
    /// Replace all that is still to come.
    Stages {
        /// From the value at the moment of the change.
        stages: Vec<Stage>,
    },
}
