//! Writing chunks, and deleting those that nobody needs.

use std::collections::{BTreeMap, BTreeSet};

use futures_util::{StreamExt, TryStreamExt, stream};
use loadhost_control::ports::StoreError;
use loadhost_model::id::Term;

use super::manifest::term_of;
use super::{Known, NatsState, unavailable, within};

/// Requests to the broker at a time.
const AT_ONCE: usize = 8;
/// Of a message, as long as the broker takes as much.
const PIECE: usize = 512 << 10;
/// Left free in a message for headers and protocol.
const OVERHEAD: usize = 16 << 10;

impl NatsState {
    /// Bytes of a chunk.
    pub(super) fn piece(&self) -> usize {
        let most = self.connection.client.max_payload().saturating_sub(OVERHEAD);
        PIECE.min(most).max(OVERHEAD)
    }

    /// Writes the chunks that are not there yet. What is written and then not used is noted.
    pub(super) async fn upload(
        &self,
        chunks: Vec<(String, Vec<u8>)>,
        known: &mut Known,
    ) -> Result<(), StoreError> {
        let mut new: BTreeMap<String, Vec<u8>> = chunks.into_iter().collect();
        new.retain(|name, _| !known.chunks.contains(name));
        known.strays.extend(new.keys().cloned());
        let write =
            |(name, bytes): (String, Vec<u8>)| async move { self.write(&name, bytes).await };
        let mut writes = stream::iter(new.into_iter().map(write)).buffer_unordered(AT_ONCE);
        while writes.next().await.transpose()?.is_some() {}
        Ok(())
    }

    async fn write(&self, name: &str, bytes: Vec<u8>) -> Result<(), StoreError> {
        self.connection.counters().state_bytes.add(bytes.len() as u64);
        let written = self.connection.write(self.names.state(name), bytes, None).await;
        written.map(drop).map_err(|error| unavailable(name, error))
    }

    pub(super) async fn purge(&self, subject: &str) -> Result<(), StoreError> {
        let purged = within(subject, self.stream.purge().filter(subject).into_future()).await?;
        purged.map(drop).map_err(|error| unavailable(subject, error))
    }

    /// Deletes these; returns those that could not be deleted.
    pub(super) async fn purge_all(&self, chunks: BTreeSet<String>) -> BTreeSet<String> {
        let purge = |chunk: String| async move {
            let purged = self.purge(&self.names.state(&chunk)).await;
            purged.is_err().then_some(chunk)
        };
        let left = stream::iter(chunks).map(purge).buffer_unordered(AT_ONCE);
        left.filter_map(std::future::ready).collect().await
    }

    /// Deletes what former leaders left behind: chunks of uploads that broke off, and runs that
    /// nobody knows of.
    pub(super) async fn collect(&self, term: Term) -> Result<(), StoreError> {
        let (needed, unread) = {
            let documents = &self.kept().documents;
            let chunks = documents.values().flat_map(|known| &known.chunks).cloned();
            let needed: BTreeSet<String> = chunks.chain(documents.keys().cloned()).collect();
            let unread = documents.iter().filter(|(_, known)| known.is_unread());
            let unread: Vec<String> = unread.map(|(key, _)| format!("chunk.{key}.")).collect();
            (needed, unread)
        };
        let is_needed = |key: &String| {
            needed.contains(key) || unread.iter().any(|prefix| key.starts_with(prefix))
        };
        let mut garbage = BTreeSet::new();
        for key in self.keys("chunk.>").await? {
            if !is_needed(&key) && term_of(&key).is_some_and(|written| written < term) {
                garbage.insert(key);
            }
        }
        for key in self.keys("run.*").await? {
            if !needed.contains(&key)
                && let Some((_, manifest)) = self.manifest(&key).await?
                && manifest.term < term
            {
                garbage.insert(key);
            }
        }
        let found = garbage.len() as u64;
        let left = self.purge_all(garbage).await.len() as u64;
        self.connection.counters().state_collected.add(found - left);
        Ok(())
    }

    /// Keys of this kind that are there.
    pub(super) async fn keys(&self, kind: &str) -> Result<Vec<String>, StoreError> {
        let prefix = self.names.state("");
        let list = async {
            let infos = self.stream.info_with_subjects(self.names.state(kind)).await;
            let infos = infos.map_err(|error| error.to_string())?;
            let keys = infos.map_ok(|(subject, _)| subject);
            keys.try_collect::<Vec<String>>().await.map_err(|error| error.to_string())
        };
        let subjects = within(kind, list).await?.map_err(|reason| unavailable(kind, reason))?;
        let key = |subject: String| subject.strip_prefix(&prefix).map(str::to_string);
        Ok(subjects.into_iter().filter_map(key).collect())
    }
}
