//! A number of iterations, shared by all users or of each.

use loadhost_model::profile::Load;
use loadhost_model::schedule::users_of;

use crate::load::crew::{Crew, ticks};
use crate::load::shard::{Post, until};
use crate::load::source::Source;
use crate::load::vu::VuFactory;

/// Starts all users at once and waits until they have done their iterations.
///
/// Iterations are not bound to a moment, so they do not move: who has a slot when the phase
/// begins does its iterations, and who gains it later does none.
pub(super) async fn run<F: VuFactory>(mut post: Post<F>, mut crew: Crew<F>) {
    let Some(phase) = post.begin().await else { return };
    let Some(share) = post.shares().at(phase.start).cloned() else { return };
    let (users, source, max_duration) = match phase.load {
        Load::SharedIterations { users, max_duration, .. } => {
            let whole = post.share_of_worker(phase.start);
            let own = whole.map_or(0, |whole| phase.load.iterations_of(&whole));
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
    let mut tick = ticks();
    while crew.size() > 0 {
        tokio::select! {
            _ = tick.tick() => crew.call_over(),
            () = crew.someone_left() => {}
            () = until(end) => break,
            () = post.changed() => if post.phase().is_none() { break },
        }
    }
    crew.dismiss(post.stop).await;
}
