//! Follows the fleet's views, once a second at most, and tells all feeds what changed.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use loadhost_control::view::Point;
use loadhost_control::{FleetView, Handle, RunView};
use loadhost_model::id::RunId;
use tokio::sync::broadcast::error::RecvError;
use tokio::task::JoinSet;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use super::chronicle::Chronicle;
use super::doc::{Maker, chosen};
use super::feed::{Counters, Feed, Whole, one};
use super::logs::{LogEntry, Logs, MAX_LINES, MAX_LINES_PER_MESSAGE};
use super::reader::Reader;
use crate::api::dto::Cell;

/// Between two messages.
pub(super) const TICK: Duration = Duration::from_secs(1);
/// Pages that are told at a time.
pub const MAX_PAGES: usize = 1_000;
/// Runs that are followed at a time.
pub const MAX_FEEDS: usize = 16;
/// A feed that nobody reads is kept so long, for pages that come back.
pub(super) const IDLE: Duration = Duration::from_secs(60);
/// For the beginning of a run to come from the leader.
const PATIENCE: Duration = Duration::from_secs(10);
/// Attempts to get it.
const ATTEMPTS: u32 = 5;

/// What a feed follows: a run by its name, or whatever goes on.
type Followed = Option<RunId>;

/// Why a page is not told anything.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum NotTold {
    /// No such run, or no longer.
    UnknownRun,
    /// Too many pages.
    Pages,
    /// Too many runs.
    Feeds,
}

/// One for each master.
pub struct Hub {
    handle: Handle,
    /// Makes documents.
    pub maker: Maker,
    state: Mutex<State>,
    logs: Mutex<Logs>,
    /// What was told, and what was not.
    pub counters: Counters,
    pages: AtomicUsize,
    /// Ends all streams.
    pub(super) stop: CancellationToken,
}

#[derive(Default)]
struct State {
    chronicles: BTreeMap<RunId, Chronicle>,
    feeds: BTreeMap<Followed, Following>,
}

struct Following {
    feed: Arc<Feed>,
    /// The run that the last message was about.
    about: Option<RunId>,
    logged: u64,
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Hub {
    /// Nothing happens before [`Self::follow`].
    pub fn new(handle: Handle, maker: Maker, stop: CancellationToken) -> Arc<Self> {
        let (state, logs) = (Mutex::default(), Mutex::default());
        let (counters, pages) = (Counters::default(), AtomicUsize::new(0));
        Arc::new(Self { handle, maker, state, logs, counters, pages, stop })
    }

    /// Follows views and logs until it is stopped.
    pub async fn follow(self: Arc<Self>) {
        let mut tasks = JoinSet::new();
        tasks.spawn(self.clone().follow_logs());
        let mut views = self.handle.view();
        loop {
            let begun = Instant::now();
            let view = views.borrow_and_update().clone();
            for run in self.tick(&view) {
                let hub = self.clone();
                tasks.spawn(async move { hub.complete(run).await });
            }
            while tasks.try_join_next().is_some() {}
            let next = async {
                tokio::time::sleep_until(begun + TICK).await;
                views.changed().await
            };
            match self.stop.run_until_cancelled(next).await {
                Some(Ok(())) => {}
                Some(Err(_)) | None => break,
            }
        }
        tasks.shutdown().await;
    }

    async fn follow_logs(self: Arc<Self>) {
        let mut lines = self.handle.logs();
        loop {
            match lines.recv().await {
                Ok(line) => lock(&self.logs).push(&line),
                Err(RecvError::Lagged(missed)) => lock(&self.logs).missed += missed,
                Err(RecvError::Closed) => return,
            }
        }
    }

    /// Tells everybody what is new. Runs whose beginning has to be asked for.
    fn tick(&self, view: &FleetView) -> Vec<RunId> {
        let mut state = lock(&self.state);
        let State { chronicles, feeds } = &mut *state;
        chronicles.retain(|run, _| view.run(run).is_some());
        let mut torn = Vec::new();
        let mut changed: BTreeMap<&RunId, Vec<Vec<Cell>>> = BTreeMap::new();
        for run in &view.runs {
            let is_new = !chronicles.contains_key(&run.run);
            let chronicle = chronicles.entry(run.run.clone()).or_default();
            changed.insert(&run.run, chronicle.take(&run.history));
            if is_new && chronicle.is_torn() {
                torn.push(run.run.clone());
            }
        }
        feeds.retain(|followed, following| {
            let gone = followed.as_ref().is_some_and(|run| view.run(run).is_none());
            !gone && following.feed.idle().is_none_or(|idle| idle < IDLE)
        });
        for (followed, following) in feeds {
            let run = chosen(view, followed.as_ref());
            if run.map(|run| &run.run) != following.about.as_ref() {
                following.about = run.map(|run| run.run.clone());
                following.logged = lock(&self.logs).seen();
                following.feed.replace(self.whole(chronicles, view, run));
                continue;
            }
            let logs = self.new_logs(following);
            let points = run.and_then(|run| changed.get(&run.run)).map_or(&[][..], Vec::as_slice);
            following.feed.advance(self.maker.doc(view, run), points, &logs, &self.counters);
        }
        torn
    }

    fn new_logs(&self, following: &mut Following) -> Vec<LogEntry> {
        let Some(run) = &following.about else { return Vec::new() };
        let logs = lock(&self.logs);
        let after = std::mem::replace(&mut following.logged, logs.seen());
        logs.newest(Some(run.as_str()), after, MAX_LINES_PER_MESSAGE)
    }

    fn whole(
        &self,
        chronicles: &BTreeMap<RunId, Chronicle>,
        view: &FleetView,
        run: Option<&RunView>,
    ) -> Whole {
        let rows = run.and_then(|run| chronicles.get(&run.run));
        let logs = run.map(|run| lock(&self.logs).newest(Some(run.run.as_str()), 0, MAX_LINES));
        Whole {
            doc: self.maker.doc(view, run),
            rows: rows.map(|chronicle| chronicle.rows().cloned().collect()).unwrap_or_default(),
            logs: logs.unwrap_or_default(),
        }
    }

    /// Gets the beginning of a run that this master has not seen.
    async fn complete(&self, run: RunId) {
        for _ in 0..ATTEMPTS {
            let asked = tokio::time::timeout(PATIENCE, self.handle.timeline(&run));
            let Some(answer) = self.stop.run_until_cancelled(asked).await else { return };
            match answer {
                Ok(Ok(points)) => return self.put_beginning(&run, &points),
                Ok(Err(error)) => tracing::debug!(%run, %error, "its beginning is not known yet"),
                Err(_) => tracing::debug!(%run, "nobody tells its beginning"),
            }
            tokio::time::sleep(TICK).await;
        }
    }

    fn put_beginning(&self, run: &RunId, points: &[Point]) {
        let view = self.handle.view().borrow().clone();
        let mut state = lock(&self.state);
        let State { chronicles, feeds } = &mut *state;
        let Some(chronicle) = chronicles.get_mut(run) else { return };
        chronicle.complete(points);
        for following in feeds.values().filter(|following| following.about.as_ref() == Some(run)) {
            following.feed.replace(self.whole(chronicles, &view, view.run(run)));
        }
    }

    /// The whole history of a run as this master knows it; None: it knows nothing of the run.
    pub fn rows(&self, run: &RunId) -> Option<Vec<Vec<Cell>>> {
        let state = lock(&self.state);
        state.chronicles.get(run).map(|chronicle| chronicle.rows().cloned().collect())
    }

    /// The last lines of guests' logs.
    pub fn logs(&self, run: Option<&str>, limit: usize) -> Vec<LogEntry> {
        lock(&self.logs).newest(run, 0, limit)
    }

    /// A page that follows this run (None: whatever goes on), and saw that message last.
    ///
    /// # Errors
    /// If there is no such run, or there are too many pages or runs.
    pub fn enter(
        self: &Arc<Self>,
        followed: Followed,
        last_event_id: Option<&str>,
    ) -> Result<Reader, NotTold> {
        if self.pages.fetch_add(1, Ordering::Relaxed) >= MAX_PAGES {
            self.pages.fetch_sub(1, Ordering::Relaxed);
            one(&self.counters.refused);
            return Err(NotTold::Pages);
        }
        match self.feed(followed) {
            Ok(feed) => {
                let seen = last_event_id.and_then(|id| feed.seen_by(id));
                if seen.is_some() {
                    one(&self.counters.resumed);
                }
                one(&self.counters.opened);
                feed.enter();
                Ok(Reader::new(self.clone(), feed, seen))
            }
            Err(reason) => {
                self.left();
                one(&self.counters.refused);
                Err(reason)
            }
        }
    }

    pub(super) fn left(&self) {
        self.pages.fetch_sub(1, Ordering::Relaxed);
    }

    fn feed(&self, followed: Followed) -> Result<Arc<Feed>, NotTold> {
        let view = self.handle.view().borrow().clone();
        let mut state = lock(&self.state);
        let State { chronicles, feeds } = &mut *state;
        if let Some(following) = feeds.get(&followed) {
            return Ok(following.feed.clone());
        }
        let run = chosen(&view, followed.as_ref());
        if followed.is_some() && run.is_none() {
            return Err(NotTold::UnknownRun);
        }
        if feeds.len() >= MAX_FEEDS {
            // One that nobody reads makes room.
            feeds.retain(|_, following| following.feed.idle().is_none());
        }
        if feeds.len() >= MAX_FEEDS {
            return Err(NotTold::Feeds);
        }
        let feed = Arc::new(Feed::new(self.whole(chronicles, &view, run)));
        let about = run.map(|run| run.run.clone());
        let logged = lock(&self.logs).seen();
        feeds.insert(followed, Following { feed: feed.clone(), about, logged });
        Ok(feed)
    }
}
