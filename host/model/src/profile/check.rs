//! Which profiles make sense.

use std::collections::BTreeSet;
use std::time::Duration;

use crate::profile::{Curve, Load, Phase, Profile};
use crate::schedule::whole_users;

/// A fault of a profile.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
pub enum ProfileError {
    /// Nothing to do.
    #[error("the run has no phase; give it users, a rate or a number of iterations")]
    Empty,
    /// Two phases of one name.
    #[error("two phases are named `{0}`; give each a name of its own")]
    SameName(String),
    /// A value that is no number of users or arrivals.
    #[error("phase `{phase}`: {what} is {value}; it must be {remedy}")]
    Value {
        /// Of this phase.
        phase: String,
        /// Such as `the rate of stage 2`.
        what: String,
        /// As found.
        value: String,
        /// What it must be.
        remedy: &'static str,
    },
    /// More than [`Profile::MAX_STAGES`].
    #[error("phase `{phase}` has {count} stages; at most {} are possible", Profile::MAX_STAGES)]
    TooManyStages {
        /// Of this phase.
        phase: String,
        /// As found.
        count: usize,
    },
    /// Nothing happens in it.
    #[error("phase `{0}` never has any {1}; raise the target of one of its stages")]
    Idle(String, &'static str),
    /// Starts when the run is over.
    #[error(
        "phase `{phase}` starts after {start:?}, when the run is over after {run_time:?}; \
             start it earlier or let the run take longer"
    )]
    Late {
        /// Of this phase.
        phase: String,
        /// Since the start of the run.
        start: Duration,
        /// Of the run.
        run_time: Duration,
    },
    /// A run of no time.
    #[error("the run time is zero; leave it out, or give a time like `1m`")]
    NoTime,
    /// No cap.
    #[error("the cap on requests per second is {0}; it must be a number above 0")]
    RequestRate(f64),
}

impl Profile {
    /// Stages of a phase, at most.
    pub const MAX_STAGES: usize = 1_000;

    /// The first fault, if there is one.
    pub fn validate(&self) -> Result<(), ProfileError> {
        if self.phases.is_empty() {
            return Err(ProfileError::Empty);
        }
        if self.run_time == Some(Duration::ZERO) {
            return Err(ProfileError::NoTime);
        }
        if let Some(rate) = self.max_request_rate
            && !(rate.is_finite() && rate > 0.0)
        {
            return Err(ProfileError::RequestRate(rate));
        }
        let mut names = BTreeSet::new();
        for phase in &self.phases {
            if !names.insert(&phase.name) {
                return Err(ProfileError::SameName(phase.name.clone()));
            }
            if let Some(run_time) = self.run_time
                && phase.start >= run_time
            {
                let (phase, start) = (phase.name.clone(), phase.start);
                return Err(ProfileError::Late { phase, start, run_time });
            }
            phase.validate()?;
        }
        Ok(())
    }

    /// When the run is over by itself, since its start. None: when it is stopped, or when
    /// all iterations are made.
    pub fn length(&self) -> Option<Duration> {
        let ends = self
            .phases
            .iter()
            .map(|phase| phase.length().map(|length| phase.start.saturating_add(length)));
        // An unknown end of one phase makes the end of all unknown.
        let last = ends.collect::<Option<Vec<_>>>().and_then(|ends| ends.into_iter().max());
        match (last, self.run_time) {
            (Some(last), Some(run_time)) => Some(last.min(run_time)),
            (last, run_time) => last.or(run_time),
        }
    }

    /// The greatest number of users at any moment: what the fleet must have room for.
    pub fn planned_users_max(&self) -> u32 {
        // Each phase is counted at its peak, so the sum grows only where one starts.
        let at = |moment: Duration| {
            let running = self.phases.iter().filter(|phase| {
                let over = phase
                    .length()
                    .is_some_and(|length| phase.start.saturating_add(length) <= moment);
                phase.start <= moment && !over
            });
            running.map(Phase::users_max).fold(0, u32::saturating_add)
        };
        self.phases.iter().map(|phase| at(phase.start)).max().unwrap_or(0)
    }
}

impl Phase {
    /// How long it takes. None: until the run is over, or until its iterations are made.
    pub fn length(&self) -> Option<Duration> {
        match &self.load {
            Load::Closed { users } | Load::Shaped { users } => users.length(),
            Load::Arrivals { rate, .. } => rate.length(),
            Load::SharedIterations { max_duration, .. }
            | Load::UserIterations { max_duration, .. } => *max_duration,
        }
    }

    /// The greatest number of users that it ever has.
    pub fn users_max(&self) -> u32 {
        match &self.load {
            Load::Closed { users } | Load::Shaped { users } => whole_users(users.peak()),
            Load::Arrivals { max_users, preallocated, .. } => (*max_users).max(*preallocated),
            Load::SharedIterations { users, .. } | Load::UserIterations { users, .. } => *users,
        }
    }

    fn validate(&self) -> Result<(), ProfileError> {
        match &self.load {
            Load::Closed { users } => {
                self.check_curve(users, "users", f64::from(u32::MAX))?;
                self.check_busy(users, "users")
            }
            Load::Shaped { users } => self.check_curve(users, "users", f64::from(u32::MAX)),
            Load::Arrivals { rate, preallocated, max_users, .. } => {
                self.check_curve(rate, "rate", 1e9)?;
                self.check_busy(rate, "arrivals")?;
                if *max_users == 0 || preallocated > max_users {
                    let value = format!("{max_users}, with {preallocated} made before the start");
                    let remedy = "at least 1, and not less than are made before the start";
                    return Err(self.value("the greatest number of users", value, remedy));
                }
                Ok(())
            }
            Load::SharedIterations { users, iterations, max_duration }
            | Load::UserIterations { users, iterations, max_duration } => {
                let numbers = [
                    ("the number of users", u64::from(*users)),
                    ("the number of iterations", *iterations),
                    ("the greatest duration", max_duration.map_or(1, |d| u64::from(!d.is_zero()))),
                ];
                match numbers.iter().find(|(_, number)| *number == 0) {
                    Some((what, _)) => Err(self.value(what, "0".to_string(), "at least 1")),
                    None => Ok(()),
                }
            }
        }
    }

    fn check_curve(&self, curve: &Curve, what: &str, most: f64) -> Result<(), ProfileError> {
        if curve.stages.len() > Profile::MAX_STAGES {
            let (phase, count) = (self.name.clone(), curve.stages.len());
            return Err(ProfileError::TooManyStages { phase, count });
        }
        let targets = curve.stages.iter().map(|stage| stage.target);
        for (number, value) in std::iter::once(curve.start).chain(targets).enumerate() {
            if !(value.is_finite() && (0.0..=most).contains(&value)) {
                let what = match number {
                    0 => format!("the {what} at the start"),
                    _ => format!("the {what} of stage {number}"),
                };
                let remedy = "a finite number, not negative and not astronomical";
                return Err(self.value(&what, value.to_string(), remedy));
            }
        }
        Ok(())
    }

    fn check_busy(&self, curve: &Curve, what: &'static str) -> Result<(), ProfileError> {
        if curve.peak() > 0.0 { Ok(()) } else { Err(ProfileError::Idle(self.name.clone(), what)) }
    }

    fn value(&self, what: &str, value: String, remedy: &'static str) -> ProfileError {
        ProfileError::Value { phase: self.name.clone(), what: what.to_string(), value, remedy }
    }
}
