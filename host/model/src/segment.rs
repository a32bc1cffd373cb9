//! A worker's share of a run.

use std::num::NonZeroU32;

use serde::{Deserialize, Serialize};

/// Share `index` of `of`: of everything that is counted from 0, the numbers `n`
/// with `n % of == index`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(try_from = "(u32, u32)", into = "(u32, u32)")]
pub struct Segment {
    index: u32,
    of: NonZeroU32,
}

/// Why a pair is no segment.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("segment {index} of {of} does not exist: the index must be below the number of segments")]
pub struct SegmentError {
    index: u32,
    of: u32,
}

impl Segment {
    /// Everything.
    pub const WHOLE: Segment = Segment { index: 0, of: NonZeroU32::MIN };

    /// Share `index` of `of`.
    pub fn new(index: u32, of: u32) -> Result<Segment, SegmentError> {
        match NonZeroU32::new(of) {
            Some(count) if index < of => Ok(Segment { index, of: count }),
            _ => Err(SegmentError { index, of }),
        }
    }

    /// Below [`Self::of`].
    pub fn index(self) -> u32 {
        self.index
    }

    /// How many shares there are.
    pub fn of(self) -> u32 {
        self.of.get()
    }

    /// Whether number `n` is in this share.
    pub fn owns(self, n: u64) -> bool {
        n % u64::from(self.of.get()) == u64::from(self.index)
    }

    /// The `k`-th number of this share.
    pub fn nth(self, k: u64) -> u64 {
        k * u64::from(self.of.get()) + u64::from(self.index)
    }

    /// How many of the numbers `0..total` are in this share.
    pub fn count_of(self, total: u64) -> u64 {
        let (index, of) = (u64::from(self.index), u64::from(self.of.get()));
        if total > index { (total - index).div_ceil(of) } else { 0 }
    }

    /// Share `index` of `of` of this share, such as one shard of a worker.
    pub fn part(self, index: u32, of: u32) -> Result<Segment, SegmentError> {
        let inner = Segment::new(index, of)?;
        let count = self.of.get().checked_mul(of).ok_or(SegmentError { index, of })?;
        Segment::new(self.index + self.of.get() * inner.index, count)
    }
}

impl TryFrom<(u32, u32)> for Segment {
    type Error = SegmentError;
    fn try_from((index, of): (u32, u32)) -> Result<Self, SegmentError> {
        Self::new(index, of)
    }
}

impl From<Segment> for (u32, u32) {
    fn from(segment: Segment) -> (u32, u32) {
        (segment.index, segment.of.get())
    }
}
