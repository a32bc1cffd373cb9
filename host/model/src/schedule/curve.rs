//! Values and areas of piecewise linear curves.

use std::time::Duration;

use crate::profile::Curve;

/// A stretch of a curve that is one straight line and takes time.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Piece {
    pub(crate) begin: Duration,
    /// None: for ever.
    pub(crate) length: Option<Duration>,
    pub(crate) from: f64,
    pub(crate) to: f64,
}

impl Piece {
    /// Change per second.
    pub(crate) fn slope(&self) -> f64 {
        match self.length {
            Some(length) => (self.to - self.from) / length.as_secs_f64(),
            None => 0.0,
        }
    }

    /// `offset` since its begin.
    fn value(&self, offset: Duration) -> f64 {
        self.from + self.slope() * offset.as_secs_f64()
    }

    /// Below the line up to `offset` since its begin.
    pub(crate) fn area(&self, offset: Duration) -> f64 {
        (self.from + self.value(offset)) / 2.0 * offset.as_secs_f64()
    }

    /// Below the whole line; infinite for one that holds above zero.
    pub(crate) fn whole_area(&self) -> f64 {
        match self.length {
            Some(length) => (self.from + self.to) / 2.0 * length.as_secs_f64(),
            None if self.from > 0.0 => f64::INFINITY,
            None => 0.0,
        }
    }

    fn end(&self) -> Option<Duration> {
        self.length.map(|length| self.begin.saturating_add(length))
    }
}

impl Curve {
    /// The same value until the run is stopped.
    pub fn constant(value: f64) -> Self {
        Self { start: value, stages: Vec::new(), hold: true }
    }

    /// When the last stage ends. None: the last value holds until the run is stopped.
    pub fn length(&self) -> Option<Duration> {
        (!self.hold).then(|| self.stages_length())
    }

    /// The value at `at`; at a jump, the one after it. None: over.
    pub fn value_at(&self, at: Duration) -> Option<f64> {
        let piece = self.pieces().find(|piece| piece.end().is_none_or(|end| at < end))?;
        Some(piece.value(at - piece.begin).max(0.0))
    }

    /// The area below the curve from its begin to `at`: arrivals so far, or user-seconds.
    pub fn cumulative(&self, at: Duration) -> f64 {
        let begun = self.pieces().take_while(|piece| piece.begin < at);
        begun
            .map(|piece| {
                let offset = at - piece.begin;
                piece.area(piece.length.map_or(offset, |length| offset.min(length)))
            })
            .sum()
    }

    /// The greatest value that it ever has.
    pub fn peak(&self) -> f64 {
        self.pieces().flat_map(|piece| [piece.from, piece.to]).fold(0.0, f64::max)
    }

    /// How long the stages take together, whether or not the last value holds then.
    pub(crate) fn stages_length(&self) -> Duration {
        let lengths = self.stages.iter().map(|stage| stage.duration);
        lengths.fold(Duration::ZERO, Duration::saturating_add)
    }

    /// Its straight lines in order of time, without the jumps between them.
    pub(crate) fn pieces(&self) -> impl Iterator<Item = Piece> + '_ {
        let mut begin = Duration::ZERO;
        let mut from = self.start;
        let stages = self.stages.iter().filter_map(move |stage| {
            let piece = Piece { begin, length: Some(stage.duration), from, to: stage.target };
            begin = begin.saturating_add(stage.duration);
            from = stage.target;
            (!stage.duration.is_zero()).then_some(piece)
        });
        let last = self.stages.last().map_or(self.start, |stage| stage.target);
        let hold = Piece { begin: self.stages_length(), length: None, from: last, to: last };
        stages.chain(self.hold.then_some(hold))
    }
}
