//! What users share, between a worker and its coordinator.

use loadhost_model::data::{DataFormat, DataSet};
use loadhost_model::id::Digest;
use loadhost_model::shared::{Draw, Lease, SharedState, SharedUse};

use super::*;
use crate::shared::{Stock, Taken};

impl Boss {
    /// A worker that makes load for a run with a data set; what its users have in common.
    async fn sharing() -> (Self, Arc<Commons>) {
        let script = Script::default();
        let shared = Arc::clone(&script.shared);
        let mut boss = Self::of(script, Load::Closed { users: Curve::constant(2.0) });
        let mut plan = (*boss.plan).clone();
        let (order, lost) = Default::default();
        let (digest, format) = (Digest::new([1; 32]), DataFormat::Csv);
        plan.data.insert("users".into(), DataSet { digest, format, rows: 100, order, lost });
        boss.plan = Arc::new(plan);
        boss.assign(Step::Prepare);
        let ready = boss.until_state(WorkerState::Ready).await;
        assert_eq!(ready.shared.run.as_ref(), Some(&boss.plan.run));
        assert_eq!(rows(&ready.shared), Draw { taken: 0, wanted: 20 }, "ten for each shard");
        boss.start();
        boss.until(|status| status.users == 2).await;
        let shared = Arc::clone(shared.get().unwrap());
        (boss, shared)
    }

    /// Leases rows to a process of this worker; when that was heard.
    async fn lease(&mut self, to: u64, lease: Lease) -> WorkerStatus {
        let mut work = self.assignments.borrow().clone().unwrap().work.unwrap();
        let rows = [(Arc::from("users"), lease)].into();
        let to = Some(Incarnation(to));
        work.shared = Box::new(SharedState { to, rows, ..SharedState::default() });
        self.generation += 1;
        let generation = self.generation;
        self.state(generation, Some(work));
        self.until(|status| status.applied.1 == generation).await
    }
}

fn rows(used: &SharedUse) -> Draw {
    used.rows["users"]
}

fn taken(stock: &Stock) -> Option<u64> {
    match stock.take() {
        Taken::Number(number) => Some(number),
        Taken::UsedUp | Taken::NotYet => None,
    }
}

fn block(first: u64, length: u64) -> Lease {
    Lease { before: 0, blocks: vec![(first, length)], last: false }
}

#[tokio::test]
async fn rows_are_handed_out_that_were_leased_to_this_process() {
    let (mut boss, shared) = Boss::sharing().await;
    let stock = shared.rows("users").unwrap();
    boss.lease(6, block(0, 20)).await;
    assert_eq!(stock.take(), Taken::NotYet, "they were for the process before");
    boss.lease(7, block(40, 20)).await;
    assert_eq!((taken(stock), taken(stock)), (Some(40), Some(41)));
    let later = boss.until(|status| rows(&status.shared).taken == 2).await;
    assert!(later.shared.said > 0);
    boss.finish().await;
}

#[tokio::test]
async fn the_last_word_on_what_was_taken_comes_with_the_end_and_stays() {
    let (mut boss, shared) = Boss::sharing().await;
    let stock = shared.rows("users").unwrap();
    boss.lease(7, block(40, 20)).await;
    assert_eq!(taken(stock), Some(40));
    boss.assign(Step::Stop { mode: StopMode::Graceful });
    let stopped = boss.until(|status| matches!(status.state, WorkerState::Stopped { .. })).await;
    assert_eq!(rows(&stopped.shared).taken, 1);
    assert_eq!(taken(stock), None, "what is left is for others");

    boss.generation += 1;
    boss.state(boss.generation, None);
    let idle = boss.until_state(WorkerState::Idle).await;
    assert_eq!((idle.run, idle.shared.run.as_ref()), (None, Some(&boss.plan.run)));
    assert_eq!(rows(&idle.shared).taken, 1);
    assert!(idle.shared.said > stopped.shared.said);

    // It comes back to the run: what it had left was given to others.
    boss.start();
    boss.until(|status| status.users == 2).await;
    boss.lease(7, Lease { before: 20, blocks: vec![(90, 5)], last: false }).await;
    assert_eq!(taken(stock), Some(90));
    boss.until(|status| rows(&status.shared).taken == 21).await;
    boss.finish().await;
}
