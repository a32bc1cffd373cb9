//! When iterations are due, and how many users are wanted.
//!
//! All of it is arithmetic over [`Curve`]s: it reads no clock and keeps no state that two
//! workers would have to agree on, so each computes its own share. Times count from the
//! start of the *phase*.
//!
//! - [`Arrivals::due`] is the intended start of arrival `n`; [`DueTimes`] walks one share's.
//! - [`users_wanted`] is how many users run at a moment; of them, a share runs
//!   those whose numbers it owns ([`users_of`]), each of the type that [`UserMix`] gives it.

mod arrivals;
mod curve;
mod due_times;
mod mix;

pub use arrivals::Arrivals;
pub use due_times::{DueTimes, Gaps};
pub use mix::{MixError, UserMix};

use std::time::Duration;

use crate::profile::Curve;
use crate::share::Share;

/// How many users run at `at`. None: the phase is over.
///
/// User `u`, counted from 0, runs while the curve is above `u`; so a ramp from 0 to 10
/// starts its first user at once, and one back to 0 stops the last one at its end.
pub fn users_wanted(users: &Curve, at: Duration) -> Option<u32> {
    users.value_at(at).map(whole_users)
}

/// How many of the users `0..wanted` a share runs.
pub fn users_of(share: &Share, wanted: u32) -> u32 {
    // A share never exceeds the whole, so it fits.
    share.count_of(u64::from(wanted)) as u32
}

/// A millionth of a user is rounding, not a user.
pub(crate) fn whole_users(value: f64) -> u32 {
    (value - 1e-6).ceil().max(0.0) as u32
}
