//! What is seen of a run while it goes on: a live view on a terminal, plain lines otherwise.
//!
//! Both go to stderr, since stdout is for results.

mod line;
mod live;

use std::io::IsTerminal;
use std::time::Duration;

use loadhost_control::view::{FleetView, RunState, RunView};
use loadhost_model::id::RunId;
use std::sync::Arc;
use tokio::sync::watch;

/// How a run is shown.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Show {
    /// Not at all.
    Nothing,
    /// Lines, rarer as the run gets longer.
    Lines,
    /// A view that is redrawn.
    Live,
}

impl Show {
    /// Live if somebody looks at stderr.
    pub(crate) fn choose(quiet: bool) -> Self {
        let dumb = std::env::var_os("TERM").is_none_or(|term| term == "dumb");
        match (quiet, std::io::stderr().is_terminal() && !dumb) {
            (true, _) => Self::Nothing,
            (false, true) => Self::Live,
            (false, false) => Self::Lines,
        }
    }
}

/// Shows `run` until the coordinator is gone or the run is over.
pub(crate) async fn follow(show: Show, run: RunId, views: watch::Receiver<Arc<FleetView>>) {
    match show {
        Show::Nothing => {}
        Show::Lines => lines(&run, views).await,
        Show::Live => {
            // A terminal that does not say where its cursor is cannot have a live view.
            if let Err(error) = live::follow(&run, views.clone()).await {
                tracing::debug!(%error, "no live view");
                lines(&run, views).await;
            }
        }
    }
}

async fn lines(run: &RunId, mut views: watch::Receiver<Arc<FleetView>>) {
    let mut pace = Pace::default();
    loop {
        let over = {
            let view = views.borrow_and_update();
            view.run(run).is_some_and(|view| {
                if pace.is_due(view) {
                    eprintln!("{}", line::line(view));
                }
                view.state == RunState::Finished
            })
        };
        if over || views.changed().await.is_err() {
            return;
        }
    }
}

/// When the next line is due: each second at first, each ten later; and at each change of state.
#[derive(Debug, Default)]
struct Pace {
    last: Option<(RunState, Duration)>,
}

impl Pace {
    fn is_due(&mut self, view: &RunView) -> bool {
        let gap = match view.elapsed.as_secs() {
            0..30 => 1,
            30..300 => 5,
            _ => 10,
        };
        // Views come about once a second, not exactly.
        let near = Duration::from_secs(gap) - Duration::from_millis(200);
        let due = match self.last {
            None => true,
            Some((state, at)) => {
                state != view.state
                    || (view.state == RunState::Running && view.elapsed >= at + near)
            }
        };
        if due {
            self.last = Some((view.state, view.elapsed));
        }
        due
    }
}

#[cfg(test)]
mod tests;
