//! Users that follow a curve, each running tasks one after the other.

use loadhost_model::profile::{Curve, Load, Phase};
use loadhost_model::schedule::users_wanted;
use loadhost_model::share::Share;

use crate::load::crew::{Crew, ticks};
use crate::load::governor::ALL;
use crate::load::shard::Post;
use crate::load::source::Source;
use crate::load::vu::VuFactory;

/// Follows the curve until it is over or the orders say to stop; then lets the users leave.
pub(super) async fn run<F: VuFactory>(mut post: Post<F>, mut crew: Crew<F>) {
    let mut now = post.begin().await;
    let mut shares = post.shares();
    let mut tick = ticks();
    // What the crew was last brought to. None: somebody has left since.
    let mut known = None;
    while let Some(phase) = &now {
        let at = post.elapsed(phase);
        let Some(wanted) = users(phase).and_then(|users| users_wanted(users, at)) else { break };
        if let Some(share) = shares.at(post.now()) {
            if crew.hold(Some(share)) {
                known = None;
            }
            let wanted = allowed(crew.share_of(wanted), post.shard.team.allowed());
            if known != Some(wanted) {
                adjust(&mut crew, share, known.unwrap_or(0), wanted).await;
            }
            known = Some(wanted);
        }
        tokio::select! {
            _ = tick.tick() => crew.call_over(),
            () = crew.someone_left() => known = None,
            () = post.changed() => (now, shares) = (post.phase(), post.shares()),
        }
    }
    crew.dismiss(post.stop).await;
}

/// What is left of so many users if this many thousandths of the load are made.
fn allowed(users: u32, thousandths: u32) -> u32 {
    let users = u64::from(users) * u64::from(thousandths) / u64::from(ALL);
    u32::try_from(users).unwrap_or(u32::MAX)
}

fn users(phase: &Phase) -> Option<&Curve> {
    match &phase.load {
        Load::Closed { users } | Load::Shaped { users } => Some(users),
        _ => None,
    }
}

/// Goes to the first `wanted` users of the share, of which the first `known` are there.
async fn adjust<F: VuFactory>(crew: &mut Crew<F>, share: &Share, known: u32, wanted: u32) {
    let end = share.nth(u64::from(wanted)).unwrap_or(0);
    if wanted <= known || known == 0 {
        crew.keep(|number| share.owns(number) && number < end);
    }
    for k in u64::from(known)..u64::from(wanted) {
        let Some(number) = share.nth(k) else { return };
        crew.ensure(number, || Source::Endless).await;
    }
}
