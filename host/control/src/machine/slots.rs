//! Who has which slot of a run, and which are on their way.
//!
//! ```text
//! held by A ──A is told a smaller share, from T──> on its way ──A has it so, from T' ≥ T──> B is told a larger
//!     │                                                                               share, from T': held by B
//!     └── A is lost ──> nobody's ──> B is told, from now
//! ```
//! So at each moment each slot has one holder, or, while it is on its way, none that is told of it
//! yet: the giver works by its old share until the moment that the taker begins.

use std::collections::BTreeMap;

use loadhost_model::share::{Share, ShareError};
use serde::{Deserialize, Serialize};

use super::distribute::{self, Move};

/// Seats are numbered in the order in which workers joined the run, and never used again.
pub(crate) type SeatNumber = u32;

/// All slots of a run. Instants are microseconds since the Unix epoch, as workers are told them.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Slots {
    /// By slot. None: nobody's, or on its way.
    holders: Vec<Option<SeatNumber>>,
    transfers: Vec<Transfer>,
    /// What is nobody's may be given from this instant on.
    free_from: u64,
}

/// Slots on their way.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
struct Transfer {
    slots: Vec<u32>,
    /// None: they were nobody's.
    from: Option<SeatNumber>,
    /// None: whom they were meant for is gone.
    to: Option<SeatNumber>,
    /// From this instant on the giver no longer works for them. None: it has not said so yet.
    ready: Option<u64>,
}

impl Slots {
    /// The first deal: so many slots for each of these seats. Left over: nobody's.
    pub(crate) fn deal(of: u32, counts: &[(SeatNumber, u32)]) -> Self {
        let mut holders = vec![None; of as usize];
        for Move { slot, to, .. } in distribute::moves(&holders.clone(), counts, 0) {
            holders[slot as usize] = Some(to);
        }
        Self { holders, transfers: Vec::new(), free_from: 0 }
    }

    /// How many there are.
    pub(crate) fn of(&self) -> u32 {
        u32::try_from(self.holders.len()).unwrap_or(u32::MAX)
    }

    pub(crate) fn holders(&self) -> &[Option<SeatNumber>] {
        &self.holders
    }

    /// What a seat has now.
    ///
    /// # Errors
    /// If the run has no slots yet.
    pub(crate) fn share(&self, seat: SeatNumber) -> Result<Share, ShareError> {
        let held = (0..).zip(&self.holders).filter(|(_, holder)| **holder == Some(seat));
        Share::new(self.of(), held.map(|(slot, _)| slot))
    }

    pub(crate) fn held_by(&self, seat: SeatNumber) -> u32 {
        let held = self.holders.iter().filter(|holder| **holder == Some(seat)).count();
        u32::try_from(held).unwrap_or(u32::MAX)
    }

    /// Tells how many slots a seat has now; for those who ask of many.
    pub(crate) fn counter(&self) -> impl Fn(SeatNumber) -> u32 + use<> {
        let mut counts: BTreeMap<SeatNumber, u32> = BTreeMap::new();
        for seat in self.holders.iter().flatten() {
            *counts.entry(*seat).or_default() += 1;
        }
        move |seat| counts.get(&seat).copied().unwrap_or(0)
    }

    /// Slots that nobody works for and nobody is to get yet.
    pub(crate) fn free(&self) -> u32 {
        let without = self.holders.iter().filter(|holder| holder.is_none()).count();
        let moving: usize = self.transfers.iter().map(|transfer| transfer.slots.len()).sum();
        u32::try_from(without - moving).unwrap_or(u32::MAX)
    }

    /// Slots that were nobody's, and whoever is to get them does not know it yet.
    pub(crate) fn unserved(&self) -> u32 {
        let on_their_way = self.transfers.iter().filter(|transfer| transfer.from.is_none());
        let count: usize = on_their_way.map(|transfer| transfer.slots.len()).sum();
        self.free().saturating_add(u32::try_from(count).unwrap_or(u32::MAX))
    }

    /// By slot: whether it is on its way.
    pub(crate) fn on_their_way(&self) -> Vec<bool> {
        let mut moving = vec![false; self.holders.len()];
        for slot in self.transfers.iter().flat_map(|transfer| &transfer.slots) {
            moving[*slot as usize] = true;
        }
        moving
    }

    /// Whether slots are on their way, but for those from these seats.
    pub(crate) fn are_moving_but(&self, from: &[SeatNumber]) -> bool {
        let counts = |transfer: &Transfer| transfer.from.is_none_or(|seat| !from.contains(&seat));
        self.transfers.iter().any(counts)
    }

    /// Whether slots of this seat, or for it, are on their way.
    pub(crate) fn are_moving_at(&self, seat: SeatNumber) -> bool {
        self.transfers.iter().any(|transfer| [transfer.from, transfer.to].contains(&Some(seat)))
    }

    /// Begins moves. Those of nobody's slots are ready at once, at `now` or when they became free.
    pub(crate) fn send(&mut self, moves: &[Move], now: u64) {
        for a_move in moves {
            let ready = a_move.from.is_none().then_some(now.max(self.free_from));
            self.holders[a_move.slot as usize] = None;
            let same = |transfer: &&mut Transfer| {
                (transfer.from, transfer.to, transfer.ready)
                    == (a_move.from, Some(a_move.to), ready)
            };
            match self.transfers.iter_mut().find(same) {
                Some(transfer) => transfer.slots.push(a_move.slot),
                None => self.transfers.push(Transfer {
                    slots: vec![a_move.slot],
                    from: a_move.from,
                    to: Some(a_move.to),
                    ready,
                }),
            }
        }
    }

    /// Givers that have not said yet that they work by their smaller share.
    pub(crate) fn givers(&self) -> impl Iterator<Item = SeatNumber> {
        let unready = self.transfers.iter().filter(|transfer| transfer.ready.is_none());
        unready.filter_map(|transfer| transfer.from)
    }

    /// The giver works by its smaller share since this instant.
    pub(crate) fn confirm(&mut self, giver: SeatNumber, since: u64) {
        for transfer in &mut self.transfers {
            if transfer.from == Some(giver) && transfer.ready.is_none() {
                transfer.ready = Some(since);
            }
        }
        self.free_orphans();
    }

    /// What is ready for a seat, by the first instant of it: the slots are its own from then on.
    pub(crate) fn receive(&mut self, seat: SeatNumber) -> Option<u64> {
        let ready = |transfer: &Transfer| transfer.ready.filter(|_| transfer.to == Some(seat));
        let first = self.transfers.iter().filter_map(ready).min()?;
        self.transfers.retain(|transfer| {
            let now_its_own = ready(transfer) == Some(first);
            if now_its_own {
                transfer.slots.iter().for_each(|slot| self.holders[*slot as usize] = Some(seat));
            }
            !now_its_own
        });
        Some(first)
    }

    /// The seat works no longer: since `now` its slots are nobody's, and it gets none.
    pub(crate) fn vacate(&mut self, seat: SeatNumber, now: u64) {
        for holder in self.holders.iter_mut().filter(|holder| **holder == Some(seat)) {
            *holder = None;
            self.free_from = self.free_from.max(now);
        }
        self.orphan(seat);
        self.confirm(seat, now);
    }

    /// A seat gets nothing of what is on its way to it; how many slots that is.
    pub(crate) fn orphan(&mut self, seat: SeatNumber) -> u32 {
        let mut count = 0;
        for transfer in self.transfers.iter_mut().filter(|transfer| transfer.to == Some(seat)) {
            transfer.to = None;
            count += transfer.slots.len();
        }
        self.free_orphans();
        u32::try_from(count).unwrap_or(u32::MAX)
    }

    /// Whether something is ready for a seat, or a seat is to let go of something and has not said that it did.
    pub(crate) fn wait_for(&self, seat: SeatNumber, now: u64) -> bool {
        self.transfers.iter().any(|transfer| match transfer.ready {
            Some(ready) => transfer.to == Some(seat) && ready <= now,
            None => transfer.from == Some(seat),
        })
    }

    /// What nobody is to get any more is nobody's.
    fn free_orphans(&mut self) {
        for transfer in self.transfers.iter().filter(|transfer| transfer.to.is_none()) {
            self.free_from = self.free_from.max(transfer.ready.unwrap_or(0));
        }
        self.transfers.retain(|transfer| transfer.to.is_some() || transfer.ready.is_none());
    }

    /// Instants as another wall clock shows them.
    pub(crate) fn move_walls(&mut self, shift: i64) {
        self.free_from = moved_wall(self.free_from, shift);
        for ready in self.transfers.iter_mut().filter_map(|transfer| transfer.ready.as_mut()) {
            *ready = moved_wall(*ready, shift);
        }
    }
}

/// An instant as another wall clock shows it. 0, the start, stays.
pub(crate) fn moved_wall(wall: u64, shift: i64) -> u64 {
    if wall == 0 { 0 } else { wall.saturating_add_signed(shift) }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    fn two() -> Slots {
        Slots::deal(4, &[(0, 2), (1, 2)])
    }

    fn slots(slots: &Slots, seat: SeatNumber) -> Vec<u32> {
        slots.share(seat).unwrap().slots().to_vec()
    }

    const TO_TWO: [Move; 2] =
        [Move { slot: 0, from: Some(0), to: 2 }, Move { slot: 1, from: Some(1), to: 2 }];

    #[test]
    fn a_slot_changes_hands_in_two_steps() {
        let mut of = two();
        assert_eq!((slots(&of, 0), slots(&of, 1)), (vec![0, 2], vec![1, 3]));
        of.send(&TO_TWO, 50);
        assert_eq!((slots(&of, 0), of.free(), of.are_moving_but(&[0])), (vec![2], 0, true));
        let counts = [0, 1, 2].map(of.counter());
        assert_eq!(counts, [1, 1, 0], "not with anybody while on its way");
        assert_eq!(of.receive(2), None, "the givers still work for them");
        of.confirm(0, 120);
        assert_eq!(of.givers().collect::<Vec<_>>(), [1]);
        assert_eq!((of.receive(2), slots(&of, 2)), (Some(120), vec![0]));
        assert_eq!([of.are_moving_but(&[0]), of.are_moving_but(&[1])], [true, false]);
        of.confirm(1, 130);
        assert_eq!((of.receive(2), slots(&of, 2)), (Some(130), vec![0, 1]));
        assert!(!of.are_moving_but(&[]));
    }

    #[test]
    fn what_is_ready_at_one_instant_comes_at_once() {
        let mut of = two();
        of.send(&TO_TWO, 50);
        of.confirm(1, 100);
        of.confirm(0, 100);
        assert_eq!((of.receive(2), slots(&of, 2)), (Some(100), vec![0, 1]));
    }

    #[test]
    fn the_slots_of_a_lost_giver_are_ready_at_once() {
        let mut of = two();
        of.send(&TO_TWO, 50);
        of.vacate(0, 200);
        assert_eq!(of.free(), 1, "slot 2, which it had kept");
        assert_eq!((of.receive(2), slots(&of, 2)), (Some(200), vec![0]));
        of.send(&[Move { slot: 2, from: None, to: 1 }], 150);
        assert_eq!(of.unserved(), 1);
        assert_eq!((of.receive(1), of.unserved()), (Some(200), 0), "not before it was free");
    }

    #[test]
    fn what_was_meant_for_a_lost_taker_is_nobodys_once_the_giver_has_let_go() {
        let mut of = two();
        of.send(&TO_TWO, 50);
        of.vacate(2, 60);
        assert_eq!((of.free(), of.unserved()), (0, 0), "the givers still work for them");
        of.confirm(0, 120);
        assert_eq!((of.free(), of.unserved()), (1, 1));
        of.send(&[Move { slot: 0, from: None, to: 1 }], 90);
        assert_eq!(of.receive(1), Some(120));
    }
}
