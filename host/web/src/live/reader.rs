//! One open page: waits for its feed, and is given what it has not seen.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use futures_util::stream::{self, Stream, StreamExt};
use tokio::sync::watch;
use tokio::time::Instant;

use super::feed::Feed;
use super::hub::Hub;

/// While nothing happens, a page hears this often that the connection lives.
pub const KEEP_ALIVE: Duration = Duration::from_secs(15);
/// A stream ends after so long, so that whoever reads is asked again who they are; pages come back by themselves.
pub(super) const LASTS: Duration = Duration::from_secs(15 * 60);
/// What they hear.
const COMMENT: Bytes = Bytes::from_static(b": still here\n\n");
/// The first line of a stream: how long a browser waits before it comes back, in milliseconds.
const RETRY: Bytes = Bytes::from_static(b"retry: 1000\n\n");

/// One open page.
pub struct Reader {
    hub: Arc<Hub>,
    feed: Arc<Feed>,
    last: watch::Receiver<u64>,
    seen: Option<u64>,
    /// It came back: all that is held is for it, not only the last few changes.
    back: bool,
    until: Instant,
}

impl Reader {
    pub(super) fn new(hub: Arc<Hub>, feed: Arc<Feed>, seen: Option<u64>) -> Self {
        let last = feed.last.subscribe();
        let until = Instant::now() + LASTS;
        Self { hub, feed, last, seen, back: seen.is_some(), until }
    }

    /// What the page reads, until it or its run goes, the master stops, or it is time to ask again.
    pub fn into_stream(self) -> impl Stream<Item = Result<Bytes, std::convert::Infallible>> + Send {
        let parts = stream::unfold(self, |mut reader| async move {
            let parts = reader.next().await?;
            Some((stream::iter(parts), reader))
        });
        stream::iter([RETRY]).chain(parts.flatten()).map(Ok)
    }

    async fn next(&mut self) -> Option<Vec<Bytes>> {
        let hub = self.hub.clone();
        hub.stop.run_until_cancelled(self.awaited()).await.flatten()
    }

    async fn awaited(&mut self) -> Option<Vec<Bytes>> {
        let quiet = Instant::now() + KEEP_ALIVE;
        loop {
            self.last.borrow_and_update();
            let patient = std::mem::take(&mut self.back);
            if let Some((reached, parts)) = self.feed.behind(self.seen, patient, &self.hub.counters)
            {
                self.seen = Some(reached);
                return Some(parts);
            }
            if self.feed.is_over() {
                return None;
            }
            let deadline = quiet.min(self.until);
            match tokio::time::timeout_at(deadline, self.last.changed()).await {
                Ok(Ok(())) => {}
                Ok(Err(_)) => return None,
                Err(_) if Instant::now() >= self.until => return None,
                Err(_) => return Some(vec![COMMENT]),
            }
        }
    }
}

impl Drop for Reader {
    fn drop(&mut self) {
        self.feed.leave();
        self.hub.left();
    }
}
