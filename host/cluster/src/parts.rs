//! Intervals as messages: which numbers one covers, and several messages for a large one.
//!
//! A message carries, as headers, the worker's process, the numbers it covers (`first-last`;
//! more than one after intervals were merged during an outage) and which part of how many it is.
//! The body is the encoded interval, or a slice of it where that is larger than the broker
//! takes. Parts of one interval follow each other on the worker's subject; [`Assembly`] puts them
//! together again and hands out intervals whole or not at all.

use std::collections::BTreeMap;
use std::time::Duration;

use async_nats::HeaderMap;
use loadhost_model::interval::{Interval, Statistics};
use loadhost_model::wire::{self, WireError};
use tokio::time::Instant;

/// Bytes of a part: below the 1 MiB that brokers take by default, with room for headers.
pub(crate) const PART_BYTES: usize = 700 << 10;
/// Parts of one interval: as many as the longest has that is decoded.
const MOST_PARTS: usize = wire::MAX_INTERVAL_BYTES.div_ceil(PART_BYTES);
/// Intervals that one message may say it covers: a day of seconds.
const MOST_COVERED: u64 = 86_400;
/// Parts that wait longer than this for the rest will not be completed.
const WAIT_FOR_REST: Duration = Duration::from_secs(60);

const SEQ: &str = "Lh-Seq";
const PART: &str = "Lh-Part";
const INCARNATION: &str = "Lh-Incarnation";
/// The broker's own header: it drops a message that it has had in the last two minutes.
const MESSAGE_ID: &str = "Nats-Msg-Id";

/// An interval, and from which number on it stands for its predecessors.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Covering {
    /// At most [`Interval::seq`].
    pub(crate) first: u64,
    pub(crate) interval: Interval,
}

impl Covering {
    /// The same as intervals of one number each: what was merged is whole in the last, and its
    /// predecessors are empty and of no length, so that the receiver sees neither a gap nor a sample twice.
    pub(crate) fn into_intervals(self) -> impl Iterator<Item = Interval> {
        let Self { first, interval } = self;
        let empty = Interval {
            run: interval.run.clone(),
            worker: interval.worker.clone(),
            users: BTreeMap::new(),
            end: interval.begin,
            statistics: Statistics::default(),
            last: false,
            incarnation: interval.incarnation,
            seq: interval.seq,
            term: interval.term,
            begin: interval.begin,
        };
        let empties = (first..interval.seq).map(move |seq| Interval { seq, ..empty.clone() });
        empties.chain([interval])
    }
}

/// One message to be published, the same bytes however often it is tried.
#[derive(Debug, Clone)]
pub(crate) struct Outgoing {
    pub(crate) headers: HeaderMap,
    pub(crate) body: Vec<u8>,
}

/// The messages of one interval, in the order in which they are to be published.
pub(crate) fn split(covering: &Covering, part_bytes: usize) -> Vec<Outgoing> {
    let Covering { first, interval } = covering;
    let body = wire::encode_interval(interval);
    let slices: Vec<&[u8]> = body.chunks(part_bytes.max(1)).collect();
    let (run, worker, incarnation) = (&interval.run, &interval.worker, interval.incarnation.0);
    let outgoing = |(index, slice): (usize, &&[u8])| {
        let (part, of) = (index + 1, slices.len());
        let mut headers = HeaderMap::new();
        headers.insert(SEQ, format!("{first}-{}", interval.seq));
        headers.insert(PART, format!("{part}/{of}"));
        headers.insert(INCARNATION, incarnation.to_string());
        headers.insert(MESSAGE_ID, format!("{run}.{worker}.{incarnation}.{}.{part}", interval.seq));
        Outgoing { headers, body: slice.to_vec() }
    };
    slices.iter().enumerate().map(outgoing).collect()
}

/// Why a message is no part of an interval.
#[derive(Debug, thiserror::Error)]
pub(crate) enum PartError {
    #[error("header `{0}` is missing or not readable")]
    Header(&'static str),
    #[error("the body is not readable: {0}")]
    Body(#[from] WireError),
    #[error("the body is of another run, worker, process or number than the message says")]
    Foreign,
    #[error("part {part} came without the parts before it")]
    OutOfOrder { part: usize },
}

/// An interval of which not all parts have come.
struct Open {
    covers: (u64, u64),
    of: usize,
    parts: usize,
    body: Vec<u8>,
    first_sequence: u64,
    since: Instant,
}

/// Puts parts together, for all workers.
#[derive(Default)]
pub(crate) struct Assembly {
    open: BTreeMap<(String, u64), Open>,
}

impl Assembly {
    /// Takes the message at `sequence` of the stream. An interval once it is whole.
    pub(crate) fn take(
        &mut self,
        subject: &str,
        headers: &HeaderMap,
        body: &[u8],
        sequence: u64,
    ) -> Result<Option<Covering>, PartError> {
        let covers = numbers(headers, SEQ, '-').ok_or(PartError::Header(SEQ))?;
        let (part, of) = numbers(headers, PART, '/').ok_or(PartError::Header(PART))?;
        let (part, of) = (part as usize, of as usize);
        let incarnation = headers.get(INCARNATION).and_then(|value| value.as_str().parse().ok());
        let incarnation: u64 = incarnation.ok_or(PartError::Header(INCARNATION))?;
        let fits = covers.0 >= 1 && covers.0 <= covers.1 && covers.1 - covers.0 < MOST_COVERED;
        if !fits {
            return Err(PartError::Header(SEQ));
        }
        if part == 0 || part > of || of > MOST_PARTS {
            return Err(PartError::Header(PART));
        }
        let key = (subject.to_string(), incarnation);
        let whole = if of == 1 {
            self.open.remove(&key);
            body.to_vec()
        } else {
            match self.join(&key, covers, (part, of), body, sequence)? {
                Some(whole) => whole,
                None => return Ok(None),
            }
        };
        let interval = wire::decode_interval(&whole)?;
        let says = format!(".{}.{}", interval.run, interval.worker);
        if !subject.ends_with(&says)
            || interval.incarnation.0 != incarnation
            || interval.seq != covers.1
        {
            return Err(PartError::Foreign);
        }
        Ok(Some(Covering { first: covers.0, interval }))
    }

    fn join(
        &mut self,
        key: &(String, u64),
        covers: (u64, u64),
        (part, of): (usize, usize),
        body: &[u8],
        sequence: u64,
    ) -> Result<Option<Vec<u8>>, PartError> {
        if part == 1 {
            let (since, body) = (Instant::now(), body.to_vec());
            let open = Open { covers, of, parts: 1, body, first_sequence: sequence, since };
            self.open.insert(key.clone(), open);
            return Ok(None);
        }
        let open = self.open.get_mut(key).filter(|open| open.covers == covers && open.of == of);
        let open = open.ok_or(PartError::OutOfOrder { part })?;
        if part <= open.parts {
            return Ok(None); // Published twice: its acknowledgement was lost.
        }
        if part != open.parts + 1 {
            self.open.remove(key);
            return Err(PartError::OutOfOrder { part });
        }
        open.parts = part;
        open.body.extend_from_slice(body);
        if part < of {
            return Ok(None);
        }
        Ok(self.open.remove(key).map(|open| open.body))
    }

    /// Where the stream is still needed from: the first part of the oldest open interval.
    pub(crate) fn needed_from(&self) -> Option<u64> {
        self.open.values().map(|open| open.first_sequence).min()
    }

    /// Gives up what has waited too long for the rest. How many intervals that were.
    pub(crate) fn expire(&mut self, now: Instant) -> u64 {
        let before = self.open.len();
        self.open.retain(|_, open| now.saturating_duration_since(open.since) < WAIT_FOR_REST);
        (before - self.open.len()) as u64
    }

    /// Forgets all open intervals; their parts will be read again.
    pub(crate) fn clear(&mut self) {
        self.open.clear();
    }
}

fn numbers(headers: &HeaderMap, name: &str, separator: char) -> Option<(u64, u64)> {
    let (left, right) = headers.get(name)?.as_str().split_once(separator)?;
    Some((left.parse().ok()?, right.parse().ok()?))
}
