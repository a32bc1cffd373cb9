//! Shares over time: what one holds now, and what it is to hold from a moment on.

use std::time::Duration;

use super::{Share, ShareError};

/// Changes that are remembered. More of them at once would be of no use: a worker is given a
/// share only after it has confirmed the one before.
const MAX_SPANS: usize = 16;

/// Which share holds when, by time since the start of the run.
///
/// It remembers shares that are past, so that who follows late leaves nothing out.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Timeline {
    /// Ascending; each holds until the next begins. Before the first, nothing is held.
    spans: Vec<(Duration, Share)>,
}

impl Timeline {
    /// This share from a moment on, and nothing before.
    pub fn new(from: Duration, share: Share) -> Self {
        Self { spans: vec![(from, share)] }
    }

    /// This share, always.
    pub fn always(share: Share) -> Self {
        Self::new(Duration::ZERO, share)
    }

    /// From `from` on another share holds, whatever was to come at that moment or later.
    pub fn change(&mut self, from: Duration, share: Share) {
        let is_first = self.spans.first().is_some_and(|(first, _)| from <= *first);
        self.spans.retain(|(begin, _)| *begin < from);
        if is_first || self.last().is_none_or(|last| *last != share) {
            self.spans.push((from, share));
        }
        if self.spans.len() > MAX_SPANS {
            self.spans.remove(0);
        }
    }

    /// From `from` on more is held, whatever else was to change or has changed since: `more` than
    /// in the end.
    ///
    /// # Errors
    /// If it is not of the same number of slots.
    pub fn gain(&mut self, from: Duration, more: &Share) -> Result<(), ShareError> {
        let before = match self.at(from) {
            Some(share) => share.clone(),
            None => more.minus(more)?,
        };
        for (_, share) in self.spans.iter_mut().filter(|(begin, _)| *begin > from) {
            *share = share.union(more)?;
        }
        let next = self.spans.partition_point(|(begin, _)| *begin < from);
        let is_there = self.spans.get(next).is_some_and(|(begin, _)| *begin == from);
        let span = (from, before.union(more)?);
        self.spans.splice(next..next + usize::from(is_there), [span]);
        if self.spans.len() > MAX_SPANS {
            self.spans.remove(0);
        }
        Ok(())
    }

    /// What holds at this moment. None: nothing was given yet.
    pub fn at(&self, at: Duration) -> Option<&Share> {
        let next = self.spans.partition_point(|(from, _)| *from <= at);
        self.spans[..next].last().map(|(_, share)| share)
    }

    /// What holds in the end.
    pub fn last(&self) -> Option<&Share> {
        self.spans.last().map(|(_, share)| share)
    }

    /// How many slots the run has.
    pub fn of(&self) -> u32 {
        self.last().map_or(1, Share::of)
    }

    /// From when on each share holds, in order.
    pub fn spans(&self) -> &[(Duration, Share)] {
        &self.spans
    }

    /// The same, by time since `start`: what begins before holds from there.
    pub fn since(&self, start: Duration) -> Timeline {
        let mut since = Self { spans: Vec::new() };
        for (from, share) in &self.spans {
            since.change(from.saturating_sub(start), share.clone());
        }
        since
    }

    /// The same moments with other shares.
    pub fn map(&self, map: impl Fn(&Share) -> Share) -> Timeline {
        Self { spans: self.spans.iter().map(|(from, share)| (*from, map(share))).collect() }
    }

    /// The same moments with other shares.
    ///
    /// # Errors
    /// The first of `map`.
    pub fn try_map(
        &self,
        map: impl Fn(&Share) -> Result<Share, ShareError>,
    ) -> Result<Timeline, ShareError> {
        let spans = self.spans.iter().map(|(from, share)| Ok((*from, map(share)?)));
        Ok(Self { spans: spans.collect::<Result<_, _>>()? })
    }
}
