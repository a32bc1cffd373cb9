//! The cap on wall-clock time of one call, waiting included.
//!
//! A timer per call would cost more than the call. So a user's timer stays armed over calls and
//! is looked at only when it fires, or when a call has to end before it would.

use std::future::{Future, poll_fn};
use std::pin::Pin;
use std::task::Poll;

use tokio::time::{Instant, Sleep, sleep_until};

/// One user's timer. Armed at the first call that waits.
#[derive(Debug, Default)]
pub(crate) struct WallTimer(Option<Pin<Box<Sleep>>>);

impl WallTimer {
    /// The outcome, or `None` if it is not there by the deadline. The work is pinned by the
    /// caller, because it is large and would be moved twice on its way here.
    pub(crate) async fn until<F: Future>(
        &mut self,
        deadline: Instant,
        mut work: Pin<&mut F>,
    ) -> Option<F::Output> {
        poll_fn(|cx| {
            if let Poll::Ready(output) = work.as_mut().poll(cx) {
                return Poll::Ready(Some(output));
            }
            let timer = self.0.get_or_insert_with(|| Box::pin(sleep_until(deadline)));
            if timer.deadline() > deadline {
                timer.as_mut().reset(deadline);
            }
            while timer.as_mut().poll(cx).is_ready() {
                if Instant::now() >= deadline {
                    self.0 = None;
                    return Poll::Ready(None);
                }
                // It was armed for an earlier call.
                timer.as_mut().reset(deadline);
            }
            Poll::Pending
        })
        .await
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::pin::pin;
    use std::time::Duration;
    use tokio::time::sleep;

    async fn call(timer: &mut WallTimer, limit: u64, takes: u64) -> (bool, Duration) {
        let began = Instant::now();
        let deadline = began + Duration::from_secs(limit);
        let work = pin!(sleep(Duration::from_secs(takes)));
        let done = timer.until(deadline, work).await.is_some();
        (done, began.elapsed())
    }

    #[tokio::test(start_paused = true)]
    async fn a_call_ends_at_its_own_deadline_whatever_the_timer_was_armed_for() {
        let mut timer = WallTimer::default();
        let secs = Duration::from_secs;
        assert_eq!(call(&mut timer, 120, 1).await, (true, secs(1)));
        // The timer is armed for second 120, this call for second 11.
        assert_eq!(call(&mut timer, 10, 30).await, (false, secs(10)));
        for _ in 0..30 {
            assert_eq!(call(&mut timer, 120, 50).await, (true, secs(50)));
        }
        // Armed for an earlier call, which is long over.
        assert_eq!(call(&mut timer, 120, 500).await, (false, secs(120)));
        assert_eq!(call(&mut timer, 120, 119).await, (true, secs(119)));
    }
}
