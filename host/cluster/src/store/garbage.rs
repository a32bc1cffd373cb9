//! Deleting what uploads that broke off left behind in the bucket of modules.
//!
//! Chunks come before the entry that names them, so those of an upload that is still going on look
//! the same as orphans. Only those go that were orphans already the time before, minutes ago: no
//! upload takes that long. Of what was deleted an entry is left that says so; it goes too.

use std::collections::BTreeSet;

use async_nats::jetstream::stream::{LastRawMessageErrorKind, Stream};
use futures_util::{StreamExt, TryStreamExt, stream};
use serde::Deserialize;

use super::{ModuleStore, StoreError};

/// Entries that are read at a time.
const AT_ONCE: usize = 16;

/// An entry, as far as it is of interest here.
#[derive(Deserialize)]
struct Entry {
    nuid: String,
    #[serde(default)]
    deleted: bool,
}

impl ModuleStore {
    /// Deletes chunks that belong to no module, now and when `orphans` was returned. Call it again
    /// with what it returns, no sooner than the longest upload takes.
    ///
    /// # Errors
    /// If the broker does not answer; without a bucket there is nothing to do.
    pub async fn sweep(&self, orphans: &BTreeSet<String>) -> Result<BTreeSet<String>, StoreError> {
        let Ok(stream) = self.connection.jetstream.get_stream(&self.stream).await else {
            return Ok(BTreeSet::new());
        };
        let chunks = self.tails(&stream, "C").await?;
        let entries = self.tails(&stream, "M").await?;
        let needed = stream::iter(entries).map(|entry| self.needed(&stream, entry));
        let needed = needed.buffer_unordered(AT_ONCE).try_filter_map(async |found| Ok(found));
        let needed: BTreeSet<String> = needed.try_collect().await?;
        let mut left = BTreeSet::new();
        for chunk in chunks.into_iter().filter(|chunk| !needed.contains(chunk)) {
            if !orphans.contains(&chunk) {
                left.insert(chunk);
                continue;
            }
            let subject = format!("$O.{}.C.{chunk}", self.bucket);
            stream.purge().filter(subject).await.map_err(|error| self.broker(error))?;
            self.connection.counters().modules_collected.one();
        }
        Ok(left)
    }

    /// Which chunks the entry names; None: it is of something deleted, and deleted now as well.
    async fn needed(&self, stream: &Stream, entry: String) -> Result<Option<String>, StoreError> {
        let subject = format!("$O.{}.M.{entry}", self.bucket);
        let found = match stream.get_last_raw_message_by_subject(&subject).await {
            Ok(found) => found,
            Err(error) if error.kind() == LastRawMessageErrorKind::NoMessageFound => {
                return Ok(None);
            }
            Err(error) => return Err(self.broker(error)),
        };
        let entry: Entry =
            serde_json::from_slice(&found.payload).map_err(|error| self.broker(error))?;
        if entry.deleted {
            // By its number, so that what was stored anew meanwhile stays.
            let deleted = stream.delete_message(found.sequence).await;
            deleted.map_err(|error| self.broker(error))?;
            return Ok(None);
        }
        Ok(Some(entry.nuid))
    }

    /// Last tokens of the bucket's subjects of this kind.
    async fn tails(&self, stream: &Stream, kind: &str) -> Result<Vec<String>, StoreError> {
        let prefix = format!("$O.{}.{kind}.", self.bucket);
        let infos = stream.info_with_subjects(format!("{prefix}*")).await;
        let infos = infos.map_err(|error| self.broker(error))?;
        let tail = |(subject, _): (String, usize)| {
            subject.strip_prefix(&prefix).unwrap_or_default().to_string()
        };
        infos.map_ok(tail).try_collect().await.map_err(|error| self.broker(error))
    }
}
