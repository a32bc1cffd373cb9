//! How far this machine's clock is from the leader's.
//!
//! As NTP does it: half of the way there and back is taken for the way there, and of several
//! answers the quickest counts, because its error is at most half of its time.

use std::time::Duration;

use loadhost_model::id::Term;
use tokio::time::Instant;

use crate::connect::Connection;
use crate::fleet::wall_micros;
use crate::subjects::Names;

/// Questions per comparison.
const QUESTIONS: usize = 5;
/// For one answer.
const ANSWER: Duration = Duration::from_secs(1);

/// One answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Sample {
    /// Leader's clock minus ours, in microseconds.
    pub(super) offset: i64,
    /// There and back.
    pub(super) round_trip: Duration,
}

/// Asks the leader of `term`. None: nobody of this term answers.
pub(super) async fn compare(connection: &Connection, names: &Names, term: Term) -> Option<Sample> {
    let mut best: Option<Sample> = None;
    for _ in 0..QUESTIONS {
        let (asked, wall) = (Instant::now(), wall_micros());
        let question = connection.client.request(names.clock(), "".into());
        let Ok(Ok(answer)) = tokio::time::timeout(ANSWER, question).await else { break };
        let round_trip = asked.elapsed();
        let answered = read(&answer.payload).filter(|(by, _)| *by == term);
        let Some((_, leader)) = answered else { continue };
        let sample = sample(wall, round_trip, leader);
        if best.is_none_or(|best| sample.round_trip < best.round_trip) {
            best = Some(sample);
        }
    }
    best
}

/// `TERM MICROS`
fn read(payload: &[u8]) -> Option<(Term, i64)> {
    let (term, micros) = std::str::from_utf8(payload).ok()?.split_once(' ')?;
    Some((Term(term.parse().ok()?), micros.parse().ok()?))
}

fn sample(asked_at: i64, round_trip: Duration, leader: i64) -> Sample {
    let half = i64::try_from(round_trip.as_micros() / 2).unwrap_or(i64::MAX);
    let offset = leader.saturating_sub(asked_at.saturating_add(half));
    Sample { offset, round_trip }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::expect_used)]

    use super::*;

    #[test]
    fn half_of_the_round_trip_is_taken_for_the_way_there() {
        let taken = sample(1_000_000, Duration::from_micros(400), 1_500_200);
        assert_eq!(taken.offset, 500_000);
        assert_eq!(sample(2_000, Duration::from_micros(200), 1_100).offset, -1_000);
    }

    #[test]
    fn an_answer_that_is_none_is_ignored() {
        assert_eq!(read(b"3 17"), Some((Term(3), 17)));
        for bad in [&b""[..], b"3", b"3 x", b"x 17", b"\xff 1"] {
            assert_eq!(read(bad), None);
        }
    }
}
