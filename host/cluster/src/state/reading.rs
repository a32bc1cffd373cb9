//! Taking over what a former leader saved.

use async_nats::jetstream::message::StreamMessage;
use async_nats::jetstream::stream::LastRawMessageErrorKind;
use futures_util::{StreamExt, TryStreamExt, stream};
use loadhost_control::ports::{Saved, SavedCheckpoint, StoreError};
use loadhost_model::id::{RunId, Term};

use super::manifest::{Content, Manifest, is_whole};
use super::{ATTEMPTS, DECISIONS, Kept, Known, NatsState, between, unavailable, within};

/// Chunks that are read at a time.
const AT_ONCE: usize = 8;

/// All of a document.
pub(super) struct Document {
    revision: u64,
    manifest: Manifest,
    pub(super) sections: Vec<Vec<u8>>,
}

impl NatsState {
    /// Claims the state, so that former leaders can save no more, and reads it.
    pub(super) async fn take_over(&self, term: Term) -> Result<Saved, StoreError> {
        let mut kept = Kept { term: Some(term), ..Kept::default() };
        let (decisions, age) = self.claim(term, &mut kept).await?;
        let mut saved = Saved { decisions, age, ..Saved::default() };
        for key in self.keys("run.*").await? {
            match self.read(&key).await {
                Ok(Some(document)) => {
                    let position = document.manifest.position;
                    let run = key.strip_prefix("run.").and_then(|run| RunId::new(run).ok());
                    note(&mut kept, &key, document.revision, &document.manifest);
                    if let Some(run) = run {
                        let sections = document.sections;
                        saved.checkpoints.insert(run, SavedCheckpoint { position, sections });
                    }
                }
                Ok(None) => {}
                Err(error) => return Err(error),
            }
        }
        let mut reports = Vec::new();
        for key in self.keys("report.*").await? {
            match self.read(&key).await {
                Ok(Some(document)) => {
                    note(&mut kept, &key, document.revision, &document.manifest);
                    reports.push((document.revision, document.sections));
                }
                Ok(None) => {}
                Err(error) => {
                    tracing::warn!(key, %error, "the report of a run that is over is left out");
                    self.spare(&mut kept, &key).await;
                }
            }
        }
        reports.sort_by_key(|(revision, _)| *revision);
        saved.reports =
            reports.into_iter().filter_map(|(_, sections)| sections.into_iter().next()).collect();
        *self.kept() = kept;
        Ok(saved)
    }

    /// A document that cannot be read now may be read later: what belongs to it is no garbage.
    async fn spare(&self, kept: &mut Kept, key: &str) {
        match self.manifest(key).await {
            Ok(Some((message, manifest))) => note(kept, key, message.sequence, &manifest),
            Ok(None) => {}
            Err(_) => drop(kept.documents.insert(key.to_string(), Known::default())),
        }
    }

    /// Writes the decisions again under this term. What they are, and how long ago they were made.
    async fn claim(
        &self,
        term: Term,
        kept: &mut Kept,
    ) -> Result<(Option<Vec<u8>>, Option<std::time::Duration>), StoreError> {
        for _ in 0..ATTEMPTS {
            let found = self.read_with_time(DECISIONS).await?;
            let (claim, revision) = match &found {
                None => (Manifest::empty(term), 0),
                Some((document, _)) if document.manifest.term > term => {
                    let leader = document.manifest.term.0;
                    return Err(StoreError::Deposed(format!("in term {leader}")));
                }
                Some((document, written)) => {
                    (document.manifest.claimed(term, *written), document.revision)
                }
            };
            if self.swap(DECISIONS, claim.to_bytes(), revision).await?.is_none() {
                continue;
            }
            // The broker's clock has stamped the claim: so the age does not depend on ours.
            let Some((message, claimed)) = self.manifest(DECISIONS).await? else { continue };
            if claimed.term != term {
                continue;
            }
            let age = claimed.decided.map(|decided| between(decided, micros(&message)));
            let known = Known { revision: message.sequence, ..Known::default() };
            kept.documents.insert(DECISIONS.to_string(), known);
            let Some((document, _)) = found else { return Ok((None, None)) };
            if let Some(known) = kept.documents.get_mut(DECISIONS) {
                known.chunks = chunks_of(&document.manifest);
            }
            return Ok((document.sections.into_iter().next(), age));
        }
        Err(unavailable(DECISIONS, "others write it all the time"))
    }

    /// A document with all its sections. None: it is not there.
    pub(super) async fn read(&self, key: &str) -> Result<Option<Document>, StoreError> {
        Ok(self.read_with_time(key).await?.map(|(document, _)| document))
    }

    async fn read_with_time(&self, key: &str) -> Result<Option<(Document, i64)>, StoreError> {
        let mut missing = String::new();
        for _ in 0..ATTEMPTS {
            let Some((message, manifest)) = self.manifest(key).await? else { return Ok(None) };
            let mut sections = Vec::new();
            let contents = manifest.contents().map_err(|reason| unavailable(key, reason))?;
            let mut whole = true;
            for content in contents {
                match content {
                    Content::Inline(bytes) => sections.push(bytes.to_vec()),
                    Content::Chunks(chunks) => match self.chunks(chunks).await {
                        Ok(section) => sections.push(section),
                        Err(error) => {
                            // It may have been replaced while it was read.
                            (missing, whole) = (error.to_string(), false);
                            break;
                        }
                    },
                }
            }
            if whole {
                let (written, revision) = (micros(&message), message.sequence);
                return Ok(Some((Document { revision, manifest, sections }, written)));
            }
        }
        Err(unavailable(key, missing))
    }

    async fn chunks(&self, chunks: &[(String, usize)]) -> Result<Vec<u8>, StoreError> {
        let read = |(name, length): (String, usize)| async move {
            let found = self.last(&name).await?;
            let found = found.filter(|message| message.payload.len() == length);
            let found = found.filter(|message| is_whole(&name, &message.payload));
            found.map(|message| message.payload).ok_or_else(|| unavailable(&name, "it is missing"))
        };
        let parts = stream::iter(chunks.to_vec()).map(read).buffered(AT_ONCE);
        let parts: Vec<_> = parts.try_collect().await?;
        Ok(parts.concat())
    }

    /// The manifest of a document, as the stream's leader has it.
    pub(super) async fn manifest(
        &self,
        key: &str,
    ) -> Result<Option<(StreamMessage, Manifest)>, StoreError> {
        let Some(message) = self.last(key).await? else { return Ok(None) };
        let manifest =
            Manifest::read(&message.payload).map_err(|reason| unavailable(key, reason))?;
        Ok(Some((message, manifest)))
    }

    async fn last(&self, key: &str) -> Result<Option<StreamMessage>, StoreError> {
        let subject = self.names.state(key);
        match within(key, self.stream.get_last_raw_message_by_subject(&subject)).await? {
            Ok(message) => Ok(Some(message)),
            Err(error) if error.kind() == LastRawMessageErrorKind::NoMessageFound => Ok(None),
            Err(error) => Err(unavailable(key, error)),
        }
    }
}

fn note(kept: &mut Kept, key: &str, revision: u64, manifest: &Manifest) {
    let (bytes, chunks) = (manifest.bytes(), chunks_of(manifest));
    let known = Known { revision, bytes, chunks, ..Known::default() };
    kept.documents.insert(key.to_string(), known);
}

fn chunks_of(manifest: &Manifest) -> std::collections::BTreeSet<String> {
    let contents = manifest.contents().unwrap_or_default().into_iter();
    let chunks = contents.flat_map(|content| match content {
        Content::Inline(_) => Vec::new(),
        Content::Chunks(chunks) => chunks.iter().map(|(name, _)| name.clone()).collect(),
    });
    chunks.collect()
}

/// When the broker took it, in microseconds since the Unix epoch.
fn micros(message: &StreamMessage) -> i64 {
    i64::try_from(message.time.unix_timestamp_nanos() / 1_000).unwrap_or_default()
}
