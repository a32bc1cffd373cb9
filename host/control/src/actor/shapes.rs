//! Load shapes at work, each in a task of its own, because a guest may be slow.

use std::collections::HashMap;
use std::time::Duration;

use loadhost_model::id::RunId;
use loadhost_model::text::format_duration;
use tokio::sync::mpsc;
use tokio::task::JoinHandle;

use crate::ports::{LoadShape, ShapeNow, ShapeTarget};

/// What a shape said.
type Answer = Result<Option<ShapeTarget>, String>;

/// The shape of each run that has one.
pub(super) struct Shapes {
    timeout: Duration,
    running: HashMap<RunId, (mpsc::Sender<ShapeNow>, JoinHandle<()>)>,
    ended: Vec<JoinHandle<()>>,
    answers: mpsc::Sender<(RunId, Answer)>,
    inbox: mpsc::Receiver<(RunId, Answer)>,
}

impl Shapes {
    pub(super) fn new(timeout: Duration) -> Self {
        // Each shape has one question out at most.
        let (answers, inbox) = mpsc::channel(16);
        Self { timeout, running: HashMap::new(), ended: Vec::new(), answers, inbox }
    }

    pub(super) fn add(&mut self, run: RunId, shape: Box<dyn LoadShape>) {
        self.add_made(run, async { Ok(Some(shape)) });
    }

    /// One that is still to be made; it may be asked at once.
    pub(super) fn add_made(
        &mut self,
        run: RunId,
        make: impl Future<Output = Result<Option<Box<dyn LoadShape>>, String>> + Send + 'static,
    ) {
        let (questions, mut asked) = mpsc::channel::<ShapeNow>(1);
        let (answers, timeout, id) = (self.answers.clone(), self.timeout, run.clone());
        let task = tokio::spawn(async move {
            let made = match make.await {
                Ok(Some(shape)) => Ok(shape),
                Ok(None) => Err("the scenario has none".to_string()),
                Err(error) => Err(error),
            };
            let mut shape = match made {
                Ok(shape) => shape,
                // The coordinator may be gone.
                Err(error) => return drop(answers.send((id, Err(error))).await),
            };
            while let Some(now) = asked.recv().await {
                let answer =
                    tokio::time::timeout(timeout, shape.tick(now)).await.unwrap_or_else(|_| {
                        Err(format!("no answer within {}", format_duration(timeout)))
                    });
                if answers.send((id.clone(), answer)).await.is_err() {
                    break;
                }
            }
        });
        self.running.insert(run, (questions, task));
    }

    /// Whether the run's shape is here, or being made.
    pub(super) fn has(&self, run: &RunId) -> bool {
        self.running.contains_key(run)
    }

    /// The machine asks again only after an answer, so there is room.
    pub(super) fn ask(&self, run: &RunId, now: ShapeNow) {
        if let Some((questions, _)) = self.running.get(run)
            && questions.try_send(now).is_err()
        {
            tracing::warn!(%run, "the load shape was asked before it answered");
        }
    }

    /// The next answer of any of them.
    pub(super) async fn next(&mut self) -> Option<(RunId, Answer)> {
        self.inbox.recv().await
    }

    /// The run is over; its task ends with the question that it may be working on.
    pub(super) fn remove(&mut self, run: &RunId) {
        self.ended.retain(|task| !task.is_finished());
        if let Some((_, task)) = self.running.remove(run) {
            self.ended.push(task);
        }
    }

    /// Ends all of them.
    pub(super) async fn end(self) {
        drop(self.inbox);
        for task in self.running.into_values().map(|(_, task)| task).chain(self.ended) {
            task.abort();
            // Aborted tasks end with an error; that is what was wanted.
            drop(task.await);
        }
    }
}
