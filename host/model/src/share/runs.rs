//! A share as text: its slots as runs of equal steps, so that a stripe is three numbers.

use serde::{Deserialize, Serialize};

use super::{Share, ShareError, slots_of};

/// How many slots there are, and `(first, step, count)` of each run, ascending.
#[derive(Debug, Serialize, Deserialize)]
pub(super) struct Encoded(u32, Vec<(u32, u32, u32)>);

impl From<Share> for Encoded {
    fn from(share: Share) -> Self {
        let mut runs: Vec<(u32, u32, u32)> = Vec::new();
        for &slot in &*share.slots {
            match runs.last_mut() {
                Some((first, step, count @ 1)) => (*step, *count) = (slot - *first, 2),
                Some((first, step, count)) if *first + *step * *count == slot => *count += 1,
                // Two slots are no run; the second may begin one.
                Some((first, step, count @ 2)) => {
                    let second = *first + *step;
                    (*step, *count) = (1, 1);
                    runs.push((second, slot - second, 2));
                }
                _ => runs.push((slot, 1, 1)),
            }
        }
        Encoded(share.of.get(), runs)
    }
}

impl TryFrom<Encoded> for Share {
    type Error = ShareError;

    /// Allocates no more than the number of slots asks for.
    fn try_from(Encoded(of, runs): Encoded) -> Result<Self, ShareError> {
        let of = slots_of(of)?;
        let mut slots: Vec<u32> = Vec::new();
        for (first, step, count) in runs {
            for i in 0..u64::from(count) {
                let slot = u64::from(first) + u64::from(step) * i;
                let slot = u32::try_from(slot).unwrap_or(u32::MAX);
                if slot >= of.get() {
                    return Err(ShareError::Beyond { slot, of: of.get() });
                }
                if slots.last().is_some_and(|last| slot <= *last) {
                    return Err(ShareError::Order { slot });
                }
                slots.push(slot);
            }
        }
        Ok(Share { of, slots: slots.into() })
    }
}
