//! Writing to a stream: acknowledged, and with an end.

use async_nats::jetstream::context::PublishErrorKind;
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
                _ => WriteError::Broker(error.to_string()),
            }),
            Err(_) => Err(WriteError::Broker(format!("no answer within {ANSWER_WITHIN:?}"))),
        }
    }
}
