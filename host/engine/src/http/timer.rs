//! One timer for all the requests of a user.

use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use tokio::time::{Instant, Sleep, sleep_until};

/// A timer that is armed once per time limit instead of once per request.
///
/// It stays armed when a request ends in time. The next request's deadline is later, so
/// when the timer fires, mostly for nothing, it is moved to the deadline that counts then.
#[derive(Debug, Default)]
pub(super) struct Timer {
    sleep: Option<Pin<Box<Sleep>>>,
}

impl Timer {
    /// Ready once the deadline has passed; else the task is woken then, or earlier.
    pub(super) fn poll(&mut self, cx: &mut Context<'_>, deadline: Instant) -> Poll<()> {
        let sleep = self.sleep.get_or_insert_with(|| Box::pin(sleep_until(deadline)));
        if sleep.deadline() > deadline {
            sleep.as_mut().reset(deadline);
        }
        loop {
            ready!(sleep.as_mut().poll(cx));
            if Instant::now() >= deadline {
                return Poll::Ready(());
            }
            sleep.as_mut().reset(deadline);
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::expect_used)]
    use std::future::poll_fn;
    use std::time::Duration;

    use super::*;

    #[tokio::test(start_paused = true)]
    async fn it_fires_at_the_deadline_that_counts() {
        let mut timer = Timer::default();
        let start = Instant::now();
        for (armed, millis) in [(0, 100), (100, 40), (140, 500)] {
            assert_eq!(start.elapsed(), Duration::from_millis(armed));
            let deadline = Instant::now() + Duration::from_millis(millis);
            poll_fn(|cx| timer.poll(cx, deadline)).await;
            assert_eq!(Instant::now(), deadline);
        }
    }

    #[tokio::test(start_paused = true)]
    async fn a_nearer_deadline_is_not_missed() {
        let mut timer = Timer::default();
        let start = Instant::now();
        let far = start + Duration::from_secs(30);
        assert!(poll_fn(|cx| Poll::Ready(timer.poll(cx, far))).await.is_pending());
        poll_fn(|cx| timer.poll(cx, start + Duration::from_millis(30))).await;
        assert_eq!(start.elapsed(), Duration::from_millis(30));
    }

    #[tokio::test(start_paused = true)]
    async fn a_request_that_ends_in_time_leaves_nothing_behind() {
        let mut timer = Timer::default();
        let start = Instant::now();
        let unused = start + Duration::from_millis(10);
        assert!(poll_fn(|cx| Poll::Ready(timer.poll(cx, unused))).await.is_pending());
        let deadline = start + Duration::from_millis(30);
        poll_fn(|cx| timer.poll(cx, deadline)).await;
        assert_eq!(start.elapsed(), Duration::from_millis(30));
    }
}
