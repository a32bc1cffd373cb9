//! What it costs to save the numbers of a run, and to go on from them.
//!
//! ```text
//! cargo run -p loadhost-control --example checkpoint_cost -- [NAMES] [SECONDS]
//! ```
//!
//! One worker measures that many names for that many seconds, ten requests per name and second; then
//! the coordinator hands over. Printed are the bytes of the last checkpoint, how many of them were
//! not there in the one before, how long handing over took (copying, encoding, and a store that takes no
//! time), and how long a successor takes to read it.

mod common;

use std::collections::HashSet;
use std::error::Error;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use common::{Loopback, REQUESTS_PER_NAME, description, interval, plan, statistics, status};
use futures_util::future::BoxFuture;
use loadhost_control::ports::{
    NoShapes, Outside, Saved, SavedCheckpoint, StateStore, StoreError, SystemClock, boundless,
};
use loadhost_control::{AtEnd, Coordinator, CoordinatorConfig, Restored, StartRequest};
use loadhost_model::id::{RunId, Term, WorkerId};
use loadhost_model::plan::{Limits, RunPlan};
use loadhost_model::wire::{Report, Step, WorkerState};
use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;

const CHECKPOINT: Duration = Duration::from_secs(3);

/// Keeps what was saved last, and how much of it was news.
#[derive(Default)]
struct Memory(Mutex<(Saved, usize)>);

impl Memory {
    fn act(&self, act: impl FnOnce(&mut (Saved, usize))) -> BoxFuture<'_, Result<(), StoreError>> {
        act(&mut self.0.lock().unwrap_or_else(PoisonError::into_inner));
        Box::pin(async { Ok(()) })
    }
}

impl StateStore for Memory {
    fn load(&self, _: Term) -> BoxFuture<'_, Result<Saved, StoreError>> {
        Box::pin(async { Ok(Saved::default()) })
    }

    fn save_decisions(&self, _: Term, decisions: Vec<u8>) -> BoxFuture<'_, Result<(), StoreError>> {
        self.act(|kept| kept.0.decisions = Some(decisions))
    }

    fn save_checkpoint(
        &self,
        _: Term,
        run: RunId,
        checkpoint: SavedCheckpoint,
    ) -> BoxFuture<'_, Result<(), StoreError>> {
        self.act(|(saved, news)| {
            let before = saved.checkpoints.remove(&run).unwrap_or_default().sections;
            let before: HashSet<&Vec<u8>> = before.iter().collect();
            let new = checkpoint.sections.iter().filter(|section| !before.contains(section));
            *news = new.map(Vec::len).sum();
            saved.checkpoints.insert(run, checkpoint);
        })
    }

    fn save_report(&self, _: Term, _: RunId, _: Vec<u8>) -> BoxFuture<'_, Result<(), StoreError>> {
        self.act(|_| {})
    }

    fn report(&self, _: RunId) -> BoxFuture<'_, Result<Option<Vec<u8>>, StoreError>> {
        Box::pin(async { Ok(None) })
    }

    fn forget(&self, _: Term, _: RunId) -> BoxFuture<'_, Result<(), StoreError>> {
        self.act(|_| {})
    }

    fn release(&self, _: Term, _: u64) -> BoxFuture<'_, Result<(), StoreError>> {
        self.act(|_| {})
    }
}

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Box<dyn Error>> {
    let mut args = std::env::args().skip(1).map(|arg| arg.parse::<u64>());
    let mut next = |default| args.next().unwrap_or(Ok(default));
    let (names, seconds) = (next(100)?, next(600)?);

    let (assignments, mut assigned) = mpsc::unbounded_channel();
    let (reports, inbox) = mpsc::channel(64);
    let stop = CancellationToken::new();
    let store = Arc::new(Memory::default());
    let config = CoordinatorConfig {
        start_delay: Duration::ZERO,
        at_end: AtEnd::HandOver,
        checkpoint: CHECKPOINT,
        lost: Duration::from_secs(3600), // The worker says nothing else while it measures.
        ..CoordinatorConfig::default()
    };
    let outside = Outside {
        fleet: Arc::new(Loopback(assignments)),
        store: Some(store.clone()),
        shapes: Arc::new(NoShapes),
        clock: Arc::new(SystemClock),
        room: boundless(),
    };
    let (handle, task) = Coordinator::resume(config, outside, inbox, None, stop.clone());
    let id = WorkerId::new("w")?;
    reports.send(Report::Status(status(&id, (Term(0), 0), None, WorkerState::Idle))).await?;
    let request = StartRequest {
        plan: RunPlan {
            limits: Limits { names: u32::try_from(names)?, ..Limits::default() },
            ..plan()?
        },
        description: Arc::new(description()),
        expect_workers: 1,
        max_wait: Duration::from_secs(10),
        shape: None,
    };
    let run = handle.start(request).await?;
    loop {
        let (_, assignment) = assigned.recv().await.ok_or("the coordinator ended")?;
        let (applied, mut runs) = ((assignment.term, assignment.generation), false);
        let state = match assignment.work.map(|work| work.step) {
            Some(Step::Prepare) => WorkerState::Ready,
            Some(Step::Setup) => WorkerState::SetUp { data: "".into() },
            _ => {
                runs = true;
                WorkerState::Running
            }
        };
        reports.send(Report::Status(status(&id, applied, Some(run.clone()), state))).await?;
        if runs {
            break;
        }
    }
    for seq in 1..=seconds {
        if seq + CHECKPOINT.as_secs() == seconds {
            // As in a run that takes its time: a checkpoint of all but the last few seconds.
            tokio::time::sleep(CHECKPOINT * 3).await;
        }
        let interval = interval(&run, &id, seq, statistics(names, seq));
        reports.send(Report::Interval(Box::new(interval))).await?;
    }
    let expected = names * seconds * REQUESTS_PER_NAME;
    let mut view = handle.view();
    view.wait_for(|view| view.run(&run).is_some_and(|run| run.total.requests >= expected)).await?;

    let began = Instant::now();
    stop.cancel();
    task.await?;
    let handed_over = began.elapsed();
    let (saved, news) =
        std::mem::take(&mut *store.0.lock().unwrap_or_else(PoisonError::into_inner));
    let decisions = saved.decisions.as_ref().map_or(0, Vec::len);
    let sections = saved.checkpoints.get(&run).map(|checkpoint| checkpoint.sections.as_slice());
    let bytes: usize = sections.unwrap_or_default().iter().map(Vec::len).sum();
    let began = Instant::now();
    let restored = Restored::read(saved)?;
    let read = began.elapsed();
    println!("{names} names x {REQUESTS_PER_NAME} requests per second, {seconds} s of load");
    println!("{:.2} MB in a checkpoint, {decisions} bytes of decisions", bytes as f64 / 1e6);
    println!("{:.2} MB of them changed since the checkpoint before", news as f64 / 1e6);
    println!("{:.0} ms to hand over, {:.0} ms to read it", millis(handed_over), millis(read));
    drop(restored);
    Ok(())
}

fn millis(time: Duration) -> f64 {
    time.as_secs_f64() * 1e3
}
