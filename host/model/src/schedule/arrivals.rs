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

use std::time::Duration;

use super::curve::Piece;
use crate::profile::Curve;

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
    #[cfg(test)]
    pub(crate) fn count_at(&self, at: Duration) -> u64 {
        self.area_at(at).ceil() as u64
    }

    /// How many there are in all. None: without end.
    pub fn total(&self) -> Option<u64> {
        let total = self.pieces.last().map_or(0.0, |last| last.after);
        total.is_finite().then(|| total.ceil() as u64)
    }

    /// When the area below the rate first exceeds `count`.
    pub(super) fn due_at_count(&self, count: f64) -> Option<Duration> {
        let place = self.pieces.partition_point(|counted| counted.after <= count);
        let Counted { piece, before, .. } = self.pieces.get(place)?;
        let more = (count - before).max(0.0);
        let root = (piece.from * piece.from + 2.0 * piece.slope() * more).max(0.0).sqrt();
        let offset = if more == 0.0 { 0.0 } else { 2.0 * more / (piece.from + root) };
        let offset = Duration::try_from_secs_f64(offset).unwrap_or(Duration::MAX);
        let offset = piece.length.map_or(offset, |length| offset.min(length));
        Some(piece.begin.saturating_add(offset))
    }

    /// The area below the rate before `at`: arrivals that are due by then, as a fraction.
    pub(super) fn area_at(&self, at: Duration) -> f64 {
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

#[cfg(test)]
#[path = "arrivals_tests.rs"]
pub(super) mod tests;
