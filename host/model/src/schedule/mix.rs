//! Which type each user is of.

use std::collections::BTreeMap;

use crate::description::Description;
use crate::plan::UserShare;
use crate::text::suggestion;

/// The type of each user by its number: types with a fixed count first, then the others
/// by weight, mixed so that every prefix has the right shares to within one user.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct UserMix {
    /// Type, and the first user number behind its block.
    fixed: Vec<(u32, u64)>,
    /// Types by weight, over and over. Empty: nobody beyond the fixed ones.
    cycle: Vec<u32>,
}

/// Why there is nobody to run.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum MixError {
    /// A name that the scenario does not have.
    #[error("unknown user type `{name}`{suggestion}; the scenario has {known}")]
    UnknownUserType {
        /// As given.
        name: String,
        /// `, did you mean …?`, or nothing.
        suggestion: String,
        /// All there are.
        known: String,
    },
    /// Weights and counts leave no one.
    #[error(
        "no user type is left to run: all of {considered} have weight 0; give one of them a \
         weight or a count"
    )]
    Nobody {
        /// Which types could have run.
        considered: String,
    },
}

/// Longest cycle that is laid out. Weights whose sum is greater (after division by
/// their common divisor) drift by one user for each so many.
const LONGEST_CYCLE: u64 = 1 << 20;

impl UserMix {
    /// Of the scenario's types, with the run's own weights and counts over the scenario's;
    /// `only` these types, or all if it is empty.
    pub fn new(
        description: &Description,
        shares: &BTreeMap<String, UserShare>,
        only: &[String],
    ) -> Result<Self, MixError> {
        for name in shares.keys().chain(only) {
            known(description, name)?;
        }
        let (mut fixed, mut weights) = (Vec::new(), Vec::new());
        let mut count = 0;
        for (index, user_type) in (0..).zip(&description.user_types) {
            if !only.is_empty() && !only.contains(&user_type.name) {
                continue;
            }
            match *shares.get(&user_type.name).unwrap_or(&user_type.proposed()) {
                UserShare::Count(0) | UserShare::Weight(0) => {}
                UserShare::Count(n) => {
                    count += u64::from(n);
                    fixed.push((index, count));
                }
                UserShare::Weight(weight) => weights.push((index, weight)),
            }
        }
        if fixed.is_empty() && weights.is_empty() {
            let all = description.user_types.iter().map(|user_type| &user_type.name);
            let considered = if only.is_empty() { list(all) } else { list(only.iter()) };
            return Err(MixError::Nobody { considered });
        }
        Ok(Self { fixed, cycle: laid_out(&weights) })
    }

    /// Index in [`Description::user_types`] of user `number`'s type. None: all types have
    /// fixed counts, and this number is beyond them.
    pub fn type_of(&self, number: u64) -> Option<u32> {
        let place = self.fixed.partition_point(|(_, end)| *end <= number);
        if let Some((index, _)) = self.fixed.get(place) {
            return Some(*index);
        }
        let number = number - self.fixed_users();
        // The remainder is below the length, so it fits.
        let place = number.checked_rem(self.cycle.len() as u64)? as usize;
        self.cycle.get(place).copied()
    }

    /// Indices of all types that users can be of.
    pub fn types(&self) -> impl Iterator<Item = u32> + '_ {
        self.fixed.iter().map(|(index, _)| *index).chain(self.cycle.iter().copied())
    }

    /// How many users the fixed counts make up together.
    pub fn fixed_users(&self) -> u64 {
        self.fixed.last().map_or(0, |(_, end)| *end)
    }

    /// How many users there can be. None: any number.
    pub fn limit(&self) -> Option<u64> {
        self.cycle.is_empty().then(|| self.fixed_users())
    }
}

fn known(description: &Description, name: &str) -> Result<(), MixError> {
    let names = || description.user_types.iter().map(|user_type| &user_type.name);
    if names().any(|known| known == name) {
        return Ok(());
    }
    Err(MixError::UnknownUserType {
        name: name.to_string(),
        suggestion: suggestion(name, names().map(String::as_str)),
        known: list(names()),
    })
}

fn list<'a>(names: impl Iterator<Item = &'a String>) -> String {
    names.map(|name| format!("`{name}`")).collect::<Vec<_>>().join(", ")
}

/// A sequence in which each prefix of length `p` has `⌊p w / W⌋` or `⌈p w / W⌉` of each
/// type with weight `w` of the sum `W`.
///
/// The `j`-th user of a type may stand at the positions `⌊(j − 1) W / w⌋ + 1 ..= ⌈j W / w⌉`;
/// taking, of those that may stand here, the one that must come soonest meets all of these
/// windows (Steiner and Yeomans, *Level schedules for mixed-model, just-in-time processes*,
/// 1993). Neighbours that may change places then do so at random, so that
/// striping by worker and shard does not put all users of a type in one place.
fn laid_out(weights: &[(u32, u32)]) -> Vec<u32> {
    let divisor = weights.iter().fold(0, |divisor, (_, weight)| common_divisor(divisor, *weight));
    let types: Vec<(u32, u64)> =
        weights.iter().map(|(index, weight)| (*index, u64::from(weight / divisor))).collect();
    let sum: u64 = types.iter().map(|(_, weight)| weight).sum();
    match &types[..] {
        [] => return Vec::new(),
        [(only, _)] => return vec![*only],
        _ => {}
    }
    let mut round = level_schedule(&types, sum);
    // Enough differently shuffled repetitions that no stripe meets the same few places.
    let repetitions = (4096 / sum).max(1) | 1;
    let mut rng = fastrand::Rng::with_seed(0);
    let mut cycle = Vec::new();
    for _ in 0..repetitions {
        swap_neighbours(&mut round, &mut rng);
        cycle.extend(round.iter().map(|slot| types[slot.place].0));
    }
    cycle
}

/// A user in a sequence: which of the types, and the positions where it may stand.
#[derive(Debug, Clone, Copy)]
struct Slot {
    place: usize,
    earliest: u64,
    latest: u64,
}

fn level_schedule(types: &[(u32, u64)], sum: u64) -> Vec<Slot> {
    // Per type, the window of its next user. Products of two sums fit: sums are below 2⁶⁴,
    // and only as many users are made as the cycle is long.
    let window = |place: usize, j: u64| {
        let weight = u128::from(types[place].1);
        let before = u128::from(j) * u128::from(sum);
        let after = before + u128::from(sum);
        Slot {
            place,
            earliest: (before / weight) as u64 + 1,
            latest: after.div_ceil(weight) as u64,
        }
    };
    let mut taken = vec![0; types.len()];
    let mut next: Vec<Slot> = (0..types.len()).map(|place| window(place, 0)).collect();
    let mut slots = Vec::new();
    for position in 1..=sum.min(LONGEST_CYCLE) {
        let may = next.iter().filter(|slot| slot.earliest <= position);
        let Some(slot) = may.min_by_key(|slot| slot.latest).copied() else { break };
        slots.push(slot);
        taken[slot.place] += 1;
        next[slot.place] = window(slot.place, taken[slot.place]);
    }
    slots
}

fn swap_neighbours(slots: &mut [Slot], rng: &mut fastrand::Rng) {
    const PASSES: usize = 4;
    for _ in 0..PASSES {
        for left in 0..slots.len().saturating_sub(1) {
            let position = left as u64 + 1;
            let (a, b) = (slots[left], slots[left + 1]);
            if b.earliest <= position && a.latest > position && rng.bool() {
                slots.swap(left, left + 1);
            }
        }
    }
}

fn common_divisor(a: u32, b: u32) -> u32 {
    if b == 0 { a } else { common_divisor(b, a % b) }
}

#[cfg(test)]
#[path = "mix_tests.rs"]
mod tests;
