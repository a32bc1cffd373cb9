//! How one worker deals its share to its shards, so that a moved slot disturbs no other.

use std::collections::{BTreeMap, BTreeSet};

use super::{Share, ShareError};

/// Where each slot of a worker begins to deal its numbers to the worker's shards, as for
/// [`Share::part`]: its first number goes to shard `place`.
///
/// A slot keeps its place for as long as it stays with the worker, so its users and arrivals
/// stay on their shards whatever comes and goes beside them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Spread {
    shards: u32,
    places: BTreeMap<u32, u32>,
}

impl Spread {
    /// Over so many shards; at least one. No slots yet.
    pub fn new(shards: u32) -> Self {
        Self { shards: shards.max(1), places: BTreeMap::new() }
    }

    /// How many shards there are.
    pub fn shards(&self) -> u32 {
        self.shards
    }

    /// Gives each new slot of these shares the place that the fewest have, and forgets those that
    /// are in none of them.
    pub fn follow<'a>(&mut self, shares: impl Iterator<Item = &'a Share>) {
        let known: BTreeSet<u32> = shares.flat_map(|share| share.slots()).copied().collect();
        self.places.retain(|slot, _| known.contains(slot));
        let mut counts = vec![0_u32; self.shards as usize];
        for place in self.places.values() {
            counts[*place as usize] += 1;
        }
        for slot in known {
            if self.places.contains_key(&slot) {
                continue;
            }
            let fewest = (0..).zip(&counts).min_by_key(|(_, count)| **count);
            let place: u32 = fewest.map_or(0, |(place, _)| place);
            counts[place as usize] += 1;
            self.places.insert(slot, place);
        }
    }

    /// What one shard does of a share that was followed.
    ///
    /// # Errors
    /// If there is no such shard, or too many of them to count.
    pub fn part(&self, share: &Share, shard: u32) -> Result<Share, ShareError> {
        let place = |slot: &u32| (*slot, self.places.get(slot).copied().unwrap_or(0));
        share.part_by(shard, self.shards, share.slots().iter().map(place))
    }
}
