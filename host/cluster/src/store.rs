//! Modules and other files by SHA-256 in the broker's object store.
//!
//! A module is stored under its digest, so storing it again is no work, and whoever fetches it
//! can tell whether it is the right one. What arrives is believed only after its digest has been
//! computed; nothing that was compiled ever travels.
//!
//! An upload that breaks off leaves chunks without an entry behind. They are never read, but count
//! against the bucket's size until the leader deletes them: [`ModuleStore::sweep`].

mod garbage;

use std::time::Duration;

use async_nats::jetstream::ErrorCode;
use async_nats::jetstream::context::GetStreamErrorKind;
use async_nats::jetstream::object_store::{
    Config, DeleteErrorKind, ObjectInfo, ObjectMetadata, ObjectStore,
};
use async_nats::jetstream::stream::{DirectGetErrorKind, StorageType, Stream};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE;
use futures_util::future::join_all;
use loadhost_model::id::Digest;
use sha2::Digest as _;
use tokio::time::Instant;
use tracing::info;

use crate::connect::Connection;
use crate::subjects::Names;
use crate::trust::{MAX_SIGNATURES, Signature, Trust, TrustError, parse_signatures};

/// Under this key of an object's metadata lie its signatures.
const SIGNATURES: &str = "loadhost-signatures";

/// How often something is stored, if what was stored cannot be read back.
const ATTEMPTS: usize = 3;
/// A file that is read back is given up after so long, and a second more for each of [`SLOWEST`] bytes.
const STANDSTILL: Duration = Duration::from_secs(5);
/// A node of a broker of several may be so far behind the one that took a file.
const BEHIND: Duration = Duration::from_secs(5);
/// Chunks, of 128 KiB, that are asked for at a time: so that a megabyte is on its way.
const AT_ONCE: u64 = 8;
/// Until a file that it lacks is asked for again; who asks may get another node's answer.
const ASK_AGAIN: Duration = Duration::from_millis(50);
/// Bytes per second, at least.
const SLOWEST: u64 = 1 << 20;

/// Of all modules and files of data sets of a cluster together.
const MODULES_BYTES: i64 = 1 << 30;
/// Of all results of a cluster together.
const RESULTS_BYTES: i64 = 512 << 20;
/// For the entry of an object, and for the headers of its chunks, of which each has 128 KiB.
const ENTRY_BYTES: u64 = 2_048;
const CHUNK_BYTES: u64 = 128 << 10;
const CHUNK_HEADER_BYTES: u64 = 256;

/// Why a module was not stored or fetched.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    /// Nobody stored it here.
    #[error("{} is not in the broker's store `{bucket}`; upload it again with `loadhost push`, or start the master again that was given it", digest.short())]
    Missing {
        /// Which.
        digest: Digest,
        /// Where it was looked for.
        bucket: String,
    },
    /// What is stored is something else.
    #[error("{} was altered in the store: what came has digest {}", wanted.short(), found.short())]
    Tampered {
        /// What was asked for.
        wanted: Digest,
        /// What came.
        found: Digest,
    },
    /// More than was allowed.
    #[error("module {} has {bytes} bytes, more than the {most} allowed; raise the limit, or build it with `opt-level = \"s\"` and strip it", digest.short())]
    TooLarge {
        /// Which.
        digest: Digest,
        /// Its size.
        bytes: u64,
        /// The cap.
        most: u64,
    },
    /// No room is left.
    #[error("no room for {} ({bytes} bytes): the broker's store `{bucket}` keeps {most} bytes; delete what is not needed any more", digest.short())]
    Full {
        /// Which.
        digest: Digest,
        /// Its size.
        bytes: u64,
        /// Where.
        bucket: String,
        /// The cap.
        most: u64,
    },
    /// Nobody who is trusted here vouches for it.
    #[error("module {} is refused: {reason}", digest.short())]
    Untrusted {
        /// Which.
        digest: Digest,
        /// Why.
        reason: TrustError,
    },
    /// Chunks of it are missing.
    #[error("{} is in the store in part only: {left} pieces are missing; store it again with `loadhost push`", digest.short())]
    Torn {
        /// Which.
        digest: Digest,
        /// Chunks that are missing.
        left: usize,
    },
    /// The broker was too slow.
    #[error("{} did not arrive within {patience:?}; the network may be slow", digest.short())]
    TimedOut {
        /// Which.
        digest: Digest,
        /// How long was waited.
        patience: Duration,
    },
    /// The broker said no.
    #[error("the broker's store `{bucket}`: {reason}")]
    Broker {
        /// Its name.
        bucket: String,
        /// What the broker said.
        reason: String,
    },
}

impl StoreError {
    /// At which step it failed, for a run's notes: `download`, `digest` or `signature`.
    pub fn step(&self) -> &'static str {
        match self {
            Self::Tampered { .. } => "digest",
            Self::Untrusted { .. } => "signature",
            Self::Missing { .. }
            | Self::TooLarge { .. }
            | Self::Full { .. }
            | Self::Torn { .. }
            | Self::TimedOut { .. }
            | Self::Broker { .. } => "download",
        }
    }
}

/// The digest of a module.
pub fn digest_of(bytes: &[u8]) -> Digest {
    Digest::new(sha2::Sha256::digest(bytes).into())
}

/// Modules and files of data sets of one cluster, or its results. Clones share it.
#[derive(Clone)]
pub struct ModuleStore {
    connection: Connection,
    bucket: String,
    /// Behind the bucket.
    stream: String,
    /// That the bucket keeps.
    most: i64,
    trust: Trust,
}

/// A module as it came out of the store; its digest has been checked, its signatures have not.
struct Stored {
    bytes: Vec<u8>,
    signatures: Vec<Signature>,
}

impl ModuleStore {
    /// Of this cluster. Asks nothing yet.
    pub fn new(connection: &Connection, names: &Names) -> Self {
        let trust = Trust::default();
        let (bucket, stream, most) = (names.modules(), names.modules_stream(), MODULES_BYTES);
        Self { connection: connection.clone(), bucket, stream, most, trust }
    }

    /// Of the results of runs, which only masters may read. Asks nothing yet.
    pub(crate) fn of_results(connection: &Connection, names: &Names) -> Self {
        let (bucket, stream, most) = (names.results(), names.results_stream(), RESULTS_BYTES);
        Self { bucket, stream, most, ..Self::new(connection, names) }
    }

    /// The same, fetching only what is signed by somebody trusted.
    pub fn trusting(self, trust: Trust) -> Self {
        Self { trust, ..self }
    }

    /// Stores a module, unless it is there already and intact. Returns once others can fetch it.
    ///
    /// # Errors
    /// If the broker does not take it within `patience`.
    pub async fn put(&self, bytes: &[u8], patience: Duration) -> Result<Digest, StoreError> {
        self.put_signed(bytes, None, patience).await
    }

    /// The same, and who vouches for it. Signatures that were there before stay.
    ///
    /// # Errors
    /// If the broker does not take it within `patience`.
    pub async fn put_signed(
        &self,
        bytes: &[u8],
        signature: Option<&Signature>,
        patience: Duration,
    ) -> Result<Digest, StoreError> {
        let digest = digest_of(bytes);
        self.put_known(digest, bytes, signature, patience).await.map(|()| digest)
    }

    /// The same for bytes whose digest is known.
    pub(crate) async fn put_known(
        &self,
        digest: Digest,
        bytes: &[u8],
        signature: Option<&Signature>,
        patience: Duration,
    ) -> Result<(), StoreError> {
        let put = async {
            let store = self.open_or_create().await?;
            // Whoever stores the same at the same time takes away the chunks that are being read here.
            for _ in 1..ATTEMPTS {
                match self.put_once(&store, digest, bytes, signature).await {
                    Err(StoreError::TimedOut { .. } | StoreError::Torn { .. }) => {}
                    other => return other,
                }
            }
            self.put_once(&store, digest, bytes, signature).await
        };
        let stored = tokio::time::timeout(patience, put).await;
        stored.unwrap_or(Err(StoreError::TimedOut { digest, patience }))
    }

    async fn put_once(
        &self,
        store: &ObjectStore,
        digest: Digest,
        bytes: &[u8],
        signature: Option<&Signature>,
    ) -> Result<(), StoreError> {
        let size = bytes.len() as u64;
        let patience = STANDSTILL + Duration::from_secs(size / SLOWEST);
        let read = async || {
            let read = tokio::time::timeout(patience, self.read(digest, size)).await;
            read.unwrap_or(Err(StoreError::TimedOut { digest, patience }))
        };
        let there = read().await.ok();
        let is_intact = there.is_some();
        let mut signatures = there.map(|stored| stored.signatures).unwrap_or_default();
        signatures.retain(|signature| signature.is_of(digest));
        match signature {
            Some(new) if !signatures.contains(new) => {
                signatures.truncate(MAX_SIGNATURES - 1);
                signatures.push(new.clone());
            }
            _ if is_intact => return Ok(()),
            _ => {}
        }
        self.look_for_room(digest, size).await?;
        let meta = metadata_of(digest, &signatures);
        store.put(meta, &mut &bytes[..]).await.map_err(|e| self.broker(e))?;
        let signatures = signatures.len();
        info!(digest = digest.short(), bytes = size, signatures, "module stored");
        let read = tokio::time::timeout(BEHIND + patience, self.read_soon(digest, size)).await;
        read.unwrap_or(Err(StoreError::TimedOut { digest, patience })).map(drop)
    }

    /// Fetches a module of `most` bytes at most, and makes sure that it is the right one and,
    /// with [`Self::trusting`], from the right people.
    ///
    /// # Errors
    /// If it is not there, altered, too large, late or of strangers.
    pub async fn fetch(
        &self,
        digest: Digest,
        most: u64,
        patience: Duration,
    ) -> Result<Vec<u8>, StoreError> {
        let stored = self.find(digest, most, patience).await?;
        match self.trust.check(digest, &stored.signatures) {
            Ok(()) => Ok(stored.bytes),
            Err(reason) => Err(StoreError::Untrusted { digest, reason }),
        }
    }

    /// The same for what is no module, such as the file of a data set: nobody need vouch for what is never run.
    ///
    /// # Errors
    /// If it is not there, altered, too large or late.
    pub async fn fetch_file(
        &self,
        digest: Digest,
        most: u64,
        patience: Duration,
    ) -> Result<Vec<u8>, StoreError> {
        self.find(digest, most, patience).await.map(|stored| stored.bytes)
    }

    async fn find(
        &self,
        digest: Digest,
        most: u64,
        patience: Duration,
    ) -> Result<Stored, StoreError> {
        match tokio::time::timeout(patience, self.read_soon(digest, most)).await {
            Ok(result) => result,
            Err(_) => Err(StoreError::TimedOut { digest, patience }),
        }
    }

    /// What has been stored, though perhaps only a moment ago and at another node than the one that answers.
    async fn read_soon(&self, digest: Digest, most: u64) -> Result<Stored, StoreError> {
        let end = Instant::now() + BEHIND;
        loop {
            match self.read(digest, most).await {
                Err(StoreError::Missing { .. } | StoreError::Torn { .. })
                    if self.connection.has_several_nodes() && Instant::now() < end =>
                {
                    tokio::time::sleep(ASK_AGAIN).await;
                }
                read => return read,
            }
        }
    }

    async fn read(&self, digest: Digest, most: u64) -> Result<Stored, StoreError> {
        let Some(info) = self.entry(digest).await? else {
            return Err(StoreError::Missing { digest, bucket: self.bucket.clone() });
        };
        let bytes = info.size as u64;
        if bytes > most {
            return Err(StoreError::TooLarge { digest, bytes, most });
        }
        let signatures = info.metadata.get(SIGNATURES).map(|text| parse_signatures(text));
        let module = self.chunks(&info, digest, most).await?;
        match digest_of(&module) {
            found if found == digest => {
                Ok(Stored { bytes: module, signatures: signatures.unwrap_or_default() })
            }
            found => Err(StoreError::Tampered { wanted: digest, found }),
        }
    }

    /// The stream behind the bucket, without asking for more than a worker may.
    async fn objects(&self) -> Result<Stream<()>, StoreError> {
        let stream = self.connection.jetstream.get_stream_no_info(&self.stream).await;
        stream.map_err(|error| self.broker(error))
    }

    /// What the bucket says of an object; None: it is not there.
    async fn entry(&self, digest: Digest) -> Result<Option<ObjectInfo>, StoreError> {
        let stream = self.objects().await?;
        let subject = format!("$O.{}.M.{}", self.bucket, URL_SAFE.encode(digest.to_string()));
        match stream.direct_get_last_for_subject(subject).await {
            Ok(entry) => {
                let info: ObjectInfo =
                    serde_json::from_slice(&entry.payload).map_err(|error| self.broker(error))?;
                Ok((!info.deleted).then_some(info))
            }
            Err(error) => match error.kind() {
                DirectGetErrorKind::NotFound => Ok(None),
                // The bucket is made with the first object, and nobody answers for one that is not there.
                DirectGetErrorKind::TimedOut if matches!(self.has_bucket().await, Ok(false)) => {
                    Ok(None)
                }
                _ => Err(self.broker(error)),
            },
        }
    }

    /// The bytes of an object, asked for chunk by chunk.
    ///
    /// Not by a consumer, as clients do it: whoever may create one may have the broker send what it delivers to any
    /// subject, also to those that a worker may not speak on.
    async fn chunks(
        &self,
        info: &ObjectInfo,
        digest: Digest,
        most: u64,
    ) -> Result<Vec<u8>, StoreError> {
        let stream = self.objects().await?;
        let subject = format!("$O.{}.C.{}", self.bucket, info.nuid);
        let mut bytes = Vec::with_capacity(info.size);
        // Chunks mostly follow each other, so the ones after the first are asked for together. Each answer is the
        // first chunk at its number or behind, so none between two answers is missed.
        let (mut left, mut next, mut width) = (info.chunks, 1_u64, 1);
        while left > 0 {
            let numbers = next..next.saturating_add(width);
            let asked = numbers.map(|n| stream.direct_get_next_for_subject(&*subject, Some(n)));
            let before = left;
            for answer in join_all(asked).await {
                match answer {
                    Ok(chunk) if chunk.sequence >= next && left > 0 => {
                        next = chunk.sequence.saturating_add(1);
                        left -= 1;
                        bytes.extend_from_slice(&chunk.payload);
                    }
                    Err(error) if error.kind() != DirectGetErrorKind::NotFound => {
                        return Err(self.broker(error));
                    }
                    _ => {} // Known already, or behind the last.
                }
            }
            // The size is what the entry says; the cap holds whatever the chunks are.
            if bytes.len() as u64 > most {
                return Err(StoreError::TooLarge { digest, bytes: bytes.len() as u64, most });
            }
            if left == before {
                return Err(StoreError::Torn { digest, left });
            }
            width = AT_ONCE;
        }
        Ok(bytes)
    }

    async fn open_or_create(&self) -> Result<ObjectStore, StoreError> {
        if let Ok(store) = self.connection.jetstream.get_object_store(&self.bucket).await {
            return Ok(store);
        }
        let config = Config {
            bucket: self.bucket.clone(),
            description: Some("loadhost: files by SHA-256".into()),
            max_bytes: self.most,
            storage: StorageType::File,
            num_replicas: self.connection.replicas(),
            ..Config::default()
        };
        self.connection.jetstream.create_object_store(config).await.map_err(|e| self.broker(e))
    }

    /// An upload that is refused halfway leaves its chunks behind for minutes. So it is not begun.
    async fn look_for_room(&self, digest: Digest, bytes: u64) -> Result<(), StoreError> {
        let stream = self.connection.jetstream.get_stream(&self.stream).await;
        let stream = stream.map_err(|error| self.broker(error))?;
        let (info, bucket) = (stream.cached_info(), self.bucket.clone());
        let chunks = bytes.div_ceil(CHUNK_BYTES);
        let wanted = bytes + ENTRY_BYTES + chunks * CHUNK_HEADER_BYTES;
        match u64::try_from(info.config.max_bytes) {
            Ok(most) if info.state.bytes + wanted > most => {
                Err(StoreError::Full { digest, bytes, bucket, most })
            }
            _ => Ok(()), // Without a bound there is room.
        }
    }

    /// Whether there is a bucket. It is made with the first object.
    pub(crate) async fn has_bucket(&self) -> Result<bool, StoreError> {
        match self.connection.jetstream.get_stream(&self.stream).await {
            Ok(_) => Ok(true),
            Err(error) => match error.kind() {
                GetStreamErrorKind::JetStream(told)
                    if told.error_code() == ErrorCode::STREAM_NOT_FOUND =>
                {
                    Ok(false)
                }
                _ => Err(self.broker(error)),
            },
        }
    }

    /// Deletes an object. One that is not there is no error.
    ///
    /// # Errors
    /// If the broker does not do it within `patience`.
    pub async fn delete(&self, digest: Digest, patience: Duration) -> Result<(), StoreError> {
        let delete = async {
            if !self.has_bucket().await? {
                return Ok(());
            }
            let store = self.connection.jetstream.get_object_store(&self.bucket).await;
            let store = store.map_err(|error| self.broker(error))?;
            match store.delete(digest.to_string()).await {
                Err(error) if error.kind() != DeleteErrorKind::NotFound => Err(self.broker(error)),
                _ => Ok(()),
            }
        };
        let deleted = tokio::time::timeout(patience, delete).await;
        deleted.unwrap_or(Err(StoreError::TimedOut { digest, patience }))
    }

    fn broker(&self, reason: impl std::fmt::Display) -> StoreError {
        StoreError::Broker { bucket: self.bucket.clone(), reason: reason.to_string() }
    }
}

fn metadata_of(digest: Digest, signatures: &[Signature]) -> ObjectMetadata {
    let text = signatures.iter().map(Signature::to_string).collect::<Vec<_>>().join(",");
    ObjectMetadata {
        name: digest.to_string(),
        metadata: std::iter::once((SIGNATURES.to_string(), text))
            .filter(|(_, text)| !text.is_empty())
            .collect(),
        ..ObjectMetadata::default()
    }
}
