//! Rendezvous: users of the whole fleet that go on together.

use loadhost_model::shared::{Attendance, Release};
use serde::{Deserialize, Serialize};

/// A rendezvous of a run.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Meeting {
    /// Users that it takes; the most that anybody said.
    pub(crate) size: u32,
    /// How often users went on together.
    pub(crate) releases: u64,
    /// Users that did.
    pub(crate) released: u64,
}

impl Meeting {
    /// Takes in what a worker says of the size. The other size, if it was said before.
    pub(crate) fn hear(&mut self, size: u32) -> Option<u32> {
        let before = self.size;
        self.size = before.max(size).max(1);
        (before > 0 && size > 0 && before != size).then_some(before)
    }

    /// Whether so many are enough.
    pub(crate) fn is_enough(&self, waiting: u64) -> bool {
        waiting >= u64::from(self.size.max(1))
    }
}

/// The users of one worker at a rendezvous.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Visit {
    attendance: Attendance,
    pub(crate) release: Release,
}

impl Visit {
    /// Sums only grow, so a late word does no harm.
    pub(crate) fn hear(&mut self, said: Attendance) {
        let known = &mut self.attendance;
        known.arrived = known.arrived.max(said.arrived);
        known.left = known.left.max(said.left);
        known.missed = known.missed.max(said.missed);
    }

    /// How many wait, as far as is known. Users that left after a release covered them count as gone twice until
    /// the worker says that the release has missed them: rather too few than too many.
    pub(crate) fn waiting(&self) -> u64 {
        let Attendance { arrived, left, missed, .. } = self.attendance;
        let gone = left.saturating_add(self.release.released);
        arrived.saturating_add(missed.min(self.release.released)).saturating_sub(gone)
    }

    /// All that wait may go on at this moment. How many these are.
    pub(crate) fn release(&mut self, at: u64) -> u64 {
        let waiting = self.waiting();
        if waiting > 0 {
            self.release = Release { released: self.release.released.saturating_add(waiting), at };
        }
        waiting
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn who_waits_is_who_came_and_has_not_gone() {
        let mut visit = Visit::default();
        let mut says = |arrived: u64, left: u64, missed: u64, expected: u64| {
            visit.hear(Attendance { size: 2, arrived, left, missed });
            assert_eq!(visit.waiting(), expected, "{arrived} {left} {missed}");
            visit
        };
        says(2, 0, 0, 2);
        says(1, 0, 0, 2); // late
        let mut visit = says(3, 1, 0, 2);
        assert_eq!(visit.release(77), 2);
        assert_eq!((visit.waiting(), visit.release), (0, Release { released: 2, at: 77 }));
        assert_eq!(visit.release(99), 0);
        assert_eq!(visit.release.at, 77);
        // One of the two had left before it heard of it, and two others come.
        let mut says = |arrived: u64, left: u64, missed: u64, expected: u64| {
            visit.hear(Attendance { size: 2, arrived, left, missed });
            assert_eq!(visit.waiting(), expected, "{arrived} {left} {missed}");
        };
        says(3, 2, 0, 0);
        says(5, 2, 0, 1);
        says(5, 2, 1, 2);
    }

    #[test]
    fn the_greatest_size_counts_and_another_one_is_told() {
        let mut meeting = Meeting::default();
        assert_eq!((meeting.hear(10), meeting.hear(10)), (None, None));
        assert_eq!((meeting.hear(20), meeting.hear(10)), (Some(10), Some(20)));
        assert!(!meeting.is_enough(19) && meeting.is_enough(20));
        let mut none = Meeting::default();
        none.hear(0);
        assert!(!none.is_enough(0) && none.is_enough(1));
    }
}
