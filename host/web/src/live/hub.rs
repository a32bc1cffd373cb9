//! Follows the fleet's views, once a second at most, and tells all feeds what changed.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use loadhost_control::view::Point;
use loadhost_control::{FleetView, Handle, RunView};
use loadhost_model::id::RunId;
use tokio::sync::broadcast::error::RecvError;
use tokio::sync::watch;
use tokio::task::JoinSet;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use super::chronicle::Chronicle;
use super::doc::{Docs, Maker};
use super::feed::{Counters, Feed, Whole, one};
use super::logs::{LogEntry, Logs, MAX_LINES, MAX_LINES_PER_MESSAGE};
use super::reader::Reader;
use super::witness::Seen;
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

type Views = watch::Receiver<Arc<FleetView>>;

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
            let next = self.next_view(&mut views, begun + TICK);
            match self.stop.run_until_cancelled(next).await {
                Some(Ok(())) => {}
                Some(Err(_)) | None => break,
            }
        }
        tasks.shutdown().await;
    }

    /// Waits for a view, and until it may be told of. What is seen of a run for less than a second is remembered, too.
    async fn next_view(
        &self,
        views: &mut Views,
        due: Instant,
    ) -> Result<(), watch::error::RecvError> {
        views.changed().await?;
        self.maker.witness.look(&views.borrow().clone());
        while let Ok(changed) = tokio::time::timeout_at(due, views.changed()).await {
            changed?;
            self.maker.witness.look(&views.borrow().clone());
        }
        Ok(())
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
        self.maker.witness.look(view);
        let mut docs = Docs::new(&self.maker, view);
        let mut state = lock(&self.state);
        let State { chronicles, feeds } = &mut *state;
        chronicles.retain(|run, _| view.run(run).is_some());
        let mut torn = Vec::new();
        let mut changed: BTreeMap<&RunId, Vec<Vec<Cell>>> = BTreeMap::new();
        for run in &view.runs {
            let is_new = !chronicles.contains_key(&run.run);
            let chronicle = chronicles.entry(run.run.clone()).or_default();
            changed.insert(&run.run, chronicle.take(&run.history, run.counted_from));
            if is_new && chronicle.is_torn() {
                torn.push(run.run.clone());
            }
        }
        feeds.retain(|followed, following| {
            let named = followed.as_ref();
            let gone = named.is_some_and(|run| self.maker.chosen(view, Some(run)).is_none());
            if gone {
                following.feed.end();
            }
            !gone && following.feed.idle().is_none_or(|idle| idle < IDLE)
        });
        for (followed, following) in feeds {
            let run = self.maker.chosen(view, followed.as_ref());
            if run.map(|run| &run.run) != following.about.as_ref() {
                following.about = run.map(|run| run.run.clone());
                following.logged = lock(&self.logs).seen();
                following.feed.replace(self.whole(chronicles, &mut docs, run));
                continue;
            }
            let logs = self.new_logs(following);
            let points = run.and_then(|run| changed.get(&run.run)).map_or(&[][..], Vec::as_slice);
            following.feed.advance(docs.of(run), points, &logs, &self.counters);
        }
        torn
    }

    fn new_logs(&self, following: &mut Following) -> Vec<LogEntry> {
        let Some(run) = &following.about else { return Vec::new() };
        let logs = lock(&self.logs);
        let after = std::mem::replace(&mut following.logged, logs.seen());
        logs.newest(Some(run.as_str()), after, MAX_LINES_PER_MESSAGE)
    }

    fn whole<'a>(
        &self,
        chronicles: &BTreeMap<RunId, Chronicle>,
        docs: &mut Docs<'a>,
        run: Option<&'a RunView>,
    ) -> Whole {
        let rows = run.and_then(|run| chronicles.get(&run.run));
        let logs = run.map(|run| lock(&self.logs).newest(Some(run.run.as_str()), 0, MAX_LINES));
        Whole {
            doc: docs.of(run),
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
        let mut docs = Docs::new(&self.maker, &view);
        let mut state = lock(&self.state);
        let State { chronicles, feeds } = &mut *state;
        let Some(chronicle) = chronicles.get_mut(run) else { return };
        chronicle.complete(points);
        for following in feeds.values().filter(|following| following.about.as_ref() == Some(run)) {
            following.feed.replace(self.whole(chronicles, &mut docs, view.run(run)));
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

    /// All lines of a run that are still held.
    pub fn logs_of(&self, run: &RunId) -> Vec<LogEntry> {
        self.logs(Some(run.as_str()), MAX_LINES)
    }

    /// What was seen of a run that the view shows.
    pub fn seen(&self, run: &RunId) -> Seen {
        self.maker.witness.of(run)
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
        let run = self.maker.chosen(&view, followed.as_ref());
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
        let mut docs = Docs::new(&self.maker, &view);
        let feed = Arc::new(Feed::new(self.whole(chronicles, &mut docs, run)));
        let about = run.map(|run| run.run.clone());
        let logged = lock(&self.logs).seen();
        feeds.insert(followed, Following { feed: feed.clone(), about, logged });
        Ok(feed)
    }
}
