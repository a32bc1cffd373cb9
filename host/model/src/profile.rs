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

use crate::share::Share;

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

impl Load {
    /// Iterations that whoever has `share` is to make; 0: they are due by the clock, or as fast as users go.
    pub fn iterations_of(&self, share: &Share) -> u64 {
        match *self {
            // All slots that have a user share them evenly.
            Self::SharedIterations { users, iterations, .. } => {
                share.crewed(share.of(), users).count_of(iterations)
            }
            Self::UserIterations { users, iterations, .. } => {
                share.count_of(u64::from(users)).saturating_mul(iterations)
            }
            Self::Closed { .. } | Self::Shaped { .. } | Self::Arrivals { .. } => 0,
        }
    }

    /// Whether it is made by the clock, and not until so many iterations are made.
    pub fn is_timed(&self) -> bool {
        !matches!(self, Self::SharedIterations { .. } | Self::UserIterations { .. })
    }
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

impl Profile {
    /// Whether all of it is made by the clock. Iterations that are counted are begun where they are, so they cannot
    /// change hands.
    pub fn is_timed(&self) -> bool {
        self.phases.iter().all(|phase| phase.load.is_timed())
    }

    /// Iterations that whoever has `share` is to make in all phases that count them.
    pub fn iterations_of(&self, share: &Share) -> u64 {
        self.phases.iter().map(|phase| phase.load.iterations_of(share)).sum()
    }
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

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn workers_share_all_iterations_and_give_none_to_those_without_users() {
        let cases = [(1, 3, 10), (2, 3, 11), (7, 3, 1000), (300, 3, 1000), (9, 1, 5), (0, 2, 5)];
        for (users, workers, iterations) in cases {
            let load = Load::SharedIterations { users, iterations, max_duration: None };
            let share = |worker| Share::new(240, (worker..240).step_by(workers as usize)).unwrap();
            let own = |worker| load.iterations_of(&share(worker));
            let shares: Vec<u64> = (0..workers).map(own).collect();
            let expected = if users == 0 { 0 } else { iterations };
            assert_eq!(shares.iter().sum::<u64>(), expected, "{users} users on {workers} workers");
            assert!(shares.iter().skip(users as usize).all(|share| *share == 0), "{shares:?}");
        }
    }
}
