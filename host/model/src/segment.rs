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

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::expect_used)]

    use proptest::prelude::*;

    use super::*;

    #[test]
    fn a_share_beyond_the_last_does_not_exist() {
        assert!(Segment::new(0, 0).is_err() && Segment::new(3, 3).is_err());
        assert_eq!(serde_json::from_str::<Segment>("[2,3]").unwrap(), Segment::new(2, 3).unwrap());
        let error = serde_json::from_str::<Segment>("[3,3]").unwrap_err().to_string();
        assert!(error.contains("segment 3 of 3 does not exist"), "{error}");
    }

    proptest! {
        #[test]
        fn each_number_has_one_owner(n: u64, of in 1_u32..1000) {
            let segments = (0..of).map(|index| Segment::new(index, of).unwrap());
            prop_assert_eq!(segments.filter(|segment| segment.owns(n)).count(), 1);
        }

        #[test]
        fn a_share_is_what_its_parts_are(index in 0_u32..5, parts in 1_u32..8, total in 0_u64..500) {
            let whole = Segment::new(index, 5).unwrap();
            let owned = |segment: Segment| (0..total).filter(move |n| segment.owns(*n));
            let mut all: Vec<u64> =
                (0..parts).flat_map(|part| owned(whole.part(part, parts).unwrap())).collect();
            all.sort_unstable();
            let expected: Vec<u64> = owned(whole).collect();
            prop_assert_eq!(whole.count_of(total), expected.len() as u64);
            prop_assert!(expected.iter().enumerate().all(|(k, n)| whole.nth(k as u64) == *n));
            prop_assert_eq!(all, expected);
        }
    }
}
