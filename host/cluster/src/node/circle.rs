//! What this master knows of all masters, as plain data for the page.

use std::sync::Arc;
use std::time::Duration;

use loadhost_control::view::{MasterView, MastersView};
use loadhost_model::id::Incarnation;
use tokio::sync::watch;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use super::LOOK;
use crate::lease::Leadership;
use crate::masters::{MasterPresence, Seen};

/// Where it comes from.
pub(super) struct Circle<Ready> {
    pub(super) own: Incarnation,
    pub(super) masters: watch::Receiver<Vec<MasterPresence>>,
    pub(super) seen: watch::Receiver<Seen>,
    pub(super) leadership: watch::Receiver<Leadership>,
    /// See [`super::Node::readiness`].
    pub(super) ready: Ready,
}

impl<Ready: Fn() -> Result<(), String>> Circle<Ready> {
    /// Shows it until `stop`, whenever it is something else.
    pub(super) async fn show(
        mut self,
        show: watch::Sender<Arc<MastersView>>,
        stop: CancellationToken,
    ) {
        loop {
            let view = self.view(Instant::now());
            show.send_if_modified(|shown| {
                let is_news = **shown != view;
                if is_news {
                    *shown = Arc::new(view);
                }
                is_news
            });
            tokio::select! {
                () = stop.cancelled() => return,
                Ok(()) = self.masters.changed() => {}
                () = tokio::time::sleep(LOOK) => {}
            }
        }
    }

    fn view(&mut self, now: Instant) -> MastersView {
        // First: it looks at the same channels, and no two looks at one may overlap.
        let trouble = (self.ready)().err();
        let (masters, seen) = (self.masters.borrow_and_update(), self.seen.borrow());
        let leadership = self.leadership.borrow();
        let leader = leadership.leader();
        let own = masters.iter().find(|master| master.incarnation == self.own);
        let own = own.map(|own| own.id.clone()).unwrap_or_default();
        let of = |master: &MasterPresence| {
            let heard = seen.get(&master.incarnation).filter(|_| master.incarnation != self.own);
            let silent = heard.map_or(0, |heard| now.saturating_duration_since(*heard).as_secs());
            MasterView {
                id: master.id.clone(),
                incarnation: master.incarnation,
                url: master.url.clone(),
                release: master.release.clone(),
                priority: master.priority,
                term: master.term,
                acting: master.acting,
                draining: master.draining,
                silent: Duration::from_secs(silent),
            }
        };
        MastersView {
            own,
            leader: leader.map(|leader| leader.id.clone()),
            term: leader.map(|leader| leader.epoch),
            trouble,
            masters: masters.iter().map(of).collect(),
        }
    }
}
