//! The arrivals of one stripe, between the moments at which it is gained and lost.

use std::time::Duration;

use super::Gaps;
use crate::schedule::Arrivals;

/// Arrivals of one slot that a random process makes from one seed, on average. A stream can begin at
/// any moment without making all arrivals before, because each such cell begins anew: the
/// process has no memory, so it remains one.
const CELL: f64 = 64.0;

/// The arrivals of one stripe, by their place: the area below the rate at which they are due.
#[derive(Debug, Clone)]
pub(super) struct Stream {
    stripe: u32,
    period: u32,
    steps: Steps,
    from: Duration,
    until: Option<Duration>,
    /// Place of the next arrival.
    next: f64,
    /// First place that is not its own any more.
    end: f64,
    is_begun: bool,
}

#[derive(Debug, Clone)]
enum Steps {
    Even,
    Random(Cells),
}

impl Stream {
    /// Stripe `stripe` of `period`, from a moment on.
    pub(super) fn new(
        stripe: u32,
        period: u32,
        gaps: Gaps,
        from: Duration,
        arrivals: &Arrivals,
    ) -> Self {
        let steps = match gaps {
            Gaps::Even => Steps::Even,
            Gaps::Exponential { seed, slots } => {
                Steps::Random(Cells::new(stripe, period, seed, slots))
            }
        };
        let (until, end, is_begun) = (None, f64::INFINITY, false);
        let mut new = Self { stripe, period, steps, from, until, next: 0.0, end, is_begun };
        new.place(arrivals);
        new
    }

    /// Finds its ends below a rate.
    pub(super) fn place(&mut self, arrivals: &Arrivals) {
        if !self.is_begun {
            let begin = arrivals.area_at(self.from);
            self.next = match &mut self.steps {
                Steps::Even => first_of(self.stripe, self.period, begin.ceil()),
                Steps::Random(cells) => cells.first_from(begin),
            };
        }
        self.end = self.until.map_or(f64::INFINITY, |until| arrivals.area_at(until));
    }

    pub(super) fn stripe(&self) -> u32 {
        self.stripe
    }

    pub(super) fn period(&self) -> u32 {
        self.period
    }

    pub(super) fn next(&self) -> f64 {
        self.next
    }

    /// Since when it is owned.
    pub(super) fn begins(&self) -> Duration {
        self.from
    }

    /// Whether it goes on at that moment, as far as is known.
    pub(super) fn is_owned_at(&self, at: Duration) -> bool {
        self.from <= at && self.until.is_none_or(|until| at <= until)
    }

    /// It ends at that moment, even if it was to end before; or never.
    pub(super) fn last_until(&mut self, until: Option<Duration>, arrivals: &Arrivals) {
        self.until = until;
        self.end = until.map_or(f64::INFINITY, |until| arrivals.area_at(until));
    }

    /// It ends at that moment, or before; where it has not begun by then, at its own beginning, so
    /// that it goes on if a later share has it.
    pub(super) fn end_at(&mut self, at: Duration, arrivals: &Arrivals) {
        let at = at.max(self.from);
        if self.until.is_none_or(|until| at < until) {
            (self.until, self.end) = (Some(at), arrivals.area_at(at));
        }
    }

    /// Whether it has handed out an arrival.
    pub(super) fn is_begun(&self) -> bool {
        self.is_begun
    }

    pub(super) fn is_over(&self) -> bool {
        self.next >= self.end
    }

    /// It has had no arrival, and will have none.
    pub(super) fn is_void(&self) -> bool {
        self.is_over() && !self.is_begun
    }

    /// It was over before that moment.
    pub(super) fn is_past(&self, moment: Duration) -> bool {
        self.is_over() && self.until.is_some_and(|until| until < moment)
    }

    /// Takes the next arrival.
    pub(super) fn step(&mut self) {
        self.is_begun = true;
        self.next = match &mut self.steps {
            Steps::Even => self.next + f64::from(self.period),
            Steps::Random(cells) => cells.next(),
        };
    }
}

/// The first number of a stripe that is `begin` or more.
fn first_of(stripe: u32, period: u32, begin: f64) -> f64 {
    let (stripe, period) = (f64::from(stripe), f64::from(period));
    stripe + ((begin - stripe).max(0.0) / period).ceil() * period
}

/// A Poisson process for one slot. Of its arrivals, those parts of a worker that share the slot take
/// turns, cell by cell.
#[derive(Debug, Clone)]
struct Cells {
    seed: u64,
    /// Of the whole, for one arrival of this slot.
    mean: f64,
    turn: u64,
    turns: u64,
    cell: u64,
    taken: u64,
    rng: fastrand::Rng,
    at: f64,
}

impl Cells {
    fn new(stripe: u32, period: u32, seed: u64, slots: u32) -> Self {
        let slots = slots.clamp(1, period);
        let seed = mixed(seed ^ mixed(u64::from(slots) << 32 | u64::from(stripe % slots)));
        let mut cells = Self {
            seed,
            mean: f64::from(slots),
            turn: u64::from(stripe / slots),
            turns: u64::from(period / slots),
            cell: 0,
            taken: 0,
            rng: fastrand::Rng::with_seed(0),
            at: 0.0,
        };
        cells.enter(0);
        cells
    }

    fn enter(&mut self, cell: u64) {
        (self.cell, self.taken) = (cell, 0);
        self.at = cell as f64 * CELL * self.mean;
        self.rng = fastrand::Rng::with_seed(mixed(self.seed ^ mixed(cell)));
    }

    fn first_from(&mut self, begin: f64) -> f64 {
        self.enter((begin / (CELL * self.mean)) as u64);
        loop {
            let next = self.next();
            if next >= begin {
                return next;
            }
        }
    }

    fn next(&mut self) -> f64 {
        loop {
            self.at += exponential(&mut self.rng) * self.mean;
            if self.at >= (self.cell + 1) as f64 * CELL * self.mean {
                self.enter(self.cell + 1);
                continue;
            }
            let turn = (self.taken + self.cell) % self.turns;
            self.taken += 1;
            if turn == self.turn {
                return self.at;
            }
        }
    }
}

/// With mean 1.
fn exponential(rng: &mut fastrand::Rng) -> f64 {
    -(1.0 - rng.f64()).ln()
}

/// SplitMix64's finaliser, so that neighbouring seeds give unrelated streams.
fn mixed(seed: u64) -> u64 {
    let z = seed.wrapping_add(0x9e37_79b9_7f4a_7c15);
    let z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    let z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    z ^ (z >> 31)
}
