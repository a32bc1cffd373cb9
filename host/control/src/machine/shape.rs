//! The clock of a scenario's own load shape: one question a second, one at a time.

use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::ports::ShapeTarget;

/// Longest wait for numbers.
const PATIENCE: Duration = Duration::from_millis(400);

/// When a shape is asked, and what it last said.
#[derive(Debug, Default, Serialize, Deserialize)]
pub(crate) struct Shape {
    next: Duration,
    asked: bool,
    last: Option<ShapeTarget>,
}

impl Shape {
    /// Whether it is time for a question; then the question counts as asked. `known` is how far
    /// the numbers reach: a question waits a little for those of the second that just ended.
    pub(crate) fn ask(&mut self, elapsed: Duration, known: Duration) -> bool {
        let informed = known >= self.next || elapsed >= self.next + PATIENCE;
        if self.asked || elapsed < self.next || !informed {
            return false;
        }
        // A late answer skips seconds rather than letting questions pile up.
        self.next = Duration::from_secs(elapsed.as_secs() + 1);
        self.asked = true;
        true
    }

    /// Whoever was asked is gone: the question is free again.
    pub(crate) fn unasked(&mut self) {
        self.asked = false;
    }

    /// Takes an answer. The target, if it differs from the one before.
    pub(crate) fn answered(&mut self, target: ShapeTarget) -> Option<ShapeTarget> {
        self.asked = false;
        // Whatever is no rate means at once; only numbers can be saved.
        let rate = Some(target.spawn_rate).filter(|rate| rate.is_finite() && *rate > 0.0);
        let target = ShapeTarget { spawn_rate: rate.unwrap_or_default(), ..target };
        let news = self.last != Some(target);
        self.last = Some(target);
        news.then_some(target)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_question_a_second_and_only_news_counts() {
        let mut shape = Shape::default();
        let at = Duration::from_millis;
        let target = ShapeTarget { users: 5, spawn_rate: 1.0 };
        assert!(shape.ask(at(0), at(0)));
        assert!(!shape.ask(at(1_500), at(1_000)), "the answer is still out");
        assert_eq!(shape.answered(target), Some(target));
        assert!(shape.ask(at(2_700), at(2_000)));
        assert_eq!(shape.answered(target), None, "nothing new");
        assert!(!shape.ask(at(2_900), at(2_000)));
        assert!(
            !shape.ask(at(3_000), at(2_000)),
            "the numbers of the third second are on their way"
        );
        assert!(shape.ask(at(3_100), at(3_000)));
        assert_eq!(shape.answered(target), None);
        assert!(shape.ask(at(4_400), at(3_000)), "or have been for too long");
    }
}
