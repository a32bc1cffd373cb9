//! The arrivals of one share, one after the other, while rate and share change.
//!
//! A share is a set of slots, and each slot is a [`Stream`] of arrivals that nothing but the run
//! decides: whoever holds the slot at a moment makes the same ones. A stream that is lost
//! ends, and one that is gained begins, where the area below the rate has the value that it
//! has at the moment of the change, which both sides compute alike: so there is neither gap nor
//! double.

mod stream;

use std::cmp::Reverse;
use std::collections::BinaryHeap;
use std::collections::binary_heap::PeekMut;
use std::sync::Arc;
use std::time::Duration;

use super::Arrivals;
use crate::share::{Share, Timeline};
use stream::Stream;

/// How arrivals follow each other.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Gaps {
    /// At the closed form's times.
    Even,
    /// As a Poisson process with that rate.
    Exponential {
        /// Of all random gaps of the run.
        seed: u64,
        /// How many slots have arrivals: each is a process of its own.
        slots: u32,
    },
}

/// The arrivals of a share, one after the other.
///
/// [`DueTimes::replace`] puts another rate under it while it runs: as long as both rates
/// agree up to the present, no arrival is lost or comes twice. [`DueTimes::follow`] takes slots up
/// and gives them away.
#[derive(Debug, Clone)]
pub struct DueTimes {
    arrivals: Arc<Arrivals>,
    gaps: Gaps,
    shares: Timeline,
    streams: Vec<Stream>,
    /// Streams by their next arrival's place below the rate: the bits of a number that is not
    /// negative, which are in its order.
    queue: BinaryHeap<Reverse<(u64, usize)>>,
}

impl DueTimes {
    /// Those arrivals of the whole that the share of the moment has.
    pub fn new(arrivals: Arc<Arrivals>, gaps: Gaps, shares: Timeline) -> Self {
        let queue = BinaryHeap::new();
        let mut due = Self { arrivals, gaps, shares, streams: Vec::new(), queue };
        for (from, share) in due.shares.clone().spans() {
            due.change(*from, share);
        }
        due.enqueue();
        due
    }

    /// Goes on by another rate, which must agree with the present one up to the present.
    pub fn replace(&mut self, arrivals: Arc<Arrivals>) {
        self.arrivals = arrivals;
        for stream in &mut self.streams {
            stream.place(&self.arrivals);
        }
        self.enqueue();
    }

    /// Goes on with other shares, which must agree with the present ones on all that was handed
    /// out. A slot that is gained for a time that is past comes with all that was due since.
    pub fn follow(&mut self, shares: &Timeline) {
        // The oldest may have been forgotten meanwhile.
        let old = self.shares.spans();
        let first = old.iter().position(|span| Some(span) == shares.spans().first());
        let old = &old[first.unwrap_or(0)..];
        let same = old.iter().zip(shares.spans()).take_while(|(old, new)| old == new).count();
        let undone = old.get(same).map(|(from, _)| *from);
        let before = same.checked_sub(1).and_then(|last| shares.spans().get(last)).cloned();
        let new: Vec<_> = shares.spans().iter().skip(same).cloned().collect();
        if let (Some(from), Some((_, share))) = (undone, before) {
            self.change(from, &share);
        }
        for (from, share) in &new {
            self.change(*from, share);
        }
        self.shares = shares.clone();
        // What has ended is kept for as long as that could turn out to be otherwise.
        let oldest = shares.spans().first().map_or(Duration::MAX, |(from, _)| *from);
        self.streams.retain(|stream| !stream.is_past(oldest));
        self.enqueue();
    }

    /// From `from` on this share holds. Streams that had arrivals later than that already, because an
    /// earlier change is heard of only now, go on where they are.
    fn change(&mut self, from: Duration, share: &Share) {
        // Of another period, a stripe is another one, though its number may be the same.
        let is_held = |stream: &Stream| {
            stream.period() == share.of() && share.slots().binary_search(&stream.stripe()).is_ok()
        };
        self.streams.retain(|stream| stream.is_begun() || stream.begins() <= from);
        let (mut held, mut ended): (Vec<Stream>, Vec<Stream>) =
            self.streams.drain(..).partition(is_held);
        for stripe in share.slots() {
            let is_owner = |stream: &Stream| stream.stripe() == *stripe && stream.is_owned_at(from);
            if !held.iter().any(is_owner) {
                held.push(Stream::new(*stripe, share.of(), self.gaps, from, &self.arrivals));
            }
        }
        held.sort_by_key(|stream| (stream.stripe(), stream.begins()));
        let next: Vec<_> =
            held.iter().skip(1).map(|stream| (stream.stripe(), stream.begins())).collect();
        for (index, stream) in held.iter_mut().enumerate() {
            let next = next.get(index).filter(|(stripe, _)| *stripe == stream.stripe());
            match next.map(|(_, begins)| *begins) {
                Some(begins) if begins <= from => stream.end_at(from, &self.arrivals),
                next => stream.last_until(next, &self.arrivals),
            }
        }
        ended.iter_mut().for_each(|stream| stream.end_at(from, &self.arrivals));
        self.streams = held;
        self.streams.append(&mut ended);
        self.streams.retain(|stream| !stream.is_void());
    }

    fn enqueue(&mut self) {
        let entry = |(index, stream): (usize, &Stream)| Reverse((stream.next().to_bits(), index));
        let streams = self.streams.iter().enumerate().filter(|(_, stream)| !stream.is_over());
        self.queue = streams.map(entry).collect();
    }

    /// The next arrival without taking it: its number in the whole run (for Poisson, as
    /// if they came evenly) and its intended start. None: over, unless rate or share change.
    pub fn peek(&self) -> Option<(u64, Duration)> {
        let Reverse((bits, _)) = self.queue.peek()?;
        let next = f64::from_bits(*bits);
        self.arrivals.due_at_count(next).map(|due| (next as u64, due))
    }
}

impl Iterator for DueTimes {
    type Item = (u64, Duration);

    fn next(&mut self) -> Option<Self::Item> {
        let next = self.peek()?;
        let mut first = self.queue.peek_mut()?;
        let Reverse((bits, index)) = &mut *first;
        let stream = self.streams.get_mut(*index)?;
        stream.step();
        if stream.is_over() {
            PeekMut::pop(first);
        } else {
            *bits = stream.next().to_bits();
        }
        Some(next)
    }
}

#[cfg(test)]
#[path = "due_times/tests.rs"]
mod tests;
