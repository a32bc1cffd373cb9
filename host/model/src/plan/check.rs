//! Which plans are possible for a scenario.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

use super::{RunPlan, TaskFilter};
use crate::description::{Description, Order, UserType};
use crate::plan::params::ParamError;
use crate::profile::ProfileError;
use crate::schedule::{MixError, UserMix};
use crate::text::suggestion;

/// A fault of a plan.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
pub enum PlanError {
    /// Of the load.
    #[error(transparent)]
    Profile(#[from] ProfileError),
    /// Of the user types of a phase.
    #[error("phase `{phase}`: {error}")]
    Mix {
        /// Of this phase.
        phase: String,
        /// What is wrong.
        error: MixError,
    },
    /// More users than can exist.
    #[error(
        "phase `{phase}` wants {wanted} users, but all its user types have fixed counts, {limit} \
         together; raise a count, or give a type a weight instead"
    )]
    FixedCounts {
        /// Of this phase.
        phase: String,
        /// At its peak.
        wanted: u32,
        /// The counts in sum.
        limit: u64,
    },
    /// Of a parameter.
    #[error(transparent)]
    Param(#[from] ParamError),
    /// A tag, task or data set that the scenario does not have.
    #[error("unknown {what} `{name}`{suggestion}; the scenario has {known}")]
    Unknown {
        /// `tag`, `task` or `data set`.
        what: &'static str,
        /// As given.
        name: String,
        /// `, did you mean …?`, or nothing.
        suggestion: String,
        /// All there are.
        known: String,
    },
    /// The choice of tasks leaves a user type without any.
    #[error(
        "no task of user type `{0}` is left to run; choose other tags or tasks, or leave the \
         user type out with weight 0"
    )]
    NoTask(String),
    /// A data set that the scenario reads is not there.
    #[error("the scenario reads data set `{0}`; give `--data {0}=FILE`")]
    Data(String),
    /// The base URL is none.
    #[error("the target `{0}` is no URL; write it like `http://127.0.0.1:8000`")]
    Target(String),
}

/// All faults of a plan, one a line.
#[derive(Debug, Clone, PartialEq)]
pub struct PlanErrors(pub Vec<PlanError>);

impl fmt::Display for PlanErrors {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (i, error) in self.0.iter().enumerate() {
            write!(f, "{}{error}", if i == 0 { "" } else { "\n" })?;
        }
        Ok(())
    }
}

impl std::error::Error for PlanErrors {}

impl RunPlan {
    /// Fills in the parameters' defaults and names the secret ones, then checks the plan
    /// against the scenario. All faults at once.
    pub fn checked(mut self, description: &Description) -> Result<RunPlan, PlanErrors> {
        for parameter in &description.parameters {
            if let Some(default) = &parameter.default {
                self.params.entry(parameter.name.clone()).or_insert_with(|| default.clone());
            }
            if parameter.secret && !self.secret_params.contains(&parameter.name) {
                self.secret_params.push(parameter.name.clone());
            }
        }
        self.validate(description)?;
        Ok(self)
    }

    /// Whether a scenario of this description can be run so. All faults at once.
    pub fn validate(&self, description: &Description) -> Result<(), PlanErrors> {
        let mut faults = Vec::new();
        if let Some(target) = self.target.as_ref().filter(|target| !is_http_url(target)) {
            faults.push(PlanError::Target(target.clone()));
        }
        let params = super::params::check(&description.parameters, &self.params);
        faults.extend(params.into_iter().map(PlanError::Param));
        faults.extend(self.check_data(description));
        let filter = self.tasks.check(&description.user_types);
        let filter_fits = filter.is_empty();
        faults.extend(filter);
        match self.profile.validate() {
            Err(error) => faults.push(error.into()),
            Ok(()) => self.check_users(description, filter_fits, &mut faults),
        }
        if faults.is_empty() { Ok(()) } else { Err(PlanErrors(faults)) }
    }

    /// A data set is given to a scenario that says that it reads it, and no other.
    fn check_data(&self, description: &Description) -> Vec<PlanError> {
        let known: BTreeSet<&str> = description.data_sets.iter().map(String::as_str).collect();
        let missing = known.iter().filter(|name| !self.data.contains_key(**name));
        let missing = missing.map(|name| PlanError::Data(name.to_string()));
        let unknown = self.data.keys().filter(|name| !known.contains(name.as_str()));
        let unknown = unknown.map(|name| PlanError::Unknown {
            what: "data set",
            name: name.clone(),
            suggestion: suggestion(name, known.iter().copied()),
            known: list("data set", &known),
        });
        missing.chain(unknown).collect()
    }

    fn check_users(
        &self,
        description: &Description,
        filter_fits: bool,
        faults: &mut Vec<PlanError>,
    ) {
        let mut used = BTreeSet::new();
        for phase in &self.profile.phases {
            let phase_name = || phase.name.clone();
            match UserMix::new(description, &self.user_types, &phase.user_types) {
                Err(error) => faults.push(PlanError::Mix { phase: phase_name(), error }),
                Ok(mix) => {
                    let wanted = phase.users_max();
                    if let Some(limit) = mix.limit().filter(|limit| *limit < u64::from(wanted)) {
                        faults.push(PlanError::FixedCounts { phase: phase_name(), wanted, limit });
                    }
                    used.extend(mix.types());
                }
            }
        }
        for user_type in used.iter().filter_map(|index| description.user_types.get(*index as usize))
        {
            let left =
                (0..).zip(&user_type.tasks).any(|(task, _)| self.tasks.picks(user_type, task));
            if filter_fits && !left {
                faults.push(PlanError::NoTask(user_type.name.clone()));
            }
        }
    }
}

impl TaskFilter {
    /// Whether task `task` of a user type may run: by name if names are given; else by its
    /// tags and those of the groups around it.
    pub fn admits(&self, user_type: &UserType, task: u32) -> bool {
        let Some(task) = user_type.tasks.get(task as usize) else { return false };
        if !self.names.is_empty() && !self.names.contains(&task.name) {
            return false;
        }
        let tags = tags_of(user_type, &task.tags, task.group);
        let has = |wanted: &[String]| wanted.iter().any(|tag| tags.contains(tag.as_str()));
        (self.include.is_empty() || has(&self.include)) && !has(&self.exclude)
    }

    /// Whether a task may run and ever will: where tasks are drawn by weight, one of weight 0
    /// only runs if it is named.
    fn picks(&self, user_type: &UserType, index: u32) -> bool {
        let Some(task) = user_type.tasks.get(index as usize) else { return false };
        let group = task.group.and_then(|group| user_type.groups.get(group as usize));
        let order = group.map_or(user_type.order, |group| group.order);
        let in_turn = matches!(order, Order::Sequential | Order::Shuffled);
        self.admits(user_type, index) && (task.weight > 0 || in_turn || !self.names.is_empty())
    }

    fn check(&self, user_types: &[UserType]) -> Vec<PlanError> {
        let tasks = user_types.iter().flat_map(|user_type| &user_type.tasks);
        let names: BTreeSet<&str> = tasks.map(|task| task.name.as_str()).collect();
        let tags: BTreeSet<&str> = user_types
            .iter()
            .flat_map(|user_type| {
                let tasks = user_type.tasks.iter().flat_map(|task| &task.tags);
                tasks.chain(user_type.groups.iter().flat_map(|group| &group.tags))
            })
            .map(String::as_str)
            .collect();
        let unknown_tags = self.include.iter().chain(&self.exclude).map(|tag| ("tag", tag, &tags));
        let unknown_names = self.names.iter().map(|name| ("task", name, &names));
        unknown_tags
            .chain(unknown_names)
            .filter(|(_, name, known)| !known.contains(name.as_str()))
            .map(|(what, name, known)| PlanError::Unknown {
                what,
                name: name.clone(),
                suggestion: suggestion(name, known.iter().copied()),
                known: list(what, known),
            })
            .collect()
    }
}

fn list(what: &str, known: &BTreeSet<&str>) -> String {
    if known.is_empty() {
        return format!("no {what}s");
    }
    known.iter().map(|name| format!("`{name}`")).collect::<Vec<_>>().join(", ")
}

/// Of the task and of all groups around it. A group stands in one of a smaller index,
/// so this ends.
fn tags_of<'a>(
    user_type: &'a UserType,
    own: &'a [String],
    group: Option<u32>,
) -> BTreeSet<&'a str> {
    let mut tags: BTreeSet<&str> = own.iter().map(String::as_str).collect();
    let mut next = group;
    while let Some(index) = next {
        let Some(group) = user_type.groups.get(index as usize) else { break };
        tags.extend(group.tags.iter().map(String::as_str));
        next = group.parent.filter(|parent| *parent < index);
    }
    tags
}

fn is_http_url(text: &str) -> bool {
    let rest = text.strip_prefix("http://").or_else(|| text.strip_prefix("https://"));
    rest.is_some_and(|rest| {
        !rest.is_empty() && !rest.starts_with('/') && !rest.contains(char::is_whitespace)
    })
}

impl RunPlan {
    /// Parameters as they may be shown: `•••` in place of a secret.
    pub fn shown_params(&self) -> BTreeMap<&str, &str> {
        let shown = |name: &String, value| {
            if self.secret_params.contains(name) { "•••" } else { value }
        };
        self.params
            .iter()
            .map(|(name, value)| (name.as_str(), shown(name, value.as_str())))
            .collect()
    }
}

#[cfg(test)]
#[path = "check_tests.rs"]
pub(super) mod tests;
