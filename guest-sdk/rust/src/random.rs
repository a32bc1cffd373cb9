//! Chance that can be repeated: seeded per run and user.
//!
//! The numbers are made in the guest (SplitMix64), because a call to the host would
//! cost more than the number.

use std::cell::Cell;
use std::ops::{Bound, RangeBounds};

use crate::host;

thread_local! {
    static STATE: Cell<Option<u64>> = const { Cell::new(None) };
}

/// Starts the numbers of a user; later calls change nothing.
pub(crate) fn seed_once(seed: u64) {
    if STATE.get().is_none() {
        STATE.set(Some(seed));
    }
}

#[cfg(not(target_arch = "wasm32"))]
pub(crate) fn reseed(seed: u64) {
    STATE.set(Some(seed));
}

/// 64 random bits.
pub(crate) fn bits() -> u64 {
    let state = STATE.get().unwrap_or_else(host::random).wrapping_add(0x9e37_79b9_7f4a_7c15);
    STATE.set(Some(state));
    let mixed = (state ^ (state >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    mixed ^ (mixed >> 31)
}

/// Uniform in `0.0..1.0`.
pub fn fraction() -> f64 {
    (bits() >> 11) as f64 / (1u64 << 53) as f64
}

/// Uniform in a range of whole numbers: `range(1..=6)`. An empty range gives its start.
pub fn range(within: impl RangeBounds<u64>) -> u64 {
    let low = match within.start_bound() {
        Bound::Included(&low) => low,
        Bound::Excluded(&low) => low.saturating_add(1),
        Bound::Unbounded => 0,
    };
    let high = match within.end_bound() {
        Bound::Included(&high) => high,
        Bound::Excluded(&high) => high.saturating_sub(1),
        Bound::Unbounded => u64::MAX,
    };
    if high <= low {
        return low;
    }
    match (high - low).checked_add(1) {
        // The high half of the product is uniform enough: the bias is below 2^-32 for
        // ranges below 2^32.
        Some(count) => low + ((u128::from(bits()) * u128::from(count)) >> 64) as u64,
        None => bits(),
    }
}

/// True so often: `chance(0.1)` once in ten times.
pub fn chance(probability: f64) -> bool {
    fraction() < probability
}

/// One of these; None if there are none.
pub fn pick<T>(from: &[T]) -> Option<&T> {
    from.get(range(0..from.len() as u64) as usize)
}

/// Into random order.
pub fn shuffle<T>(items: &mut [T]) {
    for last in (1..items.len()).rev() {
        items.swap(last, range(0..=last as u64) as usize);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_same_seed_gives_the_same_numbers() {
        reseed(7);
        let first: Vec<u64> = (0..4).map(|_| range(..)).collect();
        reseed(7);
        let second: Vec<u64> = (0..4).map(|_| range(..)).collect();
        assert_eq!(first, second);
        reseed(8);
        assert_ne!(first[0], range(..));
    }

    #[test]
    fn a_range_reaches_both_ends_and_nothing_else() {
        reseed(1);
        let mut seen = [0; 6];
        for _ in 0..6000 {
            seen[range(1..=6) as usize - 1] += 1;
        }
        assert!(seen.iter().all(|&n| (850..1150).contains(&n)), "{seen:?}");
        assert_eq!(range(5..5), 5);
        assert_eq!(range(5..6), 5);
    }

    #[test]
    fn shuffling_loses_nothing() {
        reseed(3);
        let mut items: Vec<u32> = (0..50).collect();
        shuffle(&mut items);
        assert_ne!(items, (0..50).collect::<Vec<_>>());
        items.sort_unstable();
        assert_eq!(items, (0..50).collect::<Vec<_>>());
        assert_eq!(pick::<u8>(&[]), None);
    }
}
