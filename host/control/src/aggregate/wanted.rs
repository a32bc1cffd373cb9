//! What the profile asks for at a moment, over the whole fleet.

use std::time::Duration;

use loadhost_model::profile::{Load, Profile};
use loadhost_model::schedule::users_wanted;
use serde::{Deserialize, Serialize};

/// Users and arrivals per second that are asked for. None: the profile has no such thing.
#[derive(Debug, Clone, Copy, Default, PartialEq, Serialize, Deserialize)]
pub(crate) struct Wanted {
    pub(crate) users: Option<u32>,
    pub(crate) rate: Option<f64>,
}

impl Wanted {
    /// `at` counts from the start of the run.
    pub(crate) fn at(profile: &Profile, at: Duration) -> Self {
        let mut wanted = Self::default();
        for phase in &profile.phases {
            let Some(within) = at.checked_sub(phase.start) else { continue };
            match &phase.load {
                Load::Closed { users } | Load::Shaped { users } => {
                    if let Some(count) = users_wanted(users, within) {
                        wanted.users = Some(wanted.users.unwrap_or(0).saturating_add(count));
                    }
                }
                Load::Arrivals { rate, .. } => {
                    if let Some(value) = rate.value_at(within) {
                        wanted.rate = Some(wanted.rate.unwrap_or(0.0) + value);
                    }
                }
                Load::SharedIterations { users, max_duration, .. }
                | Load::UserIterations { users, max_duration, .. } => {
                    if max_duration.is_none_or(|longest| within < longest) {
                        wanted.users = Some(wanted.users.unwrap_or(0).saturating_add(*users));
                    }
                }
            }
        }
        wanted
    }
}
