//! Who takes part in a run, with which share.
//!
//! Shares are equal stripes ([`Share`]); weighted ones and moving users between workers
//! have their place here.

use loadhost_model::id::WorkerId;
use loadhost_model::share::{Share, ShareError};
use loadhost_model::wire::WorkerState;

use super::registry::Worker;
use super::run::Part;
use crate::view::Liveness;

/// A worker that could take part.
#[derive(Debug, Clone)]
pub(crate) struct Candidate {
    pub(crate) worker: WorkerId,
    pub(crate) incarnation: loadhost_model::id::Incarnation,
    pub(crate) capacity: u32,
}

/// Why a worker cannot take part, for people. None: it can.
pub(crate) fn obstacle(worker: &Worker, taken: bool) -> Option<String> {
    let status = &worker.status;
    if worker.liveness == Liveness::Lost {
        return Some("lost".to_string());
    }
    if status.draining {
        return Some("draining".to_string());
    }
    if taken {
        return Some("busy".to_string());
    }
    match &status.state {
        WorkerState::Failed { code, .. } if status.run.is_none() => Some(format!("failed: {code}")),
        _ if status.capacity == 0 => Some("no capacity".to_string()),
        _ => None,
    }
}

/// The candidates that take part. Those that are too small for an equal share are left out as
/// long as the others suffice; where nobody suffices all take part, and the workers say
/// themselves what they lack.
pub(crate) fn choose(mut candidates: Vec<Candidate>, users: u32) -> Vec<Candidate> {
    candidates.sort_by(|a, b| b.capacity.cmp(&a.capacity).then_with(|| a.worker.cmp(&b.worker)));
    let fits = |count: usize| {
        let share = users.div_ceil(u32::try_from(count).unwrap_or(u32::MAX));
        candidates[count - 1].capacity >= share
    };
    let count = (1..=candidates.len()).rev().find(|count| fits(*count)).unwrap_or(candidates.len());
    candidates.truncate(count);
    candidates.sort_by(|a, b| a.worker.cmp(&b.worker));
    candidates
}

/// One stripe for each, in order of their names.
pub(crate) fn parts(chosen: Vec<Candidate>) -> Result<Vec<Part>, ShareError> {
    let of = u32::try_from(chosen.len()).unwrap_or(u32::MAX);
    (0..of)
        .zip(chosen)
        .map(|(index, candidate)| {
            Ok(Part::new(candidate.worker, candidate.incarnation, Share::stripe(index, of)?))
        })
        .collect()
}

/// How many users of a run fit, up to `wanted`, given the shares of its workers and their room.
pub(crate) fn fitting<'a>(shares: impl Iterator<Item = (&'a Share, u32)>, wanted: u32) -> u32 {
    // Shares only grow with the whole, so what fits a share is found by halving.
    let of_one = |share: &Share, room: u32| {
        let (mut fits, mut too_many) = (0, u64::from(wanted) + 1);
        while too_many - fits > 1 {
            let middle = fits + (too_many - fits) / 2;
            match share.count_of(middle) <= u64::from(room) {
                true => fits = middle,
                false => too_many = middle,
            }
        }
        fits as u32 // at most `wanted`
    };
    shares.map(|(share, room)| of_one(share, room)).min().unwrap_or(wanted)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use loadhost_model::id::Incarnation;

    use super::*;

    fn check(capacities: &[u32], users: u32, expected: &str) {
        let candidates = capacities
            .iter()
            .enumerate()
            .map(|(i, capacity)| Candidate {
                worker: WorkerId::new(format!("w{i}")).unwrap(),
                incarnation: Incarnation(1),
                capacity: *capacity,
            })
            .collect();
        let parts = parts(choose(candidates, users)).unwrap();
        let text: Vec<String> = parts
            .iter()
            .map(|part| format!("{}:{}/{}", part.worker, part.share.place().0, part.share.place().1))
            .collect();
        assert_eq!(text.join(" "), expected, "{capacities:?} for {users} users");
    }

    #[test]
    fn as_many_users_fit_as_the_smallest_worker_allows() {
        let check = |rooms: &[u32], wanted: u32, expected: u32| {
            let of = rooms.len() as u32;
            let shares: Vec<_> = (0..of).map(|index| Share::stripe(index, of).unwrap()).collect();
            let fits = fitting(shares.iter().zip(rooms.iter().copied()), wanted);
            assert_eq!(fits, expected, "{wanted} users on {rooms:?}");
            assert!(shares.iter().zip(rooms).all(|(share, room)| {
                share.count_of(fits.into()) <= u64::from(*room)
            }));
        };
        check(&[100], 50, 50);
        check(&[100], 500, 100);
        check(&[100, 100, 100], 500, 300);
        check(&[10, 100], 500, 20);
        check(&[100, 10], 500, 21); // the first of two takes the odd one
        check(&[0, 10], 500, 0);
        check(&[u32::MAX], u32::MAX, u32::MAX);
    }

    #[test]
    fn equal_stripes_for_all_that_can_carry_one() {
        check(&[100], 50, "w0:0/1");
        check(&[100, 100, 100], 300, "w0:0/3 w1:1/3 w2:2/3");
        check(&[100, 5, 100], 150, "w0:0/2 w2:1/2"); // a third is more than w1 can carry
        check(&[100, 5, 100], 15, "w0:0/3 w1:1/3 w2:2/3");
        check(&[10, 10], 500, "w0:0/2 w1:1/2"); // nobody suffices: the workers refuse, with figures
    }
}
