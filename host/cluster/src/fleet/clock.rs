//! Telling workers what time it is, so that all start at one instant.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use async_nats::{Subject, Subscriber};
use futures_util::StreamExt;
use tokio::sync::watch;
use tokio::time::Instant;

use crate::connect::Connection;
use crate::lease::Leadership;

/// Questions kept for the moment in which this master hears that it leads; workers may hear it
/// first. Older ones are asked again.
const KEPT: usize = 1_024;
/// How long a question is worth an answer.
const FRESH: Duration = Duration::from_millis(200);

/// Answers each question with the term and the wall clock, as long as this master leads.
pub(super) async fn answer(
    connection: Connection,
    mut questions: Subscriber,
    mut leadership: watch::Receiver<Leadership>,
) {
    let mut kept: Vec<(Instant, Subject)> = Vec::new();
    loop {
        tokio::select! {
            question = questions.next() => {
                let Some(question) = question else { return };
                let Some(reply) = question.reply else { continue };
                kept.retain(|(asked, _)| asked.elapsed() < FRESH);
                if kept.len() < KEPT {
                    kept.push((Instant::now(), reply));
                }
            }
            changed = leadership.changed() => if changed.is_err() { return },
        }
        let (term, acts) = {
            let leadership = leadership.borrow_and_update();
            (leadership.term(), leadership.may_act(Instant::now()))
        };
        let Some(term) = term.filter(|_| acts) else { continue };
        for (asked, reply) in kept.drain(..) {
            // Waiting would be taken for the way, so an old question gets no answer.
            if asked.elapsed() < FRESH {
                let answer = format!("{} {}", term.0, wall_micros());
                // A lost answer is asked for again.
                let _ = connection.client.publish(reply, answer.into()).await;
            }
        }
    }
}

/// Microseconds since the Unix epoch.
pub(crate) fn wall_micros() -> i64 {
    let since_epoch = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    i64::try_from(since_epoch.as_micros()).unwrap_or(i64::MAX)
}
