//! What is lost with a worker.

use std::time::Duration;

use loadhost_model::text::format_duration;

use super::super::run::{Part, Run};
use super::super::{Machine, Now};
use crate::view::Loss;

/// What people are told of times is rounded up to this.
const FINE_ENOUGH: Duration = Duration::from_millis(100);

impl Machine {
    /// What is lost if a worker that has a part in a run is gone.
    pub(super) fn loss(&self, now: Now, run: &Run, at: usize) -> Option<Loss> {
        let part = run.parts.get(at)?;
        let (elapsed, share) = (run.elapsed(now.mono), part.share.fraction());
        Some(Loss {
            worker: part.worker.clone(),
            at: elapsed,
            share,
            unmeasured: unmeasured(run, part, elapsed),
            moved: false,
            // Without a share there is nothing that others could take over.
            served: (share == 0.0).then_some(elapsed),
            returned: None,
        })
    }
}

/// For how long at most a worker has made load of which nothing came in.
fn unmeasured(run: &Run, part: &Part, elapsed: Duration) -> Duration {
    let has_nothing_since = |wall: u64| {
        let start = run.started.map_or(0, |start| start.wall);
        let since = Duration::from_micros(wall.saturating_sub(start));
        run.aggregate.rests_since(&part.worker, since)
    };
    let rests = part.share.is_empty() && part.has_confirmed();
    if !part.has_worked || (rests && has_nothing_since(part.holds_since())) {
        return Duration::ZERO;
    }
    let measured = run.aggregate.measured(&part.worker).max(part.measured_from);
    elapsed.saturating_sub(measured)
}

/// Whether the process that has a part ended its work by itself, and all that it measured is here.
pub(super) fn left_in_order(run: &Run, at: usize) -> bool {
    run.parts.get(at).is_some_and(|part| {
        let is_measured = run.aggregate.measured(&part.worker) >= part.measured_from;
        is_measured && run.aggregate.ledger.has_ended(&part.worker, part.incarnation)
    })
}

/// What people are told of a loss.
pub(super) fn told(loss: &Loss) -> String {
    let (percent, unmeasured) = (100.0 * loss.share, rounded_up(loss.unmeasured));
    let measurements =
        format!("up to {} of its measurements are lost", format_duration(unmeasured));
    if loss.share == 0.0 && unmeasured.is_zero() {
        "it had no share of the load".to_string()
    } else if loss.share == 0.0 {
        format!("it had no share of the load any more; {measurements}")
    } else if loss.moved {
        format!(
            "its share, {percent:.1} % of the load, goes to others; {measurements}, and if it is only cut off, its users \
             run twice until it stops itself"
        )
    } else {
        format!("{percent:.1} % of the load is missing until it is back")
    }
}

fn rounded_up(time: Duration) -> Duration {
    let steps = time.as_nanos().div_ceil(FINE_ENOUGH.as_nanos());
    FINE_ENOUGH.saturating_mul(u32::try_from(steps).unwrap_or(u32::MAX))
}

/// Iterations of a worker that are not known to have been made, and how many it was to make.
pub(super) fn open_iterations(run: &Run, at: usize) -> (u64, u64) {
    let Some(part) = run.parts.get(at) else { return (0, 0) };
    let planned = run.plan.profile.iterations_of(&part.share);
    (planned.saturating_sub(run.aggregate.ledger.iterations_of(&part.worker)), planned)
}

/// What people are told of these; nothing if there are none.
pub(super) fn unconfirmed(run: &Run, at: usize) -> String {
    match open_iterations(run, at) {
        (0, _) => String::new(),
        (open, planned) => format!(
            "; {open} of its {planned} iterations were not confirmed and are not made up for"
        ),
    }
}
