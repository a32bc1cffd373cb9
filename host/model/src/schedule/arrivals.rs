//! Arrivals of the open model.
//!
//! With `C(t)` the area below the rate up to `t`, arrival `n` is due as soon as `C`
//! exceeds `n`: `due(n) = inf { t : C(t) > n }`. Within a straight piece of the rate that
//! starts at `r` with slope `s`, the time `x` after which `m` more arrivals are due
//! solves `r x + s x² / 2 = m`:
//!
//! ```text
//!   x = 2 m / (r + √(r² + 2 s m))
//! ```
//!
//! This form of the root divides by a sum and not by `s`, so it holds for flat pieces as
//! well as for steep ones, and for ramps from and to zero.

use std::sync::Arc;
use std::time::Duration;

use super::curve::Piece;
use crate::profile::Curve;
use crate::share::Share;

/// A rate over time, prepared for asking when arrivals are due.
#[derive(Debug, Clone)]
pub struct Arrivals {
    pieces: Vec<Counted>,
}

/// A piece of the rate, and the area below the rate at its begin and end.
#[derive(Debug, Clone, Copy)]
struct Counted {
    piece: Piece,
    before: f64,
    after: f64,
}

impl Arrivals {
    /// Of `rate` in arrivals per second.
    pub fn new(rate: &Curve) -> Self {
        let mut after = 0.0;
        let pieces = rate.pieces().map(|piece| {
            let before = after;
            after = snap(before + piece.whole_area());
            Counted { piece, before, after }
        });
        Self { pieces: pieces.collect() }
    }

    /// The intended start of arrival `n`, counted from 0, since the start of the phase.
    ///
    /// None once the stages are over, and for ever more.
    pub fn due(&self, n: u64) -> Option<Duration> {
        self.due_at_count(n as f64)
    }

    /// How many arrivals are due before `at`.
    pub fn count_at(&self, at: Duration) -> u64 {
        self.area_at(at).ceil() as u64
    }

    /// How many there are in all. None: without end.
    pub fn total(&self) -> Option<u64> {
        let total = self.pieces.last().map_or(0.0, |last| last.after);
        total.is_finite().then(|| total.ceil() as u64)
    }

    /// When the area below the rate first exceeds `count`.
    fn due_at_count(&self, count: f64) -> Option<Duration> {
        let place = self.pieces.partition_point(|counted| counted.after <= count);
        let Counted { piece, before, .. } = self.pieces.get(place)?;
        let more = (count - before).max(0.0);
        let root = (piece.from * piece.from + 2.0 * piece.slope() * more).max(0.0).sqrt();
        let offset = if more == 0.0 { 0.0 } else { 2.0 * more / (piece.from + root) };
        let offset = Duration::try_from_secs_f64(offset).unwrap_or(Duration::MAX);
        let offset = piece.length.map_or(offset, |length| offset.min(length));
        Some(piece.begin.saturating_add(offset))
    }

    fn area_at(&self, at: Duration) -> f64 {
        let place = self.pieces.partition_point(|counted| counted.piece.begin < at);
        let Some(Counted { piece, before, after }) = self.pieces[..place].last() else {
            return 0.0;
        };
        let offset = at - piece.begin;
        match piece.length {
            Some(length) if offset >= length => *after,
            _ => snap(before + piece.area(offset)),
        }
    }
}

/// To the nearest whole number, if only rounding keeps it from being one: a ramp of 500
/// arrivals has 500 of them, not 501.
fn snap(area: f64) -> f64 {
    let whole = area.round();
    if (area - whole).abs() <= 1e-9 * whole.max(1.0) { whole } else { area }
}

/// The arrivals of one share, one after the other.
///
/// [`DueTimes::replace`] puts another rate under it while it runs: as long as both rates
/// agree up to the present, no arrival is lost or comes twice.
#[derive(Debug, Clone)]
pub struct DueTimes {
    arrivals: Arc<Arrivals>,
    share: Share,
    /// How many of this share's arrivals were handed out.
    taken: u64,
    gaps: Gaps,
}

#[derive(Debug, Clone)]
enum Gaps {
    Even,
    /// The area below the whole rate at which the next arrival comes.
    Exponential {
        rng: fastrand::Rng,
        next: f64,
    },
}

impl DueTimes {
    /// Those arrivals of the whole that are in the share.
    pub fn even(arrivals: Arc<Arrivals>, share: Share) -> Self {
        Self { arrivals, share, taken: 0, gaps: Gaps::Even }
    }

    /// A Poisson process of the share's own, with its part of the rate.
    ///
    /// Independent Poisson processes add up to one, so the shares need not agree on
    /// anything but their number. The same seed and share give the same times.
    pub fn poisson(arrivals: Arc<Arrivals>, share: Share, seed: u64) -> Self {
        let key = u64::from(share.of()) << 32 | share.nth(0).unwrap_or(0);
        let mut rng = fastrand::Rng::with_seed(mixed(seed ^ mixed(key)));
        let next = exponential(&mut rng) / share.fraction();
        Self { arrivals, share, taken: 0, gaps: Gaps::Exponential { rng, next } }
    }

    /// Leaves out all that is due before `at`, such as for a worker that joins late.
    pub fn skip_to(&mut self, at: Duration) {
        self.taken = self.taken.max(self.share.count_of(self.arrivals.count_at(at)));
        if let Gaps::Exponential { rng, next } = &mut self.gaps {
            // The process has no memory, so it may as well begin here.
            let area = self.arrivals.area_at(at);
            if *next < area {
                *next = area + exponential(rng) / self.share.fraction();
            }
        }
    }

    /// Goes on by another rate, which must agree with the present one up to the present.
    pub fn replace(&mut self, arrivals: Arc<Arrivals>) {
        self.arrivals = arrivals;
    }

    /// The next arrival without taking it: its number in the whole run (for Poisson, as
    /// if they came evenly) and its intended start. None: over, unless the rate is replaced.
    pub fn peek(&self) -> Option<(u64, Duration)> {
        let n = self.share.nth(self.taken)?;
        let due = match &self.gaps {
            Gaps::Even => self.arrivals.due(n),
            Gaps::Exponential { next, .. } => self.arrivals.due_at_count(*next),
        };
        due.map(|due| (n, due))
    }
}

impl Iterator for DueTimes {
    type Item = (u64, Duration);

    fn next(&mut self) -> Option<Self::Item> {
        let next = self.peek()?;
        self.taken += 1;
        if let Gaps::Exponential { rng, next } = &mut self.gaps {
            *next += exponential(rng) / self.share.fraction();
        }
        Some(next)
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

#[cfg(test)]
#[path = "arrivals_tests.rs"]
mod tests;
