//! Ctrl-C and SIGTERM, listened to from a command's first moments on.

use std::future::Future;

use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

use crate::exit_code::ExitCode;
use crate::failure::{Failure, Outcome};

/// What signals ask for: the first to stop, the second to stop at once.
#[derive(Debug)]
pub(crate) struct Stop {
    /// Cancelled with the first.
    pub(crate) first: CancellationToken,
    /// Cancelled with the second.
    pub(crate) second: CancellationToken,
    task: JoinHandle<()>,
}

impl Stop {
    /// Listens from now on: no signal ends the process any more by itself. Call it in a runtime.
    pub(crate) fn listen() -> Result<Stop, Failure> {
        let deaf = |error: std::io::Error| {
            Failure::new(ExitCode::Unexpected, "signals cannot be listened to").because(&error)
        };
        // Here, not in the task, which begins only when this one waits.
        let interrupt = signal(SignalKind::interrupt()).map_err(deaf)?;
        let terminate = signal(SignalKind::terminate()).map_err(deaf)?;
        let (first, second) = (CancellationToken::new(), CancellationToken::new());
        let tokens = [first.clone(), second.clone()];
        Ok(Stop { first, second, task: tokio::spawn(pass_on(interrupt, terminate, tokens)) })
    }

    /// What comes of `step`, unless it is to stop before that.
    ///
    /// # Errors
    /// Those of the step, and [`ExitCode::Interrupted`].
    pub(crate) async fn or<T>(
        &self,
        step: impl Future<Output = Result<T, Failure>>,
    ) -> Result<T, Failure> {
        let done = self.first.run_until_cancelled(step).await;
        done.unwrap_or_else(|| {
            let message = "stopped before it had joined the fleet";
            Err(Failure::new(ExitCode::Interrupted, message))
        })
    }

    /// The outcome of what has no result of its own: to be stopped is how it ends, however early.
    pub(crate) fn is_no_failure(outcome: Outcome) -> Outcome {
        match outcome {
            Err(failure) if failure.code == ExitCode::Interrupted => {
                say!("{}", failure.message());
                Ok(ExitCode::Ok)
            }
            other => other,
        }
    }
}

impl Drop for Stop {
    fn drop(&mut self) {
        self.task.abort();
    }
}

async fn pass_on(mut interrupt: Signal, mut terminate: Signal, tokens: [CancellationToken; 2]) {
    for token in tokens {
        tokio::select! {
            _ = interrupt.recv() => {}
            _ = terminate.recv() => {}
        }
        token.cancel();
    }
}
