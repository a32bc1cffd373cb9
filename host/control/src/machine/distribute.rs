//! How many slots each worker should have, and which ones move.
//!
//! Pure arithmetic over seats: a seat is a place in a run that a worker took. Slots are dealt so that
//! in *every* beginning `0..s` each seat has about its part of them: users and arrivals that
//! fill only a few slots are shared as evenly as those that fill all.

use std::collections::BTreeMap;

use loadhost_model::share::MAX_SLOTS;

/// Slots that a run has at least, so that shares can differ finely.
const MIN_SLOTS: u32 = 240;

/// A seat that can have slots.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Seat {
    pub(crate) seat: u32,
    /// Users that fit.
    pub(crate) room: u32,
    /// Relative to the others; not negative, finite.
    pub(crate) weight: f64,
}

/// A slot that goes to another seat. `from` None: it is nobody's.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Move {
    pub(crate) slot: u32,
    pub(crate) from: Option<u32>,
    pub(crate) to: u32,
}

/// How many slots a run of so many workers has: equal shares come out even.
pub(crate) fn slots_for(workers: usize) -> u32 {
    let workers = u32::try_from(workers).unwrap_or(u32::MAX).clamp(1, MAX_SLOTS);
    workers * MIN_SLOTS.div_ceil(workers).max(1)
}

/// Slots for each seat, in order, in proportion to weights and within rooms. If all rooms
/// together are too small, the sum stays below `of`.
pub(crate) fn apportion(of: u32, users: u32, seats: &[Seat]) -> Vec<u32> {
    let cap = |seat: &Seat| match users {
        0 => of,
        // Rooms are in users, and a slot stands for `users / of` of them.
        _ => u32::try_from(u64::from(seat.room) * u64::from(of) / u64::from(users))
            .unwrap_or(of)
            .min(of),
    };
    let even = seats.iter().all(|seat| seat.weight <= 0.0);
    let weight = |seat: &Seat| if even { 1.0 } else { seat.weight };
    let mut counts = vec![0; seats.len()];
    let mut full = vec![false; seats.len()];
    let mut left = of;
    // Whoever cannot carry its part gets what it can; the others share the rest.
    loop {
        let open = || seats.iter().zip(&full).filter(|(_, full)| !**full).map(|(seat, _)| seat);
        let sum: f64 = open().map(weight).sum();
        let ideal = |seat: &Seat| f64::from(left) * weight(seat) / sum;
        let Some(at) = (0..seats.len())
            .find(|at| sum > 0.0 && !full[*at] && ideal(&seats[*at]) > f64::from(cap(&seats[*at])))
        else {
            if sum > 0.0 {
                fill(left, seats, &full, ideal, &mut counts);
            }
            return counts;
        };
        counts[at] = cap(&seats[at]);
        full[at] = true;
        left -= counts[at];
    }
}

/// Largest remainders.
fn fill(
    left: u32,
    seats: &[Seat],
    full: &[bool],
    ideal: impl Fn(&Seat) -> f64,
    counts: &mut [u32],
) {
    let mut rest = left;
    let mut remainders: Vec<(f64, usize)> = Vec::new();
    for (at, seat) in seats.iter().enumerate().filter(|(at, _)| !full[*at]) {
        let ideal = ideal(seat);
        counts[at] = (ideal.floor() as u32).min(rest);
        rest -= counts[at];
        if ideal > 0.0 {
            remainders.push((ideal.fract(), at));
        }
    }
    // Of equal remainders the first seat's counts.
    remainders.sort_by(|a, b| b.0.total_cmp(&a.0).then(a.1.cmp(&b.1)));
    for (_, at) in remainders.into_iter().take(rest as usize) {
        counts[at] += 1;
    }
}

/// Which slots move so that each seat comes to its target: as few as possible. Of those that
/// somebody has at most `most`, spread over all that would. Seats without a target have target 0.
///
/// What is left to move after some of the moves is the rest of them, so going step by step comes to the same end.
pub(crate) fn moves(holders: &[Option<u32>], targets: &[(u32, u32)], most: u32) -> Vec<Move> {
    let mut balance = Balance::new(holders, targets);
    let all = (0..).zip(holders).filter_map(|(slot, holder)| balance.visit(slot, *holder));
    let (mut taken, mut chosen): (Vec<Move>, Vec<Move>) =
        all.partition(|a_move| a_move.from.is_some());
    // Multiples of the golden ratio: however few go at a time, they come from all over.
    taken.sort_unstable_by_key(|a_move| a_move.slot.wrapping_mul(0x9E37_79B9));
    taken.truncate(most as usize);
    chosen.extend(taken);
    chosen
}

/// What each seat has and should have, over a beginning of the slots that grows.
struct Balance {
    of: f64,
    seats: BTreeMap<u32, Account>,
    /// Seats that have less than they should, in order.
    takers: Vec<u32>,
}

#[derive(Default)]
struct Account {
    target: u32,
    /// With the moves so far.
    has: u32,
    /// Of those, within the beginning looked at.
    before: u32,
}

impl Account {
    /// Slots that it has in the beginning beyond its part of them; negative: it lacks some.
    fn ahead(&self, beginning: f64) -> f64 {
        f64::from(self.before) - f64::from(self.target) * beginning
    }
}

impl Balance {
    fn new(holders: &[Option<u32>], targets: &[(u32, u32)]) -> Self {
        let mut seats: BTreeMap<u32, Account> = BTreeMap::new();
        for (seat, target) in targets {
            seats.entry(*seat).or_default().target = *target;
        }
        for seat in holders.iter().flatten() {
            seats.entry(*seat).or_default().has += 1;
        }
        let lacks =
            |(seat, account): (&u32, &Account)| (account.has < account.target).then_some(*seat);
        let takers = seats.iter().filter_map(lacks).collect();
        Self { of: holders.len() as f64, seats, takers }
    }

    /// Adds a slot to the beginning; it goes to a taker, or stays where it is.
    fn visit(&mut self, slot: u32, from: Option<u32>) -> Option<Move> {
        let beginning = f64::from(slot + 1) / self.of;
        let to = match from {
            Some(giver) => self.taker_for(giver, beginning),
            None => self.neediest(beginning).map(|(seat, _)| seat),
        };
        if let Some(account) = to.or(from).and_then(|seat| self.seats.get_mut(&seat)) {
            account.before += 1;
        }
        let to = to?;
        if let Some(giver) = from.and_then(|seat| self.seats.get_mut(&seat)) {
            giver.has -= 1;
        }
        if let Some(taker) = self.seats.get_mut(&to) {
            taker.has += 1;
            if taker.has >= taker.target {
                self.takers.retain(|seat| *seat != to);
            }
        }
        Some(Move { slot, from, to })
    }

    /// Who gets the next slot of a seat: a taker that is further behind, or any once the seat has enough.
    fn taker_for(&self, giver: u32, beginning: f64) -> Option<u32> {
        let account = self.seats.get(&giver).filter(|account| account.has > account.target)?;
        let (taker, ahead) = self.neediest(beginning)?;
        let has_enough = account.before >= account.target;
        (has_enough || account.ahead(beginning) > ahead).then_some(taker)
    }

    /// The taker that is most behind, and how many slots it is ahead.
    fn neediest(&self, beginning: f64) -> Option<(u32, f64)> {
        let ahead = |seat: &u32| Some((*seat, self.seats.get(seat)?.ahead(beginning)));
        // Of equals the first.
        self.takers.iter().filter_map(ahead).min_by(|a, b| a.1.total_cmp(&b.1))
    }
}

#[cfg(test)]
#[path = "distribute_tests.rs"]
mod tests;
