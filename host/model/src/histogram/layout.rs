//! Which bucket a value falls into: the layout of an HDR histogram with three digits.
//!
//! ```text
//!   values   0 … 2047     2048 … 4095   4096 … 8191   …
//!   width    1            2             4             …     relative error < 1/1024
//!   index    0 … 2047     2048 … 3071   3072 … 4095   …
//! ```

/// Significant digits.
pub(super) const DIGITS: u8 = 3;

/// log2 of the buckets of width 1: 2048 is the least power of two above 2 · 10³.
const SUB_BITS: u32 = 11;
const SUB_COUNT: u64 = 1 << SUB_BITS;
const HALF_BITS: u32 = SUB_BITS - 1;
const HALF: u64 = SUB_COUNT / 2;

/// The greatest value with a bucket.
pub(super) const MAX: u64 = (1 << 42) - 1;

/// How many buckets there are.
pub(super) const BUCKETS: usize = index_of(MAX) + 1;

/// The bucket of `value`, which must not exceed [`MAX`].
#[inline]
pub(super) const fn index_of(value: u64) -> usize {
    let shift = u64::BITS - SUB_BITS - (value | (SUB_COUNT - 1)).leading_zeros();
    (((shift as u64) << HALF_BITS) + (value >> shift)) as usize
}

/// The least value of a bucket.
pub(super) const fn lowest(index: usize) -> u64 {
    let index = index as u64;
    if index < SUB_COUNT { index } else { ((index % HALF) + HALF) << shift_of(index) }
}

/// The greatest value of a bucket.
pub(super) const fn highest(index: usize) -> u64 {
    let shift = if (index as u64) < SUB_COUNT { 0 } else { shift_of(index as u64) };
    lowest(index) + (1 << shift) - 1
}

const fn shift_of(index: u64) -> u32 {
    (index >> HALF_BITS) as u32 - 1
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn buckets_follow_each_other_without_gap() {
        for index in 1..BUCKETS {
            assert_eq!(lowest(index), highest(index - 1) + 1, "bucket {index}");
            assert_eq!(index_of(lowest(index)), index);
            assert_eq!(index_of(highest(index)), index);
        }
        assert_eq!(highest(BUCKETS - 1), MAX);
    }

    #[test]
    fn a_bucket_is_narrower_than_a_thousandth_of_its_values() {
        for index in 1..BUCKETS {
            let width = highest(index) - lowest(index);
            assert!(width * 1000 <= lowest(index), "bucket {index} is {width} wide");
        }
    }
}
