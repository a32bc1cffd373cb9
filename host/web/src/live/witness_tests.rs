#![allow(clippy::unwrap_used)]

use std::time::Duration;

use loadhost_control::view::{Liveness, ThresholdState, ThresholdView};
use loadhost_model::id::Incarnation;
use loadhost_model::wire::WorkerState;

use super::*;
use crate::export::fixture;

fn broken(text: &str, since: Option<u64>) -> ThresholdView {
    ThresholdView {
        text: text.into(),
        state: if since.is_some() { ThresholdState::Broken } else { ThresholdState::Ok },
        value: None,
        broken_since: since.map(Duration::from_secs),
        abort_after: None,
    }
}

fn at(second: u64, thresholds: Vec<ThresholdView>) -> RunView {
    RunView { elapsed: Duration::from_secs(second), thresholds, ..fixture::view() }
}

#[test]
fn a_breach_that_is_over_is_not_forgotten() {
    let mut seen = Seen::default();
    for (second, one, two) in [
        (1, None, None),
        (5, Some(4), None),
        (6, Some(4), Some(6)),
        (9, None, Some(6)),
        (12, Some(11), Some(6)),
        (13, Some(11), Some(6)),
    ] {
        seen.look(&at(second, vec![broken("p95 < 100ms", one), broken("rate > 5", two)]), &[]);
    }
    let breach = |threshold: &str, at_seconds, until_seconds| Breach {
        threshold: threshold.into(),
        at_seconds,
        until_seconds,
    };
    let wanted = [
        breach("p95 < 100ms", 4.0, Some(9.0)),
        breach("rate > 5", 6.0, None),
        breach("p95 < 100ms", 11.0, None),
    ];
    assert_eq!(seen.breaches, wanted);
}

#[test]
fn a_threshold_that_flutters_for_days_is_bounded() {
    let mut seen = Seen::default();
    let mut forgotten = 0;
    for second in 0..1_000 {
        let since = (second % 2 == 0).then_some(second);
        forgotten += seen.look(&at(second, vec![broken("rate > 5", since)]), &[]);
    }
    assert_eq!((seen.breaches.len(), forgotten), (MAX_BREACHES, 400));
}

fn worker(name: &str, users: u32, run: Option<&RunId>) -> WorkerView {
    WorkerView {
        worker: WorkerId::new(name).unwrap(),
        incarnation: Incarnation(1),
        release: "0.1.0".into(),
        tags: BTreeMap::new(),
        capacity: 500,
        shards: 2,
        users,
        cpu: 0.25,
        memory: 4096,
        lag: 1_500,
        liveness: Liveness::Alive,
        silent_for: Duration::ZERO,
        state: WorkerState::Running,
        run: run.cloned(),
        share: None,
        draining: false,
        name_clash: false,
    }
}

#[test]
fn workers_are_remembered_as_they_were_when_load_ended() {
    let mut seen = Seen::default();
    let run = at(5, Vec::new());
    let mine = Some(&run.run);
    seen.look(&run, &[worker("w1", 3, mine), worker("w2", 4, mine), worker("w3", 9, None)]);
    seen.look(&run, &[worker("w1", 5, mine), worker("w2", 0, None)]);
    let stopping = RunView { state: RunState::Stopping, ..run.clone() };
    seen.look(&stopping, &[worker("w1", 0, mine), worker("w4", 1, mine)]);
    let users: Vec<_> = seen.workers.values().map(|one| (one.worker.as_str(), one.users)).collect();
    assert_eq!(users, [("w1", 5), ("w2", 4), ("w4", 1)]);
    let shown = seen.shown(run.module);
    assert_eq!(shown["w1"].module.as_deref(), Some(run.module.to_string().as_str()));
}
