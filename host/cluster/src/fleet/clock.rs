//! Telling workers what time it is, so that all start at one instant.

use std::time::{SystemTime, UNIX_EPOCH};

use async_nats::Subscriber;
use futures_util::StreamExt;
use loadhost_model::id::Term;
use tokio_util::sync::CancellationToken;

use crate::connect::Connection;

/// Answers each question with the term and the wall clock.
pub(super) async fn answer(
    connection: Connection,
    mut questions: Subscriber,
    term: Term,
    stop: CancellationToken,
) {
    let answer_all = async {
        while let Some(question) = questions.next().await {
            let Some(reply) = question.reply else { continue };
            let answer = format!("{} {}", term.0, wall_micros());
            // A lost answer is asked for again.
            let _ = connection.client.publish(reply, answer.into()).await;
        }
    };
    stop.run_until_cancelled(answer_all).await;
}

/// Microseconds since the Unix epoch.
pub(crate) fn wall_micros() -> i64 {
    let since_epoch = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    i64::try_from(since_epoch.as_micros()).unwrap_or(i64::MAX)
}
