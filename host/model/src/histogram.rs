//! Distributions of times, to three significant digits.
//!
//! [`Histogram`] counts in the buckets of an HDR histogram, but holds only the pages of
//! buckets that were hit, because ten thousand series of 136 KB each do not fit.

use serde::{Deserialize, Serialize};

/// A distribution of whole numbers, usually microseconds.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Histogram {
    counts: std::collections::BTreeMap<u32, u64>,
    sum: u128,
    min: u64,
    max: u64,
    total: u64,
}
