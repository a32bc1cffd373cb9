//! How often a login may be tried: by user, and by address.
//!
//! Both are tables of a fixed size, in which names and addresses are found by a keyed hash. So they are bounded,
//! nobody can push somebody else out, and names that exist are treated like others. Two that
//! fall on one place share its attempts; with 4,096 places that is rare and does no more than delay.

use std::collections::hash_map::RandomState;
use std::hash::{BuildHasher, Hash};
use std::net::IpAddr;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use tokio::time::Instant;

const PLACES: usize = 4_096;

/// Attempts that may come at once, and how long one takes to come back.
#[derive(Debug, Clone, Copy)]
struct Allowance {
    attempts: u32,
    each: Duration,
}

/// Of one name: ten slips of the pen, then 8,640 a day.
const BY_USER: Allowance = Allowance { attempts: 10, each: Duration::from_secs(10) };
/// Of one address: behind a proxy, that is everybody.
const BY_ADDRESS: Allowance = Allowance { attempts: 50, each: Duration::from_secs(1) };

/// When a place will be as if nobody had tried.
type Whole = Option<Instant>;

/// Counts attempts. A good login gives its attempt back.
pub(super) struct Throttle {
    hasher: RandomState,
    users: Mutex<Vec<Whole>>,
    addresses: Mutex<Vec<Whole>>,
}

/// An attempt that was counted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Attempt {
    user: usize,
    address: usize,
}

impl Throttle {
    pub(super) fn new() -> Self {
        Self {
            hasher: RandomState::new(),
            users: Mutex::new(vec![None; PLACES]),
            addresses: Mutex::new(vec![None; PLACES]),
        }
    }

    /// Counts an attempt to log in as `user` from `address`, or says how long until the next is heard.
    pub(super) fn attempt(
        &self,
        user: &str,
        address: IpAddr,
        now: Instant,
    ) -> Result<Attempt, Duration> {
        let attempt = Attempt { user: self.place(user), address: self.place(network(address)) };
        // By address first: who floods us from one place does not lock out users.
        take(&self.addresses, attempt.address, BY_ADDRESS, now)?;
        take(&self.users, attempt.user, BY_USER, now)?;
        Ok(attempt)
    }

    /// It was a good one.
    pub(super) fn give_back(&self, attempt: Attempt) {
        give(&self.addresses, attempt.address, BY_ADDRESS);
        give(&self.users, attempt.user, BY_USER);
    }

    fn place(&self, key: impl Hash) -> usize {
        self.hasher.hash_one(key) as usize % PLACES
    }
}

/// Whoever has one address of IPv6 has 2^64 of them.
fn network(address: IpAddr) -> IpAddr {
    match address.to_canonical() {
        IpAddr::V6(six) => {
            let [a, b, c, d, ..] = six.segments();
            IpAddr::V6(std::net::Ipv6Addr::new(a, b, c, d, 0, 0, 0, 0))
        }
        four => four,
    }
}

/// Each attempt puts off the moment at which the place is whole again.
fn take(
    table: &Mutex<Vec<Whole>>,
    place: usize,
    allowed: Allowance,
    now: Instant,
) -> Result<(), Duration> {
    let mut table = table.lock().unwrap_or_else(PoisonError::into_inner);
    let Some(whole) = table.get_mut(place) else { return Ok(()) };
    let next = whole.unwrap_or(now).max(now) + allowed.each;
    let furthest = now + allowed.each * allowed.attempts;
    if next > furthest {
        return Err(next - furthest);
    }
    *whole = Some(next);
    Ok(())
}

fn give(table: &Mutex<Vec<Whole>>, place: usize, allowed: Allowance) {
    let mut table = table.lock().unwrap_or_else(PoisonError::into_inner);
    if let Some(Some(whole)) = table.get_mut(place) {
        *whole = whole.checked_sub(allowed.each).unwrap_or(*whole);
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    const HERE: IpAddr = IpAddr::V4(std::net::Ipv4Addr::new(10, 0, 0, 1));

    #[test]
    fn wrong_passwords_of_a_user_are_slowed_down_from_everywhere() {
        let (throttle, start) = (Throttle::new(), Instant::now());
        let from = |n: u8| IpAddr::from([10, 0, 1, n]);
        for n in 0..10 {
            throttle.attempt("alice", from(n), start).unwrap();
        }
        let wait = throttle.attempt("alice", from(99), start).unwrap_err();
        assert_eq!(wait, Duration::from_secs(10));
        assert!(
            throttle.attempt("alice", from(99), start + wait - Duration::from_millis(1)).is_err()
        );
        throttle.attempt("alice", from(99), start + wait).unwrap();
        assert!(
            throttle.attempt("alice", from(99), start + wait).is_err(),
            "one came back, not more"
        );
        let later = start + Duration::from_secs(3_600);
        for n in 0..10 {
            throttle.attempt("alice", from(n), later).unwrap();
        }
        assert!(
            throttle.attempt("alice", from(1), later).is_err(),
            "ten at once, however long nobody tried"
        );
    }

    #[test]
    fn an_address_is_slowed_down_whatever_names_it_tries() {
        let (throttle, now) = (Throttle::new(), Instant::now());
        let tried = (0..200).filter(|n| throttle.attempt(&format!("user{n}"), HERE, now).is_ok());
        assert_eq!(tried.count(), 50);
        throttle.attempt("alice", IpAddr::from([10, 0, 0, 2]), now).unwrap();
    }

    #[test]
    fn good_logins_cost_nothing() {
        let (throttle, now) = (Throttle::new(), Instant::now());
        for _ in 0..1_000 {
            let attempt = throttle.attempt("alice", HERE, now).unwrap();
            throttle.give_back(attempt);
        }
    }

    #[test]
    fn addresses_of_one_network_are_one() {
        let six = |text: &str| network(text.parse().unwrap());
        assert_eq!(six("2001:db8:1:2::1"), six("2001:db8:1:2:ffff::9"));
        assert_ne!(six("2001:db8:1:2::1"), six("2001:db8:1:3::1"));
        assert_eq!(six("::ffff:10.0.0.1"), HERE);
    }
}
