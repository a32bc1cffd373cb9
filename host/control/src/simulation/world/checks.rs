//! What holds after a history, whatever befell.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use loadhost_model::id::WorkerId;

use super::{GRID, RUN_TIME, SECOND, Time, Window, World};
use crate::report::RunReport;

impl World {
    pub(in crate::simulation) fn report(&self) -> &RunReport {
        self.report.as_ref().unwrap()
    }

    fn due(&self, n: u64) -> Time {
        self.start.unwrap() + n * GRID
    }

    fn arrivals(&self) -> u64 {
        RUN_TIME.div_ceil(GRID)
    }

    /// Each arrival was served once, but for those that a fault explains.
    pub(in crate::simulation) fn check_arrivals(&self) {
        for n in 0..self.arrivals() {
            let (times, due) = (self.served.get(&n).copied().unwrap_or(0), self.due(n));
            let slot = (n % u64::from(self.of)) as u32;
            let explains = |window: &Window| {
                window.slots.get(&slot).is_some_and(|from| (*from..window.to).contains(&due))
            };
            assert!(
                times == 1 || self.windows.iter().any(explains),
                "arrival {n} of slot {slot}, due at {:.3} s, was served {times} times",
                due as f64 / SECOND as f64
            );
        }
    }

    /// The longest time in which some slot was not served.
    pub(in crate::simulation) fn longest_gap(&self) -> Duration {
        let mut last: BTreeMap<u64, Time> = BTreeMap::new();
        let mut longest = 0;
        let period = u64::from(self.of) * GRID;
        for n in (0..self.arrivals()).filter(|n| self.served.contains_key(n)) {
            let slot = n % u64::from(self.of);
            if let Some(last) = last.insert(slot, self.due(n)) {
                longest = longest.max((self.due(n) - last).saturating_sub(period));
            }
        }
        Duration::from_micros(longest)
    }

    /// What the report says was measured is what workers have sent.
    pub(in crate::simulation) fn check_totals(&self) {
        let view = &self.report().view;
        assert_eq!(view.total.requests, self.published, "requests merged and sent");
        assert_eq!(view.collection.missing, 0);
    }

    /// In the end all users ran one version, which is said, and each that was asked for was used or refused.
    pub(in crate::simulation) fn check_versions(&self) {
        let versions = &self.report().view.versions;
        let last = versions.ran.last().unwrap();
        assert_eq!(self.modules, BTreeSet::from([last.module]), "{versions:?}");
        assert!(last.complete.is_some(), "{versions:?}");
        let refused =
            |note: &&crate::view::Note| note.message.contains("is refused, and the run goes on");
        let refused = self.report().view.notes.iter().filter(refused).count();
        let used = versions.ran.len() - 1;
        assert_eq!(used + refused, usize::from(self.asked), "{versions:?}");
    }

    /// Shortly before the end each slot was with one worker, and all had equally many.
    pub(in crate::simulation) fn check_levelled(&self) {
        let mut all: Vec<u32> = self.levelled.iter().flat_map(|(_, slots)| slots.clone()).collect();
        all.sort_unstable();
        let counts: Vec<(&WorkerId, usize)> =
            self.levelled.iter().map(|(worker, slots)| (worker, slots.len())).collect();
        assert!(all.iter().copied().eq(0..self.of), "{counts:?} of {}", self.of);
        let (least, most) = (
            counts.iter().map(|(_, count)| count).min(),
            counts.iter().map(|(_, count)| count).max(),
        );
        assert!(most.unwrap() - least.unwrap() <= 1, "{counts:?}");
        assert_eq!(self.report().view.unserved, 0.0, "{:?}", self.report().view.losses);
    }
}
