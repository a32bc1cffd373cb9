//! A histogram as a list of whole numbers, for the wire and for JSON.
//!
//! ```text
//!   []                                                   nothing recorded
//!   [min, max − min, sum low, sum high, clamped,  then for each bucket that was hit:
//!    gap to the bucket before, count, …]
//! ```
//! Postcard writes each as a varint, so one sample takes about ten bytes. What comes in is
//! believed only as far as it is consistent: buckets ascend and exist, least and greatest
//! lie in the outermost ones.

use std::fmt;

use serde::de::{Error, SeqAccess, Visitor};
use serde::ser::SerializeSeq;
use serde::{Deserialize, Deserializer, Serialize, Serializer};

use super::Histogram;
use super::layout::{BUCKETS, index_of};

const HEAD: usize = 5;

impl Serialize for Histogram {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        if self.is_empty() {
            return serializer.serialize_seq(Some(0))?.end();
        }
        let buckets = self.counts.len();
        let mut seq = serializer.serialize_seq(Some(HEAD + 2 * buckets))?;
        let (sum_low, sum_high) = (self.sum as u64, (self.sum >> 64) as u64);
        for number in [self.min, self.max - self.min, sum_low, sum_high, self.clamped] {
            seq.serialize_element(&number)?;
        }
        let mut next = 0;
        for (index, count) in self.counts.iter() {
            seq.serialize_element(&((index - next) as u64))?;
            seq.serialize_element(&count)?;
            next = index + 1;
        }
        seq.end()
    }
}

impl<'de> Deserialize<'de> for Histogram {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_seq(Numbers)
    }
}

struct Numbers;

impl<'de> Visitor<'de> for Numbers {
    type Value = Histogram;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("the numbers of a histogram")
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<Histogram, A::Error> {
        let Some(min) = seq.next_element::<u64>()? else {
            return Ok(Histogram::new());
        };
        let mut head = || seq.next_element::<u64>()?.ok_or_else(|| A::Error::custom("cut off"));
        let (span, sum_low, sum_high, clamped) = (head()?, head()?, head()?, head()?);
        let max = min.checked_add(span).filter(|max| *max <= Histogram::MAX);
        let max = max.ok_or_else(|| A::Error::custom("greatest value out of range"))?;

        let mut histogram = Histogram::new();
        let mut next = 0_usize;
        let (mut first, mut last) = (None, 0);
        while let Some(gap) = seq.next_element::<u64>()? {
            let index = usize::try_from(gap).ok().and_then(|gap| next.checked_add(gap));
            let index = index.filter(|index| *index < BUCKETS);
            let index = index.ok_or_else(|| A::Error::custom("bucket out of range"))?;
            let count = seq.next_element::<u64>()?.filter(|count| *count > 0);
            let count = count.ok_or_else(|| A::Error::custom("bucket without a count"))?;
            let total = histogram.total.checked_add(count);
            histogram.total = total.ok_or_else(|| A::Error::custom("counts overflow"))?;
            histogram.counts.add(index, count);
            first.get_or_insert(index);
            last = index;
            next = index + 1;
        }
        if first != Some(index_of(min)) || last != index_of(max) || clamped > histogram.total {
            return Err(A::Error::custom("buckets do not fit least and greatest value"));
        }
        histogram.sum = u128::from(sum_high) << 64 | u128::from(sum_low);
        if histogram.sum > u128::from(max) * u128::from(histogram.total)
            || histogram.sum < u128::from(min) * u128::from(histogram.total)
        {
            return Err(A::Error::custom("sum does not fit the counts"));
        }
        Ok(Histogram { min, max, clamped, ..histogram })
    }
}
