//! A newer version of a scenario under a run that goes on.

use std::collections::BTreeMap;
use std::sync::Arc;

use serde::{Deserialize, Serialize};

use super::check::PlanErrors;
use super::{RunPlan, UserShare};
use crate::description::Description;
use crate::id::Digest;
use crate::profile::Load;

/// A version of a scenario that users of a running run go over to, and what of the plan goes with it. All else of the
/// run stays as it is: load, seed, data, limits, and what `setup` returned.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Edition {
    /// Counts all that were asked for in the run, from 1 on.
    pub number: u32,
    /// The scenario's bytes.
    pub module: Digest,
    /// [`RunPlan::params`].
    pub params: BTreeMap<String, String>,
    /// [`RunPlan::secret_params`].
    pub secret_params: Vec<String>,
    /// [`RunPlan::user_types`]: of all types what the run began with, whatever the new version proposes.
    pub user_types: BTreeMap<String, UserShare>,
}

/// Why users of a run cannot go over to a version.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
pub enum Unfit {
    /// Numbers of users are dealt to user types by their places.
    #[error(
        "users of the run are {had}, and this version has {has}; keep names and order of the user types, or start a \
         new run"
    )]
    UserTypes {
        /// Of the run.
        had: String,
        /// Of the version.
        has: String,
    },
    /// The run follows the scenario's load shape.
    #[error(
        "the run follows the scenario's load shape, and this version has none; start a new run"
    )]
    LoadShape,
    /// What the run was given does not fit.
    #[error("{0}; a running run keeps what it was given, so start a new one")]
    Plan(#[from] PlanErrors),
}

impl Edition {
    /// Version `module`, which says `newer` of itself, for a run whose scenario says `former`.
    ///
    /// # Errors
    /// If the users of the run cannot be users of that version.
    pub fn new(
        number: u32,
        (module, newer): (Digest, &Description),
        plan: &RunPlan,
        former: &Description,
    ) -> Result<Self, Unfit> {
        fit(former, newer)?;
        let is_shaped = |load: &Load| matches!(load, Load::Shaped { .. });
        if plan.profile.phases.iter().any(|phase| is_shaped(&phase.load)) && !newer.has_load_shape {
            return Err(Unfit::LoadShape);
        }
        let is_known = |name: &String| newer.parameters.iter().any(|known| known.name == *name);
        let params = plan.params.iter().filter(|(name, _)| is_known(name));
        let data = plan.data.iter().filter(|(name, _)| newer.data_sets.contains(name));
        let share = |user_type: &crate::description::UserType| {
            let name = &user_type.name;
            let share = plan.user_types.get(name).copied();
            (name.clone(), share.unwrap_or_else(|| user_type.proposed()))
        };
        let renewed = RunPlan {
            module,
            params: params.map(|(name, value)| (name.clone(), value.clone())).collect(),
            data: data.map(|(name, set)| (name.clone(), set.clone())).collect(),
            user_types: former.user_types.iter().map(share).collect(),
            ..plan.clone()
        };
        let RunPlan { params, secret_params, user_types, .. } = renewed.checked(newer)?;
        Ok(Self { number, module, params, secret_params, user_types })
    }

    /// The plan of the run once its users run this version.
    pub fn of(&self, plan: &RunPlan) -> Arc<RunPlan> {
        Arc::new(RunPlan {
            module: self.module,
            params: self.params.clone(),
            secret_params: self.secret_params.clone(),
            user_types: self.user_types.clone(),
            ..plan.clone()
        })
    }
}

/// Whether users of one version can go on as users of another.
///
/// # Errors
/// If the user types are others, or stand in another order.
pub fn fit(former: &Description, newer: &Description) -> Result<(), Unfit> {
    let names = |description: &Description| {
        let types = description.user_types.iter();
        types.map(|user_type| format!("`{}`", user_type.name)).collect::<Vec<_>>().join(", ")
    };
    let (had, has) = (names(former), names(newer));
    if had == has { Ok(()) } else { Err(Unfit::UserTypes { had, has }) }
}

#[cfg(test)]
#[path = "edition_tests.rs"]
mod tests;
