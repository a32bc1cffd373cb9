//! Writing to a stream: acknowledged, and with an end.

use async_nats::jetstream::ErrorCode;
use async_nats::jetstream::context::{PublishError, PublishErrorKind};
use async_nats::jetstream::message::PublishMessage;

use super::{ANSWER_WITHIN, Connection};

/// Why a stream did not take a message.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(crate) enum WriteError {
    /// The newest message of the subject is not the one that was to be replaced.
    #[error("another revision has been written")]
    Conflict,
    /// The broker takes fewer bytes.
    #[error("the broker takes {most} bytes at most")]
    TooLarge { most: usize },
    /// A bound of the stream.
    #[error("the stream is full: {0}")]
    Full(String),
    /// It was not done, or not in time; it may still be done.
    #[error("{0}")]
    Broker(String),
}

impl Connection {
    /// Writes to the stream of `subject` and returns the message's number. With `replaces` only if
    /// the newest message of the subject is still the one of this number (0: there is none).
    pub(crate) async fn write(
        &self,
        subject: String,
        value: Vec<u8>,
        replaces: Option<u64>,
    ) -> Result<u64, WriteError> {
        let mut message = PublishMessage::build().payload(value.into());
        if let Some(revision) = replaces {
            message = message.expected_last_subject_sequence(revision);
        }
        let write = async { self.jetstream.send_publish(subject, message).await?.await };
        match tokio::time::timeout(ANSWER_WITHIN, write).await {
            Ok(Ok(written)) => Ok(written.sequence),
            Ok(Err(error)) => Err(match error.kind() {
                PublishErrorKind::WrongLastSequence => WriteError::Conflict,
                PublishErrorKind::MaxPayloadExceeded => {
                    WriteError::TooLarge { most: self.client.max_payload() }
                }
                _ if is_full(&error) => WriteError::Full(error.to_string()),
                _ => WriteError::Broker(error.to_string()),
            }),
            Err(_) => Err(WriteError::Broker(format!("no answer within {ANSWER_WITHIN:?}"))),
        }
    }
}

/// Whether the stream refused because of its own bounds. A disk that is full has the same code.
fn is_full(error: &PublishError) -> bool {
    let source = std::error::Error::source(error);
    let told = source.and_then(|source| source.downcast_ref::<async_nats::jetstream::Error>());
    told.is_some_and(|told| told.error_code() == ErrorCode::STREAM_STORE_FAILED)
        && error.to_string().contains("maximum")
}
