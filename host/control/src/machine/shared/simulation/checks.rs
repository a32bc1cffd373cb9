//! What must be true of each history.

use std::collections::BTreeMap;

use loadhost_model::data::LostRows;

use super::fake::{COUNTER, MEETING, NUMBERS, Process};
use super::{ROWS, SIZE, World};
use crate::machine::shared::{Holder, Shared};

impl World {
    fn all(&self) -> impl Iterator<Item = &Process> {
        self.processes.iter().chain(&self.dead)
    }

    pub(super) fn is_settled(&self) -> bool {
        let here = || self.processes.iter().filter(|process| process.has_users());
        let waiting: usize = here().map(|process| process.queue.len()).sum();
        let at_the_end = |process: &Process| process.is_at_the_end();
        waiting < SIZE as usize && here().count() > 0 && here().all(at_the_end)
    }

    /// How often each number of a source was used.
    fn used(&self, name: &str) -> BTreeMap<u64, u64> {
        let mut used = BTreeMap::new();
        for number in self.all().flat_map(|process| process.used.get(name).into_iter().flatten()) {
            *used.entry(*number).or_default() += 1;
        }
        used
    }

    /// All that are there have used what they had, and nothing more is to be had.
    pub(super) fn check_settled(&self) {
        let rows = self.used("logins");
        let view = &self.view().rows;
        let logins = view.iter().find(|leased| &*leased.name == "logins").unwrap();
        assert_eq!(logins.leased, ROWS, "{logins:?}");
        if self.setting.lost == LostRows::Repeat {
            assert_eq!(rows.len() as u64, ROWS, "each was used: {logins:?}");
            assert_eq!(logins.withheld, 0, "{logins:?}");
        }
        if !self.setting.they_leave {
            let missed: u64 = self.all().map(|process| process.missed).sum();
            assert_eq!(missed, 0, "nobody had gone, so whoever was to go on was there");
        }
    }

    /// Once all words have come.
    pub(super) fn check(&self) {
        let view = self.view();
        for leased in view.rows.iter().chain(&view.numbers) {
            let used = self.used(&leased.name);
            let distinct = used.len() as u64;
            let twice: u64 = used.values().map(|times| times - 1).sum();
            assert!(twice <= leased.repeated, "{twice} were used twice: {leased:?}");
            assert_eq!(leased.in_stock, 0, "all have stopped: {leased:?}");
            let repeats = self.setting.lost == LostRows::Repeat && &*leased.name != NUMBERS;
            // Withheld is only what somebody held at the end who could not say so; see `check_settled` for the rest.
            if !repeats {
                assert_eq!(leased.repeated, 0, "{leased:?}");
                assert_eq!(leased.leased, leased.taken + leased.withheld, "{leased:?}");
                // Of those that died some may have used more than they could say.
                assert!(leased.taken <= distinct, "{leased:?}, {distinct} were used");
                assert!(distinct <= leased.leased, "{leased:?}, {distinct} were used");
            }
        }
        let expected: i64 = self.heard.values().map(|(_, value)| value).sum();
        assert_eq!(view.counters.get(COUNTER).copied().unwrap_or(0), expected);
        let meeting = view.meetings.iter().find(|meeting| &*meeting.name == MEETING).unwrap();
        let went: u64 = self.all().map(|process| process.went).sum();
        assert!(meeting.releases > 0 && went <= meeting.released, "{meeting:?}, {went} went on");
    }
}

impl Shared {
    /// No number is with two, nor with one and waiting for another, but for those that are given out twice on purpose.
    pub(super) fn check_leases(&self) {
        for (name, source) in self.rows.iter().chain(&self.numbers) {
            let held = |holder: &Holder| {
                holder.rows.get(name).or_else(|| holder.numbers.get(name)).cloned()
            };
            let mut blocks = source.waiting().to_vec();
            for held in self.holders.values().filter_map(held) {
                assert!(held.lease.blocks.len() <= 64);
                blocks.extend(held.own());
            }
            blocks.sort_unstable();
            for pair in blocks.windows(2) {
                assert!(pair[0].0 + pair[0].1 <= pair[1].0, "`{name}`: {blocks:?}");
            }
        }
    }
}
