//! What is seen of a run while it goes on: a live view on a terminal, plain lines otherwise.
//!
//! Both go to stderr, since stdout is for results.

mod broker;
mod keys;
mod line;
mod live;

pub(crate) use broker::Broker;
pub(crate) use keys::Key;
pub(crate) use line::words;

use std::io::IsTerminal;
use std::sync::Arc;
use std::time::Duration;

use loadhost_control::view::{FleetView, RunState, RunView};
use loadhost_model::id::RunId;
use loadhost_model::wire::LogLine;
use tokio::sync::broadcast::error::RecvError;
use tokio::sync::{broadcast, mpsc, watch};

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
        // In the background, asking the terminal where its cursor is would stop the program.
        let stderr = std::io::stderr();
        let live = stderr.is_terminal() && keys::in_foreground(&stderr) && !dumb;
        match (quiet, live) {
            (true, _) => Self::Nothing,
            (false, true) => Self::Live,
            (false, false) => Self::Lines,
        }
    }
}

/// What is shown: views of the fleet, lines of the guests' logs, and what the program has to say.
pub(crate) struct Source {
    run: RunId,
    views: watch::Receiver<Arc<FleetView>>,
    logs: broadcast::Receiver<Arc<LogLine>>,
    notices: mpsc::Receiver<String>,
    keys: Option<mpsc::Sender<Key>>,
    broker: Option<Broker>,
}

/// Something to show.
enum News {
    View,
    Log(String),
    Over,
}

impl Source {
    /// Of `run`.
    pub(crate) fn new(
        run: RunId,
        views: watch::Receiver<Arc<FleetView>>,
        logs: broadcast::Receiver<Arc<LogLine>>,
        notices: mpsc::Receiver<String>,
    ) -> Self {
        Self { run, views, logs, notices, keys: None, broker: None }
    }

    /// Keys pressed during a live view go there.
    pub(crate) fn with_keys(self, keys: mpsc::Sender<Key>) -> Self {
        Self { keys: Some(keys), ..self }
    }

    /// An outage of the broker is shown.
    pub(crate) fn with_broker(self, broker: Option<Broker>) -> Self {
        Self { broker, ..self }
    }

    /// Somebody who holds a key down makes more of them than anybody obeys; those are lost.
    fn press(&self, key: Key) {
        if let Some(keys) = &self.keys {
            let _ = keys.try_send(key);
        }
    }

    /// How long the broker has been out of reach.
    fn away(&mut self) -> Option<Duration> {
        self.broker.as_mut().and_then(Broker::away)
    }

    /// Shows it until the coordinator is gone or the run is over.
    pub(crate) async fn follow(mut self, show: Show) {
        match show {
            Show::Nothing => {}
            Show::Lines => lines(&mut self).await,
            Show::Live => {
                // A terminal that does not say where its cursor is cannot have a live view.
                if let Err(error) = live::follow(&mut self).await {
                    tracing::debug!(%error, "no live view");
                    lines(&mut self).await;
                }
            }
        }
    }

    /// The run as it is now.
    fn view(&mut self) -> Option<Arc<RunView>> {
        let view = self.views.borrow_and_update();
        view.runs.iter().find(|run| run.run == self.run).cloned()
    }

    async fn next(&mut self) -> News {
        loop {
            let log = tokio::select! {
                changed = self.views.changed() => {
                    return if changed.is_ok() { News::View } else { News::Over };
                }
                Some(notice) = self.notices.recv() => return News::Log(notice),
                log = self.logs.recv() => log,
            };
            match log {
                Ok(log) if log.run == self.run => return News::Log(line::log(&log)),
                Ok(_) => {}
                Err(RecvError::Lagged(missed)) => {
                    return News::Log(format!("({missed} lines of logs are not shown)"));
                }
                // Views go on without logs.
                Err(RecvError::Closed) => {
                    return if self.views.changed().await.is_ok() {
                        News::View
                    } else {
                        News::Over
                    };
                }
            }
        }
    }
}

async fn lines(source: &mut Source) {
    let mut pace = Pace::default();
    let mut news = News::View;
    loop {
        match news {
            News::Log(text) => say!("{text}"),
            News::View => {
                if let Some(view) = source.view() {
                    let away = source.away();
                    if pace.is_due(&view, away.is_some()) {
                        let away = away.map(|time| format!(" · ! {}", line::away(time)));
                        say!("{}{}", line::line(&view), away.unwrap_or_default());
                    }
                    if view.state == RunState::Finished {
                        return;
                    }
                }
            }
            News::Over => return,
        }
        news = source.next().await;
    }
}

/// When the next line is due: each second at first, each ten later; and at each change of state.
#[derive(Debug, Default)]
struct Pace {
    last: Option<(RunState, bool, Duration)>,
}

impl Pace {
    /// `away`: whether the broker is.
    fn is_due(&mut self, view: &RunView, away: bool) -> bool {
        let gap = match view.elapsed.as_secs() {
            0..30 => 1,
            30..300 => 5,
            _ => 10,
        };
        // Views come about once a second, not exactly.
        let near = Duration::from_secs(gap) - Duration::from_millis(200);
        let due = self.last.is_none_or(|(state, was_away, at)| {
            (state, was_away) != (view.state, away)
                || (view.state == RunState::Running && view.elapsed >= at + near)
        });
        if due {
            self.last = Some((view.state, away, view.elapsed));
        }
        due
    }
}

#[cfg(test)]
mod tests;
