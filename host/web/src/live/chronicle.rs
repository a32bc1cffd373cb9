//! All seconds of one run, kept by a master so that a page opened late shows the whole of it.

use std::collections::BTreeMap;
use std::time::Duration;

use loadhost_control::view::Point;

use crate::api::dto::{COUNTED, Cell, row_of};

/// Seconds kept of one run, somewhat more than the coordinator keeps.
pub(super) const MAX_POINTS: usize = 16_000;

/// A run second by second, as rows for the charts.
#[derive(Debug, Default)]
pub(super) struct Chronicle {
    /// By begin, in milliseconds.
    rows: BTreeMap<u64, Vec<Cell>>,
    /// The beginning is there.
    whole: bool,
    /// Since when seconds count.
    counted_from: Duration,
    /// Rows that were let go because there were too many.
    pub dropped: u64,
}

impl Chronicle {
    /// Whether the beginning is missing and has to be asked for.
    pub(super) fn is_torn(&self) -> bool {
        !self.whole
    }

    /// Takes what a view says of the last seconds, and since when seconds count; the rows that are new or changed.
    pub(super) fn take(&mut self, points: &[Point], counted_from: Duration) -> Vec<Vec<Cell>> {
        // A history that starts with the run is all there is.
        if self.rows.is_empty() && points.first().is_none_or(|point| point.at.is_zero()) {
            self.whole = true;
        }
        let mut changed = self.uncounted(counted_from);
        for point in points {
            let row = row_of(point);
            let key = u64::try_from(point.at.as_millis()).unwrap_or(u64::MAX);
            if self.rows.get(&key) != Some(&row) {
                changed.push(row.clone());
                self.rows.insert(key, row);
            }
        }
        while self.rows.len() > MAX_POINTS {
            self.rows.pop_first();
            self.dropped += 1;
        }
        changed
    }

    /// A reset is for all seconds before it, also those that views have not any more: they are changed.
    fn uncounted(&mut self, counted_from: Duration) -> Vec<Vec<Cell>> {
        let known = std::mem::replace(&mut self.counted_from, counted_from);
        if known >= counted_from {
            return Vec::new();
        }
        let before = u64::try_from(counted_from.as_millis()).unwrap_or(u64::MAX);
        let mut changed = Vec::new();
        for row in self.rows.range_mut(..before).map(|(_, row)| row) {
            if row[COUNTED] != Some(0.0) {
                row[COUNTED] = Some(0.0);
                changed.push(row.clone());
            }
        }
        changed
    }

    /// Puts the whole history below what is known already.
    pub(super) fn complete(&mut self, points: &[Point]) {
        self.whole = true;
        let newer = std::mem::take(&mut self.rows);
        self.take(points, self.counted_from);
        self.rows.extend(newer);
    }

    /// All rows, by time.
    pub(super) fn rows(&self) -> impl Iterator<Item = &Vec<Cell>> {
        self.rows.values()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn points(seconds: std::ops::Range<u64>, users: u32) -> Vec<Point> {
        let point = |at| Point { at: Duration::from_secs(at), users, ..Point::default() };
        seconds.map(point).collect()
    }

    #[test]
    fn only_new_and_amended_seconds_are_told() {
        let mut chronicle = Chronicle::default();
        assert_eq!(chronicle.take(&points(0..3, 1), Duration::ZERO).len(), 3);
        assert!(!chronicle.is_torn());
        let mut next = points(0..4, 1);
        next[1].users = 7;
        let told = chronicle.take(&next, Duration::ZERO);
        let at: Vec<_> = told.iter().map(|row| (row[0], row[2])).collect();
        assert_eq!(at, [(Some(1.0), Some(7.0)), (Some(3.0), Some(1.0))]);
        assert!(chronicle.take(&next, Duration::ZERO).is_empty());
    }

    #[test]
    fn a_master_that_came_late_puts_the_beginning_below_what_it_saw() {
        let mut chronicle = Chronicle::default();
        chronicle.take(&points(100..120, 2), Duration::ZERO);
        assert!(chronicle.is_torn());
        chronicle.complete(&points(0..110, 1));
        assert!(!chronicle.is_torn());
        let users: Vec<_> = chronicle.rows().map(|row| row[2]).collect();
        assert_eq!(users.len(), 120);
        assert_eq!((users[99], users[100]), (Some(1.0), Some(2.0)));
    }

    #[test]
    fn a_run_without_end_stays_bounded() {
        let mut chronicle = Chronicle::default();
        chronicle.take(&points(0..MAX_POINTS as u64 + 10, 1), Duration::ZERO);
        assert_eq!((chronicle.rows().count(), chronicle.dropped), (MAX_POINTS, 10));
    }

    #[test]
    fn after_a_reset_all_seconds_before_it_are_told_again_as_not_counted() {
        let mut chronicle = Chronicle::default();
        let counted = |at| Point { at: Duration::from_secs(at), counted: true, ..Point::default() };
        chronicle.take(&(0..10).map(counted).collect::<Vec<_>>(), Duration::ZERO);
        let told = chronicle.take(&[], Duration::from_secs(7));
        assert_eq!(crate::api::dto::COLUMNS[COUNTED], "counted");
        assert_eq!(told.len(), 7);
        assert!(told.iter().all(|row| row[COUNTED] == Some(0.0)), "{told:?}");
        assert!(chronicle.take(&[], Duration::from_secs(7)).is_empty(), "once");
        let counted = chronicle.rows().filter(|row| row[COUNTED] == Some(1.0));
        assert_eq!(counted.count(), 3);
    }
}
