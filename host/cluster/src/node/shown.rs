//! Views of the fleet: from the coordinator in this process to the other masters, or from the
//! leader's to this one, so that each master shows the same.

use std::collections::HashMap;
use std::future::pending;
use std::sync::Arc;
use std::time::Duration;

use async_nats::{Message, Subscriber};
use futures_util::StreamExt;
use loadhost_control::view::RunState;
use loadhost_control::{FleetView, RunView};
use loadhost_model::id::{RunId, Term};
use loadhost_model::wire::LogLine;
use serde::{Deserialize, Serialize};
use tokio::sync::{broadcast, watch};
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use super::reign::Reign;
use crate::connect::Connection;
use crate::masters::MasterPresence;
use crate::pieces::{self, Joined, Whole};
use crate::subjects::{Names, worker_of};

/// Between two views for other masters.
const PACE: Duration = Duration::from_millis(500);
/// The views of runs that are over go out again this often, for masters that came later.
const AGAIN: Duration = Duration::from_secs(30);

/// A view on its way. Runs that are over do not change, so they are not in each.
#[derive(Serialize, Deserialize)]
struct Sent {
    view: FleetView,
    /// All runs of the view, in its order.
    order: Vec<RunId>,
}

/// Shows what the leader shows.
pub(super) struct Shown {
    connection: Connection,
    names: Names,
    show: watch::Sender<Arc<FleetView>>,
    masters: watch::Receiver<Vec<MasterPresence>>,
    whole: Whole,
    sent: Instant,
    number: u64,
    /// Runs that are over, and when their views went out last.
    over: HashMap<RunId, Instant>,
    /// As many as the leader has in its own view.
    kept: HashMap<RunId, Arc<RunView>>,
    /// In which this master led last. Views of it are its own.
    led: Option<Term>,
}

impl Shown {
    pub(super) fn new(
        connection: Connection,
        names: Names,
        show: watch::Sender<Arc<FleetView>>,
        masters: watch::Receiver<Vec<MasterPresence>>,
    ) -> Self {
        Self {
            connection,
            names,
            show,
            masters,
            whole: Whole::default(),
            sent: Instant::now(),
            number: 0,
            over: HashMap::new(),
            kept: HashMap::new(),
            led: None,
        }
    }

    pub(super) async fn follow(
        mut self,
        mut reigning: watch::Receiver<Option<Reign>>,
        mut views: Subscriber,
        stop: CancellationToken,
    ) {
        loop {
            let reign = reigning.borrow_and_update().clone();
            let goes_on = async {
                match &reign {
                    Some(reign) => self.show_own(reign, &mut views).await,
                    None => self.show_leaders(&mut views).await,
                }
            };
            let goes_on = tokio::select! {
                () = stop.cancelled() => return,
                changed = reigning.changed() => changed.is_ok(),
                goes_on = goes_on => goes_on,
            };
            if !goes_on {
                return;
            }
        }
    }

    /// For as long as this master leads, and until it is known that it does no longer.
    async fn show_own(&mut self, reign: &Reign, views: &mut Subscriber) -> bool {
        let mut own = reign.handle.view();
        self.led = Some(reign.term());
        self.over.clear();
        self.whole = Whole::default();
        loop {
            let view = own.borrow_and_update().clone();
            // A new coordinator has seen nothing before its first look around.
            if view.term == reign.term() {
                self.show.send_replace(view.clone());
                if self.masters.borrow().len() > 1 {
                    self.send(&view).await;
                }
            }
            next(&mut own, views).await;
        }
    }

    async fn send(&mut self, view: &FleetView) {
        let now = Instant::now();
        let ends = |run: &&Arc<RunView>| run.state == RunState::Finished;
        let news = view.runs.iter().filter(ends).any(|run| !self.over.contains_key(&run.run));
        if now < self.sent + PACE && !news {
            return;
        }
        self.sent = now;
        let is_due = |run: &Arc<RunView>| {
            let last = self.over.get(&run.run);
            run.state != RunState::Finished || last.is_none_or(|last| *last + AGAIN <= now)
        };
        let runs: Vec<_> = view.runs.iter().filter(|run| is_due(run)).cloned().collect();
        let order: Vec<_> = view.runs.iter().map(|run| run.run.clone()).collect();
        self.over.retain(|run, _| order.contains(run));
        for run in runs.iter().filter(ends) {
            self.over.insert(run.run.clone(), now);
        }
        let sent = Sent { view: FleetView { runs, ..view.clone() }, order };
        let body = serde_json::to_vec(&sent).unwrap_or_default();
        self.number += 1;
        let subject = self.names.view().into();
        if !pieces::send(&self.connection, subject, self.number, &body).await {
            self.connection.counters().views_incomplete.one();
        }
    }

    /// The next view of the leader. False: no more come.
    async fn show_leaders(&mut self, views: &mut Subscriber) -> bool {
        let Some(message) = views.next().await else { return false };
        match self.whole.take(&message) {
            Joined::Whole(body) => match serde_json::from_slice::<Sent>(&body) {
                Ok(sent) => self.show_sent(sent),
                Err(error) => tracing::warn!(%error, "the leader's view is not understood"),
            },
            Joined::Torn => self.connection.counters().views_incomplete.one(),
            Joined::Open => {}
        }
        true
    }

    fn show_sent(&mut self, Sent { mut view, order }: Sent) {
        if view.term < self.show.borrow().term || Some(view.term) == self.led {
            return; // Of a leader that is over.
        }
        for run in std::mem::take(&mut view.runs) {
            self.kept.insert(run.run.clone(), run);
        }
        self.kept.retain(|run, _| order.contains(run));
        view.runs = order.iter().filter_map(|run| self.kept.get(run).cloned()).collect();
        self.show.send_replace(Arc::new(view));
    }
}

/// Waits for the next view of the coordinator in this process; for ever if it has ended. What is
/// sent to others comes back: left to wait, it would be shown when another master leads.
async fn next(own: &mut watch::Receiver<Arc<FleetView>>, views: &mut Subscriber) {
    let news = async {
        if own.changed().await.is_err() {
            pending::<()>().await;
        }
    };
    let returned = async {
        while views.next().await.is_some() {}
        pending::<()>().await;
    };
    tokio::select! {
        () = news => {}
        () = returned => {}
    }
}

/// Lines of guests' logs: workers publish them for every master, whoever leads.
pub(super) async fn logs(
    connection: Connection,
    mut lines: Subscriber,
    say: broadcast::Sender<Arc<LogLine>>,
    stop: CancellationToken,
) {
    while let Some(Some(message)) = stop.run_until_cancelled(lines.next()).await {
        match line_in(&message) {
            // Nobody may be listening, and that is fine.
            Some(line) => drop(say.send(Arc::new(line))),
            None => connection.counters().logs_dropped.one(),
        }
    }
}

/// A worker may speak for itself only: an access list ties it to its subject.
fn line_in(message: &Message) -> Option<LogLine> {
    let line = LogLine::from_json(&message.payload).ok()?;
    (worker_of(&message.subject) == Some(line.worker.as_str())).then_some(line)
}
