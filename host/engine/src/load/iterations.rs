//! A number of iterations, shared by all users or of each.

use loadhost_model::profile::Load;
use loadhost_model::schedule::users_of;
use loadhost_model::share::Share;

use crate::load::crew::Crew;
use crate::load::shard::{Post, until};
use crate::load::source::Source;
use crate::load::vu::VuFactory;

/// Starts all users at once and waits until they have done their iterations.
pub(super) async fn run<F: VuFactory>(mut post: Post<F>, mut crew: Crew<F>) {
    let Some((phase, share)) = post.begin().await else { return };
    let (users, source, max_duration) = match phase.load {
        Load::SharedIterations { users, iterations, max_duration } => {
            let own = worker_share(post.shard.context.worker, users, iterations);
            let left = post.shard.team.iterations(&phase.name, own);
            (users, Source::Shared(left), max_duration)
        }
        Load::UserIterations { users, iterations, max_duration } => {
            (users, Source::Own(iterations), max_duration)
        }
        _ => return,
    };
    for k in 0..u64::from(users_of(&share, users)) {
        let Some(number) = share.nth(k) else { break };
        crew.ensure(number, || source.clone()).await;
    }
    let end = max_duration.map(|most| post.shard.context.clock.instant(phase.start + most));
    while crew.size() > 0 {
        tokio::select! {
            () = crew.someone_left() => {}
            () = until(end) => break,
            _ = post.orders.changed() => if post.phase().is_none() { break },
        }
    }
    crew.dismiss(post.orders).await;
}

/// How many of the run's shared iterations a worker does: all workers that have a user
/// share them evenly.
fn worker_share((index, of): (u32, u32), users: u32, iterations: u64) -> u64 {
    let with_users = of.min(users);
    Share::stripe(index, with_users).map_or(0, |share| share.count_of(iterations))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn workers_share_all_iterations_and_give_none_to_those_without_users() {
        for (users, workers, iterations) in [(1, 3, 10), (2, 3, 11), (7, 3, 1000), (9, 1, 5)] {
            let shares: Vec<u64> =
                (0..workers).map(|w| worker_share((w, workers), users, iterations)).collect();
            assert_eq!(shares.iter().sum::<u64>(), iterations);
            assert!(shares.iter().skip(users as usize).all(|share| *share == 0), "{shares:?}");
        }
    }
}
