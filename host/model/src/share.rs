//! A worker's share of a run.
//!
//! Everything that is counted from 0 (users, arrivals, iterations) is dealt to the run's
//! *slots*, number `n` to slot `n % of`; a [`Share`] is a set of slots. Moving load from
//! one worker to another is moving slots, and whoever knows its slots knows its numbers
//! without asking anybody.

mod runs;
mod spread;
mod timeline;

pub use spread::Spread;
pub use timeline::Timeline;

use std::num::NonZeroU32;
use std::sync::Arc;

use serde::{Deserialize, Serialize};

/// Slots that a run has at most.
pub const MAX_SLOTS: u32 = 1 << 16;

/// Of everything that is counted from 0, the numbers whose remainder by [`Self::of`] is one
/// of [`Self::slots`]. May be empty. Cheap to clone.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(try_from = "runs::Encoded", into = "runs::Encoded")]
pub struct Share {
    of: NonZeroU32,
    /// Ascending, distinct, below `of`.
    slots: Arc<[u32]>,
}

/// Why there is no such share.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum ShareError {
    /// No slots at all, or more than are believed.
    #[error("a share of {of} slots cannot be: 1 to {MAX_SLOTS} slots can")]
    Slots {
        /// As given.
        of: u32,
    },
    /// A slot beyond the last one.
    #[error("slot {slot} of {of} does not exist: the slot must be below the number of slots")]
    Beyond {
        /// As given.
        slot: u32,
        /// How many there are.
        of: u32,
    },
    /// Written out of order, or twice.
    #[error("slot {slot} is not above the slot before it")]
    Order {
        /// As given.
        slot: u32,
    },
    /// Shares of different numbers of slots have nothing in common.
    #[error("shares of {of} and of {other} slots cannot be joined: a run has one number of slots")]
    Periods {
        /// Of the one.
        of: u32,
        /// Of the other.
        other: u32,
    },
}

impl Share {
    /// These slots of `of`, in any order.
    ///
    /// # Errors
    /// If there are no slots, more than [`MAX_SLOTS`], or one of them does not exist.
    pub fn new(of: u32, slots: impl IntoIterator<Item = u32>) -> Result<Share, ShareError> {
        let of = slots_of(of)?;
        let mut slots: Vec<u32> = slots.into_iter().collect();
        slots.sort_unstable();
        slots.dedup();
        match slots.last() {
            Some(&slot) if slot >= of.get() => Err(ShareError::Beyond { slot, of: of.get() }),
            _ => Ok(Share { of, slots: slots.into() }),
        }
    }

    /// Everything.
    pub fn whole() -> Share {
        Share { of: NonZeroU32::MIN, slots: [0].into() }
    }

    /// Nothing, of so many slots.
    ///
    /// # Errors
    /// If there are no slots, or more than [`MAX_SLOTS`].
    pub fn empty(of: u32) -> Result<Share, ShareError> {
        Share::new(of, [])
    }

    /// Slot `index` of `of`: the plain share of one of `of` equal workers.
    ///
    /// # Errors
    /// As for [`Self::new`].
    pub fn stripe(index: u32, of: u32) -> Result<Share, ShareError> {
        Share::new(of, [index])
    }

    /// How many slots the run has.
    pub fn of(&self) -> u32 {
        self.of.get()
    }

    /// Those of this share, ascending.
    pub fn slots(&self) -> &[u32] {
        &self.slots
    }

    /// Whether nothing is in this share.
    pub fn is_empty(&self) -> bool {
        self.slots.is_empty()
    }

    /// 0 to 1 of the whole.
    pub fn fraction(&self) -> f64 {
        self.slots.len() as f64 / f64::from(self.of())
    }

    /// A stripe `(index, of)` that lies wholly in this share, the widest that is easy to see:
    /// what a guest is told of where it runs. (0, `of`) if the share is empty.
    pub fn place(&self) -> (u32, u32) {
        let first = self.slots.first().copied().unwrap_or(0);
        let step = self.of() / u32::try_from(self.slots.len().max(1)).unwrap_or(u32::MAX);
        let is_even = step > 0
            && self.of().is_multiple_of(step)
            && first < step
            && (first..self.of()).step_by(step as usize).eq(self.slots.iter().copied());
        if is_even { (first, step) } else { (first, self.of()) }
    }

    /// Whether number `n` is in this share.
    pub fn owns(&self, n: u64) -> bool {
        // The remainder is below `of`, so it fits.
        self.slots.binary_search(&((n % u64::from(self.of())) as u32)).is_ok()
    }

    /// The `k`-th number of this share. None: the share is empty, or the number is too great.
    pub fn nth(&self, k: u64) -> Option<u64> {
        let count = self.slots.len() as u64;
        let slot = *self.slots.get(usize::try_from(k.checked_rem(count)?).ok()?)?;
        (k / count).checked_mul(u64::from(self.of()))?.checked_add(u64::from(slot))
    }

    /// How many of the numbers `0..total` are in this share.
    pub fn count_of(&self, total: u64) -> u64 {
        let of = u64::from(self.of());
        let rest = self.slots.partition_point(|slot| u64::from(*slot) < total % of);
        total / of * self.slots.len() as u64 + rest as u64
    }

    /// The least number of this share that is `n` or more.
    pub fn next_from(&self, n: u64) -> Option<u64> {
        self.nth(self.count_of(n))
    }

    /// Part `index` of `of` equal parts. Neighbouring numbers of this share go to different parts.
    ///
    /// # Errors
    /// If there is no such part.
    pub fn part(&self, index: u32, of: u32) -> Result<Share, ShareError> {
        let places = (0..of).cycle();
        self.part_by(index, of, self.slots.iter().copied().zip(places))
    }

    /// The numbers `slot + q × self.of` with `(place + q × stride) % of == index`, for these slots
    /// of this share with their places: so each slot gives each part every `of`-th of its
    /// numbers, and the slots together never favour a part by more than a few.
    fn part_by(
        &self,
        index: u32,
        of: u32,
        places: impl IntoIterator<Item = (u32, u32)>,
    ) -> Result<Share, ShareError> {
        if index >= of {
            return Err(ShareError::Beyond { slot: index, of });
        }
        let period = self.of().checked_mul(of).and_then(NonZeroU32::new);
        let period = period.ok_or(ShareError::Slots { of: u32::MAX })?;
        let turns = turns(of);
        let turn = |place: u32| turns[((index + of - place % of) % of) as usize];
        let widened = |(slot, place): (u32, u32)| slot + self.of() * turn(place);
        let mut slots: Vec<u32> = places.into_iter().map(widened).collect();
        slots.sort_unstable();
        Ok(Share { of: period, slots: slots.into() })
    }

    /// What it has of things that only users do, if there are so many `users` in the whole run of
    /// `slots` slots: the stripes that have a user, dealt anew, so that nothing falls to a stripe
    /// that has none. This is a share of the run, or a part of one.
    pub fn crewed(&self, slots: u32, users: u32) -> Share {
        let parts = (self.of() / slots.max(1)).max(1);
        let slots = slots.clamp(1, self.of());
        let crewed = slots.min(users.max(1));
        let turns = (users / slots).clamp(1, parts);
        let has_users = |slot: &u32| users > 0 && slot % slots < crewed && slot / slots < turns;
        let dealt = self.slots.iter().copied().filter(has_users);
        let mut dealt: Vec<u32> = dealt.map(|slot| slot % slots + slot / slots * crewed).collect();
        dealt.sort_unstable();
        // At least 1, and no more than there were before.
        let of = NonZeroU32::new(crewed * turns).unwrap_or(self.of);
        Share { of, slots: dealt.into() }
    }

    /// What is in one of both.
    ///
    /// # Errors
    /// If they are not of the same number of slots.
    pub fn union(&self, other: &Share) -> Result<Share, ShareError> {
        let other = self.comparable(other)?;
        let mut slots: Vec<u32> = self.slots.iter().chain(&*other.slots).copied().collect();
        slots.sort_unstable();
        slots.dedup();
        Ok(Share { of: self.of, slots: slots.into() })
    }

    /// What is in this one and not in the other.
    ///
    /// # Errors
    /// If they are not of the same number of slots.
    pub fn minus(&self, other: &Share) -> Result<Share, ShareError> {
        let other = self.comparable(other)?;
        let lacks = |slot: &u32| other.slots.binary_search(slot).is_err();
        Ok(Share { of: self.of, slots: self.slots.iter().copied().filter(lacks).collect() })
    }

    fn comparable<'a>(&self, other: &'a Share) -> Result<&'a Share, ShareError> {
        if self.of == other.of {
            return Ok(other);
        }
        Err(ShareError::Periods { of: self.of(), other: other.of() })
    }
}

/// For each difference `d` the `q` below `of` with `q × stride % of == d`. The stride is near the
/// golden section of `of`, which spreads what few slots begin with most evenly.
fn turns(of: u32) -> Vec<u32> {
    let golden = (f64::from(of) * 0.618).round() as u32;
    let stride = (golden.max(1)..).find(|stride| gcd(*stride, of) == 1).unwrap_or(1);
    let mut turns = vec![0; of as usize];
    for q in 0..of {
        let difference = u64::from(q) * u64::from(stride) % u64::from(of);
        turns[difference as usize] = q;
    }
    turns
}

fn gcd(a: u32, b: u32) -> u32 {
    if b == 0 { a } else { gcd(b, a % b) }
}

fn slots_of(of: u32) -> Result<NonZeroU32, ShareError> {
    NonZeroU32::new(of).filter(|of| of.get() <= MAX_SLOTS).ok_or(ShareError::Slots { of })
}

#[cfg(test)]
#[path = "share/tests.rs"]
mod tests;
