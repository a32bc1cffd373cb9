//! What people gave and what runs left behind, in the broker: [`Shelf`] over streams of its own.
//!
//! ```text
//! KV_lh-shelf_<c>   documents, subjects $KV.lh-shelf_<c>.<key>
//! OBJ_lh_mod_<c>    inputs: scenarios and files of data sets, which workers fetch
//! OBJ_lh_res_<c>    results, for masters only
//! ```
//!
//! Documents are written by compare-and-swap against what was there a moment ago, so that a write
//! which comes late, after an outage, replaces nothing newer. All streams refuse when they are full.

use std::time::Duration;

use async_nats::jetstream::stream::{
    Config, DiscardPolicy, LastRawMessageErrorKind, StorageType, Stream,
};
use bytes::Bytes;
use futures_util::future::BoxFuture;
use futures_util::{StreamExt, TryStreamExt, stream};
use loadhost_control::ports::shelf::{
    Listed, MAX_FILE_BYTES, OLD_DOCUMENTS, check_document, check_key, document_named,
};
use loadhost_control::ports::{Drawer, Shelf, ShelfBounds, ShelfError};
use loadhost_model::id::Digest;

use crate::connect::{ANSWER_WITHIN, Connection, WriteError};
use crate::fleet::JoinError;
use crate::store::{ModuleStore, StoreError, digest_of};
use crate::subjects::Names;
use crate::trust::Signature;

/// Attempts to replace a document that somebody else wrote meanwhile.
const ATTEMPTS: usize = 10;
/// For a whole file to go to the broker or come from it.
const FILE_WITHIN: Duration = Duration::from_secs(60);
/// For a list of documents.
const LIST_WITHIN: Duration = Duration::from_secs(20);
/// Documents that are read at a time.
const AT_ONCE: usize = 16;

/// Keeps everything in the broker, so that each master of the cluster finds it.
pub struct NatsShelf {
    connection: Connection,
    stream: Stream<()>,
    names: Names,
    inputs: ModuleStore,
    results: ModuleStore,
    bounds: ShelfBounds,
}

impl NatsShelf {
    /// Makes the stream of documents if it is not there, in so many copies.
    ///
    /// # Errors
    /// If the broker does not give the stream.
    pub async fn open(
        connection: &Connection,
        names: &Names,
        replicas: usize,
    ) -> Result<Self, JoinError> {
        let bounds = ShelfBounds::default();
        let config = Config {
            name: names.shelf_stream(),
            description: Some("loadhost: scenarios, data sets and runs".into()),
            subjects: vec![names.shelf(">")],
            max_messages_per_subject: 1,
            max_messages: i64::try_from(bounds.count).unwrap_or(i64::MAX),
            max_bytes: i64::try_from(bounds.documents).unwrap_or(i64::MAX),
            discard: DiscardPolicy::New,
            storage: StorageType::File,
            num_replicas: replicas,
            allow_rollup: true,
            deny_delete: true,
            allow_direct: true,
            ..Config::default()
        };
        let broker = |reason: String| JoinError::Broker { what: names.shelf_stream(), reason };
        let made = connection.jetstream.get_or_create_stream(config).await;
        made.map_err(|error| broker(error.to_string()))?;
        let stream = connection.jetstream.get_stream_no_info(names.shelf_stream()).await;
        Ok(Self {
            connection: connection.clone(),
            stream: stream.map_err(|error| broker(error.to_string()))?,
            names: names.clone(),
            inputs: ModuleStore::new(connection, names),
            results: ModuleStore::of_results(connection, names),
            bounds,
        })
    }

    fn files(&self, drawer: Drawer) -> &ModuleStore {
        match drawer {
            Drawer::Inputs => &self.inputs,
            Drawer::Results => &self.results,
        }
    }

    /// Stores an input that somebody vouches for: `sign` is asked for the signature of its digest.
    ///
    /// # Errors
    /// If it is not signed or not stored.
    pub async fn put_signed(
        &self,
        bytes: Bytes,
        sign: impl FnOnce(Digest) -> Result<Signature, String>,
    ) -> Result<Digest, ShelfError> {
        self.store_file(Drawer::Inputs, bytes, |digest| sign(digest).map(Some)).await
    }

    async fn store_file(
        &self,
        drawer: Drawer,
        bytes: Bytes,
        sign: impl FnOnce(Digest) -> Result<Option<Signature>, String>,
    ) -> Result<Digest, ShelfError> {
        let (size, most) = (bytes.len(), MAX_FILE_BYTES);
        // Beside the runtime: large files take a while to be hashed.
        let hashed = bytes.clone();
        let digest = tokio::task::spawn_blocking(move || digest_of(&hashed)).await;
        let digest = digest.map_err(|error| unavailable("a file", error))?;
        let what = ShelfError::file(drawer, digest);
        if size > most {
            return Err(ShelfError::TooLarge { what, bytes: size, most });
        }
        let signature = sign(digest).map_err(|reason| ShelfError::Unavailable { what, reason })?;
        let files = self.files(drawer);
        let stored = files.put_known(digest, &bytes, signature.as_ref(), FILE_WITHIN).await;
        stored.map(|()| digest).map_err(|error| file_error(drawer, digest, error))
    }

    async fn fetch_file(
        &self,
        drawer: Drawer,
        digest: Digest,
    ) -> Result<Option<Bytes>, ShelfError> {
        let (files, most) = (self.files(drawer), MAX_FILE_BYTES as u64);
        let fetched = match files.has_bucket().await {
            Ok(true) => files.fetch_file(digest, most, FILE_WITHIN).await,
            Ok(false) => return Ok(None),
            Err(error) => Err(error),
        };
        match fetched {
            Ok(bytes) => Ok(Some(bytes.into())),
            Err(StoreError::Missing { .. }) => Ok(None),
            Err(error) => Err(file_error(drawer, digest, error)),
        }
    }

    async fn replace(&self, key: &str, document: Vec<u8>) -> Result<(), ShelfError> {
        check_document(key, &document)?;
        let (what, bytes) = (document_named(key), document.len());
        for _ in 0..ATTEMPTS {
            let revision = self.last(key).await?.map_or(0, |(revision, _)| revision);
            let subject = self.names.shelf(key);
            match self.connection.write(subject, document.clone(), Some(revision)).await {
                Ok(_) => return Ok(()),
                Err(WriteError::Conflict) => {}
                Err(WriteError::TooLarge { most }) => {
                    return Err(ShelfError::TooLarge { what, bytes, most });
                }
                Err(WriteError::Full(_)) => {
                    let full = format!("the broker's store `{}`", self.names.shelf_stream());
                    let room = ShelfBounds::shown(self.bounds.documents);
                    let bound = format!("{} documents, {room}", self.bounds.count);
                    let remedy = OLD_DOCUMENTS;
                    return Err(ShelfError::Full { what, bytes, full, bound, remedy });
                }
                Err(error) => return Err(unavailable(&what, error)),
            }
        }
        Err(unavailable(&what, "others write it all the time"))
    }

    /// As the stream's leader has it, with its revision.
    async fn last(&self, key: &str) -> Result<Option<(u64, Vec<u8>)>, ShelfError> {
        let (what, subject) = (document_named(key), self.names.shelf(key));
        match within(&what, self.stream.get_last_raw_message_by_subject(&subject)).await? {
            Ok(message) => Ok(Some((message.sequence, message.payload.to_vec()))),
            Err(error) if error.kind() == LastRawMessageErrorKind::NoMessageFound => Ok(None),
            Err(error) => Err(unavailable(&what, error)),
        }
    }

    async fn documents(&self, prefix: &str) -> Result<Listed, ShelfError> {
        // Whole parts of the prefix are left to the broker.
        let parts = prefix.rfind('.').map_or("", |end| &prefix[..end]);
        if !parts.is_empty() && check_key(parts).is_err() {
            return Ok(Listed::new()); // No key begins so.
        }
        let filter = if parts.is_empty() { ">".to_string() } else { format!("{parts}.>") };
        let infos = self.stream.info_with_subjects(self.names.shelf(&filter)).await;
        let infos = infos.map_err(|error| unavailable("the list of documents", error))?;
        let before = self.names.shelf("");
        let subjects = infos.map_ok(|(subject, _)| subject).try_collect::<Vec<String>>().await;
        let subjects = subjects.map_err(|error| unavailable("the list of documents", error))?;
        let key = |subject: String| subject.strip_prefix(&before).map(str::to_string);
        let mut keys: Vec<String> = subjects.into_iter().filter_map(key).collect();
        keys.retain(|key| key.starts_with(prefix));
        keys.sort();
        let read = |key: String| async move {
            let found = self.last(&key).await?;
            Ok(found.map(|(_, document)| (key, document)))
        };
        let found = stream::iter(keys).map(read).buffered(AT_ONCE);
        found.try_filter_map(async |found| Ok(found)).try_collect().await
    }

    async fn remove(&self, key: &str) -> Result<(), ShelfError> {
        check_key(key)?;
        let what = document_named(key);
        let purge = self.stream.purge().filter(self.names.shelf(key));
        let purged = within(&what, purge.into_future()).await?;
        purged.map(drop).map_err(|error| unavailable(&what, error))
    }
}

impl Shelf for NatsShelf {
    fn put_file(&self, drawer: Drawer, bytes: Bytes) -> BoxFuture<'_, Result<Digest, ShelfError>> {
        Box::pin(self.store_file(drawer, bytes, |_| Ok(None)))
    }

    fn file(
        &self,
        drawer: Drawer,
        digest: Digest,
    ) -> BoxFuture<'_, Result<Option<Bytes>, ShelfError>> {
        Box::pin(self.fetch_file(drawer, digest))
    }

    fn delete_file(&self, drawer: Drawer, digest: Digest) -> BoxFuture<'_, Result<(), ShelfError>> {
        Box::pin(async move {
            let deleted = self.files(drawer).delete(digest, FILE_WITHIN).await;
            deleted.map_err(|error| file_error(drawer, digest, error))
        })
    }

    fn put(&self, key: &str, document: Vec<u8>) -> BoxFuture<'_, Result<(), ShelfError>> {
        let key = key.to_string();
        Box::pin(async move { self.replace(&key, document).await })
    }

    fn get(&self, key: &str) -> BoxFuture<'_, Result<Option<Vec<u8>>, ShelfError>> {
        let key = key.to_string();
        Box::pin(async move {
            check_key(&key)?;
            Ok(self.last(&key).await?.map(|(_, document)| document))
        })
    }

    fn list(&self, prefix: &str) -> BoxFuture<'_, Result<Listed, ShelfError>> {
        let prefix = prefix.to_string();
        Box::pin(async move {
            let listed = tokio::time::timeout(LIST_WITHIN, self.documents(&prefix)).await;
            let late = |_| {
                unavailable("the list of documents", format!("no answer within {LIST_WITHIN:?}"))
            };
            listed.map_err(late)?
        })
    }

    fn delete(&self, key: &str) -> BoxFuture<'_, Result<(), ShelfError>> {
        let key = key.to_string();
        Box::pin(async move { self.remove(&key).await })
    }
}

fn file_error(drawer: Drawer, digest: Digest, error: StoreError) -> ShelfError {
    let what = ShelfError::file(drawer, digest);
    match error {
        StoreError::Full { bytes, bucket, most, .. } => ShelfError::Full {
            what,
            bytes: usize::try_from(bytes).unwrap_or(usize::MAX),
            full: format!("the broker's store `{bucket}`"),
            bound: ShelfBounds::shown(most),
            remedy: ShelfError::remedy(drawer),
        },
        StoreError::Tampered { .. } | StoreError::TooLarge { .. } => ShelfError::Altered { what },
        error => unavailable(&what, error),
    }
}

fn unavailable(what: &str, reason: impl std::fmt::Display) -> ShelfError {
    ShelfError::Unavailable { what: what.to_string(), reason: reason.to_string() }
}

/// An answer of the broker, but not for ever.
async fn within<T>(what: &str, answer: impl Future<Output = T>) -> Result<T, ShelfError> {
    let late = |_| unavailable(what, format!("no answer within {ANSWER_WITHIN:?}"));
    tokio::time::timeout(ANSWER_WITHIN, answer).await.map_err(late)
}
