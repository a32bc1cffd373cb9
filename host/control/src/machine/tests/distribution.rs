//! Shares by weight and by load.

use loadhost_model::plan::{Distribution, FleetSettings};

use super::fleet::{plan_with, slots};
use super::*;

fn by(distribution: Distribution) -> RunPlan {
    let rebalance_interval = Some(secs(10));
    plan_with(FleetSettings { distribution, rebalance_interval, ..FleetSettings::default() })
}

#[test]
fn weighted_shares_are_dealt_by_the_weights_of_the_workers() {
    let mut stage = Stage::new();
    for (name, weight) in [("a", 1), ("b", 3)] {
        let idle = status(&worker(name), 1, WorkerState::Idle);
        stage.hears(WorkerStatus { weight, ..idle });
    }
    stage.start(by(Distribution::Weighted), 2, false);
    assert_eq!((slots(&stage, "a"), slots(&stage, "b")), (60, 180));
}

#[test]
fn least_loaded_shares_go_on_moving_until_all_cpus_are_as_busy() {
    let mut stage = Stage::running(&["a", "b"], by(Distribution::LeastLoaded));
    assert_eq!((slots(&stage, "a"), slots(&stage, "b")), (120, 120), "by room, which is the same");
    let mut seen = Vec::new();
    for _ in 0..70 {
        for _ in 0..10 {
            stage.now += Duration::from_millis(100);
            for (name, slots_per_cpu) in [("a", 600.0), ("b", 200.0)] {
                let cpu = slots(&stage, name) as f64 / slots_per_cpu;
                let said = WorkerStatus { cpu, ..stage.obedient(name) };
                stage.hears(said);
            }
            stage.feed(Input::Tick);
        }
        seen.push(slots(&stage, "a"));
    }
    seen.dedup();
    // 180 of 240 is right; what is within 5 % stays.
    assert!(
        seen.is_sorted() && seen.last().is_some_and(|last| (170..=180).contains(last)),
        "{seen:?}"
    );
}
