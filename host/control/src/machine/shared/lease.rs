//! Numbers that nobody else gets: where they come from, and what of them a worker holds.
//!
//! ```text
//! never leased ──> held by a worker ──> taken by its users
//!      ▲                │ the worker leaves in good order: the rest comes back
//!      └── returned <───┤
//!                       └ it is lost: the rest is withheld, or given to others as well (repeated)
//! ```
//! A row of a data set is such a number; see [`DataSet::row_of`](loadhost_model::data::DataSet::row_of).

use loadhost_model::data::LostRows;
use loadhost_model::shared::{Draw, Lease};
use serde::{Deserialize, Serialize};

/// Numbers of one grant.
const MAX_GRANT: u64 = 100_000;
/// Numbers of a worker's first grant, before it has said how many it would like.
const FIRST_GRANT: u64 = 1_000;
/// Blocks of one lease; whoever has so many gets more once some are used up.
const MAX_BLOCKS: usize = 64;
/// Blocks that came back and wait for somebody. What comes back beyond them is withheld.
const MAX_RETURNED: usize = 10_000;

/// First number and how many.
type Block = (u64, u64);

/// Where numbers come from.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Source {
    /// The first that was never leased.
    next: u64,
    /// From here on there are none. None: without end.
    end: Option<u64>,
    lost: LostRows,
    /// Came back unused; in order, and no two adjacent.
    returned: Vec<Block>,
    /// Handed to users, by all that ever held any.
    pub(crate) taken: u64,
    /// Of processes that will not go on with them.
    withheld: u64,
    /// Given to others although somebody may have used them.
    pub(crate) repeated: u64,
}

impl Source {
    pub(crate) fn new(end: Option<u64>, lost: LostRows) -> Self {
        Self { next: 0, end, lost, returned: Vec::new(), taken: 0, withheld: 0, repeated: 0 }
    }

    /// How many could be leased now. None: without end.
    fn remaining(&self) -> Option<u64> {
        Some(self.end?.saturating_sub(self.next).saturating_add(count(&self.returned)))
    }

    /// Whether there is nothing to lease, unless something comes back.
    pub(crate) fn is_exhausted(&self) -> bool {
        self.remaining() == Some(0)
    }

    /// Whether what others hold is to be used in any case.
    pub(crate) fn must_be_used(&self) -> bool {
        self.end.is_some() && self.lost == LostRows::Repeat
    }

    /// How many workers were given, and still hold or have used.
    pub(crate) fn leased(&self) -> u64 {
        self.next.saturating_sub(count(&self.returned))
    }

    pub(crate) fn end(&self) -> Option<u64> {
        self.end
    }

    /// Withheld, but for what holders in doubt may still come back for.
    pub(crate) fn withheld(&self) -> u64 {
        self.withheld
    }

    /// Before a worker says anything, so that its users need not wait at the start.
    pub(crate) fn grant_first(&mut self, held: &mut Held, workers: usize) {
        self.lease(held, FIRST_GRANT, workers);
    }

    /// As many as were asked for, or as can be had: of what is left each worker gets a share that
    /// leaves enough for the others. True if it got any.
    pub(crate) fn grant(&mut self, held: &mut Held, workers: usize) -> bool {
        let got = self.lease(held, held.wanted.saturating_sub(held.stock()), workers);
        held.asks &= !got;
        got
    }

    fn lease(&mut self, held: &mut Held, wanted: u64, workers: usize) -> bool {
        let workers = u64::try_from(workers.max(1)).unwrap_or(u64::MAX);
        let share = |left: u64| (left / workers.saturating_mul(2)).max(1).min(left);
        let mut open = wanted.min(MAX_GRANT).min(self.remaining().map_or(u64::MAX, share));
        let before = held.lease.total();
        while open > 0 && held.lease.blocks.len() < MAX_BLOCKS {
            let (first, length) = self.cut(open);
            if length == 0 {
                break;
            }
            open -= length;
            match held.lease.blocks.last_mut() {
                Some((last, so_far)) if last.saturating_add(*so_far) == first => *so_far += length,
                _ => held.lease.blocks.push((first, length)),
            }
        }
        held.lease.total() > before
    }

    /// The next block, no longer than `most`: first what came back.
    fn cut(&mut self, most: u64) -> Block {
        if let Some((first, length)) = self.returned.first_mut() {
            let cut = (*first, most.min(*length));
            (*first, *length) = (cut.0 + cut.1, *length - cut.1);
            if *length == 0 {
                self.returned.remove(0);
            }
            return cut;
        }
        let left = self.end.unwrap_or(u64::MAX).saturating_sub(self.next);
        let cut = (self.next, most.min(left));
        self.next += cut.1;
        cut
    }

    /// What a worker says of its draw.
    pub(crate) fn hear(&mut self, held: &mut Held, draw: Draw) {
        let taken = draw.taken.min(held.lease.total());
        if taken > held.taken {
            self.taken = self.taken.saturating_add(taken - held.taken);
            held.taken = taken;
            held.lease.forget(taken);
        }
        held.wanted = draw.wanted;
        held.asks = held.stock().saturating_mul(2) < held.wanted;
    }

    /// Nobody knows what becomes of the rest: the worker is silent, or gone without a last word.
    pub(crate) fn doubt(&mut self, held: &mut Held) {
        held.asks = false;
        if self.lost == LostRows::Repeat {
            let rest = held.own();
            self.repeated = self.repeated.saturating_add(count(&rest));
            held.given = held.lease.total();
            self.take_back(rest);
        }
    }

    /// That was the last word: what is left was not used, and others get it.
    pub(crate) fn finish(&mut self, held: &mut Held) {
        self.take_back(held.own());
        held.retire();
    }

    /// The process will not go on with the rest, and nobody knows whether it used any of it.
    pub(crate) fn give_up(&mut self, held: &mut Held) {
        self.withheld = self.withheld.saturating_add(held.in_doubt());
        held.retire();
    }

    fn take_back(&mut self, blocks: Vec<Block>) {
        for (first, length) in blocks {
            let at = self.returned.partition_point(|(other, _)| *other < first);
            let joins = |(other, so_far): &Block| other.saturating_add(*so_far) == first;
            if at > 0 && self.returned.get(at - 1).is_some_and(joins) {
                self.returned[at - 1].1 += length;
                self.join(at - 1);
            } else if self.returned.len() < MAX_RETURNED {
                self.returned.insert(at, (first, length));
                self.join(at);
            } else {
                self.withheld = self.withheld.saturating_add(length);
            }
        }
    }

    /// What came back and waits for somebody.
    #[cfg(test)]
    pub(crate) fn waiting(&self) -> &[Block] {
        &self.returned
    }

    /// Makes a block and the next one into one, if they are adjacent.
    fn join(&mut self, at: usize) {
        let (Some((first, length)), Some((next, more))) =
            (self.returned.get(at).copied(), self.returned.get(at + 1).copied())
        else {
            return;
        };
        if first.saturating_add(length) == next {
            self.returned[at].1 += more;
            self.returned.remove(at + 1);
        }
    }
}

/// What a worker holds of a source.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Held {
    pub(crate) lease: Lease,
    /// Handed to users, of all that it ever got; those that were taken back count, too.
    taken: u64,
    pub(crate) wanted: u64,
    /// Its last word shows that it runs short, and nothing was granted since.
    pub(crate) asks: bool,
    /// Of all that it ever got, so many were given to others as well, or used.
    given: u64,
}

impl Held {
    /// How many it can hand out without asking.
    pub(crate) fn stock(&self) -> u64 {
        self.lease.total().saturating_sub(self.taken)
    }

    /// How many may have been used, or not, and are with nobody else.
    pub(crate) fn in_doubt(&self) -> u64 {
        self.lease.total().saturating_sub(self.settled())
    }

    /// Its users wait.
    pub(crate) fn is_dry(&self) -> bool {
        self.asks && self.stock() == 0
    }

    /// What nobody else has.
    pub(crate) fn own(&self) -> Vec<Block> {
        self.lease.after(self.settled())
    }

    fn settled(&self) -> u64 {
        self.taken.max(self.given)
    }

    /// Nothing that it ever got is its own any more.
    fn retire(&mut self) {
        let total = self.lease.total();
        self.lease = Lease { before: total, blocks: Vec::new(), last: self.lease.last };
        (self.taken, self.given, self.wanted, self.asks) = (total, total, 0, false);
    }
}

fn count(blocks: &[Block]) -> u64 {
    blocks.iter().fold(0, |sum, (_, length)| sum.saturating_add(*length))
}

#[cfg(test)]
mod tests;
