//! What keys pressed during the live view do to the run.

use std::time::Duration;

use loadhost_control::{Handle, RunView};
use loadhost_model::id::RunId;
use loadhost_model::profile::Change;
use loadhost_model::wire::StopMode;
use tokio::sync::mpsc;
use tokio::time::Instant;

use super::Notices;
use crate::progress::Key;

/// A change shows a moment later; until then the next key goes on from what the last one wanted.
const MEMORY: Duration = Duration::from_secs(2);

/// Does what keys ask for.
pub(super) struct Steering {
    handle: Handle,
    run: RunId,
    notices: Notices,
    /// What the last key wanted, and when it was pressed.
    aim: Option<(Instant, f64)>,
    stopped: bool,
}

impl Steering {
    pub(super) fn new(handle: Handle, run: RunId, notices: Notices) -> Self {
        Self { handle, run, notices, aim: None, stopped: false }
    }

    /// Until nobody presses any more.
    pub(super) async fn follow(mut self, mut keys: mpsc::Receiver<Key>) {
        while let Some(key) = keys.recv().await {
            // Keys that came meanwhile are one change, not many.
            let more = std::iter::from_fn(|| keys.try_recv().ok());
            let mut step = 0i32;
            for key in std::iter::once(key).chain(more) {
                match key {
                    Key::By(by) => step = step.saturating_add(by),
                    Key::Stop => self.stop().await,
                }
            }
            if step != 0 {
                self.change(step).await;
            }
        }
    }

    async fn stop(&mut self) {
        let (mode, text) = match std::mem::replace(&mut self.stopped, true) {
            false => {
                (StopMode::Graceful, "stopping: iterations may end; q once more stops at once")
            }
            true => (StopMode::Now, "stopping at once"),
        };
        self.notices.say(text.to_string());
        let _ = self.handle.stop(&self.run, mode).await;
    }

    async fn change(&mut self, step: i32) {
        let aim = self.aim.filter(|(at, _)| at.elapsed() < MEMORY).map(|(_, value)| value);
        let fleet = self.handle.view().borrow().clone();
        let wanted = fleet.run(&self.run).and_then(|view| wanted(view, aim, step));
        let Some((value, change)) = wanted else {
            return self.notices.say("this run has neither users nor a rate to change now".into());
        };
        self.aim = match self.handle.change(&self.run, change).await {
            Ok(()) => Some((Instant::now(), value)),
            Err(error) => {
                self.notices.say(error.to_string());
                None
            }
        };
    }
}

/// `step` more than what is wanted now, or than `aim`.
fn wanted(view: &RunView, aim: Option<f64>, step: i32) -> Option<(f64, Change)> {
    let from = |now: f64| (aim.unwrap_or(now) + f64::from(step)).max(0.0);
    if let Some(users) = view.users_wanted {
        let value = from(users.into());
        return Some((value, Change::Users { users: value as u32, spawn_rate: None }));
    }
    let value = from(view.rate_wanted?);
    Some((value, Change::Rate { rate: value, over: Duration::ZERO }))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fixture;

    #[test]
    fn keys_change_what_the_run_has() {
        let mut view = fixture::view();
        let rate = |rate| Some((rate, Change::Rate { rate, over: Duration::ZERO }));
        assert_eq!(wanted(&view, None, 10), rate(1_010.0));
        assert_eq!(wanted(&view, Some(3.0), -10), rate(0.0));
        (view.users_wanted, view.rate_wanted) = (Some(7), None);
        let users =
            |users: u32| Some((f64::from(users), Change::Users { users, spawn_rate: None }));
        assert_eq!(wanted(&view, None, 1), users(8));
        assert_eq!(wanted(&view, Some(20.0), 1), users(21), "the last key counts at once");
        assert_eq!(wanted(&view, None, -10), users(0));
        view.users_wanted = None;
        assert_eq!(wanted(&view, None, 1), None);
    }
}
