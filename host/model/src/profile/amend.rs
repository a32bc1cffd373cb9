//! Changes of a running profile.
//!
//! A change is pure: it makes a new profile that agrees with the old one up to the moment
//! of the change and goes on from the value that the old one has there. So a worker that
//! hears of it a little late need not undo anything, as long as the moment lies ahead.

use std::time::Duration;

use crate::profile::{Change, Curve, Load, Phase, Profile, Stage};

/// Why a profile cannot be changed so.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
pub enum ChangeError {
    /// No phase of this name.
    #[error("the run has no phase `{name}`; it has {known}")]
    UnknownPhase {
        /// As given.
        name: String,
        /// All there are.
        known: String,
    },
    /// Nothing is left to change.
    #[error("phase `{0}` is over; start a new run")]
    Over(String),
    /// The load model has no such setting.
    #[error("phase `{phase}` {model}; change {remedy} instead")]
    WrongModel {
        /// Of the run.
        phase: String,
        /// What it does.
        model: &'static str,
        /// What can be changed.
        remedy: &'static str,
    },
    /// Made by a count, not by time.
    #[error("phase `{0}` makes a fixed number of iterations; stop the run and start another")]
    Iterations(String),
    /// No phase that runs now can be changed so.
    #[error("no phase that runs now has {0} to change")]
    Nothing(&'static str),
    /// Several could be meant.
    #[error("several phases run now: {0}; name the one to change")]
    Ambiguous(String),
    /// Not a number that makes sense.
    #[error("{what} is {value}; it must be {remedy}")]
    Value {
        /// Which.
        what: &'static str,
        /// As given.
        value: f64,
        /// What it must be.
        remedy: &'static str,
    },
}

impl Profile {
    /// This profile with `change` from `at` on, counted from the start of the run.
    ///
    /// `phase` names the one to change; None: the only one that runs at `at` and can be
    /// changed so. What lies before `at` stays as it is. A phase of limited length keeps
    /// its end, unless its stages are replaced.
    pub fn amend(
        &self,
        phase: Option<&str>,
        at: Duration,
        change: &Change,
    ) -> Result<Profile, ChangeError> {
        change.check()?;
        let place = match phase {
            Some(name) => self.named(name)?,
            None => self.only_one(at, change)?,
        };
        let mut amended = self.clone();
        amended.phases[place].amend(at, change)?;
        Ok(amended)
    }

    fn named(&self, name: &str) -> Result<usize, ChangeError> {
        let place = self.phases.iter().position(|phase| phase.name == name);
        place.ok_or_else(|| ChangeError::UnknownPhase {
            name: name.to_string(),
            known: names(self.phases.iter()),
        })
    }

    fn only_one(&self, at: Duration, change: &Change) -> Result<usize, ChangeError> {
        let all = self.phases.iter().enumerate();
        let running: Vec<_> = all.filter(|(_, phase)| phase.runs_at(at)).collect();
        let fitting: Vec<_> = running.iter().filter(|(_, phase)| phase.fits(change)).collect();
        match (&fitting[..], &running[..]) {
            ([(place, _)], _) => Ok(*place),
            // Its own error says best why it does not fit.
            ([], [(place, _)]) => Ok(*place),
            ([], []) if self.phases.len() == 1 => Ok(0),
            ([], _) => Err(ChangeError::Nothing(change.what())),
            _ => Err(ChangeError::Ambiguous(names(fitting.iter().map(|(_, phase)| *phase)))),
        }
    }
}

fn names<'a>(phases: impl Iterator<Item = &'a Phase>) -> String {
    phases.map(|phase| format!("`{}`", phase.name)).collect::<Vec<_>>().join(", ")
}

impl Phase {
    fn runs_at(&self, at: Duration) -> bool {
        let end = self.length().map(|length| self.start.saturating_add(length));
        self.start <= at && end.is_none_or(|end| at < end)
    }

    fn fits(&self, change: &Change) -> bool {
        matches!(
            (&self.load, change),
            (
                Load::Closed { .. } | Load::Shaped { .. },
                Change::Users { .. } | Change::Stages { .. }
            ) | (Load::Arrivals { .. }, Change::Rate { .. } | Change::Stages { .. })
        )
    }

    fn amend(&mut self, at: Duration, change: &Change) -> Result<(), ChangeError> {
        let at = at.saturating_sub(self.start);
        let name = || self.name.clone();
        let (curve, mine) = match (&mut self.load, change) {
            (
                Load::Closed { users: curve } | Load::Shaped { users: curve },
                Change::Rate { .. },
            ) => (curve, Err(("has users and no rate", "its users"))),
            (Load::Arrivals { rate, .. }, Change::Users { .. }) => {
                (rate, Err(("makes arrivals by a rate", "its rate")))
            }
            (Load::Closed { users: curve } | Load::Shaped { users: curve }, _) => (curve, Ok(())),
            (Load::Arrivals { rate, .. }, _) => (rate, Ok(())),
            (Load::SharedIterations { .. } | Load::UserIterations { .. }, _) => {
                return Err(ChangeError::Iterations(name()));
            }
        };
        if let Err((model, remedy)) = mine {
            return Err(ChangeError::WrongModel { phase: name(), model, remedy });
        }
        let Some(present) = curve.value_at(at) else { return Err(ChangeError::Over(name())) };
        let length = curve.length();
        let mut stages = change.stages_from(present);
        if let (Some(length), false) = (length, matches!(change, Change::Stages { .. })) {
            fill(&mut stages, present, length - at);
        }
        curve.replace_after(at, present, stages);
        Ok(())
    }
}

impl Change {
    fn check(&self) -> Result<(), ChangeError> {
        let wrong = |what, value, remedy| Err(ChangeError::Value { what, value, remedy });
        let bad = |value: f64| !value.is_finite() || value < 0.0;
        match self {
            Change::Users { spawn_rate: Some(rate), .. } if bad(*rate) || *rate == 0.0 => {
                wrong("the number of users started per second", *rate, "above 0")
            }
            Change::Rate { rate, .. } if bad(*rate) => {
                wrong("the rate", *rate, "finite and not negative")
            }
            Change::Stages { stages } => match stages.iter().find(|stage| bad(stage.target)) {
                Some(stage) => {
                    wrong("the target of a stage", stage.target, "finite and not negative")
                }
                None if stages.is_empty() || stages.len() > Profile::MAX_STAGES / 2 => {
                    wrong("the number of stages", stages.len() as f64, "from 1 to 500")
                }
                None => Ok(()),
            },
            _ => Ok(()),
        }
    }

    fn what(&self) -> &'static str {
        match self {
            Change::Users { .. } => "users",
            Change::Rate { .. } => "a rate",
            Change::Stages { .. } => "stages",
        }
    }

    fn stages_from(&self, present: f64) -> Vec<Stage> {
        match self {
            Change::Users { users, spawn_rate } => {
                let target = f64::from(*users);
                let seconds = spawn_rate.map_or(0.0, |rate| (target - present).abs() / rate);
                let duration = Duration::try_from_secs_f64(seconds).unwrap_or(Duration::MAX);
                vec![Stage { duration, target }]
            }
            Change::Rate { rate, over } => vec![Stage { duration: *over, target: *rate }],
            Change::Stages { stages } => stages.clone(),
        }
    }
}

/// Makes `stages` as long as what is left of a phase: a ramp that would take longer is
/// cut, and otherwise its last value holds.
fn fill(stages: &mut Vec<Stage>, present: f64, left: Duration) {
    let Some(ramp) = stages.first_mut() else { return };
    if ramp.duration > left {
        let part = left.as_secs_f64() / ramp.duration.as_secs_f64();
        ramp.target = present + (ramp.target - present) * part;
        ramp.duration = left;
    } else {
        let (duration, target) = (left - ramp.duration, ramp.target);
        stages.push(Stage { duration, target });
    }
}

impl Curve {
    /// The same up to `at`, where it has the value `present`; from there on `stages`.
    fn replace_after(&mut self, at: Duration, present: f64, stages: Vec<Stage>) {
        let mut past = Vec::new();
        let mut left = at;
        let mut value = self.start;
        for stage in &self.stages {
            if stage.duration > left {
                break;
            }
            left -= stage.duration;
            value = stage.target;
            past.push(*stage);
        }
        if !left.is_zero() || value != present {
            past.push(Stage { duration: left, target: present });
        }
        join_equal(&mut past, self.start);
        let room = Profile::MAX_STAGES.saturating_sub(stages.len());
        if past.len() > room {
            past = folded(&Curve { stages: past, ..self.clone() }, room / 2, present);
        }
        past.extend(stages);
        self.stages = past;
    }
}

/// Joins stages that hold the same value, as a steady load shape makes them every second.
fn join_equal(stages: &mut Vec<Stage>, start: f64) {
    let mut joined: Vec<Stage> = Vec::with_capacity(stages.len());
    for stage in stages.drain(..) {
        let before = match &joined[..] {
            [.., before, _] => before.target,
            [_] => start,
            [] => f64::NAN,
        };
        match joined.last_mut() {
            Some(last) if last.target == stage.target && before == last.target => {
                last.duration = last.duration.saturating_add(stage.duration);
            }
            _ => joined.push(stage),
        }
    }
    *stages = joined;
}

/// Keeps the last `keep` stages of the past; the older ones become one of the same length and
/// the same area, so that arrivals from now on have the same numbers.
///
/// Only a profile that was changed hundreds of times needs this.
fn folded(past: &Curve, keep: usize, present: f64) -> Vec<Stage> {
    let (old, young) = past.stages.split_at(past.stages.len().saturating_sub(keep));
    let old = Curve { start: past.start, stages: old.to_vec(), hold: true };
    let length = old.stages_length();
    let mut stages = Vec::with_capacity(keep + 3);
    if !length.is_zero() {
        let average = old.cumulative(length) / length.as_secs_f64();
        stages.push(Stage { duration: Duration::ZERO, target: average });
        stages.push(Stage { duration: length, target: average });
    }
    let value = old.stages.last().map_or(present, |stage| stage.target);
    stages.push(Stage { duration: Duration::ZERO, target: value });
    stages.extend(young);
    stages
}

#[cfg(test)]
#[path = "amend_tests.rs"]
mod tests;
