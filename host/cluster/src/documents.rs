//! Control documents: a key-value bucket that is only ever written by compare-and-swap.
//!
//! A plain `put` is not offered, but for a key that nobody reads. A write that failed while the connection was down may still
//! be sent when it comes back; under compare-and-swap it then meets a newer revision and is
//! refused, so a deposed master can overwrite nothing.

use async_nats::jetstream::stream::{
    Config, DirectGetErrorKind, DiscardPolicy, Republish, StorageType, Stream,
};

use crate::connect::{ANSWER_WITHIN, Connection, WriteError};
use crate::subjects::{Names, PROBE_KEY};

/// Of all documents of a cluster together.
const BUCKET_BYTES: i64 = 256 << 20;

/// Why a document was not read or written.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(crate) enum DocumentError {
    /// Somebody else wrote since.
    #[error("another revision of `{0}` has been written")]
    Conflict(String),
    /// The broker did not do it, or not in time; it may still be done.
    #[error("`{key}`: {reason}")]
    Broker { key: String, reason: String },
    /// More than the broker takes.
    #[error(
        "`{key}` has {bytes} bytes, and the broker takes {most} at most; make the setup data smaller, or raise `max_payload` of the broker"
    )]
    TooLarge { key: String, bytes: usize, most: usize },
}

/// A document as it was found.
#[derive(Debug, Clone)]
pub(crate) struct Document {
    pub(crate) revision: u64,
    pub(crate) value: Vec<u8>,
}

/// The documents of one cluster.
#[derive(Clone)]
pub(crate) struct Documents {
    connection: Connection,
    stream: Stream<()>,
    names: Names,
}

impl Documents {
    /// Makes the bucket if it is not there. The stream is made by hand, because nats-server
    /// 2.9 does not answer what the client's own `create_key_value` asks first.
    pub(crate) async fn create(
        connection: &Connection,
        names: &Names,
        replicas: usize,
    ) -> Result<Self, DocumentError> {
        let (source, destination) = names.republish();
        let config = Config {
            name: names.control_stream(),
            description: Some("loadhost: leadership and assignments".into()),
            subjects: vec![names.document(">")],
            max_messages_per_subject: 1,
            max_bytes: BUCKET_BYTES,
            discard: DiscardPolicy::New,
            storage: StorageType::File,
            num_replicas: replicas,
            allow_rollup: true,
            deny_delete: true,
            allow_direct: true,
            republish: Some(Republish { source, destination, headers_only: false }),
            ..Config::default()
        };
        let made = connection.jetstream.get_or_create_stream(config).await;
        let broker = |reason: String| DocumentError::Broker { key: names.control_stream(), reason };
        made.map_err(|error| broker(error.to_string()))?;
        Self::open(connection, names).await
    }

    /// Of a bucket that may not be there yet: reading then finds nothing.
    pub(crate) async fn open(
        connection: &Connection,
        names: &Names,
    ) -> Result<Self, DocumentError> {
        let stream = connection.jetstream.get_stream_no_info(names.control_stream()).await;
        let stream = stream.map_err(|error| DocumentError::Broker {
            key: names.control_stream(),
            reason: error.to_string(),
        })?;
        Ok(Self { connection: connection.clone(), stream, names: names.clone() })
    }

    /// The newest revision that some replica has; None: never written.
    pub(crate) async fn get(&self, key: &str) -> Result<Option<Document>, DocumentError> {
        let broker = |reason: String| DocumentError::Broker { key: key.to_string(), reason };
        let get = self.stream.direct_get_last_for_subject(self.names.document(key));
        match tokio::time::timeout(ANSWER_WITHIN, get).await {
            Ok(Ok(found)) => {
                Ok(Some(Document { revision: found.sequence, value: found.payload.to_vec() }))
            }
            Ok(Err(error)) if error.kind() == DirectGetErrorKind::NotFound => Ok(None),
            Ok(Err(error)) => Err(broker(error.to_string())),
            Err(_) => Err(broker(format!("no answer within {ANSWER_WITHIN:?}"))),
        }
    }

    /// Writes what means nothing, to know whether writing is possible. It may come late and twice.
    pub(crate) async fn probe(&self) -> Result<(), DocumentError> {
        let written = self.connection.write(self.names.document(PROBE_KEY), Vec::new(), None).await;
        let broker = |reason: String| DocumentError::Broker { key: PROBE_KEY.into(), reason };
        written.map(drop).map_err(|error| broker(error.to_string()))
    }

    /// Writes if the newest revision is still `revision` (0: never written). The new revision.
    pub(crate) async fn swap(
        &self,
        key: &str,
        value: Vec<u8>,
        revision: u64,
    ) -> Result<u64, DocumentError> {
        let (key, bytes) = (key.to_string(), value.len());
        let written = self.connection.write(self.names.document(&key), value, Some(revision)).await;
        written.map_err(|error| match error {
            WriteError::Conflict => DocumentError::Conflict(key),
            WriteError::TooLarge { most } => DocumentError::TooLarge { key, bytes, most },
            WriteError::Full(reason) | WriteError::Broker(reason) => {
                DocumentError::Broker { key, reason }
            }
        })
    }
}
