//! What each name did in the last seconds.

use std::collections::HashMap;
use std::ops::Range;
use std::sync::Arc;

use loadhost_model::histogram::Histogram;
use loadhost_model::interval::{HttpStats, Interval, SeriesStats};
use loadhost_model::metric::{OTHER, SeriesKey};
use serde::{Deserialize, Serialize};

use crate::view::{MAX_ROWS, Times};

/// Method and name.
pub(crate) type Name = (Arc<str>, Arc<str>);

/// Names whose last seconds are kept; those beyond share one entry.
const MAX_NAMES: usize = 20_000;
/// Names among them whose times are kept as well: as many as have lines of their own.
const MAX_TIMED: usize = MAX_ROWS;
/// Seconds kept of a name: the window and those that may be ahead of it.
const SLOTS: usize = 16;

/// Requests of the last seconds by name. Names without any are forgotten.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub(crate) struct Recent {
    names: HashMap<Name, Seconds>,
    /// Names whose times are kept.
    timed: usize,
}

#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
struct Seconds {
    is_timed: bool,
    slots: [Slot; SLOTS],
}

#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
struct Slot {
    second: u64,
    requests: u64,
    failures: u64,
    /// In a box, since most of many names have none.
    times: Option<Box<Spread>>,
}

#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
struct Spread {
    response: Histogram,
    service: Histogram,
}

impl Recent {
    pub(crate) fn take(&mut self, interval: &Interval) {
        let second = interval.begin.as_secs();
        for (key, stats) in &interval.statistics.series {
            if let (SeriesKey::Http { method, name, .. }, SeriesStats::Http(stats)) = (key, stats) {
                self.of((method.clone(), name.clone())).add(second, stats);
            }
        }
    }

    fn of(&mut self, mut name: Name) -> &mut Seconds {
        if self.names.len() >= MAX_NAMES && !self.names.contains_key(&name) {
            name = ("".into(), OTHER.into());
        }
        let timed = &mut self.timed;
        self.names.entry(name).or_insert_with(|| {
            let is_timed = *timed < MAX_TIMED;
            *timed += usize::from(is_timed);
            Seconds { is_timed, slots: Default::default() }
        })
    }

    /// Seconds before this one are not asked for any more.
    pub(crate) fn forget_before(&mut self, second: u64) {
        self.names.retain(|_, seconds| seconds.keeps_from(second));
        self.timed = self.names.values().filter(|seconds| seconds.is_timed).count();
    }

    /// Requests and failures of a name.
    pub(crate) fn counts(&self, name: &Name, seconds: &Range<u64>) -> (u64, u64) {
        let slots = self.names.get(name).into_iter().flat_map(|known| known.within(seconds));
        slots.fold((0, 0), |sum, slot| (sum.0 + slot.requests, sum.1 + slot.failures))
    }

    /// Response and service time of a name. None: no requests, or a name beyond [`MAX_TIMED`].
    pub(crate) fn times(&self, name: &Name, seconds: &Range<u64>) -> [Option<Times>; 2] {
        let slots = self.names.get(name).into_iter().flat_map(|known| known.within(seconds));
        let mut sum = Spread::default();
        slots.filter_map(|slot| slot.times.as_deref()).for_each(|times| sum.merge(times));
        [Times::of(&sum.response), Times::of(&sum.service)]
    }
}

impl Spread {
    fn merge(&mut self, other: &Self) {
        self.response.merge(&other.response);
        self.service.merge(&other.service);
    }
}

impl Seconds {
    fn add(&mut self, second: u64, stats: &HttpStats) {
        let slot = &mut self.slots[second as usize % SLOTS];
        if second > slot.second {
            *slot = Slot { second, ..Slot::default() };
        }
        if second == slot.second {
            slot.requests += stats.requests;
            slot.failures += stats.failures;
            if self.is_timed {
                let times = slot.times.get_or_insert_default();
                times.response.merge(&stats.response_time);
                times.service.merge(&stats.service_time);
            }
        }
    }

    /// Empties older slots; whether anything is left.
    fn keeps_from(&mut self, second: u64) -> bool {
        for slot in self.slots.iter_mut().filter(|slot| slot.second < second) {
            *slot = Slot { second: slot.second, ..Slot::default() };
        }
        self.slots.iter().any(|slot| slot.requests > 0)
    }

    fn within(&self, seconds: &Range<u64>) -> impl Iterator<Item = &Slot> {
        self.slots.iter().filter(move |slot| seconds.contains(&slot.second))
    }
}

#[cfg(test)]
#[path = "recent_tests.rs"]
mod tests;
