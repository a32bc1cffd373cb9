//! Bytes in, answer out. Reads no socket and no clock.

use super::body::{BodyReader, Framing};
use super::head::{self, Head, Parsed};
use super::kept::Kept;
use super::outcome::Failure;

/// Informational answers (1xx) before the answer at most.
const MAX_INFORMATIONAL: u8 = 16;

/// What of an answer is of interest.
#[derive(Debug, Clone, Copy)]
pub(super) struct Wanted {
    /// The request was HEAD.
    pub(super) bodiless: bool,
    /// Keep head and body.
    pub(super) keep: bool,
    pub(super) header_cap: u32,
    pub(super) body_cap: usize,
}

/// Takes one answer apart as it arrives.
#[derive(Debug)]
pub(super) struct Reader {
    wanted: Wanted,
    /// The beginning of a head that came in pieces.
    partial: Option<Box<Partial>>,
    head: Option<Head>,
    body: BodyReader,
    kept: Option<Box<Kept>>,
    informational: u8,
    continued: bool,
    surplus: bool,
    body_bytes: u64,
    received: u64,
}

#[derive(Debug)]
struct Partial {
    bytes: Vec<u8>,
    /// How many there were when they were last parsed.
    parsed: usize,
}

/// A whole answer.
#[derive(Debug)]
pub(super) struct Reply {
    pub(super) head: Head,
    pub(super) kept: Option<Box<Kept>>,
    pub(super) body_bytes: u64,
    /// There were bytes after its end.
    pub(super) surplus: bool,
}

impl Reader {
    pub(super) fn new(wanted: Wanted) -> Self {
        Self {
            wanted,
            partial: None,
            head: None,
            body: BodyReader::new(Framing::Close),
            kept: None,
            informational: 0,
            continued: false,
            surplus: false,
            body_bytes: 0,
            received: 0,
        }
    }

    /// All bytes so far.
    pub(super) fn received(&self) -> u64 {
        self.received
    }

    /// Whether bytes of the answer itself have come, and not only informational ones.
    pub(super) fn has_begun(&self) -> bool {
        self.head.is_some() || self.partial.is_some()
    }

    /// The server wants the body of a request that had asked with `Expect: 100-continue`.
    pub(super) fn continued(&self) -> bool {
        self.continued
    }

    /// Takes the next bytes. True: the answer is complete.
    pub(super) fn feed(&mut self, bytes: &[u8]) -> Result<bool, Failure> {
        self.received += bytes.len() as u64;
        if self.head.is_some() {
            return self.feed_body(bytes);
        }
        let Some(mut partial) = self.partial.take() else {
            return self.feed_head(bytes);
        };
        let known = partial.bytes.len();
        partial.bytes.extend_from_slice(bytes);
        // Parsing begins anew with each piece, so a head that trickles in is only parsed
        // when it seems complete, or has doubled.
        let seems_complete = ends_head(&partial.bytes[known.saturating_sub(3)..]);
        if seems_complete || partial.bytes.len() >= 2 * partial.parsed {
            return self.feed_head(&partial.bytes);
        }
        self.wait_for_head(*partial)
    }

    /// The connection was closed.
    pub(super) fn close(&mut self) -> Result<(), Failure> {
        match self.head {
            Some(_) => self.body.close(),
            None if self.received == 0 => {
                Err(Failure::protocol("connection closed before the answer"))
            }
            None => Err(Failure::protocol("connection closed before the end of the head")),
        }
    }

    /// The answer, once it is complete.
    pub(super) fn take_reply(&mut self) -> Option<Reply> {
        Some(Reply {
            head: self.head.take()?,
            kept: self.kept.take(),
            body_bytes: self.body_bytes,
            surplus: self.surplus,
        })
    }

    fn feed_head(&mut self, bytes: &[u8]) -> Result<bool, Failure> {
        let mut rest = bytes;
        loop {
            let Some(parsed) = head::parse(rest, self.wanted.bodiless)? else {
                return self.wait_for_head(Partial { bytes: rest.to_vec(), parsed: rest.len() });
            };
            let Parsed { head, framing, length } = parsed;
            if length > self.wanted.header_cap as usize {
                return Err(too_large());
            }
            let (head_bytes, after) = rest.split_at(length);
            rest = after;
            if head.status >= 200 {
                self.start_body(head, framing, head_bytes);
                return self.feed_body(rest);
            }
            self.take_informational(head.status)?;
            if rest.is_empty() {
                return Ok(false);
            }
        }
    }

    fn take_informational(&mut self, status: u16) -> Result<(), Failure> {
        self.informational += 1;
        if status == 101 {
            return Err(Failure::protocol("the server switched to another protocol"));
        }
        if self.informational > MAX_INFORMATIONAL {
            return Err(Failure::protocol("the answer has too many informational heads"));
        }
        self.continued |= status == 100;
        Ok(())
    }

    fn start_body(&mut self, head: Head, framing: Framing, bytes: &[u8]) {
        self.body = BodyReader::new(framing);
        if self.wanted.keep {
            self.kept = Some(Box::new(Kept::new(bytes, self.wanted.body_cap)));
        }
        self.head = Some(head);
    }

    fn feed_body(&mut self, bytes: &[u8]) -> Result<bool, Failure> {
        let (kept, count, cap) = (&mut self.kept, &mut self.body_bytes, self.wanted.body_cap);
        let taken = self.body.feed(bytes, &mut |content| {
            *count += content.len() as u64;
            if let Some(kept) = kept {
                let room = cap - kept.body.len();
                kept.body.extend_from_slice(&content[..content.len().min(room)]);
                kept.truncated |= content.len() > room;
            }
        })?;
        let done = self.body.is_done();
        self.surplus |= done && taken < bytes.len();
        Ok(done)
    }

    fn wait_for_head(&mut self, partial: Partial) -> Result<bool, Failure> {
        if partial.bytes.len() > self.wanted.header_cap as usize {
            return Err(too_large());
        }
        self.partial = Some(Box::new(partial));
        Ok(false)
    }
}

/// The message that names the cap `header_bytes`.
pub(super) const HEAD_TOO_LARGE: &str = "the answer's head is longer than the limit header_bytes";

fn too_large() -> Failure {
    Failure::protocol(HEAD_TOO_LARGE)
}

/// Whether an empty line is among these bytes.
fn ends_head(bytes: &[u8]) -> bool {
    bytes.windows(2).any(|pair| pair == b"\n\n")
        || bytes.windows(3).any(|triple| triple == b"\n\r\n")
}
