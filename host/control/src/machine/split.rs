//! Who can take part in a run.

use loadhost_model::id::{Incarnation, WorkerId};
use loadhost_model::plan::RunPlan;
use loadhost_model::share::Share;
use loadhost_model::wire::WorkerState;

use super::registry::Worker;
use super::run::Part;
use crate::view::Liveness;

/// Why a worker cannot take part, for people. None: it can.
pub(crate) fn obstacle(worker: &Worker, plan: &RunPlan) -> Option<String> {
    let status = &worker.status;
    if worker.liveness == Liveness::Lost {
        return Some("lost".to_string());
    }
    if worker.is_draining() {
        return Some("draining".to_string());
    }
    if let Some(placement) =
        plan.fleet.placement.as_ref().filter(|placement| !placement.matches(&status.tags))
    {
        return Some(format!("its tags do not match `{placement}`"));
    }
    match &status.state {
        WorkerState::Failed { code, .. } if status.run.is_none() => Some(format!("failed: {code}")),
        _ if status.capacity == 0 => Some("no capacity".to_string()),
        _ => None,
    }
}

/// A part for each, in order of their names; slots are dealt to them next.
pub(crate) fn parts(mut workers: Vec<(WorkerId, Incarnation)>) -> Vec<Part> {
    workers.sort();
    let part = |(seat, (worker, incarnation))| Part::new(seat, worker, incarnation, Share::whole());
    (0..).zip(workers).map(part).collect()
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
    use super::*;

    #[test]
    fn as_many_users_fit_as_the_smallest_worker_allows() {
        let check = |rooms: &[u32], wanted: u32, expected: u32| {
            let of = rooms.len() as u32;
            let shares: Vec<_> = (0..of).map(|index| Share::stripe(index, of).unwrap()).collect();
            let fits = fitting(shares.iter().zip(rooms.iter().copied()), wanted);
            assert_eq!(fits, expected, "{wanted} users on {rooms:?}");
            assert!(
                shares
                    .iter()
                    .zip(rooms)
                    .all(|(share, room)| { share.count_of(fits.into()) <= u64::from(*room) })
            );
        };
        check(&[100], 50, 50);
        check(&[100], 500, 100);
        check(&[100, 100, 100], 500, 300);
        check(&[10, 100], 500, 20);
        check(&[100, 10], 500, 21); // the first of two takes the odd one
        check(&[0, 10], 500, 0);
        check(&[u32::MAX], u32::MAX, u32::MAX);
    }
}
