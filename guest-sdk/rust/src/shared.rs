//! What the users of a whole run share, on whichever workers they are: numbers, counters,
//! rendezvous.

use std::time::Duration;

use crate::failure::{Outcome, fail};
use crate::host;

/// How long a rendezvous waits unless it is told.
const USUAL_WAIT: Duration = Duration::from_secs(60);

/// A number that no other user of the run gets under this name.
///
/// Numbers begin near 0 and stay close together, but may come in any order and leave some out.
///
/// ```
/// # use loadhost_sdk::prelude::*;
/// # let world = loadhost_sdk::test::World::new();
/// # fn example() -> Outcome {
/// let name = format!("order-{}", unique_number("order")?);
/// # assert_eq!(name, "order-0");
/// # Ok(())
/// # }
/// # example().unwrap();
/// ```
///
/// Fails if none comes in time, or the run is stopping.
#[track_caller]
pub fn unique_number(name: &str) -> Outcome<u64> {
    match host::unique_number(name) {
        Ok(number) => Ok(number),
        Err(why) => Err(fail(why)),
    }
}

/// A number that all users of the run add to; it begins at 0.
///
/// What users of the same worker added is known at once, what others added about a second later: it is for
/// agreeing roughly, not for locking. For what the report shall show, see
/// [`counter`](crate::metrics::counter).
///
/// ```
/// # use loadhost_sdk::prelude::*;
/// # let world = loadhost_sdk::test::World::new();
/// # fn example() -> Outcome {
/// if shared_counter("sold").add(1)? > 1_000 {
///     return Err(done());
/// }
/// # Ok(())
/// # }
/// # example().unwrap();
/// ```
pub fn shared_counter(name: &str) -> SharedCounter<'_> {
    SharedCounter { name }
}

/// See [`shared_counter`].
#[derive(Debug, Clone, Copy)]
pub struct SharedCounter<'a> {
    name: &'a str,
}

impl SharedCounter<'_> {
    /// Adds, and gives the sum over the whole run as far as it is known.
    ///
    /// Fails if the run has too many counters.
    #[track_caller]
    pub fn add(&self, by: i64) -> Outcome<i64> {
        match host::counter_add(self.name, by) {
            Ok(sum) => Ok(sum),
            Err(why) => Err(fail(why)),
        }
    }

    /// The sum over the whole run as far as it is known. Fails as [`Self::add`] does.
    #[track_caller]
    pub fn value(&self) -> Outcome<i64> {
        self.add(0)
    }
}

/// A place where users wait for each other, until so many of the whole run (or more) are there; then they go on
/// together, and the next ones wait for each other.
///
/// ```
/// # use loadhost_sdk::prelude::*;
/// # use loadhost_sdk::test::{Reply, World};
/// # let world = World::new().on("POST", "/sale", Reply::status(200));
/// # fn example() -> Outcome {
/// if rendezvous("sale", 50).within(secs(30.0))? {
///     post("/sale").send()?;
/// }
/// # Ok(())
/// # }
/// # example().unwrap();
/// # assert_eq!(world.visits("sale"), 1);
/// ```
pub fn rendezvous(name: &str, users: u32) -> Rendezvous<'_> {
    Rendezvous { name, users }
}

/// See [`rendezvous`].
#[derive(Debug, Clone, Copy)]
#[must_use = "nobody waits before `.wait()` or `.within(…)`"]
pub struct Rendezvous<'a> {
    name: &'a str,
    users: u32,
}

impl Rendezvous<'_> {
    /// Waits so long at most. False: the others were not there in time, and this user goes on alone.
    ///
    /// Fails if the run is stopping, or if others wait there for another number of users.
    #[track_caller]
    pub fn within(&self, time: Duration) -> Outcome<bool> {
        match host::rendezvous(self.name, self.users, time) {
            Ok(met) => Ok(met),
            Err(why) => Err(fail(why)),
        }
    }

    /// Waits a minute at most; then this iteration has failed. Fails as [`Self::within`] does as well.
    #[track_caller]
    pub fn wait(&self) -> Outcome {
        if self.within(USUAL_WAIT)? {
            return Ok(());
        }
        let Self { name, users } = *self;
        let waited = USUAL_WAIT.as_secs();
        Err(fail(format_args!(
            "{users} users were not at the rendezvous `{name}` within {waited}s"
        )))
    }
}
