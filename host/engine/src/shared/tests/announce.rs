//! When the coordinator is told.

use loadhost_model::id::{Incarnation, Term};
use loadhost_model::wire::{self, WorkerState, WorkerStatus};
use tokio::sync::watch;

use super::*;

fn status() -> WorkerStatus {
    WorkerStatus {
        version: wire::VERSION,
        worker: "w".parse().unwrap(),
        incarnation: Incarnation(1),
        release: "1".to_string(),
        tags: Default::default(),
        capacity: 1,
        weight: 1,
        shards: 1,
        users: 0,
        cpu: 0.0,
        memory: 0,
        lag: 0,
        applied: (Term(1), 1),
        share_from: 0,
        run: None,
        state: WorkerState::Idle,
        draining: false,
        edition: Default::default(),
        shared: Default::default(),
    }
}

/// What the status says, each time that it is sent.
struct Heard(watch::Receiver<WorkerStatus>);

impl Heard {
    /// The next status and how long it took.
    async fn next(&mut self) -> (SharedUse, Duration) {
        let begin = Instant::now();
        tokio::time::timeout(secs(5.0), self.0.changed()).await.unwrap().unwrap();
        (*self.0.borrow_and_update().shared.clone(), begin.elapsed())
    }
}

fn announced(commons: &Arc<Commons>) -> Heard {
    let (send, receive) = watch::channel(status());
    let commons = Arc::clone(commons);
    tokio::spawn(async move { announce(&commons, &send).await });
    Heard(receive)
}

#[tokio::test(start_paused = true)]
async fn a_low_stock_is_told_at_once_but_not_all_the_time() {
    let commons = commons();
    let stock = orders(&commons);
    leased(&commons, lease(0, &[(0, 100)], false));
    let mut heard = announced(&commons);
    assert_eq!(heard.next().await.0.numbers["order"].wanted, 20);
    tokio::time::advance(secs(0.5)).await;
    (0..90).for_each(|_| {
        stock.take();
    });
    settle().await;
    assert!(!heard.0.has_changed().unwrap(), "ten of twenty are half of them");
    stock.take();
    let (used, took) = heard.next().await;
    assert_eq!((used.numbers["order"].taken, took), (91, Duration::ZERO));
    stock.take();
    let (used, took) = heard.next().await;
    assert_eq!(used.numbers["order"].taken, 92);
    assert_eq!(took, secs(0.2), "five times a second at most");
    (0..8).for_each(|_| {
        stock.take();
    });
    let (used, took) = heard.next().await;
    assert_eq!(used.numbers["order"].taken, 100);
    assert_eq!(took, secs(0.05), "sooner once there is none left");
}

#[tokio::test(start_paused = true)]
async fn a_visitor_is_told_soon_and_with_those_who_follow() {
    let commons = commons();
    let mut heard = announced(&commons);
    tokio::time::advance(secs(0.3)).await;
    heard.next().await;
    let _visitors = [visitor(&commons, secs(60.0)), visitor(&commons, secs(60.0))];
    let (used, took) = heard.next().await;
    assert_eq!((used.meetings["sale"].arrived, took), (2, secs(0.05)));
}

#[tokio::test(start_paused = true)]
async fn what_others_may_hear_late_is_told_each_second() {
    let commons = commons();
    commons.count("stock", 0).unwrap(); // a new name is told sooner
    let mut heard = announced(&commons);
    heard.next().await;
    for added in 1..4 {
        commons.count("stock", 1).unwrap();
        let (used, took) = heard.next().await;
        assert_eq!((used.counters["stock"], took), (added, secs(1.0)));
    }
}
